// SPDX-License-Identifier: MIT
/*
 * Copyright (C) 2026 movgem maintainers
 *
 * Devices, GEM handles, dma-bufs, debugfs, sysfs and modules.
 */
#include <fcntl.h>
#include <limits.h>
#include <linux/dma-buf.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <xf86drm.h>

#include "igt.h"
#include "igt_kmod.h"
#include "igt_sysfs.h"

int (*igt_ioctl)(int fd, unsigned long request, void *arg) = drmIoctl;

int __get_drm_device_name(int fd, char *name, int name_size)
{
	drmVersionPtr v = drmGetVersion(fd);

	if (!v)
		return -1;
	snprintf(name, name_size, "%s", v->name);
	drmFreeVersion(v);
	return 0;
}

static int chipset_of(const char *name)
{
	if (!strcmp(name, "vgem"))
		return DRIVER_VGEM;
	if (!strcmp(name, "vkms"))
		return DRIVER_VKMS;
	if (!strcmp(name, "virtio_gpu"))
		return DRIVER_VIRTIO;
	return 1 << 30;
}

static int open_path(const char *path, int chipset)
{
	const char *forced = getenv("IGT_FORCE_DRIVER");
	char name[32];
	int fd = open(path, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return -1;
	if (!__get_drm_device_name(fd, name, sizeof(name)) &&
	    (forced ? !strcmp(forced, name) : chipset & chipset_of(name)))
		return fd;
	close(fd);
	return -1;
}

static int open_first(const char *pattern, int first, int chipset)
{
	const char *device = getenv("IGT_DEVICE");
	char path[64];
	int i, fd;

	if (device && !strncmp(device, "drm:", 4))
		return open_path(device + 4, chipset);
	for (i = first; i < first + 64; i++) {
		snprintf(path, sizeof(path), pattern, i);
		fd = open_path(path, chipset);
		if (fd >= 0)
			return fd;
	}
	return -1;
}

int __drm_open_driver(int chipset)
{
	return open_first("/dev/dri/card%d", 0, chipset);
}

int __drm_open_driver_render(int chipset)
{
	return open_first("/dev/dri/renderD%d", 128, chipset);
}

int drm_open_driver(int chipset)
{
	int fd = __drm_open_driver(chipset);

	igt_skip_on_f(fd < 0, "No known gpu found for chipset flags 0x%x\n", chipset);
	return fd;
}

int drm_open_driver_render(int chipset)
{
	int fd = __drm_open_driver_render(chipset);

	return fd < 0 ? drm_open_driver(chipset) : fd;
}

int drm_reopen_driver(int fd)
{
	char path[64];
	int fd2;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	fd2 = open(path, O_RDWR | O_CLOEXEC);
	igt_assert_fd(fd2);
	return fd2;
}

int __drm_close_driver(int fd)
{
	return close(fd);
}

int drm_close_driver(int fd)
{
	return fd < 0 ? -1 : close(fd);
}

void gem_close(int fd, uint32_t handle)
{
	struct drm_gem_close args = { .handle = handle };

	igt_assert_neq(handle, 0);
	do_ioctl(fd, DRM_IOCTL_GEM_CLOSE, &args);
}

static int handle_to_fd(int fd, uint32_t handle, uint32_t flags)
{
	struct drm_prime_handle args = { .handle = handle, .flags = flags, .fd = -1 };

	do_ioctl(fd, DRM_IOCTL_PRIME_HANDLE_TO_FD, &args);
	return args.fd;
}

int prime_handle_to_fd(int fd, uint32_t handle)
{
	return handle_to_fd(fd, handle, DRM_CLOEXEC);
}

int prime_handle_to_fd_for_mmap(int fd, uint32_t handle)
{
	struct drm_prime_handle args = {
		.handle = handle,
		.flags = DRM_CLOEXEC | DRM_RDWR,
		.fd = -1,
	};

	return igt_ioctl(fd, DRM_IOCTL_PRIME_HANDLE_TO_FD, &args) ? -1 : args.fd;
}

uint32_t prime_fd_to_handle(int fd, int dma_buf_fd)
{
	struct drm_prime_handle args = { .fd = dma_buf_fd };

	do_ioctl(fd, DRM_IOCTL_PRIME_FD_TO_HANDLE, &args);
	return args.handle;
}

off_t prime_get_size(int dma_buf_fd)
{
	off_t size = lseek(dma_buf_fd, 0, SEEK_END);

	igt_assert(size >= 0);
	return size;
}

static void dma_buf_sync(int dma_buf_fd, uint64_t flags)
{
	struct dma_buf_sync args = { .flags = flags };

	do_ioctl(dma_buf_fd, DMA_BUF_IOCTL_SYNC, &args);
}

void prime_sync_start(int dma_buf_fd, bool write)
{
	dma_buf_sync(dma_buf_fd, DMA_BUF_SYNC_START |
		     (write ? DMA_BUF_SYNC_RW : DMA_BUF_SYNC_READ));
}

void prime_sync_end(int dma_buf_fd, bool write)
{
	dma_buf_sync(dma_buf_fd, DMA_BUF_SYNC_END |
		     (write ? DMA_BUF_SYNC_RW : DMA_BUF_SYNC_READ));
}

/* ---- debugfs and sysfs ---- */

char *igt_debugfs_path(int device, char *path, int pathlen)
{
	static const char *const roots[] = { "/sys/kernel/debug", "/debug" };
	struct stat st;
	unsigned int i;

	if (fstat(device, &st) || !S_ISCHR(st.st_mode))
		return NULL;
	if (access("/sys/kernel/debug/dri", F_OK) &&
	    igt_system_quiet("mount -t debugfs debugfs /sys/kernel/debug"))
		igt_debug("cannot mount debugfs\n");
	for (i = 0; i < ARRAY_SIZE(roots); i++) {
		snprintf(path, pathlen, "%s/dri/%u", roots[i], minor(st.st_rdev));
		if (!access(path, F_OK))
			return path;
	}
	return NULL;
}

int igt_debugfs_dir(int device)
{
	char path[PATH_MAX];

	if (!igt_debugfs_path(device, path, sizeof(path)))
		return -1;
	return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

int igt_debugfs_open(int fd, const char *filename, int mode)
{
	int dir = igt_debugfs_dir(fd), ret;

	if (dir < 0)
		return dir;
	ret = openat(dir, filename, mode | O_CLOEXEC);
	close(dir);
	return ret;
}

char *igt_sysfs_path(int device, char *path, int pathlen)
{
	struct stat st;

	if (fstat(device, &st) || !S_ISCHR(st.st_mode))
		return NULL;
	snprintf(path, pathlen, "/sys/dev/char/%u:%u", major(st.st_rdev), minor(st.st_rdev));
	return access(path, F_OK) ? NULL : path;
}

int igt_sysfs_open(int device)
{
	char path[PATH_MAX];

	if (!igt_sysfs_path(device, path, sizeof(path)))
		return -1;
	return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

int igt_sysfs_read(int dir, const char *attr, void *data, int len)
{
	int fd = openat(dir, attr, O_RDONLY | O_CLOEXEC), done = 0;

	if (fd < 0)
		return -errno;
	while (done < len) {
		int ret = read(fd, (char *)data + done, len - done);

		if (ret < 0 && errno == EINTR)
			continue;
		if (ret < 0)
			done = -errno;
		if (ret <= 0)
			break;
		done += ret;
	}
	close(fd);
	return done;
}

int igt_sysfs_write(int dir, const char *attr, const void *data, int len)
{
	int fd = openat(dir, attr, O_WRONLY | O_CLOEXEC), ret;

	if (fd < 0)
		return -errno;
	do {
		ret = write(fd, data, len);
	} while (ret < 0 && errno == EINTR);
	if (ret < 0)
		ret = -errno;
	close(fd);
	return ret;
}

bool igt_sysfs_set(int dir, const char *attr, const char *value)
{
	return igt_sysfs_write(dir, attr, value, strlen(value)) == (int)strlen(value);
}

char *igt_sysfs_get(int dir, const char *attr)
{
	size_t size = 1 << 16;
	char *buf = malloc(size);
	int len;

	if (!buf)
		return NULL;
	for (;;) {
		char *more;

		len = igt_sysfs_read(dir, attr, buf, size - 1);
		if (len < (int)size - 1)
			break;
		size *= 2;
		more = realloc(buf, size);
		if (!more) {
			len = -ENOMEM;
			break;
		}
		buf = more;
	}
	if (len < 0) {
		free(buf);
		return NULL;
	}
	buf[len] = 0;
	while (len > 0 && buf[len - 1] == '\n')
		buf[--len] = 0;
	return buf;
}

/* ---- modules ---- */

bool igt_kmod_is_loaded(const char *mod_name)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "/sys/module/%s", mod_name);
	return !access(path, F_OK);
}

int igt_kmod_load(const char *mod_name, const char *opts)
{
	char line[256];

	snprintf(line, sizeof(line), "modprobe %s %s", mod_name, opts ?: "");
	return igt_system_quiet(line) ? -ENOENT : 0;
}

int igt_kmod_unload(const char *mod_name)
{
	char line[256];

	snprintf(line, sizeof(line), "modprobe -r %s", mod_name);
	return igt_system_quiet(line) ? -EBUSY : 0;
}
