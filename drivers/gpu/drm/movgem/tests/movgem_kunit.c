// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 movgem maintainers */

/*
 * What the suites share: devices of their own, which are registered as any and
 * go when the test ends, and a VM with some pages in it.
 */

#include <linux/gfp.h>
#include <linux/io.h>
#include <linux/limits.h>
#include <linux/mm.h>
#include <linux/platform_device.h>
#include <linux/string.h>

#include "movgem_kunit.h"

#include "../movgem_drv.h"
#include "../movgem_engine.h"
#include "../movgem_pm.h"
#include "../movgem_store.h"

static void unregister(void *pdev)
{
	platform_device_unregister(pdev);
}

static void power_put(void *mdev)
{
	movgem_pm_put(mdev);
}

/* A work of the end of a VM queues another. */
static void flush_movgem_wq(void)
{
	flush_workqueue(movgem_wq);
	flush_workqueue(movgem_wq);
}

/**
 * movgem_kunit_device - a device that is on, and goes when the test ends
 * @test: the test
 *
 * Return: the device.
 */
struct movgem_device *movgem_kunit_device(struct kunit *test)
{
	struct platform_device *pdev;
	struct movgem_device *mdev;

	pdev = platform_device_register_simple("movgem", PLATFORM_DEVID_AUTO,
					       NULL, 0);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, pdev);
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, unregister, pdev));

	mdev = platform_get_drvdata(pdev);
	KUNIT_ASSERT_NOT_NULL_MSG(test, mdev, "the driver did not bind");
	KUNIT_ASSERT_EQ(test, 0, movgem_pm_get(mdev));
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, power_put, mdev));
	/* What priming lockdep used goes by works. */
	flush_movgem_wq();
	return mdev;
}

/* In return nothing of the VM is left: the works of its end have run. */
static void kill_vm(void *vm)
{
	movgem_vm_kill(vm);
	flush_movgem_wq();
}

/**
 * movgem_kunit_vm - a VM that goes when the test ends
 * @test: the test
 * @mdev: its device
 *
 * Return: the VM.
 */
struct movgem_vm *movgem_kunit_vm(struct kunit *test,
				  struct movgem_device *mdev)
{
	struct movgem_vm *vm = movgem_vm_create(mdev);

	KUNIT_ASSERT_FALSE(test, IS_ERR(vm));
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, kill_vm, vm));
	return vm;
}

static void free_pages_of(void *data)
{
	struct movgem_kunit_gpu *gpu = data;

	/* Nothing of them may stay in a TLB. */
	movgem_migrate_flush(gpu->mdev);
	for (int i = 0; i < MOVGEM_KUNIT_PAGES; i++)
		if (gpu->pages[i])
			__free_page(gpu->pages[i]);
}

/**
 * movgem_kunit_gpu - a device, a VM and a core to look at it with
 * @test: the test
 *
 * Page i has the bytes i * 16 to i * 16 + 15 over and over.
 *
 * Return: all that.
 */
struct movgem_kunit_gpu *movgem_kunit_gpu(struct kunit *test)
{
	struct movgem_kunit_gpu *gpu;
	struct soft_engine *se;

	gpu = kunit_kzalloc(test, sizeof(*gpu), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, gpu);
	gpu->test = test;
	gpu->mdev = movgem_kunit_device(test);
	gpu->vm = movgem_kunit_vm(test, gpu->mdev);

	se = gpu->mdev->engine_priv;
	gpu->core = &se->cores[0];

	gpu->sq.engine = se;
	INIT_LIST_HEAD(&gpu->sq.link);
	INIT_LIST_HEAD(&gpu->sq.jobs);
	gpu->job.seqno = 77;
	gpu->ctx = (struct soft_ctx) {
		.core = gpu->core,
		.sq = &gpu->sq,
		.job = &gpu->job,
		.vm = gpu->vm,
		.slice_end = U64_MAX,
		.credit = SOFT_SLICE_CREDIT,
	};

	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, free_pages_of, gpu));
	for (int i = 0; i < MOVGEM_KUNIT_PAGES; i++) {
		u8 *mem;

		gpu->pages[i] = alloc_page(GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, gpu->pages[i]);
		mem = movgem_kunit_mem(gpu, i);
		for (int j = 0; j < PAGE_SIZE; j++)
			mem[j] = i * 16 + j % 16;
	}
	return gpu;
}

/**
 * movgem_kunit_map - write a page table entry
 * @gpu: the GPU
 * @va: GPU address
 * @page: which of its pages
 * @flags: MOVGEM_PTE_*, besides VALID
 */
void movgem_kunit_map(struct movgem_kunit_gpu *gpu, u64 va, int page, u64 flags)
{
	KUNIT_ASSERT_EQ(gpu->test, 0,
			movgem_pt_reserve(&gpu->vm->pt, va, PAGE_SIZE));
	movgem_pt_set(&gpu->vm->pt, va,
		      page_to_phys(gpu->pages[page]) | MOVGEM_PTE_VALID | flags);
}

/**
 * movgem_kunit_unmap - empty a page table entry
 * @gpu: the GPU
 * @va: GPU address, mapped before
 */
void movgem_kunit_unmap(struct movgem_kunit_gpu *gpu, u64 va)
{
	movgem_pt_set(&gpu->vm->pt, va, 0);
}

/**
 * movgem_kunit_mem - what is in a page
 * @gpu: the GPU
 * @page: which of its pages
 *
 * Return: the page, as the CPU sees it.
 */
u8 *movgem_kunit_mem(struct movgem_kunit_gpu *gpu, int page)
{
	return page_address(gpu->pages[page]);
}
