// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 movgem maintainers */

#include <linux/delay.h>
#include <linux/highmem.h>
#include <linux/mm.h>

#include "movgem_bo.h"
#include "movgem_engine.h"
#include "movgem_store.h"
#include "movgem_trace.h"

/**
 * DOC: The life of a page
 *
 * A page of a BO is RESIDENT: any CPU mapping and any GPU mapping of the BO
 * may use it. The kernel moves it in these steps, each a function here:
 *
 * 1. isolate: the kernel asks for the page. A pinned BO refuses. Else the page
 *    is ISOLATED and blocked for the GPU: the engine stalls on its page table
 *    entry once it has to look it up.
 * 2. quiesce: one invalidation of all GPU TLBs serves every page that was
 *    isolated before it, a whole batch of compaction. From now on the page is
 *    MOVING: new CPU faults wait.
 * 3. unmap: the CPU's page table entries are zapped through the mapping of
 *    the BO's own file, in which every VMA of the BO is for life.
 * 4. copy: nobody can write to the page. A last look at its references, then
 *    the content goes over.
 * 5. rewire: the BO's slot and the entry in every GPU VM point to the new
 *    page; it is RESIDENT, and whoever waited goes on.
 *
 * Any step can fail. Then the page stays ISOLATED, the kernel tries again or
 * puts it back: putback makes it RESIDENT where it was.
 *
 * A job that meets an ISOLATED page waits a short while and takes it back
 * (RETAKEN): who holds the page may just be waiting for memory, and a GPU
 * fence must never wait for that. The move blocks and flushes it anew.
 */

/**
 * DOC: Locking of a move
 *
 * The kernel holds the page lock around each operation, for a whole batch of
 * pages at once, and users hold dma_resv locks when they free pages and take
 * page locks. So a move takes no dma_resv and no mutex at all, not even by
 * trylock: all that it changes is protected by &movgem_bo.pages_lock, a
 * spinlock, which also guards the list of GPU mappings of the BO. Order::
 *
 *   mmap_lock, dma_resv, movgem_vm.op_lock, gpuva_lock
 *     page lock
 *       i_mmap_rwsem of the BO's mapping (by unmap_mapping_pages())
 *         page table lock
 *       movgem_bo.pages_lock
 *       movgem_device.flush.lock
 *         the engine's core locks
 *
 * CPU faults raise &movgem_slot.busy while they insert a page table entry,
 * which may allocate; a move that finds a page busy waits a bounded time, or
 * not at all for MIGRATE_ASYNC.
 */

#define BUSY_RETRIES	20

static void set_state(struct movgem_bo *bo, struct movgem_slot *slot,
		      enum movgem_page_state state)
{
	lockdep_assert_held(&bo->pages_lock);

	if (slot->state == MOVGEM_PAGE_MOVING)
		bo->moving--;
	if (state == MOVGEM_PAGE_MOVING)
		bo->moving++;
	if (slot->state != MOVGEM_PAGE_RESIDENT)
		bo->away--;
	if (state != MOVGEM_PAGE_RESIDENT)
		bo->away++;
	WRITE_ONCE(slot->state, state);
}

/*
 * Make the GPU stall on the page as soon as its TLBs have forgotten it. The
 * state is the one to block for by now: the entries are written after it.
 */
static void block(struct movgem_bo *bo, struct movgem_slot *slot)
{
	struct movgem_device *mdev = movgem_bo_device(bo);

	WARN_ON_ONCE(slot->state != MOVGEM_PAGE_ISOLATED &&
		     slot->state != MOVGEM_PAGE_MOVING);

	mdev->engine->page_block(bo, slot->index);
	/*
	 * Read after the entries are written: an invalidation that has a later
	 * epoch sees them. Pairs with the barrier in movgem_migrate_flush().
	 */
	smp_mb();
	slot->epoch = READ_ONCE(mdev->flush.epoch);
}

/* Let the GPU have the page that the slot has now. */
static void unblock(struct movgem_bo *bo, struct movgem_slot *slot)
{
	movgem_bo_device(bo)->engine->page_set(bo, slot->index);
}

static void flush_locked(struct movgem_device *mdev)
{
	WRITE_ONCE(mdev->flush.epoch, mdev->flush.epoch + 1);
	/* The new epoch before the invalidation, see block(). */
	smp_mb();
	mdev->engine->flush(mdev);
	movgem_stat_inc(mdev, gpu_tlb_flush);
	trace_movgem_flush(mdev->flush.epoch);
}

/**
 * movgem_migrate_flush - invalidate all GPU TLBs
 * @mdev: the device
 *
 * In return no access is under way that used an entry from before.
 * Context: any, does not sleep.
 */
void movgem_migrate_flush(struct movgem_device *mdev)
{
	spin_lock(&mdev->flush.lock);
	flush_locked(mdev);
	spin_unlock(&mdev->flush.lock);
}

/*
 * Invalidate, unless somebody has since the page was blocked. The epoch wraps;
 * that it has come round to the same can only cost one more invalidation.
 */
static void quiesce(struct movgem_device *mdev, struct movgem_slot *slot)
{
	spin_lock(&mdev->flush.lock);
	if (slot->epoch == mdev->flush.epoch)
		flush_locked(mdev);
	spin_unlock(&mdev->flush.lock);
}

/**
 * movgem_migrate_isolate - step 1, the kernel asks for a page
 * @slot: the page, locked
 *
 * Return: true if the page is ISOLATED now.
 */
bool movgem_migrate_isolate(struct movgem_slot *slot)
{
	struct movgem_bo *bo = movgem_slot_bo(slot);
	struct movgem_device *mdev = movgem_bo_device(bo);
	bool ok = false;

	spin_lock(&bo->pages_lock);
	if (bo->pins) {
		movgem_stat_inc(mdev, isolate_refused_pinned);
	} else if (!movgem_bo_has_pages(bo) ||
		   slot->state != MOVGEM_PAGE_RESIDENT) {
		movgem_stat_inc(mdev, isolate_refused_state);
	} else {
		set_state(bo, slot, MOVGEM_PAGE_ISOLATED);
		block(bo, slot);
		movgem_stat_inc(mdev, isolate_ok);
		ok = true;
	}
	spin_unlock(&bo->pages_lock);

	trace_movgem_isolate(bo, slot, ok);
	return ok;
}

/* Make the page MOVING, from which on it has neither new nor old faults. */
static int begin(struct movgem_bo *bo, struct movgem_slot *slot,
		 enum migrate_mode mode, bool pinned)
{
	struct movgem_device *mdev = movgem_bo_device(bo);
	bool blocked;

	for (int try = 0; ; try++) {
		spin_lock(&bo->pages_lock);
		if (!movgem_bo_has_pages(bo) || (bo->pins && !pinned)) {
			spin_unlock(&bo->pages_lock);
			movgem_stat_inc(mdev, migrate_ebusy_pinned);
			return -EBUSY;
		}
		if (!slot->busy)
			break;
		spin_unlock(&bo->pages_lock);

		if (mode == MIGRATE_ASYNC || try == BUSY_RETRIES) {
			movgem_stat_inc(mdev, migrate_eagain_busy);
			return -EAGAIN;
		}
		usleep_range(20, 60);
	}
	blocked = slot->state == MOVGEM_PAGE_ISOLATED;
	set_state(bo, slot, MOVGEM_PAGE_MOVING);
	if (!blocked)
		block(bo, slot);
	spin_unlock(&bo->pages_lock);
	return 0;
}

/* Step 3. */
static int unmap(struct movgem_bo *bo, struct movgem_slot *slot,
		 enum migrate_mode mode)
{
	if (mode == MIGRATE_ASYNC && movgem_mmap_contended(bo)) {
		movgem_stat_inc(movgem_bo_device(bo), migrate_eagain_lock);
		return -EAGAIN;
	}
	if (movgem_mmap_zap(bo, slot->index, 1))
		trace_movgem_unmap(bo, slot);
	return 0;
}

/* Step 4. */
static int copy(struct movgem_bo *bo, struct movgem_slot *slot,
		struct page *dst, int refs)
{
	struct page *src = slot->page;

	if (page_count(src) != refs) {
		movgem_stat_inc(movgem_bo_device(bo), migrate_eagain_refs);
		return -EAGAIN;
	}
	copy_highpage(dst, src);
	trace_movgem_copy(bo, slot, dst);
	return 0;
}

/* Step 5, or after a failure the way back to where the move began. */
static void finish(struct movgem_bo *bo, struct movgem_slot *slot,
		   struct page *dst, enum movgem_page_state state)
{
	struct movgem_device *mdev = movgem_bo_device(bo);

	spin_lock(&bo->pages_lock);
	if (dst) {
		slot->page = dst;
		bo->moved++;
		movgem_stat_inc(mdev, migrate_ok);
	}
	set_state(bo, slot, state);
	if (state == MOVGEM_PAGE_RESIDENT)
		unblock(bo, slot);
	spin_unlock(&bo->pages_lock);

	wake_up_all(&mdev->move_wq);
}

/**
 * movgem_migrate_move - steps 2 to 5, move an isolated page
 * @slot: the page, locked
 * @dst: where to, locked
 * @mode: whether the caller may sleep
 * @refs: references of the page when nobody but its owners uses it
 * @pinned: move although the BO is pinned; the page is not isolated
 *
 * Return: 0, and the page's references belong to the caller; -EAGAIN for what
 * will pass, -EBUSY for a BO that was pinned meanwhile. On failure the page is
 * ISOLATED as before, or RESIDENT if @pinned.
 */
int movgem_migrate_move(struct movgem_slot *slot, struct page *dst,
			enum migrate_mode mode, int refs, bool pinned)
{
	struct movgem_bo *bo = movgem_slot_bo(slot);
	int ret;

	ret = begin(bo, slot, mode, pinned);
	if (ret)
		goto out;

	quiesce(movgem_bo_device(bo), slot);

	ret = unmap(bo, slot, mode);
	if (!ret)
		ret = copy(bo, slot, dst, refs);

	if (!ret)
		finish(bo, slot, dst, MOVGEM_PAGE_RESIDENT);
	else
		finish(bo, slot, NULL, pinned ? MOVGEM_PAGE_RESIDENT :
						MOVGEM_PAGE_ISOLATED);
out:
	trace_movgem_move(bo, slot, mode, ret);
	return ret;
}

/**
 * movgem_migrate_putback - the kernel gives up on a page
 * @slot: the page, locked, ISOLATED or RETAKEN
 */
void movgem_migrate_putback(struct movgem_slot *slot)
{
	struct movgem_bo *bo = movgem_slot_bo(slot);

	movgem_stat_inc(movgem_bo_device(bo), putback);
	trace_movgem_putback(bo, slot);
	finish(bo, slot, NULL, MOVGEM_PAGE_RESIDENT);
}

/**
 * movgem_migrate_moving - whether users of a page have to wait
 * @bo: the BO
 * @index: the page
 *
 * Context: any.
 *
 * Return: true while the page is MOVING.
 */
bool movgem_migrate_moving(struct movgem_bo *bo, u32 index)
{
	bool moving;

	spin_lock(&bo->pages_lock);
	moving = bo->has_pages &&
		 bo->slot[index].state == MOVGEM_PAGE_MOVING;
	spin_unlock(&bo->pages_lock);
	return moving;
}

/**
 * movgem_migrate_retake - let the GPU have a page that is not moving
 * @bo: the BO
 * @index: the page
 */
void movgem_migrate_retake(struct movgem_bo *bo, u32 index)
{
	struct movgem_slot *slot;
	bool retaken = false;

	spin_lock(&bo->pages_lock);
	if (bo->has_pages) {
		slot = &bo->slot[index];
		if (slot->state == MOVGEM_PAGE_ISOLATED) {
			set_state(bo, slot, MOVGEM_PAGE_RETAKEN);
			unblock(bo, slot);
			retaken = true;
		}
	}
	spin_unlock(&bo->pages_lock);

	if (retaken) {
		movgem_stat_inc(movgem_bo_device(bo), gpu_unblock);
		trace_movgem_retake(bo, index);
		wake_up_all(&movgem_bo_device(bo)->move_wq);
	}
}
