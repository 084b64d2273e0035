/* SPDX-License-Identifier: GPL-2.0 */
/* Copyright (C) 2026 movgem maintainers */
#ifndef _MOVGEM_COMPAT_H_
#define _MOVGEM_COMPAT_H_

/*
 * What differs between the kernels that movgem builds against, Linux 6.12 and
 * later. Nothing else in the driver looks at LINUX_VERSION_CODE.
 */

#include <linux/gfp.h>
#include <linux/version.h>

#include <drm/drm_gem.h>
#include <drm/gpu_scheduler.h>

/* mm */

/**
 * movgem_alloc_pages_bulk - allocate some order-0 pages
 * @gfp: how
 * @count: how many
 * @pages: returned pages; NULLs before
 *
 * Return: how many there are, possibly fewer than @count.
 */
static inline unsigned long
movgem_alloc_pages_bulk(gfp_t gfp, unsigned long count, struct page **pages)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 14, 0)
	return alloc_pages_bulk(gfp, count, pages);
#else
	return alloc_pages_bulk_array(gfp, count, pages);
#endif
}

/* GEM */

/**
 * movgem_lru_scan - drm_gem_lru_scan() for BOs that share no locking context
 * @lru: the list
 * @nr: pages to free
 * @remaining: counts pages of BOs that were locked
 * @shrink: frees one BO
 *
 * Return: the number of pages freed.
 */
static inline unsigned long
movgem_lru_scan(struct drm_gem_lru *lru, unsigned int nr,
		unsigned long *remaining,
		bool (*shrink)(struct drm_gem_object *obj))
{
	return drm_gem_lru_scan(lru, nr, remaining, shrink);
}

/* drm_sched */

/* The handler has reset the hardware, the job has ended. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 17, 0)
#define MOVGEM_SCHED_STAT_RESET	DRM_GPU_SCHED_STAT_RESET
#else
#define MOVGEM_SCHED_STAT_RESET	DRM_GPU_SCHED_STAT_NOMINAL
#endif

/**
 * movgem_sched_init - set up a scheduler for one entity
 * @sched: the scheduler, zeroed memory
 * @ops: backend
 * @submit_wq: workqueue to run on; NULL for an ordered one of its own
 * @timeout_wq: workqueue for the time-out handler; NULL for the system's
 * @credit_limit: most jobs in the hardware at a time
 * @timeout: of a job in the hardware, in jiffies, or MAX_SCHEDULE_TIMEOUT
 * @name: name for fences and traces; must live as long as @sched's memory
 * @dev: device for messages
 *
 * Return: zero or a negative errno.
 */
static inline int
movgem_sched_init(struct drm_gpu_scheduler *sched,
		  const struct drm_sched_backend_ops *ops,
		  struct workqueue_struct *submit_wq,
		  struct workqueue_struct *timeout_wq, u32 credit_limit,
		  long timeout, const char *name, struct device *dev)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 15, 0)
	const struct drm_sched_init_args args = {
		.ops = ops,
		.submit_wq = submit_wq,
		.timeout_wq = timeout_wq,
		.num_rqs = 1,
		.credit_limit = credit_limit,
		.timeout = timeout,
		.name = name,
		.dev = dev,
	};

	return drm_sched_init(sched, &args);
#else
	return drm_sched_init(sched, ops, submit_wq, 1, credit_limit, 0,
			      timeout, timeout_wq, NULL, name, dev);
#endif
}

/**
 * movgem_sched_entity_init - set up the only entity of a scheduler
 * @entity: the entity
 * @sched: its scheduler
 *
 * Return: zero or a negative errno.
 */
static inline int
movgem_sched_entity_init(struct drm_sched_entity *entity,
			 struct drm_gpu_scheduler *sched)
{
	/* The first priority is the only one that a single run queue has. */
	return drm_sched_entity_init(entity, DRM_SCHED_PRIORITY_KERNEL, &sched,
				     1, NULL);
}

/**
 * movgem_sched_job_init - set up a job of one credit
 * @job: the job
 * @entity: its entity
 * @owner: for debugging
 * @client_id: &drm_file.client_id
 *
 * The last parameter of drm_sched_job_init() came with Linux 6.17 and with
 * the stable releases of 6.12 that Debian ships.
 *
 * Return: zero or a negative errno.
 */
static inline int
movgem_sched_job_init(struct drm_sched_job *job,
		      struct drm_sched_entity *entity, void *owner,
		      u64 client_id)
{
	return drm_sched_job_init(job, entity, 1, owner, client_id);
}

/**
 * movgem_sched_start - let a scheduler go on after drm_sched_stop()
 * @sched: the scheduler
 */
static inline void movgem_sched_start(struct drm_gpu_scheduler *sched)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 13, 0)
	drm_sched_start(sched, 0);
#else
	drm_sched_start(sched);
#endif
}

#endif
