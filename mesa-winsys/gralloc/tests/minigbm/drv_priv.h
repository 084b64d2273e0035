/* SPDX-License-Identifier: MIT */
/*
 * Copyright (C) 2026 movgem maintainers
 *
 * A stand-in for minigbm's drv_priv.h: what a backend is.
 */
#ifndef DRV_PRIV_H
#define DRV_PRIV_H

#include <pthread.h>
#include <sys/types.h>

#include "drv.h"

struct bo_metadata {
	uint32_t width;
	uint32_t height;
	uint32_t format;
	uint32_t tiling;
	size_t num_planes;
	uint32_t offsets[DRV_MAX_PLANES];
	uint32_t sizes[DRV_MAX_PLANES];
	uint32_t strides[DRV_MAX_PLANES];
	uint64_t format_modifier;
	uint64_t use_flags;
	size_t total_size;
};

struct bo {
	struct driver *drv;
	struct bo_metadata meta;
	bool is_test_buffer;
	union bo_handle handles[DRV_MAX_PLANES];
	void *priv;
};

struct format_metadata {
	uint32_t priority;
	uint32_t tiling;
	uint64_t modifier;
};

/* A format, and what its buffers may be used for. */
struct combination {
	uint32_t format;
	struct format_metadata metadata;
	uint64_t use_flags;
};

#define COMBINATIONS_MAX 64

struct driver {
	int fd;
	const struct backend *backend;
	void *priv;

	/* GEM handle to how many planes of buffers have it. */
	pthread_mutex_t buffer_table_lock;
	void *buffer_table;

	pthread_mutex_t mappings_lock;
	struct mapping **mappings;
	unsigned int num_mappings;

	struct combination combos[COMBINATIONS_MAX];
	unsigned int num_combos;
};

struct backend {
	const char *name;
	int (*init)(struct driver *drv);
	void (*close)(struct driver *drv);
	int (*bo_compute_metadata)(struct bo *bo, uint32_t width,
				   uint32_t height, uint32_t format,
				   uint64_t use_flags,
				   const uint64_t *modifiers, uint32_t count);
	int (*bo_create_from_metadata)(struct bo *bo);
	/* For every buffer that goes, and for the last one of its handles. */
	int (*bo_release)(struct bo *bo);
	int (*bo_destroy)(struct bo *bo);
	int (*bo_import)(struct bo *bo, struct drv_import_fd_data *data);
	void *(*bo_map)(struct bo *bo, struct vma *vma, size_t plane,
			uint32_t map_flags);
	int (*bo_unmap)(struct bo *bo, struct vma *vma);
	int (*bo_invalidate)(struct bo *bo, struct mapping *mapping);
	int (*bo_flush)(struct bo *bo, struct mapping *mapping);
	int (*bo_get_plane_fd)(struct bo *bo, size_t plane);
	void (*resolve_format_and_use_flags)(struct driver *drv,
					     uint32_t format,
					     uint64_t use_flags,
					     uint32_t *out_format,
					     uint64_t *out_use_flags);
	size_t (*num_planes_from_modifier)(struct driver *drv, uint32_t format,
					   uint64_t modifier);
	uint32_t (*get_max_texture_2d_size)(struct driver *drv);
};

extern const struct backend backend_movgem;

#define BO_USE_SW_MASK \
	(BO_USE_SW_READ_OFTEN | BO_USE_SW_READ_RARELY | \
	 BO_USE_SW_WRITE_OFTEN | BO_USE_SW_WRITE_RARELY | \
	 BO_USE_FRONT_RENDERING)
#define BO_USE_TEXTURE_MASK \
	(BO_USE_LINEAR | BO_USE_TEXTURE | BO_USE_RENDERSCRIPT | BO_USE_SW_MASK)
#define BO_USE_RENDER_MASK \
	(BO_USE_TEXTURE_MASK | BO_USE_RENDERING)

#define LINEAR_METADATA \
	((struct format_metadata){ 1, 0, DRM_FORMAT_MOD_LINEAR })

#endif
