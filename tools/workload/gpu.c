// SPDX-License-Identifier: GPL-2.0
/*
 * The workload: GPU jobs. All the buffers are bound in one VM,
 * and one queue executes jobs of four commands each: three copies of a page's
 * body to a page of another buffer, and a fill. The queue executes in order, so
 * what every body must hold is known without asking: the tags are kept as the
 * jobs are submitted.
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

/* Jobs in flight; a stream's place is used again after RING jobs. */
#define DEPTH		8
#define RING		16
#define COPIES		3
#define WAIT_NS		(120 * 1000000000LL)

struct stream {
	struct drm_movgem_cmd_copy copy[COPIES];
	struct drm_movgem_cmd_fill fill;
};

static struct {
	pthread_t thread;
	atomic_bool stopping;
	uint32_t queue, syncobj;
	uint64_t va_start;
	uint64_t submitted;
	uint64_t rnd;
	struct work_buf stream_buf;
	struct stream *streams;
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
	struct stream *stream = &gpu.streams[place];
	size_t from = next_random(&gpu.rnd) % page_count();
	size_t to = next_random(&gpu.rnd) % page_count();
	struct drm_movgem_sync sync = {
		.flags = DRM_MOVGEM_SYNC_SIGNAL | DRM_MOVGEM_SYNC_TIMELINE,
		.handle = gpu.syncobj,
		.point = seqno,
	};
	struct drm_movgem_submit submit = {
		.queue_id = gpu.queue,
		.stream_addr = streams_va() + place * sizeof(*stream),
		.stream_size = sizeof(*stream),
		.sync_count = 1,
		.syncs = (uintptr_t)&sync,
	};
	int i;

	for (i = 0; i < COPIES; i++) {
		size_t src = (from + i) % page_count();
		size_t dst = (to + i) % page_count();

		stream->copy[i] = (struct drm_movgem_cmd_copy){
			.hdr.opcode = DRM_MOVGEM_CMD_COPY,
			.hdr.size = sizeof(stream->copy[i]),
			.src = body_va(src),
			.dst = body_va(dst),
			.size = WORK_BODY_SIZE,
		};
		work.tags[dst] = work.tags[src];
	}
	to = (to + COPIES) % page_count();
	stream->fill = (struct drm_movgem_cmd_fill){
		.hdr.opcode = DRM_MOVGEM_CMD_FILL,
		.hdr.size = sizeof(stream->fill),
		.dst = body_va(to),
		.size = WORK_BODY_SIZE,
		.value = (uint32_t)seqno,
	};
	work.tags[to] = WORK_TAG_FILL | (uint32_t)seqno;

	ioctl_or_die(DRM_IOCTL_MOVGEM_SUBMIT, &submit, "SUBMIT");
	gpu.submitted = seqno;
}

static void *gpu_main(void *arg)
{
	sigset_t all;

	(void)arg;
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, NULL);

	while (!atomic_load(&gpu.stopping)) {
		if (gpu.submitted >= DEPTH)
			wait_for(gpu.submitted - DEPTH + 1);
		submit_one();
	}
	wait_for(gpu.submitted);
	return NULL;
}

static void bind_all(void)
{
	struct drm_movgem_bind_op *ops;
	size_t i, n, total = work.count + 1;

	ops = calloc(total, sizeof(*ops));
	if (!ops)
		die("no memory");
	for (i = 0; i < total; i++) {
		ops[i].op = DRM_MOVGEM_BIND_OP_MAP;
		ops[i].handle = i < work.count ? work.bufs[i].handle :
						 gpu.stream_buf.handle;
		ops[i].va = gpu.va_start + i * WORK_BUF_SIZE;
		ops[i].size = WORK_BUF_SIZE;
	}
	for (i = 0; i < total; i += n) {
		struct drm_movgem_vm_bind bind = {
			.vm_id = movgem_vm(),
			.ops = (uintptr_t)&ops[i],
		};

		n = total - i;
		if (n > DRM_MOVGEM_BIND_OPS_MAX)
			n = DRM_MOVGEM_BIND_OPS_MAX;
		bind.op_count = n;
		ioctl_or_die(DRM_IOCTL_MOVGEM_VM_BIND, &bind, "VM_BIND");
	}
	free(ops);
}

/* Binds the buffers that stay, and keeps the GPU busy with them. */
void gpu_start(void)
{
	struct drm_movgem_gpu_info info = { 0 };
	struct drm_movgem_dev_query query = {
		.type = DRM_MOVGEM_DEV_QUERY_GPU_INFO,
		.size = sizeof(info),
		.pointer = (uintptr_t)&info,
	};
	struct drm_movgem_queue_create queue = { .vm_id = movgem_vm() };
	struct drm_syncobj_create syncobj = { 0 };
	int err;

	ioctl_or_die(DRM_IOCTL_MOVGEM_DEV_QUERY, &query, "DEV_QUERY");
	gpu.va_start = info.va_start;
	gpu.rnd = ~work.seed;

	/* The window has one slot more than there are buffers, for this one. */
	gpu.stream_buf.slot = work.slots;
	gpu.streams = (struct stream *)buf_addr(&gpu.stream_buf);
	err = work.store->create(&gpu.stream_buf, gpu.streams);
	if (err)
		die("no buffer for the command streams: %s", strerror(-err));
	work.store->map(&gpu.stream_buf, gpu.streams);

	bind_all();
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
