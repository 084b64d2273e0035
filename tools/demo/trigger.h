/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The main job's guest program: what the kernel is asked for.
 *
 * Copyright (C) 2026 movgem maintainers
 */
#ifndef _MOVGEM_DEMO_TRIGGER_H_
#define _MOVGEM_DEMO_TRIGGER_H_

#include <stdint.h>

/**
 * struct trigger_result - what the kernel could give
 * @seconds: how long it took
 * @huge_pages: 2 MiB pages
 * @rounds: how often it was asked for them
 * @tried: memory blocks that were asked for
 * @offlined: memory blocks that went offline
 */
struct trigger_result {
	double seconds;
	uint64_t huge_pages;
	unsigned int rounds;
	unsigned int tried;
	unsigned int offlined;
};

void trigger_prepare(void);
void trigger_huge_pages(struct trigger_result *res);
void trigger_release(void);
void trigger_offline(struct trigger_result *res, unsigned int limit);

#endif
