/* SPDX-License-Identifier: GPL-2.0 */
/* Copyright (C) 2026 movgem maintainers */
#ifndef _MOVGEM_SYNC_H_
#define _MOVGEM_SYNC_H_

#include <linux/types.h>

struct dma_fence;
struct dma_fence_chain;
struct drm_file;
struct drm_movgem_sync;
struct drm_sched_job;
struct drm_syncobj;

/**
 * struct movgem_sync_out - a syncobj that a job will signal
 */
struct movgem_sync_out {
	/** @syncobj: the syncobj; a reference. */
	struct drm_syncobj *syncobj;

	/** @chain: preallocated link of a timeline, else NULL. */
	struct dma_fence_chain *chain;

	/** @point: timeline point. */
	u64 point;
};

/**
 * struct movgem_syncs - the syncs of one call, taken apart
 */
struct movgem_syncs {
	/** @waits: fences to wait for; references. */
	struct dma_fence **waits;

	/** @num_waits: number of @waits. */
	u32 num_waits;

	/** @outs: what to signal. */
	struct movgem_sync_out *outs;

	/** @num_outs: number of @outs. */
	u32 num_outs;
};

int movgem_syncs_parse(struct drm_file *file, const char *ioctl, u64 ptr,
		       u32 count, struct movgem_syncs *syncs);
int movgem_syncs_add_deps(struct movgem_syncs *syncs,
			  struct drm_sched_job *job);
void movgem_syncs_push(struct movgem_syncs *syncs, struct dma_fence *fence);
void movgem_syncs_fini(struct movgem_syncs *syncs);

#endif
