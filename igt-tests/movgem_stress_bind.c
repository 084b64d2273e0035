// SPDX-License-Identifier: MIT
/*
 * Copyright (C) 2026 movgem maintainers
 *
 * GPU address spaces of the worker that knows every byte, and waiting for its
 * queues: movgem_stress_buffers.h.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>

#include "igt.h"
#include "movgem_stress_buffers.h"

#define BIND_OPS	64u
#define STREAM_PAGES	(JOB_SLOTS * JOB_BYTES / PAGE)

unsigned int queue_vm(unsigned int q)
{
	return q % VMS;
}

uint64_t window_va(struct buffers *b, uint64_t sector)
{
	return b->va + sector * SECTOR;
}

/* Some pages further than the windows, that overruns fault. */
uint64_t scratch_va(struct buffers *b)
{
	return b->va + (WINDOW + 8) * PAGE;
}

uint64_t stream_va(struct buffers *b, unsigned int q)
{
	return scratch_va(b) + (SCRATCH_PAGES + 8 + q * (STREAM_PAGES + 3)) * PAGE;
}

/* ---- waiting ---- */

static void check_faults(struct buffers *b, unsigned int q)
{
	struct drm_movgem_queue_state state;
	struct queue *queue = &b->queues[q];
	int ret = __movgem_queue_state(b->fd, queue->id, &state);

	if (ret)
		stress_fail(b->w, "QUEUE_STATE: %s", strerror(-ret));
	if (state.faulted != queue->faults)
		stress_fail(b->w, "queue %u: %llu jobs faulted and not %" PRIu64
			    "; the newest: type %u, access %u, address %#llx (page %lld of the window), stream offset %llu, job %llu",
			    q, state.faulted, queue->faults, state.fault.type,
			    state.fault.access, state.fault.address,
			    (long long)(state.fault.address - b->va) / PAGE,
			    state.fault.stream_offset, state.fault.seqno);
}

void queue_idle(struct buffers *b, unsigned int q, uint64_t point)
{
	struct queue *queue = &b->queues[q];
	int ret;

	if (point <= queue->done)
		return;
	ret = stress_timeline_wait(b->fd, queue->timeline, point);
	if (ret)
		stress_fail(b->w, "job %" PRIu64 " of queue %u does not end: %s", point, q,
			    strerror(-ret));
	queue->done = point;
	check_faults(b, q);
}

/* ---- binding ---- */

/* Ranges of the windows, in the model. */
static void view_set(struct buffers *b, unsigned int v, uint32_t at, struct buffer *bo,
		     uint32_t page, bool readonly)
{
	struct view *view = &b->vms[v].window[at];
	struct buffer *old = view->bo;

	if (bo)
		bo->bound++;
	*view = (struct view) { .bo = bo, .page = page, .readonly = readonly };
	if (!old)
		return;
	old->bound--;
	bo_release(b, old);
}

static void views_set(struct buffers *b, unsigned int v, const struct drm_movgem_bind_op *op,
		      struct buffer *bo)
{
	uint32_t at = (op->va - b->va) / PAGE, i;

	for (i = 0; i < op->size / PAGE; i++)
		view_set(b, v, at + i, bo, op->bo_offset / PAGE + i,
			 op->flags & DRM_MOVGEM_BIND_READONLY);
}

/* All operations are about one BO; those that unmap, about none. */
static bool bind(struct buffers *b, unsigned int v, struct buffer *bo,
		 const struct drm_movgem_bind_op *ops, unsigned int count)
{
	struct drm_movgem_sync syncs[QUEUES + 1];
	struct vm *vm = &b->vms[v];
	unsigned int n = 0, q, i;
	int ret;

	/* Jobs that were submitted before it see what was bound before it. */
	for (q = 0; q < QUEUES; q++)
		if (queue_vm(q) == v && b->queues[q].point > b->queues[q].done)
			syncs[n++] = movgem_sync_wait(b->queues[q].timeline,
						      b->queues[q].point);
	syncs[n++] = movgem_sync_signal(vm->timeline, vm->point + 1);
	ret = __movgem_vm_bind(b->fd, vm->id,
			       stress_one_in(b->w, 2) ? DRM_MOVGEM_VM_BIND_ASYNC : 0,
			       ops, count, syncs, n);
	if (!stress_end(b->w, ret))
		return false;
	vm->point++;
	for (i = 0; i < count; i++)
		views_set(b, v, &ops[i], ops[i].op == DRM_MOVGEM_BIND_OP_MAP ? bo : NULL);
	return true;
}

bool can_bind(struct buffer *bo)
{
	return bo->handle && (!bo->is_exclusive || bo->exclusive != NO_VM);
}

static unsigned int bind_vm(struct buffers *b, struct buffer *bo)
{
	return bo->is_exclusive ? bo->exclusive : stress_below(b->w, VMS);
}

bool bind_somewhere(struct buffers *b, struct buffer *bo, uint32_t flags)
{
	struct drm_movgem_bind_op op;
	unsigned int v = bind_vm(b, bo);
	uint32_t first, count, at;

	first = stress_one_in(b->w, 2) ? 0 : stress_below(b->w, bo->pages);
	count = stress_size(b->w, min(bo->pages - first, WINDOW / 2));
	at = stress_below(b->w, WINDOW - count + 1);
	op = movgem_op_map(bo->handle, first * PAGE, window_va(b, at * PAGE_SECTORS),
			   count * PAGE, flags);
	stress_begin(b->w, STRESS_BIND, bo->name, v << 16 | at, (uint64_t)first << 32 | count);
	return bind(b, v, bo, &op, 1);
}

void op_bind(struct buffers *b)
{
	struct buffer *bo = bo_pick(b, can_bind);

	if (bo)
		bind_somewhere(b, bo, stress_one_in(b->w, 6) ? DRM_MOVGEM_BIND_READONLY : 0);
}

/* Single pages with gaps between them, backwards, or with one unmapped again. */
void op_bind_sparse(struct buffers *b)
{
	struct buffer *bo = bo_pick(b, can_bind);
	uint32_t stride = 1 + stress_below(b->w, 4), at, i;
	struct drm_movgem_bind_op ops[BIND_OPS];
	unsigned int count, n = 0, v;
	bool backwards = stress_one_in(b->w, 2);

	if (!bo)
		return;
	v = bind_vm(b, bo);
	count = stress_size(b->w, min(bo->pages, BIND_OPS / 2));
	at = stress_below(b->w, WINDOW - count * stride + 1);
	for (i = 0; i < count; i++) {
		uint32_t page = backwards ? bo->pages - 1 - i : i;
		uint64_t va = window_va(b, (at + i * stride) * PAGE_SECTORS);

		ops[n++] = movgem_op_map(bo->handle, page * PAGE, va, PAGE,
					 stress_one_in(b->w, 8) ? DRM_MOVGEM_BIND_READONLY : 0);
		if (stress_one_in(b->w, 8))
			ops[n++] = movgem_op_unmap(va, PAGE);
	}
	stress_begin(b->w, STRESS_BIND_SPARSE, bo->name, v << 16 | at, n);
	bind(b, v, bo, ops, n);
}

void op_unbind(struct buffers *b)
{
	unsigned int v = stress_below(b->w, VMS);
	uint32_t count = stress_size(b->w, WINDOW / 2);
	uint32_t at = stress_below(b->w, WINDOW - count + 1);
	struct drm_movgem_bind_op op;

	op = movgem_op_unmap(window_va(b, at * PAGE_SECTORS), count * PAGE);
	stress_begin(b->w, STRESS_UNBIND, 0, v << 16 | at, count);
	bind(b, v, NULL, &op, 1);
}

static bool unbind_in_vm(struct buffers *b, struct buffer *bo, unsigned int v)
{
	struct drm_movgem_bind_op ops[BIND_OPS];
	uint32_t at = 0, end;
	unsigned int n;

	while (at < WINDOW && bo->bound) {
		for (n = 0; at < WINDOW && n < BIND_OPS; at = end) {
			end = at + 1;
			if (b->vms[v].window[at].bo != bo)
				continue;
			while (end < WINDOW && b->vms[v].window[end].bo == bo)
				end++;
			ops[n++] = movgem_op_unmap(window_va(b, at * PAGE_SECTORS),
						   (end - at) * PAGE);
		}
		if (!n)
			return true;
		stress_begin(b->w, STRESS_UNBIND, bo->name, v << 16 | at, n);
		if (!bind(b, v, NULL, ops, n))
			return false;
	}
	return true;
}

bool bo_unbind(struct buffers *b, struct buffer *bo)
{
	unsigned int v;

	for (v = 0; v < VMS; v++)
		if (!unbind_in_vm(b, bo, v))
			return false;
	return true;
}

/* ---- VMs ---- */

static void bind_own(struct buffers *b, struct vm *vm, uint32_t handle, uint64_t va,
		     uint32_t pages)
{
	stress_must(b->w, __movgem_vm_map(b->fd, vm->id, handle, 0, va, pages * PAGE, 0));
}

void vm_init(struct buffers *b, unsigned int v)
{
	struct drm_movgem_sync signal;
	struct vm *vm = &b->vms[v];
	unsigned int q;

	stress_must(b->w, __movgem_vm_create(b->fd, 0, &vm->id));
	stress_must(b->w, stress_syncobj_create(b->fd, &vm->timeline));
	bind_own(b, vm, b->scratch_handle, scratch_va(b), SCRATCH_PAGES);
	for (q = v; q < QUEUES; q += VMS) {
		struct queue *queue = &b->queues[q];

		bind_own(b, vm, queue->stream_handle, stream_va(b, q), STREAM_PAGES);
		stress_must(b->w, __movgem_queue_create(b->fd, vm->id, stress_below(b->w, 2),
							&queue->id));
		stress_must(b->w, stress_syncobj_create(b->fd, &queue->timeline));
		queue->point = 0;
		queue->done = 0;
		queue->faults = 0;
	}
	/* A point that jobs can wait for. */
	vm->point = 1;
	signal = movgem_sync_signal(vm->timeline, 1);
	stress_must(b->w, __movgem_vm_bind(b->fd, vm->id, 0, NULL, 0, &signal, 1));
}

void vm_fini(struct buffers *b, unsigned int v)
{
	struct vm *vm = &b->vms[v];
	unsigned int q, i;
	uint32_t at;

	for (q = v; q < QUEUES; q += VMS) {
		stress_must(b->w, __movgem_queue_destroy(b->fd, b->queues[q].id));
		stress_must(b->w, stress_syncobj_destroy(b->fd, b->queues[q].timeline));
		for (i = 0; i < BOS; i++)
			b->bos[i].point[q] = 0;
	}
	stress_must(b->w, __movgem_vm_destroy(b->fd, vm->id));
	stress_must(b->w, stress_syncobj_destroy(b->fd, vm->timeline));
	for (at = 0; at < WINDOW; at++)
		view_set(b, v, at, NULL, 0, false);
	/* Nothing else may ever see them now but the CPU. */
	for (i = 0; i < BOS; i++)
		if (b->bos[i].is_exclusive && b->bos[i].exclusive == v)
			b->bos[i].exclusive = NO_VM;
}

static uint32_t own_bo(struct buffers *b, uint32_t pages, uint8_t **map)
{
	uint32_t handle;
	void *at;

	stress_must(b->w, __movgem_bo_create(b->fd, pages * PAGE, 0, 0, &handle));
	__movgem_bo_label(b->fd, handle, "stress-own");
	stress_must(b->w, stress_map(b->fd, handle, pages * PAGE, &at));
	*map = at;
	return handle;
}

void gpu_init(struct buffers *b)
{
	struct drm_movgem_gpu_info info = { };
	uint32_t size = sizeof(info);
	unsigned int q, v;

	stress_must(b->w, __movgem_query(b->fd, DRM_MOVGEM_DEV_QUERY_GPU_INFO, &info, &size));
	/* So that the windows begin in the middle of a page table. */
	b->va = ALIGN(info.va_start, SZ_2M) + SZ_2M + 5 * PAGE;
	b->scratch_handle = own_bo(b, SCRATCH_PAGES, &b->scratch);
	for (q = 0; q < QUEUES; q++)
		b->queues[q].stream_handle = own_bo(b, STREAM_PAGES, &b->queues[q].stream);
	for (v = 0; v < VMS; v++)
		vm_init(b, v);
}

void gpu_fini(struct buffers *b)
{
	unsigned int q, v;

	for (q = 0; q < QUEUES; q++)
		queue_idle(b, q, b->queues[q].point);
	for (v = 0; v < VMS; v++)
		vm_fini(b, v);
	for (q = 0; q < QUEUES; q++)
		munmap(b->queues[q].stream, STREAM_PAGES * PAGE);
	munmap(b->scratch, SCRATCH_PAGES * PAGE);
}
