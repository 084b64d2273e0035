/* SPDX-License-Identifier: GPL-2.0 */
/* Copyright (C) 2026 movgem maintainers */
#ifndef _MOVGEM_ENGINE_H_
#define _MOVGEM_ENGINE_H_

#include <linux/types.h>

struct drm_movgem_gpu_info;
struct movgem_bo;
struct movgem_device;
struct movgem_job;
struct movgem_queue;
struct movgem_vm;

/**
 * struct movgem_engine_ops - the GPU, as the memory core and the queues see it
 *
 * @page_block and @page_set are called with &movgem_bo.pages_lock held (a spinlock) and
 * must not sleep.
 */
struct movgem_engine_ops {
	/** @name: short name. */
	const char *name;

	/**
	 * @slices: cores take turns, and movgem_job_busy() is called for a job
	 * at least once a jiffy while it has a core or waits for a semaphore.
	 * So a job that only waits for a core can be told from one that hangs.
	 */
	bool slices;

	/** @init: set up; the device is not registered yet. */
	int (*init)(struct movgem_device *mdev);

	/** @fini: undo @init; no queue is left. */
	void (*fini)(struct movgem_device *mdev);

	/** @query: fill in what the engine knows of @info. */
	void (*query)(struct movgem_device *mdev,
		      struct drm_movgem_gpu_info *info);

	/**
	 * @page_block: make the GPU stall, not fault, on its next translation
	 * of page @index of @bo. What is in TLBs stays until @flush.
	 */
	void (*page_block)(struct movgem_bo *bo, u32 index);

	/**
	 * @page_set: point every translation of page @index of @bo at the
	 * page that the BO has there now, and let the GPU have it.
	 */
	void (*page_set)(struct movgem_bo *bo, u32 index);

	/**
	 * @bo_update: make every translation of @bo as the BO is now: it has
	 * been purged, or is an import and has other addresses or none. Called
	 * without locks but the BO's dma_resv, in reclaim; the caller flushes.
	 */
	void (*bo_update)(struct movgem_bo *bo);

	/**
	 * @flush: invalidate all TLBs and wait until no access that was
	 * translated before is still under way. Called with
	 * &movgem_device.flush.lock held, must not sleep.
	 */
	void (*flush)(struct movgem_device *mdev);

	/**
	 * @display_read: read @len bytes at @va for the display; NULL if the
	 * engine has none. Stalls on a page that moves. Called in the fence
	 * signalling path without locks. Returns 0, or -EFAULT where nothing
	 * is mapped.
	 */
	int (*display_read)(struct movgem_device *mdev, struct movgem_vm *vm,
			    u64 va, void *buf, u32 len);

	/** @display_write: as @display_read, for writeback. */
	int (*display_write)(struct movgem_device *mdev, struct movgem_vm *vm,
			     u64 va, const void *buf, u32 len);

	/**
	 * @suspend: rest: stop where the jobs are, keep them and what else is
	 * run, and access nothing in return. May sleep.
	 */
	void (*suspend)(struct movgem_device *mdev);

	/** @resume: go on with all of it. */
	void (*resume)(struct movgem_device *mdev);

	/** @queue_init: set &movgem_queue.engine_priv up. May sleep. */
	int (*queue_init)(struct movgem_queue *queue);

	/** @queue_fini: undo @queue_init; no job is left. May sleep. */
	void (*queue_fini)(struct movgem_queue *queue);

	/**
	 * @run: start @job after those started earlier in its queue. The
	 * engine ends it by movgem_job_complete(). Must not sleep on memory
	 * (fence signalling path).
	 */
	void (*run)(struct movgem_job *job);

	/**
	 * @cancel: end @job by movgem_job_complete() with @error and @fault
	 * type unless it has ended; in return it has ended, touches nothing
	 * any more, and later jobs of the queue go on. May sleep.
	 */
	void (*cancel)(struct movgem_job *job, int error, u32 fault);
};

extern const struct movgem_engine_ops movgem_soft_engine;

#endif
