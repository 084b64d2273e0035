// SPDX-License-Identifier: MIT
/*
 * Copyright (C) 2026 movgem maintainers
 */
#include <drm_fourcc.h>
#include <stddef.h>
#include <string.h>

#include "movgem_blit_ref.h"

/*
 * Where the channels lie in a little endian word, as drm_fourcc.h names them
 * from the highest bit down. A width of 0: the format lacks the channel.
 */
struct ref_channel {
	unsigned int shift, width;
};

static const struct ref_format {
	uint32_t fourcc;
	const char *name;
	unsigned int bytes;
	uint32_t fill; /* bits of an X channel */
	struct ref_channel a, r, g, b;
} ref_formats[] = {
	{ DRM_FORMAT_XRGB8888, "XRGB8888", 4, 0xff000000,
	  { 0, 0 }, { 16, 8 }, { 8, 8 }, { 0, 8 } },
	{ DRM_FORMAT_ARGB8888, "ARGB8888", 4, 0,
	  { 24, 8 }, { 16, 8 }, { 8, 8 }, { 0, 8 } },
	{ DRM_FORMAT_XBGR8888, "XBGR8888", 4, 0xff000000,
	  { 0, 0 }, { 0, 8 }, { 8, 8 }, { 16, 8 } },
	{ DRM_FORMAT_ABGR8888, "ABGR8888", 4, 0,
	  { 24, 8 }, { 0, 8 }, { 8, 8 }, { 16, 8 } },
	{ DRM_FORMAT_RGB565, "RGB565", 2, 0,
	  { 0, 0 }, { 11, 5 }, { 5, 6 }, { 0, 5 } },
};

static const struct ref_format *ref_find(uint32_t fourcc)
{
	size_t i;

	for (i = 0; i < sizeof(ref_formats) / sizeof(ref_formats[0]); i++)
		if (ref_formats[i].fourcc == fourcc)
			return &ref_formats[i];

	return NULL;
}

unsigned int ref_format_bytes(uint32_t format)
{
	return ref_find(format)->bytes;
}

bool ref_format_has_alpha(uint32_t format)
{
	return ref_find(format)->a.width;
}

const char *ref_format_name(uint32_t format)
{
	return ref_find(format)->name;
}

/* "5 bit x to x << 3 | x >> 2, 6 bit x to x << 2 | x >> 4" */
static unsigned int ref_widen(uint32_t word, struct ref_channel c)
{
	unsigned int x = word >> c.shift & ((1u << c.width) - 1);

	switch (c.width) {
	case 0:
		return 255; /* "a missing alpha is 255" */
	case 5:
		return x << 3 | x >> 2;
	case 6:
		return x << 2 | x >> 4;
	default:
		return x;
	}
}

/* "Channels are narrowed by dropping low bits" */
static uint32_t ref_narrow(unsigned int value, struct ref_channel c)
{
	return c.width ? value >> (8 - c.width) << c.shift : 0;
}

struct ref_pixel ref_unpack(uint32_t format, const uint8_t *at)
{
	const struct ref_format *f = ref_find(format);
	uint32_t word = 0;
	unsigned int i;

	for (i = 0; i < f->bytes; i++)
		word |= (uint32_t)at[i] << 8 * i;

	return (struct ref_pixel) {
		.a = ref_widen(word, f->a),
		.r = ref_widen(word, f->r),
		.g = ref_widen(word, f->g),
		.b = ref_widen(word, f->b),
	};
}

void ref_pack(uint32_t format, struct ref_pixel pixel, uint8_t *at)
{
	const struct ref_format *f = ref_find(format);
	uint32_t word = f->fill;
	unsigned int i;

	word |= ref_narrow(pixel.a, f->a) | ref_narrow(pixel.r, f->r) |
		ref_narrow(pixel.g, f->g) | ref_narrow(pixel.b, f->b);
	for (i = 0; i < f->bytes; i++)
		at[i] = word >> 8 * i;
}

/* Offset of pixel (x, y) of the rectangle, from the surface's address. */
static size_t ref_offset(const struct drm_movgem_surface *s, uint32_t x,
			 uint32_t y)
{
	return (size_t)(s->y + y) * s->pitch +
	       (size_t)(s->x + x) * ref_format_bytes(s->format);
}

static struct ref_pixel ref_load(const struct drm_movgem_surface *s,
				 const uint8_t *mem, uint32_t x, uint32_t y)
{
	return ref_unpack(s->format, mem + ref_offset(s, x, y));
}

/* u = ((2 * i + 1) * sw << 15) / dw - (1 << 15), clamped */
static uint32_t ref_position(uint32_t i, uint32_t sw, uint32_t dw)
{
	int64_t u = (((2 * (int64_t)i + 1) * sw) << 15) / dw - (1 << 15);
	int64_t max = ((int64_t)sw - 1) << 16;

	return u < 0 ? 0 : u > max ? max : u;
}

static unsigned int ref_mix(unsigned int c00, unsigned int c10,
			    unsigned int c01, unsigned int c11,
			    unsigned int fu, unsigned int fv)
{
	unsigned int top = c00 * (256 - fu) + c10 * fu;
	unsigned int bottom = c01 * (256 - fu) + c11 * fu;

	return (top * (256 - fv) + bottom * fv + (1 << 15)) >> 16;
}

struct ref_pixel ref_mix_pixels(struct ref_pixel p00, struct ref_pixel p10,
				struct ref_pixel p01, struct ref_pixel p11,
				unsigned int fu, unsigned int fv)
{
	return (struct ref_pixel) {
		.a = ref_mix(p00.a, p10.a, p01.a, p11.a, fu, fv),
		.r = ref_mix(p00.r, p10.r, p01.r, p11.r, fu, fv),
		.g = ref_mix(p00.g, p10.g, p01.g, p11.g, fu, fv),
		.b = ref_mix(p00.b, p10.b, p01.b, p11.b, fu, fv),
	};
}

static struct ref_pixel ref_bilinear(const struct drm_movgem_surface *s,
				     const uint8_t *mem, uint32_t u, uint32_t v)
{
	uint32_t x0 = u >> 16, y0 = v >> 16;
	uint32_t x1 = x0 + 1 < s->w ? x0 + 1 : s->w - 1;
	uint32_t y1 = y0 + 1 < s->h ? y0 + 1 : s->h - 1;

	return ref_mix_pixels(ref_load(s, mem, x0, y0), ref_load(s, mem, x1, y0),
			      ref_load(s, mem, x0, y1), ref_load(s, mem, x1, y1),
			      u >> 8 & 255, v >> 8 & 255);
}

static unsigned int ref_over(unsigned int cs, unsigned int cd, unsigned int a)
{
	unsigned int c = cs + (cd * (255 - a) + 127) / 255;

	return c > 255 ? 255 : c;
}

void ref_blit(const struct drm_movgem_cmd_blit *cmd, const uint8_t *src,
	      uint8_t *dst)
{
	const struct drm_movgem_surface *s = &cmd->src, *d = &cmd->dst;
	struct ref_pixel p, q;
	uint32_t i, j;

	for (j = 0; j < d->h; j++) {
		for (i = 0; i < d->w; i++) {
			if (cmd->hdr.flags & DRM_MOVGEM_BLIT_BILINEAR)
				p = ref_bilinear(s, src,
						 ref_position(i, s->w, d->w),
						 ref_position(j, s->h, d->h));
			else
				p = ref_load(s, src,
					     (uint64_t)i * s->w / d->w,
					     (uint64_t)j * s->h / d->h);

			if (cmd->hdr.flags & DRM_MOVGEM_BLIT_SRC_OVER) {
				q = ref_load(d, dst, i, j);
				q.r = ref_over(p.r, q.r, p.a);
				q.g = ref_over(p.g, q.g, p.a);
				q.b = ref_over(p.b, q.b, p.a);
				q.a = ref_over(p.a, q.a, p.a);
				p = q;
			}

			ref_pack(d->format, p, dst + ref_offset(d, i, j));
		}
	}
}
