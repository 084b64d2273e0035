/* SPDX-License-Identifier: GPL-2.0 */
/* Copyright (C) 2026 movgem maintainers */
#ifndef _MOVGEM_COMPAT_H_
#define _MOVGEM_COMPAT_H_

/*
 * What differs between the kernels that movgem builds against, Linux 6.12 and
 * later. Nothing else in the driver looks at LINUX_VERSION_CODE.
 */

#include <linux/gfp.h>
#include <linux/hrtimer.h>
#include <linux/version.h>

#include <drm/drm_gem.h>
#include <drm/drm_gpuvm.h>
#include <drm/drm_mode_config.h>
#include <drm/drm_plane.h>
#include <drm/drm_property.h>
#include <drm/gpu_scheduler.h>

/* modules */

/* The name space became a string in Linux 6.13. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 13, 0)
#define MOVGEM_IMPORT_NS_DMA_BUF	"DMA_BUF"
#else
#define MOVGEM_IMPORT_NS_DMA_BUF	DMA_BUF
#endif

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

/* Before Linux 6.14 the line drm-active-... is always there. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 14, 0)
#define MOVGEM_STATS_ACTIVE		DRM_GEM_OBJECT_ACTIVE
#else
#define MOVGEM_STATS_ACTIVE		0
#endif

/* Since Linux 7.2 a callback of drm_gem_lru_scan() has one parameter more. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(7, 2, 0)
#define MOVGEM_LRU_ARGS \
	struct drm_gem_object *obj, struct ww_acquire_ctx *ticket
#else
#define MOVGEM_LRU_ARGS		struct drm_gem_object *obj
#endif

/**
 * movgem_lru_lock - lock of LRU lists
 * @drm: the device, whose lock it is since Linux 7.2
 * @own: the driver's lock, for what is before
 *
 * Return: the mutex, which is taken in reclaim.
 */
static inline struct mutex *movgem_lru_lock(struct drm_device *drm,
					    struct mutex *own)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(7, 2, 0)
	return &drm->gem_lru_mutex;
#else
	return own;
#endif
}

/**
 * movgem_lru_init - drm_gem_lru_init()
 * @lru: the list
 * @own: as for movgem_lru_lock()
 */
static inline void movgem_lru_init(struct drm_gem_lru *lru, struct mutex *own)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(7, 2, 0)
	drm_gem_lru_init(lru);
#else
	drm_gem_lru_init(lru, own);
#endif
}

/**
 * movgem_lru_scan - drm_gem_lru_scan() for BOs that share no locking context
 * @drm: the device
 * @lru: the list
 * @nr: pages to free
 * @remaining: counts pages of BOs that were locked
 * @shrink: frees one BO
 *
 * Return: the number of pages freed.
 */
static inline unsigned long
movgem_lru_scan(struct drm_device *drm, struct drm_gem_lru *lru,
		unsigned int nr, unsigned long *remaining,
		bool (*shrink)(MOVGEM_LRU_ARGS))
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(7, 2, 0)
	return drm_gem_lru_scan(drm, lru, nr, remaining, shrink, NULL);
#else
	return drm_gem_lru_scan(lru, nr, remaining, shrink);
#endif
}

/* KMS */

/* Since Linux 7.2 the name is drm_atomic_commit. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(7, 2, 0)
#define movgem_atomic_commit		drm_atomic_commit
#define movgem_atomic_commit_put	drm_atomic_commit_put
#else
#define movgem_atomic_commit		drm_atomic_state
#define movgem_atomic_commit_put	drm_atomic_state_put
#endif

/*
 * Since Linux 6.17 &drm_mode_config_funcs.fb_create has the format at hand,
 * and hands it on.
 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 17, 0)
#define MOVGEM_FB_CREATE_ARGS \
	struct drm_device *drm, struct drm_file *file, \
	const struct drm_format_info *info, const struct drm_mode_fb_cmd2 *cmd
#define movgem_gem_fb_init(fb, funcs) \
	drm_gem_fb_init_with_funcs(drm, fb, file, info, cmd, funcs)
#else
#define MOVGEM_FB_CREATE_ARGS \
	struct drm_device *drm, struct drm_file *file, \
	const struct drm_mode_fb_cmd2 *cmd
#define movgem_gem_fb_init(fb, funcs) \
	drm_gem_fb_init_with_funcs(drm, fb, file, cmd, funcs)
#endif

/*
 * Since Linux 6.15 &drm_plane_helper_funcs.atomic_async_check is asked about
 * asynchronous flips as well.
 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 15, 0)
#define MOVGEM_ASYNC_CHECK_ARGS \
	struct drm_plane *plane, struct movgem_atomic_commit *state, bool flip
#define MOVGEM_ASYNC_CHECK_FLIP		flip
#else
#define MOVGEM_ASYNC_CHECK_ARGS \
	struct drm_plane *plane, struct movgem_atomic_commit *state
#define MOVGEM_ASYNC_CHECK_FLIP		false
#endif

/*
 * Since Linux 6.16 DRM makes IN_FORMATS_ASYNC, of what this callback of &struct
 * drm_plane_funcs says. Before it is the driver's: user space knows it as well.
 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 16, 0)
#define MOVGEM_ASYNC_FORMATS(fn)	.format_mod_supported_async = fn,
#else
#define MOVGEM_ASYNC_FORMATS(...)
#endif

/**
 * movgem_plane_create_async_formats - have IN_FORMATS_ASYNC where DRM has not
 * @plane: the plane, which has IN_FORMATS
 * @any: asynchronous flips are for all of these formats, else for none
 *
 * Return: 0 or a negative errno.
 */
static inline int
movgem_plane_create_async_formats(struct drm_plane *plane, bool any)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 16, 0)
	return 0;
#else
	struct drm_device *drm = plane->dev;
	struct drm_property_blob *formats, *async;
	struct drm_format_modifier_blob *head;
	struct drm_format_modifier *modifiers;
	struct drm_property *prop;
	u64 id;
	int ret;

	ret = drm_object_property_get_default_value(&plane->base,
						    drm->mode_config.modifiers_property,
						    &id);
	if (ret)
		return ret;
	formats = drm_property_lookup_blob(drm, id);
	if (!formats)
		return -ENOENT;
	async = drm_property_create_blob(drm, formats->length, formats->data);
	drm_property_blob_put(formats);
	if (IS_ERR(async))
		return PTR_ERR(async);

	head = async->data;
	modifiers = async->data + head->modifiers_offset;
	for (u32 i = 0; i < head->count_modifiers && !any; i++)
		modifiers[i].formats = 0;

	prop = drm_property_create(drm, DRM_MODE_PROP_IMMUTABLE |
				   DRM_MODE_PROP_BLOB, "IN_FORMATS_ASYNC", 0);
	if (!prop)
		return -ENOMEM;
	drm_object_attach_property(&plane->base, prop, async->base.id);
	return 0;
#endif
}

/**
 * movgem_hrtimer_setup - hrtimer_setup(), which came with Linux 6.13
 * @timer: the timer
 * @function: what it calls
 * @clock: CLOCK_*
 * @mode: how
 */
static inline void
movgem_hrtimer_setup(struct hrtimer *timer,
		     enum hrtimer_restart (*function)(struct hrtimer *),
		     clockid_t clock, enum hrtimer_mode mode)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 13, 0)
	hrtimer_setup(timer, function, clock, mode);
#else
	hrtimer_init(timer, clock, mode);
	timer->function = function;
#endif
}

/* drm_gpuvm */

/*
 * A VM's structure is changed in the fence signalling path, so a BO's gpuva
 * list has a lock of its own. Before Linux 7.0 it is one of the driver's.
 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(7, 0, 0)
#define MOVGEM_GPUVM_FLAGS \
	(DRM_GPUVM_RESV_PROTECTED | DRM_GPUVM_IMMEDIATE_MODE)
#else
#define MOVGEM_GPUVM_FLAGS	DRM_GPUVM_RESV_PROTECTED
#endif

/**
 * movgem_gpuva_lock_get - lock of a GEM object's gpuva list
 * @obj: the object
 * @own: the driver's lock, for where GEM has none
 *
 * Return: the mutex.
 */
static inline struct mutex *movgem_gpuva_lock_get(struct drm_gem_object *obj,
						  struct mutex *own)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(7, 0, 0)
	return &obj->gpuva.lock;
#else
	return own;
#endif
}

/**
 * movgem_gpuva_lock_init - tell GEM of the driver's lock
 * @obj: the object
 * @own: as for movgem_gpuva_lock_get()
 */
static inline void movgem_gpuva_lock_init(struct drm_gem_object *obj,
					  struct mutex *own)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(7, 0, 0)
	drm_gem_gpuva_set_lock(obj, own);
#endif
}

/**
 * movgem_gpuvm_bo_obtain - drm_gpuvm_bo_obtain_prealloc()
 * @vm_bo: a new one, which is freed if there is one already
 * @lock: lock of the BO's gpuva list, which this takes
 *
 * Return: the only one of its VM and BO, with a reference.
 */
static inline struct drm_gpuvm_bo *
movgem_gpuvm_bo_obtain(struct drm_gpuvm_bo *vm_bo, struct mutex *lock)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(7, 0, 0)
	return drm_gpuvm_bo_obtain_prealloc(vm_bo);
#else
	mutex_lock(lock);
	vm_bo = drm_gpuvm_bo_obtain_prealloc(vm_bo);
	mutex_unlock(lock);
	return vm_bo;
#endif
}

/**
 * movgem_gpuvm_sm_map - drm_gpuvm_sm_map()
 * @vm: the VM
 * @priv: for the callbacks
 * @va: first address
 * @range: size
 * @obj: the BO
 * @offset: first byte of the BO
 *
 * Return: 0 or a negative errno.
 */
static inline int
movgem_gpuvm_sm_map(struct drm_gpuvm *vm, void *priv, u64 va, u64 range,
		    struct drm_gem_object *obj, u64 offset)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 18, 0)
	const struct drm_gpuvm_map_req req = {
		.map = {
			.va.addr = va,
			.va.range = range,
			.gem.obj = obj,
			.gem.offset = offset,
		},
	};

	return drm_gpuvm_sm_map(vm, priv, &req);
#else
	return drm_gpuvm_sm_map(vm, priv, va, range, obj, offset);
#endif
}

/* dma-buf */

/* The callback of struct dma_buf_attach_ops, and what calls it. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(7, 1, 0)
#define MOVGEM_ATTACH_NOTIFY		invalidate_mappings
#define movgem_dma_buf_notify(dmabuf)	dma_buf_invalidate_mappings(dmabuf)
#else
#define MOVGEM_ATTACH_NOTIFY		move_notify
#define movgem_dma_buf_notify(dmabuf)	dma_buf_move_notify(dmabuf)
#endif

/* drm_sched */

/* The handler has reset the hardware, the job has ended. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 17, 0)
#define MOVGEM_SCHED_STAT_RESET	DRM_GPU_SCHED_STAT_RESET
#else
#define MOVGEM_SCHED_STAT_RESET	DRM_GPU_SCHED_STAT_NOMINAL
#endif

/*
 * drm_sched_init() takes a struct since Linux 6.15, and of the stable releases
 * of 6.12 that Debian ships, since 6.12.115; 6.12.113 is without.
 */
#define MOVGEM_SCHED_INIT_ARGS						\
	(LINUX_VERSION_CODE >= KERNEL_VERSION(6, 15, 0) ||		\
	 (LINUX_VERSION_CODE >= KERNEL_VERSION(6, 12, 115) &&		\
	  LINUX_VERSION_CODE < KERNEL_VERSION(6, 13, 0)))

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
#if MOVGEM_SCHED_INIT_ARGS
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
