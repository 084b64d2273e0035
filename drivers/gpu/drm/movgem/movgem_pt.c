// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 movgem maintainers */

#include <linux/gfp.h>
#include <linux/io.h>
#include <linux/mm.h>

#include "movgem_pt.h"

/**
 * DOC: GPU page tables
 *
 * Four levels of tables of 512 entries, each table a page. An entry of the
 * upper levels holds the physical address of a table, one of the lowest level
 * that of a page of memory.
 *
 * Tables are added by movgem_pt_reserve(), in the ioctl, where memory may be
 * allocated, and stay until the VM goes: entries can then be written at any
 * time under no lock but the one that says what to write. They are charged to
 * the memory cgroup of the task that bound something.
 *
 * The walker runs on an engine's core at any time. It sees each entry whole,
 * and a table that it reaches is initialised.
 */

#define PT_LEVELS	4
#define PT_BITS		9	/* ilog2(PT_ENTRIES) */
#define PT_ENTRIES	512

static unsigned int pt_index(u64 va, int level)
{
	return (va >> (PAGE_SHIFT + PT_BITS * level)) & (PT_ENTRIES - 1);
}

static u64 *pt_next(u64 entry)
{
	return phys_to_virt(entry & MOVGEM_PTE_ADDR);
}

static u64 *pt_alloc(void)
{
	return (u64 *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
}

/* The entry of @va at the lowest level, or NULL where there is no table. */
static u64 *pt_entry(const struct movgem_pt *pt, u64 va)
{
	u64 *table = pt->root;

	for (int level = PT_LEVELS - 1; level > 0; level--) {
		/* Pairs with the release in pt_reserve_one(). */
		u64 entry = smp_load_acquire(&table[pt_index(va, level)]);

		if (!(entry & MOVGEM_PTE_VALID))
			return NULL;
		table = pt_next(entry);
	}
	return &table[pt_index(va, 0)];
}

/**
 * movgem_pt_init - make empty page tables
 * @pt: the tables
 *
 * Return: 0 or -ENOMEM.
 */
int movgem_pt_init(struct movgem_pt *pt)
{
	pt->root = pt_alloc();
	return pt->root ? 0 : -ENOMEM;
}

static void pt_free(u64 *table, int level)
{
	for (int i = 0; level && i < PT_ENTRIES; i++)
		if (table[i] & MOVGEM_PTE_VALID)
			pt_free(pt_next(table[i]), level - 1);
	free_page((unsigned long)table);
	cond_resched();
}

/**
 * movgem_pt_fini - free page tables
 * @pt: the tables, which no engine walks any more
 */
void movgem_pt_fini(struct movgem_pt *pt)
{
	pt_free(pt->root, PT_LEVELS - 1);
	pt->root = NULL;
}

/* Add the tables above the lowest level entry of @va. */
static int pt_reserve_one(struct movgem_pt *pt, u64 va)
{
	u64 *table = pt->root;

	for (int level = PT_LEVELS - 1; level > 0; level--) {
		u64 *entry = &table[pt_index(va, level)];

		if (!(*entry & MOVGEM_PTE_VALID)) {
			u64 *next = pt_alloc();

			if (!next)
				return -ENOMEM;
			/* The walker must find the table zeroed. */
			smp_store_release(entry, virt_to_phys(next) |
						 MOVGEM_PTE_VALID);
		}
		table = pt_next(*entry);
	}
	return 0;
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
 * movgem_pt_set - write the entry of a page
 * @pt: the tables, with @va reserved
 * @va: GPU address
 * @pte: the entry
 *
 * Context: any. TLBs may still have what was there before.
 */
void movgem_pt_set(struct movgem_pt *pt, u64 va, u64 pte)
{
	/* Who reads the entry sees what was copied to the page before. */
	smp_store_release(pt_entry(pt, va), pte);
}

u64 movgem_pt_walk(const struct movgem_pt *pt, u64 va)
{
	u64 *entry = pt_entry(pt, va);

	return entry ? READ_ONCE(*entry) : 0;
}
