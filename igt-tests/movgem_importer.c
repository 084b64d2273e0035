// SPDX-License-Identifier: MIT
/*
 * Copyright (C) 2026 movgem maintainers
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "igt.h"
#include "movgem_devices.h"
#include "movgem_migrate_trigger.h"
#include "movgem_rig.h"

/**
 * TEST: movgem importer
 * Description: A device that imports buffers, one step at a time: what it does pins
 *              the buffer or lets it move, and it always finds the pages.
 * Category: Core
 * Mega feature: General Core features
 * Sub-category: uapi
 * Functionality: prime
 * Feature: movgem
 * Test category: functionality test
 *
 * SUBTEST: static
 * Description: A static importer pins the buffer for as long as it has it mapped, and
 *              reads and writes what the CPU does.
 *
 * SUBTEST: dynamic
 * Description: A dynamic importer is told of moves, or pins where the kernel cannot tell.
 *
 * SUBTEST: vmap
 * Description: Kernel mappings pin the buffer until the last has gone.
 *
 * SUBTEST: cpu-access
 * Description: Between begin and end of CPU access pages move, and nothing is lost.
 *
 * SUBTEST: after-move
 * Description: A buffer that has been moved is found where it is.
 *
 * SUBTEST: isolated
 * Description: Importers get pages that are in the kernel's hands.
 *
 * SUBTEST: purged
 * Description: A buffer whose pages are gone cannot be exported.
 *
 * SUBTEST: unneeded
 * Description: What importers use is not purged.
 *
 * SUBTEST: unbind
 * Description: Importers go on using a buffer whose device has gone, also if its pages
 *              were isolated then.
 *
 * SUBTEST: sigkill
 * Description: What a process had imported when it was killed is let go.
 *
 * SUBTEST: hammer
 * Description: Importers of all kinds come and go while the pages move all the time.
 */

IGT_TEST_DESCRIPTION("A device that maps buffers in all ways, and moves.");

#define PAGES	32u
#define SIZE	(PAGES * MOVGEM_PAGE)

static int device = -1;
static bool can_move;

/* An exported buffer. */
struct shared {
	int fd, dmabuf;
	uint32_t handle;
	uint64_t id;
	uint32_t *map;
};

static void buffer_init(struct shared *s, int fd, uint32_t seed)
{
	s->fd = fd;
	s->handle = movgem_bo_create(fd, SIZE, 0);
	s->id = movgem_bo_id(fd, s->handle);
	s->map = movgem_bo_mmap(fd, s->handle, SIZE);
	movgem_fill_pattern(s->map, SIZE, seed);
}

static void buffer_export(struct shared *s)
{
	s->dmabuf = prime_handle_to_fd_for_mmap(s->fd, s->handle);
	igt_assert_fd(s->dmabuf);
}

static void shared_init(struct shared *s, int fd, uint32_t seed)
{
	buffer_init(s, fd, seed);
	buffer_export(s);
}

static void shared_fini(struct shared *s)
{
	munmap(s->map, SIZE);
	close(s->dmabuf);
	gem_close(s->fd, s->handle);
}

static uint32_t pins_of(struct shared *s)
{
	struct drm_movgem_bo_info info;

	movgem_bo_info(s->fd, s->handle, &info);
	return info.pins;
}

/* Whether the pages can move or not, as it should be. */
static void check_moves(struct shared *s, bool moves)
{
	uint64_t pfns[PAGES], now[PAGES];
	unsigned int i;

	if (!can_move)
		return;
	igt_assert_eq(movgem_bo_pfns(s->fd, s->id, pfns, PAGES), PAGES);
	if (moves)
		igt_assert_eq_u64(movgem_migrate_bo(s->fd, s->id), PAGES);
	else
		igt_assert_eq(__movgem_migrate_bo(s->fd, s->id), -EBUSY);
	igt_assert_eq(movgem_bo_pfns(s->fd, s->id, now, PAGES), PAGES);
	for (i = 0; i < PAGES; i++)
		igt_assert_f((pfns[i] != now[i]) == moves, "page %u was at %#llx, is at %#llx\n",
			     i, (long long)pfns[i], (long long)now[i]);
}

/* The importer sees what the CPU wrote, and the CPU what the importer writes. */
static void check_both_ways(struct shared *s, int importer, uint32_t seed)
{
	static uint32_t data[SIZE / 4];

	movgem_importer_read(importer, data, SIZE, 0);
	movgem_check_pattern(data, SIZE, seed);
	movgem_check_pattern(s->map, SIZE, seed);
	movgem_fill_pattern(data, SIZE, ~seed);
	movgem_importer_write(importer, data, SIZE, 0);
	movgem_check_pattern(s->map, SIZE, ~seed);
	movgem_fill_pattern(s->map, SIZE, seed);
}

static void test_static(void)
{
	int importer = movgem_importer_open();
	struct drm_movgem_mem_info before, info;
	struct shared s;

	shared_init(&s, device, 1);
	movgem_mem_info(device, &before);
	check_moves(&s, true);
	movgem_importer(importer, "attach %d static", s.dmabuf);
	movgem_importer(importer, "map");
	igt_assert_eq_u32(pins_of(&s), 1);
	movgem_mem_info(device, &info);
	igt_assert_eq_u64(info.pages_pinned, before.pages_pinned + PAGES);
	check_moves(&s, false);
	check_both_ways(&s, importer, 1);
	/* Kernels before 6.16 pin while it is attached, later ones while it is mapped. */
	movgem_importer(importer, "unmap");
	igt_assert_lte_u32(pins_of(&s), 1);
	movgem_importer(importer, "map");
	check_moves(&s, false);
	check_both_ways(&s, importer, 1);
	movgem_importer(importer, "detach");
	igt_assert_eq_u32(pins_of(&s), 0);
	movgem_mem_info(device, &info);
	igt_assert_eq_u64(info.pages_pinned, before.pages_pinned);
	check_moves(&s, true);
	movgem_check_pattern(s.map, SIZE, 1);

	/* The importer goes last. */
	movgem_importer(importer, "attach %d static", s.dmabuf);
	movgem_importer(importer, "map");
	munmap(s.map, SIZE);
	close(s.dmabuf);
	gem_close(device, s.handle);
	igt_assert_eq_u64(movgem_bo_count(device), before.bos);
	close(importer);
	movgem_wait_for_bos(device, before.bos - 1);
}

static void test_dynamic(void)
{
	int importer = movgem_importer_open(), round;
	bool pinned;
	struct shared s;

	shared_init(&s, device, 2);
	movgem_importer(importer, "attach %d dynamic", s.dmabuf);
	for (round = 0; round < 4; round++) {
		movgem_importer(importer, "map");
		pinned = pins_of(&s);
		check_both_ways(&s, importer, 2);
		check_moves(&s, !pinned);
		igt_assert_eq(__movgem_importer(importer, "notified"),
			      can_move && !pinned ? 0 : -EAGAIN);
		/* Told or not, it may take its time, and the pages may go on moving. */
		check_moves(&s, !pinned);
		movgem_check_pattern(s.map, SIZE, 2);
		movgem_importer(importer, "unmap");
		igt_assert_eq_u32(pins_of(&s), 0);
		check_moves(&s, true);
	}
	movgem_importer(importer, "map");
	check_both_ways(&s, importer, 2);
	check_moves(&s, !pinned);
	/* Gone without another word. */
	close(importer);
	check_moves(&s, true);
	movgem_check_pattern(s.map, SIZE, 2);
	shared_fini(&s);
}

static void test_vmap(void)
{
	int a = movgem_importer_open(), b = movgem_importer_open();
	struct shared s;

	shared_init(&s, device, 3);
	check_moves(&s, true);
	movgem_importer(a, "attach %d dynamic", s.dmabuf);
	movgem_importer(b, "attach %d dynamic", s.dmabuf);
	check_moves(&s, true);
	movgem_importer(a, "vmap");
	igt_assert_eq_u32(pins_of(&s), 1);
	check_moves(&s, false);
	check_both_ways(&s, a, 3);
	movgem_importer(b, "vmap");
	check_both_ways(&s, b, 3);
	movgem_importer(a, "vunmap");
	igt_assert_eq_u32(pins_of(&s), 1);
	check_moves(&s, false);
	check_both_ways(&s, b, 3);
	/* Who goes without undoing it does not keep it pinned. */
	close(b);
	igt_assert_eq_u32(pins_of(&s), 0);
	check_moves(&s, true);
	movgem_importer(a, "vmap");
	check_both_ways(&s, a, 3);
	close(a);
	igt_assert_eq_u32(pins_of(&s), 0);
	check_moves(&s, true);
	movgem_check_pattern(s.map, SIZE, 3);
	shared_fini(&s);
}

static void test_cpu_access(void)
{
	int importer = movgem_importer_open(), round;
	struct shared s;

	shared_init(&s, device, 4);
	movgem_importer(importer, "attach %d dynamic", s.dmabuf);
	for (round = 0; round < 4; round++) {
		movgem_importer(importer, "begin");
		prime_sync_start(s.dmabuf, true);
		igt_assert_eq_u32(pins_of(&s), 0);
		check_moves(&s, true);
		movgem_check_pattern(s.map, SIZE, 4 + round);
		movgem_fill_pattern(s.map, SIZE, 5 + round);
		check_moves(&s, true);
		prime_sync_end(s.dmabuf, true);
		movgem_importer(importer, "end");
	}
	movgem_importer(importer, "vmap");
	check_both_ways(&s, importer, 4 + round);
	close(importer);
	shared_fini(&s);
}

static void test_after_move(void)
{
	static const char * const kinds[] = { "static", "dynamic" };
	int importer = movgem_importer_open(), round;
	struct shared s;

	igt_require_f(can_move, "pages cannot be moved here\n");
	shared_init(&s, device, 5);
	for (round = 0; round < 8; round++) {
		uint64_t pfns[PAGES], now[PAGES];

		check_moves(&s, true);
		movgem_importer(importer, "attach %d %s", s.dmabuf, kinds[round & 1]);
		movgem_importer(importer, "%s", round & 2 ? "vmap" : "map");
		check_both_ways(&s, importer, 5);
		igt_assert_eq(movgem_bo_pfns(device, s.id, pfns, PAGES), PAGES);
		compact_memory();
		igt_assert_eq(movgem_bo_pfns(device, s.id, now, PAGES), PAGES);
		if (pins_of(&s)) {
			igt_assert(!memcmp(pfns, now, sizeof(pfns)));
			check_both_ways(&s, importer, 5);
		}
		movgem_importer(importer, "detach");
	}
	close(importer);
	shared_fini(&s);
}

/* Pages as the kernel has them before it moves them, until the file is closed. */
static int hold(struct shared *s, unsigned int first, unsigned int count, const char *how)
{
	int file = igt_debugfs_open(s->fd, "hold", O_RDWR), len;
	char text[64];

	igt_assert_fd(file);
	len = snprintf(text, sizeof(text), "%llu %u %u %s", (long long)s->id, first, count, how);
	igt_assert_eq(write(file, text, len), len);
	return file;
}

static void test_isolated(void)
{
	static const char * const how[] = { "isolate", "quiesce" };
	static const struct {
		const char *kind, *use;
	} ways[] = {
		{ "static", "map" }, { "dynamic", "map" }, { "static", "vmap" },
	};
	int importer = movgem_importer_open(), held;
	struct shared s;
	unsigned int i, j;

	igt_require_f(can_move, "pages cannot be moved here\n");
	for (i = 0; i < ARRAY_SIZE(ways); i++) {
		for (j = 0; j < ARRAY_SIZE(how); j++) {
			shared_init(&s, device, 6);
			held = hold(&s, 3, 20, how[j]);
			movgem_importer(importer, "attach %d %s", s.dmabuf, ways[i].kind);
			movgem_importer(importer, "%s", ways[i].use);
			check_both_ways(&s, importer, 6);
			close(held);
			check_both_ways(&s, importer, 6);
			movgem_importer(importer, "detach");
			igt_assert_eq_u32(pins_of(&s), 0);
			check_moves(&s, true);
			/* And one that is let go, and freed, while they are held. */
			movgem_importer(importer, "attach %d %s", s.dmabuf, ways[i].kind);
			movgem_importer(importer, "%s", ways[i].use);
			held = hold(&s, 3, 20, how[j]);
			movgem_importer(importer, "detach");
			movgem_check_pattern(s.map, SIZE, 6);
			shared_fini(&s);
			close(held);
		}
	}
	close(importer);
	movgem_wait_for_bos(device, 0);
}

static void test_purged(void)
{
	struct drm_movgem_bo_info bo;
	struct drm_prime_handle args = { };
	uint32_t handle;
	int i;

	handle = movgem_bo_create(device, SIZE, 0);
	igt_assert(movgem_bo_madvise(device, handle, DRM_MOVGEM_MADV_DONTNEED));
	movgem_bo_info(device, handle, &bo);
	/* A scan may leave out what is locked just then; a few scans may not. */
	for (i = 0; i < 20 && bo.madvise != DRM_MOVGEM_MADV_PURGED; i++) {
		movgem_drop_slab();
		movgem_bo_info(device, handle, &bo);
	}
	igt_assert_eq_u32(bo.madvise, DRM_MOVGEM_MADV_PURGED);
	args.handle = handle;
	do_ioctl_err(device, DRM_IOCTL_PRIME_HANDLE_TO_FD, &args, EFAULT);
	gem_close(device, handle);
}

static void test_unneeded(void)
{
	static const struct {
		const char *kind, *use;
	} ways[] = {
		{ "static", "map" }, { "dynamic", "map" }, { "dynamic", "vmap" },
	};
	int importer = movgem_importer_open();
	uint64_t purged = movgem_stat(device, "pages_purged");
	struct shared s;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(ways); i++) {
		/* In this order: who is exported cannot be unneeded. */
		buffer_init(&s, device, 8);
		igt_assert(movgem_bo_madvise(device, s.handle, DRM_MOVGEM_MADV_DONTNEED));
		buffer_export(&s);
		movgem_importer(importer, "attach %d %s", s.dmabuf, ways[i].kind);
		movgem_importer(importer, "%s", ways[i].use);
		movgem_drop_slab();
		check_both_ways(&s, importer, 8);
		/* Nothing of the user's is left but the importer. */
		shared_fini(&s);
		movgem_drop_slab();
		movgem_importer(importer, "detach");
		movgem_wait_for_bos(device, 0);
	}
	igt_assert_eq_u64(movgem_stat(device, "pages_purged"), purged);
	close(importer);
}

static void test_unbind(void)
{
	static const char * const how[] = { NULL, "isolate", "quiesce" };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(how); i++) {
		int fd, held = -1, a, b, c;
		struct shared s;

		if (how[i] && !can_move)
			continue;
		a = movgem_importer_open();
		b = movgem_importer_open();
		c = movgem_importer_open();
		fd = movgem_device_open(1);
		igt_assert_fd(fd);
		shared_init(&s, fd, 9);
		if (how[i])
			held = hold(&s, 3, 20, how[i]);
		movgem_importer(a, "attach %d static", s.dmabuf);
		movgem_importer(b, "attach %d dynamic", s.dmabuf);
		movgem_importer(c, "attach %d dynamic", s.dmabuf);
		if (i & 1)
			movgem_importer(a, "map");
		movgem_importer(b, "map");
		igt_assert_eq(movgem_device_bind(1, false), 0);
		check_both_ways(&s, b, 9);
		movgem_importer(c, "vmap");
		check_both_ways(&s, c, 9);
		if (!(i & 1))
			movgem_importer(a, "map");
		check_both_ways(&s, a, 9);
		compact_memory();
		check_both_ways(&s, a, 9);
		check_both_ways(&s, c, 9);
		movgem_importer(a, "detach");
		movgem_importer(c, "detach");
		movgem_importer(b, "unmap");
		compact_memory();
		movgem_importer(b, "map");
		check_both_ways(&s, b, 9);
		if (held >= 0)
			close(held);
		munmap(s.map, SIZE);
		close(s.dmabuf);
		movgem_close(fd);
		close(b);
		close(c);
		close(a);
		igt_assert_eq(movgem_device_bind(1, true), 0);
	}
}

/* Uses the buffer in a way of its own, and sees to it that the content is right. */
static void use_once(int dmabuf, uint64_t *seed, uint32_t pattern)
{
	static uint32_t data[SIZE / 4];
	int importer = movgem_importer_open();
	uint64_t random = movgem_rand(seed);

	movgem_importer(importer, "attach %d %s", dmabuf, random & 1 ? "static" : "dynamic");
	if (random & 2) {
		movgem_importer(importer, "vmap");
		movgem_importer_read(importer, data, SIZE, 0);
		movgem_check_pattern(data, SIZE, pattern);
	}
	if (random & 4) {
		movgem_importer(importer, "begin");
		movgem_importer(importer, "map");
	}
	if (random & 4) {
		movgem_importer_read(importer, data, SIZE, 0);
		movgem_check_pattern(data, SIZE, pattern);
	}
	if (random & 8)
		movgem_importer(importer, "detach");
	close(importer);
}

static void test_sigkill(void)
{
	uint64_t seed = 10, before = movgem_bo_count(device);
	struct shared s;
	int i, status;

	close(movgem_importer_open());
	shared_init(&s, device, 10);
	for (i = 0; i < 40; i++) {
		pid_t pid = fork();

		igt_assert_lte(0, pid);
		if (!pid) {
			uint64_t own = i + 1;

			for (;;)
				use_once(s.dmabuf, &own, 10);
		}
		usleep(1000 + movgem_rand(&seed) % 30000);
		if (can_move && i % 4 == 0)
			__movgem_migrate_bo(device, s.id);
		kill(pid, SIGKILL);
		igt_assert_eq(waitpid(pid, &status, 0), pid);
		igt_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
		igt_assert_eq_u32(pins_of(&s), 0);
	}
	check_moves(&s, true);
	movgem_check_pattern(s.map, SIZE, 10);
	shared_fini(&s);
	movgem_wait_for_bos(device, before);
}

static void test_hammer(void)
{
	struct igt_helper_process mover = { .use_SIGKILL = true };
	struct drm_movgem_bo_info info = { };
	struct shared s;
	int round;

	igt_require_f(can_move, "pages cannot be moved here\n");
	close(movgem_importer_open());
	/* Frames are lost for good: not those of blocks that others take offline. */
	movable_blocks_offline();
	shared_init(&s, device, 11);
	igt_fork_helper(&mover) {
		uint64_t pfns[PAGES];

		for (round = 0; ; round++) {
			if (round % 16 == 3)
				compact_memory();
			else if (round % 16 == 7 &&
				 movgem_bo_pfns(device, s.id, pfns, PAGES) == PAGES)
				soft_offline(pfns[round / 16 % PAGES]);
			else
				__movgem_migrate_bo(device, s.id);
		}
	}
	igt_fork(child, 2) {
		uint64_t seed = child + 11;

		for (round = 0; round < movgem_rounds(200) || info.moved < 8 * PAGES; round++) {
			use_once(s.dmabuf, &seed, 11);
			/* They move while neither child has them pinned. */
			usleep(movgem_rand(&seed) % 2000);
			movgem_check_pattern(s.map, SIZE, 11);
			movgem_bo_info(device, s.handle, &info);
		}
	}
	igt_waitchildren();
	igt_stop_helper(&mover);
	movgem_bo_info(device, s.handle, &info);
	igt_info("%llu pages moved\n", (long long)info.moved);
	igt_assert_eq_u32(info.pins, 0);
	check_moves(&s, true);
	movgem_check_pattern(s.map, SIZE, 11);
	shared_fini(&s);
	triggers_reset();
}

int igt_main()
{
	static const struct {
		const char *name;
		void (*run)(void);
		const char *what;
	} tests[] = {
		{ "static", test_static, "A static importer pins the buffer while it has it mapped." },
		{ "dynamic", test_dynamic,
		  "A dynamic importer is told of moves, or pins where the kernel cannot tell." },
		{ "vmap", test_vmap, "Kernel mappings pin the buffer until the last has gone." },
		{ "cpu-access", test_cpu_access, "Between begin and end of CPU access pages move." },
		{ "after-move", test_after_move, "A buffer that has been moved is found where it is." },
		{ "isolated", test_isolated, "Importers get pages that are in the kernel's hands." },
		{ "purged", test_purged, "A buffer whose pages are gone cannot be exported." },
		{ "unneeded", test_unneeded, "What importers use is not purged." },
		{ "unbind", test_unbind, "Importers go on using a buffer whose device has gone." },
		{ "sigkill", test_sigkill, "What a killed process had imported is let go." },
		{ "hammer", test_hammer,
		  "Importers of all kinds come and go while the pages move all the time." },
	};
	unsigned int i;

	igt_fixture() {
		device = movgem_open();
		movgem_require_debugfs(device);
		can_move = movgem_can_move(device);
		movgem_devices_require(2);
	}

	for (i = 0; i < ARRAY_SIZE(tests); i++) {
		igt_describe(tests[i].what);
		igt_subtest(tests[i].name)
			tests[i].run();
	}

	igt_fixture() {
		triggers_reset();
		movgem_close(device);
		movgem_devices_restore();
	}
}
