// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 movgem maintainers */

#include <linux/dma-fence.h>
#include <linux/dma-resv.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>

#include "movgem_bo.h"
#include "movgem_drv.h"
#include "movgem_store.h"
#include "movgem_vm.h"

/* Reclaim: the shrinker, and moves on behalf of an allocation. */
static void prime_reclaim(struct movgem_device *mdev, struct movgem_bo *bo)
{
	dma_resv_lock(bo->base.resv, NULL);
	fs_reclaim_acquire(GFP_KERNEL);
	mutex_lock(movgem_lru_lock(&mdev->drm, &mdev->lru.lock));
	mutex_unlock(movgem_lru_lock(&mdev->drm, &mdev->lru.lock));
	mutex_lock(movgem_gpuva_lock(bo));
	mutex_unlock(movgem_gpuva_lock(bo));

	spin_lock(&bo->pages_lock);
	movgem_migrate_flush(mdev);
	spin_lock(&mdev->stalls.lock);
	spin_unlock(&mdev->stalls.lock);
	spin_unlock(&bo->pages_lock);
	fs_reclaim_release(GFP_KERNEL);
	dma_resv_unlock(bo->base.resv);
}

/* Fence signalling: bind jobs, and jobs that meet a page on the move. */
static void prime_signalling(struct movgem_vm *vm, struct movgem_bo *bo)
{
	bool cookie = dma_fence_begin_signalling();

	mutex_lock(&vm->op_lock);
	mutex_lock(movgem_gpuva_lock(bo));
	spin_lock(&bo->pages_lock);
	spin_unlock(&bo->pages_lock);
	mutex_unlock(movgem_gpuva_lock(bo));
	mutex_unlock(&vm->op_lock);
	dma_fence_end_signalling(cookie);
}

/**
 * movgem_lockdep_prime - teach lockdep the lock order
 * @mdev: the device, not registered yet
 *
 * See DOC: Locking of a move. What is locked in reclaim or in the fence
 * signalling path is locked so here once, before any rare path does it.
 */
void movgem_lockdep_prime(struct movgem_device *mdev)
{
	struct movgem_bo *bo;
	struct movgem_vm *vm;

	if (!IS_ENABLED(CONFIG_LOCKDEP))
		return;

	bo = movgem_bo_create(mdev, PAGE_SIZE, 0, NULL);
	if (IS_ERR(bo))
		return;
	prime_reclaim(mdev, bo);

	vm = movgem_vm_create(mdev);
	if (!IS_ERR(vm)) {
		prime_signalling(vm, bo);
		movgem_vm_kill(vm);
	}
	movgem_bo_put(bo);
}
