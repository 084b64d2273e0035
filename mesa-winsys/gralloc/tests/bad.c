// SPDX-License-Identifier: MIT
/*
 * Copyright (C) 2026 movgem maintainers
 *
 * What is refused, and leaves nothing behind.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "test.h"

static void bad_sizes(struct alloc *alloc)
{
	static const struct {
		uint32_t format, width, height;
	} bad[] = {
		{ DRM_FORMAT_ABGR8888, 0, 10 },
		{ DRM_FORMAT_ABGR8888, 10, 0 },
		{ DRM_FORMAT_ABGR8888, 16385, 1 },
		{ DRM_FORMAT_ABGR8888, 1, 16385 },
		/* Each of these is small in 32 bits. */
		{ DRM_FORMAT_ABGR8888, 0x40000001, 1 },
		{ DRM_FORMAT_ABGR8888, 0x10000, 0x10000 },
		{ DRM_FORMAT_ABGR16161616F, 0x20000001, 1 },
		{ DRM_FORMAT_NV12, UINT32_MAX, UINT32_MAX },
		{ DRM_FORMAT_R8, UINT32_MAX, 1 },
		{ DRM_FORMAT_R8, 0xffffffc1, 1 },
		{ DRM_FORMAT_R8, 0x10000, 2 },
		/* Less than 4 GiB, but not with what is calculated on the way. */
		{ DRM_FORMAT_ABGR16161616F, 16384, 16384 },
		/* None of the backend's. */
		{ fourcc_code('X', 'X', 'X', 'X'), 10, 10 },
		{ DRM_FORMAT_FLEX_IMPLEMENTATION_DEFINED, 10, 10 },
		{ 0, 10, 10 },
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
		if (drv_bo_create(alloc->drv, bad[i].width, bad[i].height,
				  bad[i].format, BO_USE_TEXTURE))
			fail("%ux%u of %.4s was made", bad[i].width,
			     bad[i].height, (const char *)&bad[i].format);
		check_ret(errno, EINVAL);
	}
}

static void refuse(struct alloc *alloc, struct drv_import_fd_data *data,
		   const char *why)
{
	struct bo *bo = drv_bo_import(alloc->drv, data);

	if (bo)
		fail("an image with %s was taken", why);
	check(errno == EINVAL || errno == EBADF);
}

static void bad_imports(struct alloc *alloc)
{
	struct bo *bo = make(alloc, 100, 60, DRM_FORMAT_NV12,
			     BO_USE_CAMERA_WRITE), *again;
	struct bo *small = make(alloc, 10, 10, DRM_FORMAT_R8, USE_CPU);
	struct drv_import_fd_data good, data;
	int fds[2];

	describe(bo, &good);
	write_planes(bo, 7);
#define REFUSE(why, ...) \
	do { data = good; __VA_ARGS__; refuse(alloc, &data, why); } while (0)
	REFUSE("a modifier", data.format_modifier = I915_FORMAT_MOD_X_TILED);
	REFUSE("a format that is none", data.format = 1);
	REFUSE("no width", data.width = 0);
	REFUSE("no height", data.height = 0);
	REFUSE("more lines than there are", data.height = 200);
	REFUSE("a width that nothing has", data.width = 0x10000);
	REFUSE("a stride that is too small", data.strides[0] = 99);
	REFUSE("a stride that is too small for chroma", data.strides[1] = 99);
	REFUSE("a stride that is too large", data.strides[0] = 1 << 20);
	REFUSE("a stride that wraps", data.strides[0] = UINT32_MAX);
	REFUSE("an offset that is too large", data.offsets[1] = 1 << 20);
	REFUSE("an offset that wraps", data.offsets[1] = UINT32_MAX);
	REFUSE("a file that is not open", data.fds[0] = 999);
	REFUSE("a file that is not open for chroma", data.fds[1] = 999);
	check(!pipe2(fds, O_CLOEXEC));
	REFUSE("a file that is no dma-buf", data.fds[0] = fds[0]);
	REFUSE("chroma in a file that is no dma-buf", data.fds[1] = fds[0]);
	REFUSE("the node itself", data.fds[0] = alloc->fd);
	close(fds[0]);
	close(fds[1]);

	/* Chroma of a buffer that is too small for it: of luma's, nothing is lost. */
	data = good;
	data.strides[1] = 4096;
	data.fds[1] = drv_bo_get_plane_fd(small, 0);
	data.offsets[1] = 0;
	refuse(alloc, &data, "chroma that is too large");
	close(data.fds[1]);

	/* All of that has not hurt those that there are. */
	expect_planes(bo, 7);
	again = drv_bo_import(alloc->drv, &good);
	check(again && again->handles[0].u32 == bo->handles[0].u32);
	expect_planes(again, 7);
	drv_bo_destroy(bo);
	expect_planes(again, 7);
	drv_bo_destroy(again);
	drv_bo_destroy(small);
	close_fds(&good, 2);
}

static void no_device(void)
{
	int fds[2];

	check(!pipe2(fds, O_CLOEXEC));
	check(!drv_create(fds[0]));
	close(fds[0]);
	close(fds[1]);
	check(!drv_create(-1));
}

void test_bad(void)
{
	struct alloc alloc;
	struct left left;

	no_device();
	alloc_open(&alloc);
	left_begin(&alloc, &left);
	bad_sizes(&alloc);
	bad_imports(&alloc);
	left_end(&alloc, &left);
	alloc_close(&alloc);
}
