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
#include "igt_syncobj.h"
#include "movgem_rig.h"

/**
 * TEST: movgem submit
 * Description: Command streams: what the commands do, and in which order.
 * Category: Core
 * Mega feature: General Core features
 * Sub-category: uapi
 * Functionality: command submission
 * Feature: movgem
 * Test category: functionality test
 *
 * SUBTEST: fill
 * Description: A fill writes its words and none beside them.
 *
 * SUBTEST: copy-alignments
 * Description: A copy of any length between any alignments is what memmove() gives.
 *
 * SUBTEST: copy-overlap
 * Description: An overlapping copy is what memmove() gives, across pages in any order.
 *
 * SUBTEST: copy-alias
 * Description: The same where source and destination overlap through different addresses.
 *
 * SUBTEST: sem-write-wait
 * Description: Semaphores are written and waited for, equal and greater.
 *
 * SUBTEST: sem-ping-pong
 * Description: Two queues hand a semaphore to each other, whichever comes first.
 *
 * SUBTEST: sem-more-than-cores
 * Description: Waiting jobs do not keep others from the cores.
 *
 * SUBTEST: timestamps
 * Description: Timestamps never go back.
 *
 * SUBTEST: in-order
 * Description: Jobs of a queue run one after the other.
 *
 * SUBTEST: fences
 * Description: A job waits for its fence, and its own fence waits for it.
 *
 * SUBTEST: timeline
 * Description: Jobs of several queues are chained over points of one timeline.
 *
 * SUBTEST: many-syncs
 * Description: As many fences as fit, in and out.
 *
 * SUBTEST: max-stream
 * Description: The longest stream runs to its end, a longer one is refused.
 *
 * SUBTEST: stream-in-middle
 * Description: A stream starts anywhere in a mapping and crosses pages in any order.
 *
 * SUBTEST: self-modifying
 * Description: The GPU reads a command when it executes it.
 *
 * SUBTEST: many-queues
 * Description: Many queues with many jobs each all come to their end.
 *
 * SUBTEST: priorities
 * Description: Jobs of both priorities come to their end.
 *
 * SUBTEST: bo-wait
 * Description: A buffer is busy for as long as a job may use it.
 *
 * SUBTEST: queue-state
 * Description: A queue counts its jobs.
 *
 * SUBTEST: parallel
 * Description: Processes that submit at once do not disturb each other.
 */

IGT_TEST_DESCRIPTION("Command streams of movgem: what they do and in which order.");

#define PAGES	8
#define SIZE	(PAGES * MOVGEM_PAGE)

/* A buffer that CPU and GPU see. */
struct area {
	uint32_t handle;
	uint64_t va;
	uint64_t size;
	uint8_t *map;
};

static struct area make_area(struct movgem_rig *rig, uint64_t size)
{
	struct area a = { .size = size };

	a.handle = movgem_bo_create(rig->fd, size, 0);
	a.map = movgem_bo_mmap(rig->fd, a.handle, size);
	a.va = movgem_va_alloc(rig->fd, size);
	movgem_vm_map(rig->fd, rig->vm, a.handle, 0, a.va, size, 0);
	return a;
}

static void free_area(struct movgem_rig *rig, struct area *a)
{
	movgem_vm_unmap(rig->fd, rig->vm, a->va, a->size);
	munmap(a->map, a->size);
	gem_close(rig->fd, a->handle);
}

static void test_fill(int fd)
{
	static const struct { uint32_t at, size; } fills[] = {
		{ 0, 4 }, { 4, 4 }, { 4092, 4 }, { 4092, 8 }, { 4088, 8 }, { 0, 4096 },
		{ 4096, 4096 }, { 2048, 4096 }, { 4, 12284 }, { 0, SIZE }, { SIZE - 4, 4 },
		{ 100, 0 }, { 12, 20 }, { 8188, 4104 },
	};
	uint32_t *want = calloc(1, SIZE);
	struct movgem_rig rig;
	struct area a;
	unsigned int i, n;

	igt_assert(want);
	movgem_rig_init(&rig, fd);
	a = make_area(&rig, SIZE);
	for (i = 0; i < ARRAY_SIZE(fills); i++) {
		movgem_fill_pattern(want, SIZE, i);
		memcpy(a.map, want, SIZE);
		for (n = 0; n < fills[i].size / 4; n++)
			want[fills[i].at / 4 + n] = 0xf111f111 + i;
		movgem_cmd_fill(&rig.s, a.va + fills[i].at, fills[i].size, 0xf111f111 + i);
		movgem_stream_run(&rig.s, rig.queue);
		igt_assert_f(!memcmp(a.map, want, SIZE), "fill %u bytes at %u\n",
			     fills[i].size, fills[i].at);
	}
	free_area(&rig, &a);
	movgem_rig_fini(&rig);
	free(want);
}

static void check_bytes(const uint8_t *got, const uint8_t *want, uint64_t size,
			const char *what)
{
	uint64_t i;

	if (!memcmp(got, want, size))
		return;
	for (i = 0; got[i] == want[i]; i++)
		;
	igt_assert_f(0, "%s: byte %#llx is %#x, not %#x\n", what, (long long)i,
		     got[i], want[i]);
}

static void test_copy_alignments(int fd)
{
	static const uint16_t sizes[] = { 0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 64,
					  127, 500 };
	uint8_t *want = malloc(SZ_64K);
	struct movgem_rig rig;
	struct area src, dst;
	unsigned int s, d, i, at;

	igt_assert(want);
	movgem_rig_init(&rig, fd);
	src = make_area(&rig, SIZE);
	dst = make_area(&rig, SZ_64K);
	movgem_fill_pattern(src.map, SIZE, 1);
	for (s = 0; s < 16; s++) {
		memset(dst.map, 0x5a, SZ_64K);
		memset(want, 0x5a, SZ_64K);
		/* Source and destination meet their page borders in between. */
		for (d = 0, at = 4096 - 200; d < 16; d++) {
			for (i = 0; i < ARRAY_SIZE(sizes); i++) {
				uint32_t from = 4096 - 250 + 16 * i + s;
				uint32_t to = ALIGN(at, 16) + d;

				movgem_cmd_copy(&rig.s, dst.va + to, src.va + from, sizes[i]);
				memcpy(want + to, src.map + from, sizes[i]);
				at = to + sizes[i] + 16;
			}
		}
		movgem_stream_run(&rig.s, rig.queue);
		check_bytes(dst.map, want, SZ_64K, "copy");
	}
	/* Long ones, with every pair of alignments modulo 8. */
	for (s = 0; s < 8; s++) {
		for (d = 0; d < 8; d++) {
			memset(dst.map, 0x5a, SZ_64K);
			memset(want, 0x5a, SZ_64K);
			movgem_cmd_copy(&rig.s, dst.va + 4000 + d, src.va + 40 + s, 3 * 4096 + 17);
			memcpy(want + 4000 + d, src.map + 40 + s, 3 * 4096 + 17);
			movgem_stream_run(&rig.s, rig.queue);
			check_bytes(dst.map, want, SZ_64K, "long copy");
		}
	}
	free_area(&rig, &src);
	free_area(&rig, &dst);
	movgem_rig_fini(&rig);
	free(want);
}

static void test_copy_overlap(int fd)
{
	static const int deltas[] = { 1, 3, 4, 7, 8, 16, 100, 4095, 4096, 4097, 5000, 8192, 0 };
	uint64_t va = movgem_va_alloc(fd, SIZE);
	uint8_t *want = malloc(SIZE), *flat;
	struct movgem_rig rig;
	uint32_t handle = movgem_bo_create(fd, SIZE, 0);
	unsigned int i, sign;

	igt_assert(want);
	movgem_rig_init(&rig, fd);
	/* The buffer's pages backwards, so that linear is not physical. */
	for (i = 0; i < PAGES; i++)
		movgem_vm_map(fd, rig.vm, handle, (PAGES - 1 - i) * MOVGEM_PAGE,
			      va + i * MOVGEM_PAGE, MOVGEM_PAGE, 0);
	flat = movgem_bo_mmap(fd, handle, SIZE);
	for (i = 0; i < ARRAY_SIZE(deltas); i++) {
		for (sign = 0; sign < 2; sign++) {
			uint32_t lo = 50, hi = lo + deltas[i], size = 3 * 4096 + 77, p;
			uint32_t from = sign ? hi : lo, to = sign ? lo : hi;

			movgem_fill_pattern(want, SIZE, i);
			for (p = 0; p < PAGES; p++)
				memcpy(flat + (PAGES - 1 - p) * MOVGEM_PAGE,
				       want + p * MOVGEM_PAGE, MOVGEM_PAGE);
			memmove(want + to, want + from, size);
			movgem_cmd_copy(&rig.s, va + to, va + from, size);
			movgem_stream_run(&rig.s, rig.queue);
			for (p = 0; p < PAGES; p++)
				check_bytes(flat + (PAGES - 1 - p) * MOVGEM_PAGE,
					    want + p * MOVGEM_PAGE, MOVGEM_PAGE, "overlap");
		}
	}
	munmap(flat, SIZE);
	movgem_rig_fini(&rig);
	gem_close(fd, handle);
	free(want);
}

static void test_copy_alias(int fd)
{
	uint8_t *want = malloc(SIZE);
	uint64_t va = movgem_va_alloc(fd, SIZE);
	struct movgem_rig rig;
	struct area a;

	igt_assert(want);
	movgem_rig_init(&rig, fd);
	a = make_area(&rig, SIZE);
	movgem_vm_map(fd, rig.vm, a.handle, 0, va, SIZE, 0);
	/* Less than a page at a time through the other address: still the bytes. */
	movgem_fill_pattern(a.map, SIZE, 5);
	memcpy(want, a.map, SIZE);
	memmove(want + 5000, want + 100, 2000);
	memmove(want + 9000, want + 5000, 3000);
	movgem_cmd_copy(&rig.s, va + 5000, a.va + 100, 2000);
	movgem_cmd_copy(&rig.s, a.va + 9000, va + 5000, 3000);
	movgem_stream_run(&rig.s, rig.queue);
	check_bytes(a.map, want, SIZE, "alias");
	free_area(&rig, &a);
	movgem_rig_fini(&rig);
	free(want);
}

static void test_sem_write_wait(int fd)
{
	struct movgem_rig rig;
	volatile uint64_t *sem;

	movgem_rig_init(&rig, fd);
	sem = (uint64_t *)rig.map;
	/* Conditions that hold at once. */
	sem[0] = 5;
	sem[1] = ~0ull;
	movgem_cmd_sem_wait(&rig.s, rig.va, 5, 0);
	movgem_cmd_sem_wait(&rig.s, rig.va, 5, DRM_MOVGEM_SEM_GE);
	movgem_cmd_sem_wait(&rig.s, rig.va, 0, DRM_MOVGEM_SEM_GE);
	/* Unsigned: all ones is the most there is. */
	movgem_cmd_sem_wait(&rig.s, rig.va + 8, 1ull << 63, DRM_MOVGEM_SEM_GE);
	movgem_cmd_sem_write(&rig.s, rig.va + 16, 0x123456789abcdef0ull);
	movgem_cmd_sem_wait(&rig.s, rig.va + 16, 0x123456789abcdef0ull, 0);
	movgem_cmd_sem_write(&rig.s, rig.va + 4088, 42);
	movgem_stream_run(&rig.s, rig.queue);
	igt_assert_eq_u64(sem[2], 0x123456789abcdef0ull);
	igt_assert_eq_u64(sem[511], 42);
	igt_assert_eq_u64(sem[510], 0);
	igt_assert_eq_u64(sem[3], 0);
	igt_assert_eq_u64(sem[0], 5);

	/* Conditions that come true while the job waits. */
	movgem_gate_loop(try) {
		uint32_t done;
		bool early;
		int ret;

		sem[0] = 7;
		sem[4] = 0;
		movgem_stream_reset(&rig.s);
		movgem_cmd_sem_wait(&rig.s, rig.va, 9, DRM_MOVGEM_SEM_GE);
		movgem_cmd_sem_write(&rig.s, rig.va + 32, 1);
		done = movgem_stream_submit_sync(&rig.s, rig.queue);
		usleep(1000);
		__atomic_store_n(&sem[0], 8, __ATOMIC_SEQ_CST);
		usleep(1000);
		early = sem[4];
		/* Past the value, which equal would miss. */
		__atomic_store_n(&sem[0], 10, __ATOMIC_SEQ_CST);
		ret = movgem_syncobj_result(fd, done);
		syncobj_destroy(fd, done);
		igt_assert_f(!early, "went on with 8 when 9 was asked for\n");
		if (ret == -ETIMEDOUT)
			continue;
		igt_assert_eq(ret, 0);
		igt_assert_eq_u64(sem[4], 1);
		break;
	}
	movgem_rig_fini(&rig);
}

static void test_sem_ping_pong(int fd)
{
	enum { rounds = 100 };
	struct movgem_rig a, b;
	uint64_t va[2] = { movgem_va_alloc(fd, MOVGEM_PAGE), movgem_va_alloc(fd, MOVGEM_PAGE) };
	uint32_t handle = movgem_bo_create(fd, MOVGEM_PAGE, 0);
	volatile uint64_t *map = movgem_bo_mmap(fd, handle, MOVGEM_PAGE);
	int order, i;

	movgem_rig_init(&a, fd);
	movgem_rig_init(&b, fd);
	movgem_vm_map(fd, a.vm, handle, 0, va[0], MOVGEM_PAGE, 0);
	movgem_vm_map(fd, b.vm, handle, 0, va[1], MOVGEM_PAGE, 0);
	for (order = 0; order < 2; order++) {
		uint32_t done[2];

		map[0] = 0;
		map[1] = 0;
		movgem_stream_reset(&a.s);
		movgem_stream_reset(&b.s);
		for (i = 0; i < rounds; i++) {
			movgem_cmd_sem_write(&a.s, va[0], 2 * i + 1);
			movgem_cmd_sem_wait(&a.s, va[0], 2 * i + 2, 0);
			movgem_cmd_sem_wait(&b.s, va[1], 2 * i + 1, 0);
			movgem_cmd_sem_write(&b.s, va[1] + 8, i + 1);
			movgem_cmd_sem_write(&b.s, va[1], 2 * i + 2);
		}
		done[order] = movgem_stream_submit_sync(order ? &b.s : &a.s,
							order ? b.queue : a.queue);
		done[!order] = movgem_stream_submit_sync(order ? &a.s : &b.s,
							 order ? a.queue : b.queue);
		igt_assert_eq(movgem_syncobj_result(fd, done[0]), 0);
		igt_assert_eq(movgem_syncobj_result(fd, done[1]), 0);
		syncobj_destroy(fd, done[0]);
		syncobj_destroy(fd, done[1]);
		igt_assert_eq_u64(map[0], 2 * rounds);
		igt_assert_eq_u64(map[1], rounds);
	}
	munmap((void *)map, MOVGEM_PAGE);
	movgem_rig_fini(&a);
	movgem_rig_fini(&b);
	gem_close(fd, handle);
}

static void test_sem_more_than_cores(int fd)
{
	struct drm_movgem_gpu_info gpu;
	struct movgem_stream s[40], last;
	uint32_t queues[40], done[40], queue, i, count;
	struct movgem_rig rig;

	movgem_gpu_info(fd, &gpu);
	count = min(gpu.cores * 2 + 3, 40u);
	movgem_rig_init(&rig, fd);
	memset(rig.map, 0, MOVGEM_PAGE);
	for (i = 0; i < count; i++) {
		queues[i] = movgem_queue_create(fd, rig.vm);
		movgem_stream_init(&s[i], fd, rig.vm, MOVGEM_PAGE);
		movgem_cmd_sem_wait(&s[i], rig.va, i + 1, DRM_MOVGEM_SEM_GE);
		movgem_cmd_sem_write(&s[i], rig.va + 64 + i * 8, i + 1);
		done[i] = movgem_stream_submit_sync(&s[i], queues[i]);
	}
	/* The one that lets them all go comes last of all. */
	queue = movgem_queue_create(fd, rig.vm);
	movgem_stream_init(&last, fd, rig.vm, MOVGEM_PAGE);
	movgem_cmd_sem_write(&last, rig.va, count);
	movgem_stream_submit(&last, queue, NULL, 0);
	for (i = 0; i < count; i++) {
		igt_assert_eq(movgem_syncobj_result(fd, done[i]), 0);
		igt_assert_eq_u64(((volatile uint64_t *)rig.map)[8 + i], i + 1);
		syncobj_destroy(fd, done[i]);
		movgem_queue_destroy(fd, queues[i]);
		movgem_stream_fini(&s[i]);
	}
	movgem_queue_destroy(fd, queue);
	movgem_stream_fini(&last);
	movgem_rig_fini(&rig);
}

static void test_timestamps(int fd)
{
	struct movgem_rig rig;
	volatile uint64_t *stamps;
	uint64_t last = 0, first = 0;
	int i, job;

	movgem_rig_init(&rig, fd);
	stamps = (uint64_t *)rig.map;
	for (job = 0; job < 4; job++) {
		memset(rig.map, 0xff, MOVGEM_PAGE);
		for (i = 0; i < 500; i++)
			movgem_cmd_timestamp(&rig.s, rig.va + i * 8);
		movgem_stream_run(&rig.s, rig.queue);
		for (i = 0; i < 500; i++) {
			igt_assert_lte_u64(last, stamps[i]);
			igt_assert_neq_u64(stamps[i], ~0ull);
			last = stamps[i];
		}
		igt_assert_eq_u64(stamps[500], ~0ull);
		if (!job)
			first = stamps[0];
	}
	/* Two thousand commands do take time. */
	igt_assert_lt_u64(first, last);
	movgem_rig_fini(&rig);
}

static void test_in_order(int fd)
{
	enum { jobs = 60 };
	struct movgem_stream s[jobs];
	struct movgem_rig rig;
	uint32_t done = 0;
	int i;

	movgem_rig_init(&rig, fd);
	memset(rig.map, 0, MOVGEM_PAGE);
	for (i = 0; i < jobs; i++) {
		movgem_stream_init(&s[i], fd, rig.vm, MOVGEM_PAGE);
		/* Each hands on what the one before has left, and adds a word. */
		movgem_cmd_copy(&s[i], rig.va + (i + 1) * 8, rig.va + i * 8, 4);
		movgem_cmd_fill(&s[i], rig.va + i * 8 + 4, 4, i);
	}
	rig.map[0] = 0xabcd;
	for (i = 0; i < jobs - 1; i++)
		movgem_stream_submit(&s[i], rig.queue, NULL, 0);
	done = movgem_stream_submit_sync(&s[i], rig.queue);
	igt_assert_eq(movgem_syncobj_result(fd, done), 0);
	syncobj_destroy(fd, done);
	for (i = 0; i < jobs; i++) {
		igt_assert_eq_u32(rig.map[i * 2], 0xabcd);
		igt_assert_eq_u32(rig.map[i * 2 + 1], i);
		movgem_stream_fini(&s[i]);
	}
	igt_assert_eq_u32(rig.map[jobs * 2], 0xabcd);
	movgem_rig_fini(&rig);
}

static void test_fences(int fd)
{
	struct movgem_rig a, b;

	movgem_rig_init(&a, fd);
	movgem_rig_init(&b, fd);
	movgem_gate_loop(try) {
		uint32_t first = syncobj_create(fd, 0), second = syncobj_create(fd, 0);
		struct drm_movgem_sync syncs[2];
		struct movgem_gate gate;
		uint32_t early;
		bool busy, held;

		a.map[8] = 0;
		b.map[8] = 0;
		movgem_stream_reset(&a.s);
		movgem_stream_reset(&b.s);
		movgem_cmd_fill(&a.s, a.va + 32, 4, 1);
		movgem_cmd_fill(&b.s, b.va + 32, 4, 2);
		movgem_gate_shut(&gate, fd);
		syncs[0] = movgem_sync_wait(gate.syncobj, 0);
		syncs[1] = movgem_sync_signal(first, 0);
		movgem_stream_submit(&a.s, a.queue, syncs, 2);
		/* Waits for a by its fence, and has nothing else to do with it. */
		syncs[0] = movgem_sync_wait(first, 0);
		syncs[1] = movgem_sync_signal(second, 0);
		movgem_stream_submit(&b.s, b.queue, syncs, 2);
		usleep(5000);
		early = READ_ONCE(a.map[8]) + READ_ONCE(b.map[8]);
		busy = movgem_syncobj_busy(fd, first) && movgem_syncobj_busy(fd, second);
		held = movgem_gate_open(&gate);
		igt_assert_eq(movgem_syncobj_result(fd, second), 0);
		igt_assert(!movgem_syncobj_busy(fd, first));
		igt_assert_eq_u32(a.map[8], 1);
		igt_assert_eq_u32(b.map[8], 2);
		syncobj_destroy(fd, first);
		syncobj_destroy(fd, second);
		if (!held)
			continue;
		igt_assert_eq_u32(early, 0);
		igt_assert(busy);
		break;
	}
	movgem_rig_fini(&a);
	movgem_rig_fini(&b);
}

static void test_timeline(int fd)
{
	enum { queues = 4, links = 10 };
	struct movgem_stream s[queues][links];
	uint32_t timeline = syncobj_create(fd, 0), queue[queues];
	uint64_t point = 0, last;
	struct movgem_rig rig;
	int i, q;

	movgem_rig_init(&rig, fd);
	memset(rig.map, 0, MOVGEM_PAGE);
	rig.map[0] = 0x1234;
	for (q = 0; q < queues; q++)
		queue[q] = movgem_queue_create(fd, rig.vm);
	for (i = 0; i < links; i++) {
		for (q = 0; q < queues; q++, point++) {
			struct drm_movgem_sync syncs[2];
			int first = !point;

			movgem_stream_init(&s[q][i], fd, rig.vm, MOVGEM_PAGE);
			movgem_cmd_copy(&s[q][i], rig.va + (point + 1) * 4, rig.va + point * 4, 4);
			syncs[0] = movgem_sync_wait(timeline, point);
			syncs[1] = movgem_sync_signal(timeline, point + 1);
			movgem_stream_submit(&s[q][i], queue[q], syncs + first, 2 - first);
		}
	}
	/* A point in the middle is reached with all before it. */
	igt_assert_eq(movgem_timeline_result(fd, timeline, point / 2), 0);
	for (i = 0; i <= point / 2; i++)
		igt_assert_eq_u32(READ_ONCE(rig.map[i]), 0x1234);
	igt_assert_eq(movgem_timeline_result(fd, timeline, point), 0);
	for (i = 0; i <= point; i++)
		igt_assert_eq_u32(rig.map[i], 0x1234);
	syncobj_timeline_query(fd, &timeline, &last, 1);
	igt_assert_eq_u64(last, point);
	syncobj_destroy(fd, timeline);
	for (q = 0; q < queues; q++) {
		movgem_queue_destroy(fd, queue[q]);
		for (i = 0; i < links; i++)
			movgem_stream_fini(&s[q][i]);
	}
	movgem_rig_fini(&rig);
}

static void test_many_syncs(int fd)
{
	enum { count = DRM_MOVGEM_SYNCS_MAX };
	struct drm_movgem_sync syncs[count + 1];
	uint32_t first[count], second[count];
	struct movgem_rig rig;
	int i;

	movgem_rig_init(&rig, fd);
	movgem_cmd_fill(&rig.s, rig.va, 4, 77);
	for (i = 0; i < count; i++) {
		first[i] = syncobj_create(fd, 0);
		second[i] = syncobj_create(fd, 0);
		syncs[i] = movgem_sync_signal(first[i], i & 1 ? i : 0);
	}
	syncs[count] = syncs[0];
	igt_assert_eq(__movgem_stream_submit(&rig.s, rig.queue, syncs, count + 1), -EINVAL);
	movgem_stream_submit(&rig.s, rig.queue, syncs, count);
	for (i = 0; i < count / 2; i++) {
		syncs[i] = movgem_sync_wait(first[i], i & 1 ? i : 0);
		syncs[count / 2 + i] = movgem_sync_signal(second[i], 0);
	}
	movgem_stream_submit(&rig.s, rig.queue, syncs, count);
	for (i = 0; i < count / 2; i++)
		igt_assert_eq(movgem_syncobj_result(fd, second[i]), 0);
	for (i = 0; i < count; i++) {
		if (i & 1)
			igt_assert_eq(movgem_timeline_result(fd, first[i], i), 0);
		else
			igt_assert_eq(movgem_syncobj_result(fd, first[i]), 0);
		syncobj_destroy(fd, first[i]);
		syncobj_destroy(fd, second[i]);
	}
	igt_assert_eq_u32(rig.map[0], 77);
	movgem_rig_fini(&rig);
}

static void test_max_stream(int fd)
{
	struct drm_movgem_gpu_info gpu;
	struct movgem_stream s;
	struct movgem_rig rig;

	movgem_gpu_info(fd, &gpu);
	movgem_rig_init(&rig, fd);
	movgem_stream_init(&s, fd, rig.vm, gpu.max_stream_size + MOVGEM_PAGE);
	while (s.pos < gpu.max_stream_size - sizeof(struct drm_movgem_cmd_fill))
		movgem_cmd_nop(&s);
	movgem_cmd_fill(&s, rig.va, 4, 0x1a57);
	igt_assert_eq_u64(s.pos, gpu.max_stream_size);
	igt_assert_eq(__movgem_stream_run(&s, rig.queue), 0);
	igt_assert_eq_u32(rig.map[0], 0x1a57);
	movgem_cmd_nop(&s);
	igt_assert_eq(__movgem_stream_submit(&s, rig.queue, NULL, 0), -EINVAL);
	movgem_stream_fini(&s);
	movgem_rig_fini(&rig);
}

static void test_stream_in_middle(int fd)
{
	struct movgem_rig rig;
	uint64_t va = movgem_va_alloc(fd, SIZE), at;
	uint32_t handle = movgem_bo_create(fd, SIZE, 0), done;
	struct drm_movgem_sync sync;
	uint8_t *map;
	int i, n;

	movgem_rig_init(&rig, fd);
	for (i = 0; i < PAGES; i++)
		movgem_vm_map(fd, rig.vm, handle, (i * 3 + 1) % PAGES * MOVGEM_PAGE,
			      va + i * MOVGEM_PAGE, MOVGEM_PAGE, 0);
	map = movgem_bo_mmap(fd, handle, SIZE);

	/* Written through the GPU's eyes: commands lie across the borders. */
	for (at = 4096 - 8, n = 0; n < 500; n++, at += 32) {
		struct drm_movgem_cmd_fill cmd = {
			.hdr = { DRM_MOVGEM_CMD_FILL, sizeof(cmd), 0 },
			.dst = rig.va + n * 4,
			.size = 4,
			.value = n + 1,
		};
		uint64_t b;

		igt_assert_eq(sizeof(cmd), 32);
		for (b = 0; b < sizeof(cmd); b++) {
			uint64_t off = at + b;

			map[(off / 4096 * 3 + 1) % PAGES * 4096 + off % 4096] =
				((uint8_t *)&cmd)[b];
		}
	}
	done = syncobj_create(fd, 0);
	sync = movgem_sync_signal(done, 0);
	igt_assert_eq(__movgem_submit(fd, rig.queue, va + 4096 - 8, 500 * 32, &sync, 1), 0);
	igt_assert_eq(movgem_syncobj_result(fd, done), 0);
	for (n = 0; n < 500; n++)
		igt_assert_eq_u32(rig.map[n], n + 1);
	syncobj_destroy(fd, done);
	munmap(map, SIZE);
	movgem_rig_fini(&rig);
	gem_close(fd, handle);
}

static void test_self_modifying(int fd)
{
	struct movgem_rig rig;
	uint64_t value_at;

	movgem_rig_init(&rig, fd);
	/* The second fill's value is written by the first. */
	value_at = rig.s.va + sizeof(struct drm_movgem_cmd_fill) +
		   offsetof(struct drm_movgem_cmd_fill, value);
	movgem_cmd_fill(&rig.s, value_at, 4, 0x600d);
	movgem_cmd_fill(&rig.s, rig.va, 4, 0xbad);
	movgem_stream_run(&rig.s, rig.queue);
	igt_assert_eq_u32(rig.map[0], 0x600d);
	movgem_rig_fini(&rig);
}

static void test_many_queues(int fd)
{
	enum { queues = 64, jobs = 8 };
	struct movgem_stream s[queues];
	uint32_t queue[queues], done[queues];
	struct movgem_rig rig;
	int q, j;

	movgem_rig_init(&rig, fd);
	memset(rig.map, 0, MOVGEM_PAGE);
	for (q = 0; q < queues; q++) {
		queue[q] = movgem_queue_create(fd, rig.vm);
		movgem_stream_init(&s[q], fd, rig.vm, MOVGEM_PAGE);
		/* Every job moves the words of its row on by one. */
		movgem_cmd_copy(&s[q], rig.va + q * 64 + 4, rig.va + q * 64, 40);
		movgem_cmd_fill(&s[q], rig.va + q * 64, 4, q + 1);
	}
	for (j = 0; j < jobs; j++)
		for (q = 0; q < queues; q++) {
			if (j < jobs - 1)
				movgem_stream_submit(&s[q], queue[q], NULL, 0);
			else
				done[q] = movgem_stream_submit_sync(&s[q], queue[q]);
		}
	for (q = 0; q < queues; q++) {
		igt_assert_eq(movgem_syncobj_result(fd, done[q]), 0);
		for (j = 0; j < 11; j++)
			igt_assert_eq_u32(rig.map[q * 16 + j], j < jobs ? q + 1 : 0);
		syncobj_destroy(fd, done[q]);
		movgem_queue_destroy(fd, queue[q]);
		movgem_stream_fini(&s[q]);
	}
	movgem_rig_fini(&rig);
}

static void test_priorities(int fd)
{
	uint32_t low = 0, normal, done[20];
	struct movgem_rig rig;
	int i;

	movgem_rig_init(&rig, fd);
	normal = rig.queue;
	igt_assert_eq(__movgem_queue_create(fd, rig.vm, DRM_MOVGEM_QUEUE_PRIORITY_LOW, &low), 0);
	movgem_cmd_nop(&rig.s);
	for (i = 0; i < ARRAY_SIZE(done); i++)
		done[i] = movgem_stream_submit_sync(&rig.s, i & 1 ? low : normal);
	for (i = 0; i < ARRAY_SIZE(done); i++) {
		igt_assert_eq(movgem_syncobj_result(fd, done[i]), 0);
		syncobj_destroy(fd, done[i]);
	}
	movgem_queue_destroy(fd, low);
	movgem_rig_fini(&rig);
}

static void test_bo_wait(int fd)
{
	struct movgem_rig rig;
	struct area a;
	uint32_t idle = movgem_bo_create(fd, SIZE, 0), own;

	movgem_rig_init(&rig, fd);
	a = make_area(&rig, SIZE);
	own = movgem_bo_create_exclusive(fd, SIZE, rig.vm);
	movgem_vm_map(fd, rig.vm, own, 0, movgem_va_alloc(fd, SIZE), SIZE, 0);
	igt_assert_eq(__movgem_bo_wait(fd, a.handle, 0), 0);
	movgem_gate_loop(try) {
		int busy, busy_own, free_one, later;
		struct movgem_gate gate;

		movgem_gate_shut_in(&gate, fd, rig.vm, rig.queue);
		busy = __movgem_bo_wait(fd, a.handle, 0);
		busy_own = __movgem_bo_wait(fd, own, -1);
		later = __movgem_bo_wait(fd, a.handle, movgem_deadline(1000000));
		free_one = __movgem_bo_wait(fd, idle, 0);
		if (!movgem_gate_open(&gate))
			continue;
		igt_assert_eq(busy, -ETIME);
		igt_assert_eq(busy_own, -ETIME);
		igt_assert_eq(later, -ETIME);
		igt_assert_eq(free_one, 0);
		break;
	}
	movgem_bo_wait(fd, a.handle);
	movgem_bo_wait(fd, own);
	igt_assert_eq(__movgem_bo_wait(fd, a.handle, 0), 0);
	igt_assert_eq(__movgem_bo_wait(fd, own, 0), 0);
	free_area(&rig, &a);
	movgem_rig_fini(&rig);
	gem_close(fd, idle);
	gem_close(fd, own);
}

static void test_queue_state(int fd)
{
	struct drm_movgem_queue_state state;
	struct movgem_rig rig;
	uint32_t other;
	int i;

	movgem_rig_init(&rig, fd);
	movgem_queue_state(fd, rig.queue, &state);
	igt_assert_eq_u64(state.submitted, 0);
	igt_assert_eq_u64(state.completed, 0);
	igt_assert_eq_u64(state.faulted, 0);
	igt_assert_eq_u32(state.fault.type, DRM_MOVGEM_FAULT_NONE);
	movgem_cmd_nop(&rig.s);
	for (i = 1; i <= 5; i++) {
		igt_assert_eq(__movgem_stream_run(&rig.s, rig.queue), 0);
		movgem_queue_state(fd, rig.queue, &state);
		igt_assert_eq_u64(state.submitted, i);
		igt_assert_eq_u64(state.completed, i);
		igt_assert_eq_u64(state.faulted, 0);
	}
	/* Of this queue, not of the device. */
	other = movgem_queue_create(fd, rig.vm);
	movgem_queue_state(fd, other, &state);
	igt_assert_eq_u64(state.submitted, 0);
	movgem_queue_destroy(fd, other);
	igt_assert_eq(__movgem_queue_state(fd, other, &state), -ENOENT);
	igt_assert_eq(__movgem_queue_destroy(fd, other), -ENOENT);
	igt_assert_eq(__movgem_stream_submit(&rig.s, other, NULL, 0), -ENOENT);
	movgem_rig_fini(&rig);
}

static void test_parallel(int fd)
{
	igt_fork(child, 4) {
		int fd2 = movgem_reopen(fd), round;
		struct movgem_rig rig;
		struct area a, b;

		movgem_rig_init(&rig, fd2);
		a = make_area(&rig, SIZE);
		b = make_area(&rig, SIZE);
		for (round = 0; round < 30; round++) {
			uint32_t seed = child * 100 + round;

			movgem_fill_pattern(a.map, SIZE, seed);
			movgem_cmd_copy(&rig.s, b.va, a.va, SIZE);
			movgem_cmd_fill(&rig.s, a.va, SIZE, seed);
			movgem_stream_run(&rig.s, rig.queue);
			movgem_check_pattern(b.map, SIZE, seed);
			movgem_check_value(a.map, SIZE, seed);
		}
		free_area(&rig, &a);
		free_area(&rig, &b);
		movgem_rig_fini(&rig);
		movgem_close(fd2);
	}
	igt_waitchildren();
}

int igt_main()
{
	static const struct movgem_subtest tests[] = {
		{ "fill", test_fill, "A fill writes its words and none beside them." },
		{ "copy-alignments", test_copy_alignments,
		  "A copy of any length between any alignments is what memmove() gives." },
		{ "copy-overlap", test_copy_overlap,
		  "An overlapping copy is what memmove() gives, across pages in any order." },
		{ "copy-alias", test_copy_alias,
		  "The same where source and destination overlap through different addresses." },
		{ "sem-write-wait", test_sem_write_wait,
		  "Semaphores are written and waited for, equal and greater." },
		{ "sem-ping-pong", test_sem_ping_pong,
		  "Two queues hand a semaphore to each other, whichever comes first." },
		{ "sem-more-than-cores", test_sem_more_than_cores,
		  "Waiting jobs do not keep others from the cores." },
		{ "timestamps", test_timestamps, "Timestamps never go back." },
		{ "in-order", test_in_order, "Jobs of a queue run one after the other." },
		{ "fences", test_fences,
		  "A job waits for its fence, and its own fence waits for it." },
		{ "timeline", test_timeline,
		  "Jobs of several queues are chained over points of one timeline." },
		{ "many-syncs", test_many_syncs, "As many fences as fit, in and out." },
		{ "max-stream", test_max_stream,
		  "The longest stream runs to its end, a longer one is refused." },
		{ "stream-in-middle", test_stream_in_middle,
		  "A stream starts anywhere in a mapping and crosses pages in any order." },
		{ "self-modifying", test_self_modifying,
		  "The GPU reads a command when it executes it." },
		{ "many-queues", test_many_queues,
		  "Many queues with many jobs each all come to their end." },
		{ "priorities", test_priorities, "Jobs of both priorities come to their end." },
		{ "bo-wait", test_bo_wait,
		  "A buffer is busy for as long as a job may use it." },
		{ "queue-state", test_queue_state, "A queue counts its jobs." },
		{ "parallel", test_parallel,
		  "Processes that submit at once do not disturb each other." },
	};
	int fd = -1;

	igt_fixture()
		fd = movgem_open();

	movgem_subtests(tests, ARRAY_SIZE(tests), fd);

	igt_fixture()
		movgem_close(fd);
}
