// SPDX-License-Identifier: MIT
/*
 * Copyright (C) 2026 movgem maintainers
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "igt.h"
#include "igt_kmod.h"
#include "igt_syncobj.h"
#include "movgem_fault_rig.h"
#include "movgem_rig.h"

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
 *              in whatever task, while binds and jobs go on.
 *
 * SUBTEST: kmemleak
 * Description: What all of that has left behind: nothing.
 */

IGT_TEST_DESCRIPTION("Every allocation of every movgem call fails once, in turn.");

#define PAGES	64
#define SIZE	(PAGES * MOVGEM_PAGE)

/* What a call works on. All of it is new for each round of a call. */
struct state {
	int fd;
	int other;
	uint32_t vm;
	uint32_t queue;
	uint32_t handle;
	uint32_t handle2;
	uint32_t result;
	uint64_t va;
	int dmabuf;
	int file;
	void *map;
	uint64_t id;
	struct movgem_stream s;
	struct movgem_gate gate;
	uint32_t syncobj[3];
};

static int as_errno(int ret)
{
	return ret < 0 ? -errno : ret;
}

static const int nomem[] = { -ENOMEM, 0 };

/* ---- open ---- */

static int call_open(struct state *st)
{
	char link[32], path[64] = { };

	snprintf(link, sizeof(link), "/proc/self/fd/%d", st->fd);
	if (readlink(link, path, sizeof(path) - 1) < 0)
		return -errno;
	st->file = as_errno(open(path, O_RDWR | O_CLOEXEC));
	return st->file < 0 ? st->file : 0;
}

static void undo_open(struct state *st)
{
	struct drm_movgem_gpu_info gpu;

	movgem_gpu_info(st->file, &gpu);
	close(st->file);
}

/* ---- buffers ---- */

static int call_bo_create(struct state *st)
{
	return __movgem_bo_create(st->fd, SIZE, 0, 0, &st->handle);
}

static void undo_bo_create(struct state *st)
{
	void *map = movgem_bo_mmap(st->fd, st->handle, SIZE);

	movgem_check_value(map, SIZE, 0);
	munmap(map, SIZE);
	gem_close(st->fd, st->handle);
}

static int call_bo_create_exclusive(struct state *st)
{
	return __movgem_bo_create(st->fd, SIZE, 0, st->vm, &st->handle);
}

#define LARGE	(8 * SZ_1M)

static int call_bo_create_large(struct state *st)
{
	return __movgem_bo_create(st->fd, LARGE, DRM_MOVGEM_BO_NO_MMAP, 0, &st->handle);
}

static void undo_gem_close(struct state *st)
{
	gem_close(st->fd, st->handle);
}

static void with_vm(struct state *st)
{
	st->vm = movgem_vm_create(st->fd);
}

static void with_bo(struct state *st)
{
	st->handle = movgem_bo_create(st->fd, SIZE, 0);
}

static int call_bo_label(struct state *st)
{
	return __movgem_bo_label(st->fd, st->handle, "a label that is not short");
}

static int call_bo_info(struct state *st)
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

static int call_dumb_create(struct state *st)
{
	struct drm_mode_create_dumb args = { .width = 64, .height = 64, .bpp = 32 };
	int ret = movgem_ioctl(st->fd, DRM_IOCTL_MODE_CREATE_DUMB, &args);

	st->handle = args.handle;
	return ret;
}

/* ---- CPU mappings ---- */

static int call_mmap(struct state *st)
{
	st->map = __movgem_bo_mmap(st->fd, st->handle, SIZE, PROT_READ | PROT_WRITE,
				   MAP_SHARED);
	return st->map == MAP_FAILED ? -errno : 0;
}

static void undo_mmap(struct state *st)
{
	movgem_fill_pattern(st->map, SIZE, 1);
	movgem_check_pattern(st->map, SIZE, 1);
	munmap(st->map, SIZE);
}

/* At an address that no page table has been needed for before. */
static void with_mapping(struct state *st)
{
	static uintptr_t next = 0x200000000000ull;
	uint64_t offset;

	with_bo(st);
	next += 0x8000000000ull;
	igt_assert_eq(__movgem_bo_mmap_offset(st->fd, st->handle, &offset), 0);
	st->map = mmap((void *)next, SIZE, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_FIXED_NOREPLACE, st->fd, offset);
	igt_assert(st->map != MAP_FAILED);
}

static void without_mapping(struct state *st)
{
	munmap(st->map, SIZE);
}

/*
 * A fault that finds no memory has VM_FAULT_OOM, on which the kernel repeats
 * it: the access waits, it does not fail.
 */
static int call_page_fault(struct state *st)
{
	volatile uint32_t *map = st->map;

	for (int i = 0; i < PAGES; i++)
		map[i * 1024 + i] = i + 1;
	return 0;
}

static void undo_page_fault(struct state *st)
{
	uint32_t *map = st->map;

	for (int i = 0; i < PAGES * 1024; i++)
		igt_assert_eq_u32(map[i], i / 1024 == i % 1024 ? i / 1024 + 1 : 0);
}

/* ---- VMs ---- */

static int call_vm_create(struct state *st)
{
	return __movgem_vm_create(st->fd, 0, &st->vm);
}

static void undo_vm_create(struct state *st)
{
	movgem_vm_destroy(st->fd, st->vm);
}

static void with_syncobjs(struct state *st)
{
	uint64_t point = 1;

	st->syncobj[0] = syncobj_create(st->fd, DRM_SYNCOBJ_CREATE_SIGNALED);
	st->syncobj[1] = syncobj_create(st->fd, 0);
	st->syncobj[2] = syncobj_create(st->fd, 0);
	syncobj_timeline_signal(st->fd, &st->syncobj[2], &point, 1);
}

static void without_syncobjs(struct state *st)
{
	for (int i = 0; i < ARRAY_SIZE(st->syncobj); i++)
		syncobj_destroy(st->fd, st->syncobj[i]);
}

static void prepare_bind(struct state *st)
{
	with_vm(st);
	with_bo(st);
	with_syncobjs(st);
	/* In a part of the VM that has no page tables. */
	st->va = 0x123ull << 32;
}

static int vm_bind(struct state *st, uint32_t flags)
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

static int call_bind(struct state *st)
{
	return vm_bind(st, 0);
}

static int call_bind_async(struct state *st)
{
	return vm_bind(st, DRM_MOVGEM_VM_BIND_ASYNC);
}

static void undo_bind(struct state *st)
{
	struct drm_movgem_bo_info info;

	igt_assert_eq(movgem_syncobj_result(st->fd, st->syncobj[1]), 0);
	igt_assert_eq(movgem_timeline_result(st->fd, st->syncobj[2], 2), 0);
	movgem_bo_info(st->fd, st->handle, &info);
	igt_assert_eq_u32(info.gpu_maps, 4);
}

static void without_bind(struct state *st)
{
	without_syncobjs(st);
	gem_close(st->fd, st->handle);
	movgem_vm_destroy(st->fd, st->vm);
}

static void prepare_unmap(struct state *st)
{
	prepare_bind(st);
	movgem_vm_map(st->fd, st->vm, st->handle, 0, st->va, SIZE, 0);
}

static int call_unmap(struct state *st)
{
	return __movgem_vm_unmap(st->fd, st->vm, st->va + MOVGEM_PAGE, SIZE / 2);
}

static void undo_unmap(struct state *st)
{
	struct drm_movgem_bo_info info;

	movgem_bo_info(st->fd, st->handle, &info);
	igt_assert_eq_u32(info.gpu_maps, 2);
}

/* ---- queues and jobs ---- */

static int call_queue_create(struct state *st)
{
	return __movgem_queue_create(st->fd, st->vm, DRM_MOVGEM_QUEUE_PRIORITY_NORMAL,
				     &st->queue);
}

static void undo_queue_create(struct state *st)
{
	movgem_queue_destroy(st->fd, st->queue);
}

static void without_vm(struct state *st)
{
	movgem_vm_destroy(st->fd, st->vm);
}

static void prepare_submit(struct state *st)
{
	with_vm(st);
	st->queue = movgem_queue_create(st->fd, st->vm);
	with_syncobjs(st);
	with_bo(st);
	st->handle2 = movgem_bo_create_exclusive(st->fd, SIZE, st->vm);
	st->va = movgem_va_alloc(st->fd, 2 * SIZE);
	movgem_vm_map(st->fd, st->vm, st->handle, 0, st->va, SIZE, 0);
	movgem_vm_map(st->fd, st->vm, st->handle2, 0, st->va + SIZE, SIZE, 0);
	movgem_stream_init(&st->s, st->fd, st->vm, MOVGEM_PAGE);
	movgem_cmd_fill(&st->s, st->va + SIZE, SIZE, 0x600df00d);
	movgem_cmd_copy(&st->s, st->va, st->va + SIZE, SIZE);
}

static int call_submit(struct state *st)
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

static void undo_submit(struct state *st)
{
	uint32_t *map;

	igt_assert_eq(movgem_syncobj_result(st->fd, st->syncobj[1]), 0);
	igt_assert_eq(movgem_timeline_result(st->fd, st->syncobj[2], 2), 0);
	map = movgem_bo_mmap(st->fd, st->handle, SIZE);
	movgem_check_value(map, SIZE, 0x600df00d);
	munmap(map, SIZE);
}

static void without_submit(struct state *st)
{
	without_syncobjs(st);
	movgem_stream_fini(&st->s);
	movgem_queue_destroy(st->fd, st->queue);
	movgem_vm_destroy(st->fd, st->vm);
	gem_close(st->fd, st->handle);
	gem_close(st->fd, st->handle2);
}

/* ---- dma-bufs ---- */

static int handle_to_fd(int fd, uint32_t handle, int *dmabuf)
{
	struct drm_prime_handle args = {
		.handle = handle,
		.flags = DRM_CLOEXEC | DRM_RDWR,
	};
	int ret = movgem_ioctl(fd, DRM_IOCTL_PRIME_HANDLE_TO_FD, &args);

	*dmabuf = args.fd;
	return ret;
}

static int fd_to_handle(int fd, int dmabuf, uint32_t *handle)
{
	struct drm_prime_handle args = { .fd = dmabuf };
	int ret = movgem_ioctl(fd, DRM_IOCTL_PRIME_FD_TO_HANDLE, &args);

	*handle = args.handle;
	return ret;
}

static int call_export(struct state *st)
{
	return handle_to_fd(st->fd, st->handle, &st->dmabuf);
}

static void undo_export(struct state *st)
{
	igt_assert_eq_u64(prime_get_size(st->dmabuf), SIZE);
	close(st->dmabuf);
}

static void prepare_import_own(struct state *st)
{
	st->other = movgem_reopen(st->fd);
	with_bo(st);
	igt_assert_eq(handle_to_fd(st->fd, st->handle, &st->dmabuf), 0);
}

static int call_import_own(struct state *st)
{
	return fd_to_handle(st->other, st->dmabuf, &st->result);
}

static void undo_import(struct state *st)
{
	gem_close(st->other, st->result);
}

static void without_import(struct state *st)
{
	close(st->dmabuf);
	gem_close(st->fd, st->handle);
	close(st->other);
}

static int open_vgem(void)
{
	int vgem;

	if (!igt_kmod_is_loaded("vgem"))
		igt_kmod_load("vgem", NULL);
	vgem = movgem_open_other("vgem");
	igt_require_f(vgem >= 0, "there is no vgem\n");
	return vgem;
}

static uint32_t bo_pins(struct state *st)
{
	struct drm_movgem_bo_info info;

	movgem_bo_info(st->fd, st->handle, &info);
	return info.pins;
}

static void prepare_attach_vgem(struct state *st)
{
	st->other = open_vgem();
	with_bo(st);
	igt_assert_eq(handle_to_fd(st->fd, st->handle, &st->dmabuf), 0);
}

static int call_attach_vgem(struct state *st)
{
	int ret = fd_to_handle(st->other, st->dmabuf, &st->result);

	if (ret) {
		fault_disarm();
		igt_assert_eq_u32(bo_pins(st), 0);
	}
	return ret;
}

static void undo_attach_vgem(struct state *st)
{
	gem_close(st->other, st->result);
	igt_assert_eq_u32(bo_pins(st), 0);
}

static void prepare_import_vgem(struct state *st)
{
	struct drm_mode_create_dumb args = { .width = 128, .height = 128, .bpp = 32 };

	st->other = open_vgem();
	igt_assert_eq(movgem_ioctl(st->other, DRM_IOCTL_MODE_CREATE_DUMB, &args), 0);
	st->handle = args.handle;
	igt_assert_eq(handle_to_fd(st->other, st->handle, &st->dmabuf), 0);
}

static int call_import_vgem(struct state *st)
{
	return fd_to_handle(st->fd, st->dmabuf, &st->result);
}

static void undo_import_vgem(struct state *st)
{
	struct drm_movgem_bo_info info;

	movgem_bo_info(st->fd, st->result, &info);
	igt_assert_eq_u32(info.imported, 1);
	gem_close(st->fd, st->result);
}

static void without_import_vgem(struct state *st)
{
	close(st->dmabuf);
	gem_close(st->other, st->handle);
	close(st->other);
}

static void with_dma_buf(struct state *st)
{
	with_bo(st);
	igt_assert_eq(handle_to_fd(st->fd, st->handle, &st->dmabuf), 0);
}

static void without_dma_buf(struct state *st)
{
	close(st->dmabuf);
	gem_close(st->fd, st->handle);
}

static int call_dma_buf_mmap(struct state *st)
{
	st->map = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, st->dmabuf, 0);
	return st->map == MAP_FAILED ? -errno : 0;
}

static void prepare_sync_file(struct state *st)
{
	with_dma_buf(st);
	movgem_gate_shut(&st->gate, st->fd);
	movgem_vm_map(st->fd, st->gate.vm, st->handle, 0,
		      movgem_va_alloc(st->fd, SIZE), SIZE, 0);
	st->file = syncobj_handle_to_fd(st->fd, st->gate.syncobj,
					DRM_SYNCOBJ_HANDLE_TO_FD_FLAGS_EXPORT_SYNC_FILE);
}

static int call_sync_file(struct state *st)
{
	struct dma_buf_export_sync_file out = { .flags = DMA_BUF_SYNC_RW };
	struct dma_buf_import_sync_file in = {
		.flags = DMA_BUF_SYNC_WRITE, .fd = st->file,
	};

	if (ioctl(st->dmabuf, DMA_BUF_IOCTL_IMPORT_SYNC_FILE, &in) ||
	    ioctl(st->dmabuf, DMA_BUF_IOCTL_EXPORT_SYNC_FILE, &out))
		return -errno;
	close(out.fd);
	return 0;
}

static int call_poll(struct state *st)
{
	struct pollfd poll_fd = { .fd = st->dmabuf, .events = POLLIN | POLLOUT };

	return as_errno(poll(&poll_fd, 1, 0));
}

static void without_sync_file(struct state *st)
{
	close(st->file);
	movgem_gate_open(&st->gate);
	without_dma_buf(st);
}

/* ---- what the driver tells ---- */

static int read_all(int dir, const char *name)
{
	int file = openat(dir, name, O_RDONLY);
	ssize_t n;

	if (file < 0)
		return -errno;
	do {
		char buf[4096];

		n = read(file, buf, sizeof(buf));
	} while (n > 0);
	n = as_errno(n);
	close(file);
	return n;
}

static int call_fdinfo(struct state *st)
{
	char name[64];

	snprintf(name, sizeof(name), "/proc/self/fdinfo/%d", st->fd);
	return read_all(AT_FDCWD, name);
}

static void prepare_debugfs(struct state *st)
{
	movgem_require_debugfs(st->fd);
	with_bo(st);
	st->file = igt_debugfs_dir(st->fd);
}

static int call_debugfs(struct state *st)
{
	static const char * const names[] = { "gems", "pages", "stats", "migrate" };

	for (int i = 0; i < ARRAY_SIZE(names); i++) {
		int ret = read_all(st->file, names[i]);

		if (ret)
			return ret;
	}
	return 0;
}

static void without_debugfs(struct state *st)
{
	close(st->file);
	gem_close(st->fd, st->handle);
}

/* ---- moves ---- */

static void prepare_migrate(struct state *st)
{
	igt_require_f(movgem_can_move(st->fd), "pages cannot be moved here\n");
	with_bo(st);
	st->id = movgem_bo_id(st->fd, st->handle);
	st->map = movgem_bo_mmap(st->fd, st->handle, SIZE);
	movgem_fill_pattern(st->map, SIZE, 3);
	st->file = igt_debugfs_open(st->fd, "migrate", O_WRONLY);
}

/* Pages for which there was no memory stay where they are. */
static int call_migrate(struct state *st)
{
	struct movgem_migrate_result res;
	uint64_t nomem_before = 0;
	char text[32];
	int ret;

	snprintf(text, sizeof(text), "%llu", (long long)st->id);
	ret = as_errno(write(st->file, text, strlen(text)));
	if (fault_disarm())
		nomem_before = 1;
	movgem_check_pattern(st->map, SIZE, 3);
	if (ret < 0)
		return ret;
	movgem_migrate_result(st->fd, &res);
	igt_assert_eq_u64(res.tried, PAGES);
	igt_assert_eq_u64(res.moved + res.failed, PAGES);
	if (res.failed)
		igt_assert(nomem_before);
	return res.failed ? -ENOMEM : 0;
}

static void without_migrate(struct state *st)
{
	close(st->file);
	munmap(st->map, SIZE);
	gem_close(st->fd, st->handle);
}

static void prepare_soft_offline(struct state *st)
{
	prepare_migrate(st);
	close(st->file);
	st->file = open("/sys/devices/system/memory/soft_offline_page", O_WRONLY);
	igt_require_f(st->file >= 0, "soft offlining is not there\n");
}

static int call_soft_offline(struct state *st)
{
	uint64_t pfns[PAGES];
	bool armed = fault_pause();
	char text[32];
	int ret;

	igt_assert_eq(movgem_bo_pfns(st->fd, st->id, pfns, PAGES), PAGES);
	snprintf(text, sizeof(text), "0x%llx", (long long)pfns[7] * MOVGEM_PAGE);
	if (armed)
		fault_resume();
	ret = as_errno(write(st->file, text, strlen(text)));
	fault_disarm();
	movgem_check_pattern(st->map, SIZE, 3);
	return ret < 0 ? ret : 0;
}

/* ---- the table ---- */

/* A call that has no memory fails with one of these. */
static const int busy_or_nomem[] = { -ENOMEM, -EBUSY, -EIO, -EAGAIN, 0 };

static const struct call {
	const char *name;
	const char *what;
	void (*prepare)(struct state *st);
	int (*call)(struct state *st);
	/* What is made sure of, and undone, where the call has worked. */
	void (*undo)(struct state *st);
	void (*cleanup)(struct state *st);
	const int *errnos;
	/* So many allocations there are at least. */
	int min;
} calls[] = {
	{ "open", "Opening the device.", NULL, call_open, undo_open, NULL, nomem, 4 },
	{ "bo-create", "BO_CREATE.", NULL, call_bo_create, undo_bo_create, NULL, nomem, 3 },
	{ "bo-create-exclusive", "BO_CREATE of a BO of one VM.", with_vm,
	  call_bo_create_exclusive, undo_bo_create, without_vm, nomem, 3 },
	{ "bo-create-large", "BO_CREATE whose array of slots is no slab object.", NULL,
	  call_bo_create_large, undo_gem_close, NULL, nomem, 20 },
	{ "bo-label", "BO_LABEL.", with_bo, call_bo_label, NULL, undo_gem_close, nomem, 1 },
	{ "bo-info", "Calls that allocate nothing.", with_bo, call_bo_info, NULL,
	  undo_gem_close, nomem, 0 },
	{ "dumb-create", "A dumb buffer.", NULL, call_dumb_create, undo_gem_close, NULL,
	  nomem, 3 },
	{ "mmap", "mmap() of a BO that was never mapped.", with_bo, call_mmap, undo_mmap,
	  undo_gem_close, nomem, 3 },
	{ "page-fault", "The first access through a mapping.", with_mapping,
	  call_page_fault, undo_page_fault, without_mapping, nomem, 1 },
	{ "vm-create", "VM_CREATE.", NULL, call_vm_create, undo_vm_create, NULL, nomem, 4 },
	{ "vm-bind", "VM_BIND that maps and splits, with syncs.", prepare_bind, call_bind,
	  undo_bind, without_bind, nomem, 20 },
	{ "vm-bind-async", "The same, not waited for.", prepare_bind, call_bind_async,
	  undo_bind, without_bind, nomem, 20 },
	{ "vm-bind-unmap", "VM_BIND that unmaps the middle of a mapping.", prepare_unmap,
	  call_unmap, undo_unmap, without_bind, nomem, 4 },
	{ "queue-create", "QUEUE_CREATE.", with_vm, call_queue_create, undo_queue_create,
	  without_vm, nomem, 4 },
	{ "submit", "SUBMIT with syncs, in a VM with BOs of its own and others.",
	  prepare_submit, call_submit, undo_submit, without_submit, nomem, 8 },
	{ "export", "PRIME_HANDLE_TO_FD.", with_bo, call_export, undo_export,
	  undo_gem_close, nomem, 4 },
	{ "import-own", "PRIME_FD_TO_HANDLE in another file of the device.",
	  prepare_import_own, call_import_own, undo_import, without_import, nomem, 1 },
	{ "import-vgem", "PRIME_FD_TO_HANDLE of a BO of another driver.",
	  prepare_import_vgem, call_import_vgem, undo_import_vgem, without_import_vgem,
	  nomem, 5 },
	{ "attach-vgem", "Another driver imports a BO, which pins it.",
	  prepare_attach_vgem, call_attach_vgem, undo_attach_vgem, without_import, nomem, 5 },
	{ "dma-buf-mmap", "mmap() of a dma-buf.", with_dma_buf, call_dma_buf_mmap,
	  undo_mmap, without_dma_buf, nomem, 3 },
	{ "dma-buf-sync-file", "Fences out of a dma-buf and into it.", prepare_sync_file,
	  call_sync_file, NULL, without_sync_file, nomem, 2 },
	{ "dma-buf-poll", "poll() of a dma-buf that a job works on.", prepare_sync_file,
	  call_poll, NULL, without_sync_file, nomem, 0 },
	{ "fdinfo", "Reading the fdinfo of the device's file.", NULL, call_fdinfo, NULL,
	  NULL, nomem, 1 },
	{ "debugfs", "Reading the driver's files in debugfs.", prepare_debugfs,
	  call_debugfs, NULL, without_debugfs, nomem, 4 },
	{ "migrate", "The driver's own moves.", prepare_migrate, call_migrate, NULL,
	  without_migrate, nomem, PAGES },
	{ "soft-offline", "A page that the kernel moves.", prepare_soft_offline,
	  call_soft_offline, NULL, without_migrate, busy_or_nomem, 1 },
};

static bool is_one_of(int ret, const int *errnos)
{
	for (; *errnos; errnos++)
		if (ret == *errnos)
			return true;
	return false;
}

/*
 * The n-th allocation of the call fails, for each n there is. Where the call
 * fails for it, it has to work when it is done again.
 */
static int run_call(const struct call *call, int fd, const int *errnos, bool undone)
{
	int failed = 0, n;

	for (n = 1; ; n++) {
		struct state st = { .fd = fd };
		bool hit;
		int ret;

		igt_assert_f(n < 5000, "%s: more than %d allocations\n", call->name, n);
		/* Each round in a file of its own, where calls cannot be undone. */
		if (!undone)
			st.fd = movgem_reopen(fd);
		if (call->prepare)
			call->prepare(&st);
		fault_arm(n);
		ret = call->call(&st);
		hit = fault_disarm();
		if (ret) {
			failed++;
			igt_assert_f(hit, "%s fails by itself: %s\n", call->name,
				     strerror(-ret));
			igt_assert_f(is_one_of(ret, errnos), "%s, allocation %d: %s\n",
				     call->name, n, strerror(-ret));
			ret = call->call(&st);
			igt_assert_f(!ret, "%s, after allocation %d: still %s\n",
				     call->name, n, strerror(-ret));
		}
		if (call->undo)
			call->undo(&st);
		if (call->cleanup)
			call->cleanup(&st);
		if (!undone)
			close(st.fd);
		if (!hit)
			break;
	}
	igt_info("%s: %d allocations, %d of them make it fail\n", call->name, n - 1, failed);
	return n - 1;
}

static void test_call(const struct call *call, int fd)
{
	struct drm_movgem_mem_info before, after;
	int n;

	/* The first time, things are set up that stay. */
	if (call->prepare == prepare_attach_vgem || call->prepare == prepare_import_vgem)
		close(open_vgem());
	movgem_mem_info(fd, &before);
	n = run_call(call, fd, call->errnos, true);
	igt_assert_lte(call->min, n);
	movgem_wait_for_bos(fd, before.bos);
	movgem_mem_info(fd, &after);
	igt_assert_eq_u64(after.pages, before.pages);
	igt_assert_eq_u64(after.pages_pinned, before.pages_pinned);
}

/*
 * DRM copies the arguments out when the call is done, so one that fails for
 * that may have done its work, and what it made goes with the file.
 */
static void test_user_copies(int fd)
{
	static const int efault[] = { -EFAULT, -ENOMEM, 0 };
	struct drm_movgem_mem_info before;

	movgem_mem_info(fd, &before);
	fault_only(FAULT_USERCOPY);
	for (int i = 0; i < ARRAY_SIZE(calls); i++) {
		if (calls[i].call != call_bo_label && calls[i].call != call_bo_info &&
		    calls[i].call != call_bo_create && calls[i].call != call_vm_create &&
		    calls[i].call != call_queue_create && calls[i].call != call_export &&
		    calls[i].call != call_import_own && calls[i].call != call_unmap)
			continue;
		igt_assert_lte(2, run_call(&calls[i], fd, efault, false));
	}
	fault_only(FAULT_ALLOC);
	movgem_wait_for_bos(fd, before.bos);
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
	if (TRY(handle_to_fd(fd, handle, &dmabuf)))
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
	struct drm_movgem_mem_info before;

	igt_require_f(fault_driver_only(10), "no stack trace filter in this kernel\n");
	movgem_mem_info(fd, &before);
	for (int i = 0; i < 300; i++)
		some_work(fd, &worked, &failed);
	fault_driver_only(0);
	igt_info("%u calls worked, %u failed\n", worked, failed);
	igt_assert_lt(0, worked);
	igt_assert_lt(0, failed);

	for (int i = 0; i < 10; i++)
		some_work(fd, &worked, &still);
	igt_assert_eq(still, 0);
	movgem_wait_for_bos(fd, before.bos);
}

static void test_kmemleak(int fd)
{
	char *text = fault_kmemleak(), *report, *next;
	unsigned int ours = 0;

	igt_require_f(text, "no kmemleak in this kernel\n");
	for (report = strstr(text, "unreferenced object"); report; report = next) {
		next = strstr(report + 1, "unreferenced object");
		if (next)
			next[-1] = 0;
		if (strstr(report, "movgem") || strstr(report, "drm_")) {
			igt_warn("%s\n", report);
			ours++;
		}
	}
	free(text);
	igt_assert_eq(ours, 0);
}

int igt_main()
{
	int fd = -1;

	igt_fixture() {
		fd = movgem_open();
		fault_require();
		fault_clear_kmemleak();
	}

	for (int i = 0; i < ARRAY_SIZE(calls); i++) {
		igt_describe(calls[i].what);
		igt_subtest_f("call-%s", calls[i].name)
			test_call(&calls[i], fd);
	}

	igt_describe("Every copy from and to user space fails once, of every call.");
	igt_subtest("user-copies")
		test_user_copies(fd);

	igt_describe("One allocation in ten fails under any function of the driver.");
	igt_subtest("workers")
		test_workers(fd);

	igt_describe("What all of that has left behind: nothing.");
	igt_subtest("kmemleak")
		test_kmemleak(fd);

	igt_fixture()
		movgem_close(fd);
}
