// SPDX-License-Identifier: MIT
/*
 * Copyright (C) 2026 movgem maintainers
 */
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "igt.h"
#include "igt_kmod.h"
#include "movgem_fault_calls.h"
#include "movgem_fault_rig.h"

/* ---- dma-bufs ---- */

int fault_handle_to_fd(int fd, uint32_t handle, int *dmabuf)
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

static int call_export(struct fault_state *st)
{
	return fault_handle_to_fd(st->fd, st->handle, &st->dmabuf);
}

static void undo_export(struct fault_state *st)
{
	igt_assert_eq_u64(prime_get_size(st->dmabuf), SIZE);
	close(st->dmabuf);
}

static void prepare_import_own(struct fault_state *st)
{
	st->other = movgem_reopen(st->fd);
	fault_with_bo(st);
	igt_assert_eq(fault_handle_to_fd(st->fd, st->handle, &st->dmabuf), 0);
}

static int call_import_own(struct fault_state *st)
{
	return fd_to_handle(st->other, st->dmabuf, &st->result);
}

static void undo_import(struct fault_state *st)
{
	gem_close(st->other, st->result);
}

static void without_import(struct fault_state *st)
{
	close(st->dmabuf);
	gem_close(st->fd, st->handle);
	close(st->other);
}

/* The module is loaded once. */
static void load_vgem(int fd)
{
	if (!igt_kmod_is_loaded("vgem"))
		igt_kmod_load("vgem", NULL);
}

static int open_vgem(void)
{
	int vgem = movgem_open_other("vgem");

	igt_require_f(vgem >= 0, "there is no vgem\n");
	return vgem;
}

static uint32_t bo_pins(struct fault_state *st)
{
	struct drm_movgem_bo_info info;

	movgem_bo_info(st->fd, st->handle, &info);
	return info.pins;
}

static void prepare_attach_vgem(struct fault_state *st)
{
	st->other = open_vgem();
	fault_with_bo(st);
	igt_assert_eq(fault_handle_to_fd(st->fd, st->handle, &st->dmabuf), 0);
}

static int call_attach_vgem(struct fault_state *st)
{
	int ret = fd_to_handle(st->other, st->dmabuf, &st->result);

	if (ret) {
		fault_disarm();
		igt_assert_eq_u32(bo_pins(st), 0);
	}
	return ret;
}

static void undo_attach_vgem(struct fault_state *st)
{
	gem_close(st->other, st->result);
	igt_assert_eq_u32(bo_pins(st), 0);
}

static void prepare_import_vgem(struct fault_state *st)
{
	struct drm_mode_create_dumb args = { .width = 128, .height = 128, .bpp = 32 };

	st->other = open_vgem();
	igt_assert_eq(movgem_ioctl(st->other, DRM_IOCTL_MODE_CREATE_DUMB, &args), 0);
	st->handle = args.handle;
	igt_assert_eq(fault_handle_to_fd(st->other, st->handle, &st->dmabuf), 0);
}

static int call_import_vgem(struct fault_state *st)
{
	return fd_to_handle(st->fd, st->dmabuf, &st->result);
}

static void undo_import_vgem(struct fault_state *st)
{
	struct drm_movgem_bo_info info;

	movgem_bo_info(st->fd, st->result, &info);
	igt_assert_eq_u32(info.imported, 1);
	gem_close(st->fd, st->result);
}

static void without_import_vgem(struct fault_state *st)
{
	close(st->dmabuf);
	gem_close(st->other, st->handle);
	close(st->other);
}

static void with_dma_buf(struct fault_state *st)
{
	fault_with_bo(st);
	igt_assert_eq(fault_handle_to_fd(st->fd, st->handle, &st->dmabuf), 0);
}

static void without_dma_buf(struct fault_state *st)
{
	close(st->dmabuf);
	gem_close(st->fd, st->handle);
}

static int call_dma_buf_mmap(struct fault_state *st)
{
	st->map = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, st->dmabuf, 0);
	return st->map == MAP_FAILED ? -errno : 0;
}

static void prepare_sync_file(struct fault_state *st)
{
	with_dma_buf(st);
	movgem_gate_shut(&st->gate, st->fd);
	st->file = movgem_syncobj_file(st->fd, st->gate.syncobj);
}

static int call_sync_file(struct fault_state *st)
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

static void without_sync_file(struct fault_state *st)
{
	close(st->file);
	movgem_gate_open(&st->gate);
	without_dma_buf(st);
}

/* Shared, and written by a job that goes on. */
static void prepare_poll(struct fault_state *st)
{
	struct dma_buf_import_sync_file in = { .flags = DMA_BUF_SYNC_WRITE };

	prepare_sync_file(st);
	in.fd = st->file;
	do_ioctl(st->dmabuf, DMA_BUF_IOCTL_IMPORT_SYNC_FILE, &in);
}

static int call_poll(struct fault_state *st)
{
	struct pollfd poll_fd = { .fd = st->dmabuf, .events = POLLIN | POLLOUT };
	int ret = poll(&poll_fd, 1, 0);

	st->ready = ret > 0;
	return ret < 0 ? -errno : 0;
}

static void without_poll(struct fault_state *st)
{
	struct pollfd poll_fd = { .fd = st->dmabuf, .events = POLLIN | POLLOUT };

	/* A job that was reset ends early. */
	if (movgem_gate_open(&st->gate))
		igt_assert(!st->ready);
	igt_assert_eq(poll(&poll_fd, 1, MOVGEM_LONG_NS / 1000000), 1);
	close(st->file);
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

static int call_fdinfo(struct fault_state *st)
{
	char name[64];

	snprintf(name, sizeof(name), "/proc/self/fdinfo/%d", st->fd);
	return read_all(AT_FDCWD, name);
}

static void prepare_debugfs(struct fault_state *st)
{
	movgem_require_debugfs(st->fd);
	fault_with_bo(st);
	st->file = igt_debugfs_dir(st->fd);
}

static int call_debugfs(struct fault_state *st)
{
	static const char * const names[] = { "gems", "pages", "stats", "migrate" };

	for (int i = 0; i < ARRAY_SIZE(names); i++) {
		int ret = read_all(st->file, names[i]);

		if (ret)
			return ret;
	}
	return 0;
}

static void without_debugfs(struct fault_state *st)
{
	close(st->file);
	gem_close(st->fd, st->handle);
}

/* ---- moves ---- */

static void prepare_migrate(struct fault_state *st)
{
	igt_require_f(movgem_can_move(st->fd), "pages cannot be moved here\n");
	fault_with_bo(st);
	st->id = movgem_bo_id(st->fd, st->handle);
	st->map = movgem_bo_mmap(st->fd, st->handle, SIZE);
	movgem_fill_pattern(st->map, SIZE, 3);
	st->file = igt_debugfs_open(st->fd, "migrate", O_WRONLY);
}

/* Pages for which there was no memory stay where they are. */
static int call_migrate(struct fault_state *st)
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

static void without_migrate(struct fault_state *st)
{
	close(st->file);
	munmap(st->map, SIZE);
	gem_close(st->fd, st->handle);
}

static void prepare_soft_offline(struct fault_state *st)
{
	prepare_migrate(st);
	close(st->file);
	st->file = open("/sys/devices/system/memory/soft_offline_page", O_WRONLY);
	igt_require_f(st->file >= 0, "soft offlining is not there\n");
}

static int call_soft_offline(struct fault_state *st)
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

/* A page that could not be moved. */
static const int not_offlined[] = { -EBUSY, -EIO, -EAGAIN, 0 };

const struct fault_call fault_share_calls[] = {
	{
		.name = "export", .what = "PRIME_HANDLE_TO_FD.",
		.prepare = fault_with_bo, .call = call_export, .undo = undo_export,
		.cleanup = fault_gem_close, .min = 4, .copies = true,
	}, {
		.name = "import-own", .what = "PRIME_FD_TO_HANDLE in another file of the device.",
		.prepare = prepare_import_own, .call = call_import_own, .undo = undo_import,
		.cleanup = without_import, .min = 1, .copies = true,
	}, {
		.name = "import-vgem", .what = "PRIME_FD_TO_HANDLE of a BO of another driver.",
		.once = load_vgem, .prepare = prepare_import_vgem, .call = call_import_vgem,
		.undo = undo_import_vgem, .cleanup = without_import_vgem, .min = 5,
	}, {
		.name = "attach-vgem", .what = "Another driver imports a BO, which pins it.",
		.once = load_vgem, .prepare = prepare_attach_vgem, .call = call_attach_vgem,
		.undo = undo_attach_vgem, .cleanup = without_import, .min = 5,
	}, {
		.name = "dma-buf-mmap", .what = "mmap() of a dma-buf.",
		.prepare = with_dma_buf, .call = call_dma_buf_mmap, .undo = fault_undo_mmap,
		.cleanup = without_dma_buf, .min = 3,
	}, {
		.name = "dma-buf-sync-file", .what = "Fences out of a dma-buf and into it.",
		.prepare = prepare_sync_file, .call = call_sync_file,
		.cleanup = without_sync_file, .min = 2,
	}, {
		.name = "dma-buf-poll",
		.what = "poll() of a dma-buf that a job works on, which allocates nothing.",
		.prepare = prepare_poll, .call = call_poll, .cleanup = without_poll,
	}, {
		.name = "fdinfo", .what = "Reading the fdinfo of the device's file.",
		.call = call_fdinfo, .min = 1,
	}, {
		.name = "debugfs", .what = "Reading the driver's files in debugfs.",
		.prepare = prepare_debugfs, .call = call_debugfs, .cleanup = without_debugfs,
		.min = 4,
	}, {
		.name = "migrate", .what = "The driver's own moves.",
		.prepare = prepare_migrate, .call = call_migrate, .cleanup = without_migrate,
		.min = PAGES,
	}, {
		.name = "soft-offline", .what = "A page that the kernel moves.",
		.prepare = prepare_soft_offline, .call = call_soft_offline,
		.cleanup = without_migrate, .errnos = not_offlined, .min = 1,
	},
	{ }
};
