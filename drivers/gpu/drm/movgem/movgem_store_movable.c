// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 movgem maintainers */

#include <linux/highmem.h>
#include <linux/migrate.h>
#include <linux/mm.h>
#include <linux/pagemap.h>

#include <drm/movgem_drm.h>

#include "movgem_bo.h"
#include "movgem_pt.h"
#include "movgem_store.h"
#include "movgem_trace.h"

/**
 * DOC: Page store movable_ops
 *
 * Non-LRU movable pages, Documentation/mm/page_migration.rst: each page of a
 * BO names &struct movable_operations of ours, and compaction, memory
 * offlining, alloc_contig_range() and soft offlining call them to move it.
 *
 * The kernel calls all three operations with the page locked and only while
 * the page is marked movable. The mark is set and cleared under the page lock
 * here, so page_private() names a valid slot in each of them.
 *
 * A page has one reference of its BO; the kernel takes one when it isolates
 * it. User mappings are by PFN and hold none.
 *
 * Pages of GPU page tables are movable in the same way, with operations of
 * their own; page_private() names the table. They are not charged to a memory
 * cgroup, as pages of BOs are not.
 */

static struct movgem_slot *page_slot(struct page *page)
{
	return (struct movgem_slot *)page_private(page);
}

static bool movable_isolate(struct page *page, isolate_mode_t mode)
{
	return movgem_migrate_isolate(page_slot(page));
}

static void movable_putback(struct page *page)
{
	movgem_migrate_putback(page_slot(page));
}

static const struct movable_operations movable_ops;

/* Called with @page locked, and a reference of the slot to give it. */
static void mark_movable(struct movgem_slot *slot, struct page *page)
{
	set_page_private(page, (unsigned long)slot);
	__SetPageMovable(page, &movable_ops);
}

/* Called with @page locked. Drops the slot's reference. */
static void unmark_movable(struct page *page)
{
	__ClearPageMovable(page);
	set_page_private(page, 0);
	put_page(page);
}

/* Step 4 of a move, see movgem_migrate.c. */
static int copy_content(const struct movgem_move *move, struct page *dst,
			struct page *src)
{
	struct movgem_bo *bo = movgem_slot_bo(move->slot);

	/* The slot's reference and the caller's. */
	if (page_count(src) != 2) {
		movgem_stat_inc(movgem_bo_device(bo), migrate_eagain_refs);
		return -EAGAIN;
	}
	copy_highpage(dst, src);
	trace_movgem_copy(bo, move->slot, dst);
	return 0;
}

/* Called with both pages locked, the slot's and the caller's reference held. */
static int move_page(const struct movgem_move *move, struct page *dst)
{
	struct page *src = movgem_slot_page(move->slot);
	int ret;

	ret = movgem_migrate_begin(move);
	if (ret)
		return ret;
	ret = copy_content(move, dst, src);
	movgem_migrate_end(move, dst, ret);
	if (ret)
		return ret;

	get_page(dst);
	mark_movable(move->slot, dst);
	unmark_movable(src);
	return 0;
}

static int movable_migrate(struct page *dst, struct page *src,
			   enum migrate_mode mode)
{
	struct movgem_move move = {
		.slot = page_slot(src),
		.mode = mode,
		.isolated = true,
	};

	return move_page(&move, dst);
}

static const struct movable_operations movable_ops = {
	.isolate_page = movable_isolate,
	.migrate_page = movable_migrate,
	.putback_page = movable_putback,
};

static u32 movable_adopt(struct movgem_bo *bo, u32 first, u32 count)
{
	for (u32 i = first; i < first + count; i++) {
		struct movgem_slot *slot = &bo->slot[i];
		struct page *page = movgem_slot_page(slot);

		lock_page(page);
		mark_movable(slot, page);
		unlock_page(page);
	}
	return count;
}

/* The page of a slot with a reference: until it is locked, it can move. */
static struct page *get_slot_page(struct movgem_bo *bo,
				  struct movgem_slot *slot)
{
	struct page *page;

	spin_lock(&bo->pages_lock);
	page = movgem_slot_page(slot);
	get_page(page);
	spin_unlock(&bo->pages_lock);
	return page;
}

static void release_slot(struct movgem_bo *bo, struct movgem_slot *slot)
{
	struct page *page;

	for (;;) {
		page = get_slot_page(bo, slot);
		/* Waits for a move under way; then it is another page. */
		lock_page(page);
		if (page_slot(page) == slot)
			break;
		unlock_page(page);
		put_page(page);
	}
	unmark_movable(page);
	unlock_page(page);
	put_page(page);
}

static void movable_release(struct movgem_bo *bo, u32 count)
{
	for (u32 i = 0; i < count; i++) {
		release_slot(bo, &bo->slot[i]);
		if (!(i % 64))
			cond_resched();
	}
}

/*
 * What migrate_pages() does, which modules cannot call: the page lock keeps
 * the kernel from isolating the page while we move it ourselves.
 */
static int movable_move(struct movgem_bo *bo, u32 index, gfp_t gfp,
			bool pinned)
{
	struct movgem_slot *slot = NULL;
	struct page *src = NULL, *dst;
	int ret = -EAGAIN;

	dst = alloc_page(gfp & ~__GFP_ZERO);
	if (!dst) {
		movgem_stat_inc(movgem_bo_device(bo), migrate_nomem);
		return -ENOMEM;
	}
	lock_page(dst);

	spin_lock(&bo->pages_lock);
	if (bo->has_pages) {
		slot = &bo->slot[index];
		src = movgem_slot_page(slot);
		get_page(src);
	}
	spin_unlock(&bo->pages_lock);
	if (!src)
		goto out_free_dst;

	lock_page(src);
	/* Marked movable for the slot, the page stays so under the lock. */
	if (page_slot(src) != slot || PageIsolated(src))
		goto out_unlock_src;

	if (!pinned && !movgem_migrate_isolate(slot)) {
		ret = -EBUSY;
		goto out_unlock_src;
	}
	ret = move_page(&(struct movgem_move) {
				.slot = slot,
				.mode = MIGRATE_SYNC,
				.isolated = !pinned,
				.pinned = pinned,
			}, dst);
	if (ret && !pinned)
		movgem_migrate_putback(slot);

out_unlock_src:
	unlock_page(src);
	put_page(src);
out_free_dst:
	unlock_page(dst);
	/* Moved, the slot has its own reference. */
	put_page(dst);
	return ret;
}

/* ---- pages of GPU page tables ---- */

static struct movgem_pt_table *page_table(struct page *page)
{
	return (struct movgem_pt_table *)page_private(page);
}

/* A table is never pinned, and its users do not notice that it moves. */
static bool table_isolate(struct page *page, isolate_mode_t mode)
{
	return true;
}

static void table_putback(struct page *page)
{
}

static const struct movable_operations table_ops;

/* Called with @page locked. */
static void mark_table(struct movgem_pt_table *table, struct page *page)
{
	set_page_private(page, (unsigned long)table);
	__SetPageMovable(page, &table_ops);
}

static int table_migrate(struct page *dst, struct page *src,
			 enum migrate_mode mode)
{
	struct movgem_pt_table *table = page_table(src);

	/* The table's reference and the caller's. */
	if (page_count(src) != 2)
		return -EAGAIN;
	movgem_pt_move(table, dst);
	get_page(dst);
	mark_table(table, dst);
	unmark_movable(src);
	return 0;
}

static const struct movable_operations table_ops = {
	.isolate_page = table_isolate,
	.migrate_page = table_migrate,
	.putback_page = table_putback,
};

static int movable_table_alloc(struct movgem_pt_table *table)
{
	table->page = alloc_page(movgem_store_table_gfp() | __GFP_ZERO);
	return table->page ? 0 : -ENOMEM;
}

static void movable_table_adopt(struct movgem_pt_table *table)
{
	struct page *page = table->page;

	lock_page(page);
	mark_table(table, page);
	unlock_page(page);
}

/* The page of a table, locked and with a reference. */
static struct page *lock_table(struct movgem_pt_table *table)
{
	struct page *page;

	for (;;) {
		read_lock(&table->pt->lock);
		page = table->page;
		get_page(page);
		read_unlock(&table->pt->lock);

		lock_page(page);
		if (page == table->page)
			return page;
		unlock_page(page);
		put_page(page);
	}
}

static void movable_table_release(struct movgem_pt_table *table)
{
	struct page *page = lock_table(table);

	if (page_table(page) == table)
		unmark_movable(page);
	else
		put_page(page);
	unlock_page(page);
	put_page(page);
}

static int movable_table_move(struct movgem_pt_table *table)
{
	struct page *src, *dst;
	int ret = -EAGAIN;

	dst = alloc_page(movgem_store_table_gfp());
	if (!dst)
		return -ENOMEM;
	lock_page(dst);
	src = lock_table(table);
	if (page_table(src) == table && !PageIsolated(src))
		ret = table_migrate(dst, src, MIGRATE_SYNC);
	unlock_page(src);
	put_page(src);
	unlock_page(dst);
	/* Moved, the table has its own reference. */
	put_page(dst);
	return ret;
}

const struct movgem_store_ops movgem_store_movable = {
	.name = "movable_ops",
	.uapi = DRM_MOVGEM_PAGE_STORE_MOVABLE_OPS,
	.movable = true,
	.adopt = movable_adopt,
	.release = movable_release,
	.prepare_vma = movgem_pfn_prepare_vma,
	.move = movable_move,
	.table_alloc = movable_table_alloc,
	.table_adopt = movable_table_adopt,
	.table_release = movable_table_release,
	.table_move = movable_table_move,
};
