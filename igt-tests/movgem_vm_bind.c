// SPDX-License-Identifier: MIT
/*
 * Copyright (C) 2026 movgem maintainers
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "igt.h"
#include "movgem_rig.h"

/**
 * TEST: movgem vm bind
 * Description: GPU address spaces: what is bound is what the GPU sees, no more
 *              and no less, at every moment that a fence names.
 * Category: Core
 * Mega feature: General Core features
 * Sub-category: uapi
 * Functionality: vm_bind
 * Feature: movgem
 * Test category: functionality test
 *
 * SUBTEST: map-unmap
 * Description: A bound buffer is there, an unbound one faults.
 *
 * SUBTEST: bo-offset
 * Description: Pages of a buffer are bound in any order.
 *
 * SUBTEST: replace
 * Description: A map over another one replaces it, and no stale translation is left.
 *
 * SUBTEST: replace-tlb
 * Description: The same with more pages than the TLB has entries, many times.
 *
 * SUBTEST: unmap-part
 * Description: Unmapping a part leaves the rest as it was.
 *
 * SUBTEST: map-inside
 * Description: A map into the middle of another one splits it.
 *
 * SUBTEST: unmap-across
 * Description: One unmap covers several mappings, parts of mappings, and holes.
 *
 * SUBTEST: random-layout
 * Description: After thousands of random operations every page is what a model says.
 *
 * SUBTEST: alias
 * Description: One page at several addresses is one page.
 *
 * SUBTEST: many-vms
 * Description: One buffer in many VMs at different addresses is one buffer.
 *
 * SUBTEST: isolation
 * Description: The same address in two VMs is two places.
 *
 * SUBTEST: readonly
 * Description: A read-only mapping is not written, not even by its other VM's rights.
 *
 * SUBTEST: bounds
 * Description: The first and last page of a VM can be bound, nothing outside.
 *
 * SUBTEST: many-ops
 * Description: The largest call is one call, one operation more is refused.
 *
 * SUBTEST: all-or-nothing
 * Description: A bad operation in a call undoes the whole call.
 *
 * SUBTEST: exclusive
 * Description: An exclusive buffer is bound in its own VM only.
 */

IGT_TEST_DESCRIPTION("GPU address spaces of movgem.");

#define PAGES	16
#define SIZE	(PAGES * MOVGEM_PAGE)

static bool can_move;

/*
 * A page that moves gets its entries written anew, from what the driver knows
 * of its mappings: what was forgotten there shows only now.
 */
static void shake(int fd, uint32_t handle)
{
	if (can_move)
		movgem_migrate_bo(fd, movgem_bo_id(fd, handle));
}

/* A buffer whose every page begins with a word of its own. */
static uint32_t make_bo(int fd, unsigned int pages, uint32_t seed)
{
	uint32_t handle = movgem_bo_create(fd, pages * MOVGEM_PAGE, 0);
	uint32_t *map = movgem_bo_mmap(fd, handle, pages * MOVGEM_PAGE);
	unsigned int i;

	for (i = 0; i < pages; i++)
		map[i * 1024] = movgem_mix(seed, i);
	munmap(map, pages * MOVGEM_PAGE);
	return handle;
}

static uint32_t gpu_maps(int fd, uint32_t handle)
{
	struct drm_movgem_bo_info info;

	movgem_bo_info(fd, handle, &info);
	return info.gpu_maps;
}

/* A VM may go later than the call that destroys it. */
static void wait_for_maps(int fd, uint32_t handle, uint32_t want)
{
	int i;

	for (i = 0; i < 3000 && gpu_maps(fd, handle) != want; i++)
		usleep(10000);
	igt_assert_eq_u32(gpu_maps(fd, handle), want);
}

static void expect_page(struct movgem_rig *rig, uint64_t va, uint32_t seed, uint32_t index)
{
	movgem_rig_expect(rig, va, movgem_mix(seed, index));
}

static void expect_hole(struct movgem_rig *rig, uint64_t va)
{
	movgem_rig_expect_fault(rig, va, DRM_MOVGEM_FAULT_UNMAPPED, DRM_MOVGEM_ACCESS_READ);
}

static void test_map_unmap(int fd)
{
	uint64_t va = movgem_va_alloc(fd, SIZE);
	uint32_t handle = make_bo(fd, PAGES, 1);
	struct movgem_rig rig;
	int i, round;

	movgem_rig_init(&rig, fd);
	expect_hole(&rig, va);
	for (round = 0; round < 3; round++) {
		movgem_vm_map(fd, rig.vm, handle, 0, va, SIZE, 0);
		igt_assert_eq_u32(gpu_maps(fd, handle), 1);
		for (i = 0; i < PAGES; i++)
			expect_page(&rig, va + i * MOVGEM_PAGE, 1, i);
		expect_hole(&rig, va - MOVGEM_PAGE);
		expect_hole(&rig, va + SIZE);
		movgem_vm_unmap(fd, rig.vm, va, SIZE);
		igt_assert_eq_u32(gpu_maps(fd, handle), 0);
		for (i = 0; i < PAGES; i += 5) {
			expect_hole(&rig, va + i * MOVGEM_PAGE);
			movgem_rig_expect_fault(&rig, va + i * MOVGEM_PAGE,
						DRM_MOVGEM_FAULT_UNMAPPED,
						DRM_MOVGEM_ACCESS_WRITE);
		}
	}
	movgem_rig_fini(&rig);
	gem_close(fd, handle);
}

static void test_bo_offset(int fd)
{
	uint64_t va = movgem_va_alloc(fd, SIZE);
	uint32_t handle = make_bo(fd, PAGES, 2);
	struct drm_movgem_bind_op ops[PAGES];
	struct movgem_rig rig;
	int i;

	movgem_rig_init(&rig, fd);
	for (i = 0; i < PAGES; i++)
		ops[i] = movgem_op_map(handle, (PAGES - 1 - i) * MOVGEM_PAGE,
				       va + i * MOVGEM_PAGE, MOVGEM_PAGE, 0);
	movgem_vm_bind(fd, rig.vm, ops, PAGES);
	igt_assert_eq_u32(gpu_maps(fd, handle), PAGES);
	for (i = 0; i < PAGES; i++)
		expect_page(&rig, va + i * MOVGEM_PAGE, 2, PAGES - 1 - i);

	movgem_vm_map(fd, rig.vm, handle, 5 * MOVGEM_PAGE, va, 4 * MOVGEM_PAGE, 0);
	for (i = 0; i < 4; i++)
		expect_page(&rig, va + i * MOVGEM_PAGE, 2, 5 + i);
	expect_page(&rig, va + 4 * MOVGEM_PAGE, 2, PAGES - 5);
	movgem_rig_fini(&rig);
	gem_close(fd, handle);
}

static void test_replace(int fd)
{
	uint64_t va = movgem_va_alloc(fd, SIZE);
	uint32_t a = make_bo(fd, PAGES, 3), b = make_bo(fd, PAGES, 4);
	struct movgem_rig rig;
	int i;

	movgem_rig_init(&rig, fd);
	movgem_vm_map(fd, rig.vm, a, 0, va, SIZE, 0);
	for (i = 0; i < PAGES; i++)
		expect_page(&rig, va + i * MOVGEM_PAGE, 3, i);
	movgem_vm_map(fd, rig.vm, b, 0, va, SIZE, 0);
	igt_assert_eq_u32(gpu_maps(fd, a), 0);
	igt_assert_eq_u32(gpu_maps(fd, b), 1);
	for (i = 0; i < PAGES; i++)
		expect_page(&rig, va + i * MOVGEM_PAGE, 4, i);

	/* The pages of a are somebody else's now: a write must not get there. */
	gem_close(fd, a);
	a = movgem_bo_create(fd, SIZE, 0);
	for (i = 0; i < PAGES; i++)
		igt_assert_eq(movgem_rig_write(&rig, va + i * MOVGEM_PAGE, 0x12345), 0);
	movgem_check_value(movgem_bo_mmap(fd, a, SIZE), SIZE, 0);
	movgem_rig_fini(&rig);
	gem_close(fd, a);
	gem_close(fd, b);
}

static void test_replace_tlb(int fd)
{
	struct drm_movgem_gpu_info gpu;
	unsigned int pages, i, round;
	uint32_t handles[2];
	struct movgem_rig rig;
	uint64_t va;

	movgem_gpu_info(fd, &gpu);
	pages = min(gpu.tlb_entries * 2 + 3, 512u);
	handles[0] = make_bo(fd, pages, 5);
	handles[1] = make_bo(fd, pages, 6);
	va = movgem_va_alloc(fd, pages * MOVGEM_PAGE);
	movgem_rig_init(&rig, fd);

	for (round = 0; round < 6; round++) {
		uint64_t out = movgem_va_alloc(fd, SZ_64K);
		uint32_t result = movgem_bo_create(fd, SZ_64K, 0);
		uint32_t *map = movgem_bo_mmap(fd, result, SZ_64K);

		movgem_vm_map(fd, rig.vm, result, 0, out, SZ_64K, 0);
		movgem_vm_map(fd, rig.vm, handles[round & 1], 0, va, pages * MOVGEM_PAGE, 0);
		/* All pages in one job, twice, so that the second reads hit. */
		for (i = 0; i < pages; i++)
			movgem_cmd_copy(&rig.s, out + i * 4, va + i * MOVGEM_PAGE, 4);
		for (i = pages; i > 0; i--)
			movgem_cmd_copy(&rig.s, out + 8192 + i * 4, va + (i - 1) * MOVGEM_PAGE, 4);
		movgem_stream_run(&rig.s, rig.queue);
		for (i = 0; i < pages; i++) {
			igt_assert_eq_u32(map[i], movgem_mix(5 + (round & 1), i));
			igt_assert_eq_u32(map[2048 + i + 1], movgem_mix(5 + (round & 1), i));
		}
		munmap(map, SZ_64K);
		movgem_vm_unmap(fd, rig.vm, out, SZ_64K);
		gem_close(fd, result);
	}
	movgem_rig_fini(&rig);
	gem_close(fd, handles[0]);
	gem_close(fd, handles[1]);
}

static void test_unmap_part(int fd)
{
	uint64_t va = movgem_va_alloc(fd, SIZE);
	uint32_t handle = make_bo(fd, PAGES, 7);
	struct movgem_rig rig;
	int i;

	movgem_rig_init(&rig, fd);
	movgem_vm_map(fd, rig.vm, handle, 0, va, SIZE, 0);
	movgem_vm_unmap(fd, rig.vm, va + 4 * MOVGEM_PAGE, 5 * MOVGEM_PAGE);
	movgem_vm_unmap(fd, rig.vm, va, MOVGEM_PAGE);
	movgem_vm_unmap(fd, rig.vm, va + SIZE - MOVGEM_PAGE, MOVGEM_PAGE);
	for (i = 0; i < PAGES; i++) {
		if (i == 0 || i == PAGES - 1 || (i >= 4 && i < 9))
			expect_hole(&rig, va + i * MOVGEM_PAGE);
		else
			expect_page(&rig, va + i * MOVGEM_PAGE, 7, i);
	}
	movgem_vm_unmap(fd, rig.vm, va, SIZE);
	igt_assert_eq_u32(gpu_maps(fd, handle), 0);
	movgem_rig_fini(&rig);
	gem_close(fd, handle);
}

static void test_map_inside(int fd)
{
	uint64_t va = movgem_va_alloc(fd, SIZE);
	uint32_t a = make_bo(fd, PAGES, 8), b = make_bo(fd, PAGES, 9);
	struct movgem_rig rig;
	int i;

	movgem_rig_init(&rig, fd);
	movgem_vm_map(fd, rig.vm, a, 0, va, SIZE, 0);
	movgem_vm_map(fd, rig.vm, b, 9 * MOVGEM_PAGE, va + 6 * MOVGEM_PAGE, 3 * MOVGEM_PAGE, 0);
	shake(fd, a);
	shake(fd, b);
	for (i = 0; i < PAGES; i++) {
		if (i >= 6 && i < 9)
			expect_page(&rig, va + i * MOVGEM_PAGE, 9, i + 3);
		else
			expect_page(&rig, va + i * MOVGEM_PAGE, 8, i);
	}
	movgem_vm_unmap(fd, rig.vm, va + 6 * MOVGEM_PAGE, 3 * MOVGEM_PAGE);
	igt_assert_eq_u32(gpu_maps(fd, b), 0);
	expect_page(&rig, va + 5 * MOVGEM_PAGE, 8, 5);
	expect_hole(&rig, va + 6 * MOVGEM_PAGE);
	expect_page(&rig, va + 9 * MOVGEM_PAGE, 8, 9);
	movgem_rig_fini(&rig);
	gem_close(fd, a);
	gem_close(fd, b);
}

static void test_unmap_across(int fd)
{
	uint64_t va = movgem_va_alloc(fd, 4 * SIZE);
	uint32_t a = make_bo(fd, PAGES, 10), b = make_bo(fd, PAGES, 11);
	struct movgem_rig rig;

	movgem_rig_init(&rig, fd);
	/* Nothing mapped at all: fine. */
	movgem_vm_unmap(fd, rig.vm, va, 4 * SIZE);
	movgem_vm_map(fd, rig.vm, a, 0, va, SIZE, 0);
	movgem_vm_map(fd, rig.vm, b, 0, va + SIZE + MOVGEM_PAGE, SIZE, 0);
	movgem_vm_map(fd, rig.vm, a, 0, va + 3 * SIZE, SIZE, 0);
	movgem_vm_unmap(fd, rig.vm, va + 10 * MOVGEM_PAGE,
			3 * SIZE - 4 * MOVGEM_PAGE);
	expect_page(&rig, va + 9 * MOVGEM_PAGE, 10, 9);
	expect_hole(&rig, va + 10 * MOVGEM_PAGE);
	expect_hole(&rig, va + SIZE + 2 * MOVGEM_PAGE);
	expect_hole(&rig, va + 3 * SIZE + 5 * MOVGEM_PAGE);
	expect_page(&rig, va + 3 * SIZE + 6 * MOVGEM_PAGE, 10, 6);
	igt_assert_eq_u32(gpu_maps(fd, b), 0);
	igt_assert_eq_u32(gpu_maps(fd, a), 2);
	movgem_rig_fini(&rig);
	gem_close(fd, a);
	gem_close(fd, b);
}

#define MODEL_PAGES	256
#define MODEL_BOS	4

static void test_random_layout(int fd)
{
	struct { uint32_t bo, index; } model[MODEL_PAGES] = { };
	/* Across the border of a page table of 512 entries. */
	uint64_t va = ALIGN(movgem_va_alloc(fd, SZ_2M * 4), SZ_2M) + SZ_2M - 100 * MOVGEM_PAGE;
	uint64_t seed = 0x6d6f7667656d31ull, out = movgem_va_alloc(fd, MOVGEM_PAGE);
	uint32_t handles[MODEL_BOS], result = movgem_bo_create(fd, MOVGEM_PAGE, 0);
	uint32_t *map = movgem_bo_mmap(fd, result, MOVGEM_PAGE);
	struct drm_movgem_bind_op ops[64];
	struct movgem_rig rig;
	unsigned int i, n, round, mapped;

	movgem_rig_init(&rig, fd);
	movgem_vm_map(fd, rig.vm, result, 0, out, MOVGEM_PAGE, 0);
	for (i = 0; i < MODEL_BOS; i++)
		handles[i] = make_bo(fd, MODEL_PAGES, 100 + i);

	for (round = 0; round < movgem_rounds(40); round++) {
		for (n = 0; n < ARRAY_SIZE(ops); n++) {
			uint32_t first = movgem_rand(&seed) % MODEL_PAGES;
			uint32_t count = 1 + movgem_rand(&seed) % (MODEL_PAGES - first);
			uint32_t bo = movgem_rand(&seed) % (MODEL_BOS + 1);
			uint32_t index = movgem_rand(&seed) % (MODEL_PAGES - count + 1);

			/* Mostly short ones, for a fine grain. */
			if (movgem_rand(&seed) % 8)
				count = min(count, 1 + (uint32_t)(movgem_rand(&seed) % 9));
			ops[n] = bo ? movgem_op_map(handles[bo - 1], index * MOVGEM_PAGE,
						    va + first * MOVGEM_PAGE,
						    count * MOVGEM_PAGE, 0) :
				      movgem_op_unmap(va + first * MOVGEM_PAGE,
						      count * MOVGEM_PAGE);
			for (i = 0; i < count; i++) {
				model[first + i].bo = bo;
				model[first + i].index = index + i;
			}
		}
		movgem_vm_bind(fd, rig.vm, ops, ARRAY_SIZE(ops));
		if (round % 4 == 3)
			for (i = 0; i < MODEL_BOS; i++)
				shake(fd, handles[i]);

		memset(map, 0, MOVGEM_PAGE);
		for (i = 0, mapped = 0; i < MODEL_PAGES; i++) {
			if (!model[i].bo)
				continue;
			movgem_cmd_copy(&rig.s, out + i * 4, va + i * MOVGEM_PAGE, 4);
			mapped++;
		}
		igt_assert_lt(0, mapped);
		movgem_stream_run(&rig.s, rig.queue);
		for (i = 0; i < MODEL_PAGES; i++) {
			uint32_t want = model[i].bo ?
				movgem_mix(99 + model[i].bo, model[i].index) : 0;

			igt_assert_f(map[i] == want, "round %u page %u: %#x, not %#x\n",
				     round, i, map[i], want);
		}
		/* One hole a round, if there is one. */
		for (i = round * 7 % MODEL_PAGES; i < MODEL_PAGES && model[i].bo; i++)
			;
		if (i < MODEL_PAGES)
			expect_hole(&rig, va + i * MOVGEM_PAGE);
		movgem_stream_reset(&rig.s);
	}
	movgem_vm_unmap(fd, rig.vm, va, MODEL_PAGES * MOVGEM_PAGE);
	for (i = 0; i < MODEL_BOS; i++) {
		igt_assert_eq_u32(gpu_maps(fd, handles[i]), 0);
		gem_close(fd, handles[i]);
	}
	movgem_rig_fini(&rig);
	munmap(map, MOVGEM_PAGE);
	gem_close(fd, result);
}

static void test_alias(int fd)
{
	uint64_t va = movgem_va_alloc(fd, SZ_2M * 8);
	uint32_t handle = make_bo(fd, PAGES, 12);
	struct movgem_rig rig;
	int i;

	movgem_rig_init(&rig, fd);
	for (i = 0; i < 8; i++)
		movgem_vm_map(fd, rig.vm, handle, 3 * MOVGEM_PAGE, va + i * SZ_2M,
			      MOVGEM_PAGE, 0);
	igt_assert_eq_u32(gpu_maps(fd, handle), 8);
	for (i = 0; i < 8; i++) {
		igt_assert_eq(movgem_rig_write(&rig, va + i * SZ_2M, 1000 + i), 0);
		movgem_rig_expect(&rig, va + (7 - i) * SZ_2M, 1000 + i);
	}
	movgem_vm_unmap(fd, rig.vm, va + 2 * SZ_2M, MOVGEM_PAGE);
	expect_hole(&rig, va + 2 * SZ_2M);
	movgem_rig_expect(&rig, va + 3 * SZ_2M, 1007);
	movgem_rig_fini(&rig);
	wait_for_maps(fd, handle, 0);
	gem_close(fd, handle);
}

static void test_many_vms(int fd)
{
	enum { count = 32 };
	struct movgem_rig rigs[count];
	uint64_t va[count];
	uint32_t handle = make_bo(fd, PAGES, 13);
	uint32_t *map = movgem_bo_mmap(fd, handle, SIZE);
	int i;

	for (i = 0; i < count; i++) {
		movgem_rig_init(&rigs[i], fd);
		va[i] = movgem_va_alloc(fd, SIZE);
		movgem_vm_map(fd, rigs[i].vm, handle, 0, va[i], SIZE, 0);
	}
	igt_assert_eq_u32(gpu_maps(fd, handle), count);
	for (i = 0; i < count; i++)
		igt_assert_eq(movgem_rig_write(&rigs[i], va[i] + i * 64, ~i), 0);
	for (i = 0; i < count; i++) {
		igt_assert_eq_u32(map[i * 16], ~i);
		movgem_rig_expect(&rigs[count - 1 - i], va[count - 1 - i] + i * 64, ~i);
	}
	/* One VM goes, the others stay. */
	for (i = 0; i < count; i += 2)
		movgem_rig_fini(&rigs[i]);
	wait_for_maps(fd, handle, count / 2);
	for (i = 1; i < count; i += 2) {
		movgem_rig_expect(&rigs[i], va[i] + i * 64, ~i);
		movgem_rig_fini(&rigs[i]);
	}
	munmap(map, SIZE);
	gem_close(fd, handle);
}

static void test_isolation(int fd)
{
	struct movgem_rig a, b;
	uint64_t va = movgem_va_alloc(fd, SIZE);
	uint32_t ha = make_bo(fd, PAGES, 14), hb = make_bo(fd, PAGES, 15);
	int i;

	movgem_rig_init(&a, fd);
	movgem_rig_init(&b, fd);
	movgem_vm_map(fd, a.vm, ha, 0, va, SIZE, 0);
	expect_hole(&b, va);
	movgem_vm_map(fd, b.vm, hb, 0, va, SIZE, 0);
	for (i = 0; i < PAGES; i++) {
		expect_page(&a, va + i * MOVGEM_PAGE, 14, i);
		expect_page(&b, va + i * MOVGEM_PAGE, 15, i);
	}
	movgem_vm_unmap(fd, a.vm, va, SIZE);
	expect_hole(&a, va);
	expect_page(&b, va, 15, 0);
	/* What is b's own is not a's. */
	expect_hole(&a, b.va);
	expect_hole(&a, b.s.va);
	movgem_rig_fini(&a);
	movgem_rig_fini(&b);
	gem_close(fd, ha);
	gem_close(fd, hb);
}

static void expect_readonly(struct movgem_rig *rig, uint64_t va)
{
	movgem_rig_expect_fault(rig, va, DRM_MOVGEM_FAULT_READONLY, DRM_MOVGEM_ACCESS_WRITE);
}

static void test_readonly(int fd)
{
	uint64_t va = movgem_va_alloc(fd, 2 * SIZE);
	uint32_t handle = make_bo(fd, PAGES, 16);
	struct movgem_rig rig, other;
	int i;

	movgem_rig_init(&rig, fd);
	movgem_rig_init(&other, fd);
	movgem_vm_map(fd, rig.vm, handle, 0, va, SIZE, DRM_MOVGEM_BIND_READONLY);
	movgem_vm_map(fd, rig.vm, handle, 0, va + SIZE, SIZE, 0);
	movgem_vm_map(fd, other.vm, handle, 0, va, SIZE, 0);
	expect_page(&rig, va + 3 * MOVGEM_PAGE, 16, 3);
	expect_readonly(&rig, va + 3 * MOVGEM_PAGE);
	expect_page(&rig, va + 3 * MOVGEM_PAGE, 16, 3);

	/* Written through the writable ones, read through this one. */
	igt_assert_eq(movgem_rig_write(&other, va, 0x1111), 0);
	movgem_rig_expect(&rig, va, 0x1111);
	expect_readonly(&rig, va);
	igt_assert_eq(movgem_rig_write(&rig, va + SIZE, 0x2222), 0);
	movgem_rig_expect(&rig, va, 0x2222);
	expect_readonly(&rig, va);

	/* A hole in the middle: the rest is read-only as before. */
	movgem_vm_unmap(fd, rig.vm, va + 5 * MOVGEM_PAGE, MOVGEM_PAGE);
	for (i = 0; i < 2; i++) {
		expect_readonly(&rig, va + 4 * MOVGEM_PAGE);
		expect_readonly(&rig, va + 6 * MOVGEM_PAGE);
		expect_hole(&rig, va + 5 * MOVGEM_PAGE);
		shake(fd, handle);
	}

	/* Rights change with a new map, both ways. */
	movgem_vm_map(fd, rig.vm, handle, 0, va, SIZE, 0);
	igt_assert_eq(movgem_rig_write(&rig, va + 4 * MOVGEM_PAGE, 0x3333), 0);
	movgem_vm_map(fd, rig.vm, handle, 0, va, SIZE, DRM_MOVGEM_BIND_READONLY);
	expect_readonly(&rig, va + 4 * MOVGEM_PAGE);
	movgem_rig_expect(&rig, va + 4 * MOVGEM_PAGE, 0x3333);
	movgem_rig_fini(&rig);
	movgem_rig_fini(&other);
	gem_close(fd, handle);
}

static void test_bounds(int fd)
{
	uint32_t handle = make_bo(fd, PAGES, 17);
	struct drm_movgem_gpu_info gpu;
	struct movgem_rig rig;
	uint64_t first, last;

	movgem_gpu_info(fd, &gpu);
	first = gpu.va_start;
	last = gpu.va_end - MOVGEM_PAGE;
	movgem_rig_init(&rig, fd);
	movgem_vm_map(fd, rig.vm, handle, 0, first, MOVGEM_PAGE, 0);
	movgem_vm_map(fd, rig.vm, handle, 3 * MOVGEM_PAGE, last, MOVGEM_PAGE, 0);
	expect_page(&rig, first, 17, 0);
	expect_page(&rig, last, 17, 3);
	igt_assert_eq(movgem_rig_write(&rig, last + MOVGEM_PAGE - 4, 0x77), 0);
	movgem_rig_expect(&rig, last + MOVGEM_PAGE - 4, 0x77);
	movgem_rig_expect_fault(&rig, gpu.va_end, DRM_MOVGEM_FAULT_RANGE,
				DRM_MOVGEM_ACCESS_READ);
	/* Below the first page that can be bound is a hole, not the outside. */
	if (first)
		expect_hole(&rig, first - 4);

	igt_assert_eq(__movgem_vm_map(fd, rig.vm, handle, 0, gpu.va_end, MOVGEM_PAGE, 0),
		      -EINVAL);
	igt_assert_eq(__movgem_vm_map(fd, rig.vm, handle, 0, last, 2 * MOVGEM_PAGE, 0), -EINVAL);
	igt_assert_eq(__movgem_vm_unmap(fd, rig.vm, last, 2 * MOVGEM_PAGE), -EINVAL);
	if (first)
		igt_assert_eq(__movgem_vm_map(fd, rig.vm, handle, 0, first - MOVGEM_PAGE,
					      2 * MOVGEM_PAGE, 0), -EINVAL);
	expect_page(&rig, first, 17, 0);
	expect_page(&rig, last, 17, 3);

	/* All there is, at once. */
	movgem_vm_unmap(fd, rig.vm, gpu.va_start, gpu.va_end - gpu.va_start);
	igt_assert_eq_u32(gpu_maps(fd, handle), 0);
	movgem_vm_map(fd, rig.vm, rig.handle, 0, rig.va, MOVGEM_PAGE, 0);
	movgem_vm_map(fd, rig.vm, rig.s.handle, 0, rig.s.va, rig.s.size, 0);
	expect_hole(&rig, first);
	expect_hole(&rig, last);
	movgem_rig_fini(&rig);
	gem_close(fd, handle);
}

static void test_many_ops(int fd)
{
	enum { count = DRM_MOVGEM_BIND_OPS_MAX };
	uint64_t va = movgem_va_alloc(fd, (count + 1) * MOVGEM_PAGE * 2);
	static struct drm_movgem_bind_op ops[count + 1];
	uint32_t handle = make_bo(fd, PAGES, 18);
	struct movgem_rig rig;
	int i;

	movgem_rig_init(&rig, fd);
	/* With holes in between, so that nothing can be merged. */
	for (i = 0; i <= count; i++)
		ops[i] = movgem_op_map(handle, i % PAGES * MOVGEM_PAGE,
				       va + i * 2 * MOVGEM_PAGE, MOVGEM_PAGE, 0);
	igt_assert_eq(__movgem_vm_bind(fd, rig.vm, 0, ops, count + 1, NULL, 0), -EINVAL);
	igt_assert_eq_u32(gpu_maps(fd, handle), 0);
	movgem_vm_bind(fd, rig.vm, ops, count);
	igt_assert_eq_u32(gpu_maps(fd, handle), count);
	for (i = 0; i < count; i += 37) {
		expect_page(&rig, va + i * 2 * MOVGEM_PAGE, 18, i % PAGES);
		expect_hole(&rig, va + (i * 2 + 1) * MOVGEM_PAGE);
	}
	for (i = 0; i < count; i++)
		ops[i] = movgem_op_unmap(va + i * 2 * MOVGEM_PAGE, MOVGEM_PAGE);
	movgem_vm_bind(fd, rig.vm, ops, count - 1);
	igt_assert_eq_u32(gpu_maps(fd, handle), 1);
	expect_hole(&rig, va);
	expect_page(&rig, va + (count - 1) * 2 * MOVGEM_PAGE, 18, (count - 1) % PAGES);
	movgem_rig_fini(&rig);
	gem_close(fd, handle);
}

static void test_all_or_nothing(int fd)
{
	uint64_t va = movgem_va_alloc(fd, SIZE);
	uint32_t a = make_bo(fd, PAGES, 19), b = make_bo(fd, PAGES, 20);
	struct drm_movgem_bind_op ops[8];
	struct movgem_rig rig;
	int i;

	movgem_rig_init(&rig, fd);
	movgem_vm_map(fd, rig.vm, a, 0, va, SIZE, 0);
	for (i = 0; i < 8; i++)
		ops[i] = movgem_op_map(b, 0, va + i * MOVGEM_PAGE, MOVGEM_PAGE, 0);
	ops[6].handle = 0x7fffffff;
	igt_assert_eq(__movgem_vm_bind(fd, rig.vm, 0, ops, 8, NULL, 0), -ENOENT);
	ops[6].handle = b;
	ops[7].size = SIZE + MOVGEM_PAGE;
	igt_assert_eq(__movgem_vm_bind(fd, rig.vm, 0, ops, 8, NULL, 0), -EINVAL);
	igt_assert_eq_u32(gpu_maps(fd, a), 1);
	igt_assert_eq_u32(gpu_maps(fd, b), 0);
	for (i = 0; i < 8; i++)
		expect_page(&rig, va + i * MOVGEM_PAGE, 19, i);
	movgem_rig_fini(&rig);
	gem_close(fd, a);
	gem_close(fd, b);
}

static void test_exclusive(int fd)
{
	uint64_t va = movgem_va_alloc(fd, SIZE);
	struct movgem_rig own, other;
	uint32_t handle;

	movgem_rig_init(&own, fd);
	movgem_rig_init(&other, fd);
	handle = movgem_bo_create_exclusive(fd, SIZE, own.vm);
	igt_assert_eq(__movgem_vm_map(fd, other.vm, handle, 0, va, SIZE, 0), -EINVAL);
	expect_hole(&other, va);
	movgem_vm_map(fd, own.vm, handle, 0, va, SIZE, 0);
	igt_assert_eq(movgem_rig_write(&own, va, 5), 0);
	movgem_rig_expect(&own, va, 5);
	igt_assert_eq(__movgem_vm_map(fd, other.vm, handle, 0, va, SIZE, 0), -EINVAL);
	movgem_rig_fini(&own);
	movgem_rig_fini(&other);
	gem_close(fd, handle);
}

int igt_main()
{
	static const struct movgem_subtest tests[] = {
		{ "map-unmap", test_map_unmap,
		  "A bound buffer is there, an unbound one faults." },
		{ "bo-offset", test_bo_offset, "Pages of a buffer are bound in any order." },
		{ "replace", test_replace,
		  "A map over another one replaces it, and no stale translation is left." },
		{ "replace-tlb", test_replace_tlb,
		  "The same with more pages than the TLB has entries, many times." },
		{ "unmap-part", test_unmap_part,
		  "Unmapping a part leaves the rest as it was." },
		{ "map-inside", test_map_inside,
		  "A map into the middle of another one splits it." },
		{ "unmap-across", test_unmap_across,
		  "One unmap covers several mappings, parts of mappings, and holes." },
		{ "random-layout", test_random_layout,
		  "After thousands of random operations every page is what a model says." },
		{ "alias", test_alias, "One page at several addresses is one page." },
		{ "many-vms", test_many_vms,
		  "One buffer in many VMs at different addresses is one buffer." },
		{ "isolation", test_isolation, "The same address in two VMs is two places." },
		{ "readonly", test_readonly,
		  "A read-only mapping is not written, not even by its other VM's rights." },
		{ "bounds", test_bounds,
		  "The first and last page of a VM can be bound, nothing outside." },
		{ "many-ops", test_many_ops,
		  "The largest call is one call, one operation more is refused." },
		{ "all-or-nothing", test_all_or_nothing,
		  "A bad operation in a call undoes the whole call." },
		{ "exclusive", test_exclusive,
		  "An exclusive buffer is bound in its own VM only." },
	};
	int fd = -1;

	igt_fixture() {
		fd = movgem_open();
		can_move = movgem_can_move(fd);
	}

	movgem_subtests(tests, ARRAY_SIZE(tests), fd);

	igt_fixture()
		movgem_close(fd);
}
