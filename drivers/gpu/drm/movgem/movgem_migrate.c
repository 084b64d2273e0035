// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 movgem maintainers */

#include <linux/delay.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/wait_bit.h>

#include "movgem_bo.h"
#include "movgem_engine.h"
#include "movgem_stall.h"
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
 * 2. claim: the first page of a batch is to move. It becomes MOVING, and the
 *    pages around it that are in the kernel's hands too form a run with it:
 *    they become QUIESCED, from which on new CPU faults on them wait.
 * 3. quiesce: one invalidation of all GPU TLBs, unless there has been one since
 *    the pages were blocked, and one zap of the CPU's page table entries of the
 *    run, through the mapping of the BO's own file, in which every VMA of the
 *    BO is for life. For the other pages of the run steps 2 and 3 are done.
 *    A page that the kernel has unmapped itself, as it does with folios, needs
 *    no zap: it is a run of its own, and after the invalidation for the first
 *    page of a batch all the others are only claimed.
 * 4. copy: nobody can write to the page. The page store has a last look at its
 *    references, then the content goes over.
 * 5. rewire: the BO's slot and the entry in every GPU VM point to the new
 *    page; it is RESIDENT, and whoever waited for it goes on.
 *
 * Any step can fail. Then the kernel tries again or puts the page back: putback
 * makes it RESIDENT where it was.
 *
 * Who holds an ISOLATED or QUIESCED page may just be waiting for memory, which
 * a GPU fence, and a CPU fault for its mmap_lock, must never do for long. So a
 * job or a fault that has waited for some time takes the page back (RETAKEN):
 * it is used as if RESIDENT, and the move claims and quiesces it anew. Only
 * MOVING, in which nothing waits for memory, is waited for to the end.
 */

/**
 * DOC: Locking of a move
 *
 * The kernel holds the page lock around each operation, for a whole batch of
 * pages at once, and users hold dma_resv locks when they free pages and take
 * page locks. So a move takes no dma_resv and no mutex at all, not even by
 * trylock: all that it changes is protected by &movgem_bo.pages_lock, a
 * spinlock, which also guards the list of GPU mappings of the BO. A run is
 * claimed without the locks of its other pages. Order::
 *
 *   mmap_lock, dma_resv, movgem_vm.op_lock, gpuva_lock
 *     page lock
 *       i_mmap_rwsem of the BO's mapping (by unmap_mapping_pages())
 *         page table lock
 *       movgem_bo.pages_lock
 *       movgem_device.flush.lock, movgem_device.stalls.lock
 *         the engine's core locks
 *
 * CPU faults raise &movgem_slot.busy while they insert a page table entry,
 * which may allocate; a move that finds a page busy waits a bounded time, or
 * not at all for MIGRATE_ASYNC. In that mode nothing here sleeps: a lock of the
 * CPU mappings that is taken is -EAGAIN, and a voluntary switch of the task
 * would be counted in &movgem_stats.migrate_async_slept.
 */

#define BUSY_RETRIES	20

/* Pages that one zap covers at most, to each side of the one that moves. */
#define RUN_REACH	256

/*
 * Pages at rest that a run reaches across. They are zapped with it, and a few
 * faults of a window each cost less than another TLB shootdown.
 */
#define RUN_GAP		64

/* How long a CPU fault waits for a page that is QUIESCED. */
#define FAULT_PATIENCE	msecs_to_jiffies(20)

/**
 * struct run - pages of a BO that are quiesced together
 */
struct run {
	/** @first: first page to zap. */
	u32 first;

	/** @last: last page to zap. */
	u32 last;

	/** @pages: number of pages claimed. */
	u32 pages;

	/** @epoch: &movgem_device.flush.epoch after all were blocked. */
	u8 epoch;

	/** @flush: TLBs may have pages of the run, if @epoch lasts. */
	bool flush;
};

static void set_state(struct movgem_bo *bo, struct movgem_slot *slot,
		      enum movgem_page_state state)
{
	enum movgem_page_state old = slot->state;

	lockdep_assert_held(&bo->pages_lock);

	if (old == MOVGEM_PAGE_MOVING)
		bo->moving--;
	if (state == MOVGEM_PAGE_MOVING)
		bo->moving++;
	if (old != MOVGEM_PAGE_RESIDENT)
		bo->away--;
	if (state != MOVGEM_PAGE_RESIDENT)
		bo->away++;
	slot->state = state;
}

/* Used by CPU and GPU, whoever holds it. */
static bool in_use(const struct movgem_slot *slot)
{
	return !movgem_migrate_blocked(slot);
}

/* No CPU fault may map it. */
static bool is_quiet(const struct movgem_slot *slot)
{
	return slot->state == MOVGEM_PAGE_QUIESCED ||
	       slot->state == MOVGEM_PAGE_MOVING;
}

/*
 * Make the GPU stall on the page as soon as its TLBs have forgotten it. The
 * state is the one to block for by now: the entries are written after it.
 */
static inline void block(struct movgem_bo *bo, struct movgem_slot *slot)
{
	struct movgem_device *mdev = movgem_bo_device(bo);

	WARN_ON_ONCE(in_use(slot));

	mdev->engine->page_block(bo, slot->index);
	/*
	 * Read after the entries are written: an invalidation that has a later
	 * epoch sees them. Pairs with the barrier in flush_locked().
	 */
	smp_mb();
	slot->epoch = READ_ONCE(mdev->flush.epoch);
}

/* Let the GPU have the page that the slot has now. */
static inline void unblock(struct movgem_bo *bo, struct movgem_slot *slot)
{
	struct movgem_device *mdev = movgem_bo_device(bo);

	mdev->engine->page_set(bo, slot->index);
	movgem_stall_wake(mdev, slot);
}

/* After a change of state: the fault that waits looks again. */
static void wake(struct movgem_bo *bo, struct movgem_slot *slot)
{
	lockdep_assert_held(&bo->pages_lock);

	/* Who waits is in the wait queue before it looks, under the lock. */
	if (bo->waiting)
		wake_up_var(slot);
}

static void flush_locked(struct movgem_device *mdev)
{
	WRITE_ONCE(mdev->flush.epoch, mdev->flush.epoch + 1);
	/* The new epoch before the invalidation, see block(). */
	smp_mb();
	if (mdev->flush.off)
		movgem_stat_inc(mdev, gpu_tlb_flush_off);
	else
		mdev->engine->flush(mdev);
	/* Who sees it knows that no access goes to pages blocked before. */
	smp_store_release(&mdev->flush.done, mdev->flush.epoch);
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

/**
 * movgem_migrate_power - the GPU has been switched on, or is to be switched off
 * @mdev: the device; nothing is under way on the GPU
 * @on: it is on
 *
 * Context: any, does not sleep.
 */
void movgem_migrate_power(struct movgem_device *mdev, bool on)
{
	spin_lock(&mdev->flush.lock);
	WRITE_ONCE(mdev->flush.off, !on);
	if (on)
		flush_locked(mdev);
	spin_unlock(&mdev->flush.lock);
}

/**
 * movgem_migrate_isolate - step 1, the kernel asks for a page
 * @slot: the page, locked; or else under RCU a page that may leave its BO, even
 *	if that was the last of its BO
 *
 * A page that a job has just waited for is refused until the job has got it, so
 * that no job waits for one batch after another.
 *
 * Return: true if the page is ISOLATED now.
 */
bool movgem_migrate_isolate(struct movgem_slot *slot)
{
	struct movgem_bo *bo = movgem_slot_bo(slot);
	struct movgem_device *mdev = movgem_bo_device(bo);
	bool ok = false;

	spin_lock(&bo->pages_lock);
	if (!movgem_bo_has_pages(bo)) {
		/* Not counted: the BO may be gone, and the device with it. */
	} else if (bo->pins) {
		movgem_stat_inc(mdev, isolate_refused_pinned);
	} else if (slot->state != MOVGEM_PAGE_RESIDENT) {
		movgem_stat_inc(mdev, isolate_refused_state);
	} else if (movgem_stall_wants(mdev, slot)) {
		movgem_stat_inc(mdev, isolate_refused_wanted);
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

/* Take a page into the run. */
static inline void run_add(struct movgem_bo *bo, struct movgem_slot *slot,
			   enum movgem_page_state state, struct run *run)
{
	bool blocked = !in_use(slot);

	set_state(bo, slot, state);
	if (!blocked)
		block(bo, slot);
	if (slot->epoch == READ_ONCE(movgem_bo_device(bo)->flush.epoch))
		run->flush = true;
	run->first = min(run->first, slot->index);
	run->last = max(run->last, slot->index);
	run->pages++;
}

/*
 * Whether the kernel is about to move this page too. It has locked all pages of
 * a batch by the time that it moves the first; one that is not locked may still
 * have to wait for the memory to go to. That is a guess, and good for no more.
 */
static bool in_batch(struct movgem_bo *bo, struct movgem_slot *slot)
{
	if (slot->state != MOVGEM_PAGE_ISOLATED &&
	    (slot->state != MOVGEM_PAGE_RETAKEN ||
	     movgem_stall_wants(movgem_bo_device(bo), slot)))
		return false;
	return !slot->busy && PageLocked(movgem_slot_page(slot));
}

/* Extend the run from page @from on by @step, which is 1 or -1. */
static void run_extend(struct movgem_bo *bo, u32 from, int step,
		       struct run *run)
{
	u32 gap = 0;

	/* Before the first page the index wraps. */
	for (u32 i = 1, at = from + step; at < bo->count && i <= RUN_REACH;
	     i++, at += step) {
		if (in_batch(bo, &bo->slot[at])) {
			run_add(bo, &bo->slot[at], MOVGEM_PAGE_QUIESCED, run);
			gap = 0;
		} else if (gap++ == RUN_GAP) {
			return;
		}
	}
}

static inline int may_move(struct movgem_bo *bo, const struct movgem_move *move)
{
	if (!movgem_bo_has_pages(bo) || (bo->pins && !move->pinned))
		return -EBUSY;
	/* An importer has been quicker than this move. */
	if (bo->share.state != MOVGEM_SHARE_FREE)
		return -EAGAIN;
	return 0;
}

/*
 * Whether all GPU TLBs have been invalidated since the page was blocked. The
 * numbers wrap: then it can only seem as if not.
 */
static bool is_flushed(struct movgem_bo *bo, const struct movgem_slot *slot)
{
	struct movgem_device *mdev = movgem_bo_device(bo);

	/* Before the copy. Pairs with the release in flush_locked(). */
	return (s8)(smp_load_acquire(&mdev->flush.done) - slot->epoch) > 0;
}

/*
 * Whether nobody uses the page any more. While somebody is about to quiesce
 * pages of the BO it cannot be told whether a QUIESCED one is among them. Where
 * the caller has unmapped the page, only the GPU is left.
 */
static bool is_quiesced(struct movgem_bo *bo, const struct movgem_move *move)
{
	if (move->unmapped)
		return move->slot->state == MOVGEM_PAGE_ISOLATED &&
		       is_flushed(bo, move->slot);
	return move->slot->state == MOVGEM_PAGE_QUIESCED && !bo->quiescing;
}

/* Steps 2 and 3 of a page for which another of its batch has done them. */
static bool claim_quiesced(struct movgem_bo *bo, const struct movgem_move *move)
{
	struct movgem_slot *slot = move->slot;
	bool ok;

	spin_lock(&bo->pages_lock);
	ok = is_quiesced(bo, move) && !may_move(bo, move);
	if (ok)
		set_state(bo, slot, MOVGEM_PAGE_MOVING);
	spin_unlock(&bo->pages_lock);
	return ok;
}

/* One attempt of step 2. */
static int try_claim(const struct movgem_move *move, struct run *run)
{
	struct movgem_slot *slot = move->slot;
	struct movgem_bo *bo = movgem_slot_bo(slot);
	struct movgem_device *mdev = movgem_bo_device(bo);
	int ret;

	lockdep_assert_held(&bo->pages_lock);

	ret = may_move(bo, move);
	if (ret)
		return ret;
	if (slot->busy || (in_use(slot) && movgem_stall_wants(mdev, slot)))
		return -EAGAIN;

	run_add(bo, slot, MOVGEM_PAGE_MOVING, run);
	/* A run is what one zap is for. */
	if (!move->unmapped && bo->away > 1) {
		run_extend(bo, slot->index, -1, run);
		run_extend(bo, slot->index, 1, run);
	}
	run->epoch = READ_ONCE(mdev->flush.epoch);
	bo->quiescing++;
	return 0;
}

/* Step 2: make the page MOVING, and those around it QUIESCED. */
static int claim(const struct movgem_move *move, struct run *run)
{
	struct movgem_bo *bo = movgem_slot_bo(move->slot);
	struct movgem_device *mdev = movgem_bo_device(bo);
	int ret;

	for (int try = 0; ; try++) {
		spin_lock(&bo->pages_lock);
		ret = try_claim(move, run);
		spin_unlock(&bo->pages_lock);

		if (ret != -EAGAIN)
			break;
		if (move->mode == MIGRATE_ASYNC || try == BUSY_RETRIES) {
			movgem_stat_inc(mdev, migrate_eagain_busy);
			return ret;
		}
		usleep_range(20, 60);
	}
	if (ret)
		movgem_stat_inc(mdev, migrate_ebusy_pinned);
	return ret;
}

/*
 * Step 3. An invalidation since the run was blocked serves. The epoch wraps;
 * that it has come round to the same can only cost one more invalidation.
 */
static void quiesce(const struct movgem_move *move, const struct run *run)
{
	struct movgem_bo *bo = movgem_slot_bo(move->slot);
	struct movgem_device *mdev = movgem_bo_device(bo);

	spin_lock(&mdev->flush.lock);
	if (run->flush && run->epoch == mdev->flush.epoch)
		flush_locked(mdev);
	spin_unlock(&mdev->flush.lock);

	if (!move->unmapped &&
	    movgem_mmap_zap(bo, run->first, run->last - run->first + 1))
		trace_movgem_unmap(bo, run->first, run->last);

	movgem_stat_inc(mdev, batches);
	movgem_stat_add(mdev, batch_pages, run->pages);

	spin_lock(&bo->pages_lock);
	bo->quiescing--;
	spin_unlock(&bo->pages_lock);
}

static int claim_and_quiesce(const struct movgem_move *move)
{
	struct movgem_bo *bo = movgem_slot_bo(move->slot);
	struct run run = {
		.first = move->slot->index,
		.last = move->slot->index,
	};
	int ret;

	if (move->mode == MIGRATE_ASYNC && !move->unmapped &&
	    movgem_mmap_contended(bo)) {
		movgem_stat_inc(movgem_bo_device(bo), migrate_eagain_lock);
		return -EAGAIN;
	}
	ret = claim(move, &run);
	if (!ret)
		quiesce(move, &run);
	return ret;
}

/* Steps 2 and 3 of a page that is the first of a run. */
static noinline int begin_run(struct movgem_bo *bo,
			      const struct movgem_move *move)
{
	struct movgem_device *mdev = movgem_bo_device(bo);
	unsigned long switches = current->nvcsw;
	int ret;

	ret = movgem_share_evict(bo, move->mode, move->pinned);
	if (!ret)
		ret = claim_and_quiesce(move);

	if (move->mode == MIGRATE_ASYNC && current->nvcsw != switches)
		movgem_stat_inc(mdev, migrate_async_slept);
	if (ret)
		trace_movgem_move(bo, move->slot, move->mode, ret);
	return ret;
}

/**
 * movgem_migrate_begin - steps 2 and 3, nobody uses a page any more
 * @move: the page, locked, and how to move it
 *
 * Return: 0, and the page is MOVING until movgem_migrate_end(); -EAGAIN for
 * what will pass, -EBUSY for a BO that was pinned meanwhile.
 */
int movgem_migrate_begin(const struct movgem_move *move)
{
	struct movgem_bo *bo = movgem_slot_bo(move->slot);
	struct movgem_device *mdev = movgem_bo_device(bo);

	if (move->mode == MIGRATE_ASYNC)
		movgem_stat_inc(mdev, migrate_async);
	else
		movgem_stat_inc(mdev, migrate_sync);

	/* Mostly, and that neither sleeps nor has other devices to ask. */
	return claim_quiesced(bo, move) ? 0 : begin_run(bo, move);
}

/**
 * movgem_migrate_end - step 5, or after a failure the way back
 * @move: the page, MOVING
 * @dst: where the content is now, if @ret is zero
 * @ret: what copying it ended with
 *
 * The page has moved and is RESIDENT; its references belong to the caller. Or
 * it is QUIESCED still, or RESIDENT if the kernel does not hold it.
 *
 * Context: does not sleep.
 */
void movgem_migrate_end(const struct movgem_move *move, struct page *dst,
			int ret)
{
	struct movgem_slot *slot = move->slot;
	struct movgem_bo *bo = movgem_slot_bo(slot);
	struct movgem_device *mdev = movgem_bo_device(bo);
	bool drained;

	spin_lock(&bo->pages_lock);
	if (!ret) {
		movgem_slot_set_page(slot, dst);
		bo->moved++;
		movgem_stat_inc(mdev, migrate_ok);
	}
	if (ret && move->isolated) {
		set_state(bo, slot, MOVGEM_PAGE_QUIESCED);
	} else {
		set_state(bo, slot, MOVGEM_PAGE_RESIDENT);
		unblock(bo, slot);
	}
	/* Who waits has seen to it first that no move begins. */
	drained = !bo->moving && (bo->pins ||
				  bo->share.state != MOVGEM_SHARE_FREE);
	wake(bo, slot);
	spin_unlock(&bo->pages_lock);

	if (drained)
		wake_up_var(&bo->moving);
	trace_movgem_move(bo, slot, move->mode, ret);
}

/**
 * movgem_migrate_putback - the kernel gives up on a page
 * @slot: the page, locked, not MOVING
 */
void movgem_migrate_putback(struct movgem_slot *slot)
{
	struct movgem_bo *bo = movgem_slot_bo(slot);

	movgem_stat_inc(movgem_bo_device(bo), putback);
	trace_movgem_putback(bo, slot);

	spin_lock(&bo->pages_lock);
	set_state(bo, slot, MOVGEM_PAGE_RESIDENT);
	unblock(bo, slot);
	wake(bo, slot);
	spin_unlock(&bo->pages_lock);
}

static bool has_moving(struct movgem_bo *bo)
{
	bool moving;

	spin_lock(&bo->pages_lock);
	moving = bo->moving;
	spin_unlock(&bo->pages_lock);
	return moving;
}

/**
 * movgem_migrate_drain - wait until no page of a BO is MOVING
 * @bo: the BO, pinned or mapped by an importer by now, so that no move begins
 *
 * A move does not take long, nor any dma_resv. Context: sleeps.
 */
void movgem_migrate_drain(struct movgem_bo *bo)
{
	wait_var_event(&bo->moving, !has_moving(bo));
}

static bool may_map(struct movgem_bo *bo, u32 index)
{
	bool quiet;

	spin_lock(&bo->pages_lock);
	quiet = bo->has_pages && is_quiet(&bo->slot[index]);
	spin_unlock(&bo->pages_lock);
	return !quiet;
}

/**
 * movgem_migrate_wait - a CPU fault meets a page that is QUIESCED or MOVING
 * @bo: the BO
 * @index: the page
 *
 * Waits for the end of its move, or takes it back if that is not in sight. The
 * caller looks at the state again, unless the task was killed.
 *
 * Context: sleeps, under mmap_lock.
 */
void movgem_migrate_wait(struct movgem_bo *bo, u32 index)
{
	struct movgem_slot *slot = &bo->slot[index];
	long left;

	spin_lock(&bo->pages_lock);
	bo->waiting++;
	spin_unlock(&bo->pages_lock);

	left = ___wait_var_event(slot, ___wait_cond_timeout(may_map(bo, index)),
				 TASK_KILLABLE, 0, FAULT_PATIENCE,
				 __ret = schedule_timeout(__ret));

	spin_lock(&bo->pages_lock);
	bo->waiting--;
	spin_unlock(&bo->pages_lock);

	if (!left && movgem_migrate_retake(bo, index, true))
		movgem_stat_inc(movgem_bo_device(bo), cpu_retake);
}

/**
 * movgem_migrate_retake - let a user have a page that is not moving
 * @bo: the BO
 * @index: the page
 * @quiesced: also if it is QUIESCED, and a move in sight
 *
 * Return: true if the page was taken from the kernel.
 */
bool movgem_migrate_retake(struct movgem_bo *bo, u32 index, bool quiesced)
{
	struct movgem_slot *slot;
	bool retaken = false;

	spin_lock(&bo->pages_lock);
	if (bo->has_pages) {
		slot = &bo->slot[index];
		if (slot->state == MOVGEM_PAGE_ISOLATED ||
		    (quiesced && slot->state == MOVGEM_PAGE_QUIESCED)) {
			set_state(bo, slot, MOVGEM_PAGE_RETAKEN);
			unblock(bo, slot);
			wake(bo, slot);
			retaken = true;
		}
	}
	spin_unlock(&bo->pages_lock);

	if (retaken)
		trace_movgem_retake(bo, index);
	return retaken;
}
