// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 movgem maintainers */

/*
 * Memory as a core of the soft engine sees it: the TLB, faults, and accesses
 * that cross pages.
 */

#include <linux/mm.h>
#include <linux/prandom.h>

#include "movgem_kunit.h"

#include "../movgem_store.h"

#define VA	MOVGEM_KUNIT_VA

static int mem_test_init(struct kunit *test)
{
	test->priv = movgem_kunit_gpu(test);
	return 0;
}

/* The first byte of the page that the core finds at an address. */
static u8 peek(struct movgem_kunit_gpu *gpu, u64 va)
{
	u8 byte = 0xee;

	KUNIT_EXPECT_EQ(gpu->test, 0,
			movgem_soft_read(&gpu->ctx, va, &byte, 1,
					 DRM_MOVGEM_ACCESS_READ));
	return byte / 16;
}

static void expect_fault(struct movgem_kunit_gpu *gpu, int ret, u32 type,
			 u32 access, u64 address)
{
	struct kunit *test = gpu->test;
	struct drm_movgem_fault *fault = &gpu->ctx.fault;

	KUNIT_EXPECT_EQ(test, type == DRM_MOVGEM_FAULT_COMMAND ? -EINVAL :
								-EFAULT, ret);
	KUNIT_EXPECT_EQ(test, type, fault->type);
	KUNIT_EXPECT_EQ(test, access, fault->access);
	KUNIT_EXPECT_EQ(test, address, fault->address);
	KUNIT_EXPECT_EQ(test, gpu->job.engine.offset, fault->stream_offset);
	KUNIT_EXPECT_EQ(test, gpu->job.seqno, fault->seqno);
}

/* A TLB uses what it has until it is invalidated, whatever the tables say. */
static void tlb_keeps(struct kunit *test)
{
	struct movgem_kunit_gpu *gpu = test->priv;

	movgem_kunit_map(gpu, VA, 1, 0);
	KUNIT_EXPECT_EQ(test, 1, peek(gpu, VA));
	movgem_kunit_map(gpu, VA, 2, 0);
	KUNIT_EXPECT_EQ(test, 1, peek(gpu, VA));
	movgem_kunit_map(gpu, VA, 2, MOVGEM_PTE_BLOCKED);
	KUNIT_EXPECT_EQ(test, 1, peek(gpu, VA));
	movgem_kunit_unmap(gpu, VA);
	KUNIT_EXPECT_EQ(test, 1, peek(gpu, VA));

	movgem_kunit_map(gpu, VA, 2, 0);
	movgem_soft_tlb_flush(gpu->core);
	KUNIT_EXPECT_EQ(test, 2, peek(gpu, VA));
}

/* The invalidation of the device reaches the TLB of every core. */
static void tlb_flush_all(struct kunit *test)
{
	struct movgem_kunit_gpu *gpu = test->priv;
	struct soft_engine *se = gpu->mdev->engine_priv;
	u64 before = movgem_stat_read(gpu->mdev, gpu_tlb_flush);

	movgem_kunit_map(gpu, VA, 1, 0);
	for (int i = 0; i < se->num_cores; i++) {
		gpu->ctx.core = &se->cores[i];
		KUNIT_EXPECT_EQ(test, 1, peek(gpu, VA));
	}
	movgem_kunit_map(gpu, VA, 2, 0);
	movgem_migrate_flush(gpu->mdev);
	KUNIT_EXPECT_EQ(test, before + 1,
			movgem_stat_read(gpu->mdev, gpu_tlb_flush));
	for (int i = 0; i < se->num_cores; i++) {
		gpu->ctx.core = &se->cores[i];
		KUNIT_EXPECT_EQ(test, 2, peek(gpu, VA));
	}
}

/* An entry is of one address space. */
static void tlb_asid(struct kunit *test)
{
	struct movgem_kunit_gpu *gpu = test->priv;
	struct movgem_vm *one = gpu->vm;
	struct movgem_vm *two = movgem_kunit_vm(test, gpu->mdev);

	KUNIT_EXPECT_NE(test, one->asid, two->asid);
	movgem_kunit_map(gpu, VA, 1, 0);
	gpu->vm = two;
	movgem_kunit_map(gpu, VA, 2, 0);

	for (int i = 0; i < 3; i++) {
		gpu->ctx.vm = one;
		KUNIT_EXPECT_EQ(test, 1, peek(gpu, VA));
		gpu->ctx.vm = two;
		KUNIT_EXPECT_EQ(test, 2, peek(gpu, VA));
	}
	movgem_kunit_unmap(gpu, VA);
	movgem_soft_tlb_flush(gpu->core);
	gpu->ctx.vm = one;
	KUNIT_EXPECT_EQ(test, 1, peek(gpu, VA));
	gpu->ctx.vm = two;
	expect_fault(gpu, movgem_soft_fill(&gpu->ctx, VA, 0, 4),
		     DRM_MOVGEM_FAULT_UNMAPPED, DRM_MOVGEM_ACCESS_WRITE, VA);
}

/* A set has four entries; a fifth takes the place of the oldest. */
static void tlb_replacement(struct kunit *test)
{
	struct movgem_kunit_gpu *gpu = test->priv;
	u64 stride = SOFT_TLB_SETS * PAGE_SIZE;
	int i;

	for (i = 0; i <= SOFT_TLB_WAYS; i++)
		movgem_kunit_map(gpu, VA + i * stride, i, 0);
	for (i = 0; i < SOFT_TLB_WAYS; i++)
		KUNIT_EXPECT_EQ(test, i, peek(gpu, VA + i * stride));
	/* A hit does not make an entry younger. */
	KUNIT_EXPECT_EQ(test, 0, peek(gpu, VA));
	KUNIT_EXPECT_EQ(test, i, peek(gpu, VA + i * stride));

	/* Now the tables change: who is cached does not see it. */
	for (i = 0; i <= SOFT_TLB_WAYS; i++)
		movgem_kunit_map(gpu, VA + i * stride, 8 + i, 0);
	for (i = 1; i <= SOFT_TLB_WAYS; i++)
		KUNIT_EXPECT_EQ(test, i, peek(gpu, VA + i * stride));
	KUNIT_EXPECT_EQ(test, 8, peek(gpu, VA));
	/* That took the place of the second. */
	KUNIT_EXPECT_EQ(test, 9, peek(gpu, VA + stride));
	KUNIT_EXPECT_EQ(test, 3, peek(gpu, VA + 3 * stride));
}

/* Neighbours are in sets of their own, and all 64 entries are of use. */
static void tlb_capacity(struct kunit *test)
{
	struct movgem_kunit_gpu *gpu = test->priv;

	for (int i = 0; i < SOFT_TLB_ENTRIES; i++) {
		movgem_kunit_map(gpu, VA + i * PAGE_SIZE, 3, 0);
		KUNIT_EXPECT_EQ(test, 3, peek(gpu, VA + i * PAGE_SIZE));
	}
	for (int i = 0; i < SOFT_TLB_ENTRIES; i++)
		movgem_kunit_unmap(gpu, VA + i * PAGE_SIZE);
	for (int i = 0; i < SOFT_TLB_ENTRIES; i++)
		KUNIT_EXPECT_EQ(test, 3, peek(gpu, VA + i * PAGE_SIZE));
}

/* What is not mapped is not cached either: a map needs no invalidation. */
static void tlb_no_negative(struct kunit *test)
{
	struct movgem_kunit_gpu *gpu = test->priv;
	u8 byte;

	expect_fault(gpu, movgem_soft_read(&gpu->ctx, VA, &byte, 1,
					   DRM_MOVGEM_ACCESS_READ),
		     DRM_MOVGEM_FAULT_UNMAPPED, DRM_MOVGEM_ACCESS_READ, VA);
	movgem_kunit_map(gpu, VA, 4, 0);
	KUNIT_EXPECT_EQ(test, 4, peek(gpu, VA));
}

static void fault_readonly(struct kunit *test)
{
	struct movgem_kunit_gpu *gpu = test->priv;
	u8 bytes[8] = { 0x55 };
	u64 word;

	movgem_kunit_map(gpu, VA, 1, MOVGEM_PTE_READONLY);
	gpu->job.engine.offset = 24;
	for (int cached = 0; cached < 2; cached++) {
		expect_fault(gpu, movgem_soft_write(&gpu->ctx, VA + 9, bytes, 8),
			     DRM_MOVGEM_FAULT_READONLY, DRM_MOVGEM_ACCESS_WRITE,
			     VA + 9);
		expect_fault(gpu, movgem_soft_fill(&gpu->ctx, VA + 8, 1, 4),
			     DRM_MOVGEM_FAULT_READONLY, DRM_MOVGEM_ACCESS_WRITE,
			     VA + 8);
		expect_fault(gpu, movgem_soft_store64(&gpu->ctx, VA + 16, 1),
			     DRM_MOVGEM_FAULT_READONLY, DRM_MOVGEM_ACCESS_WRITE,
			     VA + 16);
		KUNIT_EXPECT_EQ(test, 1, peek(gpu, VA));
		KUNIT_EXPECT_EQ(test, 0,
				movgem_soft_load64(&gpu->ctx, VA, &word));
	}
	for (int i = 0; i < PAGE_SIZE; i++)
		KUNIT_ASSERT_EQ(test, 16 + i % 16,
				movgem_kunit_mem(gpu, 1)[i]);
}

static void fault_range(struct kunit *test)
{
	struct movgem_kunit_gpu *gpu = test->priv;
	static const struct {
		u64 va, size;
		bool ok;
	} ranges[] = {
		{ 0, MOVGEM_VA_END, true },
		{ 0, MOVGEM_VA_END + 1 },
		{ MOVGEM_VA_END - 1, 1, true },
		{ MOVGEM_VA_END - 1, 2 },
		{ MOVGEM_VA_END, 0 },
		{ MOVGEM_VA_END, 1 },
		{ 1, MOVGEM_VA_END },
		{ VA, U64_MAX },
		{ VA, -VA },
		{ U64_MAX, 1 },
		{ 1ULL << 63, 1 },
	};
	u8 byte;

	for (int i = 0; i < ARRAY_SIZE(ranges); i++) {
		int ret = movgem_soft_range(&gpu->ctx, ranges[i].va,
					    ranges[i].size,
					    DRM_MOVGEM_ACCESS_WRITE);

		if (ranges[i].ok)
			KUNIT_EXPECT_EQ(test, 0, ret);
		else
			expect_fault(gpu, ret, DRM_MOVGEM_FAULT_RANGE,
				     DRM_MOVGEM_ACCESS_WRITE, ranges[i].va);
	}
	/* The access itself does not trust that somebody looked. */
	expect_fault(gpu, movgem_soft_read(&gpu->ctx, MOVGEM_VA_END, &byte, 1,
					   DRM_MOVGEM_ACCESS_FETCH),
		     DRM_MOVGEM_FAULT_RANGE, DRM_MOVGEM_ACCESS_FETCH,
		     MOVGEM_VA_END);
}

/* Up to a page that is missing everything happens, from there on nothing. */
static void fault_half_way(struct kunit *test)
{
	struct movgem_kunit_gpu *gpu = test->priv;
	u8 *buf = kunit_kzalloc(test, 3 * PAGE_SIZE, GFP_KERNEL);
	u64 hole = VA + PAGE_SIZE;

	KUNIT_ASSERT_NOT_NULL(test, buf);
	memset(buf, 0xaa, 3 * PAGE_SIZE);
	movgem_kunit_map(gpu, VA, 1, 0);
	movgem_kunit_map(gpu, hole + PAGE_SIZE, 2, 0);

	expect_fault(gpu, movgem_soft_write(&gpu->ctx, hole - 5, buf,
					    PAGE_SIZE + 10),
		     DRM_MOVGEM_FAULT_UNMAPPED, DRM_MOVGEM_ACCESS_WRITE, hole);
	KUNIT_EXPECT_EQ(test, 16 + 10, movgem_kunit_mem(gpu, 1)[PAGE_SIZE - 6]);
	for (int i = 1; i <= 5; i++)
		KUNIT_EXPECT_EQ(test, 0xaa,
				movgem_kunit_mem(gpu, 1)[PAGE_SIZE - i]);
	KUNIT_EXPECT_EQ(test, 32, movgem_kunit_mem(gpu, 2)[0]);

	expect_fault(gpu, movgem_soft_read(&gpu->ctx, hole - 3, buf, 6,
					   DRM_MOVGEM_ACCESS_FETCH),
		     DRM_MOVGEM_FAULT_UNMAPPED, DRM_MOVGEM_ACCESS_FETCH, hole);
}

enum {
	RANDOM_PAGES = 6,
	RANDOM_SIZE = RANDOM_PAGES * PAGE_SIZE,
};

/* Where the pages of access_random lie. Page 5 is there twice. */
static const int random_order[RANDOM_PAGES] = { 3, 0, 5, 1, 5, 2 };

static u8 *random_byte(u8 *model, u32 pos)
{
	return &model[random_order[pos / PAGE_SIZE] * PAGE_SIZE +
		      pos % PAGE_SIZE];
}

/* Random reads, writes and fills over pages that lie anywhere. */
static void access_random(struct kunit *test)
{
	struct movgem_kunit_gpu *gpu = test->priv;
	u8 *buf = kunit_kzalloc(test, RANDOM_SIZE, GFP_KERNEL);
	u8 *model = kunit_kzalloc(test, RANDOM_SIZE, GFP_KERNEL);
	struct rnd_state rnd;
	u32 wrong = 0;

	KUNIT_ASSERT_NOT_NULL(test, buf);
	KUNIT_ASSERT_NOT_NULL(test, model);
	for (int i = 0; i < RANDOM_PAGES; i++) {
		movgem_kunit_map(gpu, VA + i * PAGE_SIZE, random_order[i], 0);
		memcpy(model + i * PAGE_SIZE, movgem_kunit_mem(gpu, i),
		       PAGE_SIZE);
	}

	prandom_seed_state(&rnd, 2);
	for (int i = 0; i < 600; i++) {
		u32 pos = prandom_u32_state(&rnd) % (RANDOM_SIZE - 4);
		u32 len = 1 + prandom_u32_state(&rnd) % (RANDOM_SIZE - pos);
		u32 value = prandom_u32_state(&rnd);

		/* Short ones in every second round. */
		len = i % 2 ? min(len, 1 + value % 40) : len;
		switch (i % 3) {
		case 0:
			KUNIT_ASSERT_EQ(test, 0, movgem_soft_read(&gpu->ctx,
								  VA + pos, buf, len,
								  DRM_MOVGEM_ACCESS_READ));
			for (u32 j = 0; j < len; j++)
				wrong += buf[j] != *random_byte(model, pos + j);
			break;
		case 1:
			prandom_bytes_state(&rnd, buf, len);
			KUNIT_ASSERT_EQ(test, 0, movgem_soft_write(&gpu->ctx,
								   VA + pos, buf, len));
			for (u32 j = 0; j < len; j++)
				*random_byte(model, pos + j) = buf[j];
			break;
		default:
			pos = round_down(pos, 4);
			len = round_down(len, 4);
			KUNIT_ASSERT_EQ(test, 0, movgem_soft_fill(&gpu->ctx,
								  VA + pos, value, len));
			for (u32 j = 0; j < len; j++)
				*random_byte(model, pos + j) =
					((u8 *)&value)[j % 4];
			break;
		}
		KUNIT_ASSERT_EQ(test, 0, wrong);
	}
	for (int i = 0; i < RANDOM_PAGES; i++)
		KUNIT_EXPECT_MEMEQ(test, model + i * PAGE_SIZE,
				   movgem_kunit_mem(gpu, i), PAGE_SIZE);
}

static void access_words(struct kunit *test)
{
	struct movgem_kunit_gpu *gpu = test->priv;
	u64 *mem = (u64 *)movgem_kunit_mem(gpu, 6);
	u64 word = 0;

	movgem_kunit_map(gpu, VA, 6, 0);
	mem[1] = 0x0123456789abcdefULL;
	KUNIT_EXPECT_EQ(test, 0, movgem_soft_load64(&gpu->ctx, VA + 8, &word));
	KUNIT_EXPECT_EQ(test, 0x0123456789abcdefULL, word);

	word = mem[511];
	KUNIT_EXPECT_EQ(test, 0, movgem_soft_store64(&gpu->ctx, VA + 0xff0,
						     ~0ULL));
	KUNIT_EXPECT_EQ(test, ~0ULL, mem[510]);
	KUNIT_EXPECT_EQ(test, word, mem[511]);

	expect_fault(gpu, movgem_soft_load64(&gpu->ctx, VA + PAGE_SIZE, &word),
		     DRM_MOVGEM_FAULT_UNMAPPED, DRM_MOVGEM_ACCESS_READ,
		     VA + PAGE_SIZE);
}

/* A write that is not allowed faults at once, blocked or not. */
static void fault_blocked(struct kunit *test)
{
	struct movgem_kunit_gpu *gpu = test->priv;

	movgem_kunit_map(gpu, VA, 1, MOVGEM_PTE_BLOCKED | MOVGEM_PTE_READONLY);
	expect_fault(gpu, movgem_soft_store64(&gpu->ctx, VA, 0),
		     DRM_MOVGEM_FAULT_READONLY, DRM_MOVGEM_ACCESS_WRITE, VA);
	KUNIT_EXPECT_EQ(test, 0, movgem_stat_read(gpu->mdev, gpu_stall));
}

static struct kunit_case mem_cases[] = {
	KUNIT_CASE(tlb_keeps),
	KUNIT_CASE(tlb_flush_all),
	KUNIT_CASE(tlb_asid),
	KUNIT_CASE(tlb_replacement),
	KUNIT_CASE(tlb_capacity),
	KUNIT_CASE(tlb_no_negative),
	KUNIT_CASE(fault_readonly),
	KUNIT_CASE(fault_range),
	KUNIT_CASE(fault_half_way),
	KUNIT_CASE(fault_blocked),
	KUNIT_CASE(access_random),
	KUNIT_CASE(access_words),
	{}
};

static struct kunit_suite mem_suite = {
	.name = "movgem_soft_mem",
	.init = mem_test_init,
	.test_cases = mem_cases,
};

kunit_test_suite(mem_suite);
