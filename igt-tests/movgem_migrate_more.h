/* SPDX-License-Identifier: MIT */
/*
 * Copyright (C) 2026 movgem maintainers
 *
 * The subtests of movgem_migrate in which user space does something else to
 * the buffers while they move.
 */
#ifndef MOVGEM_MIGRATE_MORE_H
#define MOVGEM_MIGRATE_MORE_H

#include "movgem_migrate_rig.h"

struct more_case {
	const char *name;
	void (*test)(void);
	const char *describe;
};

/* The last has no name. */
extern const struct more_case more_cases[];

/* Sets the one rig up. */
struct rig *the_rig(const struct rig_config *cfg);
/* Processes that move the rig's pages, and compact memory, all the time. */
void movers_start(bool compaction);
void movers_stop(void);

#endif
