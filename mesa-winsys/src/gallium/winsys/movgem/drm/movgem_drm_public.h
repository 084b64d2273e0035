/*
 * Copyright (C) 2026 movgem maintainers
 * SPDX-License-Identifier: MIT
 */

#ifndef MOVGEM_DRM_PUBLIC_H
#define MOVGEM_DRM_PUBLIC_H

#ifdef __cplusplus
extern "C" {
#endif

struct pipe_screen;

/**
 * Create a software rasterizer's screen whose memory is movgem BOs, or take
 * another reference to the one that the file description of \p fd has.
 * \p fd stays the caller's.
 */
struct pipe_screen *
movgem_drm_screen_create(int fd);

#ifdef __cplusplus
}
#endif

#endif /* MOVGEM_DRM_PUBLIC_H */
