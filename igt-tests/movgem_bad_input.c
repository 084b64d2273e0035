// SPDX-License-Identifier: MIT
/*
 * Copyright (C) 2026 movgem maintainers
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "igt.h"
#include "igt_syncobj.h"
#include "movgem_rig.h"

/**
 * TEST: movgem bad input
 * Description: Every field of every ioctl, out of range one at a time: the
 *              right error, and nothing has changed.
 * Category: Core
 * Mega feature: General Core features
 * Sub-category: uapi
 * Functionality: ioctl
 * Feature: movgem
 * Test category: functionality test
 *
 * SUBTEST: fields-%s
 * Description: Every field of %arg[1] out of range.
 *
 * SUBTEST: labels
 * Description: Labels that are too long, not there, or end at the end of memory.
 *
 * SUBTEST: foreign-ids
 * Description: Handles and ids of another file are unknown in this one.
 *
 * SUBTEST: unknown-numbers
 * Description: Ioctl numbers that are not there.
 *
 * SUBTEST: truncated
 * Description: What an old program does not pass reads as zero.
 *
 * SUBTEST: oversized
 * Description: What a program from the future passes behind is ignored.
 *
 * SUBTEST: bad-pointer
 * Description: A structure that is not in memory.
 *
 * arg[1].values: dev-query, bo-create, bo-mmap-offset, bo-info, bo-label, bo-wait,
 *                bo-madvise, vm-create, vm-destroy, vm-bind, vm-bind-op,
 *                vm-bind-unmap, vm-bind-sync, queue-create, queue-destroy,
 *                queue-state, submit, submit-sync
 */

IGT_TEST_DESCRIPTION("Bad input to every ioctl of movgem.");

#define SIZE	(16 * MOVGEM_PAGE)
#define VA_END	UINT64_MAX	/* replaced by the device's own */
#define VA_LAST	(UINT64_MAX - 1)
#define BELOW	(UINT64_MAX - 2)
#define TOO_LONG (UINT64_MAX - 3)
#define KERNEL	0xffff888000000000ull

/* Everything that calls can be about, and that bad calls must not change. */
struct world {
	int fd;
	struct drm_movgem_gpu_info gpu;
	struct movgem_rig rig;
	uint32_t handle;
	uint32_t vm, queue;
	uint64_t va;
	uint32_t signalled, empty, timeline;
	uint64_t bos;
	struct drm_movgem_bind_op op[2];
	struct drm_movgem_sync sync[2];
	uint8_t query[256];
};

struct snapshot {
	struct drm_movgem_mem_info mem;
	struct drm_movgem_bo_info bo;
	struct drm_movgem_queue_state queue;
	int empty;
	uint64_t point;
	uint32_t word;
};

enum where { ARG, OP, SYNC };

union args {
	struct drm_movgem_dev_query dev_query;
	struct drm_movgem_bo_create bo_create;
	struct drm_movgem_bo_mmap_offset bo_mmap_offset;
	struct drm_movgem_bo_info bo_info;
	struct drm_movgem_bo_label bo_label;
	struct drm_movgem_bo_wait bo_wait;
	struct drm_movgem_bo_madvise bo_madvise;
	struct drm_movgem_vm_create vm_create;
	struct drm_movgem_vm_destroy vm_destroy;
	struct drm_movgem_vm_bind vm_bind;
	struct drm_movgem_queue_create queue_create;
	struct drm_movgem_queue_destroy queue_destroy;
	struct drm_movgem_queue_state queue_state;
	struct drm_movgem_submit submit;
	uint8_t bytes[256];
};

/* One field with values that are all refused with the same error. */
struct bad_field {
	enum where where;
	const char *name;
	unsigned int offset, width;
	int err;
	uint64_t values[12];
	unsigned int count;
	/* Or every bit from this one up, one at a time. */
	int first_bit;
};

#define FIELD(where_, type_, name_, err_, ...)				\
	{								\
		.where = where_,					\
		.name = #name_,						\
		.offset = offsetof(struct drm_movgem_##type_, name_),	\
		.width = sizeof(((struct drm_movgem_##type_ *)0)->name_),	\
		.err = err_,						\
		.values = { __VA_ARGS__ },				\
		.count = sizeof((uint64_t []){ __VA_ARGS__ }) / 8,	\
		.first_bit = -1,					\
	}
#define BITS(where_, type_, name_, first_)				\
	{								\
		.where = where_,					\
		.name = #name_,						\
		.offset = offsetof(struct drm_movgem_##type_, name_),	\
		.width = sizeof(((struct drm_movgem_##type_ *)0)->name_),	\
		.err = EINVAL,						\
		.first_bit = first_,					\
	}
#define NO_ID	0, 0x7fffffff, 0xffffffff
#define NO_PTR	1, 4096 + 1, KERNEL, UINT64_MAX - 4095

static const struct bad_field dev_query[] = {
	FIELD(ARG, dev_query, type, EINVAL, 2, 3, 0x80000000, 0xffffffff),
	FIELD(ARG, dev_query, pointer, EFAULT, NO_PTR),
	BITS(ARG, dev_query, pad, 0),
};

static const struct bad_field bo_create[] = {
	FIELD(ARG, bo_create, size, EINVAL, 0, UINT64_MAX, UINT64_MAX - 4095,
	      UINT64_MAX - 4094, 1ull << 63, 1ull << 62, 1ull << 56),
	BITS(ARG, bo_create, flags, 1),
	FIELD(ARG, bo_create, flags, EINVAL, 0xffffffff, 3),
	FIELD(ARG, bo_create, exclusive_vm_id, ENOENT, 0x7fffffff, 0xffffffff, 1000),
	BITS(ARG, bo_create, pad, 0),
};

static const struct bad_field bo_mmap_offset[] = {
	FIELD(ARG, bo_mmap_offset, handle, ENOENT, NO_ID),
	BITS(ARG, bo_mmap_offset, pad, 0),
};

static const struct bad_field bo_info[] = {
	FIELD(ARG, bo_info, handle, ENOENT, NO_ID),
	BITS(ARG, bo_info, gup, 0),
};

static const struct bad_field bo_label[] = {
	FIELD(ARG, bo_label, handle, ENOENT, NO_ID),
	FIELD(ARG, bo_label, label, EFAULT, NO_PTR),
	BITS(ARG, bo_label, pad, 0),
};

static const struct bad_field bo_wait[] = {
	FIELD(ARG, bo_wait, handle, ENOENT, NO_ID),
	BITS(ARG, bo_wait, flags, 0),
};

static const struct bad_field bo_madvise[] = {
	FIELD(ARG, bo_madvise, handle, ENOENT, NO_ID),
	FIELD(ARG, bo_madvise, madv, EINVAL, DRM_MOVGEM_MADV_PURGED, 3, 4, 0x80000000, 0xffffffff),
	BITS(ARG, bo_madvise, pad, 0),
};

static const struct bad_field vm_create[] = {
	BITS(ARG, vm_create, flags, 0),
	FIELD(ARG, vm_create, flags, EINVAL, 0xffffffff),
};

static const struct bad_field vm_destroy[] = {
	FIELD(ARG, vm_destroy, vm_id, ENOENT, NO_ID),
	BITS(ARG, vm_destroy, pad, 0),
};

static const struct bad_field vm_bind[] = {
	FIELD(ARG, vm_bind, vm_id, ENOENT, NO_ID),
	BITS(ARG, vm_bind, flags, 1),
	FIELD(ARG, vm_bind, op_count, EINVAL, DRM_MOVGEM_BIND_OPS_MAX + 1, 0x80000000, 0xffffffff),
	FIELD(ARG, vm_bind, sync_count, EINVAL, DRM_MOVGEM_SYNCS_MAX + 1, 0x80000000, 0xffffffff),
	FIELD(ARG, vm_bind, ops, EFAULT, 0, NO_PTR),
	FIELD(ARG, vm_bind, syncs, EFAULT, 0, NO_PTR),
	BITS(ARG, vm_bind, pad, 0),
};

static const struct bad_field vm_bind_op[] = {
	FIELD(OP, bind_op, op, EINVAL, 2, 3, 0x80000000, 0xffffffff),
	BITS(OP, bind_op, flags, 1),
	FIELD(OP, bind_op, handle, ENOENT, NO_ID),
	BITS(OP, bind_op, pad, 0),
	FIELD(OP, bind_op, bo_offset, EINVAL, 1, 8, 2048, 4095, SIZE, SIZE - MOVGEM_PAGE + 1,
	      SIZE + MOVGEM_PAGE, 1ull << 63, UINT64_MAX - 4095, UINT64_MAX - SIZE + 1),
	FIELD(OP, bind_op, va, EINVAL, 1, 4095, 0x100001, BELOW, VA_END, VA_LAST, 1ull << 63,
	      UINT64_MAX - 4095, UINT64_MAX - SIZE + 1),
	FIELD(OP, bind_op, size, EINVAL, 0, 1, 4095, 4097, SIZE + MOVGEM_PAGE, 1ull << 63,
	      UINT64_MAX - 4095, 1ull << 32, 1ull << 44),
};

static const struct bad_field vm_bind_unmap[] = {
	BITS(OP, bind_op, flags, 0),
	FIELD(OP, bind_op, handle, EINVAL, 1, 0x7fffffff, 0xffffffff),
	BITS(OP, bind_op, pad, 0),
	FIELD(OP, bind_op, bo_offset, EINVAL, MOVGEM_PAGE, 1, UINT64_MAX - 4095),
	FIELD(OP, bind_op, va, EINVAL, 1, 4095, 0x100001, VA_END, VA_LAST, 1ull << 63,
	      UINT64_MAX - 4095),
	FIELD(OP, bind_op, size, EINVAL, 0, 1, 4095, 4097, 1ull << 63, UINT64_MAX - 4095),
};

#define SYNC_FIELDS							\
	BITS(SYNC, sync, flags, 2),					\
	FIELD(SYNC, sync, handle, ENOENT, NO_ID),			\
	FIELD(SYNC, sync, point, EINVAL, 1, 1ull << 63, UINT64_MAX)

static const struct bad_field sync_fields[] = { SYNC_FIELDS };

static const struct bad_field queue_create[] = {
	FIELD(ARG, queue_create, vm_id, ENOENT, NO_ID),
	BITS(ARG, queue_create, flags, 0),
	FIELD(ARG, queue_create, priority, EINVAL, 2, 3, 0x80000000, 0xffffffff),
	BITS(ARG, queue_create, pad, 0),
};

static const struct bad_field queue_destroy[] = {
	FIELD(ARG, queue_destroy, queue_id, ENOENT, NO_ID),
	BITS(ARG, queue_destroy, pad, 0),
};

static const struct bad_field queue_state[] = {
	FIELD(ARG, queue_state, queue_id, ENOENT, NO_ID),
	BITS(ARG, queue_state, flags, 0),
};

static const struct bad_field submit[] = {
	FIELD(ARG, submit, queue_id, ENOENT, NO_ID),
	BITS(ARG, submit, flags, 0),
	FIELD(ARG, submit, stream_addr, EINVAL, 1, 0x100004, 0x100001, VA_END, BELOW,
	      1ull << 63, UINT64_MAX - 7),
	FIELD(ARG, submit, stream_size, EINVAL, 0, 1, 4, 12, 0xfffffff8, 0x80000000, TOO_LONG),
	FIELD(ARG, submit, sync_count, EINVAL, DRM_MOVGEM_SYNCS_MAX + 1, 0x80000000, 0xffffffff),
	FIELD(ARG, submit, syncs, EFAULT, 0, NO_PTR),
	BITS(ARG, submit, pad, 0),
};

/* ---- good calls, to be spoiled ---- */

static void good_ops(struct world *w)
{
	w->op[0] = movgem_op_map(w->handle, 0, w->va, SIZE, 0);
	w->op[1] = w->op[0];
	w->sync[0] = movgem_sync_wait(w->signalled, 0);
	w->sync[1] = movgem_sync_signal(w->empty, 0);
}

static void good_dev_query(struct world *w, union args *a)
{
	a->dev_query.size = sizeof(struct drm_movgem_gpu_info);
	a->dev_query.pointer = to_user_pointer(w->query);
}

static void good_bo_create(struct world *w, union args *a)
{
	a->bo_create.size = MOVGEM_PAGE;
}

static void good_handle(struct world *w, union args *a)
{
	/* The first field of all of them. */
	a->bo_info.handle = w->handle;
}

static void good_label(struct world *w, union args *a)
{
	a->bo_label.handle = w->handle;
	a->bo_label.label = to_user_pointer("a good label");
}

static void good_madvise(struct world *w, union args *a)
{
	a->bo_madvise.handle = w->handle;
	a->bo_madvise.madv = DRM_MOVGEM_MADV_WILLNEED;
}

static void good_vm(struct world *w, union args *a)
{
	a->vm_destroy.vm_id = w->vm;
}

static void good_nothing(struct world *w, union args *a)
{
}

static void good_vm_bind(struct world *w, union args *a)
{
	good_ops(w);
	a->vm_bind.vm_id = w->rig.vm;
	a->vm_bind.flags = 0;
	a->vm_bind.op_count = 2;
	a->vm_bind.ops = to_user_pointer(w->op);
	a->vm_bind.sync_count = 2;
	a->vm_bind.syncs = to_user_pointer(w->sync);
}

static void good_unmap(struct world *w, union args *a)
{
	good_vm_bind(w, a);
	w->op[1] = movgem_op_unmap(w->va + 2 * SIZE, SIZE);
}

static void good_queue_create(struct world *w, union args *a)
{
	a->queue_create.vm_id = w->vm;
}

static void good_queue(struct world *w, union args *a)
{
	a->queue_destroy.queue_id = w->queue;
}

static void good_submit(struct world *w, union args *a)
{
	good_ops(w);
	movgem_stream_reset(&w->rig.s);
	movgem_cmd_fill(&w->rig.s, w->rig.va, 4, 0xbad);
	a->submit.queue_id = w->queue;
	a->submit.stream_addr = w->rig.s.va;
	a->submit.stream_size = w->rig.s.pos;
	a->submit.sync_count = 2;
	a->submit.syncs = to_user_pointer(w->sync);
}

static void undo_handle(struct world *w, union args *a)
{
	gem_close(w->fd, a->bo_create.handle);
}

static void undo_vm(struct world *w, union args *a)
{
	movgem_vm_destroy(w->fd, a->vm_create.vm_id);
}

static void undo_queue(struct world *w, union args *a)
{
	movgem_queue_destroy(w->fd, a->queue_create.queue_id);
}

static void again_vm(struct world *w, union args *a)
{
	w->vm = movgem_vm_create(w->fd);
}

static void again_queue(struct world *w, union args *a)
{
	w->queue = movgem_queue_create(w->fd, w->rig.vm);
}

#define CALL(name_, id_, type_, fields_, good_, undo_, ...)		\
	{ name_, DRM_IOCTL_MOVGEM_##id_, sizeof(struct drm_movgem_##type_),	\
	  fields_, ARRAY_SIZE(fields_), good_, undo_, ##__VA_ARGS__ }

static const struct call {
	const char *name;
	unsigned long req;
	unsigned int size;
	const struct bad_field *fields;
	unsigned int count;
	void (*good)(struct world *w, union args *a);
	/* Takes back what the good call has done. */
	void (*undo)(struct world *w, union args *a);
	bool pointers;
} calls[] = {
	CALL("dev-query", DEV_QUERY, dev_query, dev_query, good_dev_query, NULL, true),
	CALL("bo-create", BO_CREATE, bo_create, bo_create, good_bo_create, undo_handle),
	CALL("bo-mmap-offset", BO_MMAP_OFFSET, bo_mmap_offset, bo_mmap_offset, good_handle, NULL),
	CALL("bo-info", BO_INFO, bo_info, bo_info, good_handle, NULL),
	CALL("bo-label", BO_LABEL, bo_label, bo_label, good_label, NULL, true),
	CALL("bo-wait", BO_WAIT, bo_wait, bo_wait, good_handle, NULL),
	CALL("bo-madvise", BO_MADVISE, bo_madvise, bo_madvise, good_madvise, NULL),
	CALL("vm-create", VM_CREATE, vm_create, vm_create, good_nothing, undo_vm),
	CALL("vm-destroy", VM_DESTROY, vm_destroy, vm_destroy, good_vm, again_vm),
	CALL("vm-bind", VM_BIND, vm_bind, vm_bind, good_vm_bind, NULL, true),
	CALL("vm-bind-op", VM_BIND, vm_bind, vm_bind_op, good_vm_bind, NULL, true),
	CALL("vm-bind-unmap", VM_BIND, vm_bind, vm_bind_unmap, good_unmap, NULL, true),
	CALL("vm-bind-sync", VM_BIND, vm_bind, sync_fields, good_vm_bind, NULL, true),
	CALL("queue-create", QUEUE_CREATE, queue_create, queue_create, good_queue_create,
	     undo_queue),
	CALL("queue-destroy", QUEUE_DESTROY, queue_destroy, queue_destroy, good_queue,
	     again_queue),
	CALL("queue-state", QUEUE_STATE, queue_state, queue_state, good_queue, NULL),
	CALL("submit", SUBMIT, submit, submit, good_submit, NULL, true),
	CALL("submit-sync", SUBMIT, submit, sync_fields, good_submit, NULL, true),
};

/* ---- the check ---- */

static void make_world(struct world *w, int fd)
{
	struct drm_movgem_mem_info mem;
	uint32_t *map;

	memset(w, 0, sizeof(*w));
	w->fd = fd;
	movgem_mem_info(fd, &mem);
	w->bos = mem.bos;
	movgem_gpu_info(fd, &w->gpu);
	movgem_rig_init(&w->rig, fd);
	w->handle = movgem_bo_create(fd, SIZE, 0);
	map = movgem_bo_mmap(fd, w->handle, SIZE);
	map[10] = 0xfeed;
	munmap(map, SIZE);
	w->va = movgem_va_alloc(fd, 4 * SIZE);
	movgem_vm_map(fd, w->rig.vm, w->handle, 0, w->va, SIZE, 0);
	w->vm = movgem_vm_create(fd);
	w->queue = movgem_queue_create(fd, w->rig.vm);
	w->signalled = syncobj_create(fd, DRM_SYNCOBJ_CREATE_SIGNALED);
	w->empty = syncobj_create(fd, 0);
	w->timeline = syncobj_create(fd, 0);
}

static void free_world(struct world *w)
{
	movgem_queue_destroy(w->fd, w->queue);
	movgem_rig_fini(&w->rig);
	movgem_vm_destroy(w->fd, w->vm);
	gem_close(w->fd, w->handle);
	syncobj_destroy(w->fd, w->signalled);
	syncobj_destroy(w->fd, w->empty);
	syncobj_destroy(w->fd, w->timeline);
	movgem_wait_for_bos(w->fd, w->bos);
}

static void take_snapshot(struct world *w, struct snapshot *s)
{
	memset(s, 0, sizeof(*s));
	movgem_mem_info(w->fd, &s->mem);
	movgem_bo_info(w->fd, w->handle, &s->bo);
	/* These change by themselves: that is what movgem is about. */
	s->mem.pages_moved = 0;
	s->bo.moved = 0;
	movgem_queue_state(w->fd, w->queue, &s->queue);
	s->empty = syncobj_wait_err(w->fd, &w->empty, 1, 0, 0);
	syncobj_timeline_query(w->fd, &w->timeline, &s->point, 1);
	s->word = w->rig.map[0];
}

static uint64_t special(struct world *w, uint64_t value)
{
	switch (value) {
	case VA_END:
		return w->gpu.va_end;
	case VA_LAST:
		return w->gpu.va_end - SIZE + MOVGEM_PAGE;
	case BELOW:
		return w->gpu.va_start - MOVGEM_PAGE;
	case TOO_LONG:
		return w->gpu.max_stream_size + 8;
	default:
		return value;
	}
}

/* Returns whether the call was refused as it has to be, and changed nothing. */
static bool check_value(struct world *w, const struct call *call,
			const struct bad_field *field, uint64_t value)
{
	struct snapshot before, after;
	union args args = { };
	uint8_t *base = args.bytes;
	int ret;

	take_snapshot(w, &before);
	call->good(w, &args);
	if (field->where == OP)
		base = (uint8_t *)&w->op[1];
	else if (field->where == SYNC)
		base = (uint8_t *)&w->sync[1];
	memcpy(base + field->offset, &value, field->width);
	ret = movgem_ioctl(w->fd, call->req, &args);
	take_snapshot(w, &after);
	if (ret != -field->err) {
		igt_warn("%s.%s = %#" PRIx64 ": %d, not %d\n", call->name, field->name,
			 value, ret, -field->err);
		return false;
	}
	if (memcmp(&before, &after, sizeof(before))) {
		igt_warn("%s.%s = %#" PRIx64 " was refused but has changed something\n",
			 call->name, field->name, value);
		return false;
	}
	return true;
}

static void check_good(struct world *w, const struct call *call)
{
	union args args = { };

	call->good(w, &args);
	igt_assert_eq(movgem_ioctl(w->fd, call->req, &args), 0);
	if (call->undo)
		call->undo(w, &args);
	/* A bind or a job signals it; it has to be empty again. */
	if (call->good == good_vm_bind || call->good == good_unmap || call->good == good_submit)
		igt_assert_eq(movgem_syncobj_result(w->fd, w->empty), 0);
	syncobj_destroy(w->fd, w->empty);
	w->empty = syncobj_create(w->fd, 0);
}

/* What takes two fields to be wrong. */
static int check_syncs(struct world *w, const struct call *call)
{
	static const struct { uint32_t flags; int which; uint64_t point; } bad[] = {
		{ 0, 0, 0 },						/* no fence */
		{ DRM_MOVGEM_SYNC_TIMELINE, 1, 0 },			/* no point */
		{ DRM_MOVGEM_SYNC_TIMELINE, 1, 5 },			/* no such fence */
		{ DRM_MOVGEM_SYNC_TIMELINE | DRM_MOVGEM_SYNC_SIGNAL, 1, 0 },
		{ 0, 0, 3 },						/* a point too many */
	};
	int failures = 0;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		struct snapshot before, after;
		union args args = { };
		int ret;

		take_snapshot(w, &before);
		call->good(w, &args);
		w->sync[0] = (struct drm_movgem_sync) {
			.flags = bad[i].flags,
			.handle = bad[i].which ? w->timeline : w->empty,
			.point = bad[i].point,
		};
		ret = movgem_ioctl(w->fd, call->req, &args);
		take_snapshot(w, &after);
		if (ret != -EINVAL || memcmp(&before, &after, sizeof(before))) {
			igt_warn("%s: bad sync %u gives %d%s\n", call->name, i, ret,
				 ret == -EINVAL ? " but has changed something" : "");
			failures++;
		}
	}
	return failures;
}

static void test_fields(int fd, const struct call *call)
{
	unsigned int i, n, tried = 0, failures = 0;
	struct world w;

	make_world(&w, fd);
	check_good(&w, call);
	for (i = 0; i < call->count; i++) {
		const struct bad_field *field = &call->fields[i];

		if (field->first_bit >= 0) {
			for (n = field->first_bit; n < field->width * 8; n++, tried++)
				failures += !check_value(&w, call, field, 1ull << n);
			continue;
		}
		for (n = 0; n < field->count; n++, tried++)
			failures += !check_value(&w, call, field, special(&w, field->values[n]));
	}
	if (call->fields == sync_fields)
		failures += check_syncs(&w, call);
	igt_info("%s: %u bad values\n", call->name, tried);
	check_good(&w, call);
	movgem_rig_expect(&w.rig, w.va + 40, 0xfeed);
	free_world(&w);
	igt_assert_eq(failures, 0);
}

/* The last bytes before memory that is not there. */
static uint8_t *edge(unsigned int size)
{
	uint8_t *area = mmap(NULL, 2 * MOVGEM_PAGE, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	igt_assert(area != MAP_FAILED);
	igt_assert_eq(munmap(area + MOVGEM_PAGE, MOVGEM_PAGE), 0);
	return area + MOVGEM_PAGE - size;
}

static void test_labels(int fd)
{
	uint32_t handle = movgem_bo_create(fd, MOVGEM_PAGE, 0);
	char *text = (char *)edge(200), *end = text + 200;

	memset(text, 'a', 200);
	igt_assert_eq(__movgem_bo_label(fd, handle, text), -E2BIG);
	/* It ends where memory does, without an end. */
	igt_assert_eq(__movgem_bo_label(fd, handle, end - 5), -EFAULT);
	igt_assert_eq(__movgem_bo_label(fd, handle, end - DRM_MOVGEM_BO_LABEL_MAX), -E2BIG);
	end[-1] = 0;
	igt_assert_eq(__movgem_bo_label(fd, handle, end - 5), 0);
	igt_assert_eq(__movgem_bo_label(fd, handle, end - 1), 0);
	igt_assert_eq(__movgem_bo_label(fd, handle, end - DRM_MOVGEM_BO_LABEL_MAX), 0);
	igt_assert_eq(__movgem_bo_label(fd, handle, end - DRM_MOVGEM_BO_LABEL_MAX - 1), -E2BIG);
	gem_close(fd, handle);
}

static void test_foreign_ids(int fd)
{
	int fd2 = movgem_reopen(fd), i;
	struct drm_movgem_queue_state state;
	struct drm_movgem_bo_info info;
	uint32_t handle = 0, vm = 0, queue = 0, sync = 0, out;
	struct drm_movgem_sync s;
	struct movgem_rig rig;

	movgem_rig_init(&rig, fd);
	movgem_cmd_nop(&rig.s);
	/* More of each than fd has, so that the last is none of fd's. */
	for (i = 0; i < 200; i++) {
		handle = movgem_bo_create(fd2, MOVGEM_PAGE, 0);
		sync = syncobj_create(fd2, DRM_SYNCOBJ_CREATE_SIGNALED);
		if (i < 20) {
			vm = movgem_vm_create(fd2);
			queue = movgem_queue_create(fd2, vm);
		}
	}
	igt_assert_eq(__movgem_bo_info(fd2, handle, &info), 0);
	igt_assert_eq(__movgem_bo_info(fd, handle, &info), -ENOENT);
	igt_assert_eq(__movgem_bo_wait(fd, handle, 0), -ENOENT);
	igt_assert_eq(__movgem_bo_label(fd, handle, "x"), -ENOENT);
	igt_assert_eq(__movgem_bo_madvise(fd, handle, 0, &out), -ENOENT);
	igt_assert_eq(__movgem_vm_map(fd, rig.vm, handle, 0, rig.va, MOVGEM_PAGE, 0), -ENOENT);
	igt_assert_eq(__movgem_vm_map(fd, vm, rig.handle, 0, rig.va, MOVGEM_PAGE, 0), -ENOENT);
	igt_assert_eq(__movgem_vm_destroy(fd, vm), -ENOENT);
	igt_assert_eq(__movgem_queue_create(fd, vm, 0, &out), -ENOENT);
	igt_assert_eq(__movgem_queue_state(fd, queue, &state), -ENOENT);
	igt_assert_eq(__movgem_queue_destroy(fd, queue), -ENOENT);
	igt_assert_eq(__movgem_stream_submit(&rig.s, queue, NULL, 0), -ENOENT);
	s = movgem_sync_wait(sync, 0);
	igt_assert_eq(__movgem_stream_submit(&rig.s, rig.queue, &s, 1), -ENOENT);
	igt_assert_eq(__movgem_vm_bind(fd, rig.vm, 0, NULL, 0, &s, 1), -ENOENT);
	/* All there still, for its owner. */
	movgem_queue_destroy(fd2, queue);
	movgem_vm_destroy(fd2, vm);
	movgem_rig_expect(&rig, rig.va + 64, 0);
	movgem_rig_fini(&rig);
	movgem_close(fd2);
}

static void test_unknown_numbers(int fd)
{
	uint8_t data[256] = { };
	unsigned int nr, size;

	for (nr = DRM_MOVGEM_SUBMIT + 1; nr < DRM_COMMAND_END - DRM_COMMAND_BASE; nr++) {
		for (size = 0; size <= 128; size += 32)
			igt_assert_eq(movgem_ioctl(fd, _IOC(_IOC_READ | _IOC_WRITE,
							    DRM_IOCTL_BASE,
							    DRM_COMMAND_BASE + nr, size), data),
				      -EINVAL);
	}
}

static unsigned long resized(unsigned long req, unsigned int size)
{
	return _IOC(_IOC_DIR(req), _IOC_TYPE(req), _IOC_NR(req), size);
}

static void test_truncated(int fd)
{
	struct world w;
	unsigned int i, size;

	make_world(&w, fd);
	for (i = 0; i < ARRAY_SIZE(calls); i++) {
		/* A part that makes a good call by itself; behind it is no memory. */
		static const struct { unsigned long req; unsigned int size; } good[] = {
			{ DRM_IOCTL_MOVGEM_BO_INFO, 8 }, { DRM_IOCTL_MOVGEM_BO_WAIT, 4 },
			{ DRM_IOCTL_MOVGEM_BO_LABEL, 4 }, { DRM_IOCTL_MOVGEM_QUEUE_STATE, 8 },
			{ DRM_IOCTL_MOVGEM_BO_MADVISE, 8 }, { DRM_IOCTL_MOVGEM_BO_CREATE, 20 },
			{ DRM_IOCTL_MOVGEM_QUEUE_CREATE, 16 }, { DRM_IOCTL_MOVGEM_DEV_QUERY, 16 },
			{ DRM_IOCTL_MOVGEM_VM_BIND, 8 }, { DRM_IOCTL_MOVGEM_SUBMIT, 20 },
		};
		unsigned int g;

		for (g = 0; g < ARRAY_SIZE(good); g++) {
			union args args = { };
			uint8_t *user = edge(good[g].size);

			if (good[g].req != calls[i].req)
				continue;
			calls[i].good(&w, &args);
			memcpy(user, &args, good[g].size);
			igt_assert_f(!movgem_ioctl(fd, resized(calls[i].req, good[g].size), user),
				     "%s cut to %u bytes\n", calls[i].name, good[g].size);
			memcpy(&args, user, good[g].size);
			if (calls[i].undo)
				calls[i].undo(&w, &args);
		}
		/* Others fail or not, they do not read or write behind. */
		for (size = 0; size < calls[i].size; size += 4) {
			union args args = { };
			uint8_t *user = edge(size);
			int ret;

			if (calls[i].undo)
				continue;
			calls[i].good(&w, &args);
			memcpy(user, &args, size);
			ret = movgem_ioctl(fd, resized(calls[i].req, size), user);
			/* A pointer may be cut in two. */
			igt_assert_f(ret == 0 || ret == -EINVAL || ret == -ENOENT ||
				     (ret == -EFAULT && calls[i].pointers),
				     "%s cut to %u bytes: %d\n", calls[i].name, size, ret);
		}
	}
	movgem_rig_expect(&w.rig, w.va + 40, 0xfeed);
	free_world(&w);
}

static void test_oversized(int fd)
{
	struct world w;
	unsigned int i, more;

	make_world(&w, fd);
	for (i = 0; i < ARRAY_SIZE(calls); i++) {
		for (more = 4; more <= 128; more *= 2) {
			unsigned int size = calls[i].size + more;
			uint8_t *user = edge(size);
			union args args;

			memset(&args, 0, sizeof(args));
			calls[i].good(&w, &args);
			memset(user, 0xa5, size);
			memcpy(user, &args, calls[i].size);
			igt_assert_f(!movgem_ioctl(fd, resized(calls[i].req, size), user),
				     "%s with %u bytes more\n", calls[i].name, more);
			memcpy(&args, user, calls[i].size);
			if (calls[i].undo)
				calls[i].undo(&w, &args);
		}
	}
	movgem_rig_expect(&w.rig, w.va + 40, 0xfeed);
	free_world(&w);
}

static void test_bad_pointer(int fd)
{
	static const uint64_t pointers[] = { 0, NO_PTR };
	struct drm_movgem_mem_info before, after;
	unsigned int i, n;

	movgem_mem_info(fd, &before);
	for (i = 0; i < ARRAY_SIZE(calls); i++)
		for (n = 0; n < ARRAY_SIZE(pointers); n++)
			igt_assert_eq(movgem_ioctl(fd, calls[i].req,
						   from_user_pointer(pointers[n])), -EFAULT);
	movgem_mem_info(fd, &after);
	igt_assert_eq_u64(after.bos, before.bos);
}

int igt_main()
{
	unsigned int i;
	int fd = -1;

	igt_fixture()
		fd = movgem_open();

	for (i = 0; i < ARRAY_SIZE(calls); i++) {
		igt_describe_f("Every field of %s out of range.", calls[i].name);
		igt_subtest_f("fields-%s", calls[i].name)
			test_fields(fd, &calls[i]);
	}

	igt_describe("Labels that are too long, not there, or end at the end of memory.");
	igt_subtest("labels")
		test_labels(fd);

	igt_describe("Handles and ids of another file are unknown in this one.");
	igt_subtest("foreign-ids")
		test_foreign_ids(fd);

	igt_describe("Ioctl numbers that are not there.");
	igt_subtest("unknown-numbers")
		test_unknown_numbers(fd);

	igt_describe("What an old program does not pass reads as zero.");
	igt_subtest("truncated")
		test_truncated(fd);

	igt_describe("What a program from the future passes behind is ignored.");
	igt_subtest("oversized")
		test_oversized(fd);

	igt_describe("A structure that is not in memory.");
	igt_subtest("bad-pointer")
		test_bad_pointer(fd);

	igt_fixture()
		movgem_close(fd);
}
