// SPDX-License-Identifier: MIT
/*
 * Copyright (C) 2026 movgem maintainers
 *
 * A stand-in for minigbm's drv.c, which does what a backend can tell from the
 * real one: who is called when, and with what.
 */
#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xf86drm.h>

#include "drv_helpers.h"
#include "drv_priv.h"

void drv_loge(const char *format, ...)
{
	va_list list;

	/* Tests provoke errors by the dozen. */
	if (!getenv("GRALLOC_VERBOSE"))
		return;
	va_start(list, format);
	vfprintf(stderr, format, list);
	va_end(list);
}

struct driver *drv_create(int fd)
{
	struct driver *drv = calloc(1, sizeof(*drv));

	if (!drv)
		return NULL;
	drv->fd = fd;
	drv->backend = &backend_movgem;
	drv->buffer_table = drmHashCreate();
	pthread_mutex_init(&drv->buffer_table_lock, NULL);
	pthread_mutex_init(&drv->mappings_lock, NULL);
	if (drv->backend->init(drv)) {
		drmHashDestroy(drv->buffer_table);
		free(drv);
		return NULL;
	}
	return drv;
}

void drv_destroy(struct driver *drv)
{
	drv->backend->close(drv);
	drmHashDestroy(drv->buffer_table);
	free(drv->mappings);
	free(drv);
}

struct combination *drv_get_combination(struct driver *drv, uint32_t format,
					uint64_t use_flags)
{
	struct combination *best = NULL;

	for (unsigned int i = 0; i < drv->num_combos && use_flags; i++) {
		struct combination *combo = &drv->combos[i];

		if (combo->format == format && !(use_flags & ~combo->use_flags) &&
		    (!best || best->metadata.priority < combo->metadata.priority))
			best = combo;
	}
	return best;
}

static struct bo *bo_new(struct driver *drv, uint32_t width, uint32_t height,
			 uint32_t format, uint64_t use_flags)
{
	struct bo *bo = calloc(1, sizeof(*bo));

	assert(bo);
	bo->drv = drv;
	bo->is_test_buffer = use_flags & BO_USE_TEST_ALLOC;
	bo->meta.width = width;
	bo->meta.height = height;
	bo->meta.format = format;
	bo->meta.use_flags = use_flags & ~BO_USE_TEST_ALLOC;
	bo->meta.num_planes = drv_num_planes_from_format(format);
	if (!bo->meta.num_planes) {
		free(bo);
		errno = EINVAL;
		return NULL;
	}
	return bo;
}

/* How many users handles have: +1 or -1 for each plane. */
static void count_users(struct bo *bo, intptr_t change)
{
	struct driver *drv = bo->drv;

	for (size_t plane = 0; plane < bo->meta.num_planes; plane++) {
		uint32_t handle = bo->handles[plane].u32;
		void *users = NULL;
		uintptr_t count;

		if (!drmHashLookup(drv->buffer_table, handle, &users))
			drmHashDelete(drv->buffer_table, handle);
		count = (uintptr_t)users + change;
		if (count)
			drmHashInsert(drv->buffer_table, handle,
				      (void *)count);
	}
}

static void acquire(struct bo *bo)
{
	pthread_mutex_lock(&bo->drv->buffer_table_lock);
	count_users(bo, 1);
	pthread_mutex_unlock(&bo->drv->buffer_table_lock);
}

/* Returns whether all handles are without users now. */
static bool release(struct bo *bo)
{
	bool last = true;
	void *users;

	if (bo->drv->backend->bo_release)
		bo->drv->backend->bo_release(bo);
	pthread_mutex_lock(&bo->drv->buffer_table_lock);
	count_users(bo, -1);
	for (size_t plane = 0; plane < bo->meta.num_planes; plane++)
		last &= drmHashLookup(bo->drv->buffer_table,
				      bo->handles[plane].u32, &users) != 0;
	pthread_mutex_unlock(&bo->drv->buffer_table_lock);
	return last;
}

static struct bo *bo_create(struct driver *drv, uint32_t width, uint32_t height,
			    uint32_t format, uint64_t use_flags,
			    const uint64_t *modifiers, uint32_t count)
{
	struct bo *bo = bo_new(drv, width, height, format, use_flags);
	int ret;

	if (!bo)
		return NULL;
	ret = drv->backend->bo_compute_metadata(bo, width, height, format,
						bo->meta.use_flags, modifiers,
						count);
	if (!ret && !bo->is_test_buffer)
		ret = drv->backend->bo_create_from_metadata(bo);
	if (ret) {
		free(bo);
		errno = -ret;
		return NULL;
	}
	if (!bo->is_test_buffer)
		acquire(bo);
	return bo;
}

struct bo *drv_bo_create(struct driver *drv, uint32_t width, uint32_t height,
			 uint32_t format, uint64_t use_flags)
{
	return bo_create(drv, width, height, format, use_flags, NULL, 0);
}

struct bo *drv_bo_create_with_modifiers(struct driver *drv, uint32_t width,
					uint32_t height, uint32_t format,
					const uint64_t *modifiers,
					uint32_t count)
{
	return bo_create(drv, width, height, format, BO_USE_NONE, modifiers,
			 count);
}

/* The maps of a buffer that nobody has unmapped. */
static void drop_mappings(struct bo *bo)
{
	struct driver *drv = bo->drv;

	pthread_mutex_lock(&drv->mappings_lock);
	for (unsigned int i = 0; i < drv->num_mappings;) {
		struct mapping *mapping = drv->mappings[i];
		bool own = false;

		for (size_t plane = 0; plane < bo->meta.num_planes; plane++)
			own |= mapping->vma->handle == bo->handles[plane].u32;
		if (!own) {
			i++;
			continue;
		}
		if (!--mapping->vma->refcount) {
			drv->backend->bo_unmap(bo, mapping->vma);
			free(mapping->vma);
		}
		free(mapping);
		drv->mappings[i] = drv->mappings[--drv->num_mappings];
	}
	pthread_mutex_unlock(&drv->mappings_lock);
}

void drv_bo_destroy(struct bo *bo)
{
	if (!bo->is_test_buffer && release(bo)) {
		drop_mappings(bo);
		bo->drv->backend->bo_destroy(bo);
	}
	free(bo);
}

/* The layout is as the other side says; sizes are up to the next plane's. */
static bool take_layout(struct bo *bo, struct drv_import_fd_data *data)
{
	struct bo_metadata *meta = &bo->meta;

	meta->format_modifier = data->format_modifier;
	for (size_t plane = 0; plane < meta->num_planes; plane++) {
		off_t end = lseek(data->fds[plane], 0, SEEK_END);

		if (end < 0)
			return false;
		if (plane + 1 < meta->num_planes && data->offsets[plane + 1])
			end = data->offsets[plane + 1];
		meta->strides[plane] = data->strides[plane];
		meta->offsets[plane] = data->offsets[plane];
		meta->sizes[plane] = end - data->offsets[plane];
		meta->total_size += meta->sizes[plane];
	}
	return true;
}

struct bo *drv_bo_import(struct driver *drv, struct drv_import_fd_data *data)
{
	struct bo *bo = bo_new(drv, data->width, data->height, data->format,
			       data->use_flags);
	int ret;

	if (!bo)
		return NULL;
	ret = drv->backend->bo_import(bo, data);
	if (ret) {
		free(bo);
		errno = -ret;
		return NULL;
	}
	acquire(bo);
	if (!take_layout(bo, data)) {
		drv_bo_destroy(bo);
		errno = EINVAL;
		return NULL;
	}
	return bo;
}

/* The map of a handle that there is, or a new one; with a reference. */
static struct vma *get_vma(struct bo *bo, size_t plane, uint32_t map_flags)
{
	struct driver *drv = bo->drv;
	uint32_t handle = bo->handles[plane].u32;
	struct vma *vma;

	for (unsigned int i = 0; i < drv->num_mappings; i++) {
		vma = drv->mappings[i]->vma;
		if (vma->handle == handle && vma->map_flags == map_flags) {
			vma->refcount++;
			return vma;
		}
	}
	vma = calloc(1, sizeof(*vma));
	assert(vma);
	vma->handle = handle;
	vma->map_flags = map_flags;
	vma->refcount = 1;
	vma->addr = drv->backend->bo_map(bo, vma, plane, map_flags);
	if (vma->addr == MAP_FAILED) {
		free(vma);
		return NULL;
	}
	return vma;
}

void *drv_bo_map(struct bo *bo, const struct rectangle *rect,
		 uint32_t map_flags, struct mapping **out, size_t plane)
{
	struct driver *drv = bo->drv;
	struct mapping *mapping;
	struct vma *vma;

	assert(map_flags && !(bo->meta.use_flags & BO_USE_PROTECTED));
	if (bo->is_test_buffer)
		return MAP_FAILED;

	pthread_mutex_lock(&drv->mappings_lock);
	vma = get_vma(bo, plane, map_flags);
	if (!vma) {
		pthread_mutex_unlock(&drv->mappings_lock);
		return MAP_FAILED;
	}
	mapping = calloc(1, sizeof(*mapping));
	drv->mappings = realloc(drv->mappings, (drv->num_mappings + 1) *
				sizeof(*drv->mappings));
	assert(mapping && drv->mappings);
	drv->mappings[drv->num_mappings++] = mapping;
	mapping->vma = vma;
	mapping->rect = *rect;
	mapping->refcount = 1;
	drv_bo_invalidate(bo, mapping);
	pthread_mutex_unlock(&drv->mappings_lock);
	*out = mapping;
	return (char *)vma->addr + bo->meta.offsets[plane];
}

int drv_bo_unmap(struct bo *bo, struct mapping *mapping)
{
	struct driver *drv = bo->drv;
	unsigned int i = 0;
	int ret = 0;

	pthread_mutex_lock(&drv->mappings_lock);
	while (drv->mappings[i] != mapping)
		i++;
	drv->mappings[i] = drv->mappings[--drv->num_mappings];
	if (!--mapping->vma->refcount) {
		ret = drv->backend->bo_unmap(bo, mapping->vma);
		free(mapping->vma);
	}
	free(mapping);
	pthread_mutex_unlock(&drv->mappings_lock);
	return ret;
}

int drv_bo_invalidate(struct bo *bo, struct mapping *mapping)
{
	return bo->drv->backend->bo_invalidate(bo, mapping);
}

int drv_bo_flush(struct bo *bo, struct mapping *mapping)
{
	return bo->drv->backend->bo_flush(bo, mapping);
}

int drv_bo_get_plane_fd(struct bo *bo, size_t plane)
{
	if (bo->is_test_buffer)
		return -EINVAL;
	return bo->drv->backend->bo_get_plane_fd(bo, plane);
}

size_t drv_num_planes_from_modifier(struct driver *drv, uint32_t format,
				    uint64_t modifier)
{
	size_t planes = drv_num_planes_from_format(format);

	if (planes && modifier != DRM_FORMAT_MOD_LINEAR &&
	    modifier != DRM_FORMAT_MOD_INVALID)
		planes = drv->backend->num_planes_from_modifier(drv, format,
								modifier);
	return planes;
}

void drv_resolve_format_and_use_flags(struct driver *drv, uint32_t format,
				      uint64_t use_flags, uint32_t *out_format,
				      uint64_t *out_use_flags)
{
	drv->backend->resolve_format_and_use_flags(drv, format, use_flags,
						   out_format, out_use_flags);
}

uint32_t drv_get_max_texture_2d_size(struct driver *drv)
{
	return drv->backend->get_max_texture_2d_size(drv);
}
