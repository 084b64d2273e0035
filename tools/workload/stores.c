// SPDX-License-Identifier: GPL-2.0
/*
 * The workload: the kinds of buffer. Each makes one with all of its pages, and maps those that stay where it is told, so that the
 * program's address space looks the same whatever the kind.
 *
 * Copyright (C) 2026 movgem maintainers
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <xf86drm.h>
#include <xf86drmMode.h>
#include <drm.h>
#include <movgem_drm.h>

#include "workload.h"

#define DEBUGFS_DRI "/sys/kernel/debug/dri"

static int drm_fd = -1;
static uint32_t vm_id;
static char *debugfs_dir;

/* The node of the driver called @driver, among those that start with @prefix. */
static int open_driver(const char *driver, const char *prefix)
{
	struct dirent *entry;
	DIR *dir = opendir("/dev/dri");

	while (dir && (entry = readdir(dir))) {
		char path[64], name[32] = "";
		struct drm_version version = {
			.name = name,
			.name_len = sizeof(name) - 1,
		};
		int fd;

		if (strncmp(entry->d_name, prefix, strlen(prefix)))
			continue;
		snprintf(path, sizeof(path), "/dev/dri/%.32s", entry->d_name);
		fd = open(path, O_RDWR | O_CLOEXEC);
		if (fd < 0)
			continue;
		if (!drmIoctl(fd, DRM_IOCTL_VERSION, &version) &&
		    !strcmp(name, driver)) {
			closedir(dir);
			return fd;
		}
		close(fd);
	}
	die("no /dev/dri/%s* belongs to the driver %s: is it loaded?", prefix,
	    driver);
}

static int map_drm(uint64_t offset, void *addr)
{
	void *map = mmap(addr, work.buf_size, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_FIXED, drm_fd, offset);

	return map == MAP_FAILED ? -errno : 0;
}

static void unmap(void *addr)
{
	if (munmap(addr, work.buf_size))
		die("munmap: %s", strerror(errno));
}

static void destroy_drm(struct work_buf *buf, void *addr)
{
	struct drm_gem_close args = { .handle = buf->handle };

	unmap(addr);
	if (drmIoctl(drm_fd, DRM_IOCTL_GEM_CLOSE, &args))
		die("GEM_CLOSE: %s", strerror(errno));
}

/*
 * movgem: as a program's own buffers are, they belong to the one VM that they
 * are bound in, so that a job costs the same however many there are; unless
 * &work_state.shared says that there are more VMs.
 */

uint32_t movgem_vm_create(void)
{
	struct drm_movgem_vm_create vm = { 0 };

	if (drmIoctl(drm_fd, DRM_IOCTL_MOVGEM_VM_CREATE, &vm))
		die("VM_CREATE: %s", strerror(errno));
	return vm.vm_id;
}

static void movgem_open(void)
{
	struct dirent *entry;
	DIR *dir;

	drm_fd = open_driver("movgem", "renderD");
	vm_id = movgem_vm_create();

	dir = opendir(DEBUGFS_DRI);
	while (dir && (entry = readdir(dir))) {
		char path[320], line[64] = "";
		FILE *file;

		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), DEBUGFS_DRI "/%s/name",
			 entry->d_name);
		file = fopen(path, "r");
		if (!file)
			continue;
		if (fgets(line, sizeof(line), file) &&
		    !strncmp(line, "movgem ", 7) && !debugfs_dir) {
			*strrchr(path, '/') = 0;
			debugfs_dir = strdup(path);
		}
		fclose(file);
	}
	if (!debugfs_dir)
		die("no directory of movgem in " DEBUGFS_DRI);
	closedir(dir);
}

int movgem_fd(void)
{
	return drm_fd;
}

uint32_t movgem_vm(void)
{
	return vm_id;
}

char *movgem_debugfs(const char *name)
{
	char *path;

	if (asprintf(&path, "%s/%s", debugfs_dir, name) < 0)
		die("no memory");
	return path;
}

uint64_t movgem_stat(const char *name)
{
	char *path = movgem_debugfs("stats");
	uint64_t value = read_field(path, name);

	free(path);
	return value;
}

static int movgem_create(struct work_buf *buf, void *addr)
{
	struct drm_movgem_bo_create create = {
		.size = work.buf_size,
		.exclusive_vm_id = work.shared ? 0 : vm_id,
	};

	(void)addr;
	if (drmIoctl(drm_fd, DRM_IOCTL_MOVGEM_BO_CREATE, &create))
		return -errno;
	buf->handle = create.handle;
	return 0;
}

static void movgem_map(struct work_buf *buf, void *addr)
{
	struct drm_movgem_bo_mmap_offset offset = { .handle = buf->handle };
	int err;

	if (drmIoctl(drm_fd, DRM_IOCTL_MOVGEM_BO_MMAP_OFFSET, &offset))
		die("BO_MMAP_OFFSET: %s", strerror(errno));
	err = map_drm(offset.offset, addr);
	if (err)
		die("mmap: %s", strerror(-err));
}

static void movgem_frames(void (*report)(uint64_t pfn))
{
	char *path = movgem_debugfs("pages");
	FILE *file = fopen(path, "r");
	char line[256];
	uint64_t pfn;

	if (!file)
		die("%s: %s", path, strerror(errno));
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%*u %*u %lx", &pfn) == 1)
			report(pfn);
	}
	fclose(file);
	free(path);
}

static uint64_t movgem_moved(void)
{
	return movgem_stat("migrate_ok");
}

const struct work_store store_movgem = {
	.name = "movgem",
	.open = movgem_open,
	.create = movgem_create,
	.map = movgem_map,
	.destroy = destroy_drm,
	.frames = movgem_frames,
	.moved = movgem_moved,
	.moved_source = "migrate_ok in movgem's debugfs stats",
};

/* Dumb buffers by drm_gem_shmem_helper, of vgem: mmap() allocates and pins, */

static void vgem_open(void)
{
	drm_fd = open_driver("vgem", "card");
}

static int dumb_create(struct work_buf *buf, void *addr)
{
	/* Lines of a page each. */
	struct drm_mode_create_dumb create = {
		.width = WORK_PAGE_SIZE / 4, .height = buf_pages(), .bpp = 32,
	};
	struct drm_mode_map_dumb offset = { 0 };
	int ret;

	if (drmIoctl(drm_fd, DRM_IOCTL_MODE_CREATE_DUMB, &create))
		return -errno;
	buf->handle = create.handle;
	offset.handle = create.handle;
	if (drmIoctl(drm_fd, DRM_IOCTL_MODE_MAP_DUMB, &offset))
		die("MAP_DUMB: %s", strerror(errno));
	ret = map_drm(offset.offset, addr);
	if (ret) {
		struct drm_gem_close args = { .handle = buf->handle };

		drmIoctl(drm_fd, DRM_IOCTL_GEM_CLOSE, &args);
	}
	return ret;
}

static const struct work_store store_vgem = {
	.name = "vgem",
	.open = vgem_open,
	.create = dumb_create,
	.destroy = destroy_drm,
};

/* and of virtio_gpu: they are pinned from the beginning. */

static void virtio_gpu_open(void)
{
	drm_fd = open_driver("virtio_gpu", "card");
}

static const struct work_store store_virtio_gpu = {
	.name = "virtio_gpu",
	.open = virtio_gpu_open,
	.create = dumb_create,
	.destroy = destroy_drm,
};

/* Anonymous memory: what the kernel has always been able to move. */

static void anonymous_open(void)
{
}

static int anonymous_create(struct work_buf *buf, void *addr)
{
	void *map = mmap(addr, work.buf_size, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_POPULATE,
			 -1, 0);

	(void)buf;
	return map == MAP_FAILED ? -errno : 0;
}

static void anonymous_destroy(struct work_buf *buf, void *addr)
{
	(void)buf;
	unmap(addr);
}

static void anonymous_frames(void (*report)(uint64_t pfn))
{
	int fd = open("/proc/self/pagemap", O_RDONLY);
	uint64_t entry[buf_pages()];
	size_t i, n;

	if (fd < 0)
		die("/proc/self/pagemap: %s", strerror(errno));
	for (i = 0; i < work.count; i++) {
		uintptr_t addr = (uintptr_t)buf_addr(&work.bufs[i]);

		if (pread(fd, entry, sizeof(entry),
			  addr / WORK_PAGE_SIZE * sizeof(*entry)) !=
		    (ssize_t)sizeof(entry))
			die("/proc/self/pagemap: %s", strerror(errno));
		for (n = 0; n < buf_pages(); n++) {
			if (entry[n] >> 63)
				report(entry[n] & ((1ULL << 55) - 1));
		}
	}
	close(fd);
}

static uint64_t anonymous_moved(void)
{
	return read_field("/proc/vmstat", "pgmigrate_success");
}

static const struct work_store store_anonymous = {
	.name = "anonymous",
	.open = anonymous_open,
	.create = anonymous_create,
	.destroy = anonymous_destroy,
	.frames = anonymous_frames,
	.moved = anonymous_moved,
	.moved_source = "pgmigrate_success in /proc/vmstat",
};

/* The store called @name, or NULL. */
const struct work_store *find_store(const char *name)
{
	static const struct work_store *const stores[] = {
		&store_movgem, &store_vgem, &store_virtio_gpu, &store_anonymous,
	};
	size_t i;

	for (i = 0; i < sizeof(stores) / sizeof(stores[0]); i++) {
		if (!strcmp(stores[i]->name, name))
			return stores[i];
	}
	return NULL;
}
