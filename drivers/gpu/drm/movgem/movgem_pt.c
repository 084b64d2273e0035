// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 movgem maintainers */

#include <linux/gfp.h>
#include <linux/io.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "movgem_device.h"
#include "movgem_pt.h"
#include "movgem_store.h"
#include "movgem_trace.h"

/**
 * DOC: GPU page tables
 *
 * Four levels of tables of 512 entries, each table a page of the page store. An
 * entry of the upper levels holds the physical address of a table, one of the
 * lowest level that of a page of memory.
 *
 * Tables are added by movgem_pt_reserve(), in the ioctl, where memory may be
 * allocated, and stay until the VM goes: entries can then be written at any
 * time, under the lock that says what to write.
 *
 * The walker runs on an engine's core at any time and takes no lock but the
 * core's. It sees each entry whole, and a table that it reaches is initialised.
 */

/**
 * DOC: Page tables that move
 *
 * The kernel moves the pages of tables as it does those of BOs, and nobody
 * waits for that. movgem_pt_move() keeps writers of entries out by
 * &movgem_pt.lock, copies the table, and points the entry of the table above,
 * or the root, to the copy. A walk that is under way can still be in the old
 * page: as the GPU keeps walks in its TLBs too, all TLBs are invalidated, which
 * waits for each core. Then nobody has an address of the old page any more.
 *
 * What such a walk has read from the old page is what the entry was before the
 * invalidation, as if it had been in a TLB. Whoever writes an entry that a GPU
 * must not use any more invalidates after that anyhow.
 */

#define PT_LEVELS	4
#define PT_BITS		9	/* ilog2(PT_ENTRIES) */
#define PT_ENTRIES	512

/* Bits of an address that say which table of a level it is in. */
#define PT_KEY_BITS	(47 - PAGE_SHIFT - PT_BITS)

static unsigned int pt_shift(int level)
{
	return PAGE_SHIFT + PT_BITS * level;
}

static unsigned int pt_index(u64 va, int level)
{
	return (va >> pt_shift(level)) & (PT_ENTRIES - 1);
}

static u32 pt_key(u64 va, int level)
{
	return level << PT_KEY_BITS | va >> pt_shift(level + 1);
}

static u64 *pt_next(u64 entry)
{
	return phys_to_virt(entry & MOVGEM_PTE_ADDR);
}

/*
 * The entry of @va at @level, or of the level where tables end. The caller
 * holds the lock, or that of a core.
 */
static u64 *pt_entry(const struct movgem_pt *pt, u64 va, int *level)
{
	/* Pairs with the release in pt_point(). */
	u64 *table = smp_load_acquire(&pt->root);
	int at;

	for (at = PT_LEVELS - 1; at > *level; at--) {
		/* The same. */
		u64 entry = smp_load_acquire(&table[pt_index(va, at)]);

		if (!(entry & MOVGEM_PTE_VALID))
			break;
		table = pt_next(entry);
	}
	*level = at;
	return &table[pt_index(va, at)];
}

/* Have a table found by walks. */
static void pt_point(struct movgem_pt_table *table)
{
	u64 *entries = page_address(table->page);
	u64 *above;

	if (!table->parent) {
		/* Who finds the table finds what is in it: pt_entry(). */
		smp_store_release(&table->pt->root, entries);
		return;
	}
	above = page_address(table->parent->page);
	/* The same. */
	smp_store_release(&above[table->index],
			  virt_to_phys(entries) | MOVGEM_PTE_VALID);
}

static void table_free(struct movgem_pt_table *table)
{
	struct movgem_device *mdev = table->pt->mdev;

	if (mdev->store->table_release)
		mdev->store->table_release(table);
	else
		__free_page(table->page);
	movgem_stat_sub(mdev, pt_pages_live, 1);
	kfree(table);
}

static int table_alloc_page(struct movgem_pt_table *table)
{
	const struct movgem_store_ops *store = table->pt->mdev->store;

	if (store->table_alloc)
		return store->table_alloc(table);

	table->page = alloc_page(GFP_KERNEL_ACCOUNT | __GFP_ZERO);
	return table->page ? 0 : -ENOMEM;
}

/* Add the table of @va at @level, below one that is there. */
static int table_add(struct movgem_pt *pt, u64 va, int level)
{
	struct movgem_device *mdev = pt->mdev;
	struct movgem_pt_table *table;
	int ret;

	table = kzalloc(sizeof(*table), GFP_KERNEL_ACCOUNT);
	if (!table)
		return -ENOMEM;
	table->pt = pt;
	table->level = level;
	table->key = pt_key(va, level);
	if (level < PT_LEVELS - 1) {
		table->parent = xa_load(&pt->tables, pt_key(va, level + 1));
		table->index = pt_index(va, level + 1);
	}

	ret = table_alloc_page(table);
	if (ret) {
		kfree(table);
		return ret;
	}
	movgem_stat_inc(mdev, pt_pages_live);
	ret = xa_insert(&pt->tables, table->key, table, GFP_KERNEL_ACCOUNT);
	if (ret) {
		table_free(table);
		return ret;
	}

	read_lock(&pt->lock);
	pt_point(table);
	read_unlock(&pt->lock);
	/* It may move from here on. */
	if (mdev->store->table_adopt)
		mdev->store->table_adopt(table);
	return 0;
}

/**
 * movgem_pt_init - make empty page tables
 * @pt: the tables
 * @mdev: the device
 *
 * Return: 0 or -ENOMEM.
 */
int movgem_pt_init(struct movgem_pt *pt, struct movgem_device *mdev)
{
	int ret;

	pt->mdev = mdev;
	pt->moves = 1;
	rwlock_init(&pt->lock);
	xa_init(&pt->tables);
	ret = table_add(pt, 0, PT_LEVELS - 1);
	if (ret) {
		/* An insertion that fails leaves nodes in the array. */
		xa_destroy(&pt->tables);
		return ret;
	}

	mutex_lock(&mdev->pts.lock);
	list_add_tail(&pt->link, &mdev->pts.list);
	mutex_unlock(&mdev->pts.lock);
	return 0;
}

/**
 * movgem_pt_fini - free page tables
 * @pt: the tables, which no engine walks any more
 *
 * The root comes last. Context: sleeps, for moves of tables that are under way.
 */
void movgem_pt_fini(struct movgem_pt *pt)
{
	struct movgem_pt_table *table;
	unsigned long key;

	mutex_lock(&pt->mdev->pts.lock);
	list_del(&pt->link);
	mutex_unlock(&pt->mdev->pts.lock);

	/* A move of a table writes to the one above, which has a higher key. */
	xa_for_each(&pt->tables, key, table) {
		table_free(table);
		cond_resched();
	}
	xa_destroy(&pt->tables);
	pt->root = NULL;
}

/* Add the tables above the lowest level entry of @va. */
static int pt_reserve_one(struct movgem_pt *pt, u64 va)
{
	for (;;) {
		int level = 0, ret;

		read_lock(&pt->lock);
		pt_entry(pt, va, &level);
		read_unlock(&pt->lock);
		if (!level)
			return 0;

		ret = table_add(pt, va, level - 1);
		if (ret)
			return ret;
	}
}

/**
 * movgem_pt_reserve - make sure that a range has tables
 * @pt: the tables; the caller holds a lock against other calls of this
 * @va: start of the range
 * @size: its size, not zero
 *
 * Return: 0, -ENOMEM or -EINTR (a fatal signal).
 */
int movgem_pt_reserve(struct movgem_pt *pt, u64 va, u64 size)
{
	u64 step = (u64)PAGE_SIZE << PT_BITS;
	u64 end = va + size;

	for (va = round_down(va, step); va < end; va += step) {
		int ret = pt_reserve_one(pt, va);

		if (ret)
			return ret;
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	return 0;
}

/**
 * movgem_pt_seek - find the table of an address
 * @pt: the tables, with @va reserved and the lock held
 * @cursor: where it is
 * @va: GPU address
 */
void movgem_pt_seek(const struct movgem_pt *pt, struct movgem_pt_cursor *cursor,
		    u64 va)
{
	int level = 0;

	lockdep_assert_held(&pt->lock);

	cursor->va = round_down(va, MOVGEM_PT_SPAN);
	cursor->table = pt_entry(pt, cursor->va, &level);
	cursor->moves = pt->moves;
}

/**
 * movgem_pt_set - write the entry of a page
 * @pt: the tables, with @va reserved
 * @va: GPU address
 * @pte: the entry
 *
 * Context: any. TLBs may still have what was there before.
 */
void movgem_pt_set(struct movgem_pt *pt, u64 va, u64 pte)
{
	struct movgem_pt_cursor cursor = {};

	movgem_pt_set_near(pt, &cursor, va, pte);
}

/**
 * movgem_pt_move - move a table to another page
 * @table: the table, its page locked
 * @dst: the page, locked
 *
 * In return nobody uses the old page any more; it, and @dst, have the
 * references that they had.
 *
 * Context: does not sleep.
 */
void movgem_pt_move(struct movgem_pt_table *table, struct page *dst)
{
	struct movgem_pt *pt = table->pt;
	struct page *src = table->page;

	write_lock(&pt->lock);
	copy_page(page_address(dst), page_address(src));
	table->page = dst;
	pt->moves++;
	pt_point(table);
	write_unlock(&pt->lock);

	movgem_migrate_flush(pt->mdev);
	movgem_stat_inc(pt->mdev, pt_moved);
	trace_movgem_pt_move(table, src, dst);
}

/**
 * movgem_pt_table_va - first address that a table translates
 * @table: the table
 *
 * Return: the GPU address.
 */
u64 movgem_pt_table_va(const struct movgem_pt_table *table)
{
	u64 number = table->key & (BIT(PT_KEY_BITS) - 1);

	return number << pt_shift(table->level + 1);
}

u64 movgem_pt_walk(const struct movgem_pt *pt, u64 va)
{
	int level = 0;
	u64 *entry = pt_entry(pt, va, &level);

	return level ? 0 : READ_ONCE(*entry);
}
