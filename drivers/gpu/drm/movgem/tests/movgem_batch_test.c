// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 movgem maintainers */

/*
 * Batches: which pages are quiesced together, and how many invalidations that
 * costs. The kernel's part is played as compaction does it: isolate some pages,
 * lock all of them, move one after the other.
 */

#include <linux/limits.h>
#include <linux/mm.h>
#include <linux/pagemap.h>

#include "movgem_kunit_page.h"

#include "../movgem_engine.h"

#define VA	MOVGEM_KUNIT_VA
#define MOST	600

struct batch {
	struct movgem_kunit_gpu *gpu;
	struct movgem_device *mdev;
	/* Pages that the kernel has, in the order in which they will move. */
	struct page *held[MOST];
	u32 count;
	/* Counters when the batch began. */
	u64 flushes;
	u64 batches;
	u64 batch_pages;
};

static int batch_test_init(struct kunit *test)
{
	struct batch *b = kunit_kzalloc(test, sizeof(*b), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, b);
	b->gpu = movgem_kunit_gpu(test);
	b->mdev = b->gpu->mdev;
	if (b->mdev->store != &movgem_store_movable)
		kunit_skip(test, "the page store is %s", b->mdev->store->name);
	test->priv = b;
	return 0;
}

static struct movgem_bo *bound_bo(struct kunit *test, u32 pages, u64 va)
{
	struct batch *b = test->priv;
	struct movgem_bo *bo = movgem_kunit_bo(test, b->mdev, pages);

	movgem_kunit_bind(b->gpu, bo, va);
	return bo;
}

static void isolate(struct kunit *test, struct movgem_bo *bo, u32 index)
{
	struct batch *b = test->priv;
	struct page *page = movgem_kunit_isolate(&bo->slot[index]);

	KUNIT_ASSERT_NOT_NULL(test, page);
	b->held[b->count++] = page;
}

static void isolate_range(struct kunit *test, struct movgem_bo *bo, u32 first,
			  u32 last)
{
	for (u32 i = first; i <= last; i++)
		isolate(test, bo, i);
}

/* From here on the pages of the batch are locked, and costs count. */
static void batch_begin(struct kunit *test)
{
	struct batch *b = test->priv;

	for (u32 i = 0; i < b->count; i++)
		lock_page(b->held[i]);
	b->flushes = movgem_stat_read(b->mdev, gpu_tlb_flush);
	b->batches = movgem_stat_read(b->mdev, batches);
	b->batch_pages = movgem_stat_read(b->mdev, batch_pages);
}

/* Move the n-th page of the batch. */
static int move(struct kunit *test, u32 n)
{
	struct batch *b = test->priv;
	int ret = movgem_kunit_migrate(test, b->held[n], MIGRATE_ASYNC, false);

	if (!ret)
		b->held[n] = NULL;
	return ret;
}

static void expect_cost(struct kunit *test, u64 flushes, u64 batches,
			u64 batch_pages)
{
	struct batch *b = test->priv;

	KUNIT_EXPECT_EQ(test, flushes,
			movgem_stat_read(b->mdev, gpu_tlb_flush) - b->flushes);
	KUNIT_EXPECT_EQ(test, batches,
			movgem_stat_read(b->mdev, batches) - b->batches);
	KUNIT_EXPECT_EQ(test, batch_pages,
			movgem_stat_read(b->mdev, batch_pages) -
			b->batch_pages);
}

/* Give back what has not moved, and look at what is in the BO. */
static void batch_end(struct kunit *test, struct movgem_bo *bo)
{
	struct batch *b = test->priv;

	for (u32 i = 0; i < b->count; i++) {
		if (!b->held[i])
			continue;
		unlock_page(b->held[i]);
		movgem_kunit_putback(b->held[i]);
	}
	b->count = 0;
	KUNIT_EXPECT_EQ(test, 0, bo->away);
	KUNIT_EXPECT_EQ(test, 0, bo->moving);
	KUNIT_EXPECT_EQ(test, 0, bo->quiescing);
	for (u32 i = 0; i < bo->count; i++) {
		KUNIT_ASSERT_EQ(test, MOVGEM_PAGE_RESIDENT, bo->slot[i].state);
		KUNIT_ASSERT_EQ(test, i + 1,
				*(u32 *)movgem_kunit_content(bo, i));
	}
}

static u32 count_state(struct movgem_bo *bo, enum movgem_page_state state)
{
	u32 count = 0;

	for (u32 i = 0; i < bo->count; i++)
		count += bo->slot[i].state == state;
	return count;
}

/* 32 pages isolated, as compaction does: one invalidation, one zap for all. */
static void batch_of_32(struct kunit *test)
{
	struct movgem_bo *bo = bound_bo(test, 32, VA);

	isolate_range(test, bo, 0, 31);
	KUNIT_EXPECT_EQ(test, 32, count_state(bo, MOVGEM_PAGE_ISOLATED));
	batch_begin(test);
	/* The first that moves need not be the first of the BO. */
	KUNIT_EXPECT_EQ(test, 0, move(test, 17));
	KUNIT_EXPECT_EQ(test, 31, count_state(bo, MOVGEM_PAGE_QUIESCED));
	expect_cost(test, 1, 1, 32);
	for (u32 i = 0; i < 32; i++)
		if (i != 17)
			KUNIT_EXPECT_EQ(test, 0, move(test, i));
	expect_cost(test, 1, 1, 32);
	KUNIT_EXPECT_EQ(test, 32, bo->moved);
	batch_end(test, bo);
}

/* What GPU and CPU see of a batch half way through. */
static void batch_entries(struct kunit *test)
{
	struct batch *b = test->priv;
	struct movgem_bo *bo = bound_bo(test, 8, VA);
	u64 blocked = MOVGEM_PTE_VALID | MOVGEM_PTE_BLOCKED;

	isolate_range(test, bo, 2, 5);
	batch_begin(test);
	KUNIT_EXPECT_EQ(test, 0, move(test, 1));
	for (u32 i = 0; i < 8; i++) {
		u64 pte = movgem_pt_walk(&b->gpu->vm->pt, VA + i * PAGE_SIZE);
		bool away = i == 2 || i == 4 || i == 5;

		KUNIT_EXPECT_EQ(test, away ? blocked : MOVGEM_PTE_VALID,
				pte & ~MOVGEM_PTE_ADDR);
		KUNIT_EXPECT_EQ(test, page_to_phys(movgem_bo_page(bo, i)),
				pte & MOVGEM_PTE_ADDR);
		KUNIT_EXPECT_EQ(test, away, bo->slot[i].state ==
					    MOVGEM_PAGE_QUIESCED);
	}
	batch_end(test, bo);
	for (u32 i = 0; i < 8; i++)
		KUNIT_EXPECT_EQ(test, page_to_phys(movgem_bo_page(bo, i)) |
				      MOVGEM_PTE_VALID,
				movgem_pt_walk(&b->gpu->vm->pt,
					       VA + i * PAGE_SIZE));
}

/* A run reaches over some pages at rest, and not over too many. */
static void batch_gap(struct kunit *test)
{
	static const struct {
		u32 at_rest;
		bool together;
	} gaps[] = { { 0, true }, { 1, true }, { 64, true }, { 65 }, { 200 } };

	for (int down = 0; down < 2; down++) {
		for (int i = 0; i < ARRAY_SIZE(gaps); i++) {
			u32 other = 1 + gaps[i].at_rest;
			struct movgem_bo *bo;
			u64 runs = gaps[i].together ? 1 : 2;

			bo = bound_bo(test, other + 1,
				      VA + (i + 8 * down) * SZ_4M);
			isolate(test, bo, down ? other : 0);
			isolate(test, bo, down ? 0 : other);
			batch_begin(test);
			KUNIT_EXPECT_EQ(test, 0, move(test, 0));
			KUNIT_EXPECT_EQ(test, gaps[i].together,
					count_state(bo, MOVGEM_PAGE_QUIESCED));
			KUNIT_EXPECT_EQ(test, 0, move(test, 1));
			/* Both were blocked before the one invalidation. */
			expect_cost(test, 1, runs, 2);
			batch_end(test, bo);
		}
	}
}

/* A run has an end to both sides. */
static void batch_reach(struct kunit *test)
{
	struct movgem_bo *bo = bound_bo(test, MOST, VA);

	isolate_range(test, bo, 0, MOST - 1);
	batch_begin(test);
	KUNIT_EXPECT_EQ(test, 0, move(test, 300));
	KUNIT_EXPECT_EQ(test, 512, count_state(bo, MOVGEM_PAGE_QUIESCED));
	KUNIT_EXPECT_EQ(test, MOVGEM_PAGE_ISOLATED, bo->slot[43].state);
	KUNIT_EXPECT_EQ(test, MOVGEM_PAGE_QUIESCED, bo->slot[44].state);
	KUNIT_EXPECT_EQ(test, MOVGEM_PAGE_QUIESCED, bo->slot[556].state);
	KUNIT_EXPECT_EQ(test, MOVGEM_PAGE_ISOLATED, bo->slot[557].state);
	for (u32 i = 0; i < MOST; i++)
		if (i != 300)
			KUNIT_EXPECT_EQ(test, 0, move(test, i));
	expect_cost(test, 1, 3, MOST);
	batch_end(test, bo);
}

/* Pages that the kernel has not locked are not about to move. */
static void batch_unlocked(struct kunit *test)
{
	struct batch *b = test->priv;
	struct movgem_bo *bo = bound_bo(test, 4, VA);

	isolate_range(test, bo, 0, 3);
	batch_begin(test);
	unlock_page(b->held[2]);
	KUNIT_EXPECT_EQ(test, 0, move(test, 1));
	KUNIT_EXPECT_EQ(test, MOVGEM_PAGE_QUIESCED, bo->slot[0].state);
	KUNIT_EXPECT_EQ(test, MOVGEM_PAGE_ISOLATED, bo->slot[2].state);
	KUNIT_EXPECT_EQ(test, MOVGEM_PAGE_QUIESCED, bo->slot[3].state);
	expect_cost(test, 1, 1, 3);
	lock_page(b->held[2]);
	KUNIT_EXPECT_EQ(test, 0, move(test, 2));
	/* It costs a zap of its own, but no invalidation. */
	expect_cost(test, 1, 2, 4);
	batch_end(test, bo);
}

/* A page that a fault is just mapping stays out, and does not move at once. */
static void batch_busy(struct kunit *test)
{
	struct movgem_bo *bo = bound_bo(test, 3, VA);
	struct batch *b = test->priv;
	u64 before = movgem_stat_read(b->mdev, migrate_eagain_busy);

	isolate_range(test, bo, 0, 2);
	batch_begin(test);
	bo->slot[1].busy = 1;
	KUNIT_EXPECT_EQ(test, 0, move(test, 0));
	KUNIT_EXPECT_EQ(test, MOVGEM_PAGE_ISOLATED, bo->slot[1].state);
	KUNIT_EXPECT_EQ(test, MOVGEM_PAGE_QUIESCED, bo->slot[2].state);
	KUNIT_EXPECT_EQ(test, -EAGAIN, move(test, 1));
	KUNIT_EXPECT_EQ(test, before + 1,
			movgem_stat_read(b->mdev, migrate_eagain_busy));
	KUNIT_EXPECT_EQ(test, MOVGEM_PAGE_ISOLATED, bo->slot[1].state);
	/* Who may sleep waits for it, but not for ever. */
	KUNIT_EXPECT_EQ(test, -EAGAIN,
			movgem_kunit_migrate(test, b->held[1], MIGRATE_SYNC,
					     false));
	bo->slot[1].busy = 0;
	KUNIT_EXPECT_EQ(test, 0, move(test, 1));
	batch_end(test, bo);
}

/* A job took a page back: it goes along, and is blocked and flushed anew. */
static void batch_retaken(struct kunit *test)
{
	struct batch *b = test->priv;
	struct movgem_bo *bo = bound_bo(test, 3, VA);
	u8 byte;

	isolate_range(test, bo, 0, 2);
	movgem_migrate_flush(b->mdev);
	KUNIT_EXPECT_TRUE(test, movgem_migrate_retake(bo, 1, false));
	/* The job's TLB has it again. */
	KUNIT_EXPECT_EQ(test, 0, movgem_soft_read(&b->gpu->ctx, VA + PAGE_SIZE,
						  &byte, 1,
						  DRM_MOVGEM_ACCESS_READ));
	batch_begin(test);
	KUNIT_EXPECT_EQ(test, 0, move(test, 0));
	KUNIT_EXPECT_EQ(test, 2, count_state(bo, MOVGEM_PAGE_QUIESCED));
	expect_cost(test, 1, 1, 3);
	KUNIT_EXPECT_EQ(test, 0, move(test, 1));
	KUNIT_EXPECT_EQ(test, 0, move(test, 2));
	expect_cost(test, 1, 1, 3);
	byte = 0;
	KUNIT_EXPECT_EQ(test, 0, movgem_soft_read(&b->gpu->ctx, VA + PAGE_SIZE,
						  &byte, 1,
						  DRM_MOVGEM_ACCESS_READ));
	KUNIT_EXPECT_EQ(test, 2, byte);
	batch_end(test, bo);
}

/* Somebody's invalidation after the pages were blocked will do. */
static void batch_flushed_before(struct kunit *test)
{
	struct batch *b = test->priv;
	struct movgem_bo *bo = bound_bo(test, 4, VA);

	isolate_range(test, bo, 0, 3);
	movgem_migrate_flush(b->mdev);
	batch_begin(test);
	for (u32 i = 0; i < 4; i++)
		KUNIT_EXPECT_EQ(test, 0, move(test, i));
	expect_cost(test, 0, 1, 4);
	batch_end(test, bo);
}

/* One that was before it will not. */
static void batch_flushed_between(struct kunit *test)
{
	struct batch *b = test->priv;
	struct movgem_bo *bo = bound_bo(test, 4, VA);

	isolate_range(test, bo, 0, 1);
	movgem_migrate_flush(b->mdev);
	isolate_range(test, bo, 2, 3);
	batch_begin(test);
	for (u32 i = 0; i < 4; i++)
		KUNIT_EXPECT_EQ(test, 0, move(test, i));
	expect_cost(test, 1, 1, 4);
	batch_end(test, bo);
}

/* The number of invalidations wraps. */
static void batch_epoch_wrap(struct kunit *test)
{
	struct batch *b = test->priv;
	struct movgem_bo *bo = bound_bo(test, 2, VA);

	for (u32 start = U8_MAX - 2; start <= U8_MAX + 2; start++) {
		spin_lock(&b->mdev->flush.lock);
		b->mdev->flush.epoch = start;
		spin_unlock(&b->mdev->flush.lock);
		isolate_range(test, bo, 0, 1);
		batch_begin(test);
		KUNIT_EXPECT_EQ(test, 0, move(test, 0));
		KUNIT_EXPECT_EQ(test, 0, move(test, 1));
		expect_cost(test, 1, 1, 2);
		KUNIT_EXPECT_EQ(test, (u8)(start + 1), b->mdev->flush.epoch);
		batch_end(test, bo);
	}
}

/* As the page store folio moves pages: the kernel has unmapped them itself. */
static void claim_unmapped(struct kunit *test, struct movgem_bo *bo, u32 index)
{
	const struct movgem_move move = {
		.slot = &bo->slot[index],
		.mode = MIGRATE_ASYNC,
		.unmapped = true,
	};

	KUNIT_EXPECT_EQ(test, 0, movgem_migrate_begin(&move));
	KUNIT_EXPECT_EQ(test, 1, count_state(bo, MOVGEM_PAGE_MOVING));
	movgem_migrate_end(&move, NULL, -EAGAIN);
	KUNIT_EXPECT_EQ(test, MOVGEM_PAGE_RESIDENT, bo->slot[index].state);
}

/* One invalidation for all that were blocked before it, and no runs. */
static void batch_unmapped(struct kunit *test)
{
	struct movgem_bo *one = bound_bo(test, 8, VA);
	struct movgem_bo *two = bound_bo(test, 4, VA + SZ_4M);

	isolate_range(test, one, 0, 6);
	isolate_range(test, two, 1, 2);
	batch_begin(test);
	claim_unmapped(test, one, 2);
	expect_cost(test, 1, 1, 1);
	KUNIT_EXPECT_EQ(test, 0, count_state(one, MOVGEM_PAGE_QUIESCED));
	KUNIT_EXPECT_EQ(test, 6, count_state(one, MOVGEM_PAGE_ISOLATED));
	claim_unmapped(test, one, 0);
	claim_unmapped(test, two, 1);
	claim_unmapped(test, one, 6);
	expect_cost(test, 1, 1, 1);

	/* Used by the GPU since the invalidation. */
	KUNIT_EXPECT_TRUE(test, movgem_migrate_retake(one, 4, false));
	claim_unmapped(test, one, 4);
	expect_cost(test, 2, 2, 2);
	/* Not isolated at all, as the first of a batch is not. */
	claim_unmapped(test, one, 7);
	expect_cost(test, 3, 3, 3);
	claim_unmapped(test, two, 2);
	expect_cost(test, 3, 3, 3);
	batch_end(test, one);
	batch_end(test, two);
}

/* An invalidation that has begun and not ended: access may still be under way. */
static void batch_unmapped_early(struct kunit *test)
{
	struct batch *b = test->priv;
	struct movgem_bo *bo = bound_bo(test, 2, VA);

	isolate_range(test, bo, 0, 1);
	movgem_migrate_flush(b->mdev);
	batch_begin(test);
	b->mdev->flush.done--;
	claim_unmapped(test, bo, 0);
	/* Waited for the lock of who invalidates, and found it done. */
	expect_cost(test, 0, 1, 1);
	b->mdev->flush.done++;
	claim_unmapped(test, bo, 1);
	expect_cost(test, 0, 1, 1);
	batch_end(test, bo);
}

/* Blocked so many invalidations ago that the number is the same again. */
static void batch_unmapped_wrap(struct kunit *test)
{
	static const struct {
		u32 since;
		u32 flushes;
		u32 batches;
	} waits[] = {
		{ 0, 1, 1 }, { 1, 0, 0 }, { 127, 0, 0 }, { 128, 0, 1 },
		{ 255, 0, 1 }, { 256, 1, 1 }, { 257, 0, 0 },
	};
	struct batch *b = test->priv;
	struct movgem_bo *bo = bound_bo(test, 1, VA);

	for (int i = 0; i < ARRAY_SIZE(waits); i++) {
		isolate(test, bo, 0);
		for (u32 n = 0; n < waits[i].since; n++)
			movgem_migrate_flush(b->mdev);
		batch_begin(test);
		claim_unmapped(test, bo, 0);
		expect_cost(test, waits[i].flushes, waits[i].batches,
			    waits[i].batches);
		batch_end(test, bo);
	}
}

/* The invalidation serves other BOs too; a run is of one BO. */
static void batch_two_bos(struct kunit *test)
{
	struct movgem_bo *one = bound_bo(test, 4, VA);
	struct movgem_bo *two = bound_bo(test, 4, VA + SZ_4M);

	for (u32 i = 0; i < 4; i++) {
		isolate(test, one, i);
		isolate(test, two, i);
	}
	batch_begin(test);
	for (u32 i = 0; i < 8; i++)
		KUNIT_EXPECT_EQ(test, 0, move(test, i));
	expect_cost(test, 1, 2, 8);
	batch_end(test, one);
	batch_end(test, two);
}

/* A page that could not be copied is still quiesced when it is tried again. */
static void batch_retry(struct kunit *test)
{
	struct batch *b = test->priv;
	struct movgem_bo *bo = bound_bo(test, 4, VA);
	struct page *page;

	isolate_range(test, bo, 0, 3);
	page = b->held[2];
	batch_begin(test);
	KUNIT_EXPECT_EQ(test, 0, move(test, 0));
	get_page(page);
	for (int i = 0; i < 3; i++) {
		KUNIT_EXPECT_EQ(test, -EAGAIN, move(test, 2));
		KUNIT_EXPECT_EQ(test, MOVGEM_PAGE_QUIESCED, bo->slot[2].state);
	}
	put_page(page);
	KUNIT_EXPECT_EQ(test, 0, move(test, 1));
	KUNIT_EXPECT_EQ(test, 0, move(test, 2));
	KUNIT_EXPECT_EQ(test, 0, move(test, 3));
	expect_cost(test, 1, 1, 4);
	batch_end(test, bo);
}

/* The kernel gives up on all but one. */
static void batch_putback(struct kunit *test)
{
	struct movgem_bo *bo = bound_bo(test, 16, VA);
	struct batch *b = test->priv;
	u64 before = movgem_stat_read(b->mdev, putback);

	isolate_range(test, bo, 0, 15);
	batch_begin(test);
	KUNIT_EXPECT_EQ(test, 0, move(test, 9));
	batch_end(test, bo);
	KUNIT_EXPECT_EQ(test, 15, movgem_stat_read(b->mdev, putback) - before);
	expect_cost(test, 1, 1, 16);
}

/* Nothing of an asynchronous move sleeps. */
static void batch_async(struct kunit *test)
{
	struct movgem_bo *bo = bound_bo(test, 64, VA);
	struct batch *b = test->priv;

	isolate_range(test, bo, 0, 63);
	batch_begin(test);
	for (u32 i = 0; i < 64; i++)
		KUNIT_EXPECT_EQ(test, 0, move(test, i));
	KUNIT_EXPECT_EQ(test, 64, movgem_stat_read(b->mdev, migrate_async));
	KUNIT_EXPECT_EQ(test, 0, movgem_stat_read(b->mdev, migrate_sync));
	KUNIT_EXPECT_EQ(test, 0,
			movgem_stat_read(b->mdev, migrate_async_slept));
	batch_end(test, bo);
}

/* All orders of so many steps, for a batch of so many pages, are tried. */
#define ORDER_STEPS	3
#define ORDER_PAGES	3

enum act {
	ACT_MOVE,
	/* A move that fails, as somebody has a reference of the page. */
	ACT_MOVE_HELD,
	ACT_RETAKE_GPU,
	ACT_RETAKE_CPU,
	ACT_PUTBACK,
	ACTS,
};

static const char * const act_names[ACTS] = {
	"move", "move-held", "retake-gpu", "retake-cpu", "putback",
};

struct order {
	struct kunit *test;
	struct movgem_bo *bo;
	enum act act[ORDER_STEPS];
	u32 page[ORDER_STEPS];

	/* What has to be so. */
	enum movgem_page_state state[ORDER_PAGES];
	/* The number of invalidations when the page was blocked. */
	u64 blocked[ORDER_PAGES];
	u64 flushes;
	u64 batches;
	u64 batch_pages;
};

/* The n-th of all orders; false if a page is in it that the kernel has not. */
static bool order_get(struct order *o, u32 n)
{
	bool held[ORDER_PAGES] = { true, true, true };

	for (int i = 0; i < ORDER_STEPS; i++) {
		o->act[i] = n % ACTS;
		n /= ACTS;
		o->page[i] = n % ORDER_PAGES;
		n /= ORDER_PAGES;
		if (!held[o->page[i]])
			return false;
		if (o->act[i] == ACT_MOVE || o->act[i] == ACT_PUTBACK)
			held[o->page[i]] = false;
	}
	return true;
}

static bool is_held(struct order *o, u32 n)
{
	struct batch *b = o->test->priv;

	return b->held[n];
}

/* Page n has to be quiesced, and takes along what is not yet. */
static void order_quiesce(struct order *o, u32 n)
{
	bool flush = false;

	if (o->state[n] == MOVGEM_PAGE_QUIESCED)
		return;
	for (u32 i = 0; i < ORDER_PAGES; i++) {
		if (!is_held(o, i) || o->state[i] == MOVGEM_PAGE_QUIESCED)
			continue;
		if (o->state[i] == MOVGEM_PAGE_RETAKEN)
			o->blocked[i] = o->flushes;
		o->state[i] = MOVGEM_PAGE_QUIESCED;
		flush |= o->blocked[i] == o->flushes;
		o->batch_pages++;
	}
	o->flushes += flush;
	o->batches++;
}

static void order_retake(struct order *o, u32 n, bool quiesced)
{
	bool ok = o->state[n] == MOVGEM_PAGE_ISOLATED ||
		  (quiesced && o->state[n] == MOVGEM_PAGE_QUIESCED);

	KUNIT_EXPECT_EQ(o->test, ok,
			movgem_migrate_retake(o->bo, n, quiesced));
	if (ok)
		o->state[n] = MOVGEM_PAGE_RETAKEN;
}

static void order_act(struct order *o, u32 n, enum act act)
{
	struct batch *b = o->test->priv;
	struct page *page = b->held[n];

	switch (act) {
	case ACT_MOVE:
		order_quiesce(o, n);
		KUNIT_EXPECT_EQ(o->test, 0, move(o->test, n));
		o->state[n] = MOVGEM_PAGE_RESIDENT;
		break;
	case ACT_MOVE_HELD:
		order_quiesce(o, n);
		get_page(page);
		KUNIT_EXPECT_EQ(o->test, -EAGAIN, move(o->test, n));
		put_page(page);
		break;
	case ACT_PUTBACK:
		unlock_page(page);
		movgem_kunit_putback(page);
		b->held[n] = NULL;
		o->state[n] = MOVGEM_PAGE_RESIDENT;
		break;
	default:
		order_retake(o, n, act == ACT_RETAKE_CPU);
		break;
	}
}

static void order_check(struct order *o)
{
	struct batch *b = o->test->priv;
	u32 away = 0;

	for (u32 i = 0; i < ORDER_PAGES; i++) {
		bool blocked = o->state[i] == MOVGEM_PAGE_ISOLATED ||
			       o->state[i] == MOVGEM_PAGE_QUIESCED;
		u64 pte = page_to_phys(movgem_bo_page(o->bo, i)) | MOVGEM_PTE_VALID;

		if (blocked)
			pte |= MOVGEM_PTE_BLOCKED;
		KUNIT_EXPECT_EQ(o->test, o->state[i], o->bo->slot[i].state);
		KUNIT_EXPECT_EQ(o->test, pte,
				movgem_pt_walk(&b->gpu->vm->pt,
					       VA + i * PAGE_SIZE));
		away += o->state[i] != MOVGEM_PAGE_RESIDENT;
	}
	KUNIT_EXPECT_EQ(o->test, away, o->bo->away);
	expect_cost(o->test, o->flushes, o->batches, o->batch_pages);
}

/* Some steps, and in the end the kernel moves what it still has. */
static void order_run(struct order *o)
{
	o->flushes = 0;
	o->batches = 0;
	o->batch_pages = 0;
	isolate_range(o->test, o->bo, 0, ORDER_PAGES - 1);
	for (u32 i = 0; i < ORDER_PAGES; i++) {
		o->state[i] = MOVGEM_PAGE_ISOLATED;
		o->blocked[i] = 0;
	}
	batch_begin(o->test);
	for (u32 i = 0; i < ORDER_STEPS; i++) {
		order_act(o, o->page[i], o->act[i]);
		order_check(o);
	}
	for (u32 i = 0; i < ORDER_PAGES; i++) {
		if (!is_held(o, i))
			continue;
		order_act(o, i, ACT_MOVE);
		order_check(o);
	}
	batch_end(o->test, o->bo);
}

static const enum act first_acts[ACTS] = {
	ACT_MOVE, ACT_MOVE_HELD, ACT_RETAKE_GPU, ACT_RETAKE_CPU, ACT_PUTBACK,
};

static void first_act_name(const enum act *act, char *name)
{
	strscpy(name, act_names[*act], KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(first_act, first_acts, first_act_name);

/*
 * Several pages in one batch, and all orders of what can befall them; one case
 * for each first step.
 */
static void batch_orders(struct kunit *test)
{
	const enum act *first = test->param_value;
	struct order o = { .test = test };
	u32 all = 1, orders = 0;

	for (int i = 0; i < ORDER_STEPS; i++)
		all *= ACTS * ORDER_PAGES;

	o.bo = bound_bo(test, ORDER_PAGES, VA);
	for (u32 n = 0; n < all; n++) {
		if (!order_get(&o, n) || o.act[0] != *first)
			continue;
		order_run(&o);
		orders++;
		if (READ_ONCE(test->status) != KUNIT_FAILURE)
			continue;
		for (int i = 0; i < ORDER_STEPS; i++)
			kunit_info(test, "step %d: %s page %u\n", i,
				   act_names[o.act[i]], o.page[i]);
		return;
	}
	kunit_info(test, "%u orders of %d steps\n", orders, ORDER_STEPS);
}

static struct kunit_case batch_cases[] = {
	KUNIT_CASE(batch_of_32),
	KUNIT_CASE(batch_entries),
	KUNIT_CASE(batch_gap),
	KUNIT_CASE(batch_reach),
	KUNIT_CASE(batch_unlocked),
	KUNIT_CASE(batch_busy),
	KUNIT_CASE(batch_retaken),
	KUNIT_CASE(batch_flushed_before),
	KUNIT_CASE(batch_flushed_between),
	KUNIT_CASE(batch_epoch_wrap),
	KUNIT_CASE(batch_unmapped),
	KUNIT_CASE(batch_unmapped_early),
	KUNIT_CASE(batch_unmapped_wrap),
	KUNIT_CASE(batch_two_bos),
	KUNIT_CASE(batch_retry),
	KUNIT_CASE(batch_putback),
	KUNIT_CASE(batch_async),
	KUNIT_CASE_PARAM_ATTR(batch_orders, first_act_gen_params,
			      { .speed = KUNIT_SPEED_SLOW }),
	{}
};

static struct kunit_suite batch_suite = {
	.name = "movgem_batch",
	.init = batch_test_init,
	.test_cases = batch_cases,
};

kunit_test_suite(batch_suite);
