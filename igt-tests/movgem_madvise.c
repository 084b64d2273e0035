// SPDX-License-Identifier: MIT
/*
 * Copyright (C) 2026 movgem maintainers
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "igt.h"
#include "igt_syncobj.h"
#include "movgem_rig.h"

/**
 * TEST: movgem madvise
 * Description: Buffers that the kernel may take back, and those that it may not.
 * Category: Core
 * Mega feature: General Core features
 * Sub-category: uapi
 * Functionality: memory reclaim
 * Feature: movgem
 * Test category: functionality test
 *
 * SUBTEST: states
 * Description: Advice is given, taken back, and told; nothing is lost by it alone.
 *
 * SUBTEST: purge
 * Description: The shrinker takes the pages of a buffer that is not needed, and says so.
 *
 * SUBTEST: purge-spares-needed
 * Description: Of many buffers it takes those that are not needed, and no other.
 *
 * SUBTEST: purge-frees
 * Description: The pages are free afterwards.
 *
 * SUBTEST: sigbus
 * Description: A purged buffer raises SIGBUS in every mapping of every process.
 *
 * SUBTEST: gpu-fault
 * Description: A purged buffer faults on the GPU, and the pages' next owner is safe.
 *
 * SUBTEST: bind-purged
 * Description: Binding a purged buffer gives no pages back.
 *
 * SUBTEST: busy-not-purged
 * Description: A buffer that a job may use is not purged.
 *
 * SUBTEST: exported-kept
 * Description: A buffer that was given up and then exported stays, without a handle too.
 *
 * SUBTEST: exported-refused
 * Description: A buffer that others may look at cannot be given up.
 *
 * SUBTEST: close-purged
 * Description: Purged buffers are closed like others, with their mappings still there.
 *
 * SUBTEST: pressure
 * Description: Buffers are purged when memory runs short.
 *
 * SUBTEST: race
 * Description: What WILLNEED says to have kept while others scan is there, whole.
 *
 * SUBTEST: moved-then-purged
 * Description: Moving and purging the same buffers leaves the counts right.
 */

IGT_TEST_DESCRIPTION("madvise and the shrinker of movgem.");

#define PAGES	16
#define SIZE	(PAGES * MOVGEM_PAGE)

static bool can_move;

static uint32_t state_of(int fd, uint32_t handle)
{
	struct drm_movgem_bo_info info;

	movgem_bo_info(fd, handle, &info);
	if (info.madvise == DRM_MOVGEM_MADV_PURGED)
		igt_assert_eq_u64(info.pages, 0);
	else
		igt_assert_lt_u64(0, info.pages);
	return info.madvise;
}

/* A scan may leave out what is locked just then; a few scans may not. */
static bool purge(int fd, uint32_t handle)
{
	int i;

	for (i = 0; i < 20 && state_of(fd, handle) != DRM_MOVGEM_MADV_PURGED; i++)
		movgem_drop_slab();
	return state_of(fd, handle) == DRM_MOVGEM_MADV_PURGED;
}

/* Scans until a buffer that was made for it is purged: a full scan was done. */
static void scan(int fd)
{
	uint32_t bait = movgem_bo_create(fd, SIZE, 0);

	igt_assert(movgem_bo_madvise(fd, bait, DRM_MOVGEM_MADV_DONTNEED));
	igt_assert_f(purge(fd, bait), "the shrinker does not purge\n");
	gem_close(fd, bait);
	movgem_drop_slab();
}

static uint32_t make_bo(int fd, uint64_t size, uint32_t seed)
{
	uint32_t handle = movgem_bo_create(fd, size, 0);
	void *map = movgem_bo_mmap(fd, handle, size);

	movgem_fill_pattern(map, size, seed);
	munmap(map, size);
	return handle;
}

static void check_bo(int fd, uint32_t handle, uint64_t size, uint32_t seed)
{
	void *map = movgem_bo_mmap(fd, handle, size);

	movgem_check_pattern(map, size, seed);
	munmap(map, size);
}

static void test_states(int fd)
{
	uint32_t handle = make_bo(fd, SIZE, 1);

	igt_assert_eq_u32(state_of(fd, handle), DRM_MOVGEM_MADV_WILLNEED);
	igt_assert(movgem_bo_madvise(fd, handle, DRM_MOVGEM_MADV_WILLNEED));
	igt_assert(movgem_bo_madvise(fd, handle, DRM_MOVGEM_MADV_DONTNEED));
	igt_assert(movgem_bo_madvise(fd, handle, DRM_MOVGEM_MADV_WILLNEED));
	igt_assert_eq_u32(state_of(fd, handle), DRM_MOVGEM_MADV_WILLNEED);
	/* Taken back in time: a scan finds nothing to do. */
	scan(fd);
	igt_assert(movgem_bo_madvise(fd, handle, DRM_MOVGEM_MADV_DONTNEED));
	igt_assert(movgem_bo_madvise(fd, handle, DRM_MOVGEM_MADV_WILLNEED));
	check_bo(fd, handle, SIZE, 1);
	gem_close(fd, handle);
}

static void test_purge(int fd)
{
	struct drm_movgem_mem_info before, after;
	uint32_t handle = make_bo(fd, SIZE, 2);
	struct drm_movgem_bo_info info;

	movgem_mem_info(fd, &before);
	igt_assert(movgem_bo_madvise(fd, handle, DRM_MOVGEM_MADV_DONTNEED));
	igt_assert(purge(fd, handle));
	movgem_bo_info(fd, handle, &info);
	igt_assert_eq_u64(info.size, SIZE);
	igt_assert_eq_u64(info.pages, 0);
	movgem_mem_info(fd, &after);
	igt_assert_eq_u64(after.bos, before.bos);
	igt_assert_eq_u64(after.pages, before.pages - PAGES);
	igt_assert_eq_u64(after.pages_purged, before.pages_purged + PAGES);

	/* It stays that way, whatever is asked for. */
	igt_assert(!movgem_bo_madvise(fd, handle, DRM_MOVGEM_MADV_WILLNEED));
	igt_assert_eq_u32(state_of(fd, handle), DRM_MOVGEM_MADV_PURGED);
	igt_assert(!movgem_bo_madvise(fd, handle, DRM_MOVGEM_MADV_DONTNEED));
	igt_assert_eq_u32(state_of(fd, handle), DRM_MOVGEM_MADV_PURGED);
	scan(fd);
	gem_close(fd, handle);
}

static void test_spares_needed(int fd)
{
	enum { count = 64 };
	uint32_t handles[count];
	int i, tries;

	for (i = 0; i < count; i++) {
		handles[i] = make_bo(fd, SIZE, 100 + i);
		if (i % 3 == 0)
			igt_assert(movgem_bo_madvise(fd, handles[i], DRM_MOVGEM_MADV_DONTNEED));
	}
	for (tries = 0; tries < 3; tries++)
		scan(fd);
	for (i = 0; i < count; i++) {
		if (i % 3 == 0) {
			igt_assert(purge(fd, handles[i]));
		} else {
			igt_assert_eq_u32(state_of(fd, handles[i]), DRM_MOVGEM_MADV_WILLNEED);
			check_bo(fd, handles[i], SIZE, 100 + i);
		}
		gem_close(fd, handles[i]);
	}
}

/* Free pages, with those that wait in the lists of the processors. */
static uint64_t free_pages(void)
{
	FILE *f = fopen("/proc/zoneinfo", "r");
	unsigned long long value, sum = 0;
	char line[256];

	igt_assert(f);
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, " pages free %llu", &value) == 1 ||
		    sscanf(line, " count: %llu", &value) == 1)
			sum += value;
	fclose(f);
	return sum;
}

static void test_frees(int fd)
{
	const uint64_t size = 64 * SZ_1M;
	uint32_t handle;
	uint64_t full, freed;

	movgem_drop_slab();
	handle = movgem_bo_create(fd, size, 0);
	full = free_pages();
	igt_assert(movgem_bo_madvise(fd, handle, DRM_MOVGEM_MADV_DONTNEED));
	igt_assert(purge(fd, handle));
	freed = free_pages();
	igt_info("%llu pages free before, %llu after\n", (long long)full, (long long)freed);
	/* Others take and give a little at the same time. */
	igt_assert_lte_u64(full + size / MOVGEM_PAGE * 3 / 4, freed);
	gem_close(fd, handle);
}

static void test_sigbus(int fd)
{
	uint32_t handle = make_bo(fd, SIZE, 3), handle2;
	int ready[2], go[2], fd2 = movgem_reopen(fd);
	uint8_t *touched = movgem_bo_mmap(fd, handle, SIZE);
	uint8_t *untouched = movgem_bo_mmap(fd, handle, SIZE), *later;
	char c = 0;

	igt_assert_eq(pipe(ready), 0);
	igt_assert_eq(pipe(go), 0);
	movgem_check_pattern(touched, SIZE, 3);
	igt_fork(child, 2) {
		movgem_check_pattern(touched, SIZE, 3);
		igt_assert_eq(write(ready[1], &c, 1), 1);
		igt_assert_eq(read(go[0], &c, 1), 1);
		igt_assert_eq(movgem_touch(touched + 5 * MOVGEM_PAGE, child), SIGBUS);
		igt_assert_eq(movgem_touch(untouched, child), SIGBUS);
	}
	igt_assert_eq(read(ready[0], &c, 1), 1);
	igt_assert_eq(read(ready[0], &c, 1), 1);
	igt_assert(movgem_bo_madvise(fd, handle, DRM_MOVGEM_MADV_DONTNEED));
	igt_assert(purge(fd, handle));
	igt_assert_eq(write(go[1], "xx", 2), 2);
	igt_waitchildren();
	igt_assert_eq(movgem_touch(touched, false), SIGBUS);
	igt_assert_eq(movgem_touch(touched + SIZE - 1, true), SIGBUS);
	igt_assert_eq(movgem_touch(untouched + 7 * MOVGEM_PAGE, false), SIGBUS);

	/* Mapping it anew is refused, or a mapping that is no better. */
	later = __movgem_bo_mmap(fd, handle, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED);
	if (later != MAP_FAILED) {
		igt_assert_eq(movgem_touch(later, false), SIGBUS);
		munmap(later, SIZE);
	}
	igt_assert(!movgem_bo_madvise(fd, handle, DRM_MOVGEM_MADV_WILLNEED));
	igt_assert_eq(movgem_touch(touched, false), SIGBUS);
	munmap(touched, SIZE);
	munmap(untouched, SIZE);
	gem_close(fd, handle);

	/* A neighbour is as it was. */
	handle2 = make_bo(fd2, SIZE, 4);
	check_bo(fd2, handle2, SIZE, 4);
	movgem_close(fd2);
	close(ready[0]);
	close(ready[1]);
	close(go[0]);
	close(go[1]);
}

static void test_gpu_fault(int fd)
{
	uint64_t va = movgem_va_alloc(fd, SIZE), va2 = movgem_va_alloc(fd, SIZE);
	uint32_t handle = make_bo(fd, SIZE, 5), spare[32];
	struct movgem_rig rig, other;
	unsigned int i;

	movgem_rig_init(&rig, fd);
	movgem_rig_init(&other, fd);
	movgem_vm_map(fd, rig.vm, handle, 0, va, SIZE, 0);
	movgem_vm_map(fd, rig.vm, handle, 0, va2, SIZE, DRM_MOVGEM_BIND_READONLY);
	movgem_vm_map(fd, other.vm, handle, 0, va, SIZE, 0);
	/* The translations are in the TLB when the pages go. */
	for (i = 0; i < PAGES; i++) {
		movgem_rig_expect(&rig, va + i * MOVGEM_PAGE, movgem_mix(5, i * 1024));
		movgem_rig_expect(&rig, va2 + i * MOVGEM_PAGE, movgem_mix(5, i * 1024));
		movgem_rig_expect(&other, va + i * MOVGEM_PAGE, movgem_mix(5, i * 1024));
	}
	igt_assert(movgem_bo_madvise(fd, handle, DRM_MOVGEM_MADV_DONTNEED));
	igt_assert(purge(fd, handle));
	for (i = 0; i < ARRAY_SIZE(spare); i++)
		spare[i] = make_bo(fd, SIZE, 200 + i);
	for (i = 0; i < PAGES; i++) {
		movgem_rig_expect_fault(&rig, va + i * MOVGEM_PAGE, DRM_MOVGEM_FAULT_UNMAPPED,
					DRM_MOVGEM_ACCESS_WRITE);
		movgem_rig_expect_fault(&rig, va2 + i * MOVGEM_PAGE, DRM_MOVGEM_FAULT_UNMAPPED,
					DRM_MOVGEM_ACCESS_READ);
		movgem_rig_expect_fault(&other, va + i * MOVGEM_PAGE, DRM_MOVGEM_FAULT_UNMAPPED,
					DRM_MOVGEM_ACCESS_WRITE);
	}
	for (i = 0; i < ARRAY_SIZE(spare); i++) {
		check_bo(fd, spare[i], SIZE, 200 + i);
		gem_close(fd, spare[i]);
	}
	/* The place can be used for something else. */
	spare[0] = make_bo(fd, SIZE, 6);
	movgem_vm_map(fd, rig.vm, spare[0], 0, va, SIZE, 0);
	movgem_rig_expect(&rig, va, movgem_mix(6, 0));
	movgem_rig_fini(&rig);
	movgem_rig_fini(&other);
	gem_close(fd, handle);
	gem_close(fd, spare[0]);
}

static void test_bind_purged(int fd)
{
	uint64_t va = movgem_va_alloc(fd, SIZE);
	uint32_t handle = make_bo(fd, SIZE, 7);
	struct movgem_rig rig;
	int ret;

	movgem_rig_init(&rig, fd);
	igt_assert(movgem_bo_madvise(fd, handle, DRM_MOVGEM_MADV_DONTNEED));
	igt_assert(purge(fd, handle));
	/* Refused, or a mapping of nothing. */
	ret = __movgem_vm_map(fd, rig.vm, handle, 0, va, SIZE, 0);
	igt_debug("binding a purged buffer: %d\n", ret);
	movgem_rig_expect_fault(&rig, va, DRM_MOVGEM_FAULT_UNMAPPED, DRM_MOVGEM_ACCESS_READ);
	movgem_rig_expect_fault(&rig, va + SIZE - 4, DRM_MOVGEM_FAULT_UNMAPPED,
				DRM_MOVGEM_ACCESS_WRITE);
	igt_assert_eq_u32(state_of(fd, handle), DRM_MOVGEM_MADV_PURGED);
	movgem_rig_fini(&rig);
	gem_close(fd, handle);
}

static void test_busy(int fd)
{
	uint32_t handle = make_bo(fd, SIZE, 8), own;
	uint64_t va = movgem_va_alloc(fd, SIZE), va2 = movgem_va_alloc(fd, SIZE);
	struct movgem_rig rig;

	movgem_rig_init(&rig, fd);
	own = movgem_bo_create_exclusive(fd, SIZE, rig.vm);
	movgem_vm_map(fd, rig.vm, handle, 0, va, SIZE, 0);
	movgem_vm_map(fd, rig.vm, own, 0, va2, SIZE, 0);
	movgem_gate_loop(try) {
		struct movgem_gate gate;
		struct drm_movgem_bo_info a, b;
		uint32_t done;
		bool held;
		int ret;

		movgem_gate_shut_in(&gate, fd, rig.vm, rig.queue);
		movgem_stream_reset(&rig.s);
		movgem_cmd_copy(&rig.s, rig.va, va + MOVGEM_PAGE, 4);
		movgem_cmd_fill(&rig.s, va2, SIZE, 0x11);
		done = movgem_stream_submit_sync(&rig.s, rig.queue);
		igt_assert(movgem_bo_madvise(fd, handle, DRM_MOVGEM_MADV_DONTNEED));
		igt_assert(movgem_bo_madvise(fd, own, DRM_MOVGEM_MADV_DONTNEED));
		movgem_drop_slab();
		movgem_drop_slab();
		movgem_bo_info(fd, handle, &a);
		movgem_bo_info(fd, own, &b);
		held = movgem_gate_open(&gate);
		ret = movgem_syncobj_result(fd, done);
		syncobj_destroy(fd, done);
		if (!held) {
			/* Start over, with buffers that are whole. */
			gem_close(fd, handle);
			gem_close(fd, own);
			handle = make_bo(fd, SIZE, 8);
			own = movgem_bo_create_exclusive(fd, SIZE, rig.vm);
			movgem_vm_map(fd, rig.vm, handle, 0, va, SIZE, 0);
			movgem_vm_map(fd, rig.vm, own, 0, va2, SIZE, 0);
			continue;
		}
		igt_assert_eq_u32(a.madvise, DRM_MOVGEM_MADV_DONTNEED);
		igt_assert_eq_u64(a.pages, PAGES);
		igt_assert_eq_u32(b.madvise, DRM_MOVGEM_MADV_DONTNEED);
		igt_assert_eq_u64(b.pages, PAGES);
		igt_assert_eq(ret, 0);
		igt_assert_eq_u32(rig.map[0], movgem_mix(8, 1024));
		break;
	}
	/* Once idle they go. */
	igt_assert(purge(fd, handle));
	igt_assert(purge(fd, own));
	movgem_rig_fini(&rig);
	gem_close(fd, handle);
	gem_close(fd, own);
}

static void test_exported_kept(int fd)
{
	uint32_t handle = make_bo(fd, SIZE, 11);
	int dmabuf;
	void *map;

	igt_assert(movgem_bo_madvise(fd, handle, DRM_MOVGEM_MADV_DONTNEED));
	dmabuf = prime_handle_to_fd_for_mmap(fd, handle);
	igt_assert_fd(dmabuf);
	scan(fd);
	gem_close(fd, handle);
	scan(fd);
	map = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, dmabuf, 0);
	igt_assert(map != MAP_FAILED);
	movgem_check_pattern(map, SIZE, 11);
	munmap(map, SIZE);
	close(dmabuf);
}

static void test_exported_refused(int fd)
{
	uint32_t handle = make_bo(fd, SIZE, 9), retained;
	int dmabuf = prime_handle_to_fd(fd, handle);

	igt_assert_eq(__movgem_bo_madvise(fd, handle, DRM_MOVGEM_MADV_DONTNEED, &retained),
		      -EBUSY);
	igt_assert(movgem_bo_madvise(fd, handle, DRM_MOVGEM_MADV_WILLNEED));
	scan(fd);
	igt_assert_eq_u32(state_of(fd, handle), DRM_MOVGEM_MADV_WILLNEED);
	check_bo(fd, handle, SIZE, 9);
	close(dmabuf);

	gem_close(fd, handle);
}

static void test_close_purged(int fd)
{
	enum { count = 32 };
	uint32_t handles[count];
	uint8_t *maps[count];
	struct drm_movgem_mem_info before, after;
	int i;

	movgem_mem_info(fd, &before);
	for (i = 0; i < count; i++) {
		handles[i] = make_bo(fd, SIZE, i);
		maps[i] = movgem_bo_mmap(fd, handles[i], SIZE);
		maps[i][0] = 1;
		igt_assert(movgem_bo_madvise(fd, handles[i], DRM_MOVGEM_MADV_DONTNEED));
	}
	for (i = 0; i < count; i++)
		igt_assert(purge(fd, handles[i]));
	for (i = 0; i < count; i++) {
		gem_close(fd, handles[i]);
		igt_assert_eq(movgem_touch(maps[i], true), SIGBUS);
		munmap(maps[i], SIZE);
	}
	movgem_wait_for_bos(fd, before.bos);
	movgem_mem_info(fd, &after);
	igt_assert_eq_u64(after.pages, before.pages);
}

static void test_pressure(int fd)
{
	enum { count = 64 };
	struct igt_helper_process proc = { .use_SIGKILL = true };
	struct drm_movgem_mem_info before, now;
	uint32_t handles[count], kept[count];
	bool purged = false;
	int i;

	for (i = 0; i < count; i++) {
		handles[i] = movgem_bo_create(fd, SZ_1M, 0);
		kept[i] = make_bo(fd, SIZE, 300 + i);
	}
	movgem_drop_slab();
	for (i = 0; i < count; i++)
		igt_assert(movgem_bo_madvise(fd, handles[i], DRM_MOVGEM_MADV_DONTNEED));
	movgem_mem_info(fd, &before);

	/* Eats memory until somebody gives way; it would be the first to go. */
	igt_fork_helper(&proc) {
		int adj = open("/proc/self/oom_score_adj", O_WRONLY);
		int fd2 = movgem_reopen(fd);
		bool full = false;

		if (adj >= 0)
			igt_assert_eq(write(adj, "1000", 4), 4);
		while (!full) {
			const size_t size = 32 * SZ_1M;
			char *mem = mmap(NULL, size, PROT_READ | PROT_WRITE,
					 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
			size_t at;

			if (mem == MAP_FAILED)
				break;
			/* Huge pages are had sooner, and asked for harder. */
			madvise(mem, size, MADV_HUGEPAGE);
			for (at = 0; at < size && !full; at += MOVGEM_PAGE) {
				mem[at] = 1;
				if (at % SZ_1M)
					continue;
				movgem_mem_info(fd2, &now);
				full = now.pages_purged > before.pages_purged;
			}
		}
		for (;;)
			pause();
	}
	igt_set_timeout(300, "memory is eaten");
	while (!purged && !kill(proc.pid, 0)) {
		int status;

		movgem_mem_info(fd, &now);
		purged = now.pages_purged > before.pages_purged;
		usleep(1000);
		if (waitpid(proc.pid, &status, WNOHANG) == proc.pid) {
			proc.running = false;
			break;
		}
	}
	igt_reset_timeout();
	igt_stop_helper(&proc);
	movgem_mem_info(fd, &now);
	igt_info("%llu of %llu pages were purged\n",
		 (long long)(now.pages_purged - before.pages_purged),
		 (long long)count * SZ_1M / MOVGEM_PAGE);
	igt_assert_lt_u64(before.pages_purged, now.pages_purged);
	for (i = 0; i < count; i++) {
		check_bo(fd, kept[i], SIZE, 300 + i);
		gem_close(fd, kept[i]);
		gem_close(fd, handles[i]);
	}
}

static void test_race(int fd)
{
	enum { rounds = 150 };
	uint32_t *result = mmap(NULL, MOVGEM_PAGE, PROT_READ | PROT_WRITE,
				MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct drm_movgem_mem_info before, after;

	igt_assert(result != MAP_FAILED);
	movgem_mem_info(fd, &before);
	movgem_drop_slab();
	igt_fork(child, 4) {
		int fd2 = movgem_reopen(fd), i;

		/* The first scans for as long as the others go on. */
		while (!child && __atomic_load_n(&result[0], __ATOMIC_SEQ_CST) < 3)
			movgem_drop_slab();
		for (i = 0; child && i < rounds; i++) {
			uint32_t handle, seed = child * rounds + i;

			handle = make_bo(fd2, SIZE, seed);
			movgem_bo_madvise(fd2, handle, DRM_MOVGEM_MADV_DONTNEED);
			if (i & 1)
				sched_yield();
			/* Some are closed as they are, under the scan. */
			if (i % 4) {
				if (movgem_bo_madvise(fd2, handle, DRM_MOVGEM_MADV_WILLNEED)) {
					check_bo(fd2, handle, SIZE, seed);
					result[child * 2]++;
				} else {
					igt_assert_eq_u32(state_of(fd2, handle),
							  DRM_MOVGEM_MADV_PURGED);
					result[child * 2 + 1]++;
				}
			}
			gem_close(fd2, handle);
		}
		__atomic_add_fetch(&result[0], 1, __ATOMIC_SEQ_CST);
	}
	igt_waitchildren();
	igt_info("%u kept, %u purged\n", result[2] + result[4] + result[6],
		 result[3] + result[5] + result[7]);
	munmap(result, MOVGEM_PAGE);
	movgem_wait_for_bos(fd, before.bos);
	movgem_mem_info(fd, &after);
	igt_assert_eq_u64(after.pages, before.pages);
}

static void test_moved(int fd)
{
	enum { count = 24 };
	struct drm_movgem_mem_info before, after;
	uint32_t handles[count];
	struct movgem_migrate_result res;
	uint64_t ids[count];
	int i, round;

	igt_require_f(can_move, "pages cannot be moved here\n");
	movgem_mem_info(fd, &before);
	for (round = 0; round < 3; round++) {
		for (i = 0; i < count; i++) {
			handles[i] = make_bo(fd, SIZE, i);
			ids[i] = movgem_bo_id(fd, handles[i]);
		}
		for (i = 0; i < count; i++) {
			if (i % 2)
				movgem_bo_madvise(fd, handles[i], DRM_MOVGEM_MADV_DONTNEED);
			/* One that may be purged can be moved as well. */
			igt_assert_lt_u64(0, movgem_migrate_bo(fd, ids[i]));
		}
		igt_fork(child, 2) {
			if (child)
				movgem_drop_slab();
			else
				__movgem_migrate(fd, "all");
		}
		igt_waitchildren();
		for (i = 0; i < count; i++) {
			if (i % 2) {
				igt_assert(purge(fd, handles[i]));
				/* Nothing is left to move. */
				if (!__movgem_migrate_bo(fd, ids[i])) {
					movgem_migrate_result(fd, &res);
					igt_assert_eq_u64(res.moved, 0);
				}
			} else {
				check_bo(fd, handles[i], SIZE, i);
			}
			gem_close(fd, handles[i]);
		}
	}
	movgem_wait_for_bos(fd, before.bos);
	movgem_mem_info(fd, &after);
	igt_assert_eq_u64(after.pages, before.pages);
	igt_assert_eq_u64(after.pages_purged, before.pages_purged + 3 * count / 2 * PAGES);
}

int igt_main()
{
	static const struct movgem_subtest tests[] = {
		{ "states", test_states,
		  "Advice is given, taken back, and told; nothing is lost by it alone." },
		{ "purge", test_purge,
		  "The shrinker takes the pages of a buffer that is not needed, and says so." },
		{ "purge-spares-needed", test_spares_needed,
		  "Of many buffers it takes those that are not needed, and no other." },
		{ "purge-frees", test_frees, "The pages are free afterwards." },
		{ "sigbus", test_sigbus,
		  "A purged buffer raises SIGBUS in every mapping of every process." },
		{ "gpu-fault", test_gpu_fault,
		  "A purged buffer faults on the GPU, and the pages' next owner is safe." },
		{ "bind-purged", test_bind_purged,
		  "Binding a purged buffer gives no pages back." },
		{ "busy-not-purged", test_busy,
		  "A buffer that a job may use is not purged." },
		{ "exported-kept", test_exported_kept,
		  "A buffer that was given up and then exported stays, without a handle too." },
		{ "exported-refused", test_exported_refused,
		  "A buffer that others may look at cannot be given up." },
		{ "close-purged", test_close_purged,
		  "Purged buffers are closed like others, with their mappings still there." },
		{ "pressure", test_pressure, "Buffers are purged when memory runs short." },
		{ "race", test_race,
		  "What WILLNEED says to have kept while others scan is there, whole." },
		{ "moved-then-purged", test_moved,
		  "Moving and purging the same buffers leaves the counts right." },
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
