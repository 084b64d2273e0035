// SPDX-License-Identifier: GPL-2.0
/*
 * The workload: GPU jobs. All the buffers are bound in one VM, and one queue
 * executes jobs of some commands each: copies of a page's body to a page of
 * another buffer (three, if not told otherwise), and a fill. The queue executes
 * in order, so what every body must hold is known without asking: the tags are
 * kept as the jobs are submitted.
 *
 * Copyright (C) 2026 movgem maintainers
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <xf86drm.h>
#include <drm.h>
#include <movgem_drm.h>

#include "workload.h"

/* A stream's place is used again after so many jobs. */
#define RING		16
#define WAIT_NS		(120 * 1000000000LL)

struct work_jobs gpu_jobs = {
	.copies = 3,
	.depth = 8,
};

static struct {
	pthread_t thread;
	atomic_bool stopping;
	uint32_t queue, syncobj;
	uint64_t va_start;
	uint64_t submitted, ended;
	uint64_t rnd;
	struct work_buf stream_buf;
	uint8_t *streams;
	size_t stream_size;
	/* When the jobs in flight were submitted. */
	double begun[RING];
} gpu;

static uint64_t body_va(size_t page)
{
	return gpu.va_start + page * WORK_PAGE_SIZE + WORK_HEAD_SIZE;
}

static uint64_t streams_va(void)
{
	return gpu.va_start + page_count() * WORK_PAGE_SIZE;
}

static void ioctl_or_die(unsigned long request, void *arg, const char *name)
{
	if (drmIoctl(movgem_fd(), request, arg))
		die("%s: %s", name, strerror(errno));
}

static void wait_for(uint64_t point)
{
	struct drm_syncobj_timeline_wait wait = {
		.handles = (uintptr_t)&gpu.syncobj,
		.points = (uintptr_t)&point,
		.timeout_nsec = (int64_t)(now() * 1e9) + WAIT_NS,
		.count_handles = 1,
	};

	if (drmIoctl(movgem_fd(), DRM_IOCTL_SYNCOBJ_TIMELINE_WAIT, &wait))
		die("waiting for GPU job %lu: %s", point, strerror(errno));
}

static void submit_one(void)
{
	uint64_t seqno = gpu.submitted + 1;
	size_t place = seqno % RING;
	struct drm_movgem_cmd_copy *copy =
		(void *)(gpu.streams + place * gpu.stream_size);
	struct drm_movgem_cmd_fill *fill =
		(void *)(copy + gpu_jobs.copies);
	size_t from = next_random(&gpu.rnd) % page_count();
	size_t to = next_random(&gpu.rnd) % page_count();
	struct drm_movgem_sync sync = {
		.flags = DRM_MOVGEM_SYNC_SIGNAL | DRM_MOVGEM_SYNC_TIMELINE,
		.handle = gpu.syncobj,
		.point = seqno,
	};
	struct drm_movgem_submit submit = {
		.queue_id = gpu.queue,
		.stream_addr = streams_va() + place * gpu.stream_size,
		.stream_size = gpu.stream_size,
		.sync_count = 1,
		.syncs = (uintptr_t)&sync,
	};
	size_t i;

	for (i = 0; i < gpu_jobs.copies; i++) {
		size_t src = (from + i) % page_count();
		size_t dst = (to + i) % page_count();

		copy[i] = (struct drm_movgem_cmd_copy){
			.hdr.opcode = DRM_MOVGEM_CMD_COPY,
			.hdr.size = sizeof(copy[i]),
			.src = body_va(src),
			.dst = body_va(dst),
			.size = WORK_BODY_SIZE,
		};
		work.tags[dst] = work.tags[src];
	}
	to = (to + gpu_jobs.copies) % page_count();
	*fill = (struct drm_movgem_cmd_fill){
		.hdr.opcode = DRM_MOVGEM_CMD_FILL,
		.hdr.size = sizeof(*fill),
		.dst = body_va(to),
		.size = WORK_BODY_SIZE,
		.value = (uint32_t)seqno,
	};
	work.tags[to] = WORK_TAG_FILL | (uint32_t)seqno;

	gpu.begun[place] = now();
	ioctl_or_die(DRM_IOCTL_MOVGEM_SUBMIT, &submit, "SUBMIT");
	gpu.submitted = seqno;
}

static void end_job(uint64_t seqno)
{
	wait_for(seqno);
	/* The number of jobs in flight may have changed. */
	if (gpu_jobs.ended && seqno > gpu.ended)
		gpu_jobs.ended(now() - gpu.begun[seqno % RING]);
	gpu.ended = seqno;
}

/* Waits for all jobs in flight; to be called by gpu_jobs.between(). */
void gpu_drain(void)
{
	uint64_t seqno;

	for (seqno = gpu.ended + 1; seqno <= gpu.submitted; seqno++)
		end_job(seqno);
}

static void *gpu_main(void *arg)
{
	sigset_t all;

	(void)arg;
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, NULL);

	while (!atomic_load(&gpu.stopping)) {
		if (gpu_jobs.between)
			gpu_jobs.between();
		while (gpu.submitted - gpu.ended >= gpu_jobs.depth)
			end_job(gpu.ended + 1);
		submit_one();
	}
	wait_for(gpu.submitted);
	return NULL;
}

static uint64_t query_va_start(void)
{
	struct drm_movgem_gpu_info info = { 0 };
	struct drm_movgem_dev_query query = {
		.type = DRM_MOVGEM_DEV_QUERY_GPU_INFO,
		.size = sizeof(info),
		.pointer = (uintptr_t)&info,
	};

	ioctl_or_die(DRM_IOCTL_MOVGEM_DEV_QUERY, &query, "DEV_QUERY");
	return info.va_start;
}

/* Binds buffers in a VM, one behind the other from place number @first. */
void gpu_bind(uint32_t vm, const struct work_buf *bufs, size_t first,
	      size_t count)
{
	struct drm_movgem_bind_op ops[DRM_MOVGEM_BIND_OPS_MAX] = { 0 };
	uint64_t va = query_va_start() + first * work.buf_size;
	size_t i, n;

	for (i = 0; i < count; i += n) {
		struct drm_movgem_vm_bind bind = {
			.vm_id = vm,
			.ops = (uintptr_t)ops,
		};

		for (n = 0; n < DRM_MOVGEM_BIND_OPS_MAX && i + n < count; n++) {
			ops[n].op = DRM_MOVGEM_BIND_OP_MAP;
			ops[n].handle = bufs[i + n].handle;
			ops[n].va = va;
			ops[n].size = work.buf_size;
			va += work.buf_size;
		}
		bind.op_count = n;
		ioctl_or_die(DRM_IOCTL_MOVGEM_VM_BIND, &bind, "VM_BIND");
	}
}

/* Unbinds so many places from the first on. */
void gpu_unbind(uint32_t vm, size_t count)
{
	struct drm_movgem_bind_op op = {
		.op = DRM_MOVGEM_BIND_OP_UNMAP,
		.va = query_va_start(),
		.size = count * work.buf_size,
	};
	struct drm_movgem_vm_bind bind = {
		.vm_id = vm,
		.ops = (uintptr_t)&op,
		.op_count = 1,
	};

	ioctl_or_die(DRM_IOCTL_MOVGEM_VM_BIND, &bind, "VM_BIND");
}

/* Binds the buffers that stay, and keeps the GPU busy with them. */
void gpu_start(void)
{
	struct drm_movgem_queue_create queue = { .vm_id = movgem_vm() };
	struct drm_syncobj_create syncobj = { 0 };
	int err;

	gpu.va_start = query_va_start();
	gpu.rnd = ~work.seed;

	/* The window has one slot more than there are buffers, for this one. */
	gpu.stream_buf.slot = work.slots;
	gpu.streams = buf_addr(&gpu.stream_buf);
	gpu.stream_size = gpu_jobs.copies * sizeof(struct drm_movgem_cmd_copy) +
			  sizeof(struct drm_movgem_cmd_fill);
	if (RING * gpu.stream_size > work.buf_size || gpu_jobs.depth >= RING)
		die("a buffer of %zu bytes cannot hold the command streams",
		    work.buf_size);
	err = work.store->create(&gpu.stream_buf, gpu.streams);
	if (err)
		die("no buffer for the command streams: %s", strerror(-err));
	work.store->map(&gpu.stream_buf, gpu.streams);

	gpu_bind(movgem_vm(), work.bufs, 0, work.count);
	gpu_bind(movgem_vm(), &gpu.stream_buf, work.count, 1);
	ioctl_or_die(DRM_IOCTL_MOVGEM_QUEUE_CREATE, &queue, "QUEUE_CREATE");
	gpu.queue = queue.queue_id;
	ioctl_or_die(DRM_IOCTL_SYNCOBJ_CREATE, &syncobj, "SYNCOBJ_CREATE");
	gpu.syncobj = syncobj.handle;

	err = pthread_create(&gpu.thread, NULL, gpu_main, NULL);
	if (err)
		die("pthread_create: %s", strerror(err));
}

bool gpu_is_running(void)
{
	return gpu.queue;
}

/* Jobs that have ended so far. One that ended in a fault is fatal. */
uint64_t gpu_completed(void)
{
	struct drm_movgem_queue_state state = { .queue_id = gpu.queue };

	ioctl_or_die(DRM_IOCTL_MOVGEM_QUEUE_STATE, &state, "QUEUE_STATE");
	if (state.faulted)
		die("%lu GPU jobs faulted; job %lu: type %u access %u at %#lx",
		    (unsigned long)state.faulted,
		    (unsigned long)state.fault.seqno, state.fault.type,
		    state.fault.access, (unsigned long)state.fault.address);
	return state.completed;
}

/* Lets what was submitted end. */
void gpu_stop(void)
{
	uint64_t completed;

	atomic_store(&gpu.stopping, true);
	pthread_join(gpu.thread, NULL);
	completed = gpu_completed();
	if (completed != gpu.submitted)
		die("%lu GPU jobs submitted, %lu completed", gpu.submitted,
		    completed);
}
