/* SPDX-License-Identifier: GPL-2.0 */
/* Copyright (C) 2026 movgem maintainers */
#ifndef _MOVGEM_PT_H_
#define _MOVGEM_PT_H_

#include <linux/bits.h>
#include <linux/list.h>
#include <linux/mm_types.h>
#include <linux/types.h>

/* A GPU page table entry: physical address of a page, and flags. */
#define MOVGEM_PTE_VALID	BIT_ULL(0)
/* The page is being moved: the engine stalls. Only with VALID. */
#define MOVGEM_PTE_BLOCKED	BIT_ULL(1)
#define MOVGEM_PTE_READONLY	BIT_ULL(2)
#define MOVGEM_PTE_ADDR		GENMASK_ULL(51, 12)

#define MOVGEM_VA_START		(64ULL << 10)
#define MOVGEM_VA_END		BIT_ULL(47)

/**
 * struct movgem_pt - page tables of one VM: four levels of 4 KiB pages
 *
 * Entries are 64 bit words, written and read at once. See movgem_pt.c.
 */
struct movgem_pt {
	/** @root: the top table. */
	u64 *root;
};

int movgem_pt_init(struct movgem_pt *pt);
void movgem_pt_fini(struct movgem_pt *pt);
int movgem_pt_reserve(struct movgem_pt *pt, u64 va, u64 size);
void movgem_pt_set(struct movgem_pt *pt, u64 va, u64 pte);

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
