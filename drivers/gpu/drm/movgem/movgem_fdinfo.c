// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 movgem maintainers */

#include <linux/dma-resv.h>
#include <linux/idr.h>

#include <drm/drm_file.h>
#include <drm/drm_gem.h>
#include <drm/drm_print.h>

#include "movgem_drv.h"
#include "movgem_device.h"
#include "movgem_queue.h"

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
 * movgem_show_fdinfo - the keys of Documentation/gpu/drm-usage-stats.rst
 * @p: where to print
 * @file: DRM file
 *
 * drm_show_memory_stats() calls an object active if it has a fence of implicit
 * synchronisation. Our jobs leave fences of usage BOOKKEEP only, as VM_BIND
 * drivers do, so the objects are counted here.
 */
void movgem_show_fdinfo(struct drm_printer *p, struct drm_file *file)
{
	struct movgem_file *mfile = file->driver_priv;
	struct drm_memory_stats stats = {};
	struct drm_gem_object *obj;
	int id;

	spin_lock(&file->table_lock);
	idr_for_each_entry(&file->object_idr, obj, id)
		add_object(&stats, obj);
	spin_unlock(&file->table_lock);

	drm_printf(p, "drm-engine-soft:\t%llu ns\n",
		   (u64)atomic64_read(&mfile->usage->busy_ns));
	drm_print_memory_stats(p, &stats,
			       DRM_GEM_OBJECT_RESIDENT |
			       DRM_GEM_OBJECT_PURGEABLE, "memory");
}
