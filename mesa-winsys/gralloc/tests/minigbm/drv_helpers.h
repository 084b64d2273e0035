/* SPDX-License-Identifier: MIT */
/*
 * Copyright (C) 2026 movgem maintainers
 *
 * A stand-in for minigbm's drv_helpers.h: what backends share.
 */
#ifndef DRV_HELPERS_H
#define DRV_HELPERS_H

#include "drv.h"

struct format_metadata;

uint32_t drv_height_from_format(uint32_t format, uint32_t height, size_t plane);
int drv_bo_from_format(struct bo *bo, uint32_t stride, uint32_t height,
		       uint32_t format);
void drv_add_combinations(struct driver *drv, const uint32_t *formats,
			  uint32_t count, struct format_metadata *metadata,
			  uint64_t use_flags);
void drv_modify_combination(struct driver *drv, uint32_t format,
			    struct format_metadata *metadata,
			    uint64_t use_flags);
bool drv_has_modifier(const uint64_t *list, uint32_t count, uint64_t modifier);

#endif
