// SPDX-License-Identifier: MIT
/*
 * Copyright (C) 2026 movgem maintainers
 */

/**
 * TEST: movgem pt
 * Description: The pages of GPU page tables move while jobs use them and VM_BIND
 *              writes them.
 * Category: Core
 * Mega feature: General Core features
 * Sub-category: uapi
 * Functionality: page migration
 * Feature: movgem
 * Test category: functionality test
 *
 * SUBTEST: levels
 * Description: Each table of each level moves, and translates the same after
 *              that
 *
 * SUBTEST: jobs
 * Description: Three queues in two VMs write to 4 MiB while the tables move over
 *              and over: nothing is lost
 *
 * SUBTEST: jobs-and-pages
 * Description: The same while the pages of the BOs move as well
 *
 * SUBTEST: soft-offline
 * Description: The kernel takes page frames of tables out of service, one by
 *              one, while jobs run
 *
 * SUBTEST: bind-race
 * Description: Addresses are bound, in new tables and old ones, and unbound
 *              while the tables move: each job sees what was bound
 *
 * SUBTEST: free-race
 * Description: VMs come and go while their tables move: no page stays behind
 */

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "igt.h"
#include "movgem_lib.h"
#include "movgem_migrate_rig.h"
#include "movgem_migrate_trigger.h"

IGT_TEST_DESCRIPTION("GPU page tables that move");

static struct rig rig;

static void begin(const struct rig_config *cfg)
{
	rig_reset();
	triggers_reset();
	rig_init(&rig, cfg);
}

/* ---- what debugfs says of tables ---- */

/*
 * VMs of files that were closed before may still be there, and go while we
 * look. Ours are known by a page that is mapped where nobody else maps one.
 */
static uint64_t mark_va;

static void new_mark(void)
{
	static unsigned int serial;

	mark_va = 0x600000000000ull + ((getpid() * 4ull + serial++) << 21);
}

static void mark_vm(int fd, uint32_t vm, uint32_t handle)
{
	movgem_vm_map(fd, vm, handle, 0, mark_va, PAGE, 0);
}

struct table {
	unsigned int vm, level;
	uint64_t va, pfn;
};

/* Tables of all VMs. Returns how many; @tables is freed by the caller. */
static unsigned int read_tables(int fd, struct table **tables)
{
	char *text = movgem_debugfs_read(fd, "pt"), *line, *pos;
	unsigned int count = 0, room = 0;
	struct table t;

	igt_assert_f(text, "cannot read pt\n");
	*tables = NULL;
	for (line = strtok_r(text, "\n", &pos); line;
	     line = strtok_r(NULL, "\n", &pos)) {
		igt_assert_eq(sscanf(line, "%u %u %" SCNx64 " %" SCNx64, &t.vm,
				     &t.level, &t.va, &t.pfn), 4);
		if (count == room) {
			room = room * 2 + 64;
			*tables = realloc(*tables, room * sizeof(t));
			igt_assert(*tables);
		}
		(*tables)[count++] = t;
	}
	free(text);
	return count;
}

/* The same, of VMs that are marked. */
static unsigned int read_our_tables(int fd, struct table **tables)
{
	unsigned int count = read_tables(fd, tables), ours = 0, i, j;
	struct table *all = *tables;

	*tables = calloc(count + 1, sizeof(*all));
	igt_assert(*tables);
	for (i = 0; i < count; i++) {
		for (j = 0; j < count; j++)
			if (all[j].vm == all[i].vm && !all[j].level &&
			    all[j].va == mark_va)
				break;
		if (j < count)
			(*tables)[ours++] = all[i];
	}
	free(all);
	return ours;
}

/* ---- one table after the other ---- */

static void test_levels(void)
{
	/* one page in each: tables of all levels that differ */
	static const uint64_t vas[] = {
		0x200000ull, 0x40000000ull, 0x8000000000ull,
		0x7ffffffff000ull, 0x7fffc0000000ull,
	};
	struct table *before, *after;
	unsigned int i, round, count, levels = 0;
	struct movgem_stream s;
	uint32_t vm, queue, handle, *map;
	uint64_t va_out;
	int fd;

	rig_reset();
	fd = movgem_open();
	vm = movgem_vm_create(fd);
	queue = movgem_queue_create(fd, vm);
	movgem_stream_init(&s, fd, vm, PAGE);
	handle = movgem_bo_create(fd, (ARRAY_SIZE(vas) + 1) * PAGE, 0);
	map = movgem_bo_mmap(fd, handle, (ARRAY_SIZE(vas) + 1) * PAGE);
	for (i = 0; i < ARRAY_SIZE(vas); i++)
		movgem_vm_map(fd, vm, handle, (i + 1) * PAGE, vas[i], PAGE, 0);
	va_out = movgem_va_alloc(fd, PAGE);
	movgem_vm_map(fd, vm, handle, 0, va_out, PAGE, 0);
	new_mark();
	mark_vm(fd, vm, handle);

	for (round = 0; round < 4; round++) {
		count = read_our_tables(fd, &before);
		igt_assert_lt(8, count);
		igt_assert_eq(__movgem_migrate(fd, "pt"), 0);
		igt_assert_eq(read_our_tables(fd, &after), count);
		for (i = 0; i < count; i++) {
			igt_assert_eq(before[i].vm, after[i].vm);
			igt_assert_eq(before[i].level, after[i].level);
			igt_assert_eq_u64(before[i].va, after[i].va);
			igt_assert_f(before[i].pfn != after[i].pfn,
				     "the table of level %u at 0x%" PRIx64 " has not moved\n",
				     before[i].level, before[i].va);
			levels |= 1 << before[i].level;
		}
		free(before);
		free(after);

		for (i = 0; i < ARRAY_SIZE(vas); i++)
			map[(i + 1) * PAGE / 4] = movgem_mix(i, round);
		movgem_stream_reset(&s);
		for (i = 0; i < ARRAY_SIZE(vas); i++)
			movgem_cmd_copy(&s, va_out + i * 4, vas[i], 4);
		igt_assert_eq(__movgem_stream_run(&s, queue), 0);
		for (i = 0; i < ARRAY_SIZE(vas); i++)
			igt_assert_eq_u32(map[i], movgem_mix(i, round));
	}
	igt_assert_eq(levels, 0xf);
	movgem_stream_fini(&s);
	munmap(map, (ARRAY_SIZE(vas) + 1) * PAGE);
	movgem_close(fd);
}

/* ---- under load ---- */

static struct igt_helper_process mover;

static void mover_start(int fd)
{
	igt_fork_helper(&mover) {
		for (;;)
			__movgem_migrate(fd, "pt");
	}
}

static void test_jobs(bool pages)
{
	const struct rig_config cfg = {
		.bos = 64, .views = 3, .unmapped = !pages,
		.threads = pages ? 1 : 0,
	};
	uint64_t moved;
	unsigned int round;

	begin(&cfg);
	moved = movgem_stat(rig.fd, "pt_moved");
	rig_start(&rig);
	rig_wait_work(&rig, pages ? 64 : 0, 1);
	mover_start(rig.fd);
	for (round = 0; pages && round < movgem_rounds(8); round++)
		rig_migrate(&rig);
	while (movgem_stat(rig.fd, "pt_moved") - moved < movgem_rounds(1000))
		usleep(1000);
	rig_wait_work(&rig, pages ? movgem_rounds(10000) : 0, movgem_rounds(50));
	igt_stop_helper(&mover);
	rig_stop(&rig);
	igt_info("%" PRIu64 " tables moved, %" PRIu64 " pages; jobs %" PRIu64 "\n",
		 movgem_stat(rig.fd, "pt_moved") - moved, rig_moved(&rig),
		 rig.shared->jobs[0]);
	rig_check(&rig);
	rig_fini(&rig);
}

static void test_soft_offline(void)
{
	const struct rig_config cfg = {
		.bos = 4, .views = 3, .unmapped = true,
	};
	unsigned int count, i, j, taken = 0, left = 0;
	struct table *before, *after;

	begin(&cfg);
	new_mark();
	/* the second view is one more of the first one's VM */
	mark_vm(rig.fd, rig.views[0].vm, rig.seed_handle);
	mark_vm(rig.fd, rig.views[2].vm, rig.seed_handle);
	rig_start(&rig);
	rig_wait_work(&rig, 0, 1);
	count = read_our_tables(rig.fd, &before);
	igt_assert_lt(8, count);
	for (i = 0; i < count && taken < 16; i++) {
		if (!soft_offline(before[i].pfn))
			continue;
		taken++;
		before[i].level |= 0x80;
	}
	igt_assert_eq(read_our_tables(rig.fd, &after), count);
	for (i = 0; i < count; i++)
		for (j = 0; j < count; j++)
			left += (before[i].level & 0x80) &&
				after[j].pfn == before[i].pfn;
	rig_wait_work(&rig, 0, movgem_rounds(50));
	rig_stop(&rig);
	igt_info("%u of %u frames taken\n", taken, count);
	rig_check(&rig);
	igt_assert_lte(8, taken);
	igt_assert_eq(left, 0);
	free(before);
	free(after);
	rig_fini(&rig);
}

static void test_bind_race(void)
{
	uint64_t va_out, va, base = 0x1000000000ull;
	uint32_t vm, queue, handle, *map;
	struct movgem_stream s;
	unsigned int round, i;
	uint64_t moved, state = 1234;
	int fd;

	rig_reset();
	fd = movgem_open();
	vm = movgem_vm_create(fd);
	queue = movgem_queue_create(fd, vm);
	movgem_stream_init(&s, fd, vm, PAGE);
	handle = movgem_bo_create(fd, 16 * PAGE, 0);
	map = movgem_bo_mmap(fd, handle, 16 * PAGE);
	for (i = 0; i < 16; i++)
		map[i * PAGE / 4 + 1] = movgem_mix(i, 99);
	va_out = movgem_va_alloc(fd, PAGE);
	movgem_vm_map(fd, vm, handle, 0, va_out, PAGE, 0);

	moved = movgem_stat(fd, "pt_moved");
	mover_start(fd);
	for (round = 0; round < movgem_rounds(300) ||
	     movgem_stat(fd, "pt_moved") - moved < movgem_rounds(2000); round++) {
		/* 16 pages over two tables, most rounds new ones */
		va = base + ((movgem_rand(&state) % 4096) << 21) +
		     (512 - 8) * PAGE;
		movgem_vm_map(fd, vm, handle, 0, va, 16 * PAGE, 0);
		movgem_stream_reset(&s);
		for (i = 0; i < 16; i++)
			movgem_cmd_copy(&s, va_out + 64 + i * 4,
					va + i * PAGE + 4, 4);
		igt_assert_eq(__movgem_stream_run(&s, queue), 0);
		for (i = 0; i < 16; i++)
			igt_assert_f(map[16 + i] == movgem_mix(i, 99),
				     "round %u: page %u at 0x%" PRIx64 " shows 0x%08x\n",
				     round, i, va, map[16 + i]);
		movgem_vm_unmap(fd, vm, va, 16 * PAGE);
		if (round % 16)
			continue;
		/* and what was unbound is gone */
		movgem_stream_reset(&s);
		movgem_cmd_copy(&s, va_out + 64, va + 4, 4);
		igt_assert_lt(__movgem_stream_run(&s, queue), 0);
	}
	igt_stop_helper(&mover);
	igt_info("%u rounds, %" PRIu64 " tables moved\n", round,
		 movgem_stat(fd, "pt_moved") - moved);
	movgem_stream_fini(&s);
	munmap(map, 16 * PAGE);
	movgem_close(fd);
}

static void test_free_race(void)
{
	struct table *tables;
	unsigned int round, i, count;
	uint64_t live, have;
	uint32_t vm[8], handle;
	int fd;

	rig_reset();
	fd = movgem_open();
	handle = movgem_bo_create(fd, PAGE, 0);
	live = movgem_stat(fd, "pt_pages_live");
	for (i = 0; i < 100; i++) {
		usleep(10000);
		have = movgem_stat(fd, "pt_pages_live");
		if (have == live)
			break;
		live = have;
	}
	mover_start(fd);
	for (round = 0; round < movgem_rounds(60); round++) {
		for (i = 0; i < ARRAY_SIZE(vm); i++) {
			vm[i] = movgem_vm_create(fd);
			movgem_vm_map(fd, vm[i], handle, 0,
				      0x100000000ull << (i + round) % 8, PAGE,
				      0);
		}
		if (round % 8 == 0) {
			count = read_tables(fd, &tables);
			for (i = 0; i < count && i < 2; i++)
				soft_offline(tables[i].pfn);
			free(tables);
		}
		for (i = 0; i < ARRAY_SIZE(vm); i++)
			movgem_vm_destroy(fd, vm[i]);
	}
	igt_stop_helper(&mover);
	/* Fewer, where an earlier test still had some when this one began. */
	for (i = 0; i < 6000 && movgem_stat(fd, "pt_pages_live") > live; i++)
		usleep(10000);
	igt_assert_lte_u64(movgem_stat(fd, "pt_pages_live"), live);
	movgem_close(fd);
}

int igt_main()
{
	igt_fixture() {
		int fd = movgem_open();

		movgem_require_debugfs(fd);
		igt_require_f(movgem_can_move(fd), "page_store is pinned: nothing moves\n");
		movgem_close(fd);
	}

	igt_describe("Each table of each level moves, and translates the same after that");
	igt_subtest("levels")
		test_levels();

	igt_describe("Three queues in two VMs write to 4 MiB while the tables move over and over: nothing is lost");
	igt_subtest("jobs")
		test_jobs(false);

	igt_describe("The same while the pages of the BOs move as well");
	igt_subtest("jobs-and-pages")
		test_jobs(true);

	igt_describe("The kernel takes page frames of tables out of service, one by one, while jobs run");
	igt_subtest("soft-offline")
		test_soft_offline();

	igt_describe("Addresses are bound, in new tables and old ones, and unbound while the tables move: each job sees what was bound");
	igt_subtest("bind-race")
		test_bind_race();

	igt_describe("VMs come and go while their tables move: no page stays behind");
	igt_subtest("free-race")
		test_free_race();

	igt_fixture() {
		if (mover.running)
			igt_stop_helper(&mover);
		rig_reset();
		triggers_reset();
	}
}
