// SPDX-License-Identifier: MIT
/*
 * Copyright (C) 2026 movgem maintainers
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "igt.h"
#include "igt_syncobj.h"
#include "movgem_rig.h"

/**
 * TEST: movgem vm async
 * Description: Binds in the order that fences ask for, and the life of VMs.
 * Category: Core
 * Mega feature: General Core features
 * Sub-category: uapi
 * Functionality: vm_bind
 * Feature: movgem
 * Test category: functionality test
 *
 * SUBTEST: async-fences
 * Description: A bind waits for its fences and signals when it is done.
 *
 * SUBTEST: async-order
 * Description: Binds of a VM are done in order, also where the later one could go first.
 *
 * SUBTEST: timeline
 * Description: Binds and jobs are chained over points of one timeline.
 *
 * SUBTEST: no-ops
 * Description: A bind without operations passes its fences on.
 *
 * SUBTEST: sync-waits
 * Description: A bind that is not asynchronous returns when it is done.
 *
 * SUBTEST: close-while-bound
 * Description: A mapping keeps its buffer after the handle is closed.
 *
 * SUBTEST: destroy-vm
 * Description: A destroyed VM frees what was bound in it, its jobs still run.
 *
 * SUBTEST: destroy-vm-binds
 * Description: Binds that wait in a destroyed VM are done when their time comes.
 *
 * SUBTEST: many-vms
 * Description: VMs of a file come to an end with an error, and again when some are gone.
 *
 * SUBTEST: many-queues
 * Description: So do queues.
 *
 * SUBTEST: many-maps
 * Description: So do mappings of one buffer, which is purged in reasonable time all the same.
 *
 * SUBTEST: rebind-running
 * Description: Rebinding under running jobs gives one buffer or the other.
 */

IGT_TEST_DESCRIPTION("Asynchronous binds and the life of movgem's GPU address spaces.");

#define PAGES	16
#define SIZE	(PAGES * MOVGEM_PAGE)

/* A buffer that is one word all over. */
static uint32_t make_bo(int fd, uint32_t value)
{
	uint32_t handle = movgem_bo_create(fd, SIZE, 0);
	uint32_t *map = movgem_bo_mmap(fd, handle, SIZE);
	unsigned int i;

	for (i = 0; i < SIZE / 4; i++)
		map[i] = value;
	munmap(map, SIZE);
	return handle;
}

static void test_async_fences(int fd)
{
	uint32_t handle = make_bo(fd, 1), value;
	struct movgem_rig rig;

	movgem_rig_init(&rig, fd);
	movgem_gate_loop(try) {
		uint64_t va = movgem_va_alloc(fd, SIZE);
		uint32_t done = syncobj_create(fd, 0);
		struct drm_movgem_bind_op op = movgem_op_map(handle, 0, va, SIZE, 0);
		struct drm_movgem_sync syncs[2];
		struct movgem_gate gate;
		int early, result;
		bool busy, held;

		movgem_gate_shut(&gate, fd);
		syncs[0] = movgem_sync_wait(gate.syncobj, 0);
		syncs[1] = movgem_sync_signal(done, 0);
		igt_assert_eq(__movgem_vm_bind(fd, rig.vm, DRM_MOVGEM_VM_BIND_ASYNC, &op, 1,
					       syncs, 2), 0);
		early = movgem_rig_read(&rig, va, &value);
		busy = movgem_syncobj_busy(fd, done);
		held = movgem_gate_open(&gate);
		result = movgem_syncobj_result(fd, done);
		syncobj_destroy(fd, done);
		if (!held)
			continue;
		igt_assert_f(early == -EFAULT, "bound before its fence: %d\n", early);
		igt_assert_f(busy, "signalled before its fence\n");
		igt_assert_eq(result, 0);
		movgem_rig_expect(&rig, va, 1);
		break;
	}
	movgem_rig_fini(&rig);
	gem_close(fd, handle);
}

static void test_async_order(int fd)
{
	uint32_t a = make_bo(fd, 2), b = make_bo(fd, 3);
	struct movgem_rig rig;

	movgem_rig_init(&rig, fd);
	movgem_gate_loop(try) {
		uint64_t va = movgem_va_alloc(fd, SIZE);
		struct drm_movgem_bind_op op;
		struct drm_movgem_sync sync;
		uint32_t first = syncobj_create(fd, 0), last = syncobj_create(fd, 0);
		struct movgem_gate gate;
		bool busy, held;

		movgem_gate_shut(&gate, fd);
		op = movgem_op_map(a, 0, va, SIZE, 0);
		sync = movgem_sync_wait(gate.syncobj, 0);
		igt_assert_eq(__movgem_vm_bind(fd, rig.vm, DRM_MOVGEM_VM_BIND_ASYNC, &op, 1,
					       &sync, 1), 0);
		op = movgem_op_map(b, 0, va, SIZE / 2, 0);
		sync = movgem_sync_signal(first, 0);
		igt_assert_eq(__movgem_vm_bind(fd, rig.vm, DRM_MOVGEM_VM_BIND_ASYNC, &op, 1,
					       &sync, 1), 0);
		op = movgem_op_unmap(va + SIZE / 4, SIZE / 2);
		sync = movgem_sync_signal(last, 0);
		igt_assert_eq(__movgem_vm_bind(fd, rig.vm, DRM_MOVGEM_VM_BIND_ASYNC, &op, 1,
					       &sync, 1), 0);
		busy = movgem_syncobj_busy(fd, first) && movgem_syncobj_busy(fd, last);
		held = movgem_gate_open(&gate);
		igt_assert_eq(movgem_syncobj_result(fd, last), 0);
		igt_assert_f(!movgem_syncobj_busy(fd, first), "the earlier bind is behind\n");
		syncobj_destroy(fd, first);
		syncobj_destroy(fd, last);

		movgem_rig_expect(&rig, va, 3);
		movgem_rig_expect_fault(&rig, va + SIZE / 4, DRM_MOVGEM_FAULT_UNMAPPED,
					DRM_MOVGEM_ACCESS_READ);
		movgem_rig_expect_fault(&rig, va + SIZE / 2, DRM_MOVGEM_FAULT_UNMAPPED,
					DRM_MOVGEM_ACCESS_READ);
		movgem_rig_expect(&rig, va + SIZE * 3 / 4, 2);
		if (!held)
			continue;
		igt_assert_f(busy, "a bind overtook an earlier one\n");
		break;
	}
	movgem_rig_fini(&rig);
	gem_close(fd, a);
	gem_close(fd, b);
}

static void test_timeline(int fd)
{
	enum { links = 24 };
	uint32_t timeline = syncobj_create(fd, 0), handles[2];
	uint64_t va = movgem_va_alloc(fd, SIZE), point = 0, out;
	struct movgem_stream s[links];
	struct movgem_rig rig;
	int i;

	movgem_rig_init(&rig, fd);
	handles[0] = make_bo(fd, 4);
	handles[1] = make_bo(fd, 5);
	for (i = 0; i < links; i++) {
		movgem_stream_init(&s[i], fd, rig.vm, MOVGEM_PAGE);
		movgem_cmd_copy(&s[i], rig.va + 64 + i * 4, va + i * MOVGEM_PAGE % SIZE, 4);
	}

	/* bind, job, bind, job..., each waits for the one before. */
	for (i = 0; i < links; i++) {
		struct drm_movgem_bind_op op = movgem_op_map(handles[i & 1], 0, va, SIZE, 0);
		struct drm_movgem_sync syncs[2];
		int first = !point;

		syncs[0] = movgem_sync_wait(timeline, point);
		syncs[1] = movgem_sync_signal(timeline, point + 1);
		igt_assert_eq(__movgem_vm_bind(fd, rig.vm, DRM_MOVGEM_VM_BIND_ASYNC, &op, 1,
					       syncs + first, 2 - first), 0);
		point++;
		syncs[0] = movgem_sync_wait(timeline, point);
		syncs[1] = movgem_sync_signal(timeline, point + 1);
		movgem_stream_submit(&s[i], rig.queue, syncs, 2);
		point++;
	}
	igt_assert_eq(movgem_timeline_result(fd, timeline, point), 0);
	for (i = 0; i < links; i++)
		igt_assert_eq_u32(rig.map[16 + i], 4 + (i & 1));
	syncobj_timeline_query(fd, &timeline, &out, 1);
	igt_assert_eq_u64(out, point);

	for (i = 0; i < links; i++)
		movgem_stream_fini(&s[i]);
	syncobj_destroy(fd, timeline);
	movgem_rig_fini(&rig);
	gem_close(fd, handles[0]);
	gem_close(fd, handles[1]);
}

static void test_no_ops(int fd)
{
	uint32_t vm = movgem_vm_create(fd);

	movgem_gate_loop(try) {
		uint32_t done = syncobj_create(fd, 0);
		struct drm_movgem_sync syncs[2];
		struct movgem_gate gate;
		bool busy, held;

		movgem_gate_shut(&gate, fd);
		syncs[0] = movgem_sync_wait(gate.syncobj, 0);
		syncs[1] = movgem_sync_signal(done, 7);
		igt_assert_eq(__movgem_vm_bind(fd, vm, DRM_MOVGEM_VM_BIND_ASYNC, NULL, 0,
					       syncs, 2), 0);
		busy = syncobj_timeline_wait_err(fd, &done, &(uint64_t){ 7 }, 1, 0, 0) == -ETIME;
		held = movgem_gate_open(&gate);
		igt_assert_eq(movgem_timeline_result(fd, done, 7), 0);
		syncobj_destroy(fd, done);
		if (!held)
			continue;
		igt_assert(busy);
		break;
	}
	/* Nothing at all is fine too. */
	igt_assert_eq(__movgem_vm_bind(fd, vm, 0, NULL, 0, NULL, 0), 0);
	igt_assert_eq(__movgem_vm_bind(fd, vm, DRM_MOVGEM_VM_BIND_ASYNC, NULL, 0, NULL, 0), 0);
	movgem_vm_destroy(fd, vm);
}

static void test_sync_waits(int fd)
{
	uint32_t handle = make_bo(fd, 6);
	struct movgem_rig rig;

	movgem_rig_init(&rig, fd);
	movgem_gate_loop(try) {
		uint64_t va = movgem_va_alloc(fd, SIZE);
		struct drm_movgem_bind_op op = movgem_op_map(handle, 0, va, SIZE, 0);
		uint32_t wait = syncobj_create(fd, 0);
		struct drm_movgem_sync sync;
		struct movgem_gate gate;
		int p[2], early, fence;
		bool held;
		char c = 0;

		igt_assert_eq(pipe2(p, O_NONBLOCK), 0);
		movgem_gate_shut(&gate, fd);
		/* The gate's own syncobj goes with it, before a slow child calls. */
		fence = movgem_syncobj_file(fd, gate.syncobj);
		syncobj_import_sync_file(fd, wait, fence);
		close(fence);
		sync = movgem_sync_wait(wait, 0);
		/* The child calls, and says so once the call is over. */
		igt_fork(child, 1) {
			igt_assert_eq(__movgem_vm_bind(fd, rig.vm, 0, &op, 1, &sync, 1), 0);
			igt_assert_eq(write(p[1], &c, 1), 1);
		}
		/* However long we wait, it must not come back; this is enough. */
		usleep(20000);
		early = read(p[0], &c, 1);
		held = movgem_gate_open(&gate);
		igt_waitchildren();
		if (early < 0)
			igt_assert_eq(read(p[0], &c, 1), 1);
		close(p[0]);
		close(p[1]);
		syncobj_destroy(fd, wait);
		if (!held)
			continue;
		igt_assert_f(early < 0, "the call came back before its fence\n");
		movgem_rig_expect(&rig, va, 6);
		break;
	}
	movgem_rig_fini(&rig);
	gem_close(fd, handle);
}

static void test_close_while_bound(int fd)
{
	uint64_t va = movgem_va_alloc(fd, SIZE);
	uint32_t handle = make_bo(fd, 7), spare[16];
	struct drm_movgem_mem_info before;
	struct movgem_rig rig;
	unsigned int i;

	movgem_rig_init(&rig, fd);
	movgem_mem_info(fd, &before);
	movgem_vm_map(fd, rig.vm, handle, 0, va, SIZE, 0);
	gem_close(fd, handle);
	/* Somebody else's pages must not be found there. */
	for (i = 0; i < ARRAY_SIZE(spare); i++)
		spare[i] = make_bo(fd, 0xbad);
	for (i = 0; i < PAGES; i++) {
		movgem_rig_expect(&rig, va + i * MOVGEM_PAGE, 7);
		igt_assert_eq(movgem_rig_write(&rig, va + i * MOVGEM_PAGE, 8), 0);
	}
	for (i = 0; i < ARRAY_SIZE(spare); i++) {
		void *map = movgem_bo_mmap(fd, spare[i], SIZE);

		movgem_check_value(map, SIZE, 0xbad);
		munmap(map, SIZE);
		gem_close(fd, spare[i]);
	}
	/* Half of it is still a mapping. */
	movgem_vm_unmap(fd, rig.vm, va, SIZE / 2);
	movgem_rig_expect(&rig, va + SIZE / 2, 8);
	movgem_vm_unmap(fd, rig.vm, va + SIZE / 2, SIZE / 2);
	movgem_wait_for_bos(fd, before.bos - 1);
	movgem_rig_fini(&rig);
}

static void test_destroy_vm(int fd)
{
	struct drm_movgem_mem_info before;
	uint32_t handle;

	movgem_mem_info(fd, &before);
	handle = make_bo(fd, 9);
	movgem_gate_loop(try) {
		uint64_t va = movgem_va_alloc(fd, SIZE);
		uint32_t vm = movgem_vm_create(fd), queue = movgem_queue_create(fd, vm);
		uint32_t unseen = make_bo(fd, 10), done, other;
		uint32_t *map = movgem_bo_mmap(fd, handle, SIZE);
		struct drm_movgem_bo_info info;
		struct movgem_gate gate;
		struct movgem_stream s;
		struct drm_movgem_sync syncs[2];
		bool held;
		int result;

		map[100] = 0;
		movgem_stream_init(&s, fd, vm, MOVGEM_PAGE);
		movgem_vm_map(fd, vm, handle, 0, va, SIZE, 0);
		movgem_vm_map(fd, vm, unseen, 0, va + SIZE, MOVGEM_PAGE, 0);
		movgem_cmd_fill(&s, va + 400, 4, 0x600d);
		movgem_gate_shut(&gate, fd);
		done = syncobj_create(fd, 0);
		syncs[0] = movgem_sync_wait(gate.syncobj, 0);
		syncs[1] = movgem_sync_signal(done, 0);
		movgem_stream_submit(&s, queue, syncs, 2);

		movgem_vm_destroy(fd, vm);
		igt_assert_eq(__movgem_vm_destroy(fd, vm), -ENOENT);
		igt_assert_eq(__movgem_vm_map(fd, vm, handle, 0, va, SIZE, 0), -ENOENT);
		igt_assert_eq(__movgem_queue_create(fd, vm, 0, &other), -ENOENT);
		held = movgem_gate_open(&gate);
		result = movgem_syncobj_result(fd, done);
		syncobj_destroy(fd, done);
		movgem_queue_destroy(fd, queue);
		munmap(s.map, s.size);
		gem_close(fd, s.handle);
		gem_close(fd, unseen);
		if (held) {
			igt_assert_eq(result, 0);
			igt_assert_eq_u32(map[100], 0x600d);
		}
		munmap(map, SIZE);
		if (!held)
			continue;
		/* With the last job the VM goes, and its mappings with it. */
		movgem_wait_for_bos(fd, before.bos + 1);
		movgem_bo_info(fd, handle, &info);
		igt_assert_eq_u32(info.gpu_maps, 0);
		break;
	}
	gem_close(fd, handle);
	movgem_wait_for_bos(fd, before.bos);
}

static void test_destroy_vm_binds(int fd)
{
	uint64_t before = movgem_bo_count(fd);

	movgem_gate_loop(try) {
		uint64_t va = movgem_va_alloc(fd, SIZE);
		uint32_t vm = movgem_vm_create(fd), queue = movgem_queue_create(fd, vm);
		uint32_t handle = make_bo(fd, 11), bound = syncobj_create(fd, 0);
		uint32_t done = syncobj_create(fd, 0), *map = movgem_bo_mmap(fd, handle, SIZE);
		struct drm_movgem_bind_op op = movgem_op_map(handle, 0, va, SIZE, 0);
		struct drm_movgem_sync syncs[2];
		struct movgem_gate gate;
		struct movgem_stream s;
		int result, bind_result;
		bool held;

		movgem_stream_init(&s, fd, vm, MOVGEM_PAGE);
		movgem_cmd_fill(&s, va + 40, 4, 0x600d);
		movgem_gate_shut(&gate, fd);
		syncs[0] = movgem_sync_wait(gate.syncobj, 0);
		syncs[1] = movgem_sync_signal(bound, 0);
		igt_assert_eq(__movgem_vm_bind(fd, vm, DRM_MOVGEM_VM_BIND_ASYNC, &op, 1,
					       syncs, 2), 0);
		/* A job that can only do its work where the bind was done. */
		syncs[0] = movgem_sync_wait(bound, 0);
		syncs[1] = movgem_sync_signal(done, 0);
		movgem_stream_submit(&s, queue, syncs, 2);
		movgem_vm_destroy(fd, vm);
		held = movgem_gate_open(&gate);
		result = movgem_syncobj_result(fd, done);
		bind_result = movgem_syncobj_result(fd, bound);
		movgem_queue_destroy(fd, queue);
		munmap(s.map, s.size);
		gem_close(fd, s.handle);
		gem_close(fd, handle);
		if (held) {
			igt_assert_eq(bind_result, 0);
			igt_assert_eq(result, 0);
			igt_assert_eq_u32(map[10], 0x600d);
		}
		munmap(map, SIZE);
		movgem_wait_for_bos(fd, before);
		/* The fences outlive VM and queue: who looks at them asks for names. */
		movgem_syncobj_result(fd, bound);
		movgem_syncobj_result(fd, done);
		syncobj_destroy(fd, bound);
		syncobj_destroy(fd, done);
		if (held)
			break;
	}
}

#define MANY	20000

/* Creates until it is enough for the driver; how many that were. */
static unsigned int create_all(int fd, uint32_t vm, uint32_t *ids)
{
	unsigned int n;
	int ret = 0;

	for (n = 0; n < MANY && !ret; n++) {
		if (vm)
			ret = __movgem_queue_create(fd, vm, 0, &ids[n]);
		else
			ret = __movgem_vm_create(fd, 0, &ids[n]);
	}
	if (!ret)
		return n;
	igt_assert_eq(ret, -ENOSPC);
	return n - 1;
}

static void test_many(int fd, bool queues)
{
	int fd2 = movgem_reopen(fd);
	uint32_t vm = queues ? movgem_vm_create(fd2) : 0;
	uint32_t *ids = calloc(MANY, sizeof(*ids)), last;
	unsigned int count, i;

	igt_assert(ids);
	count = create_all(fd2, vm, ids);
	igt_info("%u of one file\n", count);
	igt_assert_lte(16, count);
	/* Others are not shut out by it. */
	last = movgem_vm_create(fd);
	movgem_queue_destroy(fd, movgem_queue_create(fd, last));
	movgem_vm_destroy(fd, last);

	for (i = 0; i < count; i += 2) {
		if (queues)
			movgem_queue_destroy(fd2, ids[i]);
		else
			movgem_vm_destroy(fd2, ids[i]);
	}
	igt_assert_eq(create_all(fd2, vm, ids), (count + 1) / 2);
	free(ids);
	movgem_close(fd2);
}

static void test_many_vms(int fd)
{
	test_many(fd, false);
}

static void test_many_queues(int fd)
{
	test_many(fd, true);
}

static void test_many_maps(int fd)
{
	enum { batch = DRM_MOVGEM_BIND_OPS_MAX, most = 64 };
	struct drm_movgem_bind_op *ops = calloc(batch, sizeof(*ops));
	uint64_t va = movgem_va_alloc(fd, most * batch * MOVGEM_PAGE * 2);
	uint32_t handle = movgem_bo_create(fd, 64 * SZ_1M, 0);
	struct drm_movgem_bo_info info;
	struct movgem_rig rig;
	int i, n, ret = 0;

	igt_assert(ops);
	movgem_rig_init(&rig, fd);
	for (n = 0; n < most && !ret; n++) {
		for (i = 0; i < batch; i++)
			ops[i] = movgem_op_map(handle, 0, va + (n * batch + i) * 2 * MOVGEM_PAGE,
					       MOVGEM_PAGE, 0);
		ret = __movgem_vm_bind(fd, rig.vm, 0, ops, batch, NULL, 0);
	}
	movgem_bo_info(fd, handle, &info);
	if (ret)
		n--;
	igt_info("%u mappings of one buffer\n", info.gpu_maps);
	/* All of a call or nothing, also here. */
	igt_assert_eq_u32(info.gpu_maps, n * batch);
	if (ret)
		igt_assert_eq(ret, -ENOSPC);
	movgem_rig_expect(&rig, va, 0);
	movgem_rig_expect(&rig, va + (n * batch - 1) * 2 * MOVGEM_PAGE, 0);

	/* As many entries as that go in one purge; the machine has to bear it. */
	igt_assert(movgem_bo_madvise(fd, handle, DRM_MOVGEM_MADV_DONTNEED));
	for (i = 0; i < 20 && info.madvise != DRM_MOVGEM_MADV_PURGED; i++) {
		movgem_drop_slab();
		movgem_bo_info(fd, handle, &info);
	}
	igt_assert_eq_u32(info.madvise, DRM_MOVGEM_MADV_PURGED);
	movgem_rig_expect_fault(&rig, va, DRM_MOVGEM_FAULT_UNMAPPED, DRM_MOVGEM_ACCESS_READ);
	movgem_vm_unmap(fd, rig.vm, va, n * batch * 2 * MOVGEM_PAGE);
	movgem_bo_info(fd, handle, &info);
	igt_assert_eq_u32(info.gpu_maps, 0);
	movgem_rig_fini(&rig);
	gem_close(fd, handle);
	free(ops);
}

static void test_rebind_running(int fd)
{
	uint64_t va = movgem_va_alloc(fd, SIZE), out = movgem_va_alloc(fd, SIZE);
	uint32_t a = make_bo(fd, 0xaaaa), b = make_bo(fd, 0xbbbb), canary = make_bo(fd, 0xcccc);
	uint32_t result = movgem_bo_create(fd, SIZE, 0), busy = 0;
	uint32_t *map = movgem_bo_mmap(fd, result, SIZE);
	struct movgem_rig rig;
	struct movgem_stream s;
	unsigned int round, i;

	movgem_rig_init(&rig, fd);
	movgem_stream_init(&s, fd, rig.vm, MOVGEM_PAGE);
	movgem_vm_map(fd, rig.vm, result, 0, out, SIZE, 0);
	movgem_vm_map(fd, rig.vm, a, 0, va, SIZE, 0);
	for (i = 0; i < 50; i++)
		movgem_cmd_copy(&s, out, va, SIZE);

	for (round = 0; round < 40; round++) {
		uint32_t job;
		int ret;

		memset(map, 0xee, SIZE);
		job = movgem_stream_submit_sync(&s, rig.queue);
		for (i = 0; i < 10; i++) {
			movgem_vm_map(fd, rig.vm, (round + i) & 1 ? a : b, 0, va, SIZE, 0);
			busy += movgem_syncobj_busy(fd, job);
		}
		ret = movgem_syncobj_result(fd, job);
		syncobj_destroy(fd, job);
		/* Between the two there may be a moment with nothing. */
		igt_assert_f(!ret || ret == -EFAULT, "the job ends with %d\n", ret);
		for (i = 0; i < SIZE / 4; i++) {
			uint32_t word = READ_ONCE(map[i]);

			igt_assert_f(word == 0xaaaa || word == 0xbbbb ||
				     (ret && word == 0xeeeeeeee),
				     "word %u of round %u is %#x\n", i, round, word);
		}
	}
	igt_info("%u of 400 rebinds met a running job\n", busy);
	movgem_vm_map(fd, rig.vm, a, 0, va, SIZE, 0);
	movgem_rig_expect(&rig, va, 0xaaaa);
	munmap(map, SIZE);
	map = movgem_bo_mmap(fd, canary, SIZE);
	movgem_check_value(map, SIZE, 0xcccc);
	munmap(map, SIZE);
	movgem_stream_fini(&s);
	movgem_rig_fini(&rig);
	gem_close(fd, a);
	gem_close(fd, b);
	gem_close(fd, canary);
	gem_close(fd, result);
}

int igt_main()
{
	static const struct movgem_subtest tests[] = {
		{ "async-fences", test_async_fences,
		  "A bind waits for its fences and signals when it is done." },
		{ "async-order", test_async_order,
		  "Binds of a VM are done in order, also where the later one could go first." },
		{ "timeline", test_timeline,
		  "Binds and jobs are chained over points of one timeline." },
		{ "no-ops", test_no_ops, "A bind without operations passes its fences on." },
		{ "sync-waits", test_sync_waits,
		  "A bind that is not asynchronous returns when it is done." },
		{ "close-while-bound", test_close_while_bound,
		  "A mapping keeps its buffer after the handle is closed." },
		{ "destroy-vm", test_destroy_vm,
		  "A destroyed VM frees what was bound in it, its jobs still run." },
		{ "destroy-vm-binds", test_destroy_vm_binds,
		  "Binds that wait in a destroyed VM are done when their time comes." },
		{ "many-vms", test_many_vms,
		  "VMs of a file come to an end with an error, and again when some are gone." },
		{ "many-queues", test_many_queues, "So do queues." },
		{ "many-maps", test_many_maps,
		  "So do mappings of one buffer, which is purged in reasonable time all the same." },
		{ "rebind-running", test_rebind_running,
		  "Rebinding under running jobs gives one buffer or the other." },
	};
	int fd = -1;

	igt_fixture()
		fd = movgem_open();

	movgem_subtests(tests, ARRAY_SIZE(tests), fd);

	igt_fixture()
		movgem_close(fd);
}
