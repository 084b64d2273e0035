/* SPDX-License-Identifier: GPL-2.0 */
/* Copyright (C) 2026 movgem maintainers */
#ifndef _MOVGEM_STALL_H_
#define _MOVGEM_STALL_H_

#include <linux/completion.h>
#include <linux/list.h>
#include <linux/types.h>

#include "movgem_device.h"

struct movgem_slot;
struct movgem_vm;

/**
 * struct movgem_stall - one access of an engine that has met blocked pages
 *
 * On the stack of the engine's core, for as long as the access takes.
 */
struct movgem_stall {
	/** @link: in &movgem_device.stalls.list, once @batches is not zero. */
	struct list_head link;

	/**
	 * @slot: the page; compared, never looked into, as nothing keeps the
	 * BO meanwhile. By &movgem_device.stalls.lock.
	 */
	const struct movgem_slot *slot;

	/** @unblocked: the page is not blocked any more. */
	struct completion unblocked;

	/** @batches: moves that the access has waited for. */
	unsigned int batches;

	/** @timed_out: the last wait was given up, for the same move. */
	bool timed_out;
};

void movgem_stall_wait(struct movgem_vm *vm, u64 va,
		       struct movgem_stall *stall);
void movgem_stall_end(struct movgem_device *mdev, struct movgem_stall *stall);
bool movgem_stall_find(struct movgem_device *mdev,
		       const struct movgem_slot *slot, bool wake);

/**
 * movgem_stall_wants - whether a stalled access is about to use a page
 * @mdev: the device
 * @slot: the page, its BO's pages_lock held
 *
 * Return: true if so.
 */
static inline bool movgem_stall_wants(struct movgem_device *mdev,
				      const struct movgem_slot *slot)
{
	/* Who stalls on this page is added under the lock that is held. */
	return !list_empty(&mdev->stalls.list) &&
	       movgem_stall_find(mdev, slot, false);
}

/**
 * movgem_stall_wake - a page is not blocked any more
 * @mdev: the device
 * @slot: the page, its BO's pages_lock held
 */
static inline void movgem_stall_wake(struct movgem_device *mdev,
				     const struct movgem_slot *slot)
{
	if (!list_empty(&mdev->stalls.list))
		movgem_stall_find(mdev, slot, true);
}

#endif
