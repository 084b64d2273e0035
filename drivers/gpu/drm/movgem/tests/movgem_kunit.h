/* SPDX-License-Identifier: GPL-2.0 */
/* Copyright (C) 2026 movgem maintainers */
#ifndef _MOVGEM_KUNIT_H_
#define _MOVGEM_KUNIT_H_

#include <kunit/test.h>

#include <drm/movgem_drm.h>

#include "../movgem_device.h"
#include "../movgem_queue.h"
#include "../movgem_soft.h"
#include "../movgem_vm.h"

/* Most pages that the addresses of a test are mapped to. */
#define MOVGEM_KUNIT_PAGES	16

/* Where tests map them, if the address does not matter. */
#define MOVGEM_KUNIT_VA		0x400000ULL

/**
 * struct movgem_kunit_gpu - a device, and a VM that a core looks at
 *
 * The page table entries are the test's own: there is no BO behind them. The
 * core is one of the device's, which is idle as no job is ever submitted.
 */
struct movgem_kunit_gpu {
	/** @test: the test. */
	struct kunit *test;

	/** @mdev: the device, a registered one. */
	struct movgem_device *mdev;

	/** @vm: a VM. */
	struct movgem_vm *vm;

	/** @core: first core of the engine. */
	struct soft_core *core;

	/** @ctx: a slice without end. */
	struct soft_ctx ctx;

	/** @sq: its queue. */
	struct soft_queue sq;

	/** @job: its job. */
	struct movgem_job job;

	/** @pages: pages to map. */
	struct page *pages[MOVGEM_KUNIT_PAGES];
};

struct movgem_device *movgem_kunit_device(struct kunit *test);
struct movgem_kunit_gpu *movgem_kunit_gpu(struct kunit *test);
struct movgem_vm *movgem_kunit_vm(struct kunit *test,
				  struct movgem_device *mdev);
void movgem_kunit_map(struct movgem_kunit_gpu *gpu, u64 va, int page,
		      u64 flags);
void movgem_kunit_unmap(struct movgem_kunit_gpu *gpu, u64 va);
u8 *movgem_kunit_mem(struct movgem_kunit_gpu *gpu, int page);

#endif
