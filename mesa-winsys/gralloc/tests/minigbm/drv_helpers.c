// SPDX-License-Identifier: MIT
/*
 * Copyright (C) 2026 movgem maintainers
 *
 * A stand-in for what minigbm knows of formats.
 */
#include <assert.h>
#include <stdio.h>

#include "drv_helpers.h"
#include "drv_priv.h"
#include "util.h"

/* Planes after the first are half as wide and high, where there are any. */
static const struct layout {
	uint32_t format;
	unsigned int planes;
	/* Bytes of a pixel of each plane. */
	unsigned int bytes[DRV_MAX_PLANES];
} layouts[] = {
	{ DRM_FORMAT_R8, 1, { 1 } },
	{ DRM_FORMAT_R16, 1, { 2 } },
	{ DRM_FORMAT_RGB565, 1, { 2 } },
	{ DRM_FORMAT_BGR888, 1, { 3 } },
	{ DRM_FORMAT_ARGB8888, 1, { 4 } },
	{ DRM_FORMAT_XRGB8888, 1, { 4 } },
	{ DRM_FORMAT_ABGR8888, 1, { 4 } },
	{ DRM_FORMAT_XBGR8888, 1, { 4 } },
	{ DRM_FORMAT_ABGR2101010, 1, { 4 } },
	{ DRM_FORMAT_ABGR16161616F, 1, { 8 } },
	{ DRM_FORMAT_NV12, 2, { 1, 2 } },
	{ DRM_FORMAT_NV21, 2, { 1, 2 } },
	{ DRM_FORMAT_P010, 2, { 2, 4 } },
	{ DRM_FORMAT_YVU420, 3, { 1, 1, 1 } },
	{ DRM_FORMAT_YVU420_ANDROID, 3, { 1, 1, 1 } },
};

static const struct layout *find_layout(uint32_t format)
{
	for (size_t i = 0; i < ARRAY_SIZE(layouts); i++) {
		if (layouts[i].format == format)
			return &layouts[i];
	}
	return NULL;
}

static uint32_t half_up(uint32_t size)
{
	return size / 2 + size % 2;
}

size_t drv_num_planes_from_format(uint32_t format)
{
	const struct layout *layout = find_layout(format);

	return layout ? layout->planes : 0;
}

uint32_t drv_bytes_per_pixel_from_format(uint32_t format, size_t plane)
{
	return find_layout(format)->bytes[plane];
}

uint32_t drv_height_from_format(uint32_t format, uint32_t height, size_t plane)
{
	return plane ? half_up(height) : height;
}

uint32_t drv_stride_from_format(uint32_t format, uint32_t width, size_t plane)
{
	uint32_t line = plane ? half_up(width) : width;
	uint32_t align = plane ? 16 : 32;

	line *= drv_bytes_per_pixel_from_format(format, plane);
	if (format == DRM_FORMAT_YVU420_ANDROID)
		line = (line + align - 1) / align * align;
	return line;
}

uint32_t drv_get_standard_fourcc(uint32_t format)
{
	return format == DRM_FORMAT_YVU420_ANDROID ? DRM_FORMAT_YVU420 : format;
}

/* One plane after the other, each with the stride that goes with the first's. */
int drv_bo_from_format(struct bo *bo, uint32_t stride, uint32_t height,
		       uint32_t format)
{
	const struct layout *layout = find_layout(format);
	uint32_t end = 0;

	if (format == DRM_FORMAT_YVU420_ANDROID)
		assert(height == bo->meta.height && !(stride % 32));
	for (unsigned int plane = 0; plane < layout->planes; plane++) {
		/* Interleaved chroma is as long a line as luma. */
		uint32_t own = plane && layout->planes == 3 ? half_up(stride) :
							      stride;

		bo->meta.strides[plane] = own;
		bo->meta.offsets[plane] = end;
		bo->meta.sizes[plane] =
			own * drv_height_from_format(format, height, plane);
		end += bo->meta.sizes[plane];
	}
	bo->meta.total_size = end;
	return 0;
}

void drv_add_combinations(struct driver *drv, const uint32_t *formats,
			  uint32_t count, struct format_metadata *metadata,
			  uint64_t use_flags)
{
	for (uint32_t i = 0; i < count; i++) {
		assert(drv->num_combos < COMBINATIONS_MAX);
		drv->combos[drv->num_combos++] = (struct combination){
			formats[i], *metadata, use_flags
		};
	}
}

void drv_modify_combination(struct driver *drv, uint32_t format,
			    struct format_metadata *metadata,
			    uint64_t use_flags)
{
	for (unsigned int i = 0; i < drv->num_combos; i++) {
		struct combination *combo = &drv->combos[i];

		if (combo->format == format &&
		    combo->metadata.modifier == metadata->modifier)
			combo->use_flags |= use_flags;
	}
}

bool drv_has_modifier(const uint64_t *list, uint32_t count, uint64_t modifier)
{
	while (count--) {
		if (*list++ == modifier)
			return true;
	}
	return false;
}
