/* SPDX-License-Identifier: MIT */
/*
 * Copyright (C) 2026 movgem maintainers
 *
 * The calls whose allocations movgem_fault_injection makes fail, each with what
 * comes before and after it.
 */
#ifndef MOVGEM_FAULT_CALLS_H
#define MOVGEM_FAULT_CALLS_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>

#include "movgem_rig.h"

#define PAGES	64
#define SIZE	(PAGES * MOVGEM_PAGE)

/* What a call works on. All of it is new for each round of a call. */
struct fault_state {
	int fd;
	int other;
	uint32_t vm;
	uint32_t queue;
	uint32_t handle;
	uint32_t handle2;
	uint32_t result;
	uint64_t va;
	int dmabuf;
	int file;
	void *map;
	uint64_t id;
	bool ready;
	struct movgem_stream s;
	struct movgem_gate gate;
	uint32_t syncobj[3];
};

struct fault_call {
	const char *name;
	const char *what;
	/* Once for all rounds: sets up what stays. */
	void (*once)(int fd);
	void (*prepare)(struct fault_state *st);
	/* Returns 0 or a negative errno. */
	int (*call)(struct fault_state *st);
	/* What is made sure of, and undone, where the call has worked. */
	void (*undo)(struct fault_state *st);
	void (*cleanup)(struct fault_state *st);
	/* What it may fail with besides -ENOMEM; ends with 0. */
	const int *errnos;
	/* So many allocations there are at least; with 0 there is none at all. */
	int min;
	/* It takes part in the test of copies from and to user space. */
	bool copies;
};

/* The driver's own calls; then dma-bufs, files of text and moves. End with no name. */
extern const struct fault_call fault_own_calls[];
extern const struct fault_call fault_share_calls[];

static inline int as_errno(int ret)
{
	return ret < 0 ? -errno : ret;
}

/* Steps of calls in both files. */
void fault_with_bo(struct fault_state *st);
void fault_gem_close(struct fault_state *st);
void fault_undo_mmap(struct fault_state *st);
int fault_handle_to_fd(int fd, uint32_t handle, int *dmabuf);

#endif /* MOVGEM_FAULT_CALLS_H */
