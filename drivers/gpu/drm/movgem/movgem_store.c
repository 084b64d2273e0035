// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 movgem maintainers */

#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "movgem_bo.h"
#include "movgem_compat.h"
#include "movgem_store.h"

/**
 * DOC: Page stores
 *
 * A page store decides what kind of pages a BO has and whether and how the
 * kernel moves them. What all stores have in common is here: order-0 pages,
 * zeroed, allocated in bulk, in an array of &struct movgem_slot of 12 bytes a
 * page. The parameter page_store of the module chooses one for the device.
 */

/* The first is the default. */
static const struct movgem_store_ops * const stores[] = {
#ifdef MOVGEM_HAVE_MOVABLE_OPS
	&movgem_store_movable,
#endif
	&movgem_store_folio,
	&movgem_store_pinned,
};

/**
 * movgem_store_names - what stores there are with this kernel
 * @buf: buffer for the names
 * @size: its size
 *
 * Return: @buf.
 */
const char *movgem_store_names(char *buf, size_t size)
{
	size_t used = 0;

	*buf = 0;
	for (int i = 0; i < ARRAY_SIZE(stores); i++)
		used += scnprintf(buf + used, size - used, "%s%s",
				  i ? ", " : "", stores[i]->name);
	return buf;
}

/**
 * movgem_store_find - page store by name
 * @name: value of the module parameter, NULL for the default
 *
 * Return: the store, or NULL.
 */
const struct movgem_store_ops *movgem_store_find(const char *name)
{
	if (!name)
		return stores[0];

	for (int i = 0; i < ARRAY_SIZE(stores); i++)
		if (sysfs_streq(stores[i]->name, name))
			return stores[i];
	return NULL;
}

/**
 * movgem_store_gfp - how BO pages are allocated
 *
 * All stores ask for the same kind of memory, so that they can be compared.
 * No __GFP_ACCOUNT: the kernel does not carry the charge over to the new place
 * of a page that is not a folio of the page cache, and charges one that is when
 * it becomes that. A BO too large for the machine fails, it does not kill.
 *
 * Return: the mask.
 */
gfp_t movgem_store_gfp(void)
{
	return GFP_HIGHUSER_MOVABLE | __GFP_ZERO | __GFP_RETRY_MAYFAIL |
	       __GFP_NOWARN;
}

/**
 * movgem_store_table_gfp - how pages of GPU page tables are allocated that move
 *
 * The kernel has an address for each of them.
 *
 * Return: the mask.
 */
gfp_t movgem_store_table_gfp(void)
{
	return GFP_USER | __GFP_MOVABLE;
}

/*
 * Where there are nodes to choose from, the task's memory policy does, which the
 * kernel offers modules for single pages only.
 */
static u32 alloc_batch(u32 count, struct page **pages)
{
	u32 got = 0;

	if (num_online_nodes() == 1)
		return movgem_alloc_pages_bulk(movgem_store_gfp(), count,
					       pages);

	while (got < count && (pages[got] = alloc_page(movgem_store_gfp())))
		got++;
	return got;
}

/**
 * movgem_store_alloc - give a BO its pages
 * @bo: a BO that is complete but for its pages
 *
 * Return: 0, -ENOMEM or -EINTR (a fatal signal).
 */
int movgem_store_alloc(struct movgem_bo *bo)
{
	struct movgem_device *mdev = movgem_bo_device(bo);
	const struct movgem_store_ops *store = mdev->store;
	struct page *batch[64];
	u32 filled = 0;
	int ret;

	if (store->prepare) {
		ret = store->prepare(bo);
		if (ret)
			return ret;
	}

	while (filled < bo->count) {
		u32 want = min_t(u32, bo->count - filled, ARRAY_SIZE(batch));
		u32 got, adopted = 0;

		memset(batch, 0, sizeof(batch));
		got = alloc_batch(want, batch);
		for (u32 i = 0; i < got; i++) {
			movgem_slot_set_page(&bo->slot[filled + i], batch[i]);
			bo->slot[filled + i].index = filled + i;
		}
		/*
		 * At once: what the store charges for its pages may be more
		 * than the task may have, and then they are few.
		 */
		if (!fatal_signal_pending(current))
			adopted = store->adopt(bo, filled, got);
		filled += adopted;
		if (!adopted || adopted < got) {
			while (got-- > adopted)
				__free_page(batch[got]);
			store->release(bo, filled);
			return fatal_signal_pending(current) ? -EINTR : -ENOMEM;
		}
		cond_resched();
	}

	movgem_stat_add(mdev, pages_live, bo->count);
	/* From here on they move. */
	spin_lock(&bo->pages_lock);
	bo->has_pages = true;
	spin_unlock(&bo->pages_lock);
	return 0;
}

/**
 * movgem_store_free - take a BO's pages away
 * @bo: the BO; no CPU or GPU mapping uses the pages and none is MOVING or, but
 *	for a BO that is being freed, isolated
 *
 * Context: may sleep; reclaim, if no page is isolated and none can be.
 */
void movgem_store_free(struct movgem_bo *bo)
{
	struct movgem_device *mdev = movgem_bo_device(bo);
	bool had_pages;

	spin_lock(&bo->pages_lock);
	had_pages = bo->has_pages;
	bo->has_pages = false;
	spin_unlock(&bo->pages_lock);
	if (!had_pages)
		return;

	mdev->store->release(bo, bo->count);
	movgem_stat_sub(mdev, pages_live, bo->count);
}
