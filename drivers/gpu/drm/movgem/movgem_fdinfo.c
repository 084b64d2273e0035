// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 movgem maintainers */

#include <linux/dma-resv.h>
#include <linux/idr.h>

#include <drm/drm_file.h>
#include <drm/drm_gem.h>
#include <drm/drm_print.h>

#include "movgem_bo.h"
#include "movgem_compat.h"
#include "movgem_device.h"
#include "movgem_drv.h"
#include "movgem_engine.h"
#include "movgem_queue.h"

/* What a file's BOs went through, beside the common keys. */
struct move_stats {
	u64 moved;
	u64 pinned;
};

static void add_moves(struct move_stats *moves, struct movgem_bo *bo)
{
	spin_lock(&bo->pages_lock);
	moves->moved += bo->moved;
	if (bo->pins)
		moves->pinned += bo->base.size;
	spin_unlock(&bo->pages_lock);
}

static void add_object(struct drm_memory_stats *stats,
		       struct drm_gem_object *obj)
{
	enum drm_gem_object_status status = obj->funcs->status(obj);
	bool active = !dma_resv_test_signaled(obj->resv,
					      DMA_RESV_USAGE_BOOKKEEP);

	if (drm_gem_object_is_shared_for_memory_stats(obj))
		stats->shared += obj->size;
	else
		stats->private += obj->size;

	if (active)
		stats->active += obj->size;
	if (!(status & DRM_GEM_OBJECT_RESIDENT))
		return;
	stats->resident += obj->size;
	if (!active && (status & DRM_GEM_OBJECT_PURGEABLE))
		stats->purgeable += obj->size;
}

/**
 * movgem_show_fdinfo - usage of a file
 * @p: where to print
 * @file: DRM file
 *
 * The keys of Documentation/gpu/drm-usage-stats.rst, and of our own
 * movgem-pages-moved, page moves of the file's BOs since their creation, and
 * movgem-pinned-memory, size of those that are pinned now.
 *
 * drm_show_memory_stats() calls an object active if it has a fence of implicit
 * synchronisation. Our jobs leave fences of usage BOOKKEEP only, as VM_BIND
 * drivers do, so the objects are counted here.
 */
void movgem_show_fdinfo(struct drm_printer *p, struct drm_file *file)
{
	struct movgem_file *mfile = file->driver_priv;
	struct movgem_device *mdev = mfile->mdev;
	struct drm_memory_stats stats = {};
	struct drm_movgem_gpu_info info = {};
	struct move_stats moves = {};
	struct drm_gem_object *obj;
	int id;

	spin_lock(&file->table_lock);
	idr_for_each_entry(&file->object_idr, obj, id) {
		add_object(&stats, obj);
		add_moves(&moves, to_movgem_bo(obj));
	}
	spin_unlock(&file->table_lock);

	mdev->engine->query(mdev, &info);
	drm_printf(p, "drm-engine-%s:\t%llu ns\n", mdev->engine->name,
		   (u64)atomic64_read(&mfile->usage->busy_ns));
	drm_printf(p, "drm-engine-capacity-%s:\t%u\n", mdev->engine->name,
		   info.cores);
	drm_print_memory_stats(p, &stats,
			       MOVGEM_STATS_ACTIVE | DRM_GEM_OBJECT_RESIDENT |
			       DRM_GEM_OBJECT_PURGEABLE, "memory");
	drm_printf(p, "movgem-pages-moved:\t%llu\n", moves.moved);
	drm_printf(p, "movgem-pinned-memory:\t%llu KiB\n", moves.pinned / 1024);
}
