// SPDX-License-Identifier: MIT
/*
 * Copyright (C) 2026 movgem maintainers
 */

/**
 * TEST: movgem migrate
 * Description: The kernel moves the pages of buffers that the CPU and the GPU
 *              are writing to. Every writer counts its own writes; at the end
 *              every counter, every pixel and every byte that nobody wrote must
 *              be what they have to be, and enough pages must have moved for
 *              that to mean something.
 * Category: Core
 * Mega feature: General Core features
 * Sub-category: uapi
 * Functionality: page migration
 * Feature: movgem
 * Test category: stress test
 *
 * SUBTEST: idle
 * Description: A BO that nobody has mapped moves on the first try, every
 *              page of it
 *
 * SUBTEST: cpu-mapped
 * Description: A CPU mapping follows; what it wrote to is what a new mapping
 *              shows, and nobody else's memory changes
 *
 * SUBTEST: gpu-mapped
 * Description: A job that has the translations in its TLB waits while the
 *              pages move and their old frames are used by others, then goes
 *              on
 *
 * SUBTEST: several-vms
 * Description: Bound at two addresses of one VM and in another VM: each sees
 *              what the others write, before and after moves
 *
 * SUBTEST: queued
 * Description: Jobs that are queued while the pages move, and start
 *              afterwards
 *
 * SUBTEST: cpu-hammer
 * Description: Four pages that two CPU writers write to without a break,
 *              while they are moved hundreds of times: no write is lost
 *
 * SUBTEST: gpu-hammer
 * Description: Four pages that three queues write to without a break while
 *              they are moved hundreds of times: no write is lost
 *
 * SUBTEST: writers-debugfs
 * Description: Two writing threads, a writing child and jobs of three queues
 *              in two VMs on 4 MiB, whose pages are moved by debugfs: at
 *              least four moves for each page, nothing lost
 *
 * SUBTEST: writers-compact
 * Description: The same on 16 MiB below memory with holes, moved by
 *              compact_memory until that moves nothing more: 60 % or more,
 *              nothing lost
 *
 * SUBTEST: writers-hugetlb
 * Description: The same on 16 MiB that lie scattered over 96 MiB, moved by
 *              allocating all the huge pages that can be had when memory is
 *              short: 30 % or more, nothing lost
 *
 * SUBTEST: writers-offline
 * Description: The same on 16 MiB in a hotplugged DIMM whose memory blocks
 *              go offline: 90 % or more, nothing left in them, nothing lost
 *
 * SUBTEST: writers-soft-offline
 * Description: The same on 32 pages whose frames are taken out of service
 *              one by one: 60 % or more, nothing lost
 *
 * SUBTEST: batched-flush
 * Description: Compaction takes at most one TLB invalidation for eight pages
 *
 * SUBTEST: putback
 * Description: Pages that the kernel isolated and gave back keep their
 *              content, and move another time
 *
 * SUBTEST: everything
 * Description: debugfs, compaction, huge pages and soft offline at the same
 *              time
 *
 * SUBTEST: dma-buf
 * Description: A BO moves that is exported, and written to through a mapping
 *              of the dma-buf
 *
 * SUBTEST: pinned
 * Description: Pages that vgem has imported are refused as soon as the
 *              kernel asks; the BO beside moves; after the import is closed,
 *              all move
 *
 * SUBTEST: pinned-leaves-movable
 * Description: Pages leave ZONE_MOVABLE before they are pinned
 *
 * SUBTEST: pin-race
 * Description: Pins come and go while pages move: no page moves under a pin,
 *              and nothing is lost
 *
 * SUBTEST: free-race
 * Description: Hundreds of BOs are made and freed while all pages move: new pages
 *              are zero, contents stay, nothing leaks
 *
 * SUBTEST: sigkill
 * Description: Processes with mappings and jobs are killed while their pages
 *              move: nothing leaks
 *
 * SUBTEST: fork
 * Description: Children that write are forked and end while the pages move
 *
 * SUBTEST: remap
 * Description: mremap, munmap and mmap of the CPU mapping while the pages
 *              move
 *
 * SUBTEST: bind-race
 * Description: VM_BIND maps, splits, replaces and unmaps while the pages
 *              move: the GPU sees the right page always
 *
 * SUBTEST: madvise-race
 * Description: BOs are offered to the shrinker and taken back while they
 *              move: whole, or gone
 *
 * SUBTEST: pinned-store
 * Description: With page_store=pinned no page moves, and everything else
 *              works the same
 */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "igt.h"
#include "igt_syncobj.h"
#include "movgem_drm.h"
#include "movgem_lib.h"
#include "movgem_migrate_more.h"
#include "movgem_migrate_rig.h"
#include "movgem_migrate_trigger.h"

IGT_TEST_DESCRIPTION("Pages that move under CPU writers and GPU jobs");

static struct rig rig;
static uint32_t page_store;

static void begin(const struct rig_config *cfg)
{
	rig_reset();
	triggers_reset();
	rig_init(&rig, cfg);
}

/* At least @times moves for every page, by debugfs. */
static void move_times(unsigned int times)
{
	uint64_t target = rig_moved(&rig) + (uint64_t)times * rig.pages;
	unsigned int tries = 0;

	while (rig_moved(&rig) < target) {
		rig_migrate(&rig);
		igt_assert_f(++tries < 20 * times + 100,
			     "only %llu of %llu moves in %u tries\n",
			     (unsigned long long)rig_moved(&rig),
			     (unsigned long long)target, tries);
	}
}

/* Every page, whatever it takes: a page that cannot move any more fails. */
static void move_every_page(void)
{
	uint64_t *before = rig_pfns(&rig), *after;
	bool *moved = calloc(rig.pages, sizeof(*moved));
	unsigned int left = rig.pages, tries = 0, i;

	igt_assert(moved);
	while (left) {
		igt_assert_f(tries++ < 30, "%u of %u pages do not move\n",
			     left, rig.pages);
		rig_migrate(&rig);
		after = rig_pfns(&rig);
		for (i = 0; i < rig.pages; i++) {
			if (moved[i] || after[i] == before[i])
				continue;
			moved[i] = true;
			left--;
		}
		free(after);
	}
	free(before);
	free(moved);
}

/*
 * Somebody else who gets the old page frames: whatever still writes there, or
 * reads from there, shows.
 */
struct bait {
	uint32_t *anon, *bo[8];
	unsigned int serial;
};

#define BAIT_ANON	(64 * PAGE)
#define BAIT_BO		(16 * PAGE)

static void bait_lay(struct bait *bait, int fd, unsigned int serial)
{
	uint32_t handle;
	unsigned int i, j;

	bait->serial = serial;
	for (i = 0; i < ARRAY_SIZE(bait->bo); i++) {
		handle = movgem_bo_create(fd, BAIT_BO, 0);
		bait->bo[i] = movgem_bo_mmap(fd, handle, BAIT_BO);
		gem_close(fd, handle);
		for (j = 0; j < BAIT_BO / 4; j++)
			bait->bo[i][j] = ~serial;
	}
	bait->anon = mmap(NULL, BAIT_ANON, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	igt_assert(bait->anon != MAP_FAILED);
	for (j = 0; j < BAIT_ANON / 4; j++)
		bait->anon[j] = serial;
}

static void bait_check(struct bait *bait)
{
	unsigned int i, j;

	for (j = 0; j < BAIT_ANON / 4; j++)
		igt_assert_f(bait->anon[j] == bait->serial,
			     "anonymous memory of somebody else was overwritten: 0x%08x\n",
			     bait->anon[j]);
	for (i = 0; i < ARRAY_SIZE(bait->bo); i++)
		for (j = 0; j < BAIT_BO / 4; j++)
			igt_assert_f(bait->bo[i][j] == ~bait->serial,
				     "somebody else's BO was overwritten: 0x%08x\n",
				     bait->bo[i][j]);
	munmap(bait->anon, BAIT_ANON);
	for (i = 0; i < ARRAY_SIZE(bait->bo); i++)
		munmap(bait->bo[i], BAIT_BO);
}

/* ---- the heart: writers and jobs, by trigger ---- */

struct writers_case {
	const char *name;
	trigger_t trigger;
	struct rig_config cfg;
	unsigned int rounds;
	unsigned int share;	/* moves in percent of the pages */
	unsigned int leave_mb;	/* free memory to begin with, 0: all */
	const char *describe;
};

static const struct writers_case writers_cases[] = {
	{
		"writers-debugfs", trigger_debugfs,
		{ .bos = 64, .views = 3, .threads = 2, .children = 1 }, 8, 400, 0,
		"Two writing threads, a writing child and jobs of three queues in two VMs on 4 MiB, whose pages are moved by debugfs: at least four moves for each page, nothing lost",
	}, {
		"writers-compact", trigger_compact,
		{ .bos = 256, .make = 5, .keep = RIG_KEEP_LOWEST, .views = 3,
		  .threads = 2, .children = 1 }, 5, 60, 0,
		"The same on 16 MiB below memory with holes, moved by compact_memory until that moves nothing more: 60 % or more, nothing lost",
	}, {
		"writers-hugetlb", trigger_hugetlb,
		{ .bos = 256, .make = 6, .keep = RIG_KEEP_SCATTERED, .views = 3,
		  .threads = 2, .children = 1, .one_zone = true }, 8, 30, 160,
		"The same on 16 MiB that lie scattered over 96 MiB, moved by allocating all the huge pages that can be had when memory is short: 30 % or more, nothing lost",
	}, {
		"writers-offline", trigger_offline,
		{ .bos = 256, .views = 3, .threads = 2, .children = 1 }, 2, 90, 0,
		"The same on 16 MiB in a hotplugged DIMM whose memory blocks go offline: 90 % or more, nothing left in them, nothing lost",
	}, {
		"writers-soft-offline", trigger_soft_offline,
		{ .bos = 2, .views = 3, .threads = 2, .children = 1 }, 3, 60, 0,
		"The same on 32 pages whose frames are taken out of service one by one: 60 % or more, nothing lost",
	},
};

static void test_writers(const struct writers_case *c)
{
	uint64_t *before, *after, moved, ok;
	unsigned int changed, round;

	begin(&c->cfg);
	before = rig_pfns(&rig);
	ok = movgem_stat(rig.fd, "migrate_ok");
	if (c->leave_mb)
		squeeze_memory(c->leave_mb);
	rig_start(&rig);
	rig_wait_work(&rig, 64, 1);

	for (round = 0; round < c->rounds; round++) {
		if (!c->trigger(&rig, round))
			break;
		if (rig_moved(&rig) * 100 >= (uint64_t)c->share * rig.pages &&
		    round >= 1)
			break;
	}
	moved = rig_moved(&rig);
	rig_wait_work(&rig, 20000, 4);
	rig_stop(&rig);
	after = rig_pfns(&rig);
	changed = pfns_changed(before, after, rig.pages);
	free(before);
	free(after);

	igt_info("%llu moves of %u pages, %u are elsewhere now; writes %llu %llu %llu, jobs %llu %llu %llu\n",
		 (unsigned long long)moved, rig.pages, changed,
		 (unsigned long long)rig.shared->writes[0],
		 (unsigned long long)rig.shared->writes[1],
		 (unsigned long long)rig.shared->writes[2],
		 (unsigned long long)rig.shared->jobs[0],
		 (unsigned long long)rig.shared->jobs[1],
		 (unsigned long long)rig.shared->jobs[2]);
	rig_check(&rig);
	igt_assert_f(moved * 100 >= (uint64_t)c->share * rig.pages,
		     "%llu moves of %u pages are less than %u %%\n",
		     (unsigned long long)moved, rig.pages, c->share);
	igt_assert(movgem_stat(rig.fd, "migrate_ok") - ok >= moved);
	/* and each of them still can */
	move_every_page();
	rig_check(&rig);
	rig_fini(&rig);
}

/* Few pages under heavy fire, moved again and again. */
static void test_hammer(unsigned int writers, unsigned int views)
{
	const struct rig_config cfg = {
		.bo_pages = 4,
		.threads = writers ? writers - 1 : 0,
		.children = writers ? 1 : 0,
		.views = views,
		.unmapped = !writers,
	};

	begin(&cfg);
	rig_start(&rig);
	rig_wait_work(&rig, 64, 1);
	move_times(movgem_rounds(400));
	rig_wait_work(&rig, 20000, 100);
	rig_stop(&rig);
	igt_info("%llu moves of %u pages; writes %llu, jobs %llu\n",
		 (unsigned long long)rig_moved(&rig), rig.pages,
		 (unsigned long long)rig.shared->writes[0],
		 (unsigned long long)rig.shared->jobs[0]);
	rig_check(&rig);
	rig_fini(&rig);
}

/* ---- one user at a time, step by step ---- */

static void test_idle(void)
{
	const struct rig_config cfg = { .bos = 16, .unmapped = true };
	uint64_t *before, *after;

	begin(&cfg);
	before = rig_pfns(&rig);
	rig_migrate(&rig);
	after = rig_pfns(&rig);
	igt_assert_eq_u64(rig_moved(&rig), rig.pages);
	igt_assert_eq(pfns_changed(before, after, rig.pages), rig.pages);
	free(before);
	free(after);
	move_times(3);
	rig_check(&rig);
	rig_fini(&rig);
}

/*
 * The old mapping is used after the move, and compared with what a mapping
 * shows that never knew the old place.
 */
static void test_cpu_mapped(void)
{
	const struct rig_config cfg = { .bos = 2 };
	struct bait bait[6];
	unsigned int round;
	uint8_t *old;

	begin(&cfg);
	for (round = 0; round < ARRAY_SIZE(bait); round++) {
		rig_write_all(&rig);
		move_times(1);
		bait_lay(&bait[round], rig.fd, round + 1);
		rig_write_all(&rig);
		rig_check_cpu(&rig);

		old = rig.cpu;
		rig_map(&rig);
		rig_check_at(&rig, rig.cpu, "seen through a new mapping");
		rig_unmap(&rig);
		rig.cpu = old;
	}
	for (round = 0; round < ARRAY_SIZE(bait); round++)
		bait_check(&bait[round]);
	rig_fini(&rig);
}

/* Two 64 bit words that a job and the CPU pass back and forth. */
struct baton {
	uint64_t va;
	volatile uint64_t *go, *done;
};

static void baton_init(struct baton *baton, uint32_t vm)
{
	uint32_t handle = movgem_bo_create(rig.fd, PAGE, 0);

	baton->go = movgem_bo_mmap(rig.fd, handle, PAGE);
	baton->done = baton->go + 1;
	baton->va = movgem_va_alloc(rig.fd, PAGE) + 0x400000000ull;
	movgem_vm_map(rig.fd, vm, handle, 0, baton->va, PAGE, 0);
	gem_close(rig.fd, handle);
}

static void baton_wait(struct baton *baton, uint64_t value)
{
	struct timespec start = { };

	igt_nsec_elapsed(&start);
	while (*baton->done < value) {
		igt_assert_f(igt_seconds_elapsed(&start) < 30,
			     "the job does not get to step %llu\n",
			     (unsigned long long)value);
		usleep(50);
	}
}

static void emit_rig_job(struct movgem_stream *s, unsigned int view, uint64_t n)
{
	s->pos += rig_emit_job(&rig, view, n, s->map + s->pos);
}

/*
 * One job uses the pages, waits while they are moved and their old frames go
 * to somebody else, and uses them again: with a translation that was not
 * invalidated, it reads and writes the old frames.
 */
static void test_gpu_mapped(void)
{
	const struct rig_config cfg = { .views = 1, .unmapped = true };
	struct movgem_stream stream;
	struct bait bait[10];
	struct baton baton;
	unsigned int round;
	uint64_t jobs = 0;
	uint32_t syncobj;

	begin(&cfg);
	baton_init(&baton, rig.views[0].vm);
	movgem_stream_init(&stream, rig.fd, rig.views[0].vm, PAGE);

	for (round = 0; round < ARRAY_SIZE(bait); round++) {
		movgem_stream_reset(&stream);
		emit_rig_job(&stream, 0, jobs++);
		movgem_cmd_sem_write(&stream, baton.va + 8, 2 * round + 1);
		movgem_cmd_sem_wait(&stream, baton.va, 2 * round + 1, 0);
		emit_rig_job(&stream, 0, jobs++);
		movgem_cmd_sem_write(&stream, baton.va + 8, 2 * round + 2);
		syncobj = movgem_stream_submit_sync(&stream, rig.views[0].queue);

		baton_wait(&baton, 2 * round + 1);
		move_times(1);
		bait_lay(&bait[round], rig.fd, round + 1);
		*baton.go = 2 * round + 1;
		baton_wait(&baton, 2 * round + 2);

		igt_assert_eq(movgem_syncobj_result(rig.fd, syncobj), 0);
		syncobj_destroy(rig.fd, syncobj);
	}
	rig.views[0].jobs = jobs;

	for (round = 0; round < ARRAY_SIZE(bait); round++)
		bait_check(&bait[round]);
	rig_check(&rig);
	movgem_stream_fini(&stream);
	rig_fini(&rig);
}

/* Bound twice in one VM and once in another: all three must follow. */
static void test_several_vms(void)
{
	const struct rig_config cfg = { .bos = 3, .views = 3 };
	struct bait bait[6];
	unsigned int round, view;

	begin(&cfg);
	for (round = 0; round < ARRAY_SIZE(bait); round++) {
		for (view = 0; view < RIG_VIEWS; view++)
			rig_run_jobs(&rig, view, 2);
		move_times(1);
		bait_lay(&bait[round], rig.fd, round + 1);
		for (view = 0; view < RIG_VIEWS; view++)
			rig_run_jobs(&rig, (view + round) % RIG_VIEWS, 2);
		rig_check(&rig);
	}
	for (round = 0; round < ARRAY_SIZE(bait); round++)
		bait_check(&bait[round]);
	rig_fini(&rig);
}

/* Jobs that wait for a job that waits for the CPU. */
static void test_queued(void)
{
	const struct rig_config cfg = { .bos = 2, .views = 3 };
	struct movgem_stream gate;
	struct baton baton;
	uint32_t queue, syncobj;
	unsigned int round, view;

	begin(&cfg);
	baton_init(&baton, rig.views[0].vm);
	queue = movgem_queue_create(rig.fd, rig.views[0].vm);
	movgem_stream_init(&gate, rig.fd, rig.views[0].vm, PAGE);

	for (round = 1; round <= 4; round++) {
		movgem_stream_reset(&gate);
		movgem_cmd_sem_wait(&gate, baton.va, round, 0);
		syncobj = movgem_stream_submit_sync(&gate, queue);
		for (view = 0; view < RIG_VIEWS; view++)
			rig_submit_jobs(&rig, view, 10, syncobj);

		rig_write_all(&rig);
		move_times(2);
		rig_write_all(&rig);
		igt_assert(movgem_syncobj_busy(rig.fd, syncobj));
		*baton.go = round;

		for (view = 0; view < RIG_VIEWS; view++)
			rig_wait_jobs(&rig, view);
		syncobj_destroy(rig.fd, syncobj);
		rig_check(&rig);
	}
	movgem_stream_fini(&gate);
	rig_fini(&rig);
}

/* ---- batches ---- */

/* One invalidation of the TLBs for a batch of pages, not one for each page. */
static void test_batched_flush(void)
{
	const struct rig_config cfg = {
		.bos = 256, .make = 5, .keep = RIG_KEEP_LOWEST, .views = 1,
	};
	uint64_t flushes, moved;
	unsigned int round;

	begin(&cfg);
	rig_run_jobs(&rig, 0, 2);
	flushes = movgem_stat(rig.fd, "gpu_tlb_flush");
	moved = movgem_stat(rig.fd, "migrate_ok");
	for (round = 0; round < 10 && rig_moved(&rig) < 512; round++)
		compact_memory();
	flushes = movgem_stat(rig.fd, "gpu_tlb_flush") - flushes;
	moved = movgem_stat(rig.fd, "migrate_ok") - moved;
	igt_info("%llu pages moved with %llu invalidations\n",
		 (unsigned long long)moved, (unsigned long long)flushes);
	igt_assert_lte_u64(512, moved);
	igt_assert_lte_u64(flushes, moved / 8);
	rig_run_jobs(&rig, 0, 2);
	rig_check(&rig);
	rig_fini(&rig);
}

/* ---- everything at once ---- */

static struct igt_helper_process mover, compactor;

void movers_start(bool compaction)
{
	char what[64];

	snprintf(what, sizeof(what), "label:%s", rig.label);
	igt_fork_helper(&mover) {
		for (;;)
			__movgem_migrate(rig.fd, what);
	}
	if (!compaction)
		return;
	igt_fork_helper(&compactor) {
		for (;;) {
			compact_memory();
			usleep(100000);
		}
	}
}

void movers_stop(void)
{
	if (mover.running)
		igt_stop_helper(&mover);
	if (compactor.running)
		igt_stop_helper(&compactor);
}

static void test_everything(void)
{
	const struct rig_config cfg = {
		.bos = 64, .make = 4, .keep = RIG_KEEP_SCATTERED, .views = 3,
		.threads = 2, .children = 1, .one_zone = true,
	};
	unsigned int i;
	uint64_t *pfns;

	begin(&cfg);
	squeeze_memory(160);
	rig_start(&rig);
	movers_start(true);
	ask_hugepages_once();
	for (i = 0; i < movgem_rounds(24); i++) {
		pfns = rig_pfns(&rig);
		soft_offline(pfns[i * 37 % rig.pages]);
		free(pfns);
	}
	while (rig_moved(&rig) < movgem_rounds(5) * rig.pages)
		usleep(10000);
	rig_wait_work(&rig, 20000, 16);
	movers_stop();
	rig_stop(&rig);
	rig_check(&rig);
	move_every_page();
	rig_check(&rig);
	rig_fini(&rig);
}

/*
 * The kernel gives up on pages that it has isolated already: no more room, or
 * somebody was faster. They must be as good as before.
 */
static void test_putback(void)
{
	const struct rig_config cfg = {
		.bos = 512, .make = 4, .keep = RIG_KEEP_SCATTERED, .views = 2,
		.threads = 1, .children = 1, .one_zone = true,
	};
	uint64_t before, putback = 0;
	unsigned int round;

	igt_require_f(page_store == DRM_MOVGEM_PAGE_STORE_MOVABLE_OPS,
		      "of pages of files the kernel tells nobody that it gives up on them\n");
	begin(&cfg);
	squeeze_memory(160);
	before = movgem_stat(rig.fd, "putback");
	rig_start(&rig);
	for (round = 0; round < 10 && putback < 4; round++) {
		if (round & 1)
			ask_hugepages_once();
		else
			compact_memory();
		putback = movgem_stat(rig.fd, "putback") - before;
	}
	rig_wait_work(&rig, 20000, 16);
	rig_stop(&rig);
	igt_info("%llu pages put back, %llu moved\n",
		 (unsigned long long)putback,
		 (unsigned long long)rig_moved(&rig));
	rig_check(&rig);
	move_every_page();
	rig_run_jobs(&rig, 0, 8);
	rig_check(&rig);
	rig_fini(&rig);
	igt_require_f(putback, "the kernel gave up on no page in %u rounds\n",
		      round);
}

/* ---- the baseline ---- */

static void test_pinned_store(void)
{
	const struct rig_config cfg = {
		.bos = 64, .make = 4, .keep = RIG_KEEP_LOWEST, .views = 3,
		.threads = 1, .children = 1,
	};
	uint64_t *before, *after;
	unsigned int i;

	begin(&cfg);
	before = rig_pfns(&rig);
	rig_start(&rig);
	for (i = 0; i < 3; i++) {
		rig_migrate(&rig);
		compact_memory();
	}
	rig_wait_work(&rig, 20000, 16);
	rig_stop(&rig);
	after = rig_pfns(&rig);
	igt_assert_eq(pfns_changed(before, after, rig.pages), 0);
	igt_assert_eq_u64(rig_moved(&rig), 0);
	igt_assert_eq_u64(movgem_stat(rig.fd, "migrate_ok"), 0);
	free(before);
	free(after);
	rig_check(&rig);
	rig_fini(&rig);
}

struct rig *the_rig(const struct rig_config *cfg)
{
	begin(cfg);
	return &rig;
}

int igt_main()
{
	const struct writers_case *volatile c;
	volatile bool movable = false;
	const struct more_case *volatile m;

	igt_fixture() {
		int fd = movgem_open();

		movgem_require_debugfs(fd);
		page_store = movgem_page_store(fd);
		movable = page_store != DRM_MOVGEM_PAGE_STORE_PINNED;
		movgem_close(fd);
	}

	igt_subtest_group() {
		igt_fixture()
			igt_require_f(movable, "page_store=pinned: nothing moves\n");

		igt_describe("A BO that nobody has mapped moves on the first try, every page of it");
		igt_subtest("idle")
			test_idle();

		igt_describe("A CPU mapping follows; what it wrote to is what a new mapping shows, and nobody else's memory changes");
		igt_subtest("cpu-mapped")
			test_cpu_mapped();

		igt_describe("A job that has the translations in its TLB waits while the pages move and their old frames are used by others, then goes on");
		igt_subtest("gpu-mapped")
			test_gpu_mapped();

		igt_describe("Bound at two addresses of one VM and in another VM: each sees what the others write, before and after moves");
		igt_subtest("several-vms")
			test_several_vms();

		igt_describe("Jobs that are queued while the pages move, and start afterwards");
		igt_subtest("queued")
			test_queued();

		igt_describe("Four pages that two CPU writers write to without a break while they are moved hundreds of times: no write is lost");
		igt_subtest("cpu-hammer")
			test_hammer(2, 0);

		igt_describe("Four pages that three queues write to without a break while they are moved hundreds of times: no write is lost");
		igt_subtest("gpu-hammer")
			test_hammer(0, 3);

		for (c = writers_cases;
		     c < writers_cases + ARRAY_SIZE(writers_cases); c++) {
			igt_describe(c->describe);
			igt_subtest(c->name)
				test_writers(c);
		}

		igt_describe("Compaction takes at most one TLB invalidation for eight pages");
		igt_subtest("batched-flush")
			test_batched_flush();

		igt_describe("Pages that the kernel isolated and gave back keep their content, and move another time");
		igt_subtest("putback")
			test_putback();

		igt_describe("debugfs, compaction, huge pages and soft offline at the same time");
		igt_subtest("everything")
			test_everything();

		for (m = more_cases; m->name; m++) {
			igt_describe(m->describe);
			igt_subtest(m->name)
				m->test();
		}
	}

	igt_subtest_group() {
		igt_fixture()
			igt_require_f(!movable, "page_store is not pinned\n");

		igt_describe("With page_store=pinned no page moves, and everything else works the same");
		igt_subtest("pinned-store")
			test_pinned_store();
	}

	igt_fixture() {
		movers_stop();
		rig_reset();
		triggers_reset();
	}
}
