/*
 * Copyright (C) 2026 movgem maintainers
 * SPDX-License-Identifier: MIT
 *
 * A backend of minigbm, Android's and ChromeOS's allocator of graphics buffers, for movgem.
 *
 * It goes into minigbm's own folder, "&backend_movgem" into the list of backends in drv.c, and
 * libmovgem into what is linked. minigbm knows buffers by GEM handles and counts their users;
 * here each handle in use has a buffer of libmovgem's, which knows how to map it, be it movgem's
 * or another driver's, and what to wait for.
 */

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <xf86drm.h>

#include <movgem.h>

#include "drv_helpers.h"
#include "drv_priv.h"
#include "util.h"

/* What llvmpipe, movgem's blits and its planes take. */
#define MAX_SIZE 16384

/* For lines to begin with a cache line; more than any user of linear images asks for. */
#define STRIDE_ALIGN 64

struct movgem_priv {
	struct movgem_device *dev;

	/* GEM handle to struct handle. */
	pthread_mutex_t lock;
	void *handles;
};

/*
 * What is known of a GEM handle. minigbm counts users of handles, too, but a new one only after
 * bo_import(): if another thread's is gone until then, it has a handle destroyed that has a user.
 */
struct handle {
	/* One reference for all users. */
	struct movgem_bo *bo;

	/* Planes of buffers, from bo_import(), or when they are made, to bo_release(). */
	unsigned int users;
};

/* What all planes of the display show, the cursor too, and the GPU draws to. */
static const uint32_t scanout_formats[] = {
	DRM_FORMAT_ARGB8888, DRM_FORMAT_XRGB8888, DRM_FORMAT_ABGR8888,
	DRM_FORMAT_XBGR8888, DRM_FORMAT_RGB565,
};

static const uint32_t render_formats[] = {
	DRM_FORMAT_ABGR2101010,
	DRM_FORMAT_ABGR16161616F,
};

/* R8 is what BLOB is, R16 is RAW16 and Y16. */
static const uint32_t texture_formats[] = {
	DRM_FORMAT_BGR888, DRM_FORMAT_R8,     DRM_FORMAT_R16,	 DRM_FORMAT_NV12,
	DRM_FORMAT_NV21,   DRM_FORMAT_YVU420, DRM_FORMAT_YVU420_ANDROID, DRM_FORMAT_P010,
};

static const uint32_t camera_formats[] = {
	DRM_FORMAT_R8,	 DRM_FORMAT_R16,    DRM_FORMAT_NV12,
	DRM_FORMAT_NV21, DRM_FORMAT_YVU420, DRM_FORMAT_YVU420_ANDROID,
};

static const uint32_t video_formats[] = {
	DRM_FORMAT_R8,	   DRM_FORMAT_NV12, DRM_FORMAT_NV21, DRM_FORMAT_YVU420,
	DRM_FORMAT_YVU420_ANDROID, DRM_FORMAT_P010,
};

static void add_use(struct driver *drv, const uint32_t *formats, size_t count, uint64_t use_flags)
{
	for (size_t i = 0; i < count; i++)
		drv_modify_combination(drv, formats[i], &LINEAR_METADATA, use_flags);
}

static int movgem_init(struct driver *drv)
{
	struct movgem_priv *priv = calloc(1, sizeof(*priv));
	int ret;

	if (!priv)
		return -ENOMEM;

	priv->handles = drmHashCreate();
	if (!priv->handles) {
		free(priv);
		return -ENOMEM;
	}

	ret = movgem_device_create(drv->fd, &priv->dev);
	if (ret) {
		drv_loge("movgem: no device: %s\n", strerror(-ret));
		drmHashDestroy(priv->handles);
		free(priv);
		return ret;
	}

	pthread_mutex_init(&priv->lock, NULL);
	drv->priv = priv;

	drv_add_combinations(drv, scanout_formats, ARRAY_SIZE(scanout_formats), &LINEAR_METADATA,
			     BO_USE_RENDER_MASK | BO_USE_SCANOUT);
	drv_add_combinations(drv, render_formats, ARRAY_SIZE(render_formats), &LINEAR_METADATA,
			     BO_USE_RENDER_MASK);
	drv_add_combinations(drv, texture_formats, ARRAY_SIZE(texture_formats), &LINEAR_METADATA,
			     BO_USE_TEXTURE_MASK);

	add_use(drv, &(uint32_t){ DRM_FORMAT_ARGB8888 }, 1, BO_USE_CURSOR);
	add_use(drv, &(uint32_t){ DRM_FORMAT_R8 }, 1,
		BO_USE_GPU_DATA_BUFFER | BO_USE_SENSOR_DIRECT_DATA);
	add_use(drv, camera_formats, ARRAY_SIZE(camera_formats),
		BO_USE_CAMERA_READ | BO_USE_CAMERA_WRITE);
	add_use(drv, video_formats, ARRAY_SIZE(video_formats),
		BO_USE_HW_VIDEO_DECODER | BO_USE_HW_VIDEO_ENCODER);
	return 0;
}

static void movgem_close(struct driver *drv)
{
	struct movgem_priv *priv = drv->priv;
	unsigned long key;
	void *value;

	/* Whoever closes it with buffers left does not want them any more. */
	while (drmHashFirst(priv->handles, &key, &value) == 1) {
		struct handle *handle = value;

		drmHashDelete(priv->handles, key);
		movgem_bo_unref(handle->bo);
		free(handle);
	}
	drmHashDestroy(priv->handles);
	pthread_mutex_destroy(&priv->lock);
	movgem_device_unref(priv->dev);
	free(priv);
	drv->priv = NULL;
}

/* With the lock; NULL if it is not known. */
static struct handle *find_handle(struct movgem_priv *priv, uint32_t number)
{
	void *value;

	return drmHashLookup(priv->handles, number, &value) ? NULL : value;
}

/* The buffer of a handle, which is there as long as its users are. */
static struct movgem_bo *find_bo(struct driver *drv, uint32_t number)
{
	struct movgem_priv *priv = drv->priv;
	struct movgem_bo *mbo;
	struct handle *handle;

	pthread_mutex_lock(&priv->lock);
	handle = find_handle(priv, number);
	mbo = handle ? handle->bo : NULL;
	pthread_mutex_unlock(&priv->lock);
	return mbo;
}

/* With the lock: takes the reference, and sets it to NULL, unless the handle has one. */
static bool add_user(struct movgem_priv *priv, uint32_t number, struct movgem_bo **mbo)
{
	struct handle *handle = find_handle(priv, number);

	if (!handle) {
		handle = calloc(1, sizeof(*handle));
		if (!handle)
			return false;
		if (drmHashInsert(priv->handles, number, handle)) {
			free(handle);
			return false;
		}
		handle->bo = *mbo;
		*mbo = NULL;
	}
	handle->users++;
	return true;
}

/* With the lock: the last add_user(), which may have taken the reference, undone. */
static void undo_user(struct movgem_priv *priv, uint32_t number, struct movgem_bo **mbo)
{
	struct handle *handle = find_handle(priv, number);

	handle->users--;
	if (!*mbo) {
		*mbo = handle->bo;
		drmHashDelete(priv->handles, number);
		free(handle);
	}
}

/* A new buffer is a user of those of its planes: all or none. Takes the references. */
static int add_users(struct bo *bo, struct movgem_bo *mbos[])
{
	struct movgem_priv *priv = bo->drv->priv;
	size_t count = 0;
	int ret = 0;

	for (size_t plane = 0; plane < bo->meta.num_planes; plane++)
		bo->handles[plane].u32 = movgem_bo_get_handle(mbos[plane]);

	pthread_mutex_lock(&priv->lock);
	while (count < bo->meta.num_planes &&
	       add_user(priv, bo->handles[count].u32, &mbos[count]))
		count++;
	if (count < bo->meta.num_planes) {
		ret = -ENOMEM;
		while (count--)
			undo_user(priv, bo->handles[count].u32, &mbos[count]);
	}
	pthread_mutex_unlock(&priv->lock);

	for (size_t plane = 0; plane < bo->meta.num_planes; plane++)
		movgem_bo_unref(mbos[plane]);
	return ret;
}

/* Frees a handle that has no users, neither any more nor again. */
static void drop_handle(struct driver *drv, uint32_t number)
{
	struct movgem_priv *priv = drv->priv;
	struct movgem_bo *mbo = NULL;
	struct handle *handle;

	pthread_mutex_lock(&priv->lock);
	handle = find_handle(priv, number);
	if (handle && !handle->users) {
		drmHashDelete(priv->handles, number);
		mbo = handle->bo;
		free(handle);
	}
	pthread_mutex_unlock(&priv->lock);
	movgem_bo_unref(mbo);
}

/*
 * What minigbm calculates in 32 bits must fit. Buffers of bytes are as wide as they are large;
 * all else is an image.
 */
static bool size_fits(uint32_t width, uint32_t height, uint32_t format)
{
	uint64_t line;

	if (!width || !height)
		return false;
	if ((format != DRM_FORMAT_R8 || height > 1) && (width > MAX_SIZE || height > MAX_SIZE))
		return false;

	line = (uint64_t)width * drv_bytes_per_pixel_from_format(format, 0) + 3 * STRIDE_ALIGN;
	return line * height * 3 <= UINT32_MAX;
}

static int movgem_bo_compute_metadata(struct bo *bo, uint32_t width, uint32_t height,
				      uint32_t format, uint64_t use_flags,
				      const uint64_t *modifiers, uint32_t count)
{
	uint32_t align, stride;

	/* Those who name modifiers do not say what it is for: all formats can be sampled. */
	if (count) {
		if (!drv_has_modifier(modifiers, count, DRM_FORMAT_MOD_LINEAR))
			return -EINVAL;
		use_flags = BO_USE_TEXTURE;
	}
	/* Android allocates what has no use at all, too. */
	if (!drv_get_combination(bo->drv, format, use_flags ? use_flags : BO_USE_TEXTURE))
		return -EINVAL;
	if (!size_fits(width, height, format))
		return -EINVAL;

	/*
	 * A whole number of pixels, as gralloc tells strides in pixels. For YV12 half of it is
	 * aligned to 16 bytes, which Android asks for.
	 */
	align = STRIDE_ALIGN;
	if (format == DRM_FORMAT_BGR888)
		align *= 3;
	stride = drv_stride_from_format(format, width, 0);
	stride = (stride + align - 1) / align * align;
	drv_bo_from_format(bo, stride, height, format);

	bo->meta.tiling = 0;
	bo->meta.format_modifier = DRM_FORMAT_MOD_LINEAR;
	return 0;
}

/* For debugfs: what the buffer is, and for whom. */
static void label_bo(struct bo *bo, struct movgem_bo *mbo)
{
	uint32_t format = drv_get_standard_fourcc(bo->meta.format);
	char label[DRM_MOVGEM_BO_LABEL_MAX];

	snprintf(label, sizeof(label), "gralloc %ux%u %c%c%c%c 0x%llx", bo->meta.width,
		 bo->meta.height, (int)(format & 0xff), (int)(format >> 8 & 0xff),
		 (int)(format >> 16 & 0xff), (int)(format >> 24),
		 (unsigned long long)bo->meta.use_flags);
	movgem_bo_set_label(mbo, label);
}

static int movgem_bo_create_from_metadata(struct bo *bo)
{
	struct movgem_priv *priv = bo->drv->priv;
	const struct movgem_bo_params params = { .size = bo->meta.total_size };
	struct movgem_bo *mbos[DRV_MAX_PLANES], *mbo;
	int ret;

	ret = movgem_bo_create(priv->dev, &params, &mbo);
	if (ret) {
		drv_loge("movgem: no buffer of %zu bytes: %s\n", bo->meta.total_size,
			 strerror(-ret));
		return ret;
	}
	label_bo(bo, mbo);

	bo->meta.total_size = movgem_bo_get_size(mbo);
	for (size_t plane = 0; plane < bo->meta.num_planes; plane++)
		mbos[plane] = plane ? movgem_bo_ref(mbo) : mbo;
	return add_users(bo, mbos);
}

/* A buffer goes, and is still counted by minigbm. */
static int movgem_bo_release(struct bo *bo)
{
	struct movgem_priv *priv = bo->drv->priv;

	/* No more than that: up to bo_destroy() minigbm has maps of the last user's handles. */
	pthread_mutex_lock(&priv->lock);
	for (size_t plane = 0; plane < bo->meta.num_planes; plane++)
		find_handle(priv, bo->handles[plane].u32)->users--;
	pthread_mutex_unlock(&priv->lock);
	return 0;
}

/* The last user of all handles of a buffer has gone, as far as minigbm knows. */
static int movgem_bo_destroy(struct bo *bo)
{
	for (size_t plane = 0; plane < bo->meta.num_planes; plane++) {
		uint32_t handle = bo->handles[plane].u32;
		size_t first = 0;

		/* Once it is closed, the next buffer of another thread may have the same. */
		while (bo->handles[first].u32 != handle)
			first++;
		if (first == plane)
			drop_handle(bo->drv, handle);
	}
	return 0;
}

/* Is a plane, as somebody else says it is, inside the dma-buf? */
static bool plane_fits(const struct drv_import_fd_data *data, size_t plane,
		       const struct movgem_bo *mbo)
{
	uint64_t rows = drv_height_from_format(data->format, data->height, plane);
	uint32_t line = drv_stride_from_format(data->format, data->width, plane);

	/* The last line need not be as long as the others, nor padded. */
	if (data->format == DRM_FORMAT_YVU420_ANDROID)
		line = plane ? (data->width + 1) / 2 : data->width;
	return data->strides[plane] >= line &&
	       data->offsets[plane] + (rows - 1) * data->strides[plane] + line <=
		       movgem_bo_get_size(mbo);
}

static int import_plane(struct driver *drv, struct drv_import_fd_data *data, size_t plane,
			struct movgem_bo **mbo)
{
	struct movgem_priv *priv = drv->priv;
	int ret;

	ret = movgem_bo_import(priv->dev, data->fds[plane], mbo);
	if (ret) {
		drv_loge("movgem: importing a dma-buf: %s\n", strerror(-ret));
		return ret;
	}
	if (!plane_fits(data, plane, *mbo)) {
		drv_loge("movgem: plane %zu of %ux%u, stride %u at %u, is not in its dma-buf\n",
			 plane, data->width, data->height, data->strides[plane],
			 data->offsets[plane]);
		movgem_bo_unref(*mbo);
		return -EINVAL;
	}
	return 0;
}

static int movgem_bo_prime_import(struct bo *bo, struct drv_import_fd_data *data)
{
	struct movgem_bo *mbos[DRV_MAX_PLANES];
	size_t count = 0;
	int ret = 0;

	if (data->format_modifier != DRM_FORMAT_MOD_LINEAR &&
	    data->format_modifier != DRM_FORMAT_MOD_INVALID)
		return -EINVAL;
	if (!drv_get_combination(bo->drv, data->format, BO_USE_TEXTURE) ||
	    !size_fits(data->width, data->height, data->format))
		return -EINVAL;

	/* All of them or none: what others have under the same handle stays. */
	while (!ret && count < bo->meta.num_planes) {
		ret = import_plane(bo->drv, data, count, &mbos[count]);
		if (!ret)
			count++;
	}
	if (ret) {
		while (count--)
			movgem_bo_unref(mbos[count]);
		return ret;
	}
	bo->meta.tiling = 0;
	return add_users(bo, mbos);
}

/* A buffer is mapped once for all, until it is destroyed. */
static void *movgem_bo_map_plane(struct bo *bo, struct vma *vma, size_t plane, uint32_t map_flags)
{
	struct movgem_bo *mbo = find_bo(bo->drv, bo->handles[plane].u32);
	void *map;
	int ret;

	if (!mbo)
		return MAP_FAILED;
	ret = movgem_bo_map(mbo, &map);
	if (ret) {
		drv_loge("movgem: mapping a buffer: %s\n", strerror(-ret));
		return MAP_FAILED;
	}
	vma->length = movgem_bo_get_size(mbo);
	return map;
}

static int movgem_bo_unmap_plane(struct bo *bo, struct vma *vma)
{
	return 0;
}

/*
 * For reading and writing, whatever a mapping is for: of locks inside a lock minigbm passes the
 * mapping of the first one.
 */
#define ANY_ACCESS (MOVGEM_ACCESS_READ | MOVGEM_ACCESS_WRITE)

/* The CPU is going to access it: what others do with it has to have ended. */
static int movgem_bo_invalidate(struct bo *bo, struct mapping *mapping)
{
	struct movgem_bo *mbo = find_bo(bo->drv, mapping->vma->handle);

	return mbo ? movgem_bo_begin_access(mbo, ANY_ACCESS) : -EINVAL;
}

/* The CPU has accessed it: others have to see that. */
static int movgem_bo_flush(struct bo *bo, struct mapping *mapping)
{
	struct movgem_bo *mbo = find_bo(bo->drv, mapping->vma->handle);

	return mbo ? movgem_bo_end_access(mbo, ANY_ACCESS) : -EINVAL;
}

static int movgem_bo_get_plane_fd(struct bo *bo, size_t plane)
{
	struct movgem_bo *mbo = find_bo(bo->drv, bo->handles[plane].u32);
	int ret, fd;

	if (!mbo)
		return -EINVAL;
	ret = movgem_bo_export(mbo, &fd);
	return ret ? ret : fd;
}

static void movgem_resolve_format_and_use_flags(struct driver *drv, uint32_t format,
						uint64_t use_flags, uint32_t *out_format,
						uint64_t *out_use_flags)
{
	const uint64_t yuv = BO_USE_CAMERA_READ | BO_USE_CAMERA_WRITE | BO_USE_HW_VIDEO_DECODER |
			     BO_USE_HW_VIDEO_ENCODER;

	switch (format) {
	case DRM_FORMAT_FLEX_IMPLEMENTATION_DEFINED:
		format = use_flags & yuv ? DRM_FORMAT_NV12 : DRM_FORMAT_XBGR8888;
		break;
	case DRM_FORMAT_FLEX_YCbCr_420_888:
		format = DRM_FORMAT_NV12;
		break;
	}

	/* What is not to be on a plane is composed by the GPU. */
	if (use_flags & BO_USE_SCANOUT && !drv_get_combination(drv, format, BO_USE_SCANOUT))
		use_flags &= ~BO_USE_SCANOUT;

	*out_format = format;
	*out_use_flags = use_flags;
}

/* It is asked for modifiers other than linear, of which there are none. */
static size_t movgem_num_planes_from_modifier(struct driver *drv, uint32_t format,
					      uint64_t modifier)
{
	return modifier == DRM_FORMAT_MOD_LINEAR ? drv_num_planes_from_format(format) : 0;
}

static uint32_t movgem_get_max_texture_2d_size(struct driver *drv)
{
	return MAX_SIZE;
}

const struct backend backend_movgem = {
	.name = "movgem",
	.init = movgem_init,
	.close = movgem_close,
	.bo_compute_metadata = movgem_bo_compute_metadata,
	.bo_create_from_metadata = movgem_bo_create_from_metadata,
	.bo_release = movgem_bo_release,
	.bo_destroy = movgem_bo_destroy,
	.bo_import = movgem_bo_prime_import,
	.bo_map = movgem_bo_map_plane,
	.bo_unmap = movgem_bo_unmap_plane,
	.bo_invalidate = movgem_bo_invalidate,
	.bo_flush = movgem_bo_flush,
	.bo_get_plane_fd = movgem_bo_get_plane_fd,
	.resolve_format_and_use_flags = movgem_resolve_format_and_use_flags,
	.num_planes_from_modifier = movgem_num_planes_from_modifier,
	.get_max_texture_2d_size = movgem_get_max_texture_2d_size,
};
