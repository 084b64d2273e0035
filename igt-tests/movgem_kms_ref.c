// SPDX-License-Identifier: MIT
/*
 * Copyright (C) 2026 movgem maintainers
 *
 * What a scene has to look like, in plain arithmetic, a pixel at a time.
 */
#include <drm_fourcc.h>
#include <stdlib.h>
#include <string.h>

#include "igt.h"
#include "movgem_blit_ref.h"
#include "movgem_kms_rig.h"

/* The product of two fractions of which one is out of 255. */
static unsigned int product(unsigned int c, unsigned int factor, unsigned int one)
{
	return (c * factor + one / 2) / one;
}

/* A pixel of the framebuffer, premultiplied as the blend mode says. */
static struct ref_pixel source(const struct kms_layer *layer, unsigned int x, unsigned int y)
{
	const struct kms_fb *fb = layer->fb;
	struct ref_pixel pixel = ref_unpack(fb->format, fb->map + (size_t)y * fb->pitch +
					    x * ref_format_bytes(fb->format));

	if (layer->blend && !strcmp(layer->blend, "None"))
		pixel.a = 255;
	if (layer->blend && !strcmp(layer->blend, "Coverage")) {
		pixel.r = product(pixel.r, pixel.a, 255);
		pixel.g = product(pixel.g, pixel.a, 255);
		pixel.b = product(pixel.b, pixel.a, 255);
	}
	return pixel;
}

/* What a layer adds to the screen, as ARGB8888; to be freed. */
static uint8_t *drawn(const struct kms_layer *layer)
{
	bool half = layer->rotation & DRM_MODE_ROTATE_180;
	bool flip_x = half ^ !!(layer->rotation & DRM_MODE_REFLECT_X);
	bool flip_y = half ^ !!(layer->rotation & DRM_MODE_REFLECT_Y);
	const unsigned int alpha = 65535 - layer->fade;
	uint8_t *pixels = malloc((size_t)layer->w * layer->h * 4);

	igt_assert(pixels);
	for (unsigned int y = 0; y < layer->h; y++) {
		for (unsigned int x = 0; x < layer->w; x++) {
			unsigned int i = flip_x ? layer->w - 1 - x : x;
			unsigned int j = flip_y ? layer->h - 1 - y : y;
			struct ref_pixel p = source(layer, layer->src_x + i, layer->src_y + j);

			p.a = product(p.a, alpha, 65535);
			p.r = product(p.r, alpha, 65535);
			p.g = product(p.g, alpha, 65535);
			p.b = product(p.b, alpha, 65535);
			ref_pack(DRM_FORMAT_ARGB8888, p,
				 pixels + ((size_t)y * layer->w + x) * 4);
		}
	}
	return pixels;
}

static void add_layer(const struct kms_scene *scene, const struct kms_layer *layer, uint32_t *out)
{
	unsigned int width = scene->mode.hdisplay, height = scene->mode.vdisplay;
	int x1 = max(layer->x, 0), y1 = max(layer->y, 0);
	int x2 = min(layer->x + (int)layer->w, (int)width);
	int y2 = min(layer->y + (int)layer->h, (int)height);
	struct drm_movgem_cmd_blit cmd = {
		.hdr.flags = DRM_MOVGEM_BLIT_SRC_OVER,
		.src = {
			.format = DRM_FORMAT_ARGB8888,
			.pitch = layer->w * 4,
			.width = layer->w,
			.height = layer->h,
			.x = x1 - layer->x,
			.y = y1 - layer->y,
			.w = x2 - x1,
			.h = y2 - y1,
		},
		.dst = {
			.format = DRM_FORMAT_XRGB8888,
			.pitch = width * 4,
			.width = width,
			.height = height,
			.x = x1,
			.y = y1,
			.w = x2 - x1,
			.h = y2 - y1,
		},
	};
	uint8_t *pixels;

	if (x1 >= x2 || y1 >= y2)
		return;
	pixels = drawn(layer);
	ref_blit(&cmd, pixels, (uint8_t *)out);
	free(pixels);
}

static uint32_t channel(const struct drm_color_lut *entry, int c)
{
	return c == 0 ? entry->red : c == 1 ? entry->green : entry->blue;
}

/* In a straight line from one entry to the next. */
static uint32_t gamma_of(const struct drm_color_lut *lut, int c, uint32_t value)
{
	uint32_t i = value / 257, f = value % 257;

	if (!f)
		return channel(&lut[i], c);
	return (channel(&lut[i], c) * (257 - f) + channel(&lut[i + 1], c) * f + 128) / 257;
}

/* S31.32, sign and magnitude. */
static __int128 coefficient(uint64_t value)
{
	__int128 size = value & ~(1ull << 63);

	return value >> 63 ? -size : size;
}

/* Degamma, then the matrix, then gamma, with 16 bits between them. */
static uint32_t coloured(const struct kms_scene *scene, uint32_t pixel)
{
	uint32_t in[3], out = 0xff;

	for (int c = 0; c < 3; c++) {
		uint32_t value = pixel >> (16 - 8 * c) & 255;

		in[c] = scene->degamma ? channel(&scene->degamma[value], c) : value * 257;
	}
	for (int c = 0; c < 3; c++) {
		uint32_t value = in[c];

		if (scene->ctm) {
			__int128 sum = 1u << 31;

			for (int k = 0; k < 3; k++)
				sum += coefficient(scene->ctm->matrix[3 * c + k]) * in[k];
			sum >>= 32;
			value = sum < 0 ? 0 : sum > 65535 ? 65535 : sum;
		}
		if (scene->lut)
			value = gamma_of(scene->lut, c, value);
		out = out << 8 | (value * 255u + 32767) / 65535;
	}
	return out;
}

uint32_t *kms_reference(const struct kms_scene *scene)
{
	size_t count = (size_t)scene->mode.hdisplay * scene->mode.vdisplay;
	uint32_t *out = malloc(count * sizeof(*out));

	igt_assert(out);
	for (size_t i = 0; i < count; i++)
		out[i] = 0xff000000;
	for (int i = 0; i < KMS_PLANES; i++)
		if (scene->layers[i].fb)
			add_layer(scene, &scene->layers[i], out);
	for (size_t i = 0; i < count && (scene->degamma || scene->ctm || scene->lut); i++)
		out[i] = coloured(scene, out[i]);
	return out;
}

/* The CRC-32 of Ethernet. */
static uint32_t crc32(const void *data, size_t size)
{
	static uint32_t table[256];
	const uint8_t *p = data;
	uint32_t crc = ~0u;

	for (uint32_t i = 0; i < 256 && !table[255]; i++) {
		uint32_t c = i;

		for (int bit = 0; bit < 8; bit++)
			c = c >> 1 ^ (c & 1 ? 0xedb88320u : 0);
		table[i] = c;
	}
	while (size--)
		crc = crc >> 8 ^ table[(crc ^ *p++) & 255];
	return ~crc;
}

uint32_t kms_reference_crc(const struct kms_scene *scene)
{
	uint32_t *out = kms_reference(scene);
	uint32_t crc = crc32(out, (size_t)scene->mode.hdisplay * scene->mode.vdisplay * 4);

	free(out);
	return crc;
}
