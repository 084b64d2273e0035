// SPDX-License-Identifier: MIT
/*
 * Copyright (C) 2026 movgem maintainers
 *
 * Tests of libmovgem's VMs, queues, jobs and fences.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

#include "test.h"

#define SIZE	(64 * 1024)

struct rig {
	struct movgem_device *dev;
	struct gpu gpu;
	struct movgem_bo *src, *dst;
	uint64_t src_va, dst_va;
};

static void rig_open(struct rig *rig)
{
	rig->dev = open_device();
	gpu_open(&rig->gpu, rig->dev);
	rig->src = make(rig->dev, SIZE, "source");
	rig->dst = make(rig->dev, SIZE, "destination");
	rig->src_va = gpu_bind(&rig->gpu, rig->src);
	rig->dst_va = gpu_bind(&rig->gpu, rig->dst);
}

static void rig_close(struct rig *rig)
{
	movgem_bo_unref(rig->src);
	movgem_bo_unref(rig->dst);
	gpu_close(&rig->gpu);
	movgem_device_unref(rig->dev);
}

static void copy(struct rig *rig, bool gate, uint32_t wait, uint32_t done)
{
	gpu_copy(&rig->gpu, rig->dst_va, rig->src_va, SIZE, gate, wait, done);
}

static uint32_t new_syncobj(struct rig *rig)
{
	uint32_t syncobj;

	check_ret(movgem_syncobj_create(rig->dev, false, &syncobj), 0);
	return syncobj;
}

static int export(struct rig *rig, uint32_t syncobj, uint64_t point)
{
	int sync_file;

	check_ret(movgem_syncobj_export_sync_file(rig->dev, syncobj, point,
						  &sync_file), 0);
	return sync_file;
}

/* Jobs, while the pages of all that they use are moved. */
void test_jobs(void)
{
	struct drm_movgem_queue_state state;
	struct drm_movgem_bo_info info = {};
	struct rig rig;

	rig_open(&rig);
	for (uint32_t i = 0; i < 20 || !info.moved; i++) {
		fill_words(map_of(rig.src), SIZE, i);
		copy(&rig, false, 0, 0);
		check_ret(movgem_bo_wait(rig.dst, INT64_MAX), 0);
		expect_words(map_of(rig.dst), SIZE, i);
		gpu_finish(&rig.gpu);
		check_ret(movgem_bo_info(rig.dst, &info), 0);
		check(info.gpu_maps == 1);
	}
	check_ret(movgem_queue_state(rig.dev, 12345, &state), -ENOENT);
	check_ret(movgem_queue_create(rig.dev, 12345, 0, &rig.gpu.queue),
		  -ENOENT);
	check_ret(movgem_queue_destroy(rig.dev, 12345), -ENOENT);
	check_ret(movgem_submit(rig.dev, rig.gpu.queue, rig.gpu.cmd_va, 7, NULL,
				0), -EINVAL);
	check_ret(movgem_submit(rig.dev, 12345, rig.gpu.cmd_va, 8, NULL, 0),
		  -ENOENT);
	rig_close(&rig);
}

/* A job that fails says so by its sync_file, and not by anything else. */
void test_faults(void)
{
	struct drm_movgem_queue_state state;
	struct drm_movgem_sync syncs[2] = {};
	uint32_t done, wait, queue, good;
	int sync_file, copied;
	struct rig rig;

	rig_open(&rig);
	done = new_syncobj(&rig);
	check_ret(movgem_queue_create(rig.dev, rig.gpu.vm,
				      DRM_MOVGEM_QUEUE_PRIORITY_LOW, &queue),
		  0);
	check_ret(movgem_vm_unmap(rig.dev, rig.gpu.vm, rig.dst_va, SIZE), 0);
	/* By a queue of its own, for the other one to stay good. */
	good = rig.gpu.queue;
	rig.gpu.queue = queue;
	copy(&rig, false, 0, done);
	rig.gpu.queue = good;
	sync_file = export(&rig, done, 0);
	check_ret(movgem_syncobj_wait(rig.dev, done, 0, INT64_MAX), 0);
	check_ret(movgem_sync_file_wait(sync_file, INT64_MAX), -EFAULT);
	check_ret(movgem_sync_file_wait(sync_file, 0), -EFAULT);
	copied = dup(sync_file);
	close(sync_file);
	check_ret(movgem_sync_file_wait(copied, 0), -EFAULT);
	close(copied);
	check_ret(movgem_queue_state(rig.dev, queue, &state), 0);
	check(state.faulted == 1 && state.completed == 1);
	check(state.fault.type == DRM_MOVGEM_FAULT_UNMAPPED);
	check(state.fault.address - rig.dst_va < SIZE);

	/* The other queue goes on. */
	check_ret(movgem_vm_map(rig.dev, rig.gpu.vm, rig.dst, 0, rig.dst_va,
				SIZE, 0), 0);
	fill_words(map_of(rig.src), SIZE, 5);
	copy(&rig, false, 0, 0);
	check_ret(movgem_bo_wait(rig.dst, INT64_MAX), 0);
	expect_words(map_of(rig.dst), SIZE, 5);

	/* A job that has not begun is cancelled with its queue. */
	wait = new_syncobj(&rig);
	copy(&rig, true, 0, wait);
	syncs[0].handle = wait;
	syncs[1].flags = DRM_MOVGEM_SYNC_SIGNAL;
	syncs[1].handle = done;
	check_ret(movgem_syncobj_reset(rig.dev, done), 0);
	check_ret(movgem_submit(rig.dev, queue, rig.gpu.cmd_va,
				sizeof(struct drm_movgem_cmd_copy), syncs, 2),
		  0);
	sync_file = export(&rig, done, 0);
	check_ret(movgem_queue_destroy(rig.dev, queue), 0);
	gpu_open_gate(&rig.gpu);
	check_ret(movgem_sync_file_wait(sync_file, INT64_MAX), -ECANCELED);
	close(sync_file);
	check_ret(movgem_syncobj_destroy(rig.dev, wait), 0);
	check_ret(movgem_syncobj_destroy(rig.dev, done), 0);
	rig_close(&rig);
}

/* Several operations at once, behind a fence and with one; bad ones. */
void test_bind(void)
{
	struct drm_movgem_bind_op ops[2] = {};
	struct drm_movgem_sync syncs[DRM_MOVGEM_SYNCS_MAX] = {};
	struct drm_movgem_bo_info info;
	uint32_t wait, done;
	struct rig rig;

	rig_open(&rig);
	wait = new_syncobj(&rig);
	done = new_syncobj(&rig);
	for (int i = 0; i < 2; i++) {
		ops[i].handle = movgem_bo_get_handle(rig.dst);
		ops[i].va = rig.gpu.next_va + i * SIZE;
		ops[i].size = SIZE;
	}
	copy(&rig, true, 0, wait);
	syncs[0].handle = wait;
	syncs[1].flags = DRM_MOVGEM_SYNC_SIGNAL;
	syncs[1].handle = done;
	check_ret(movgem_vm_bind(rig.dev, rig.gpu.vm, DRM_MOVGEM_VM_BIND_ASYNC,
				 ops, 2, syncs, 2), 0);
	check_ret(movgem_syncobj_wait(rig.dev, done, 0,
				      movgem_deadline(100000000)), -ETIME);
	gpu_open_gate(&rig.gpu);
	check_ret(movgem_syncobj_wait(rig.dev, done, 0, INT64_MAX), 0);
	check_ret(movgem_bo_info(rig.dst, &info), 0);
	check_ret(info.gpu_maps, 3);

	/* One that waits for itself, with all syncs that it can have. */
	check_ret(movgem_syncobj_reset(rig.dev, done), 0);
	for (int i = 1; i < DRM_MOVGEM_SYNCS_MAX; i++) {
		syncs[i].flags = DRM_MOVGEM_SYNC_SIGNAL;
		syncs[i].handle = done;
	}
	for (int i = 0; i < 2; i++) {
		ops[i].op = DRM_MOVGEM_BIND_OP_UNMAP;
		ops[i].handle = 0;
	}
	check_ret(movgem_vm_bind(rig.dev, rig.gpu.vm, 0, ops, 2, syncs,
				 DRM_MOVGEM_SYNCS_MAX), -EINVAL);
	check_ret(movgem_vm_bind(rig.dev, rig.gpu.vm, 0, ops, 2, syncs,
				 DRM_MOVGEM_SYNCS_MAX - 1), 0);
	check_ret(movgem_syncobj_wait(rig.dev, done, 0, 0), 0);
	check_ret(movgem_bo_info(rig.dst, &info), 0);
	check_ret(info.gpu_maps, 1);

	check_ret(movgem_vm_bind(rig.dev, rig.gpu.vm, 2, NULL, 0, NULL, 0),
		  -EINVAL);
	check_ret(movgem_vm_bind(rig.dev, rig.gpu.vm, 0, NULL, 0, NULL, 0), 0);
	check_ret(movgem_vm_bind(rig.dev, 12345, 0, NULL, 0, NULL, 0), -ENOENT);
	check_ret(movgem_vm_map(rig.dev, rig.gpu.vm, rig.dst, 0, rig.dst_va + 1,
				SIZE, 0), -EINVAL);
	check_ret(movgem_vm_map(rig.dev, rig.gpu.vm, rig.dst, 0, rig.dst_va,
				2 * SIZE, 0), -EINVAL);
	check_ret(movgem_vm_unmap(rig.dev, rig.gpu.vm, rig.dst_va, 1), -EINVAL);
	check_ret(movgem_syncobj_destroy(rig.dev, wait), 0);
	check_ret(movgem_syncobj_destroy(rig.dev, done), 0);
	rig_close(&rig);
}

/* From here on no more files can be opened, until the limit is put back. */
static struct rlimit exhaust_fds(void)
{
	struct rlimit old, limit;
	int next = dup(STDERR_FILENO);

	check(next >= 0);
	close(next);
	check(!getrlimit(RLIMIT_NOFILE, &old));
	limit = old;
	limit.rlim_cur = next;
	check(!setrlimit(RLIMIT_NOFILE, &limit));
	check(dup(STDERR_FILENO) < 0 && errno == EMFILE);
	return old;
}

/* What a bind says is what it has done, also when no more files can be opened. */
void test_bind_full(void)
{
	struct drm_movgem_bo_info info;
	struct rlimit limit;
	struct rig rig;
	uint64_t va;

	rig_open(&rig);
	va = rig.gpu.next_va;
	limit = exhaust_fds();
	check_ret(movgem_vm_map(rig.dev, rig.gpu.vm, rig.dst, 0, va, SIZE, 0),
		  0);
	check_ret(movgem_bo_info(rig.dst, &info), 0);
	check_ret(info.gpu_maps, 2);
	check_ret(movgem_vm_map(rig.dev, rig.gpu.vm, rig.dst, SIZE, va, SIZE,
				0), -EINVAL);
	check_ret(movgem_vm_map(rig.dev, 12345, rig.dst, 0, va, SIZE, 0),
		  -ENOENT);
	check_ret(movgem_bo_info(rig.dst, &info), 0);
	check_ret(info.gpu_maps, 2);
	check_ret(movgem_vm_unmap(rig.dev, rig.gpu.vm, va, SIZE), 0);
	check_ret(movgem_bo_info(rig.dst, &info), 0);
	check_ret(info.gpu_maps, 1);
	check(!setrlimit(RLIMIT_NOFILE, &limit));
	rig_close(&rig);
}

static volatile sig_atomic_t signals;
static struct gpu *gate;

static void on_signal(int signal)
{
	/* Long enough for whoever waits to have been interrupted before. */
	if (++signals == 50)
		gpu_open_gate(gate);
}

static void bind_signals(bool full)
{
	struct sigaction action = { .sa_handler = on_signal }, old;
	const struct itimerval storm = { { 0, 5000 }, { 0, 5000 } }, calm = {};
	struct drm_movgem_bind_op op = {};
	struct drm_movgem_sync sync = {};
	struct drm_movgem_bo_info info;
	struct rlimit limit;
	struct rig rig;

	rig_open(&rig);
	gate = &rig.gpu;
	signals = 0;
	sync.handle = new_syncobj(&rig);
	op.handle = movgem_bo_get_handle(rig.src);
	op.va = rig.gpu.next_va;
	op.size = SIZE;
	copy(&rig, true, 0, sync.handle);
	if (full)
		limit = exhaust_fds();
	/* Without SA_RESTART, so that calls are interrupted. */
	check(!sigaction(SIGALRM, &action, &old));
	check(!setitimer(ITIMER_REAL, &storm, NULL));
	check_ret(movgem_vm_bind(rig.dev, rig.gpu.vm, 0, &op, 1, &sync, 1), 0);
	check(signals >= 50);
	check_ret(movgem_bo_wait(rig.dst, INT64_MAX), 0);
	check(!setitimer(ITIMER_REAL, &calm, NULL));
	check(!sigaction(SIGALRM, &old, NULL));
	/* It was the test's own alarm, too. */
	alarm(600);
	check_ret(movgem_bo_info(rig.src, &info), 0);
	check_ret(info.gpu_maps, 2);
	if (full)
		check(!setrlimit(RLIMIT_NOFILE, &limit));
	check_ret(movgem_syncobj_destroy(rig.dev, sync.handle), 0);
	rig_close(&rig);
}

/* A bind that waits, under a storm of signals: it neither gives up nor does
 * anything twice; also where no more files can be opened.
 */
void test_bind_signals(void)
{
	bind_signals(false);
	bind_signals(true);
}

void test_syncobj(void)
{
	uint32_t syncobj, other;
	int sync_file = -7, pipes[2];
	struct rig rig;

	rig_open(&rig);
	syncobj = new_syncobj(&rig);
	check_ret(movgem_syncobj_wait(rig.dev, syncobj, 0, 0), -ETIME);
	check_ret(movgem_syncobj_wait(rig.dev, syncobj, 0,
				      movgem_deadline(10000000)), -ETIME);
	check_ret(movgem_syncobj_export_sync_file(rig.dev, syncobj, 0,
						  &sync_file), -EINVAL);
	check_ret(sync_file, -7);
	check_ret(movgem_syncobj_signal(rig.dev, syncobj, 0), 0);
	check_ret(movgem_syncobj_wait(rig.dev, syncobj, 0, 0), 0);
	check_ret(movgem_syncobj_reset(rig.dev, syncobj), 0);
	check_ret(movgem_syncobj_wait(rig.dev, syncobj, 0, 0), -ETIME);
	check_ret(movgem_syncobj_import_sync_file(rig.dev, syncobj, 0, -1), 0);
	check_ret(movgem_syncobj_wait(rig.dev, syncobj, 0, 0), 0);
	check_ret(movgem_syncobj_create(rig.dev, true, &other), 0);
	check_ret(movgem_syncobj_wait(rig.dev, other, 0, 0), 0);
	check_ret(movgem_syncobj_destroy(rig.dev, other), 0);

	/* A fence that is yet to signal, from one to the other. */
	check_ret(movgem_syncobj_reset(rig.dev, syncobj), 0);
	other = new_syncobj(&rig);
	copy(&rig, true, 0, syncobj);
	sync_file = export(&rig, syncobj, 0);
	check_ret(movgem_syncobj_import_sync_file(rig.dev, other, 0, sync_file),
		  0);
	check_ret(movgem_sync_file_wait(sync_file, movgem_deadline(10000000)),
		  -ETIME);
	check_ret(movgem_syncobj_wait(rig.dev, other, 0, 0), -ETIME);
	gpu_open_gate(&rig.gpu);
	check_ret(movgem_sync_file_wait(sync_file, INT64_MAX), 0);
	check_ret(movgem_syncobj_wait(rig.dev, other, 0, INT64_MAX), 0);
	close(sync_file);

	check(!pipe(pipes));
	check_ret(movgem_sync_file_wait(pipes[0], 0), -EINVAL);
	check(movgem_syncobj_import_sync_file(rig.dev, other, 0, pipes[0]) < 0);
	close(pipes[0]);
	close(pipes[1]);
	check_ret(movgem_sync_file_wait(-1, 0), -EBADF);
	check(movgem_syncobj_wait(rig.dev, 12345, 0, 0) == -ENOENT);
	check_ret(movgem_syncobj_destroy(rig.dev, syncobj), 0);
	check_ret(movgem_syncobj_destroy(rig.dev, other), 0);
	check(movgem_syncobj_destroy(rig.dev, other) < 0);
	rig_close(&rig);
}

/* Points of a timeline, for jobs and as sync_files. */
void test_timeline(void)
{
	struct drm_movgem_sync syncs[2] = {
		{ .flags = DRM_MOVGEM_SYNC_TIMELINE },
		{ .flags = DRM_MOVGEM_SYNC_TIMELINE | DRM_MOVGEM_SYNC_SIGNAL },
	};
	uint32_t timeline, binary;
	int sync_file = -7;
	struct rig rig;

	rig_open(&rig);
	timeline = new_syncobj(&rig);
	binary = new_syncobj(&rig);
	check_ret(movgem_syncobj_wait(rig.dev, timeline, 5, 0), -ETIME);
	check(movgem_syncobj_export_sync_file(rig.dev, timeline, 5,
					      &sync_file) < 0);
	check_ret(sync_file, -7);
	check_ret(movgem_syncobj_signal(rig.dev, timeline, 3), 0);
	check_ret(movgem_syncobj_wait(rig.dev, timeline, 2, 0), 0);
	check_ret(movgem_syncobj_wait(rig.dev, timeline, 3, 0), 0);
	check_ret(movgem_syncobj_wait(rig.dev, timeline, 4, 0), -ETIME);

	/* A job's fence becomes point 4; a job behind that is point 5. */
	fill_words(map_of(rig.src), SIZE, 8);
	copy(&rig, true, 0, binary);
	sync_file = export(&rig, binary, 0);
	check_ret(movgem_syncobj_import_sync_file(rig.dev, timeline, 4,
						  sync_file), 0);
	close(sync_file);
	syncs[0].handle = timeline;
	syncs[0].point = 4;
	syncs[1].handle = timeline;
	syncs[1].point = 5;
	check_ret(movgem_vm_bind(rig.dev, rig.gpu.vm, DRM_MOVGEM_VM_BIND_ASYNC,
				 NULL, 0, syncs, 2), 0);
	sync_file = export(&rig, timeline, 5);
	check_ret(movgem_syncobj_wait(rig.dev, timeline, 5,
				      movgem_deadline(50000000)), -ETIME);
	gpu_open_gate(&rig.gpu);
	check_ret(movgem_sync_file_wait(sync_file, INT64_MAX), 0);
	check_ret(movgem_syncobj_wait(rig.dev, timeline, 4, 0), 0);
	check_ret(movgem_syncobj_wait(rig.dev, timeline, 5, INT64_MAX), 0);
	expect_words(map_of(rig.dst), SIZE, 8);
	close(sync_file);
	check_ret(movgem_syncobj_destroy(rig.dev, timeline), 0);
	check_ret(movgem_syncobj_destroy(rig.dev, binary), 0);
	rig_close(&rig);
}
