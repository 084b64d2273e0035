/* SPDX-License-Identifier: GPL-2.0 */
/* Copyright (C) 2026 movgem maintainers */
#ifndef _MOVGEM_STATS_H_
#define _MOVGEM_STATS_H_

#include <linux/atomic.h>

/**
 * struct movgem_stats - the driver's counters, printed by debugfs "stats"
 *
 * A new one is also added to the table in movgem_debugfs.c.
 */
struct movgem_stats {
	/** @bos_live: gauge: BOs alive, imported ones too. */
	atomic64_t bos_live;

	/** @pages_live: gauge: pages of BOs. */
	atomic64_t pages_live;

	/** @pages_pinned: gauge: pages of pinned BOs. */
	atomic64_t pages_pinned;

	/** @pages_purged: pages taken by the shrinker. */
	atomic64_t pages_purged;

	/** @isolate_ok: pages that the kernel asked for and got. */
	atomic64_t isolate_ok;

	/**
	 * @isolate_refused_pinned: pages refused because their BO is pinned.
	 */
	atomic64_t isolate_refused_pinned;

	/**
	 * @isolate_refused_state: pages refused because they are on the way
	 * already, or their BO is being emptied.
	 */
	atomic64_t isolate_refused_state;

	/**
	 * @isolate_refused_wanted: pages refused because a job has waited for
	 * them and not got them yet.
	 */
	atomic64_t isolate_refused_wanted;

	/**
	 * @migrate_async: attempts to move a page by MIGRATE_ASYNC, whether
	 * they succeed or not.
	 */
	atomic64_t migrate_async;

	/** @migrate_sync: attempts in the other modes. */
	atomic64_t migrate_sync;

	/**
	 * @migrate_async_slept: of @migrate_async, those that slept, which is
	 * a bug.
	 */
	atomic64_t migrate_async_slept;

	/** @migrate_ok: pages moved. */
	atomic64_t migrate_ok;

	/**
	 * @migrate_eagain_busy: moves put off because a CPU fault was mapping
	 * the page, or a job that had waited for it was about to use it.
	 */
	atomic64_t migrate_eagain_busy;

	/**
	 * @migrate_eagain_refs: moves put off because somebody had a
	 * reference.
	 */
	atomic64_t migrate_eagain_refs;

	/**
	 * @migrate_eagain_lock: asynchronous moves put off because the BO's
	 * CPU mappings were changing.
	 */
	atomic64_t migrate_eagain_lock;

	/**
	 * @migrate_eagain_shared: moves put off because another device uses
	 * the page.
	 */
	atomic64_t migrate_eagain_shared;

	/**
	 * @migrate_ebusy_pinned: moves given up because the BO was pinned
	 * after isolation.
	 */
	atomic64_t migrate_ebusy_pinned;

	/**
	 * @migrate_nomem: moves not begun for want of a new page, debugfs and
	 * pins only.
	 */
	atomic64_t migrate_nomem;

	/** @pt_pages_live: gauge: pages of GPU page tables. */
	atomic64_t pt_pages_live;

	/** @pt_moved: pages of GPU page tables moved. */
	atomic64_t pt_moved;

	/** @putback: pages that went back where they were. */
	atomic64_t putback;

	/** @batches: runs of pages that were quiesced together. */
	atomic64_t batches;

	/** @batch_pages: pages in @batches. */
	atomic64_t batch_pages;

	/** @share_notify: times that importers were told that a BO moves. */
	atomic64_t share_notify;

	/** @import_notify: times that we were told so of an import. */
	atomic64_t import_notify;

	/** @import_map: times that an import was mapped. */
	atomic64_t import_map;

	/** @gpu_tlb_flush: invalidations of all GPU TLBs. */
	atomic64_t gpu_tlb_flush;

	/**
	 * @gpu_tlb_flush_off: of @gpu_tlb_flush, those with the GPU off, when
	 * there was nothing to do.
	 */
	atomic64_t gpu_tlb_flush_off;

	/** @gpu_stall: stalls of the GPU on a blocked page. */
	atomic64_t gpu_stall;

	/**
	 * @gpu_stall_batches_max: moves that one access of a job has waited
	 * for, the most so far.
	 */
	atomic64_t gpu_stall_batches_max;

	/** @gpu_unblock: pages that a stalled job took back. */
	atomic64_t gpu_unblock;

	/** @cpu_unmap: calls to zap CPU page table entries. */
	atomic64_t cpu_unmap;

	/** @cpu_fault: CPU faults that mapped something. */
	atomic64_t cpu_fault;

	/** @cpu_fault_wait: CPU faults that waited for a page on the move. */
	atomic64_t cpu_fault_wait;

	/** @cpu_retake: pages that a CPU fault took back. */
	atomic64_t cpu_retake;

	/** @jobs_done: jobs that ended well. */
	atomic64_t jobs_done;

	/** @jobs_faulted: jobs that ended by a fault. */
	atomic64_t jobs_faulted;

	/** @jobs_timedout: jobs that were reset. */
	atomic64_t jobs_timedout;

	/** @jobs_cancelled: jobs that ended with their queue. */
	atomic64_t jobs_cancelled;

	/** @frames: frames that the display composed for CRCs or writeback. */
	atomic64_t frames;

	/** @frames_faulted: those where memory was not mapped any more. */
	atomic64_t frames_faulted;
};

/* Count one event. */
#define movgem_stat_inc(mdev, name) \
	atomic64_inc(&(mdev)->stats.name)

/* Count several events, or raise a gauge. */
#define movgem_stat_add(mdev, name, n) \
	atomic64_add(n, &(mdev)->stats.name)

/* Lower a gauge. */
#define movgem_stat_sub(mdev, name, n) \
	atomic64_sub(n, &(mdev)->stats.name)

/* Raise a maximum. */
#define movgem_stat_max(mdev, name, n) \
	movgem_stat_raise(&(mdev)->stats.name, n)

static inline void movgem_stat_raise(atomic64_t *stat, s64 value)
{
	s64 old = atomic64_read(stat);

	while (old < value && !atomic64_try_cmpxchg(stat, &old, value))
		;
}

/* Read a counter. */
#define movgem_stat_read(mdev, name) \
	((u64)atomic64_read(&(mdev)->stats.name))

#endif
