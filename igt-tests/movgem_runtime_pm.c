// SPDX-License-Identifier: MIT
/*
 * Copyright (C) 2026 movgem maintainers
 */
#include <drm_fourcc.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "igt.h"
#include "igt_syncobj.h"
#include "movgem_devices.h"
#include "movgem_kms_rig.h"
#include "movgem_migrate_trigger.h"
#include "movgem_rig.h"

/**
 * TEST: movgem runtime pm
 * Description: The GPU is off while it has nothing to do, and moving the pages
 *              of its buffers is nothing that it does.
 * Category: Core
 * Mega feature: General Core features
 * Sub-category: uapi
 * Functionality: runtime_pm
 * Feature: movgem
 * Test category: functionality test
 *
 * SUBTEST: jobs
 * Description: The GPU is on while a job waits or runs, and off without jobs.
 *
 * SUBTEST: display
 * Description: The GPU is on while the display is.
 *
 * SUBTEST: moves
 * Description: Pages of every kind move, and the GPU stays off; jobs after that
 *              find them where they are.
 *
 * SUBTEST: memory
 * Description: Buffers are made, mapped, bound, shared, purged and freed, and the
 *              GPU stays off; jobs after that see what is mapped.
 *
 * SUBTEST: unbind
 * Description: A device that is off goes away, and comes back.
 *
 * SUBTEST: unbind-pci
 * Description: The same with a PCI function.
 *
 * SUBTEST: hammer
 * Description: The GPU goes off after each of many jobs, while pages move.
 */

IGT_TEST_DESCRIPTION("A GPU that is off while it has nothing to do.");

/* As many as the TLB of a core can hold at once. */
#define PAGES	64u
#define SIZE	(PAGES * MOVGEM_PAGE)
#define DELAY_MS	20

/* A job writes a word to each page, by whatever is in the TLB. */
static void memory_write(struct movgem_memory *m, uint32_t value)
{
	struct movgem_stream *s = &m->rig.s;

	for (unsigned int i = 0; i < PAGES; i++)
		movgem_cmd_fill(s, m->va + i * MOVGEM_PAGE + 64, 4, value + i);
	movgem_stream_run(s, m->rig.queue);
}

static void memory_check(const struct movgem_memory *m, uint32_t value)
{
	for (unsigned int i = 0; i < PAGES; i++)
		igt_assert_f(m->map[i * MOVGEM_PAGE / 4 + 16] == value + i,
			     "page %u: 0x%x is not 0x%x\n", i,
			     m->map[i * MOVGEM_PAGE / 4 + 16], value + i);
}

static void test_jobs(int fd)
{
	movgem_power_wait_off(fd);
	movgem_gate_loop(i) {
		struct movgem_gate gate;
		bool off = false;

		movgem_gate_shut(&gate, fd);
		for (int j = 0; j < 20; j++) {
			off |= movgem_power_is_off(fd);
			usleep(DELAY_MS * 1000 / 4);
		}
		if (movgem_gate_open(&gate)) {
			igt_assert(!off);
			break;
		}
	}
	movgem_power_wait_off(fd);
}

static void test_display(int fd)
{
	struct kms_scene scene = { };
	struct kms_rig kms;
	struct kms_fb fb;

	kms_rig_init(&kms, fd);
	kms_off(&kms);
	movgem_power_wait_off(fd);
	kms_full_screen(&kms, &scene, &fb, kms_small_mode());
	igt_assert(movgem_power_is_off(fd));
	kms_show(&kms, &scene);
	movgem_power_expect_on(fd, DELAY_MS);
	kms_expect(&kms, &scene);
	kms_off(&kms);
	movgem_power_wait_off(fd);
	if (movgem_can_move(fd))
		igt_assert_lt_u64(0, movgem_migrate_bo(fd, movgem_bo_id(fd, fb.handle)));
	igt_assert(movgem_power_is_off(fd));
	kms_show(&kms, &scene);
	igt_assert(!movgem_power_is_off(fd));
	kms_expect(&kms, &scene);
	kms_off(&kms);
	kms_fb_fini(&fb);
	movgem_power_wait_off(fd);
}

static void test_moves(int fd)
{
	uint64_t on, off_before, pfns[PAGES];
	struct movgem_memory m;

	igt_require(movgem_can_move(fd));
	movgem_memory_init(&m, fd, SIZE);
	for (unsigned int round = 0; round < 8; round++) {
		unsigned int value = 1000 * (round + 1);

		movgem_fill_pattern(m.map, SIZE, round);
		/* All of it is in the TLB of some core after that. */
		memory_write(&m, value);
		movgem_power_wait_off(fd);
		on = movgem_power_time_on(fd);
		off_before = movgem_stat(fd, "gpu_tlb_flush_off");
		igt_assert_eq(movgem_bo_pfns(fd, m.id, pfns, PAGES), PAGES);
		if (round % 2)
			soft_offline(pfns[round]);
		else
			compact_memory();
		memory_check(&m, value);
		/* And the tables that say where they are. */
		igt_assert_eq_u64(movgem_migrate_bo(fd, m.id), PAGES);
		igt_assert_eq(__movgem_migrate(fd, "pt"), 0);
		memory_check(&m, value);
		igt_assert(movgem_power_is_off(fd));
		igt_assert_eq_u64(movgem_power_time_on(fd), on);
		igt_assert_lt_u64(off_before, movgem_stat(fd, "gpu_tlb_flush_off"));
		memory_write(&m, value + 500);
		memory_check(&m, value + 500);
	}
	movgem_memory_fini(&m);
	movgem_power_wait_off(fd);
}

static void test_memory(int fd)
{
	uint32_t handle, other, vm, *map;
	int dmabuf, fd2;
	struct movgem_memory m;
	uint64_t on;

	movgem_memory_init(&m, fd, SIZE);
	memory_write(&m, 7);
	movgem_power_wait_off(fd);
	on = movgem_power_time_on(fd);

	handle = movgem_bo_create(fd, SIZE, 0);
	map = movgem_bo_mmap(fd, handle, SIZE);
	movgem_fill_pattern(map, SIZE, 1);
	vm = movgem_vm_create(fd);
	movgem_vm_map(fd, vm, handle, 0, m.va, SIZE, 0);
	movgem_vm_destroy(fd, vm);
	dmabuf = prime_handle_to_fd(fd, handle);
	fd2 = movgem_reopen(fd);
	other = prime_fd_to_handle(fd2, dmabuf);
	close(dmabuf);
	movgem_bo_wait(fd2, other);
	movgem_close(fd2);
	/* In place of what the TLB has; and of half of it nothing. */
	movgem_vm_map(fd, m.rig.vm, handle, 0, m.va, SIZE / 2, 0);
	movgem_vm_unmap(fd, m.rig.vm, m.va + SIZE / 2, SIZE / 2);
	movgem_bo_madvise(fd, m.handle, DRM_MOVGEM_MADV_DONTNEED);
	movgem_drop_slab();
	igt_assert(movgem_power_is_off(fd));
	igt_assert_eq_u64(movgem_power_time_on(fd), on);

	movgem_rig_expect(&m.rig, m.va + 40, movgem_mix(1, 10));
	movgem_rig_expect_fault(&m.rig, m.va + SIZE / 2 + 64, DRM_MOVGEM_FAULT_UNMAPPED,
				DRM_MOVGEM_ACCESS_READ);
	munmap(map, SIZE);
	gem_close(fd, handle);
	movgem_memory_fini(&m);
	movgem_power_wait_off(fd);
}

static void goes_and_comes(unsigned int n)
{
	int fd = movgem_device_open(n);
	struct movgem_memory m;

	igt_assert(movgem_power_auto(fd, DELAY_MS));
	movgem_memory_init(&m, fd, SIZE);
	memory_write(&m, 1);
	movgem_power_wait_off(fd);
	igt_assert_eq(movgem_device_bind(n, false), 0);
	memory_check(&m, 1);
	munmap(m.map, SIZE);
	movgem_close(fd);

	igt_assert_eq(movgem_device_bind(n, true), 0);
	fd = movgem_device_open(n);
	igt_assert_fd(fd);
	/* Without a word from us. */
	movgem_power_wait_off(fd);
	movgem_memory_init(&m, fd, SIZE);
	memory_write(&m, 2);
	memory_check(&m, 2);
	movgem_memory_fini(&m);
	movgem_power_wait_off(fd);
	movgem_close(fd);
}

static void test_unbind(int fd)
{
	movgem_devices_require(2);
	goes_and_comes(1);
	movgem_devices_restore();
}

static void test_unbind_pci(int fd)
{
	movgem_devices_require_pci();
	goes_and_comes(MOVGEM_DEVICE_PCI);
	movgem_devices_restore();
}

static void test_hammer(int fd)
{
	bool moves = movgem_can_move(fd);
	unsigned int off = 0;
	struct movgem_memory m;

	igt_assert(movgem_power_auto(fd, 0));
	movgem_memory_init(&m, fd, SIZE);
	igt_fork(child, moves) {
		for (int i = 0; i < 300; i++)
			__movgem_migrate_bo(fd, m.id);
	}
	for (unsigned int i = 0; i < 300; i++) {
		memory_write(&m, i * 100);
		if (i % 3)
			usleep(i % 7 * 300);
		off += movgem_power_is_off(fd);
		memory_check(&m, i * 100);
	}
	igt_waitchildren();
	igt_info("off after %u of 300 jobs\n", off);
	movgem_memory_fini(&m);
	movgem_power_wait_off(fd);
	igt_assert(movgem_power_auto(fd, DELAY_MS));
}

int igt_main()
{
	static const struct movgem_subtest tests[] = {
		{ "jobs", test_jobs, "The GPU is on while there are jobs, and off without." },
		{ "display", test_display, "The GPU is on while the display is." },
		{ "moves", test_moves, "Pages move while the GPU is off, and it stays off." },
		{ "memory", test_memory, "Nothing done to memory switches the GPU on." },
		{ "unbind", test_unbind, "A device that is off goes away, and comes back." },
		{ "unbind-pci", test_unbind_pci, "The same with a PCI function." },
		{ "hammer", test_hammer, "The GPU goes off after each job, while pages move." },
	};
	int fd = -1;

	igt_fixture() {
		fd = movgem_open();
		movgem_require_debugfs(fd);
		igt_require_f(movgem_power_auto(fd, DELAY_MS),
			      "no runtime PM (a kernel without CONFIG_PM?)\n");
	}

	movgem_subtests(tests, ARRAY_SIZE(tests), fd);

	igt_fixture()
		movgem_close(fd);
}
