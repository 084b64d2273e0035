/* SPDX-License-Identifier: MIT */
/*
 * Copyright (C) 2026 movgem maintainers
 *
 * A stand-in for minigbm's drv.h: what gralloc calls, under the names that it
 * has there, as far as the backend and its tests need it. Written anew: nothing
 * of this is minigbm's but its interface.
 */
#ifndef DRV_H
#define DRV_H

#include <drm_fourcc.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DRV_MAX_PLANES 4

/* What a buffer is for. */
#define BO_USE_NONE			0ull
#define BO_USE_SCANOUT			(1ull << 0)
#define BO_USE_CURSOR			(1ull << 1)
#define BO_USE_RENDERING		(1ull << 2)
#define BO_USE_LINEAR			(1ull << 4)
#define BO_USE_TEXTURE			(1ull << 5)
#define BO_USE_CAMERA_WRITE		(1ull << 6)
#define BO_USE_CAMERA_READ		(1ull << 7)
#define BO_USE_PROTECTED		(1ull << 8)
#define BO_USE_SW_READ_OFTEN		(1ull << 9)
#define BO_USE_SW_READ_RARELY		(1ull << 10)
#define BO_USE_SW_WRITE_OFTEN		(1ull << 11)
#define BO_USE_SW_WRITE_RARELY		(1ull << 12)
#define BO_USE_HW_VIDEO_DECODER		(1ull << 13)
#define BO_USE_HW_VIDEO_ENCODER		(1ull << 14)
#define BO_USE_TEST_ALLOC		(1ull << 15)
#define BO_USE_FRONT_RENDERING		(1ull << 16)
#define BO_USE_RENDERSCRIPT		(1ull << 17)
#define BO_USE_GPU_DATA_BUFFER		(1ull << 18)
#define BO_USE_SENSOR_DIRECT_DATA	(1ull << 19)

#define BO_MAP_READ			(1u << 0)
#define BO_MAP_WRITE			(1u << 1)
#define BO_MAP_READ_WRITE		(BO_MAP_READ | BO_MAP_WRITE)

/* Formats of Android's that DRM does not have. */
#define DRM_FORMAT_YVU420_ANDROID \
	fourcc_code('9', '9', '9', '7')
#define DRM_FORMAT_FLEX_IMPLEMENTATION_DEFINED \
	fourcc_code('9', '9', '9', '8')
#define DRM_FORMAT_FLEX_YCbCr_420_888 \
	fourcc_code('9', '9', '9', '9')

struct bo;
struct combination;
struct driver;

union bo_handle {
	void *ptr;
	uint32_t u32;
	uint64_t u64;
};

/* Dma-bufs, one a plane, and how somebody says that they are laid out. */
struct drv_import_fd_data {
	int fds[DRV_MAX_PLANES];
	uint32_t strides[DRV_MAX_PLANES];
	uint32_t offsets[DRV_MAX_PLANES];
	uint64_t format_modifier;
	uint32_t width;
	uint32_t height;
	uint32_t format;
	uint64_t use_flags;
};

/* A map of all that a handle stands for. */
struct vma {
	void *addr;
	size_t length;
	uint32_t handle;
	uint32_t map_flags;
	int32_t refcount;
	void *priv;
};

struct rectangle {
	uint32_t x;
	uint32_t y;
	uint32_t width;
	uint32_t height;
};

/* A lock of a buffer by the CPU. */
struct mapping {
	struct vma *vma;
	struct rectangle rect;
	uint32_t refcount;
};

struct driver *drv_create(int fd);
void drv_destroy(struct driver *drv);
struct combination *drv_get_combination(struct driver *drv, uint32_t format,
					uint64_t use_flags);

/* These return NULL and set errno. */
struct bo *drv_bo_create(struct driver *drv, uint32_t width, uint32_t height,
			 uint32_t format, uint64_t use_flags);
struct bo *drv_bo_create_with_modifiers(struct driver *drv, uint32_t width,
					uint32_t height, uint32_t format,
					const uint64_t *modifiers,
					uint32_t count);
struct bo *drv_bo_import(struct driver *drv, struct drv_import_fd_data *data);
void drv_bo_destroy(struct bo *bo);

/* Returns MAP_FAILED without setting errno. */
void *drv_bo_map(struct bo *bo, const struct rectangle *rect,
		 uint32_t map_flags, struct mapping **mapping, size_t plane);
int drv_bo_unmap(struct bo *bo, struct mapping *mapping);
int drv_bo_invalidate(struct bo *bo, struct mapping *mapping);
int drv_bo_flush(struct bo *bo, struct mapping *mapping);

int drv_bo_get_plane_fd(struct bo *bo, size_t plane);

uint32_t drv_get_standard_fourcc(uint32_t format);
uint32_t drv_bytes_per_pixel_from_format(uint32_t format, size_t plane);
uint32_t drv_stride_from_format(uint32_t format, uint32_t width, size_t plane);
size_t drv_num_planes_from_format(uint32_t format);
size_t drv_num_planes_from_modifier(struct driver *drv, uint32_t format,
				    uint64_t modifier);
void drv_resolve_format_and_use_flags(struct driver *drv, uint32_t format,
				      uint64_t use_flags, uint32_t *out_format,
				      uint64_t *out_use_flags);
uint32_t drv_get_max_texture_2d_size(struct driver *drv);

void drv_loge(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
