// SPDX-License-Identifier: MIT
/*
 * Copyright (C) 2026 movgem maintainers
 */
#include <drm_fourcc.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xf86drmMode.h>

#include "igt.h"
#include "igt_syncobj.h"
#include "movgem_fault_calls.h"
#include "movgem_fault_rig.h"

/* ---- open ---- */

static int call_open(struct fault_state *st)
{
	char link[32], path[64] = { };

	snprintf(link, sizeof(link), "/proc/self/fd/%d", st->fd);
	if (readlink(link, path, sizeof(path) - 1) < 0)
		return -errno;
	st->file = as_errno(open(path, O_RDWR | O_CLOEXEC));
	return st->file < 0 ? st->file : 0;
}

static void undo_open(struct fault_state *st)
{
	struct drm_movgem_gpu_info gpu;

	movgem_gpu_info(st->file, &gpu);
	close(st->file);
}

/* ---- buffers ---- */

static int call_bo_create(struct fault_state *st)
{
	return __movgem_bo_create(st->fd, SIZE, 0, 0, &st->handle);
}

static void undo_bo_create(struct fault_state *st)
{
	void *map = movgem_bo_mmap(st->fd, st->handle, SIZE);

	movgem_check_value(map, SIZE, 0);
	munmap(map, SIZE);
	gem_close(st->fd, st->handle);
}

static int call_bo_create_exclusive(struct fault_state *st)
{
	return __movgem_bo_create(st->fd, SIZE, 0, st->vm, &st->handle);
}

/* As small as that can be, as each page's allocation fails once. */
#define LARGE	(3 * SZ_1M)

static int call_bo_create_large(struct fault_state *st)
{
	return __movgem_bo_create(st->fd, LARGE, DRM_MOVGEM_BO_NO_MMAP, 0, &st->handle);
}

void fault_gem_close(struct fault_state *st)
{
	gem_close(st->fd, st->handle);
}

static void with_vm(struct fault_state *st)
{
	st->vm = movgem_vm_create(st->fd);
}

void fault_with_bo(struct fault_state *st)
{
	st->handle = movgem_bo_create(st->fd, SIZE, 0);
}

static int call_bo_label(struct fault_state *st)
{
	return __movgem_bo_label(st->fd, st->handle, "a label that is not short");
}

static int call_bo_info(struct fault_state *st)
{
	struct drm_movgem_gpu_info gpu;
	struct drm_movgem_bo_info info;
	uint32_t size = sizeof(gpu), retained;
	uint64_t offset;
	int ret;

	ret = __movgem_query(st->fd, DRM_MOVGEM_DEV_QUERY_GPU_INFO, &gpu, &size);
	if (!ret)
		ret = __movgem_bo_info(st->fd, st->handle, &info);
	if (!ret)
		ret = __movgem_bo_mmap_offset(st->fd, st->handle, &offset);
	if (!ret)
		ret = __movgem_bo_wait(st->fd, st->handle, 0);
	if (!ret)
		ret = __movgem_bo_madvise(st->fd, st->handle, DRM_MOVGEM_MADV_WILLNEED,
					  &retained);
	return ret;
}

static int call_dumb_create(struct fault_state *st)
{
	struct drm_mode_create_dumb args = { .width = 64, .height = 64, .bpp = 32 };
	int ret = movgem_ioctl(st->fd, DRM_IOCTL_MODE_CREATE_DUMB, &args);

	st->handle = args.handle;
	return ret;
}

/* ---- CPU mappings ---- */

static int call_mmap(struct fault_state *st)
{
	st->map = __movgem_bo_mmap(st->fd, st->handle, SIZE, PROT_READ | PROT_WRITE,
				   MAP_SHARED);
	return st->map == MAP_FAILED ? -errno : 0;
}

void fault_undo_mmap(struct fault_state *st)
{
	movgem_fill_pattern(st->map, SIZE, 1);
	movgem_check_pattern(st->map, SIZE, 1);
	munmap(st->map, SIZE);
}

/* At an address that no page table has been needed for before. */
static void with_mapping(struct fault_state *st)
{
	static uintptr_t next = 0x200000000000ull;
	uint64_t offset;

	fault_with_bo(st);
	next += 0x8000000000ull;
	igt_assert_eq(__movgem_bo_mmap_offset(st->fd, st->handle, &offset), 0);
	st->map = mmap((void *)next, SIZE, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_FIXED_NOREPLACE, st->fd, offset);
	igt_assert(st->map != MAP_FAILED);
}

static void without_mapping(struct fault_state *st)
{
	munmap(st->map, SIZE);
	gem_close(st->fd, st->handle);
}

/*
 * A fault that finds no memory has VM_FAULT_OOM, on which the kernel repeats
 * it: the access waits, it does not fail.
 */
static int call_page_fault(struct fault_state *st)
{
	volatile uint32_t *map = st->map;

	for (int i = 0; i < PAGES; i++)
		map[i * 1024 + i] = i + 1;
	return 0;
}

static void undo_page_fault(struct fault_state *st)
{
	uint32_t *map = st->map;

	for (int i = 0; i < PAGES * 1024; i++)
		igt_assert_eq_u32(map[i], i / 1024 == i % 1024 ? i / 1024 + 1 : 0);
}

/* ---- framebuffers ---- */

static uint32_t gpu_maps(struct fault_state *st)
{
	struct drm_movgem_bo_info info;

	movgem_bo_info(st->fd, st->handle, &info);
	return info.gpu_maps;
}

static int call_fb_create(struct fault_state *st)
{
	struct drm_mode_fb_cmd2 cmd = {
		.width = MOVGEM_PAGE / 4,
		.height = PAGES,
		.pixel_format = DRM_FORMAT_XRGB8888,
		.handles[0] = st->handle,
		.pitches[0] = MOVGEM_PAGE,
	};
	int ret = movgem_ioctl(st->fd, DRM_IOCTL_MODE_ADDFB2, &cmd);

	st->result = cmd.fb_id;
	if (ret) {
		fault_disarm();
		igt_assert_eq_u32(gpu_maps(st), 0);
		/* Nor does anybody keep its pages. */
		igt_assert(movgem_bo_madvise(st->fd, st->handle, DRM_MOVGEM_MADV_DONTNEED));
		igt_assert(movgem_bo_madvise(st->fd, st->handle, DRM_MOVGEM_MADV_WILLNEED));
	}
	return ret;
}

static void undo_fb_create(struct fault_state *st)
{
	igt_assert_eq_u32(gpu_maps(st), 1);
	igt_assert_eq(drmModeRmFB(st->fd, st->result), 0);
	igt_assert_eq_u32(gpu_maps(st), 0);
}

/* ---- VMs ---- */

static int call_vm_create(struct fault_state *st)
{
	return __movgem_vm_create(st->fd, 0, &st->vm);
}

static void undo_vm_create(struct fault_state *st)
{
	movgem_vm_destroy(st->fd, st->vm);
}

static void with_syncobjs(struct fault_state *st)
{
	uint64_t point = 1;

	st->syncobj[0] = syncobj_create(st->fd, DRM_SYNCOBJ_CREATE_SIGNALED);
	st->syncobj[1] = syncobj_create(st->fd, 0);
	st->syncobj[2] = syncobj_create(st->fd, 0);
	syncobj_timeline_signal(st->fd, &st->syncobj[2], &point, 1);
}

static void without_syncobjs(struct fault_state *st)
{
	for (int i = 0; i < ARRAY_SIZE(st->syncobj); i++)
		syncobj_destroy(st->fd, st->syncobj[i]);
}

static void prepare_bind(struct fault_state *st)
{
	with_vm(st);
	fault_with_bo(st);
	with_syncobjs(st);
	/* In a part of the VM that has no page tables. */
	st->va = 0x123ull << 32;
}

static int vm_bind(struct fault_state *st, uint32_t flags)
{
	const struct drm_movgem_bind_op ops[] = {
		movgem_op_map(st->handle, 0, st->va, SIZE, 0),
		/* Splits the first one in three. */
		movgem_op_map(st->handle, 0, st->va + 8 * MOVGEM_PAGE, 2 * MOVGEM_PAGE, 0),
		movgem_op_map(st->handle, 0, st->va + SZ_2M * 600ull, SIZE, 0),
		movgem_op_unmap(st->va + SIZE - MOVGEM_PAGE, MOVGEM_PAGE),
	};
	const struct drm_movgem_sync syncs[] = {
		movgem_sync_wait(st->syncobj[0], 0),
		movgem_sync_wait(st->syncobj[2], 1),
		movgem_sync_signal(st->syncobj[1], 0),
		movgem_sync_signal(st->syncobj[2], 2),
	};
	struct drm_movgem_bo_info info;
	int ret;

	ret = __movgem_vm_bind(st->fd, st->vm, flags, ops, ARRAY_SIZE(ops), syncs,
			       ARRAY_SIZE(syncs));
	if (ret) {
		fault_disarm();
		movgem_bo_info(st->fd, st->handle, &info);
		igt_assert_eq_u32(info.gpu_maps, 0);
		igt_assert_eq(movgem_ioctl(st->fd, DRM_IOCTL_SYNCOBJ_WAIT,
					   &(struct drm_syncobj_wait) {
						.handles = to_user_pointer(&st->syncobj[1]),
						.count_handles = 1 }), -EINVAL);
	}
	return ret;
}

static int call_bind(struct fault_state *st)
{
	return vm_bind(st, 0);
}

static int call_bind_async(struct fault_state *st)
{
	return vm_bind(st, DRM_MOVGEM_VM_BIND_ASYNC);
}

static void undo_bind(struct fault_state *st)
{
	struct drm_movgem_bo_info info;

	igt_assert_eq(movgem_syncobj_result(st->fd, st->syncobj[1]), 0);
	igt_assert_eq(movgem_timeline_result(st->fd, st->syncobj[2], 2), 0);
	movgem_bo_info(st->fd, st->handle, &info);
	igt_assert_eq_u32(info.gpu_maps, 4);
}

static void without_bind(struct fault_state *st)
{
	without_syncobjs(st);
	gem_close(st->fd, st->handle);
	movgem_vm_destroy(st->fd, st->vm);
}

static void prepare_unmap(struct fault_state *st)
{
	prepare_bind(st);
	movgem_vm_map(st->fd, st->vm, st->handle, 0, st->va, SIZE, 0);
}

static int call_unmap(struct fault_state *st)
{
	return __movgem_vm_unmap(st->fd, st->vm, st->va + MOVGEM_PAGE, SIZE / 2);
}

static void undo_unmap(struct fault_state *st)
{
	struct drm_movgem_bo_info info;

	movgem_bo_info(st->fd, st->handle, &info);
	igt_assert_eq_u32(info.gpu_maps, 2);
}

/* ---- queues and jobs ---- */

static int call_queue_create(struct fault_state *st)
{
	return __movgem_queue_create(st->fd, st->vm, DRM_MOVGEM_QUEUE_PRIORITY_NORMAL,
				     &st->queue);
}

static void undo_queue_create(struct fault_state *st)
{
	movgem_queue_destroy(st->fd, st->queue);
}

static void without_vm(struct fault_state *st)
{
	movgem_vm_destroy(st->fd, st->vm);
}

static void prepare_submit(struct fault_state *st)
{
	with_vm(st);
	st->queue = movgem_queue_create(st->fd, st->vm);
	with_syncobjs(st);
	fault_with_bo(st);
	st->handle2 = movgem_bo_create_exclusive(st->fd, SIZE, st->vm);
	st->va = movgem_va_alloc(st->fd, 2 * SIZE);
	movgem_vm_map(st->fd, st->vm, st->handle, 0, st->va, SIZE, 0);
	movgem_vm_map(st->fd, st->vm, st->handle2, 0, st->va + SIZE, SIZE, 0);
	movgem_stream_init(&st->s, st->fd, st->vm, MOVGEM_PAGE);
	movgem_cmd_fill(&st->s, st->va + SIZE, SIZE, 0x600df00d);
	movgem_cmd_copy(&st->s, st->va, st->va + SIZE, SIZE);
}

static int call_submit(struct fault_state *st)
{
	const struct drm_movgem_sync syncs[] = {
		movgem_sync_wait(st->syncobj[0], 0),
		movgem_sync_wait(st->syncobj[2], 1),
		movgem_sync_signal(st->syncobj[1], 0),
		movgem_sync_signal(st->syncobj[2], 2),
	};
	struct drm_movgem_queue_state state;
	int ret;

	ret = __movgem_stream_submit(&st->s, st->queue, syncs, ARRAY_SIZE(syncs));
	if (ret) {
		fault_disarm();
		movgem_queue_state(st->fd, st->queue, &state);
		igt_assert_eq_u64(state.submitted, 0);
		igt_assert_eq(__movgem_bo_wait(st->fd, st->handle, 0), 0);
	}
	return ret;
}

static void undo_submit(struct fault_state *st)
{
	uint32_t *map;

	igt_assert_eq(movgem_syncobj_result(st->fd, st->syncobj[1]), 0);
	igt_assert_eq(movgem_timeline_result(st->fd, st->syncobj[2], 2), 0);
	map = movgem_bo_mmap(st->fd, st->handle, SIZE);
	movgem_check_value(map, SIZE, 0x600df00d);
	munmap(map, SIZE);
}

static void without_submit(struct fault_state *st)
{
	without_syncobjs(st);
	movgem_stream_fini(&st->s);
	movgem_queue_destroy(st->fd, st->queue);
	movgem_vm_destroy(st->fd, st->vm);
	gem_close(st->fd, st->handle);
	gem_close(st->fd, st->handle2);
}
/* ---- the table ---- */

const struct fault_call fault_own_calls[] = {
	{
		.name = "open", .what = "Opening the device.",
		.call = call_open, .undo = undo_open, .min = 4,
	}, {
		.name = "bo-create", .what = "BO_CREATE.",
		.call = call_bo_create, .undo = undo_bo_create, .min = 3, .copies = true,
	}, {
		.name = "bo-create-exclusive", .what = "BO_CREATE of a BO of one VM.",
		.prepare = with_vm, .call = call_bo_create_exclusive, .undo = undo_bo_create,
		.cleanup = without_vm, .min = 3,
	}, {
		.name = "bo-create-large",
		.what = "BO_CREATE whose array of slots is no slab object.",
		.call = call_bo_create_large, .undo = fault_gem_close, .min = 20,
	}, {
		.name = "bo-label", .what = "BO_LABEL, which allocates nothing.",
		.prepare = fault_with_bo, .call = call_bo_label, .cleanup = fault_gem_close,
		.copies = true,
	}, {
		.name = "bo-info", .what = "Other calls that allocate nothing.",
		.prepare = fault_with_bo, .call = call_bo_info, .cleanup = fault_gem_close,
		.copies = true,
	}, {
		.name = "dumb-create", .what = "A dumb buffer.",
		.call = call_dumb_create, .undo = fault_gem_close, .min = 3,
	}, {
		.name = "mmap", .what = "mmap() of a BO that was never mapped.",
		.prepare = fault_with_bo, .call = call_mmap, .undo = fault_undo_mmap,
		.cleanup = fault_gem_close, .min = 3,
	}, {
		.name = "page-fault", .what = "The first access through a mapping.",
		.prepare = with_mapping, .call = call_page_fault, .undo = undo_page_fault,
		.cleanup = without_mapping, .min = 1,
	}, {
		.name = "fb-create", .what = "A framebuffer, the first one.",
		.prepare = fault_with_bo, .call = call_fb_create, .undo = undo_fb_create,
		.cleanup = fault_gem_close, .min = 8,
	}, {
		.name = "vm-create", .what = "VM_CREATE.",
		.call = call_vm_create, .undo = undo_vm_create, .min = 4, .copies = true,
	}, {
		.name = "vm-bind", .what = "VM_BIND that maps and splits, with syncs.",
		.prepare = prepare_bind, .call = call_bind, .undo = undo_bind,
		.cleanup = without_bind, .min = 20,
	}, {
		.name = "vm-bind-async", .what = "The same, not waited for.",
		.prepare = prepare_bind, .call = call_bind_async, .undo = undo_bind,
		.cleanup = without_bind, .min = 20,
	}, {
		.name = "vm-bind-unmap", .what = "VM_BIND that unmaps the middle of a mapping.",
		.prepare = prepare_unmap, .call = call_unmap, .undo = undo_unmap,
		.cleanup = without_bind, .min = 4, .copies = true,
	}, {
		.name = "queue-create", .what = "QUEUE_CREATE.",
		.prepare = with_vm, .call = call_queue_create, .undo = undo_queue_create,
		.cleanup = without_vm, .min = 4, .copies = true,
	}, {
		.name = "submit",
		.what = "SUBMIT with syncs, in a VM with BOs of its own and others.",
		.prepare = prepare_submit, .call = call_submit, .undo = undo_submit,
		.cleanup = without_submit, .min = 8,
	},
	{ }
};
