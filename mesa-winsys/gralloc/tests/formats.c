// SPDX-License-Identifier: MIT
/*
 * Copyright (C) 2026 movgem maintainers
 *
 * Buffers of every format for every use: which there are, and how they are laid
 * out.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "test.h"

/* All that there is, as far as Android asks for it. */
#define ALL_USES	((1ull << 20) - 1 - (1ull << 3) - BO_USE_TEST_ALLOC)

#define SW	(BO_USE_SW_READ_OFTEN | BO_USE_SW_READ_RARELY | \
		 BO_USE_SW_WRITE_OFTEN | BO_USE_SW_WRITE_RARELY | \
		 BO_USE_FRONT_RENDERING)
#define TEXTURE	(SW | BO_USE_TEXTURE | BO_USE_LINEAR | BO_USE_RENDERSCRIPT)
#define TARGET	(TEXTURE | BO_USE_RENDERING)
#define SCREEN	(TARGET | BO_USE_SCANOUT)
#define CAMERA	(BO_USE_CAMERA_READ | BO_USE_CAMERA_WRITE)
#define VIDEO	(BO_USE_HW_VIDEO_DECODER | BO_USE_HW_VIDEO_ENCODER)
#define DATA	(BO_USE_GPU_DATA_BUFFER | BO_USE_SENSOR_DIRECT_DATA)

const struct format formats[] = {
	{ DRM_FORMAT_ARGB8888, "ARGB8888", 1, { 4 }, SCREEN | BO_USE_CURSOR },
	{ DRM_FORMAT_XRGB8888, "XRGB8888", 1, { 4 }, SCREEN },
	{ DRM_FORMAT_ABGR8888, "ABGR8888", 1, { 4 }, SCREEN },
	{ DRM_FORMAT_XBGR8888, "XBGR8888", 1, { 4 }, SCREEN },
	{ DRM_FORMAT_RGB565, "RGB565", 1, { 2 }, SCREEN },
	{ DRM_FORMAT_ABGR2101010, "ABGR2101010", 1, { 4 }, TARGET },
	{ DRM_FORMAT_ABGR16161616F, "ABGR16161616F", 1, { 8 }, TARGET },
	{ DRM_FORMAT_BGR888, "BGR888", 1, { 3 }, TEXTURE },
	{ DRM_FORMAT_R8, "R8", 1, { 1 }, TEXTURE | CAMERA | VIDEO | DATA },
	{ DRM_FORMAT_R16, "R16", 1, { 2 }, TEXTURE | CAMERA },
	{ DRM_FORMAT_NV12, "NV12", 2, { 1, 2 }, TEXTURE | CAMERA | VIDEO },
	{ DRM_FORMAT_NV21, "NV21", 2, { 1, 2 }, TEXTURE | CAMERA | VIDEO },
	{ DRM_FORMAT_P010, "P010", 2, { 2, 4 }, TEXTURE | VIDEO },
	{ DRM_FORMAT_YVU420, "YVU420", 3, { 1, 1, 1 }, TEXTURE | CAMERA | VIDEO },
	{ DRM_FORMAT_YVU420_ANDROID, "YVU420_ANDROID", 3, { 1, 1, 1 },
	  TEXTURE | CAMERA | VIDEO },
};

const unsigned int num_formats = ARRAY_SIZE(formats);

static const struct {
	uint32_t width, height;
} sizes[] = {
	{ 1, 1 }, { 2, 3 }, { 64, 64 }, { 33, 17 }, { 250, 131 }, { 640, 9 },
	{ 16384, 1 }, { 1, 16384 },
};

/* What Android's callers ask for together. */
static const uint64_t combined[] = {
	USE_CPU,
	BO_USE_SW_WRITE_OFTEN | BO_USE_TEXTURE,
	BO_USE_RENDERING | BO_USE_TEXTURE,
	BO_USE_RENDERING | BO_USE_TEXTURE | BO_USE_SCANOUT,
	BO_USE_TEXTURE | BO_USE_SCANOUT,
	BO_USE_CURSOR | BO_USE_SW_WRITE_OFTEN,
	BO_USE_SCANOUT | BO_USE_CURSOR,
	BO_USE_CAMERA_WRITE | BO_USE_TEXTURE,
	BO_USE_CAMERA_WRITE | BO_USE_CAMERA_READ | USE_CPU,
	BO_USE_CAMERA_WRITE | BO_USE_HW_VIDEO_ENCODER,
	BO_USE_CAMERA_WRITE | BO_USE_TEXTURE | BO_USE_HW_VIDEO_ENCODER,
	BO_USE_HW_VIDEO_DECODER | BO_USE_TEXTURE,
	BO_USE_HW_VIDEO_DECODER | BO_USE_SCANOUT,
	BO_USE_GPU_DATA_BUFFER | USE_CPU,
	BO_USE_SENSOR_DIRECT_DATA | BO_USE_SW_READ_RARELY,
	BO_USE_PROTECTED | BO_USE_TEXTURE,
};

static uint32_t half_up(uint32_t size)
{
	return (size + 1) / 2;
}

static void check_plane(const struct format *format, const struct bo *bo,
			unsigned int plane)
{
	uint32_t width = plane ? half_up(bo->meta.width) : bo->meta.width;
	uint32_t height = plane ? half_up(bo->meta.height) : bo->meta.height;
	uint32_t stride = bo->meta.strides[plane];

	if (stride < width * format->bytes[plane])
		fail("%s, %u wide: plane %u has a stride of %u", format->name,
		     bo->meta.width, plane, stride);
	/* gralloc tells strides in pixels. */
	check(!(stride % format->bytes[plane]));
	check(!(stride % (plane && format->planes == 3 ? 32 : 64)));
	check(bo->meta.sizes[plane] == stride * height);
	check(bo->meta.offsets[plane] == (plane ? bo->meta.offsets[plane - 1] +
					  bo->meta.sizes[plane - 1] : 0));
	check(bo->meta.offsets[plane] + (uint64_t)bo->meta.sizes[plane] <=
	      bo->meta.total_size);
}

static void check_layout(const struct format *format, const struct bo *bo)
{
	const struct bo_metadata *meta = &bo->meta;

	check(meta->format == format->format);
	check(meta->num_planes == format->planes);
	check(meta->format_modifier == DRM_FORMAT_MOD_LINEAR && !meta->tiling);
	for (unsigned int plane = 0; plane < format->planes; plane++)
		check_plane(format, bo, plane);

	/* As system/graphics.h has it for YV12. */
	if (format->format == DRM_FORMAT_YVU420_ANDROID) {
		check(!(meta->strides[0] % 32));
		check(meta->strides[1] == meta->strides[0] / 2);
		check(meta->strides[2] == meta->strides[1]);
		check(meta->offsets[1] == meta->strides[0] * meta->height);
	} else if (format->planes > 1) {
		check(meta->strides[1] ==
		      meta->strides[0] / (format->planes - 1));
	}
}

static void check_buffer(struct alloc *alloc, const struct format *format,
			 struct bo *bo)
{
	struct movgem_bo *mbo = get_bo(alloc, bo);
	struct drm_movgem_bo_info info;

	check_layout(format, bo);
	check(bo->handles[0].u32);
	for (unsigned int plane = 1; plane < format->planes; plane++)
		check(bo->handles[plane].u32 == bo->handles[0].u32);
	check(movgem_bo_get_size(mbo) == bo->meta.total_size);
	check(!movgem_bo_is_foreign(mbo));
	check_ret(movgem_bo_info(mbo, &info), 0);
	check(info.size == bo->meta.total_size);
	check(info.pages * sysconf(_SC_PAGESIZE) == info.size);
	check(!info.pins && !info.imported);
	movgem_bo_unref(mbo);
}

static void try_use(struct alloc *alloc, const struct format *format,
		    uint64_t use, unsigned int size)
{
	struct bo *bo, *test;
	bool can = !(use & ~format->uses);

	bo = drv_bo_create(alloc->drv, sizes[size].width, sizes[size].height,
			   format->format, use);
	if (can != !!bo)
		fail("%s for use 0x%llx: %s", format->name,
		     (unsigned long long)use, bo ? "made" : strerror(errno));
	if (!bo)
		check_ret(errno, EINVAL);

	/* Whether it could be allocated is asked as well, and its size. */
	test = drv_bo_create(alloc->drv, sizes[size].width, sizes[size].height,
			     format->format, use | BO_USE_TEST_ALLOC);
	check(can == !!test);
	if (!bo)
		return;
	check_layout(format, test);
	check(!test->handles[0].u32);
	check(drv_bo_get_plane_fd(test, 0) < 0);
	check(test->meta.total_size <= bo->meta.total_size);
	drv_bo_destroy(test);

	check_buffer(alloc, format, bo);
	drv_bo_destroy(bo);
}

/* Each format for each use alone, and for those that come together. */
void test_formats(void)
{
	struct alloc alloc;
	struct left left;

	alloc_open(&alloc);
	left_begin(&alloc, &left);
	for (unsigned int f = 0; f < num_formats; f++) {
		for (uint64_t use = 1; use < ALL_USES; use <<= 1) {
			if (use & ALL_USES)
				try_use(&alloc, &formats[f], use, 4);
		}
		for (unsigned int c = 0; c < ARRAY_SIZE(combined); c++)
			try_use(&alloc, &formats[f], combined[c], c % 8);
		try_use(&alloc, &formats[f], BO_USE_NONE, 3);
	}
	left_end(&alloc, &left);
	alloc_close(&alloc);
}

/* Every byte of every plane is the plane's own, and zero to begin with. */
static void check_content(struct alloc *alloc, const struct format *format,
			  uint32_t width, uint32_t height, uint32_t seed)
{
	struct bo *bo = make(alloc, width, height, format->format, USE_CPU);
	struct mapping *mapping;
	uint8_t *map = lock(bo, BO_MAP_READ, 0, &mapping);

	check_buffer(alloc, format, bo);
	for (size_t i = 0; i < bo->meta.total_size; i++) {
		if (map[i])
			fail("a new buffer has %02x at %zu", map[i], i);
	}
	unlock(bo, mapping);
	write_planes(bo, seed);
	expect_planes(bo, seed);
	drv_bo_destroy(bo);
}

void test_content(void)
{
	uint32_t seed = 1;
	struct alloc alloc;
	struct left left;

	alloc_open(&alloc);
	left_begin(&alloc, &left);
	for (unsigned int f = 0; f < num_formats; f++) {
		for (unsigned int s = 0; s < ARRAY_SIZE(sizes); s++)
			check_content(&alloc, &formats[f], sizes[s].width,
				      sizes[s].height, seed++);
	}
	/* A blob has a line, as long as it takes. */
	check_content(&alloc, &formats[8], 1 << 20, 1, seed);
	left_end(&alloc, &left);
	alloc_close(&alloc);
}

/* Formats that stand for others, and uses that some do not have. */
void test_resolve(void)
{
	static const struct {
		uint32_t format;
		uint64_t use;
		uint32_t to_format;
		uint64_t to_use;
	} cases[] = {
		{ DRM_FORMAT_FLEX_IMPLEMENTATION_DEFINED,
		  BO_USE_TEXTURE | BO_USE_SCANOUT,
		  DRM_FORMAT_XBGR8888, BO_USE_TEXTURE | BO_USE_SCANOUT },
		{ DRM_FORMAT_FLEX_IMPLEMENTATION_DEFINED,
		  BO_USE_CAMERA_WRITE | BO_USE_SCANOUT | BO_USE_TEXTURE,
		  DRM_FORMAT_NV12, BO_USE_CAMERA_WRITE | BO_USE_TEXTURE },
		{ DRM_FORMAT_FLEX_IMPLEMENTATION_DEFINED,
		  BO_USE_HW_VIDEO_ENCODER | BO_USE_CAMERA_WRITE,
		  DRM_FORMAT_NV12,
		  BO_USE_HW_VIDEO_ENCODER | BO_USE_CAMERA_WRITE },
		{ DRM_FORMAT_FLEX_YCbCr_420_888, USE_CPU,
		  DRM_FORMAT_NV12, USE_CPU },
		{ DRM_FORMAT_YVU420_ANDROID, BO_USE_TEXTURE | BO_USE_SCANOUT,
		  DRM_FORMAT_YVU420_ANDROID, BO_USE_TEXTURE },
		{ DRM_FORMAT_ABGR8888, BO_USE_RENDERING | BO_USE_SCANOUT,
		  DRM_FORMAT_ABGR8888, BO_USE_RENDERING | BO_USE_SCANOUT },
		{ DRM_FORMAT_R8, BO_USE_GPU_DATA_BUFFER,
		  DRM_FORMAT_R8, BO_USE_GPU_DATA_BUFFER },
	};
	struct alloc alloc;

	alloc_open(&alloc);
	for (unsigned int i = 0; i < ARRAY_SIZE(cases); i++) {
		uint32_t format;
		uint64_t use;

		drv_resolve_format_and_use_flags(alloc.drv, cases[i].format,
						 cases[i].use, &format, &use);
		if (format != cases[i].to_format || use != cases[i].to_use)
			fail("%.4s for 0x%llx is %.4s for 0x%llx",
			     (const char *)&cases[i].format,
			     (unsigned long long)cases[i].use,
			     (const char *)&format, (unsigned long long)use);
		/* What comes out can be had. */
		drv_bo_destroy(make(&alloc, 100, 50, format, use));
	}
	check_ret(drv_get_max_texture_2d_size(alloc.drv), 16384);
	alloc_close(&alloc);
}

/* Linear is the only modifier. */
void test_modifiers(void)
{
	const uint64_t tiled = I915_FORMAT_MOD_X_TILED;
	const uint64_t both[] = { tiled, DRM_FORMAT_MOD_LINEAR };
	struct alloc alloc;
	struct left left;
	struct bo *bo;

	alloc_open(&alloc);
	left_begin(&alloc, &left);
	for (unsigned int f = 0; f < num_formats; f++) {
		uint32_t format = formats[f].format;

		bo = drv_bo_create_with_modifiers(alloc.drv, 50, 20, format,
						  both, 2);
		check(bo);
		check_buffer(&alloc, &formats[f], bo);
		drv_bo_destroy(bo);
		check(!drv_bo_create_with_modifiers(alloc.drv, 50, 20, format,
						    &tiled, 1));
		check_ret(drv_num_planes_from_modifier(alloc.drv, format,
						       DRM_FORMAT_MOD_LINEAR),
			  formats[f].planes);
		check_ret(drv_num_planes_from_modifier(alloc.drv, format,
						       tiled), 0);
	}
	left_end(&alloc, &left);
	alloc_close(&alloc);
}
