// SPDX-License-Identifier: MIT
/*
 * Copyright (C) 2026 movgem maintainers
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <linux/udmabuf.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "igt.h"
#include "igt_kmod.h"
#include "igt_syncobj.h"
#include "movgem_devices.h"
#include "movgem_migrate_trigger.h"
#include "movgem_rig.h"

/**
 * TEST: movgem share
 * Description: Buffers that another device uses while the kernel moves them.
 *              The other device is a second one of movgem, which as an importer
 *              is told of moves, or a driver of the kernel's.
 * Category: Core
 * Mega feature: General Core features
 * Sub-category: uapi
 * Functionality: prime
 * Feature: movgem
 * Test category: functionality test
 *
 * SUBTEST: moves
 * Description: The pages of a buffer move that another device has imported and
 *              bound; its jobs find them where they are.
 *
 * SUBTEST: unbound-moves
 * Description: So do those of an import that is not bound yet.
 *
 * SUBTEST: busy-stays
 * Description: While a job of the importer may use them the pages stay.
 *
 * SUBTEST: late-bind-stays
 * Description: That holds for a job that was submitted before the import was bound.
 *
 * SUBTEST: exporter-busy-moves
 * Description: Jobs of the buffer's own device hinder no move.
 *
 * SUBTEST: soft-offline
 * Description: The kernel gets a page of its choice.
 *
 * SUBTEST: two-importers
 * Description: All importers are told.
 *
 * SUBTEST: static-and-dynamic
 * Description: One static importer pins for all, until it goes.
 *
 * SUBTEST: importer-outlives
 * Description: The importer keeps the buffer when the exporter's files are closed.
 *
 * SUBTEST: purge
 * Description: What another device has mapped is not purged.
 *
 * SUBTEST: hammer
 * Description: CPU, exporter and importer write all the time while the pages
 *              move; no write is lost.
 *
 * SUBTEST: hammer-overlapping
 * Description: The importer always has a job; pages still move.
 *
 * SUBTEST: cpu-access
 * Description: DMA_BUF_IOCTL_SYNC waits for implicit fences, and can be interrupted.
 *
 * SUBTEST: from-udmabuf
 * Description: A buffer of udmabuf can be imported and used by jobs.
 *
 * SUBTEST: to-virtio-gpu
 * Description: virtio_gpu as the importer.
 *
 * SUBTEST: from-virtio-gpu
 * Description: virtio_gpu as the exporter.
 */

IGT_TEST_DESCRIPTION("Buffers of movgem that move while other devices use them.");

#define PAGES	32u
#define SIZE	(PAGES * MOVGEM_PAGE)

static int fd_a = -1, fd_b = -1;

/* A buffer of device A that device B has imported. */
struct shared {
	uint32_t handle, import;
	uint64_t id;
	uint32_t *map;
	int dmabuf;
	struct movgem_rig b;
	uint64_t va;		/* in B */
};

static void shared_init(struct shared *s, uint32_t seed)
{
	memset(s, 0, sizeof(*s));
	s->handle = movgem_bo_create(fd_a, SIZE, 0);
	s->id = movgem_bo_id(fd_a, s->handle);
	s->map = movgem_bo_mmap(fd_a, s->handle, SIZE);
	movgem_fill_pattern(s->map, SIZE, seed);
	s->dmabuf = prime_handle_to_fd_for_mmap(fd_a, s->handle);
	igt_assert_fd(s->dmabuf);
	s->import = prime_fd_to_handle(fd_b, s->dmabuf);
	movgem_rig_init(&s->b, fd_b);
	s->va = movgem_va_alloc(fd_b, SIZE);
}

static void shared_bind(struct shared *s)
{
	movgem_vm_map(fd_b, s->b.vm, s->import, 0, s->va, SIZE, 0);
}

static void shared_fini(struct shared *s)
{
	movgem_rig_fini(&s->b);
	gem_close(fd_b, s->import);
	munmap(s->map, SIZE);
	close(s->dmabuf);
	gem_close(fd_a, s->handle);
}

/* B reads one word of each page, and writes another that A's CPU sees. */
static void shared_check(struct shared *s, uint32_t seed, uint32_t stamp)
{
	unsigned int i;

	for (i = 0; i < PAGES; i++)
		movgem_rig_expect(&s->b, s->va + i * MOVGEM_PAGE + 40,
				  movgem_mix(seed, i * 1024 + 10));
	movgem_stream_reset(&s->b.s);
	for (i = 0; i < PAGES; i++)
		movgem_cmd_fill(&s->b.s, s->va + i * MOVGEM_PAGE + 80, 4, stamp + i);
	movgem_stream_run(&s->b.s, s->b.queue);
	for (i = 0; i < PAGES; i++) {
		igt_assert_eq_u32(s->map[i * 1024 + 20], stamp + i);
		s->map[i * 1024 + 20] = movgem_mix(seed, i * 1024 + 20);
	}
	movgem_check_pattern(s->map, SIZE, seed);
}

static uint32_t pins_of(int fd, uint32_t handle)
{
	struct drm_movgem_bo_info info;

	movgem_bo_info(fd, handle, &info);
	return info.pins;
}

static void require_moves(void)
{
	igt_require_f(movgem_can_move(fd_a), "pages cannot be moved here\n");
}

static void test_moves(bool bind)
{
	uint64_t told, mapped, pfns[PAGES], now[PAGES];
	struct shared s;
	unsigned int i;
	int round;

	require_moves();
	shared_init(&s, 1);
	igt_assert_eq_u32(pins_of(fd_a, s.handle), 0);
	if (bind)
		shared_bind(&s);
	for (round = 0; round < 4; round++) {
		if (bind)
			shared_check(&s, 1, round << 8);
		told = movgem_stat(fd_a, "share_notify");
		mapped = movgem_stat(fd_b, "import_map");
		igt_assert_eq(movgem_bo_pfns(fd_a, s.id, pfns, PAGES), PAGES);
		igt_assert_eq_u64(movgem_migrate_bo(fd_a, s.id), PAGES);
		igt_assert_eq(movgem_bo_pfns(fd_a, s.id, now, PAGES), PAGES);
		for (i = 0; i < PAGES; i++)
			igt_assert_neq_u64(pfns[i], now[i]);
		/* Once for all pages: nobody has mapped it in between. */
		if (bind || !round) {
			igt_assert_eq_u64(movgem_stat(fd_a, "share_notify"), told + 1);
			igt_assert_lt_u64(0, movgem_stat(fd_b, "import_notify"));
		}
		igt_assert_eq_u64(movgem_stat(fd_b, "import_map"), mapped);
		movgem_check_pattern(s.map, SIZE, 1);
	}
	if (!bind)
		shared_bind(&s);
	shared_check(&s, 1, round << 8);
	igt_assert_lt_u64(mapped, movgem_stat(fd_b, "import_map"));
	igt_assert_eq_u32(pins_of(fd_a, s.handle), 0);
	shared_fini(&s);
}

static void test_bound_moves(void)
{
	test_moves(true);
}

static void test_unbound_moves(void)
{
	test_moves(false);
}

/* With a job of B under way: bound before the job or after it. */
static void busy_stays(bool late)
{
	struct shared s;

	require_moves();
	shared_init(&s, 2);
	if (!late) {
		shared_bind(&s);
		shared_check(&s, 2, 0);
	}
	movgem_gate_loop(try) {
		uint64_t pfns[PAGES], now[PAGES], put_off;
		struct movgem_gate gate;
		uint32_t sync, seen;
		bool held, busy;
		int ret;

		/* Behind the gate a job that reads the last page. */
		movgem_gate_shut_in(&gate, fd_b, s.b.vm, s.b.queue);
		WRITE_ONCE(s.b.map[0], 0);
		movgem_stream_reset(&s.b.s);
		movgem_cmd_copy(&s.b.s, s.b.va, s.va + SIZE - 4, 4);
		sync = movgem_stream_submit_sync(&s.b.s, s.b.queue);
		if (late)
			shared_bind(&s);

		put_off = movgem_stat(fd_a, "migrate_eagain_shared");
		igt_assert_eq(movgem_bo_pfns(fd_a, s.id, pfns, PAGES), PAGES);
		ret = __movgem_migrate_bo(fd_a, s.id);
		igt_assert_eq(movgem_bo_pfns(fd_a, s.id, now, PAGES), PAGES);
		put_off = movgem_stat(fd_a, "migrate_eagain_shared") - put_off;
		busy = movgem_syncobj_busy(fd_b, sync);
		held = movgem_gate_open(&gate);
		igt_assert_eq(movgem_syncobj_result(fd_b, sync), 0);
		seen = s.b.map[0];
		syncobj_destroy(fd_b, sync);
		if (!held || !busy) {
			if (late)
				movgem_vm_unmap(fd_b, s.b.vm, s.va, SIZE);
			continue;
		}
		igt_assert_eq(ret, -EBUSY);
		igt_assert(!memcmp(pfns, now, sizeof(pfns)));
		igt_assert_lte_u64(PAGES, put_off);
		igt_assert_eq_u32(seen, movgem_mix(2, SIZE / 4 - 1));
		break;
	}
	/* Once it is over they move. */
	igt_assert_eq_u64(movgem_migrate_bo(fd_a, s.id), PAGES);
	shared_check(&s, 2, 0x100);
	shared_fini(&s);
}

static void test_busy_stays(void)
{
	busy_stays(false);
}

static void test_late_bind_stays(void)
{
	busy_stays(true);
}

static void test_exporter_busy_moves(void)
{
	struct movgem_rig a;
	struct shared s;
	uint64_t va;

	require_moves();
	shared_init(&s, 3);
	shared_bind(&s);
	movgem_rig_init(&a, fd_a);
	va = movgem_va_alloc(fd_a, SIZE);
	movgem_vm_map(fd_a, a.vm, s.handle, 0, va, SIZE, 0);
	movgem_gate_loop(try) {
		struct movgem_gate gate;
		uint64_t moved;
		bool held;

		shared_check(&s, 3, try << 8);
		movgem_gate_shut_in(&gate, fd_a, a.vm, a.queue);
		moved = movgem_migrate_bo(fd_a, s.id);
		held = movgem_gate_open(&gate);
		if (!held)
			continue;
		igt_assert_eq_u64(moved, PAGES);
		break;
	}
	movgem_rig_expect(&a, va + 40, movgem_mix(3, 10));
	shared_check(&s, 3, 0x1000);
	movgem_rig_fini(&a);
	shared_fini(&s);
}

static void test_soft_offline(void)
{
	uint64_t pfns[PAGES], now[PAGES];
	unsigned int i, taken = 0;
	struct shared s;

	require_moves();
	shared_init(&s, 4);
	shared_bind(&s);
	for (i = 0; i < 4; i++) {
		shared_check(&s, 4, i << 8);
		igt_assert_eq(movgem_bo_pfns(fd_a, s.id, pfns, PAGES), PAGES);
		if (!soft_offline(pfns[i * 7]))
			continue;
		taken++;
		igt_assert_eq(movgem_bo_pfns(fd_a, s.id, now, PAGES), PAGES);
		igt_assert_neq_u64(pfns[i * 7], now[i * 7]);
	}
	igt_assert_lt_u32(0, taken);
	shared_check(&s, 4, 0x1000);
	shared_fini(&s);
}

static void test_two_importers(void)
{
	struct movgem_rig c;
	struct shared s;
	uint32_t third;
	uint64_t va;
	int fd_c, i;

	require_moves();
	movgem_devices_require(3);
	fd_c = movgem_device_open(2);
	igt_assert_fd(fd_c);
	shared_init(&s, 5);
	shared_bind(&s);
	third = prime_fd_to_handle(fd_c, s.dmabuf);
	movgem_rig_init(&c, fd_c);
	va = movgem_va_alloc(fd_c, SIZE);
	movgem_vm_map(fd_c, c.vm, third, 0, va, SIZE, 0);
	for (i = 0; i < 4; i++) {
		shared_check(&s, 5, i << 8);
		movgem_rig_expect(&c, va + 40, movgem_mix(5, 10));
		igt_assert_eq_u64(movgem_migrate_bo(fd_a, s.id), PAGES);
		/* In either order. */
		if (i & 1)
			movgem_rig_expect(&c, va + SIZE - 4, movgem_mix(5, SIZE / 4 - 1));
	}
	shared_check(&s, 5, 0x1000);
	movgem_rig_fini(&c);
	gem_close(fd_c, third);
	movgem_close(fd_c);
	shared_fini(&s);
}

/* ---- drivers of the kernel's ---- */

static int open_other(const char *module, const char *driver)
{
	int fd;

	if (!igt_kmod_is_loaded(module))
		igt_kmod_load(module, NULL);
	fd = movgem_open_other(driver);
	igt_require_f(fd >= 0, "no device of %s here\n", driver);
	return fd;
}

static void test_static_and_dynamic(void)
{
	uint64_t pfns[PAGES], now[PAGES];
	struct shared s;
	int importer;

	require_moves();
	importer = movgem_importer_open();
	shared_init(&s, 6);
	shared_bind(&s);
	movgem_importer(importer, "attach %d static", s.dmabuf);
	movgem_importer(importer, "map");
	igt_assert_eq_u32(pins_of(fd_a, s.handle), 1);
	shared_check(&s, 6, 0);
	igt_assert_eq(movgem_bo_pfns(fd_a, s.id, pfns, PAGES), PAGES);
	igt_assert_eq(__movgem_migrate_bo(fd_a, s.id), -EBUSY);
	igt_assert_eq(movgem_bo_pfns(fd_a, s.id, now, PAGES), PAGES);
	igt_assert(!memcmp(pfns, now, sizeof(pfns)));
	movgem_importer(importer, "detach");
	igt_assert_eq_u32(pins_of(fd_a, s.handle), 0);
	igt_assert_eq_u64(movgem_migrate_bo(fd_a, s.id), PAGES);
	shared_check(&s, 6, 0x100);
	shared_fini(&s);
	close(importer);
}

static void test_importer_outlives(void)
{
	uint64_t before_a = movgem_bo_count(fd_a), before_b = movgem_bo_count(fd_b), moved;
	int fd = movgem_reopen(fd_a), saved = fd_a;
	struct movgem_gem gem;
	struct shared s;

	require_moves();
	fd_a = fd;
	shared_init(&s, 7);
	fd_a = saved;
	shared_bind(&s);
	/* Nothing of the exporter's user is left. */
	munmap(s.map, SIZE);
	gem_close(fd, s.handle);
	movgem_close(fd);
	movgem_rig_expect(&s.b, s.va + 40, movgem_mix(7, 10));
	moved = movgem_migrate_bo(fd_a, s.id);
	igt_assert_eq_u64(moved, PAGES);
	movgem_rig_expect(&s.b, s.va + 40, movgem_mix(7, 10));
	igt_assert(movgem_gem_row(fd_a, s.id, &gem));
	close(s.dmabuf);
	movgem_rig_expect(&s.b, s.va + SIZE - 4, movgem_mix(7, SIZE / 4 - 1));
	gem_close(fd_b, s.import);
	movgem_rig_expect(&s.b, s.va + SIZE - 4, movgem_mix(7, SIZE / 4 - 1));
	movgem_rig_fini(&s.b);
	movgem_wait_for_bos(fd_b, before_b);
	movgem_wait_for_bos(fd_a, before_a);
}

static void test_purge(void)
{
	uint32_t handle = movgem_bo_create(fd_a, SIZE, 0), import;
	uint32_t *map = movgem_bo_mmap(fd_a, handle, SIZE);
	uint64_t purged = movgem_stat(fd_a, "pages_purged"), va;
	struct movgem_rig b;
	int dmabuf;

	movgem_fill_pattern(map, SIZE, 8);
	munmap(map, SIZE);
	/* Not needed first, then exported; and then the handle goes. */
	igt_assert(movgem_bo_madvise(fd_a, handle, DRM_MOVGEM_MADV_DONTNEED));
	dmabuf = prime_handle_to_fd(fd_a, handle);
	import = prime_fd_to_handle(fd_b, dmabuf);
	gem_close(fd_a, handle);
	close(dmabuf);
	movgem_rig_init(&b, fd_b);
	va = movgem_va_alloc(fd_b, SIZE);
	movgem_vm_map(fd_b, b.vm, import, 0, va, SIZE, 0);
	movgem_drop_slab();
	movgem_rig_expect(&b, va + 40, movgem_mix(8, 10));
	movgem_drop_slab();
	movgem_rig_expect(&b, va + SIZE - 4, movgem_mix(8, SIZE / 4 - 1));
	igt_assert_eq_u64(movgem_stat(fd_a, "pages_purged"), purged);
	movgem_rig_fini(&b);
	gem_close(fd_b, import);
}

/* ---- all at once ---- */

/*
 * Each page has lanes with one owner each: the CPU counts in the first, a job
 * of A and one of B fill one each with the number of the round and copy what
 * was there before to another, and the rest keeps its pattern.
 */
#define LANE_BYTES	64u
#define LANE_CPU	0u
#define LANE_A		64u
#define LANE_A_OLD	128u
#define LANE_B		192u
#define LANE_B_OLD	256u
#define LANES_END	320u

struct hammer {
	struct shared s;
	struct movgem_rig a;
	uint64_t va_a;
	pthread_t cpu;
	volatile bool stop;
	uint32_t counts[PAGES];
	volatile uint32_t wrong;
};

static void *hammer_cpu(void *arg)
{
	struct hammer *h = arg;

	while (!h->stop) {
		unsigned int i;

		for (i = 0; i < PAGES; i++) {
			volatile uint32_t *word = h->s.map + i * 1024 + h->counts[i] % 16;
			uint32_t want = h->counts[i] / 16;

			if (*word != want)
				h->wrong++;
			*word = want + 1;
			h->counts[i]++;
		}
	}
	return NULL;
}

static void hammer_job(struct movgem_stream *s, uint64_t va, uint32_t lane, uint32_t old,
		       uint32_t value)
{
	unsigned int i;

	movgem_stream_reset(s);
	for (i = 0; i < PAGES; i++) {
		uint64_t page = va + i * MOVGEM_PAGE;

		movgem_cmd_copy(s, page + old, page + lane, LANE_BYTES);
		movgem_cmd_fill(s, page + lane, LANE_BYTES, value);
	}
}

static void hammer_check_lane(const struct hammer *h, uint32_t lane, uint32_t want)
{
	unsigned int i, j;

	for (i = 0; i < PAGES; i++)
		for (j = 0; j < LANE_BYTES / 4; j++) {
			uint32_t have = h->s.map[i * 1024 + lane / 4 + j];

			igt_assert_f(have == want, "page %u, byte %#x: %#x, not %#x\n",
				     i, lane + 4 * j, have, want);
		}
}

static void hammer_migrate(uint64_t id, unsigned int round)
{
	uint64_t pfns[PAGES];

	switch (round % 8) {
	case 3:
		compact_memory();
		break;
	case 7:
		if (movgem_bo_pfns(fd_a, id, pfns, PAGES) == PAGES)
			soft_offline(pfns[round / 8 % PAGES]);
		break;
	default:
		__movgem_migrate_bo(fd_a, id);
	}
}

static void hammer(bool overlapping)
{
	struct movgem_stream second;
	struct igt_helper_process mover = { .use_SIGKILL = true };
	uint32_t syncs[2] = { 0, 0 };
	uint64_t told, moved, i;
	struct drm_movgem_bo_info info;
	struct hammer h;
	unsigned int round, j;

	require_moves();
	memset(&h, 0, sizeof(h));
	shared_init(&h.s, 9);
	shared_bind(&h.s);
	for (i = 0; i < PAGES; i++)
		memset(h.s.map + i * 1024, 0, LANES_END);
	movgem_rig_init(&h.a, fd_a);
	h.va_a = movgem_va_alloc(fd_a, SIZE);
	movgem_vm_map(fd_a, h.a.vm, h.s.handle, 0, h.va_a, SIZE, 0);
	movgem_stream_init(&second, fd_b, h.s.b.vm, SZ_64K);
	told = movgem_stat(fd_a, "share_notify");
	igt_assert_eq(pthread_create(&h.cpu, NULL, hammer_cpu, &h), 0);

	igt_fork_helper(&mover) {
		for (round = 0; ; round++)
			hammer_migrate(h.s.id, round);
	}
	for (round = 1; ; round++) {
		struct movgem_stream *s = overlapping && (round & 1) ? &second : &h.s.b.s;

		hammer_job(&h.a.s, h.va_a, LANE_A, LANE_A_OLD, round);
		movgem_stream_submit(&h.a.s, h.a.queue, NULL, 0);
		hammer_job(s, h.s.va, LANE_B, LANE_B_OLD, round);
		j = round & 1;
		syncs[j] = movgem_stream_submit_sync(s, h.s.b.queue);
		if (overlapping)
			j ^= 1;
		if (syncs[j]) {
			igt_assert_eq(movgem_syncobj_result(fd_b, syncs[j]), 0);
			syncobj_destroy(fd_b, syncs[j]);
			syncs[j] = 0;
		}
		/* The newest job is still under way if they overlap. */
		movgem_bo_wait(fd_a, h.a.handle);
		if (!overlapping) {
			hammer_check_lane(&h, LANE_B, round);
			hammer_check_lane(&h, LANE_B_OLD, round - 1);
		}
		hammer_check_lane(&h, LANE_A, round);
		hammer_check_lane(&h, LANE_A_OLD, round - 1);
		igt_assert_eq_u32(h.wrong, 0);
		movgem_bo_info(fd_a, h.s.handle, &info);
		if (round >= 100 && info.moved >= 8 * PAGES)
			break;
	}
	igt_stop_helper(&mover);
	for (j = 0; j < 2; j++)
		if (syncs[j]) {
			igt_assert_eq(movgem_syncobj_result(fd_b, syncs[j]), 0);
			syncobj_destroy(fd_b, syncs[j]);
		}
	h.stop = true;
	pthread_join(h.cpu, NULL);
	igt_assert_eq_u32(h.wrong, 0);
	hammer_check_lane(&h, LANE_B, round);
	hammer_check_lane(&h, LANE_B_OLD, round - 1);
	for (i = 0; i < PAGES; i++) {
		for (j = 0; j < 16; j++)
			igt_assert_eq_u32(h.s.map[i * 1024 + j],
					  h.counts[i] / 16 + (j < h.counts[i] % 16));
		for (j = LANES_END / 4; j < 1024; j++)
			igt_assert_eq_u32(h.s.map[i * 1024 + j], movgem_mix(9, i * 1024 + j));
	}
	movgem_bo_info(fd_a, h.s.handle, &info);
	moved = info.moved;
	told = movgem_stat(fd_a, "share_notify") - told;
	igt_info("%u rounds, %llu pages moved, importers told %llu times\n", round,
		 (long long)moved, (long long)told);
	igt_assert_lt_u64(0, told);
	movgem_stream_fini(&second);
	movgem_rig_fini(&h.a);
	shared_fini(&h.s);
}

static void test_hammer(void)
{
	hammer(false);
}

static void test_hammer_overlapping(void)
{
	hammer(true);
}

/* ---- CPU access through the dma-buf ---- */

static volatile int alarms;

static void on_alarm(int sig)
{
	alarms++;
}

static void test_cpu_access(void)
{
	struct dma_buf_sync start = { .flags = DMA_BUF_SYNC_START | DMA_BUF_SYNC_READ };
	struct dma_buf_sync end = { .flags = DMA_BUF_SYNC_END | DMA_BUF_SYNC_READ };
	struct dma_buf_import_sync_file in = { .flags = DMA_BUF_SYNC_WRITE };
	struct sigaction act = { .sa_handler = on_alarm }, before;
	uint32_t handle = movgem_bo_create(fd_a, SIZE, 0);
	int dmabuf = prime_handle_to_fd_for_mmap(fd_a, handle);

	igt_assert_fd(dmabuf);
	/* No SA_RESTART: the call is to end with EINTR. */
	sigaction(SIGALRM, &act, &before);
	movgem_gate_loop(try) {
		struct movgem_gate gate;
		int ret, err;
		bool held;

		movgem_gate_shut(&gate, fd_a);
		in.fd = movgem_syncobj_file(fd_a, gate.syncobj);
		do_ioctl(dmabuf, DMA_BUF_IOCTL_IMPORT_SYNC_FILE, &in);
		close(in.fd);
		alarm(1);
		ret = ioctl(dmabuf, DMA_BUF_IOCTL_SYNC, &start);
		err = errno;
		alarm(0);
		held = movgem_gate_open(&gate);
		if (!held)
			continue;
		igt_assert_eq(ret, -1);
		igt_assert_eq(err, EINTR);
		igt_assert_lt(0, alarms);
		break;
	}
	sigaction(SIGALRM, &before, NULL);
	do_ioctl(dmabuf, DMA_BUF_IOCTL_SYNC, &start);
	do_ioctl(dmabuf, DMA_BUF_IOCTL_SYNC, &end);
	close(dmabuf);
	gem_close(fd_a, handle);
}

/* ---- other exporters and importers ---- */

static void use_import(int dmabuf, uint32_t *map, uint32_t seed)
{
	uint64_t before = movgem_bo_count(fd_b), va = movgem_va_alloc(fd_b, SIZE);
	struct drm_movgem_bo_info info;
	struct movgem_rig b;
	uint32_t handle;
	unsigned int i;

	movgem_fill_pattern(map, SIZE, seed);
	handle = prime_fd_to_handle(fd_b, dmabuf);
	movgem_bo_info(fd_b, handle, &info);
	igt_assert_eq_u32(info.imported, 1);
	igt_assert_eq_u64(info.size, SIZE);
	movgem_rig_init(&b, fd_b);
	movgem_vm_map(fd_b, b.vm, handle, 0, va, SIZE, 0);
	for (i = 0; i < PAGES; i++)
		movgem_rig_expect(&b, va + i * MOVGEM_PAGE + 40, movgem_mix(seed, i * 1024 + 10));
	movgem_stream_reset(&b.s);
	movgem_cmd_fill(&b.s, va + 100, SIZE - 200, 0x76543210);
	movgem_stream_run(&b.s, b.queue);
	movgem_check_value((uint8_t *)map + 100, SIZE - 200, 0x76543210);
	igt_assert_eq_u32(map[24], movgem_mix(seed, 24));
	igt_assert_eq_u32(map[SIZE / 4 - 25], movgem_mix(seed, SIZE / 4 - 25));
	movgem_rig_fini(&b);
	gem_close(fd_b, handle);
	movgem_wait_for_bos(fd_b, before);
}

static void test_from_udmabuf(void)
{
	struct udmabuf_create create = { .flags = UDMABUF_FLAGS_CLOEXEC, .size = SIZE };
	int dev = open("/dev/udmabuf", O_RDWR | O_CLOEXEC), dmabuf, memfd;
	uint32_t *map;

	if (dev < 0) {
		igt_kmod_load("udmabuf", NULL);
		dev = open("/dev/udmabuf", O_RDWR | O_CLOEXEC);
	}
	igt_require_f(dev >= 0, "no /dev/udmabuf: %s\n", strerror(errno));
	memfd = memfd_create("movgem", MFD_ALLOW_SEALING | MFD_CLOEXEC);
	igt_assert_fd(memfd);
	igt_assert_eq(ftruncate(memfd, SIZE), 0);
	igt_assert_eq(fcntl(memfd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
	create.memfd = memfd;
	dmabuf = ioctl(dev, UDMABUF_CREATE, &create);
	igt_assert_fd(dmabuf);
	map = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, memfd, 0);
	igt_assert(map != MAP_FAILED);
	use_import(dmabuf, map, 10);
	munmap(map, SIZE);
	close(dmabuf);
	close(memfd);
	close(dev);
}

static void test_to_virtio_gpu(void)
{
	int virtio = open_other("virtio_gpu", "virtio_gpu"), ret;
	uint64_t before = movgem_bo_count(fd_a);
	struct drm_prime_handle args = {};
	uint32_t handle, *map;
	uint64_t id;

	require_moves();
	handle = movgem_bo_create(fd_a, SIZE, 0);
	id = movgem_bo_id(fd_a, handle);
	map = movgem_bo_mmap(fd_a, handle, SIZE);
	movgem_fill_pattern(map, SIZE, 11);
	args.fd = prime_handle_to_fd(fd_a, handle);
	ret = movgem_ioctl(virtio, DRM_IOCTL_PRIME_FD_TO_HANDLE, &args);
	if (ret) {
		/* Nothing may be left of the attempt. */
		igt_assert_eq_u32(pins_of(fd_a, handle), 0);
		igt_assert_eq_u64(movgem_migrate_bo(fd_a, id), PAGES);
	} else {
		movgem_migrate_bo(fd_a, id);
		movgem_check_pattern(map, SIZE, 11);
		gem_close(virtio, args.handle);
		igt_assert_eq_u32(pins_of(fd_a, handle), 0);
		igt_assert_eq_u64(movgem_migrate_bo(fd_a, id), PAGES);
	}
	movgem_check_pattern(map, SIZE, 11);
	munmap(map, SIZE);
	close(args.fd);
	gem_close(fd_a, handle);
	movgem_wait_for_bos(fd_a, before);
	close(virtio);
	igt_require_f(!ret, "this virtio_gpu imports nothing: %s\n", strerror(-ret));
}

static void test_from_virtio_gpu(void)
{
	int virtio = open_other("virtio_gpu", "virtio_gpu"), dmabuf;
	struct drm_mode_create_dumb create = { .width = SIZE / 4 / 32, .height = 32, .bpp = 32 };
	struct drm_mode_map_dumb offset = {};
	uint32_t *map;

	do_ioctl(virtio, DRM_IOCTL_MODE_CREATE_DUMB, &create);
	igt_assert_eq_u64(create.size, SIZE);
	offset.handle = create.handle;
	do_ioctl(virtio, DRM_IOCTL_MODE_MAP_DUMB, &offset);
	map = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, virtio, offset.offset);
	igt_assert(map != MAP_FAILED);
	dmabuf = prime_handle_to_fd(virtio, create.handle);
	use_import(dmabuf, map, 12);
	munmap(map, SIZE);
	close(dmabuf);
	gem_close(virtio, create.handle);
	close(virtio);
}

int igt_main()
{
	static const struct {
		const char *name;
		void (*run)(void);
		const char *what;
	} tests[] = {
		{ "moves", test_bound_moves,
		  "The pages of a buffer move that another device has imported and bound." },
		{ "unbound-moves", test_unbound_moves,
		  "So do those of an import that is not bound yet." },
		{ "busy-stays", test_busy_stays,
		  "While a job of the importer may use them the pages stay." },
		{ "late-bind-stays", test_late_bind_stays,
		  "That holds for a job that was submitted before the import was bound." },
		{ "exporter-busy-moves", test_exporter_busy_moves,
		  "Jobs of the buffer's own device hinder no move." },
		{ "soft-offline", test_soft_offline,
		  "The kernel gets a page of its choice." },
		{ "two-importers", test_two_importers, "All importers are told." },
		{ "static-and-dynamic", test_static_and_dynamic,
		  "One static importer pins for all, until it goes." },
		{ "importer-outlives", test_importer_outlives,
		  "The importer keeps the buffer when the exporter's files are closed." },
		{ "purge", test_purge, "What another device has mapped is not purged." },
		{ "hammer", test_hammer,
		  "CPU, exporter and importer write all the time while the pages move." },
		{ "hammer-overlapping", test_hammer_overlapping,
		  "The importer always has a job; pages still move." },
		{ "cpu-access", test_cpu_access,
		  "DMA_BUF_IOCTL_SYNC waits for implicit fences, and can be interrupted." },
		{ "from-udmabuf", test_from_udmabuf,
		  "A buffer of udmabuf can be imported and used by jobs." },
		{ "to-virtio-gpu", test_to_virtio_gpu, "virtio_gpu as the importer." },
		{ "from-virtio-gpu", test_from_virtio_gpu, "virtio_gpu as the exporter." },
	};
	unsigned int i;

	igt_fixture() {
		movgem_devices_require(2);
		fd_a = movgem_device_open(0);
		fd_b = movgem_device_open(1);
		igt_assert_fd(fd_a);
		igt_assert_fd(fd_b);
		movgem_require_debugfs(fd_b);
	}

	for (i = 0; i < ARRAY_SIZE(tests); i++) {
		igt_describe(tests[i].what);
		igt_subtest(tests[i].name)
			tests[i].run();
	}

	igt_fixture() {
		movgem_close(fd_b);
		movgem_close(fd_a);
		movgem_devices_restore();
	}
}
