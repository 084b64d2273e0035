// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 movgem maintainers */

#include <linux/jiffies.h>
#include <linux/mm.h>

#include "movgem_bo.h"
#include "movgem_stall.h"
#include "movgem_store.h"
#include "movgem_trace.h"
#include "movgem_vm.h"

/**
 * DOC: Stalls
 *
 * An engine that meets MOVGEM_PTE_BLOCKED waits here until the page has moved,
 * and walks again. While it waits, and until its access is through, it is in a
 * list of the device: whoever unblocks the page wakes it, and the page is not
 * isolated again. So an access waits for one move of a page at most.
 *
 * The list is as long as there are cores that stall just now, mostly empty.
 * Nothing is held during the wait: a bind that comes meanwhile goes on, and if
 * it takes the mapping away the access finds that out when it walks again.
 */

/* How long a job waits for a page that is isolated but not being moved. */
#define STALL_PATIENCE		msecs_to_jiffies(4)

/* The same for a page of a batch that is being moved, in times of that. */
#define BATCH_PATIENCE		5

/* The page of a BO behind a GPU address, with op_lock held. */
static struct movgem_bo *find_page(struct movgem_vm *vm, u64 va, u32 *index)
{
	struct drm_gpuva *gpuva;

	lockdep_assert_held(&vm->op_lock);

	va = round_down(va, PAGE_SIZE);
	gpuva = drm_gpuva_find_first(&vm->base, va, PAGE_SIZE);
	if (!gpuva || !gpuva->gem.obj)
		return NULL;
	*index = (va - gpuva->va.addr + gpuva->gem.offset) >> PAGE_SHIFT;
	return to_movgem_bo(gpuva->gem.obj);
}

/* Returns false if the page is not blocked any more. */
static bool stall_begin(struct movgem_vm *vm, u64 va,
			struct movgem_stall *stall)
{
	struct movgem_device *mdev = to_movgem_device(vm->base.drm);
	bool blocked = false;
	struct movgem_bo *bo;
	u32 index;

	mutex_lock(&vm->op_lock);
	bo = find_page(vm, va, &index);
	if (bo) {
		spin_lock(&bo->pages_lock);
		if (bo->has_pages &&
		    movgem_migrate_blocked(&bo->slot[index])) {
			spin_lock(&mdev->stalls.lock);
			if (!stall->batches)
				list_add(&stall->link, &mdev->stalls.list);
			stall->batches += !stall->timed_out;
			stall->timed_out = false;
			stall->slot = &bo->slot[index];
			reinit_completion(&stall->unblocked);
			spin_unlock(&mdev->stalls.lock);
			blocked = true;
		}
		spin_unlock(&bo->pages_lock);
	}
	mutex_unlock(&vm->op_lock);
	return blocked;
}

/* Take the page back if that is not what the kernel is moving just now. */
static void stall_retake(struct movgem_vm *vm, u64 va, bool quiesced)
{
	struct movgem_device *mdev = to_movgem_device(vm->base.drm);
	struct movgem_bo *bo;
	u32 index;

	mutex_lock(&vm->op_lock);
	bo = find_page(vm, va, &index);
	if (bo && movgem_migrate_retake(bo, index, quiesced))
		movgem_stat_inc(mdev, gpu_unblock);
	mutex_unlock(&vm->op_lock);
}

/**
 * movgem_stall_wait - an engine met MOVGEM_PTE_BLOCKED
 * @vm: the VM
 * @va: the address
 * @stall: the access, zeroed before the first call for it
 *
 * Waits until the page behind @va has moved. A page that is not being copied is
 * taken back after some time, so that a job never waits for somebody who waits
 * for memory. The caller walks again, and when the access is through calls
 * movgem_stall_end().
 *
 * Context: process context without locks; fence signalling path, allocates
 * nothing.
 */
void movgem_stall_wait(struct movgem_vm *vm, u64 va,
		       struct movgem_stall *stall)
{
	struct movgem_device *mdev = to_movgem_device(vm->base.drm);

	if (!stall->batches)
		init_completion(&stall->unblocked);
	if (!stall_begin(vm, va, stall))
		return;

	movgem_stat_inc(mdev, gpu_stall);
	movgem_stat_max(mdev, gpu_stall_batches_max, stall->batches);
	trace_movgem_stall(vm->asid, va);

	for (int i = 1; !wait_for_completion_timeout(&stall->unblocked,
						     STALL_PATIENCE); i++) {
		stall_retake(vm, va, i >= BATCH_PATIENCE);
		/* What is mapped there now need not be what was waited for. */
		if (i >= BATCH_PATIENCE) {
			stall->timed_out = true;
			return;
		}
	}
}

/**
 * movgem_stall_end - an access that has stalled is through
 * @mdev: the device
 * @stall: the access; nothing happens if it has not stalled
 */
void movgem_stall_end(struct movgem_device *mdev, struct movgem_stall *stall)
{
	if (!stall->batches)
		return;

	spin_lock(&mdev->stalls.lock);
	list_del(&stall->link);
	spin_unlock(&mdev->stalls.lock);
}

/**
 * movgem_stall_find - look for stalled accesses of a page
 * @mdev: the device
 * @slot: the page, its BO's pages_lock held
 * @wake: wake them
 *
 * Return: true if there are some.
 */
bool movgem_stall_find(struct movgem_device *mdev,
		       const struct movgem_slot *slot, bool wake)
{
	struct movgem_stall *stall;
	bool found = false;

	spin_lock(&mdev->stalls.lock);
	list_for_each_entry(stall, &mdev->stalls.list, link) {
		if (stall->slot != slot)
			continue;
		found = true;
		if (wake)
			complete(&stall->unblocked);
	}
	spin_unlock(&mdev->stalls.lock);
	return found;
}
