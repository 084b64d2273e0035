// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 movgem maintainers */

/*
 * GPU page tables. Entries are numbers here; that there is no page behind them
 * does not matter to the tables.
 */

#include <linux/mm.h>
#include <linux/prandom.h>
#include <linux/sched/signal.h>
#include <linux/sizes.h>
#include <linux/xarray.h>

#include <kunit/test.h>

#include "../movgem_pt.h"
#include "../movgem_store.h"
#include "movgem_kunit.h"

/* What one table of each level spans. */
#define SPAN_0	(PAGE_SIZE * 512ULL)
#define SPAN_1	(SPAN_0 * 512)
#define SPAN_2	(SPAN_1 * 512)

static u64 pte_of(u64 n)
{
	return n << PAGE_SHIFT | MOVGEM_PTE_VALID;
}

static int pt_test_init(struct kunit *test)
{
	struct movgem_pt *pt = kunit_kzalloc(test, sizeof(*pt), GFP_KERNEL);

	if (!pt)
		return -ENOMEM;
	test->priv = pt;
	return movgem_pt_init(pt, movgem_kunit_device(test));
}

static void pt_test_exit(struct kunit *test)
{
	struct movgem_pt *pt = test->priv;

	if (pt && pt->root)
		movgem_pt_fini(pt);
}

/* Addresses where something begins or ends at one of the levels. */
static const u64 edges[] = {
	MOVGEM_VA_START,
	SPAN_0 - PAGE_SIZE, SPAN_0, SPAN_0 + PAGE_SIZE,
	SPAN_1 - PAGE_SIZE, SPAN_1, SPAN_1 + SPAN_0,
	SPAN_2 - PAGE_SIZE, SPAN_2, SPAN_2 + SPAN_1 + SPAN_0 + PAGE_SIZE,
	MOVGEM_VA_END / 2 - PAGE_SIZE, MOVGEM_VA_END / 2,
	MOVGEM_VA_END - SPAN_0, MOVGEM_VA_END - PAGE_SIZE,
};

static void pt_empty(struct kunit *test)
{
	struct movgem_pt *pt = test->priv;

	for (int i = 0; i < ARRAY_SIZE(edges); i++)
		KUNIT_EXPECT_EQ(test, 0, movgem_pt_walk(pt, edges[i]));
	KUNIT_EXPECT_EQ(test, 0, movgem_pt_walk(pt, 0));
}

static void pt_edges(struct kunit *test)
{
	struct movgem_pt *pt = test->priv;

	for (int i = 0; i < ARRAY_SIZE(edges); i++) {
		KUNIT_ASSERT_EQ(test, 0,
				movgem_pt_reserve(pt, edges[i], PAGE_SIZE));
		KUNIT_EXPECT_EQ_MSG(test, 0, movgem_pt_walk(pt, edges[i]),
				    "0x%llx is not empty", edges[i]);
		movgem_pt_set(pt, edges[i], pte_of(i + 1));
	}
	/* Each has its own, all over the page and not a byte further. */
	for (int i = 0; i < ARRAY_SIZE(edges); i++) {
		KUNIT_EXPECT_EQ(test, pte_of(i + 1),
				movgem_pt_walk(pt, edges[i]));
		KUNIT_EXPECT_EQ(test, pte_of(i + 1),
				movgem_pt_walk(pt, edges[i] + PAGE_SIZE - 1));
	}
}

/* A range has tables from its first to its last page, wherever they lie. */
static void pt_reserve_range(struct kunit *test)
{
	static const struct {
		u64 va, size;
	} ranges[] = {
		{ MOVGEM_VA_START, PAGE_SIZE },
		{ SPAN_0 - PAGE_SIZE, 2 * PAGE_SIZE },
		{ SPAN_0 + PAGE_SIZE, SPAN_0 },
		{ SPAN_1 - PAGE_SIZE, SPAN_0 + 2 * PAGE_SIZE },
		{ SPAN_2 - SPAN_0, 2 * SPAN_0 },
		{ MOVGEM_VA_END - SPAN_0 - PAGE_SIZE, SPAN_0 + PAGE_SIZE },
	};
	struct movgem_pt *pt = test->priv;

	for (int i = 0; i < ARRAY_SIZE(ranges); i++) {
		u64 end = ranges[i].va + ranges[i].size;

		KUNIT_ASSERT_EQ(test, 0, movgem_pt_reserve(pt, ranges[i].va,
							   ranges[i].size));
		for (u64 va = ranges[i].va; va < end; va += PAGE_SIZE)
			movgem_pt_set(pt, va, pte_of(va >> PAGE_SHIFT));
		for (u64 va = ranges[i].va; va < end; va += PAGE_SIZE)
			KUNIT_ASSERT_EQ(test, pte_of(va >> PAGE_SHIFT),
					movgem_pt_walk(pt, va));
	}
}

/* To reserve again changes nothing. */
static void pt_reserve_again(struct kunit *test)
{
	struct movgem_pt *pt = test->priv;
	u64 va = SPAN_1 + SPAN_0 - PAGE_SIZE;

	KUNIT_ASSERT_EQ(test, 0, movgem_pt_reserve(pt, va, PAGE_SIZE));
	movgem_pt_set(pt, va, pte_of(5));
	KUNIT_ASSERT_EQ(test, 0, movgem_pt_reserve(pt, va - 4 * PAGE_SIZE,
						   8 * PAGE_SIZE));
	KUNIT_EXPECT_EQ(test, pte_of(5), movgem_pt_walk(pt, va));
	KUNIT_EXPECT_EQ(test, 0, movgem_pt_walk(pt, va - PAGE_SIZE));
	KUNIT_EXPECT_EQ(test, 0, movgem_pt_walk(pt, va + PAGE_SIZE));
}

/* The whole entry comes back, flags too, and neighbours keep theirs. */
static void pt_set(struct kunit *test)
{
	static const u64 entries[] = {
		MOVGEM_PTE_ADDR | MOVGEM_PTE_VALID,
		MOVGEM_PTE_ADDR | MOVGEM_PTE_VALID | MOVGEM_PTE_BLOCKED,
		MOVGEM_PTE_VALID | MOVGEM_PTE_READONLY,
		MOVGEM_PTE_VALID | MOVGEM_PTE_BLOCKED | MOVGEM_PTE_READONLY,
		0,
	};
	struct movgem_pt *pt = test->priv;
	u64 va = 3 * SPAN_0 + 7 * PAGE_SIZE;

	KUNIT_ASSERT_EQ(test, 0, movgem_pt_reserve(pt, va - PAGE_SIZE,
						   3 * PAGE_SIZE));
	movgem_pt_set(pt, va - PAGE_SIZE, pte_of(1));
	movgem_pt_set(pt, va + PAGE_SIZE, pte_of(2));
	for (int i = 0; i < ARRAY_SIZE(entries); i++) {
		movgem_pt_set(pt, va, entries[i]);
		KUNIT_EXPECT_EQ(test, entries[i], movgem_pt_walk(pt, va));
		KUNIT_EXPECT_EQ(test, pte_of(1),
				movgem_pt_walk(pt, va - PAGE_SIZE));
		KUNIT_EXPECT_EQ(test, pte_of(2),
				movgem_pt_walk(pt, va + PAGE_SIZE));
	}
}

/* Thousands of entries all over the address space, against a model. */
static void pt_random(struct kunit *test)
{
	struct movgem_pt *pt = test->priv;
	struct rnd_state rnd;
	unsigned long vpn;
	struct xarray model;
	void *value;

	xa_init(&model);
	prandom_seed_state(&rnd, 1);
	for (int i = 0; i < 2000; i++) {
		u64 pages = 1 + prandom_u32_state(&rnd) % 4;
		u64 va = (u64)prandom_u32_state(&rnd) << 32 |
			 prandom_u32_state(&rnd);
		u64 pte = pte_of(prandom_u32_state(&rnd));

		/* Near one another in every second round. */
		va = i % 2 ? va % (4 * SPAN_0) : va % (MOVGEM_VA_END - SZ_1M);
		va = MOVGEM_VA_START + round_down(va, PAGE_SIZE);
		if (movgem_pt_reserve(pt, va, pages * PAGE_SIZE)) {
			KUNIT_FAIL(test, "no tables for 0x%llx", va);
			break;
		}
		for (; pages--; va += PAGE_SIZE) {
			movgem_pt_set(pt, va, pte);
			xa_store(&model, va >> PAGE_SHIFT,
				 xa_mk_value(pte >> PAGE_SHIFT), GFP_KERNEL);
		}
	}
	xa_for_each(&model, vpn, value)
		KUNIT_EXPECT_EQ(test, pte_of(xa_to_value(value)),
				movgem_pt_walk(pt, (u64)vpn << PAGE_SHIFT));
	/* What was not set in the dense part is empty. */
	for (vpn = MOVGEM_VA_START >> PAGE_SHIFT; vpn < 4 * 512; vpn++)
		if (!xa_load(&model, vpn))
			KUNIT_EXPECT_EQ(test, 0,
					movgem_pt_walk(pt, (u64)vpn << PAGE_SHIFT));
	xa_destroy(&model);
}

/* A killed task does not go on reserving terabytes. */
static void pt_reserve_killed(struct kunit *test)
{
	struct movgem_pt *pt = test->priv;
	int ret;

	sigaddset(&current->pending.signal, SIGKILL);
	set_tsk_thread_flag(current, TIF_SIGPENDING);
	ret = movgem_pt_reserve(pt, SPAN_2, SPAN_2);
	sigdelset(&current->pending.signal, SIGKILL);
	clear_tsk_thread_flag(current, TIF_SIGPENDING);

	KUNIT_EXPECT_EQ(test, -EINTR, ret);
	/* What there is by then works. */
	KUNIT_ASSERT_EQ(test, 0, movgem_pt_reserve(pt, SPAN_2, 2 * SPAN_0));
	movgem_pt_set(pt, SPAN_2 + SPAN_0, pte_of(9));
	KUNIT_EXPECT_EQ(test, pte_of(9), movgem_pt_walk(pt, SPAN_2 + SPAN_0));
}

/* Two sets of tables have nothing in common. */
static void pt_two(struct kunit *test)
{
	struct movgem_pt *pt = test->priv, other;

	KUNIT_ASSERT_EQ(test, 0, movgem_pt_init(&other, pt->mdev));
	KUNIT_EXPECT_EQ(test, 0, movgem_pt_reserve(pt, SPAN_1, PAGE_SIZE));
	movgem_pt_set(pt, SPAN_1, pte_of(3));
	KUNIT_EXPECT_EQ(test, 0, movgem_pt_walk(&other, SPAN_1));
	KUNIT_EXPECT_EQ(test, 0, movgem_pt_reserve(&other, SPAN_1, PAGE_SIZE));
	movgem_pt_set(&other, SPAN_1, pte_of(4));
	movgem_pt_fini(&other);
	KUNIT_EXPECT_PTR_EQ(test, NULL, other.root);
	KUNIT_EXPECT_EQ(test, pte_of(3), movgem_pt_walk(pt, SPAN_1));
}

/* Tables of every level that move translate as before, and can be written. */
static void pt_move(struct kunit *test)
{
	struct movgem_pt *pt = test->priv;
	const struct movgem_store_ops *store = pt->mdev->store;
	struct movgem_pt_table *table;
	unsigned long key;

	if (!store->table_move)
		kunit_skip(test, "tables of this page store do not move");

	for (int i = 0; i < ARRAY_SIZE(edges); i++) {
		KUNIT_ASSERT_EQ(test, 0,
				movgem_pt_reserve(pt, edges[i], PAGE_SIZE));
		movgem_pt_set(pt, edges[i], pte_of(i + 1));
	}
	for (int round = 0; round < 3; round++) {
		xa_for_each(&pt->tables, key, table) {
			struct page *old = table->page;

			KUNIT_ASSERT_EQ(test, 0, store->table_move(table));
			KUNIT_EXPECT_PTR_NE(test, old, table->page);
		}
		for (int i = 0; i < ARRAY_SIZE(edges); i++) {
			KUNIT_EXPECT_EQ(test, pte_of(i + 1 + round),
					movgem_pt_walk(pt, edges[i]));
			movgem_pt_set(pt, edges[i], pte_of(i + 2 + round));
		}
	}
}

static struct kunit_case pt_cases[] = {
	KUNIT_CASE(pt_empty),
	KUNIT_CASE(pt_edges),
	KUNIT_CASE(pt_reserve_range),
	KUNIT_CASE(pt_reserve_again),
	KUNIT_CASE(pt_set),
	KUNIT_CASE(pt_random),
	KUNIT_CASE(pt_reserve_killed),
	KUNIT_CASE(pt_two),
	KUNIT_CASE(pt_move),
	{}
};

static struct kunit_suite pt_suite = {
	.name = "movgem_pt",
	.init = pt_test_init,
	.exit = pt_test_exit,
	.test_cases = pt_cases,
};

kunit_test_suite(pt_suite);
