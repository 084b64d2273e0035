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

/* Formats with 10 bits a channel; red is the high one, or blue. */
static const struct {
	uint32_t format;
	bool alpha, blue_high;
} deep_formats[] = {
	{ DRM_FORMAT_XRGB2101010, false, false }, { DRM_FORMAT_ARGB2101010, true, false },
	{ DRM_FORMAT_XBGR2101010, false, true }, { DRM_FORMAT_ABGR2101010, true, true },
};

static int find_deep(uint32_t format)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(deep_formats); i++)
		if (deep_formats[i].format == format)
			return i;
	return -1;
}

unsigned int kms_format_bytes(uint32_t format)
{
	return find_deep(format) < 0 ? ref_format_bytes(format) : 4;
}

static struct ref_pixel deep_pixel(int i, const uint8_t *at)
{
	uint32_t word = at[0] | at[1] << 8 | at[2] << 16 | (uint32_t)at[3] << 24;
	unsigned int high = word / (1 << 22) % 256, low = word / (1 << 2) % 256;

	return (struct ref_pixel) {
		.a = deep_formats[i].alpha ? (word >> 30) * 255 / 3 : 255,
		.r = deep_formats[i].blue_high ? low : high,
		.g = word / (1 << 12) % 256,
		.b = deep_formats[i].blue_high ? high : low,
	};
}

/* Of 8 bits the high two are repeated. */
static uint32_t ten_bits(unsigned int c)
{
	return c * 4 + c / 64;
}

void kms_pack(uint32_t format, struct ref_pixel pixel, uint8_t *at)
{
	int i = find_deep(format);
	uint32_t word, high, low;

	if (i < 0) {
		ref_pack(format, pixel, at);
		return;
	}
	high = ten_bits(deep_formats[i].blue_high ? pixel.b : pixel.r);
	low = ten_bits(deep_formats[i].blue_high ? pixel.r : pixel.b);
	word = (deep_formats[i].alpha ? pixel.a / 64u : 3) << 30 | high << 20 |
	       ten_bits(pixel.g) << 10 | low;
	for (i = 0; i < 4; i++)
		at[i] = word >> 8 * i;
}

/* A sum of products whose coefficients have 16 bits after the point. */
static unsigned int yuv_channel(const double coefficients[3], const int values[3])
{
	int64_t sum = 1 << 15;

	for (int i = 0; i < 3; i++) {
		double c = coefficients[i] * 65536;

		sum += (int64_t)(c < 0 ? c - 0.5 : c + 0.5) * values[i];
	}
	if (sum < 0)
		return 0;
	return min(sum / 65536, (int64_t)255);
}

/*
 * What the standards define luma and chroma by: the shares of red and blue in luma,
 * and that of chroma 1/2 is the most that there is.
 */
static struct ref_pixel nv12_pixel(const struct kms_layer *layer, unsigned int x, unsigned int y)
{
	const struct kms_fb *fb = layer->fb;
	const uint8_t *luma = fb->map + fb->offset + (size_t)y * fb->pitch + x;
	const uint8_t *chroma = fb->chroma.map + fb->chroma.offset +
				(size_t)(y / 2) * fb->chroma.pitch + x / 2 * 2;
	const int values[] = { *luma - (layer->full_range ? 0 : 16), chroma[0] - 128,
			       chroma[1] - 128 };
	const double l = layer->full_range ? 1 : 255.0 / 219;
	const double c = layer->full_range ? 1 : 255.0 / 224;
	const double red = layer->bt709 ? 0.2126 : 0.299;
	const double blue = layer->bt709 ? 0.0722 : 0.114;
	const double u = 2 * (1 - blue), v = 2 * (1 - red), green = 1 - red - blue;

	return (struct ref_pixel) {
		.a = 255,
		.r = yuv_channel((const double[]) { l, 0, c * v }, values),
		.g = yuv_channel((const double[]) { l, -c * u * blue / green,
						    -c * v * red / green }, values),
		.b = yuv_channel((const double[]) { l, c * u, 0 }, values),
	};
}

static struct ref_pixel load(const struct kms_layer *layer, unsigned int x, unsigned int y)
{
	const struct kms_fb *fb = layer->fb;
	const uint8_t *at;
	int deep;

	if (fb->format == DRM_FORMAT_NV12)
		return nv12_pixel(layer, x, y);
	deep = find_deep(fb->format);
	at = fb->map + (size_t)y * fb->pitch + x * kms_format_bytes(fb->format);
	return deep < 0 ? ref_unpack(fb->format, at) : deep_pixel(deep, at);
}

/* A pixel of the framebuffer, premultiplied as the blend mode says. */
static struct ref_pixel source(const struct kms_layer *layer, unsigned int x, unsigned int y)
{
	struct ref_pixel pixel = load(layer, x, y);

	if (layer->blend && !strcmp(layer->blend, "None"))
		pixel.a = 255;
	if (layer->blend && !strcmp(layer->blend, "Coverage")) {
		pixel.r = product(pixel.r, pixel.a, 255);
		pixel.g = product(pixel.g, pixel.a, 255);
		pixel.b = product(pixel.b, pixel.a, 255);
	}
	return pixel;
}

/* Where one of the pixels on the screen lies, in one direction. */
struct place {
	/* It, and the next one unless that is not shown. */
	unsigned int pixel, next;
	/* What the next one weighs, of 256. */
	unsigned int weight;
};

static struct place place(const struct kms_layer *layer, unsigned int i, unsigned int screen,
			  int64_t start, int64_t size)
{
	int64_t first = start >> 16, last = (start + size - 1) >> 16, at;

	if (layer->nearest) {
		at = (start + i * size / screen) >> 16;
		return (struct place) { .pixel = at, .next = at };
	}
	at = start + (2 * (int64_t)i + 1) * size / (2 * screen) - 32768;
	at = at < first << 16 ? first << 16 : at > last << 16 ? last << 16 : at;
	return (struct place) {
		.pixel = at >> 16,
		.next = at >> 16 < last ? (at >> 16) + 1 : last,
		.weight = at >> 8 & 255,
	};
}

/* A pixel on the screen, before the layer is turned. */
static struct ref_pixel sampled(const struct kms_layer *layer, struct place x, struct place y)
{
	return ref_mix_pixels(source(layer, x.pixel, y.pixel), source(layer, x.next, y.pixel),
			      source(layer, x.pixel, y.next), source(layer, x.next, y.next),
			      x.weight, y.weight);
}

/* A column and a line of a layer. */
struct point {
	unsigned int x, y;
};

/* How large a layer is on the screen, before it is turned. */
static struct point extent(const struct kms_layer *layer)
{
	unsigned int w = kms_layer_w(layer), h = kms_layer_h(layer);

	return kms_layer_turned(layer) ? (struct point) { h, w } : (struct point) { w, h };
}

/* Where on the layer a place on the screen is, before it is mirrored and then turned. */
static struct point unturned(const struct kms_layer *layer, unsigned int x, unsigned int y)
{
	const struct point size = extent(layer);
	struct point p = { x, y };

	/* Counter-clockwise: what was the right edge is the top one. */
	if (layer->rotation & DRM_MODE_ROTATE_90)
		p = (struct point) { size.x - 1 - y, x };
	else if (layer->rotation & DRM_MODE_ROTATE_180)
		p = (struct point) { size.x - 1 - x, size.y - 1 - y };
	else if (layer->rotation & DRM_MODE_ROTATE_270)
		p = (struct point) { y, size.y - 1 - x };
	if (layer->rotation & DRM_MODE_REFLECT_X)
		p.x = size.x - 1 - p.x;
	if (layer->rotation & DRM_MODE_REFLECT_Y)
		p.y = size.y - 1 - p.y;
	return p;
}

static bool is_scaled(const struct kms_layer *layer)
{
	const struct point size = extent(layer);

	return layer->fraction.x || layer->fraction.y || layer->fraction.w ||
	       layer->fraction.h || size.x != layer->w || size.y != layer->h;
}

/* Columns and lines of the screen that a layer has there. */
struct area {
	int x1, y1, x2, y2;
};

/* What a layer adds to an area of the screen, as ARGB8888; to be freed. */
static uint8_t *drawn(const struct kms_layer *layer, const struct area *area)
{
	const struct point size = extent(layer);
	const unsigned int alpha = 65535 - layer->fade;
	uint8_t *pixels = malloc((size_t)(area->x2 - area->x1) * (area->y2 - area->y1) * 4);
	uint8_t *to = pixels;

	igt_assert(pixels);
	for (int y = area->y1; y < area->y2; y++) {
		for (int x = area->x1; x < area->x2; x++, to += 4) {
			struct point at = unturned(layer, x - layer->x, y - layer->y);
			struct ref_pixel p;

			if (is_scaled(layer))
				p = sampled(layer, place(layer, at.x, size.x,
							 (int64_t)layer->src_x << 16 |
							 layer->fraction.x,
							 (int64_t)layer->w << 16 |
							 layer->fraction.w),
					    place(layer, at.y, size.y,
						  (int64_t)layer->src_y << 16 |
						  layer->fraction.y,
						  (int64_t)layer->h << 16 |
						  layer->fraction.h));
			else
				p = source(layer, layer->src_x + at.x, layer->src_y + at.y);
			p.a = product(p.a, alpha, 65535);
			p.r = product(p.r, alpha, 65535);
			p.g = product(p.g, alpha, 65535);
			p.b = product(p.b, alpha, 65535);
			ref_pack(DRM_FORMAT_ARGB8888, p, to);
		}
	}
	return pixels;
}

static void add_layer(const struct kms_scene *scene, const struct kms_layer *layer, uint32_t *out)
{
	const int width = scene->mode.hdisplay, height = scene->mode.vdisplay;
	const struct area area = {
		.x1 = max(layer->x, 0),
		.y1 = max(layer->y, 0),
		.x2 = min(layer->x + (int)kms_layer_w(layer), width),
		.y2 = min(layer->y + (int)kms_layer_h(layer), height),
	};
	const unsigned int w = area.x2 - area.x1, h = area.y2 - area.y1;
	struct drm_movgem_cmd_blit cmd = {
		.hdr.flags = DRM_MOVGEM_BLIT_SRC_OVER,
		.src = {
			.format = DRM_FORMAT_ARGB8888,
			.pitch = w * 4,
			.width = w,
			.height = h,
			.w = w,
			.h = h,
		},
		.dst = {
			.format = DRM_FORMAT_XRGB8888,
			.pitch = width * 4,
			.width = width,
			.height = height,
			.x = area.x1,
			.y = area.y1,
			.w = w,
			.h = h,
		},
	};
	uint8_t *pixels;

	if (area.x1 >= area.x2 || area.y1 >= area.y2)
		return;
	pixels = drawn(layer, &area);
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

/* What is at a place from the bottom up; the lower number is the lower one of equals. */
static const struct kms_layer *layer_at(const struct kms_scene *scene, int place)
{
	if (place == KMS_CURSOR || !scene->zpos)
		return &scene->layers[place];
	for (int i = 0; i < KMS_CURSOR; i++) {
		int below = 0;

		for (int k = 0; k < KMS_CURSOR; k++)
			below += scene->zpos[k] < scene->zpos[i] ||
				 (scene->zpos[k] == scene->zpos[i] && k < i);
		if (below == place)
			return &scene->layers[i];
	}
	igt_assert_f(false, "no plane is at %d\n", place);
	return NULL;
}

uint32_t *kms_reference(const struct kms_scene *scene)
{
	size_t count = (size_t)scene->mode.hdisplay * scene->mode.vdisplay;
	uint32_t *out = malloc(count * sizeof(*out));

	igt_assert(out);
	for (size_t i = 0; i < count; i++)
		out[i] = 0xff000000;
	for (int i = 0; i < KMS_PLANES; i++) {
		const struct kms_layer *layer = layer_at(scene, i);

		if (layer->fb)
			add_layer(scene, layer, out);
	}
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
