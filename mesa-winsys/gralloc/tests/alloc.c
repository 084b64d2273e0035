// SPDX-License-Identifier: MIT
/*
 * Copyright (C) 2026 movgem maintainers
 *
 * Buffers as gralloc has them.
 */
#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "test.h"

void alloc_open(struct alloc *alloc)
{
	alloc->fd = open_render();
	alloc->drv = drv_create(alloc->fd);
	if (!alloc->drv)
		fail("the backend does not start");
	check_ret(movgem_device_create(alloc->fd, &alloc->dev), 0);
}

void alloc_close(struct alloc *alloc)
{
	movgem_device_unref(alloc->dev);
	drv_destroy(alloc->drv);
	close(alloc->fd);
}

static unsigned int count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned int count = 0;

	check(dir);
	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

void left_begin(struct alloc *alloc, struct left *left)
{
	left->bos = settled_bos(alloc->dev);
	left->fds = count_fds();
}

void left_end(struct alloc *alloc, const struct left *left)
{
	expect_bos(alloc->dev, left->bos);
	check_ret(count_fds(), left->fds);
}

struct bo *make(struct alloc *alloc, uint32_t width, uint32_t height,
		uint32_t format, uint64_t use_flags)
{
	struct bo *bo = drv_bo_create(alloc->drv, width, height, format,
				      use_flags);

	if (!bo)
		fail("no buffer of %ux%u, format %.4s, use 0x%llx: %s", width,
		     height, (const char *)&format,
		     (unsigned long long)use_flags, strerror(errno));
	return bo;
}

void *lock(struct bo *bo, uint32_t flags, size_t plane,
	   struct mapping **mapping)
{
	const struct rectangle all = { 0, 0, bo->meta.width, bo->meta.height };
	void *map = drv_bo_map(bo, &all, flags, mapping, plane);

	check(map != MAP_FAILED);
	return map;
}

void unlock(struct bo *bo, struct mapping *mapping)
{
	check_ret(drv_bo_flush(bo, mapping), 0);
	check_ret(drv_bo_unmap(bo, mapping), 0);
}

static uint32_t plane_seed(uint32_t seed, size_t plane)
{
	return seed * DRV_MAX_PLANES + plane;
}

/* An import has its last plane go on to the end of the dma-buf; this does not. */
static size_t plane_size(const struct bo *bo, size_t plane)
{
	uint32_t height = bo->meta.height;

	return bo->meta.strides[plane] * (plane ? (height + 1) / 2 : height);
}

void write_planes(struct bo *bo, uint32_t seed)
{
	for (size_t plane = 0; plane < bo->meta.num_planes; plane++) {
		struct mapping *mapping;

		fill_words(lock(bo, BO_MAP_WRITE, plane, &mapping),
			   plane_size(bo, plane), plane_seed(seed, plane));
		unlock(bo, mapping);
	}
}

void expect_planes(struct bo *bo, uint32_t seed)
{
	for (size_t plane = 0; plane < bo->meta.num_planes; plane++) {
		struct mapping *mapping;

		expect_words(lock(bo, BO_MAP_READ, plane, &mapping),
			     plane_size(bo, plane), plane_seed(seed, plane));
		unlock(bo, mapping);
	}
}

struct movgem_bo *get_bo(struct alloc *alloc, struct bo *bo)
{
	int dmabuf = drv_bo_get_plane_fd(bo, 0);
	struct movgem_bo *mbo;

	check(dmabuf >= 0);
	check_ret(movgem_bo_import(alloc->dev, dmabuf, &mbo), 0);
	close(dmabuf);
	check(movgem_bo_get_handle(mbo) == bo->handles[0].u32);
	return mbo;
}

static void get_info(struct alloc *alloc, struct bo *bo,
		     struct drm_movgem_bo_info *info)
{
	struct movgem_bo *mbo = get_bo(alloc, bo);

	check_ret(movgem_bo_info(mbo, info), 0);
	movgem_bo_unref(mbo);
}

uint64_t moved(struct alloc *alloc, struct bo *bo)
{
	struct drm_movgem_bo_info info;

	get_info(alloc, bo, &info);
	return info.moved;
}

unsigned int pins(struct alloc *alloc, struct bo *bo)
{
	struct drm_movgem_bo_info info;

	get_info(alloc, bo, &info);
	return info.pins;
}

void describe(struct bo *bo, struct drv_import_fd_data *data)
{
	memset(data, 0, sizeof(*data));
	for (size_t plane = 0; plane < bo->meta.num_planes; plane++) {
		data->fds[plane] = drv_bo_get_plane_fd(bo, plane);
		check(data->fds[plane] >= 0);
		data->strides[plane] = bo->meta.strides[plane];
		data->offsets[plane] = bo->meta.offsets[plane];
	}
	data->format_modifier = bo->meta.format_modifier;
	data->width = bo->meta.width;
	data->height = bo->meta.height;
	data->format = bo->meta.format;
	data->use_flags = bo->meta.use_flags;
}

void close_fds(struct drv_import_fd_data *data, size_t planes)
{
	while (planes--)
		close(data->fds[planes]);
}
