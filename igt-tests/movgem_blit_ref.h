/* SPDX-License-Identifier: MIT */
/*
 * Copyright (C) 2026 movgem maintainers
 *
 * A reference blitter, written from the text of movgem_drm.h alone. It works
 * on plain memory, one pixel at a time, and is meant to be obviously right
 * rather than fast. Nothing here may be shared with the driver.
 */
#ifndef MOVGEM_BLIT_REF_H
#define MOVGEM_BLIT_REF_H

#include <stdbool.h>
#include <stdint.h>

#include "movgem_drm.h"

/** struct ref_pixel - one pixel, every channel 8 bits wide */
struct ref_pixel {
	unsigned int a, r, g, b;
};

unsigned int ref_format_bytes(uint32_t format);
bool ref_format_has_alpha(uint32_t format);
const char *ref_format_name(uint32_t format);

struct ref_pixel ref_unpack(uint32_t format, const uint8_t *at);
void ref_pack(uint32_t format, struct ref_pixel pixel, uint8_t *at);

/* Of four neighbours, by what the right and the lower ones weigh of 256. */
struct ref_pixel ref_mix_pixels(struct ref_pixel p00, struct ref_pixel p10,
				struct ref_pixel p01, struct ref_pixel p11,
				unsigned int fu, unsigned int fv);

/*
 * Executes @cmd. @src and @dst are where cmd->src.addr and cmd->dst.addr lie
 * in this process's memory.
 */
void ref_blit(const struct drm_movgem_cmd_blit *cmd, const uint8_t *src,
	      uint8_t *dst);

#endif
