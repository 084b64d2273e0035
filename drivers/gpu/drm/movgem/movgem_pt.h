/* SPDX-License-Identifier: GPL-2.0 */
/* Copyright (C) 2026 movgem maintainers */
#ifndef _MOVGEM_PT_H_
#define _MOVGEM_PT_H_

#include <linux/bits.h>
#include <linux/list.h>
#include <linux/mm_types.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/xarray.h>

struct movgem_device;
struct movgem_pt;

/* A GPU page table entry: physical address of a page, and flags. */
#define MOVGEM_PTE_VALID	BIT_ULL(0)
/* The page is being moved: the engine stalls. Only with VALID. */
#define MOVGEM_PTE_BLOCKED	BIT_ULL(1)
#define MOVGEM_PTE_READONLY	BIT_ULL(2)
#define MOVGEM_PTE_ADDR		GENMASK_ULL(51, 12)

#define MOVGEM_VA_START		(64ULL << 10)
#define MOVGEM_VA_END		BIT_ULL(47)

/**
 * struct movgem_pt_table - one table, that is one page
 */
struct movgem_pt_table {
	/** @pt: the tables that it belongs to. */
	struct movgem_pt *pt;

	/** @parent: the table that points to it, NULL for the root. */
	struct movgem_pt_table *parent;

	/** @page: its page; changes under &movgem_pt.lock and the page lock. */
	struct page *page;

	/** @key: number of the table, its index in &movgem_pt.tables. */
	u32 key;

	/** @index: entry of @parent that points to it. */
	u16 index;

	/** @level: zero for the lowest. */
	u8 level;
};

/**
 * struct movgem_pt - page tables of one VM: four levels of 4 KiB pages
 *
 * Entries are 64 bit words, written and read at once. See movgem_pt.c.
 */
struct movgem_pt {
	/** @mdev: the device. */
	struct movgem_device *mdev;

	/** @root: the top table's entries, where a walk begins. */
	u64 *root;

	/**
	 * @lock: read: entries are written; write: a table moves. Inside
	 * &movgem_bo.pages_lock. Never taken in interrupts.
	 */
	rwlock_t lock;

	/** @tables: all tables by their key. */
	struct xarray tables;

	/** @link: in &movgem_device.pts.list. */
	struct list_head link;

	/** @moves: counts moves of tables, from one on; by @lock. */
	u64 moves;

	/** @store_priv: of the page store. */
	void *store_priv;
};

/**
 * struct movgem_pt_cursor - where an entry was written last; zeroed at first
 */
struct movgem_pt_cursor {
	/** @table: entries of the lowest table there. */
	u64 *table;

	/** @va: first address that @table translates. */
	u64 va;

	/** @moves: &movgem_pt.moves when @table was looked up. */
	u64 moves;
};

/* How much a table of the lowest level translates. */
#define MOVGEM_PT_SPAN	((u64)PAGE_SIZE * PAGE_SIZE / sizeof(u64))

int movgem_pt_init(struct movgem_pt *pt, struct movgem_device *mdev);
void movgem_pt_fini(struct movgem_pt *pt);
int movgem_pt_reserve(struct movgem_pt *pt, u64 va, u64 size);
void movgem_pt_set(struct movgem_pt *pt, u64 va, u64 pte);
void movgem_pt_seek(const struct movgem_pt *pt, struct movgem_pt_cursor *cursor,
		    u64 va);
void movgem_pt_move(struct movgem_pt_table *table, struct page *dst);
u64 movgem_pt_table_va(const struct movgem_pt_table *table);

/**
 * movgem_pt_set_near - write the entry of a page near the last one
 * @pt: the tables, with @va reserved
 * @cursor: the last one
 * @va: GPU address
 * @pte: the entry
 *
 * Context: any; the caller holds a lock that protects @cursor. TLBs may still
 * have what was there before.
 */
static inline void movgem_pt_set_near(struct movgem_pt *pt,
				      struct movgem_pt_cursor *cursor, u64 va,
				      u64 pte)
{
	read_lock(&pt->lock);
	if (cursor->moves != pt->moves || va - cursor->va >= MOVGEM_PT_SPAN)
		movgem_pt_seek(pt, cursor, va);
	/* Who reads the entry sees what was copied to the page before. */
	smp_store_release(&cursor->table[(va - cursor->va) >> PAGE_SHIFT], pte);
	read_unlock(&pt->lock);
}

/**
 * movgem_pt_walk - translate one address, as the hardware's walker does
 * @pt: the tables
 * @va: GPU address, below MOVGEM_VA_END
 *
 * Context: the caller is an engine's core with its lock held (so that @flush
 * of the engine waits for it); never sleeps.
 *
 * Return: the entry, zero where nothing is mapped.
 */
u64 movgem_pt_walk(const struct movgem_pt *pt, u64 va);

#endif
