// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 movgem maintainers */

#include <linux/dma-resv.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/shrinker.h>
#include <linux/swap.h>
#include <linux/workqueue.h>

#include <drm/drm_managed.h>

#include "movgem_bo.h"
#include "movgem_compat.h"
#include "movgem_drv.h"
#include "movgem_engine.h"
#include "movgem_store.h"

/**
 * DOC: Purging
 *
 * A BO that user space does not need any more (madvise DONTNEED) is on the
 * device's LRU list and loses its pages to the shrinker, once and for all. It
 * must be idle, not pinned, not exported, without a framebuffer, and none of its
 * pages may be in the hands of the kernel: the shrinker may run on behalf of the
 * very task that isolated it. kswapd, which such a task may wait for, leaves it
 * to a work to free pages that can be locked. A BO that VMs map over and over,
 * more than a million pages in all, is left alone: reclaim has no time to clear
 * so many entries.
 */

/**
 * movgem_lru_remove - take a BO off the list of those that nobody needs
 * @bo: the BO
 *
 * During a scan the BO may be on a list on the scanner's stack, from which
 * drm_gem_lru_remove() would take the address of the lock. It goes to a list
 * that stays first.
 */
void movgem_lru_remove(struct movgem_bo *bo)
{
	struct movgem_device *mdev = movgem_bo_device(bo);
	struct mutex *lock = movgem_lru_lock(&mdev->drm, &mdev->lru.lock);

	mutex_lock(lock);
	if (bo->base.lru)
		drm_gem_lru_move_tail_locked(&mdev->lru.leaving, &bo->base);
	mutex_unlock(lock);
	drm_gem_lru_remove(&bo->base);
}

/*
 * A purge clears all GPU entries of the BO. One that user space has mapped over
 * and over is not worth the time, in reclaim, that this takes.
 */
#define PURGE_PTES_MAX	BIT(20)

static bool may_purge(struct movgem_bo *bo)
{
	bool away = bo->away && !movgem_bo_device(bo)->store->held;

	lockdep_assert_held(&bo->pages_lock);

	return bo->madv == DRM_MOVGEM_MADV_DONTNEED && bo->has_pages &&
	       !movgem_bo_kept(bo) && !away && !bo->faults &&
	       bo->share.state == MOVGEM_SHARE_FREE &&
	       bo->gpu_map_pages <= max_t(u64, bo->count, PURGE_PTES_MAX);
}

static void purge_work(struct work_struct *work)
{
	struct movgem_bo *bo = container_of(work, struct movgem_bo,
					    reclaim_work);

	movgem_store_free(bo);
	movgem_bo_put(bo);
}

/*
 * Take an unneeded BO's pages. Called in reclaim, with its dma_resv held.
 * Returns true if they are gone.
 */
static bool purge(MOVGEM_LRU_ARGS)
{
	struct movgem_bo *bo = to_movgem_bo(obj);
	struct movgem_device *mdev = movgem_bo_device(bo);

	dma_resv_assert_held(obj->resv);

	if (!dma_resv_test_signaled(obj->resv, DMA_RESV_USAGE_BOOKKEEP))
		return false;

	if (mdev->store->held && mdev->store->held(bo))
		return false;

	spin_lock(&bo->pages_lock);
	if (!may_purge(bo)) {
		spin_unlock(&bo->pages_lock);
		return false;
	}
	/* From here on no fault, no isolation and no bind gets at them. */
	bo->madv = DRM_MOVGEM_MADV_PURGED;
	spin_unlock(&bo->pages_lock);

	mdev->engine->bo_update(bo);
	movgem_migrate_flush(mdev);
	movgem_mmap_zap(bo, 0, 0);

	movgem_lru_remove(bo);
	movgem_stat_add(mdev, pages_purged, movgem_bo_count(bo));

	/*
	 * A store whose pages can be held waits for them, and who has them may
	 * be waiting, for memory, for kswapd.
	 */
	if (mdev->store->held && current_is_kswapd()) {
		drm_gem_object_get(obj);
		INIT_WORK(&bo->reclaim_work, purge_work);
		queue_work(movgem_wq, &bo->reclaim_work);
	} else {
		movgem_store_free(bo);
	}
	return true;
}

static unsigned long movgem_shrinker_count(struct shrinker *shrinker,
					   struct shrink_control *sc)
{
	struct movgem_device *mdev = shrinker->private_data;

	return READ_ONCE(mdev->lru.list.count) ?: SHRINK_EMPTY;
}

static unsigned long movgem_shrinker_scan(struct shrinker *shrinker,
					  struct shrink_control *sc)
{
	struct movgem_device *mdev = shrinker->private_data;
	unsigned long remaining = 0;
	unsigned long freed;
	unsigned int flags;

	/*
	 * Truncation waits for page locks, and whoever has them may be waiting,
	 * in reclaim for his own sake, for a file system that we are called from.
	 */
	if (!(sc->gfp_mask & __GFP_FS))
		return SHRINK_STOP;

	/*
	 * If this drops the last reference of the last BO, the device goes, and
	 * its shrinker with it, but not from within: see movgem_bo_free().
	 */
	flags = memalloc_noreclaim_save();
	freed = movgem_lru_scan(&mdev->drm, &mdev->lru.list, sc->nr_to_scan,
				&remaining, purge);
	memalloc_noreclaim_restore(flags);
	return freed ?: SHRINK_STOP;
}

static void movgem_shrinker_fini(struct drm_device *drm, void *unused)
{
	shrinker_free(to_movgem_device(drm)->shrinker);
}

/**
 * movgem_shrinker_init - register the device's shrinker
 * @mdev: the device
 *
 * Return: 0 or -ENOMEM.
 */
int movgem_shrinker_init(struct movgem_device *mdev)
{
	int ret;

	ret = drmm_mutex_init(&mdev->drm, &mdev->lru.lock);
	if (ret)
		return ret;
	movgem_lru_init(&mdev->lru.list, &mdev->lru.lock);
	movgem_lru_init(&mdev->lru.leaving, &mdev->lru.lock);

	mdev->shrinker = shrinker_alloc(0, "drm-movgem");
	if (!mdev->shrinker)
		return -ENOMEM;
	mdev->shrinker->count_objects = movgem_shrinker_count;
	mdev->shrinker->scan_objects = movgem_shrinker_scan;
	mdev->shrinker->private_data = mdev;
	shrinker_register(mdev->shrinker);

	return drmm_add_action_or_reset(&mdev->drm, movgem_shrinker_fini, NULL);
}
