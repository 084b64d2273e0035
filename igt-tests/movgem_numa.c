// SPDX-License-Identifier: MIT
/*
 * Copyright (C) 2026 movgem maintainers
 */
#include <errno.h>
#include <inttypes.h>
#include <linux/mempolicy.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "igt.h"
#include "igt_syncobj.h"
#include "movgem_rig.h"

/**
 * TEST: movgem numa
 * Description: The system calls for NUMA memory move mapped buffers.
 * Category: Core
 * Mega feature: General Core features
 * Sub-category: Memory management tests
 * Functionality: page migration
 * Feature: movgem
 * Test category: functionality test
 *
 * SUBTEST: create
 * Description: A new buffer's pages are where the memory policy has them.
 *
 * SUBTEST: move-pages
 * Description: move_pages() moves a buffer from node to node and back.
 *
 * SUBTEST: migrate-pages
 * Description: migrate_pages() takes the process's buffers along.
 *
 * SUBTEST: mbind
 * Description: mbind() with MPOL_MF_MOVE moves a mapped buffer.
 *
 * SUBTEST: in-use
 * Description: Nothing is lost while CPU and GPU write to the moving buffer.
 */

IGT_TEST_DESCRIPTION("NUMA system calls on mapped buffers.");

#define PAGES		256
#define SIZE		(PAGES * MOVGEM_PAGE)
#define MAX_NODES	64

struct numa {
	int fd;
	int node[2];
	uint32_t handle;
	uint8_t *map;
};

/* The first two nodes that have memory. */
static bool find_nodes(int node[2])
{
	int found = 0;

	for (int i = 0; i < MAX_NODES && found < 2; i++) {
		unsigned long kb = 0;
		char path[64], line[256];
		FILE *file;

		snprintf(path, sizeof(path), "/sys/devices/system/node/node%d/meminfo", i);
		file = fopen(path, "r");
		if (!file)
			continue;
		if (fgets(line, sizeof(line), file))
			sscanf(line, "Node %*d MemTotal: %lu", &kb);
		fclose(file);
		if (kb)
			node[found++] = i;
	}
	return found == 2;
}

/* Moves all pages to @node, or with -1 only asks; how many are on @want. */
static unsigned int move(struct numa *n, int node, int want)
{
	void *pages[PAGES];
	int nodes[PAGES], status[PAGES];
	unsigned int there = 0;
	long ret;

	for (int i = 0; i < PAGES; i++) {
		pages[i] = n->map + i * MOVGEM_PAGE;
		nodes[i] = node;
		status[i] = -1;
	}
	ret = syscall(__NR_move_pages, 0, PAGES, pages, node < 0 ? NULL : nodes, status,
		      MPOL_MF_MOVE);
	/* Above zero: so many were not moved. */
	igt_assert_f(ret >= 0, "move_pages: %s\n", strerror(errno));
	if (node >= 0)
		return move(n, -1, want);
	for (int i = 0; i < PAGES; i++)
		there += status[i] == want;
	return there;
}

/* Whatever holds up a page for a moment is over soon. */
static void move_whole(struct numa *n, int node)
{
	unsigned int there = 0;

	for (int i = 0; i < 100 && there < PAGES; i++) {
		there = move(n, node, node);
		if (there < PAGES)
			usleep(10000);
	}
	igt_assert_eq(there, PAGES);
}

static void numa_init(struct numa *n)
{
	n->handle = movgem_bo_create(n->fd, SIZE, 0);
	n->map = movgem_bo_mmap(n->fd, n->handle, SIZE);
	movgem_fill_pattern(n->map, SIZE, 1);
}

static void numa_fini(struct numa *n)
{
	munmap(n->map, SIZE);
	gem_close(n->fd, n->handle);
}

static void test_create(struct numa *n)
{
	for (int i = 0; i < 4; i++) {
		unsigned long nodes = 1ul << n->node[i % 2];

		igt_assert_eq(syscall(__NR_set_mempolicy, MPOL_BIND, &nodes, MAX_NODES), 0);
		numa_init(n);
		igt_assert_eq(move(n, -1, n->node[i % 2]), PAGES);
		numa_fini(n);
	}
	igt_assert_eq(syscall(__NR_set_mempolicy, MPOL_DEFAULT, NULL, 0), 0);
}

static void test_move_pages(struct numa *n)
{
	uint64_t before;

	numa_init(n);
	move_whole(n, n->node[0]);
	before = movgem_bo_moved(n->fd, n->handle);
	for (int i = 1; i < 6; i++) {
		move_whole(n, n->node[i % 2]);
		movgem_check_pattern(n->map, SIZE, 1);
	}
	igt_assert_lte_u64(before + 5 * PAGES, movgem_bo_moved(n->fd, n->handle));
	numa_fini(n);
}

static void test_migrate_pages(struct numa *n)
{
	numa_init(n);
	for (int i = 0; i < 4; i++) {
		unsigned long from = 1ul << n->node[i % 2];
		unsigned long to = 1ul << n->node[!(i % 2)];
		unsigned int there = 0;

		move_whole(n, n->node[i % 2]);
		for (int try = 0; try < 100 && there < PAGES; try++) {
			igt_assert_lte(0, syscall(__NR_migrate_pages, 0, MAX_NODES, &from,
						  &to));
			there = move(n, -1, n->node[!(i % 2)]);
		}
		igt_assert_eq(there, PAGES);
		movgem_check_pattern(n->map, SIZE, 1);
	}
	numa_fini(n);
}

static void test_mbind(struct numa *n)
{
	numa_init(n);
	for (int i = 0; i < 4; i++) {
		unsigned long to = 1ul << n->node[i % 2];
		unsigned int there = 0;

		for (int try = 0; try < 100 && there < PAGES; try++) {
			if (syscall(__NR_mbind, n->map, SIZE, MPOL_BIND, &to, MAX_NODES,
				    MPOL_MF_MOVE | MPOL_MF_STRICT))
				igt_assert_eq(errno, EIO);
			there = move(n, -1, n->node[i % 2]);
		}
		igt_assert_eq(there, PAGES);
		movgem_check_pattern(n->map, SIZE, 1);
	}
	numa_fini(n);
}

struct counter {
	volatile uint64_t *words;
	volatile bool stop;
	uint64_t rounds;
};

/* Counts up a word of each page; the other half of the page is the GPU's. */
static void *count_up(void *arg)
{
	struct counter *c = arg;

	while (!c->stop) {
		for (int i = 0; i < PAGES; i++)
			c->words[i * (MOVGEM_PAGE / 8)]++;
		c->rounds++;
	}
	return NULL;
}

static void test_in_use(struct numa *n)
{
	struct counter c = { };
	struct movgem_rig rig;
	pthread_t thread;
	uint64_t va;

	movgem_rig_init(&rig, n->fd);
	numa_init(n);
	memset(n->map, 0, SIZE);
	va = movgem_va_alloc(n->fd, SIZE);
	movgem_vm_map(n->fd, rig.vm, n->handle, 0, va, SIZE, 0);
	c.words = (volatile uint64_t *)n->map;
	igt_assert_eq(pthread_create(&thread, NULL, count_up, &c), 0);
	for (uint32_t i = 0; i < 20; i++) {
		uint32_t syncobj;

		for (int page = 0; page < PAGES; page++)
			movgem_cmd_fill(&rig.s, va + page * MOVGEM_PAGE + MOVGEM_PAGE / 2,
					MOVGEM_PAGE / 2, i);
		syncobj = movgem_stream_submit_sync(&rig.s, rig.queue);
		/* Pages may stay behind this time, as they are in use. */
		move(n, n->node[i % 2], n->node[i % 2]);
		igt_assert_eq(movgem_syncobj_result(n->fd, syncobj), 0);
		syncobj_destroy(n->fd, syncobj);
		movgem_stream_reset(&rig.s);
		for (int page = 0; page < PAGES; page++)
			movgem_check_value(n->map + page * MOVGEM_PAGE + MOVGEM_PAGE / 2,
					   MOVGEM_PAGE / 2, i);
	}
	c.stop = true;
	pthread_join(thread, NULL);
	igt_info("%" PRIu64 " rounds of writes, %" PRIu64 " moves\n", c.rounds,
		 movgem_bo_moved(n->fd, n->handle));
	for (int i = 0; i < PAGES; i++)
		igt_assert_eq_u64(c.words[i * (MOVGEM_PAGE / 8)], c.rounds);
	igt_assert_lt_u64(0, movgem_bo_moved(n->fd, n->handle));
	movgem_vm_unmap(n->fd, rig.vm, va, SIZE);
	numa_fini(n);
	movgem_rig_fini(&rig);
}

int igt_main()
{
	static struct numa n = { .fd = -1 };

	igt_fixture() {
		uint32_t store;

		n.fd = movgem_open();
		store = movgem_page_store(n.fd);
		igt_require_f(store == DRM_MOVGEM_PAGE_STORE_FOLIO,
			      "page store %u maps by PFN, which NUMA policies pass over\n",
			      store);
		igt_require_f(find_nodes(n.node), "there are no two nodes with memory\n");
	}

	igt_describe("A new buffer's pages are where the memory policy has them.");
	igt_subtest("create")
		test_create(&n);

	igt_describe("move_pages() moves a buffer from node to node and back.");
	igt_subtest("move-pages")
		test_move_pages(&n);

	igt_describe("migrate_pages() takes the process's buffers along.");
	igt_subtest("migrate-pages")
		test_migrate_pages(&n);

	igt_describe("mbind() with MPOL_MF_MOVE moves a mapped buffer.");
	igt_subtest("mbind")
		test_mbind(&n);

	igt_describe("Nothing is lost while CPU and GPU write to the moving buffer.");
	igt_subtest("in-use")
		test_in_use(&n);

	igt_fixture()
		movgem_close(n.fd);
}
