// SPDX-License-Identifier: MIT
/*
 * Copyright (C) 2026 movgem maintainers
 *
 * GBM buffers for each use that Android's allocators ask for.
 */
#include <drm_fourcc.h>
#include <unistd.h>

#include "test.h"

/* Each line is a multiple of four bytes. */
#define WIDTH	120
#define HEIGHT	70

static const struct {
	uint32_t format;
	unsigned int bytes;
} formats[] = {
	{ GBM_FORMAT_ARGB8888, 4 },
	{ GBM_FORMAT_XRGB8888, 4 },
	{ GBM_FORMAT_ABGR8888, 4 },
	{ GBM_FORMAT_XBGR8888, 4 },
	{ GBM_FORMAT_RGB565, 2 },
	{ GBM_FORMAT_ABGR2101010, 4 },
	{ GBM_FORMAT_ABGR16161616F, 8 },
	{ GBM_FORMAT_R8, 1 },
	{ GBM_FORMAT_GR88, 2 },
};

static const uint32_t usages[] = {
	GBM_BO_USE_RENDERING,
	GBM_BO_USE_LINEAR,
	GBM_BO_USE_SCANOUT,
	GBM_BO_USE_RENDERING | GBM_BO_USE_SCANOUT,
	GBM_BO_USE_RENDERING | GBM_BO_USE_LINEAR,
	GBM_BO_USE_SCANOUT | GBM_BO_USE_FRONT_RENDERING,
};

static void write_lines(uint8_t *map, uint32_t stride, unsigned int line,
			uint32_t seed)
{
	for (unsigned int y = 0; y < HEIGHT; y++)
		fill_words(map + y * stride, line, seed + y);
}

static void expect_lines(const uint8_t *map, uint32_t stride,
			 unsigned int line, uint32_t seed)
{
	for (unsigned int y = 0; y < HEIGHT; y++)
		expect_words(map + y * stride, line, seed + y);
}

/* Written by GBM's map and read as movgem has it, and the other way round. */
static void by_map(struct gbm_bo *gbm, const struct bo *bo, unsigned int line,
		   uint32_t seed)
{
	void *transfer = NULL, *map;
	uint32_t stride;

	map = gbm_bo_map(gbm, 0, 0, WIDTH, HEIGHT, GBM_BO_TRANSFER_WRITE,
			 &stride, &transfer);
	check(map);
	write_lines(map, stride, line, seed);
	gbm_bo_unmap(gbm, transfer);
	expect_lines(bo->map, gbm_bo_get_stride(gbm), line, seed);

	write_lines(bo->map, gbm_bo_get_stride(gbm), line, seed + 1000);
	transfer = NULL;
	map = gbm_bo_map(gbm, 0, 0, WIDTH, HEIGHT, GBM_BO_TRANSFER_READ,
			 &stride, &transfer);
	check(map);
	expect_lines(map, stride, line, seed + 1000);
	gbm_bo_unmap(gbm, transfer);
}

static void buffer(struct gbm_device *device, unsigned int format,
		   uint32_t usage, uint32_t seed)
{
	const unsigned int line = WIDTH * formats[format].bytes;
	struct gbm_bo *gbm = gbm_bo_create(device, WIDTH, HEIGHT,
					   formats[format].format, usage);
	uint64_t moved;
	struct bo bo;
	int dmabuf;

	if (!gbm)
		fail("no %.4s for use 0x%x",
		     (const char *)&formats[format].format, usage);
	check(gbm_bo_get_modifier(gbm) == DRM_FORMAT_MOD_LINEAR);
	check(gbm_bo_get_plane_count(gbm) == 1 && !gbm_bo_get_offset(gbm, 0));
	check(gbm_bo_get_stride(gbm) >= line);
	dmabuf = gbm_bo_get_fd(gbm);
	check(dmabuf >= 0);
	bo_open(&bo, dmabuf);
	close(dmabuf);
	check(bo.size >= (uint64_t)gbm_bo_get_stride(gbm) * HEIGHT);
	moved = bo_moved(&bo);
	for (int i = 0; i < 3 || bo_moved(&bo) == moved; i++)
		by_map(gbm, &bo, line, seed + i * HEIGHT);
	bo_close(&bo);
	gbm_bo_destroy(gbm);
}

void test_usages(void)
{
	struct gbm_device *device;
	unsigned int made = 0;
	int fd = open_card();

	device = gbm_create_device(fd);
	check(device);
	for (unsigned int f = 0; f < sizeof(formats) / sizeof(*formats); f++) {
		for (unsigned int u = 0; u < sizeof(usages) / sizeof(*usages);
		     u++) {
			check(gbm_device_is_format_supported(device,
							     formats[f].format,
							     usages[u]));
			buffer(device, f, usages[u], 5000 * made++);
		}
	}
	printf("    %u of format and use\n", made);
	gbm_device_destroy(device);
	close(fd);
}
