// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 movgem maintainers */

#include <linux/kref.h>
#include <linux/math.h>
#include <linux/minmax.h>
#include <linux/slab.h>

#include <drm/drm_color_mgmt.h>
#include <drm/drm_crtc.h>
#include <drm/drm_mode.h>

#include "movgem_device.h"
#include "movgem_kms.h"

/**
 * DOC: Colour
 *
 * What the planes of a CRTC come to goes through DEGAMMA_LUT, CTM and GAMMA_LUT,
 * in this order, each left out where it is not set. Between them a channel has
 * 16 bits: degamma has an entry for each value of 8 bits; the matrix takes
 * coefficients of up to 8192 (larger ones count as that), its result is rounded
 * and clamped to 0 to 65535; gamma goes in a straight line from one entry to the
 * next, which are 257 apart. In the end it is rounded to 8 bits.
 *
 * The tables are made when a commit changes one of the properties, and shared by
 * all frames until the next such commit. Without a matrix all comes to one table
 * of 256 bytes a channel, which is what gamma alone would cost.
 */

#define CHANNELS	3

/* From one entry of a table to the next. */
#define STEP		(U16_MAX / (MOVGEM_KMS_LUT_SIZE - 1))

/* S31.32: so that a sum of three products is one of 64 bits. */
#define CTM_MAX		(8192ull << 32)
#define CTM_SIGN	BIT_ULL(63)
#define CTM_HALF	((s64)BIT_ULL(31))

static_assert(STEP * (MOVGEM_KMS_LUT_SIZE - 1) == U16_MAX);

/**
 * struct movgem_colour - what becomes of colours on their way out
 */
struct movgem_colour {
	/** @ref: states and frames. */
	struct kref ref;

	/** @has_ctm: there is a matrix; else @ramp is all. */
	bool has_ctm;

	/** @ramp: red, green and blue: from 8 bits to 8 bits. */
	u8 ramp[CHANNELS][MOVGEM_KMS_LUT_SIZE];

	/** @degamma: before @ctm. */
	u16 degamma[CHANNELS][MOVGEM_KMS_LUT_SIZE];

	/** @ctm: by rows, in two's complement. */
	s64 ctm[CHANNELS][CHANNELS];

	/** @gamma: after @ctm; the last entry twice. */
	u16 gamma[CHANNELS][MOVGEM_KMS_LUT_SIZE + 1];
};

static void colour_free(struct kref *ref)
{
	kfree(container_of(ref, struct movgem_colour, ref));
}

/**
 * movgem_colour_get - take a reference
 * @colour: of this, or NULL
 *
 * Return: @colour.
 */
struct movgem_colour *movgem_colour_get(struct movgem_colour *colour)
{
	if (colour)
		kref_get(&colour->ref);
	return colour;
}

/**
 * movgem_colour_put - give a reference back
 * @colour: of this, or NULL
 */
void movgem_colour_put(struct movgem_colour *colour)
{
	if (colour)
		kref_put(&colour->ref, colour_free);
}

/* Without a table it is linear. */
static void get_table(u16 *table, const struct drm_property_blob *blob,
		      int channel)
{
	const struct drm_color_lut *lut = blob ? blob->data : NULL;

	for (int i = 0; i < MOVGEM_KMS_LUT_SIZE; i++) {
		if (!lut)
			table[i] = i * STEP;
		else if (channel == 0)
			table[i] = lut[i].red;
		else if (channel == 1)
			table[i] = lut[i].green;
		else
			table[i] = lut[i].blue;
	}
}

static u8 look_up(const u16 *gamma, u32 value)
{
	u32 i = value / STEP;
	u32 f = value % STEP;

	value = DIV_ROUND_CLOSEST(gamma[i] * (STEP - f) + gamma[i + 1] * f,
				  STEP);
	return drm_color_lut_extract(value, 8);
}

static void get_ctm(struct movgem_colour *colour,
		    const struct drm_property_blob *blob)
{
	const struct drm_color_ctm *ctm = blob->data;

	for (int i = 0; i < CHANNELS * CHANNELS; i++) {
		s64 size = min(ctm->matrix[i] & ~CTM_SIGN, CTM_MAX);

		colour->ctm[i / CHANNELS][i % CHANNELS] =
			ctm->matrix[i] & CTM_SIGN ? -size : size;
	}
}

static struct movgem_colour *colour_create(const struct drm_crtc_state *state)
{
	struct movgem_colour *colour = kzalloc(sizeof(*colour),
					       GFP_KERNEL_ACCOUNT);

	if (!colour)
		return NULL;
	kref_init(&colour->ref);

	for (int c = 0; c < CHANNELS; c++) {
		u16 *gamma = colour->gamma[c];

		get_table(colour->degamma[c], state->degamma_lut, c);
		get_table(gamma, state->gamma_lut, c);
		gamma[MOVGEM_KMS_LUT_SIZE] = gamma[MOVGEM_KMS_LUT_SIZE - 1];
		for (int i = 0; i < MOVGEM_KMS_LUT_SIZE; i++)
			colour->ramp[c][i] = look_up(gamma,
						     colour->degamma[c][i]);
	}
	colour->has_ctm = state->ctm;
	if (state->ctm)
		get_ctm(colour, state->ctm);
	return colour;
}

static int check_lut(const struct drm_crtc_state *state, const char *name,
		     const struct drm_property_blob *blob)
{
	if (blob && drm_color_lut_size(blob) != MOVGEM_KMS_LUT_SIZE)
		return movgem_invalid(state->crtc->dev, "%s: %d entries", name,
				      drm_color_lut_size(blob));
	return 0;
}

/**
 * movgem_colour_update - make new tables if a commit changes what they come from
 * @colour: the tables of its state, replaced; NULL where colours stay as they are
 * @state: the new state, whose matrix DRM has checked
 *
 * Return: 0 or a negative errno.
 */
int movgem_colour_update(struct movgem_colour **colour,
			 const struct drm_crtc_state *state)
{
	struct movgem_colour *new = NULL;
	int ret;

	if (!state->color_mgmt_changed)
		return 0;

	ret = check_lut(state, "DEGAMMA_LUT", state->degamma_lut) ?:
	      check_lut(state, "GAMMA_LUT", state->gamma_lut);
	if (ret)
		return ret;
	if (state->degamma_lut || state->ctm || state->gamma_lut) {
		new = colour_create(state);
		if (!new)
			return -ENOMEM;
	}
	movgem_colour_put(*colour);
	*colour = new;
	return 0;
}

/* Of one pixel. */
static u32 apply_ctm(const struct movgem_colour *colour, u32 pixel)
{
	u32 result = pixel & 0xff000000;
	s64 in[CHANNELS];

	for (int c = 0; c < CHANNELS; c++)
		in[c] = colour->degamma[c][pixel >> (16 - 8 * c) & 0xff];
	for (int c = 0; c < CHANNELS; c++) {
		const s64 *row = colour->ctm[c];
		s64 sum = row[0] * in[0] + row[1] * in[1] + row[2] * in[2];

		sum = clamp_t(s64, (sum + CTM_HALF) >> 32, 0, U16_MAX);
		result |= look_up(colour->gamma[c], sum) << (16 - 8 * c);
	}
	return result;
}

/**
 * movgem_colour_apply - change the colours of a line
 * @colour: how
 * @line: pixels, XRGB8888
 * @n: how many
 */
void movgem_colour_apply(const struct movgem_colour *colour, u32 *line, u32 n)
{
	if (colour->has_ctm) {
		for (u32 i = 0; i < n; i++)
			line[i] = apply_ctm(colour, line[i]);
		return;
	}
	for (u32 i = 0; i < n; i++)
		line[i] = (line[i] & 0xff000000) |
			  colour->ramp[0][line[i] >> 16 & 0xff] << 16 |
			  colour->ramp[1][line[i] >> 8 & 0xff] << 8 |
			  colour->ramp[2][line[i] & 0xff];
}
