// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 movgem maintainers */

#include <linux/cpu.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/swap.h>
#include <linux/workqueue.h>

#include "movgem_folio.h"
#include "movgem_store.h"

/**
 * DOC: Folios of the driver's own
 *
 * What pages of BOs and of GPU page tables have in common in the page store
 * folio. Both are the page cache of an inode of the driver's own, with the
 * private data of whom they belong to. Such a folio has two references at rest:
 * the page cache's and the private data's. Private data that is never released
 * keeps reclaim, drop_caches and the handling of memory errors from taking a
 * page out of the cache; only truncation does.
 */

/**
 * movgem_folio_mapping_init - make a mapping one of folios that move and stay
 * @mapping: the mapping, without folios
 * @ops: what is done with them
 */
void movgem_folio_mapping_init(struct address_space *mapping,
			       const struct address_space_operations *ops)
{
	mapping->a_ops = ops;
	mapping_set_unevictable(mapping);
	mapping_set_gfp_mask(mapping, GFP_HIGHUSER_MOVABLE);
}

/**
 * movgem_folio_add - add a new folio to a mapping
 * @mapping: the mapping
 * @folio: the folio, of which the caller keeps a reference
 * @index: where
 *
 * Charges the memory cgroup. The folio gets on the LRU, and so can move, some
 * time later, see movgem_folio_drain(). Context: may sleep.
 *
 * Return: 0, and the folio is locked; or -ENOMEM.
 */
int movgem_folio_add(struct address_space *mapping, struct folio *folio,
		     pgoff_t index)
{
	int ret = filemap_add_folio(mapping, folio, index,
				    movgem_store_gfp() & ~__GFP_ZERO);

	if (!ret)
		folio_mark_uptodate(folio);
	return ret;
}

/**
 * movgem_folio_keep - release_folio of all mappings
 * @folio: the folio
 * @gfp: how to allocate
 *
 * Return: false, whoever would like to have it.
 */
bool movgem_folio_keep(struct folio *folio, gfp_t gfp)
{
	return false;
}

/**
 * movgem_folio_invalidate - invalidate_folio of all mappings
 * @folio: the folio, which truncation takes out of its mapping
 * @offset: zero
 * @len: its size
 */
void movgem_folio_invalidate(struct folio *folio, size_t offset, size_t len)
{
	folio_detach_private(folio);
}

/**
 * movgem_folio_unused - whether only the driver uses a folio
 * @folio: the folio, locked, in no page table, with a reference of the caller
 *
 * In return, if true, nobody else gets to use it until it is unlocked: page
 * table entries are made under the lock. References of who looks for folios to
 * isolate come and go, and do not matter.
 *
 * Return: true if so.
 */
bool movgem_folio_unused(struct folio *folio)
{
	return !folio_mapped(folio) && folio_ref_count(folio) == 3;
}

/**
 * movgem_folio_replace - put a copy in the place of a folio
 * @dst: the copy, new and locked
 * @src: the folio, as after movgem_folio_unused(); may be on the LRU
 */
void movgem_folio_replace(struct folio *dst, struct folio *src)
{
	folio_mark_uptodate(dst);
	replace_page_cache_folio(src, dst);
	folio_attach_private(dst, folio_detach_private(src));
	folio_add_lru(dst);
}

static long drain_cpu(void *data)
{
	movgem_folio_drain(data);
	return 0;
}

/**
 * movgem_folio_drain - have this processor's new folios put on the LRU
 * @folio: any folio that the caller has a reference of
 *
 * Until then they have a reference more, and do not move.
 */
void movgem_folio_drain(struct folio *folio)
{
	struct folio_batch batch;

	folio_get(folio);
	folio_batch_init(&batch);
	folio_batch_add(&batch, folio);
	/* Empties the processor's lists of pages that are to go on the LRU. */
	folio_batch_release(&batch);
}

/* The same for all processors. */
static void drain_all(struct folio *folio)
{
	int cpu;

	/*
	 * Waiting could take for ever: memory that goes offline holds the lock, and
	 * may be waiting for the page that the caller has. Who calls tries again.
	 */
	if (!cpus_read_trylock())
		return;
	for_each_online_cpu(cpu)
		work_on_cpu(cpu, drain_cpu, folio);
	cpus_read_unlock();
}

/**
 * movgem_folio_move - move a folio on the driver's own account
 * @src: the folio, with a reference of the caller
 * @gfp: how to allocate the copy
 * @move: moves it, with both folios locked; returns 0, or -EAGAIN if it may work
 *	another time, or another error
 * @data: for @move
 *
 * Context: sleeps.
 *
 * Return: what @move returns, or -ENOMEM.
 */
int movgem_folio_move(struct folio *src, gfp_t gfp,
		      int (*move)(struct folio *dst, struct folio *src, void *data),
		      void *data)
{
	struct folio *dst;
	int ret;

	dst = folio_alloc(gfp & ~__GFP_ZERO, 0);
	if (!dst)
		return -ENOMEM;

	folio_lock(dst);
	folio_lock(src);
	ret = move(dst, src, data);
	folio_unlock(src);
	folio_unlock(dst);

	if (ret == -EAGAIN)
		drain_all(src);
	else if (!ret)
		movgem_folio_drain(dst);
	folio_put(dst);
	return ret;
}
