/* SPDX-License-Identifier: MIT */
/*
 * Copyright (C) 2026 movgem maintainers
 *
 * What makes the kernel move pages, and what the driver tells about it.
 */
#ifndef MOVGEM_MIGRATE_TRIGGER_H
#define MOVGEM_MIGRATE_TRIGGER_H

#include <stdbool.h>
#include <stdint.h>

#include "movgem_lib.h"
#include "movgem_migrate_rig.h"

/* Moves all BOs of the rig once; the share that debugfs says has moved. */
struct movgem_migrate_result rig_migrate(struct rig *rig);

/* Finds the BOs' ids in debugfs; gives them labels of their own for it. */
void rig_identify(struct rig *rig);
/* Page frames of a rig's pages, in order; 0 where there is none. */
uint64_t *rig_pfns(struct rig *rig);
unsigned int pfns_changed(const uint64_t *a, const uint64_t *b,
			  unsigned int n);

/*
 * A trigger tries once to have every page of the rig moved, and returns false
 * when it can do no more for this rig. It skips the subtest where the guest
 * lacks what it needs.
 */
typedef bool (*trigger_t)(struct rig *rig, unsigned int round);

bool trigger_debugfs(struct rig *rig, unsigned int round);
bool trigger_compact(struct rig *rig, unsigned int round);
bool trigger_hugetlb(struct rig *rig, unsigned int round);
bool trigger_offline(struct rig *rig, unsigned int round);
bool trigger_soft_offline(struct rig *rig, unsigned int round);

/* Has the kernel make huge pages until it meets one that cannot be had. */
void ask_hugepages_once(void);

/* One line of /proc/meminfo. */
unsigned long meminfo_kb(const char *key);
/*
 * Takes all but so much of the free memory as huge pages, so that more of them
 * can only be had by moving pages. triggers_reset() gives them back.
 */
void squeeze_memory(unsigned int leave_mb);
/*
 * Pages that were freed lie in lists per processor, up to 100 MiB, where
 * compaction does not see them. Keeps those lists short until
 * triggers_reset().
 */
void small_page_lists(void);
void compact_memory(void);
bool soft_offline(uint64_t pfn);

/*
 * Takes the memory block of page frame @pfn offline, trying no longer than
 * @seconds. Returns 0 or -errno; -EINTR when the time is over.
 */
int block_offline(uint64_t pfn, unsigned int seconds);
void block_online(uint64_t pfn);
bool block_is_movable(uint64_t pfn);
/* A block with a page frame that is out of service does not come online again. */
bool block_is_sound(uint64_t pfn);
/* All of ZONE_MOVABLE, as far as it goes; triggers_reset() brings it back. */
void movable_blocks_offline(void);

/* Gives back what a failed subtest left taken: huge pages, offline blocks. */
void triggers_reset(void);

#endif
