// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 movgem maintainers */

#include <drm/drm_atomic.h>
#include <drm/drm_atomic_helper.h>
#include <drm/drm_edid.h>
#include <drm/drm_modeset_helper_vtables.h>
#include <drm/drm_probe_helper.h>

#include "movgem_device.h"
#include "movgem_kms.h"

/**
 * DOC: Writeback
 *
 * Each CRTC has a writeback connector, alone or beside virtual ones. A
 * commit with a framebuffer for it makes one copy of the frame of that commit,
 * as it is on the screen, after gamma; the framebuffer is of the mode's size.
 * Its out-fence signals when the last line has been written; with an error if
 * the memory was not there any more.
 */

static int writeback_get_modes(struct drm_connector *connector)
{
	return drm_add_modes_noedid(connector, MOVGEM_KMS_WIDTH_MAX,
				    MOVGEM_KMS_HEIGHT_MAX);
}

static int writeback_check(struct drm_connector *connector,
			   struct movgem_atomic_commit *state)
{
	struct drm_connector_state *new =
		drm_atomic_get_new_connector_state(state, connector);
	struct drm_crtc_state *crtc_state;
	struct drm_framebuffer *fb;

	if (!new->writeback_job || !new->writeback_job->fb || !new->crtc)
		return 0;

	crtc_state = drm_atomic_get_new_crtc_state(state, new->crtc);
	fb = new->writeback_job->fb;
	if (fb->width != crtc_state->mode.hdisplay ||
	    fb->height != crtc_state->mode.vdisplay)
		return movgem_invalid(connector->dev,
				      "WRITEBACK_FB_ID: %ux%u is not the mode's size",
				      fb->width, fb->height);
	return drm_atomic_helper_check_wb_connector_state(connector, state);
}

static void writeback_commit(struct drm_connector *connector,
			     struct movgem_atomic_commit *state)
{
	struct drm_connector_state *new =
		drm_atomic_get_new_connector_state(state, connector);
	struct drm_writeback_connector *writeback =
		drm_connector_to_writeback(connector);
	struct movgem_output *output = container_of(writeback,
						    struct movgem_output,
						    writeback);

	output->crtc.staged_writeback = to_movgem_fb(new->writeback_job->fb);
	drm_writeback_queue_job(writeback, new);
}

static const struct drm_connector_helper_funcs writeback_helper_funcs = {
	.get_modes = writeback_get_modes,
	.atomic_check = writeback_check,
	.atomic_commit = writeback_commit,
};

static const struct drm_connector_funcs writeback_funcs = {
	.fill_modes = drm_helper_probe_single_connector_modes,
	.destroy = drm_connector_cleanup,
	.reset = drm_atomic_helper_connector_reset,
	.atomic_duplicate_state = drm_atomic_helper_connector_duplicate_state,
	.atomic_destroy_state = drm_atomic_helper_connector_destroy_state,
};

/* The helpers want one. */
static const struct drm_encoder_helper_funcs encoder_helper_funcs = {
};

/**
 * movgem_writeback_cancel - end writeback jobs without a copy
 * @output: where
 * @count: how many, the oldest ones
 */
void movgem_writeback_cancel(struct movgem_output *output, u32 count)
{
	while (count--)
		drm_writeback_signal_completion(&output->writeback, -ECANCELED);
}

/**
 * movgem_writeback_init - make the writeback connector of an output
 * @kms: the display
 * @output: the output, which has its CRTC
 *
 * Freed with the device.
 *
 * Return: 0 or a negative errno.
 */
int movgem_writeback_init(struct movgem_kms *kms, struct movgem_output *output)
{
	drm_connector_helper_add(&output->writeback.base,
				 &writeback_helper_funcs);
	return drm_writeback_connector_init(&kms->mdev->drm, &output->writeback,
					    &writeback_funcs,
					    &encoder_helper_funcs,
					    movgem_kms_formats,
					    MOVGEM_KMS_WRITEBACK_FORMATS,
					    drm_crtc_mask(&output->crtc.base));
}
