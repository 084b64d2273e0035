// SPDX-License-Identifier: MIT
/*
 * Copyright (C) 2026 movgem maintainers
 */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "igt.h"
#include "igt_syncobj.h"
#include "movgem_fault_calls.h"
#include "movgem_fault_rig.h"

/**
 * TEST: movgem fault injection
 * Description: Every allocation of every call made to fail once, in turn. A
 *              call works or fails cleanly, and works the next time.
 * Category: Core
 * Mega feature: General Core features
 * Sub-category: uapi
 * Functionality: out of memory
 * Feature: movgem
 * Test category: functionality test
 *
 * SUBTEST: call-%s
 * Description: One call, with each of its allocations failing once.
 *
 * arg[1]:
 *
 * @open: opening the device
 * @bo-create: BO_CREATE
 * @bo-create-exclusive: BO_CREATE of a BO of one VM
 * @bo-create-large: BO_CREATE whose array of slots is no slab object
 * @bo-label: BO_LABEL
 * @bo-info: DEV_QUERY, BO_INFO, BO_MMAP_OFFSET, BO_WAIT and BO_MADVISE
 * @dumb-create: a dumb buffer
 * @mmap: mmap() of a BO that was never mapped
 * @page-fault: the first access through a mapping
 * @fb-create: a framebuffer, the first one
 * @vm-create: VM_CREATE
 * @vm-bind: VM_BIND that maps and splits, with syncs
 * @vm-bind-async: the same, not waited for
 * @vm-bind-unmap: VM_BIND that unmaps the middle of a mapping
 * @queue-create: QUEUE_CREATE
 * @submit: SUBMIT with syncs, in a VM with BOs of its own and others
 * @export: PRIME_HANDLE_TO_FD
 * @import-own: PRIME_FD_TO_HANDLE in another file of the device
 * @import-vgem: PRIME_FD_TO_HANDLE of a BO of another driver
 * @attach-vgem: another driver imports a BO, which pins it
 * @dma-buf-mmap: mmap() of a dma-buf
 * @dma-buf-sync-file: fences out of a dma-buf and into it
 * @dma-buf-poll: poll() of a dma-buf that a job works on
 * @fdinfo: reading the fdinfo of the device's file
 * @debugfs: reading the driver's files in debugfs
 * @migrate: the driver's own moves
 * @soft-offline: a page that the kernel moves
 *
 * SUBTEST: user-copies
 * Description: Every copy from and to user space fails once, of every call.
 *
 * SUBTEST: workers
 * Description: One allocation in ten fails under any function of the driver,
 *              in whatever task, while binds and jobs go on; and three in ten
 *              while VMs are made.
 */

IGT_TEST_DESCRIPTION("Every allocation of every movgem call fails once, in turn.");

static bool may_fail_with(const struct fault_call *call, enum fault_kind kind, int ret)
{
	if (ret == (kind == FAULT_ALLOC ? -ENOMEM : -EFAULT))
		return true;
	for (const int *errnos = call->errnos; errnos && *errnos; errnos++)
		if (ret == *errnos)
			return true;
	return false;
}

/*
 * The n-th allocation or copy of the call fails, for each n there is. Where the
 * call fails for it, it has to work when it is done again.
 *
 * DRM copies the arguments out when the call is done, so one that fails for
 * that has done its work, and the caller does not know what it made. Handles
 * and ids go with the file, of which each round has its own then; a new file
 * descriptor is the lowest one that was free.
 */
static int run_call(const struct fault_call *call, int fd, enum fault_kind kind)
{
	bool copies = kind == FAULT_USERCOPY;
	int failed = 0, n;

	for (n = 1; ; n++) {
		struct fault_state st = { .fd = fd };
		int ret, lowest;
		bool hit;

		igt_assert_f(n < 5000, "%s: more than %d allocations\n", call->name, n);
		if (copies)
			st.fd = movgem_reopen(fd);
		if (call->prepare)
			call->prepare(&st);
		lowest = dup(fd);
		igt_assert_fd(lowest);
		close(lowest);

		fault_arm(n);
		ret = call->call(&st);
		hit = fault_disarm();
		if (ret) {
			failed++;
			igt_assert_f(hit, "%s fails by itself: %s\n", call->name,
				     strerror(-ret));
			igt_assert_f(may_fail_with(call, kind, ret), "%s, number %d: %s\n",
				     call->name, n, strerror(-ret));
			if (copies)
				close(lowest);
			ret = call->call(&st);
			igt_assert_f(!ret, "%s, after number %d: still %s\n",
				     call->name, n, strerror(-ret));
		}
		if (call->undo)
			call->undo(&st);
		if (call->cleanup)
			call->cleanup(&st);
		if (copies)
			close(st.fd);
		if (!hit)
			break;
	}
	igt_info("%s: %d %s, of which %d make it fail\n", call->name, n - 1,
		 copies ? "copies" : "allocations", failed);
	return n - 1;
}

/* Nobody else uses the device: with all BOs gone, there is no page either. */
static void check_empty(int fd)
{
	struct drm_movgem_mem_info info;

	movgem_wait_for_bos(fd, 0);
	movgem_mem_info(fd, &info);
	igt_assert_eq_u64(info.pages, 0);
	igt_assert_eq_u64(info.pages_pinned, 0);
}

static void test_call(const struct fault_call *call, int fd)
{
	int n;

	if (call->once)
		call->once(fd);
	n = run_call(call, fd, FAULT_ALLOC);
	if (call->min)
		igt_assert_lte(call->min, n);
	else
		igt_assert_eq(n, 0);
	check_empty(fd);
}

static void test_user_copies(int fd)
{
	static const struct fault_call * const tables[] = {
		fault_own_calls, fault_share_calls,
	};

	fault_only(FAULT_USERCOPY);
	for (int i = 0; i < ARRAY_SIZE(tables); i++)
		for (const struct fault_call *call = tables[i]; call->name; call++)
			if (call->copies)
				igt_assert_lte(2, run_call(call, fd, FAULT_USERCOPY));
	fault_only(FAULT_ALLOC);
	check_empty(fd);
}

/* One round of everything, where anything may fail for want of memory. */
static void some_work(int fd, unsigned int *worked, unsigned int *failed)
{
	uint32_t vm = 0, queue = 0, handle = 0, syncobj;
	int dmabuf = -1, ret;
	void *map;

#define TRY(expr) ({							\
	int try_ = (expr);						\
									\
	igt_assert_f(!try_ || try_ == -ENOMEM, #expr ": %s\n",		\
		     strerror(-try_));					\
	*(try_ ? failed : worked) += 1;					\
	!try_;								\
})
	if (!TRY(__movgem_bo_create(fd, SIZE, 0, 0, &handle)))
		return;
	map = __movgem_bo_mmap(fd, handle, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED);
	if (TRY(map == MAP_FAILED ? -errno : 0)) {
		memset(map, 0x33, SIZE);
		munmap(map, SIZE);
	}
	if (TRY(fault_handle_to_fd(fd, handle, &dmabuf)))
		close(dmabuf);
	if (!TRY(__movgem_vm_create(fd, 0, &vm)))
		goto out;
	if (!TRY(__movgem_vm_map(fd, vm, handle, 0, SZ_2M, SIZE, 0)))
		goto out;
	if (!TRY(__movgem_queue_create(fd, vm, 0, &queue)))
		goto out;

	/* A stream of NOPs: a new BO is zero, and that is an opcode of no size. */
	syncobj = syncobj_create(fd, 0);
	{
		struct drm_movgem_sync sync = movgem_sync_signal(syncobj, 0);

		if (TRY(__movgem_submit(fd, queue, SZ_2M, 64, &sync, 1))) {
			ret = movgem_syncobj_result(fd, syncobj);
			igt_assert_f(ret == -EINVAL, "a bad command ends with %d\n", ret);
		}
	}
	syncobj_destroy(fd, syncobj);
	if (TRY(__movgem_vm_unmap(fd, vm, SZ_2M + MOVGEM_PAGE, MOVGEM_PAGE)))
		TRY(__movgem_vm_unmap(fd, vm, SZ_2M, SIZE));
out:
#undef TRY
	if (queue)
		igt_assert_eq(__movgem_queue_destroy(fd, queue), 0);
	if (vm)
		igt_assert_eq(__movgem_vm_destroy(fd, vm), 0);
	gem_close(fd, handle);
}

static void test_workers(int fd)
{
	unsigned int worked = 0, failed = 0, still = 0;
	uint32_t vm;

	/* Often enough that what tries a second time fails that time too. */
	igt_require_f(fault_driver_only(30), "no stack trace filter in this kernel\n");
	for (int i = 0; i < 300; i++) {
		int ret = __movgem_vm_create(fd, 0, &vm);

		igt_assert_f(!ret || ret == -ENOMEM, "%s\n", strerror(-ret));
		if (!ret)
			movgem_vm_destroy(fd, vm);
	}

	igt_assert(fault_driver_only(10));
	for (int i = 0; i < 300; i++)
		some_work(fd, &worked, &failed);
	fault_driver_only(0);
	igt_info("%u calls worked, %u failed\n", worked, failed);
	igt_assert_lt(0, worked);
	igt_assert_lt(0, failed);

	for (int i = 0; i < 10; i++)
		some_work(fd, &worked, &still);
	igt_assert_eq(still, 0);
	check_empty(fd);
}

static void call_subtests(const struct fault_call *call, const int *fd)
{
	for (; call->name; call++) {
		igt_describe(call->what);
		igt_subtest_f("call-%s", call->name)
			test_call(call, *fd);
	}
}

int igt_main()
{
	int fd = -1;

	igt_fixture() {
		fd = movgem_open();
		fault_require();
		check_empty(fd);
	}

	call_subtests(fault_own_calls, &fd);
	call_subtests(fault_share_calls, &fd);

	igt_describe("Every copy from and to user space fails once, of every call.");
	igt_subtest("user-copies")
		test_user_copies(fd);

	igt_describe("One allocation in ten fails under any function of the driver.");
	igt_subtest("workers")
		test_workers(fd);

	igt_fixture()
		movgem_close(fd);
}
