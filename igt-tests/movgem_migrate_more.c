// SPDX-License-Identifier: MIT
/*
 * Copyright (C) 2026 movgem maintainers
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "igt.h"
#include "igt_syncobj.h"
#include "movgem_devices.h"
#include "movgem_drm.h"
#include "movgem_lib.h"
#include "movgem_migrate_more.h"
#include "movgem_migrate_trigger.h"

static void move_at_least(struct rig *rig, uint64_t moves)
{
	uint64_t target = rig_moved(rig) + moves;
	unsigned int tries = 0;

	while (rig_moved(rig) < target) {
		rig_migrate(rig);
		igt_assert_f(++tries < 1000, "pages do not move\n");
	}
}

static struct drm_movgem_bo_info bo_info(struct rig *rig, unsigned int bo)
{
	struct drm_movgem_bo_info info;

	movgem_bo_info(rig->fd, rig->handles[bo], &info);
	return info;
}

/* ---- dma-buf ---- */

/* All CPU writes go through a mapping of the exported dma-buf. */
static void test_dma_buf(void)
{
	const struct rig_config cfg = {
		.threads = 1, .children = 1, .views = 2, .unmapped = true,
	};
	struct rig *rig = the_rig(&cfg);
	uint8_t *through_dma_buf;
	int dma_buf;

	dma_buf = prime_handle_to_fd_for_mmap(rig->fd, rig->handles[0]);
	igt_assert_fd(dma_buf);
	through_dma_buf = mmap(NULL, rig->pages * PAGE, PROT_READ | PROT_WRITE,
			       MAP_SHARED, dma_buf, 0);
	igt_assert(through_dma_buf != MAP_FAILED);
	rig->cpu = through_dma_buf;

	rig_start(rig);
	rig_wait_work(rig, 64, 1);
	move_at_least(rig, movgem_rounds(40) * rig->pages);
	rig_wait_work(rig, 20000, 16);
	rig_stop(rig);
	rig_check(rig);

	rig_map(rig);
	rig_check_cpu(rig);
	rig_unmap(rig);
	munmap(through_dma_buf, rig->pages * PAGE);
	close(dma_buf);
	rig_fini(rig);
}

/* ---- pins ---- */

/* Maps the BO for as long as the file is open, and cannot be told of a move. */
static int pin(struct rig *rig, unsigned int bo)
{
	int importer = movgem_importer_open();
	int dma_buf = prime_handle_to_fd(rig->fd, rig->handles[bo]);

	igt_assert_fd(dma_buf);
	movgem_importer(importer, "attach %d static", dma_buf);
	movgem_importer(importer, "map");
	close(dma_buf);
	return importer;
}

static void test_pinned(void)
{
	const struct rig_config cfg = {
		.bos = 2, .threads = 1, .children = 1, .views = 3,
	};
	struct rig *rig = the_rig(&cfg);
	uint64_t refused, moved, *before, *after;
	int importer;
	unsigned int i;

	importer = pin(rig, 0);
	igt_assert_lte_u32(1, bo_info(rig, 0).pins);
	igt_assert_eq_u32(bo_info(rig, 1).pins, 0);
	igt_assert_lte_u64(rig->cfg.bo_pages,
			   movgem_stat(rig->fd, "pages_pinned"));

	refused = movgem_stat(rig->fd, "isolate_refused_pinned");
	moved = bo_info(rig, 0).moved;
	before = rig_pfns(rig);
	rig_start(rig);
	move_at_least(rig, 20 * rig->cfg.bo_pages);
	for (i = 0; i < rig->cfg.bo_pages; i++)
		igt_assert(!soft_offline(before[i]) || i >= 4);
	compact_memory();
	rig_wait_work(rig, 10000, 8);
	rig_stop(rig);
	after = rig_pfns(rig);
	igt_assert_eq(pfns_changed(before, after, rig->cfg.bo_pages), 0);
	igt_assert_eq_u64(bo_info(rig, 0).moved, moved);
	igt_assert_lte_u64(20 * rig->cfg.bo_pages, bo_info(rig, 1).moved);
	/* For pages of files the kernel knows by itself, and does not ask. */
	if (movgem_page_store(rig->fd) == DRM_MOVGEM_PAGE_STORE_MOVABLE_OPS)
		igt_assert_lte_u64(refused + rig->cfg.bo_pages,
				   movgem_stat(rig->fd, "isolate_refused_pinned"));
	free(before);
	free(after);
	rig_check(rig);

	close(importer);
	igt_assert_eq_u32(bo_info(rig, 0).pins, 0);
	igt_assert_eq_u64(movgem_stat(rig->fd, "pages_pinned"), 0);
	before = rig_pfns(rig);
	move_at_least(rig, 3 * rig->pages);
	after = rig_pfns(rig);
	igt_assert_lte_u64(moved + 2 * rig->cfg.bo_pages, bo_info(rig, 0).moved);
	free(before);
	free(after);
	rig_check(rig);
	rig_fini(rig);
}

/* A pin may last, so the pages must not stay where memory is to go offline. */
static void test_pinned_leaves_movable(void)
{
	const struct rig_config cfg = { .bos = 4, .views = 2 };
	struct rig *rig = the_rig(&cfg);
	uint64_t *pfns = rig_pfns(rig);
	unsigned int i, movable = 0;
	int importer;

	for (i = 0; i < rig->pages; i++)
		movable += block_is_movable(pfns[i]);
	free(pfns);
	igt_require_f(movable,
		      "no page is in ZONE_MOVABLE; give the guest a DIMM (tools/vm run --dimm 1G)\n");

	rig_write_all(rig);
	importer = pin(rig, 1);
	pfns = rig_pfns(rig);
	for (i = 0; i < rig->cfg.bo_pages; i++)
		igt_assert_f(!block_is_movable(pfns[rig->cfg.bo_pages + i]),
			     "page %u is pinned in a movable block\n", i);
	free(pfns);
	rig_run_jobs(rig, 0, 4);
	rig_check(rig);

	close(importer);
	move_at_least(rig, 3 * rig->pages);
	rig_check(rig);
	rig_fini(rig);
}

/* Pins come and go while pages move; a page never moves under a pin. */
static void test_pin_race(void)
{
	const struct rig_config cfg = {
		.bos = 2, .threads = 1, .views = 2,
	};
	struct rig *rig = the_rig(&cfg);
	const uint64_t goal = movgem_rounds(20) * rig->pages;
	int importer;
	unsigned int round = 0;
	uint64_t moved;

	rig_start(rig);
	movers_start(true);
	while (round < movgem_rounds(100) || (rig_moved(rig) < goal && round < 2000)) {
		importer = pin(rig, 0);
		moved = bo_info(rig, 0).moved;
		sched_yield();
		if (round % 8 == 0)
			usleep(1000);
		igt_assert_eq_u64(bo_info(rig, 0).moved, moved);
		close(importer);
		round++;
	}
	movers_stop();
	rig_wait_work(rig, 10000, 8);
	rig_stop(rig);
	igt_assert_lte_u64(goal, rig_moved(rig));
	igt_assert_eq_u32(bo_info(rig, 0).pins, 0);
	rig_check(rig);
	rig_fini(rig);
}

/* ---- buffers that come and go ---- */

struct live {
	uint64_t bos, pages;
};

static struct live live_now(int fd)
{
	return (struct live) {
		.bos = movgem_stat(fd, "bos_live"),
		.pages = movgem_stat(fd, "pages_live"),
	};
}

/*
 * What is there before a test, once what earlier ones held is gone: that may be
 * freed a little later.
 */
static struct live live_base(int fd)
{
	struct live have = live_now(fd), before;
	struct timespec start = { };

	igt_nsec_elapsed(&start);
	do {
		before = have;
		usleep(200 * 1000);
		have = live_now(fd);
	} while ((have.bos != before.bos || have.pages != before.pages) &&
		 igt_seconds_elapsed(&start) < 20);
	return have;
}

/* What a dying process or a queue held may be freed a little later. */
static void wait_live(int fd, struct live want)
{
	struct timespec start = { };
	struct live have;

	igt_nsec_elapsed(&start);
	do {
		have = live_now(fd);
		if (have.bos <= want.bos && have.pages <= want.pages)
			return;
		usleep(1000);
	} while (igt_seconds_elapsed(&start) < 60);

	igt_assert_f(false, "BOs %llu and pages %llu are left, not %llu and %llu at most\n",
		     (unsigned long long)have.bos,
		     (unsigned long long)have.pages,
		     (unsigned long long)want.bos,
		     (unsigned long long)want.pages);
}

static struct igt_helper_process all_mover;

/* Moves every page of every BO, whoever it belongs to. */
static void all_mover_start(int fd)
{
	igt_fork_helper(&all_mover) {
		for (;;)
			__movgem_migrate(fd, "all");
	}
}

static void all_mover_stop(void)
{
	igt_stop_helper(&all_mover);
}

static void test_free_race(void)
{
	const struct rig_config cfg = { .bos = 4, .views = 1, .threads = 1 };
	struct rig *rig = the_rig(&cfg);
	struct live live = live_base(rig->fd);
	uint32_t handles[32];
	uint32_t *maps[32];
	unsigned int round, i, j, slot;

	memset(handles, 0, sizeof(handles));
	rig_start(rig);
	all_mover_start(rig->fd);
	movers_start(true);
	for (round = 0; round < movgem_rounds(400); round++) {
		slot = round * 7 % ARRAY_SIZE(handles);
		if (handles[slot]) {
			for (j = 0; j < 16 * PAGE / 4; j += PAGE / 4)
				igt_assert_eq_u32(maps[slot][j],
						  handles[slot] * 1000 + j);
			/* either may be the last reference */
			if (round & 1) {
				munmap(maps[slot], 16 * PAGE);
				gem_close(rig->fd, handles[slot]);
			} else {
				gem_close(rig->fd, handles[slot]);
				munmap(maps[slot], 16 * PAGE);
			}
		}
		handles[slot] = movgem_bo_create(rig->fd, 16 * PAGE, 0);
		maps[slot] = movgem_bo_mmap(rig->fd, handles[slot], 16 * PAGE);
		for (j = 0; j < 16 * PAGE / 4; j += PAGE / 4) {
			igt_assert_eq_u32(maps[slot][j], 0);
			maps[slot][j] = handles[slot] * 1000 + j;
		}
	}
	movers_stop();
	all_mover_stop();
	for (i = 0; i < ARRAY_SIZE(handles); i++) {
		if (!handles[i])
			continue;
		munmap(maps[i], 16 * PAGE);
		gem_close(rig->fd, handles[i]);
	}
	rig_stop(rig);
	wait_live(rig->fd, live);
	rig_check(rig);
	rig_fini(rig);
}

/* A process with mappings and jobs is killed while its pages move. */
static void test_sigkill(void)
{
	int fd = movgem_open();
	struct live live;
	unsigned int round;
	volatile bool *ready;
	uint64_t ok;
	int status;
	pid_t pid;

	rig_reset();
	live = live_base(fd);
	ready = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	igt_assert((void *)ready != MAP_FAILED);

	all_mover_start(fd);
	for (round = 0; round < movgem_rounds(8); round++) {
		struct timespec start = { };

		*ready = false;
		pid = fork();
		igt_assert(pid >= 0);
		if (!pid) {
			const struct rig_config cfg = {
				.bos = 8, .views = 3, .threads = 2,
			};
			struct rig *rig = the_rig(&cfg);

			rig_start(rig);
			rig_wait_work(rig, 64, 1);
			*ready = true;
			for (;;)
				pause();
		}
		igt_nsec_elapsed(&start);
		while (!*ready) {
			igt_assert_f(waitpid(pid, &status, WNOHANG) == 0 &&
				     igt_seconds_elapsed(&start) < 60,
				     "the child did not get ready\n");
			usleep(1000);
		}
		ok = movgem_stat(fd, "migrate_ok");
		while (movgem_stat(fd, "migrate_ok") < ok + 200 * (round + 1))
			usleep(500);
		kill(pid, SIGKILL);
		igt_assert_eq(waitpid(pid, &status, 0), pid);
		wait_live(fd, live);
	}
	all_mover_stop();
	munmap((void *)ready, PAGE);
	movgem_close(fd);
}

/* ---- mappings that come and go ---- */

/* Children are forked and end while the pages move; each writes its share. */
static void test_fork(void)
{
	const struct rig_config cfg = { .bos = 2, .views = 2, .threads = 1 };
	struct rig *rig = the_rig(&cfg);
	const uint64_t goal = movgem_rounds(20) * rig->pages;
	unsigned int round = 0;

	rig_start(rig);
	movers_start(true);
	while (round < movgem_rounds(25) || (rig_moved(rig) < goal && round < 1000)) {
		igt_fork(child, 2)
			rig_writer(rig, 1 + child, 640);
		igt_waitchildren();
		igt_assert(!rig->shared->wrong);
		round++;
	}
	movers_stop();
	rig_wait_work(rig, 0, 8);
	rig_stop(rig);
	igt_assert_lte_u64(goal, rig_moved(rig));
	rig_check(rig);
	rig_fini(rig);
}

/*
 * The mapping is moved about by mremap(), and pieces of it are unmapped and
 * mapped again, between writes.
 */
static void test_remap(void)
{
	const struct rig_config cfg = { .views = 2 };
	struct rig *rig = the_rig(&cfg);
	const uint64_t goal = movgem_rounds(20) * rig->pages;
	size_t size = rig->pages * PAGE, at;
	unsigned int round = 0;
	uint8_t *to, *other;
	void *ptr;

	rig_start(rig);
	movers_start(true);
	while (round < movgem_rounds(80) || (rig_moved(rig) < goal && round < 5000)) {
		rig_write_all(rig);

		/* elsewhere */
		to = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
			  -1, 0);
		igt_assert(to != MAP_FAILED);
		ptr = mremap(rig->cpu, size, size, MREMAP_MAYMOVE | MREMAP_FIXED,
			     to);
		igt_assert(ptr == to);
		rig->cpu = to;
		rig_write_all(rig);

		/* a hole, filled with a piece of another mapping */
		at = round % (rig->pages - 3) * PAGE;
		igt_assert_eq(munmap(to + at, 3 * PAGE), 0);
		rig_migrate(rig);
		other = movgem_bo_mmap(rig->fd, rig->handles[0], size);
		ptr = mremap(other + at, 3 * PAGE, 3 * PAGE,
			     MREMAP_MAYMOVE | MREMAP_FIXED, to + at);
		igt_assert(ptr == to + at);
		munmap(other, size);
		rig_write_all(rig);

		/* gone and back, in one piece again */
		rig_unmap(rig);
		if (round % 16 == 0)
			rig_migrate(rig);
		rig_map(rig);
		igt_assert(!rig->shared->wrong);
		round++;
	}
	movers_stop();
	rig_wait_work(rig, 0, 8);
	rig_stop(rig);
	igt_assert_lte_u64(goal, rig_moved(rig));
	rig_check(rig);
	rig_fini(rig);
}

/*
 * BOs are bound, in part and in pieces, and unbound in a third VM while they
 * move. What is bound must show the right page.
 */
static void test_bind_race(void)
{
	const struct rig_config cfg = { .bos = 2, .views = 2, .threads = 1 };
	struct rig *rig = the_rig(&cfg);
	const uint64_t goal = movgem_rounds(20) * rig->pages;
	uint64_t va = 0x40000000ull, out = 0x50000000ull, bo_size;
	uint32_t vm, queue, handle, word, want;
	struct movgem_stream stream;
	unsigned int round = 0, i, first, count, page;
	uint8_t *result;

	bo_size = rig->cfg.bo_pages * PAGE;
	vm = movgem_vm_create(rig->fd);
	queue = movgem_queue_create(rig->fd, vm);
	movgem_stream_init(&stream, rig->fd, vm, PAGE);
	handle = movgem_bo_create(rig->fd, bo_size, 0);
	result = movgem_bo_mmap(rig->fd, handle, bo_size);
	movgem_vm_map(rig->fd, vm, handle, 0, out, bo_size, 0);

	rig_start(rig);
	movers_start(true);
	while (round < movgem_rounds(150) || (rig_moved(rig) < goal && round < 3000)) {
		/* both BOs, then a piece of the other over the middle */
		movgem_vm_map(rig->fd, vm, rig->handles[round & 1], 0, va,
			      bo_size, 0);
		first = 1 + round % (rig->cfg.bo_pages - 2);
		count = 1 + round * 5 % (rig->cfg.bo_pages - first);
		movgem_vm_map(rig->fd, vm, rig->handles[~round & 1], 0,
			      va + first * PAGE, count * PAGE,
			      DRM_MOVGEM_BIND_READONLY);

		/* the last bytes of a page have the fixed pattern */
		movgem_stream_reset(&stream);
		for (i = 0; i < rig->cfg.bo_pages; i++)
			movgem_cmd_copy(&stream, out + i * PAGE,
					va + i * PAGE + PAGE - 64, 64);
		igt_assert_eq(__movgem_stream_run(&stream, queue), 0);

		for (i = 0; i < rig->cfg.bo_pages; i++) {
			bool middle = i >= first && i < first + count;

			page = (round & 1 ? rig->cfg.bo_pages : 0) + i;
			if (middle)
				page = (~round & 1 ? rig->cfg.bo_pages : 0) +
				       i - first;
			memcpy(&word, result + i * PAGE, 4);
			want = rig_pattern(page, PAGE - 64);
			igt_assert_f(word == want,
				     "round %u: page %u shows 0x%08x, not 0x%08x of page %u\n",
				     round, i, word, want, page);
		}

		if (round % 3)
			movgem_vm_unmap(rig->fd, vm, va, bo_size);
		round++;
	}
	movers_stop();
	rig_wait_work(rig, 10000, 8);
	rig_stop(rig);
	igt_assert_lte_u64(goal, rig_moved(rig));
	movgem_stream_fini(&stream);
	munmap(result, bo_size);
	rig_check(rig);
	rig_fini(rig);
}

/* ---- madvise ---- */

static void drop_slab(void)
{
	int fd = open("/proc/sys/vm/drop_caches", O_WRONLY);

	igt_require_f(fd >= 0, "no /proc/sys/vm/drop_caches\n");
	igt_assert_eq(write(fd, "2", 1), 1);
	close(fd);
}

/*
 * BOs are offered to the shrinker and taken back while they move: either they
 * are whole, or they are gone for good.
 */
static void test_madvise_race(void)
{
	const struct rig_config cfg = { .bos = 2, .views = 2, .threads = 1 };
	struct rig *rig = the_rig(&cfg);
	struct live live = live_base(rig->fd);
	unsigned int round = 0, purged = 0, retained = 0, i, j;
	uint32_t handle[4] = { }, *map[4];

	rig_start(rig);
	movers_start(false);
	all_mover_start(rig->fd);
	while (round < movgem_rounds(150) || ((!purged || !retained) && round < 600)) {
		for (i = 0; i < ARRAY_SIZE(handle); i++) {
			if (handle[i])
				continue;
			handle[i] = movgem_bo_create(rig->fd, 8 * PAGE, 0);
			map[i] = movgem_bo_mmap(rig->fd, handle[i], 8 * PAGE);
			for (j = 0; j < 8 * PAGE / 4; j++)
				map[i][j] = handle[i] + j;
		}
		for (i = 0; i < ARRAY_SIZE(handle); i++)
			movgem_bo_madvise(rig->fd, handle[i],
					  DRM_MOVGEM_MADV_DONTNEED);
		if (round % 4 == 0)
			drop_slab();
		for (i = 0; i < ARRAY_SIZE(handle); i++) {
			if (movgem_bo_madvise(rig->fd, handle[i],
					      DRM_MOVGEM_MADV_WILLNEED)) {
				retained++;
				for (j = 0; j < 8 * PAGE / 4; j += 64)
					igt_assert_eq_u32(map[i][j],
							  handle[i] + j);
				continue;
			}
			purged++;
			igt_assert_eq(movgem_touch(map[i] + round % 8 * PAGE / 4,
						   false), SIGBUS);
			munmap(map[i], 8 * PAGE);
			gem_close(rig->fd, handle[i]);
			handle[i] = 0;
		}
		round++;
	}
	all_mover_stop();
	movers_stop();
	rig_wait_work(rig, 10000, 8);
	rig_stop(rig);
	for (i = 0; i < ARRAY_SIZE(handle); i++) {
		if (!handle[i])
			continue;
		munmap(map[i], 8 * PAGE);
		gem_close(rig->fd, handle[i]);
	}
	igt_info("%u purged, %u retained\n", purged, retained);
	igt_assert_lt(0, purged);
	igt_assert_lt(0, retained);
	wait_live(rig->fd, live);
	rig_check(rig);
	rig_fini(rig);
}

const struct more_case more_cases[] = {
	{
		"dma-buf", test_dma_buf,
		"A BO moves that is exported, and written to through a mapping of the dma-buf",
	}, {
		"pinned", test_pinned,
		"Pages that vgem has imported are refused as soon as the kernel asks; the BO beside moves; after the import is closed, all move",
	}, {
		"pinned-leaves-movable", test_pinned_leaves_movable,
		"Pages leave ZONE_MOVABLE before they are pinned",
	}, {
		"pin-race", test_pin_race,
		"Pins come and go while pages move: no page moves under a pin, and nothing is lost",
	}, {
		"free-race", test_free_race,
		"Hundreds of BOs are made and freed while all pages move: new pages are zero, contents stay, nothing leaks",
	}, {
		"sigkill", test_sigkill,
		"Processes with mappings and jobs are killed while their pages move: nothing leaks",
	}, {
		"fork", test_fork,
		"Children that write are forked and end while the pages move",
	}, {
		"remap", test_remap,
		"mremap, munmap and mmap of the CPU mapping while the pages move",
	}, {
		"bind-race", test_bind_race,
		"VM_BIND maps, splits, replaces and unmaps while the pages move: the GPU sees the right page always",
	}, {
		"madvise-race", test_madvise_race,
		"BOs are offered to the shrinker and taken back while they move: whole, or gone",
	},
	{ },
};
