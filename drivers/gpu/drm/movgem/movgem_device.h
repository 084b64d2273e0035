/* SPDX-License-Identifier: GPL-2.0 */
/* Copyright (C) 2026 movgem maintainers */
#ifndef _MOVGEM_DEVICE_H_
#define _MOVGEM_DEVICE_H_

#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/xarray.h>

#include <drm/drm_device.h>
#include <drm/drm_file.h>
#include <drm/drm_gem.h>
#include <drm/drm_print.h>

#include "movgem_stats.h"

struct movgem_engine_ops;
struct movgem_kms;
struct movgem_store_ops;
struct shrinker;
struct workqueue_struct;

/**
 * struct movgem_device - one movgem GPU
 */
struct movgem_device {
	/** @drm: DRM device. */
	struct drm_device drm;

	/** @store: where BO pages come from, chosen by page_store. */
	const struct movgem_store_ops *store;

	/** @engine: the GPU behind the device. */
	const struct movgem_engine_ops *engine;

	/** @engine_priv: the engine's own state. */
	void *engine_priv;

	/** @shrinker: takes back the pages of BOs that nobody needs. */
	struct shrinker *shrinker;

	/** @lru: BOs that nobody needs. */
	struct {
		/** @lru.lock: protects @lru.list; taken in reclaim. */
		struct mutex lock;

		/** @lru.list: the BOs. */
		struct drm_gem_lru list;

		/** @lru.leaving: never scanned, see movgem_lru_remove(). */
		struct drm_gem_lru leaving;
	} lru;

	/** @sched_wq: runs the schedulers of all queues. */
	struct workqueue_struct *sched_wq;

	/** @timeout_wq: handles jobs that ran too long. */
	struct workqueue_struct *timeout_wq;

	/** @queues: all queues, by the context of their jobs' fences. */
	struct xarray queues;

	/** @stats: counters, see movgem_stats.h. */
	struct movgem_stats stats;

	/** @flush: batching of GPU TLB invalidations. */
	struct {
		/** @flush.lock: serialises invalidations. */
		spinlock_t lock;

		/**
		 * @flush.epoch: number of invalidations begun. A page that
		 * was blocked in an earlier epoch is in no TLB any more.
		 */
		u8 epoch;

		/** @flush.done: number of invalidations ended. */
		u8 done;

		/**
		 * @flush.off: the GPU is off and accesses nothing; what is in
		 * its TLBs is invalidated when it comes on.
		 */
		bool off;
	} flush;

	/**
	 * @asleep: the machine is, as far as the jobs are concerned: none times
	 * out.
	 */
	bool asleep;

	/** @stalls: accesses of the engine that wait, see movgem_stall.c. */
	struct {
		/** @stalls.lock: protects @stalls.list. */
		spinlock_t lock;

		/** @stalls.list: &movgem_stall.link of each. */
		struct list_head list;
	} stalls;

	/** @pts: page tables of all VMs, for debugfs. */
	struct {
		/** @pts.lock: protects @pts.list; nothing is freed under it. */
		struct mutex lock;

		/** @pts.list: &movgem_pt.link of each. */
		struct list_head list;
	} pts;

	/** @bos: all BOs of the device, for debugfs and the shrinker. */
	struct {
		/** @bos.lock: protects @bos.list. */
		spinlock_t lock;

		/** @bos.list: &movgem_bo.device_link of every BO. */
		struct list_head list;

		/** @bos.next_id: id of the next BO. */
		u64 next_id;
	} bos;

	/** @kms: the display, or NULL if there is none. */
	struct movgem_kms *kms;

	/** @last_move: result of the last write to debugfs "migrate". */
	struct {
		/** @last_move.tried: pages that were tried. */
		u64 tried;

		/** @last_move.moved: pages that moved. */
		u64 moved;
	} last_move;
};

static inline struct movgem_device *to_movgem_device(struct drm_device *drm)
{
	return container_of(drm, struct movgem_device, drm);
}

/**
 * struct movgem_file - state of one open file
 */
struct movgem_file {
	/** @mdev: the device. */
	struct movgem_device *mdev;

	/** @vms: struct movgem_vm by vm_id. */
	struct xarray vms;

	/** @queues: struct movgem_queue by queue_id. */
	struct xarray queues;

	/**
	 * @usage: what the file's jobs used. Refcounted, because jobs and
	 * queues outlive the file.
	 */
	struct movgem_usage *usage;
};

/**
 * movgem_invalid - reject an argument with a line that names the field
 * @drm: DRM device
 * @fmt: format of the reason, "struct.field: why", without a newline
 *
 * Return: -EINVAL.
 */
#define movgem_invalid(drm, fmt, ...) \
	movgem_reject(drm, -EINVAL, fmt, ##__VA_ARGS__)

/**
 * movgem_reject - reject an argument with a line that names the field
 * @drm: DRM device
 * @err: negative errno
 * @fmt: format of the reason, "struct.field: why", without a newline
 *
 * Return: @err.
 */
#define movgem_reject(drm, err, fmt, ...) ({			\
	drm_dbg_core(drm, fmt "\n", ##__VA_ARGS__);		\
	(err);							\
})

#endif
