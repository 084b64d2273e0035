// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 movgem maintainers */

#include <linux/module.h>
#include <linux/workqueue.h>

#include <drm/drm_atomic.h>
#include <drm/drm_atomic_helper.h>
#include <drm/drm_drv.h>
#include <drm/drm_fourcc.h>
#include <drm/drm_gem_framebuffer_helper.h>
#include <drm/drm_managed.h>
#include <drm/drm_mode_config.h>
#include <drm/drm_modeset_helper.h>
#include <drm/drm_modeset_helper_vtables.h>
#include <drm/drm_probe_helper.h>
#include <drm/drm_vblank.h>
#include <drm/movgem_drm.h>

#include "movgem_device.h"
#include "movgem_drv.h"
#include "movgem_engine.h"
#include "movgem_kms.h"
#include "movgem_pm.h"

/**
 * DOC: Display
 *
 * An output is a CRTC with a primary plane, two overlay planes and a cursor plane,
 * a virtual connector whose monitor debugfs takes away and brings back, and a
 * writeback connector. Devices have as many as the module parameter "outputs" says.
 * Any CRTC can have any of the monitors, also several. Nobody sees the picture but
 * through writeback and CRCs: so a frame is composed when one of these wants it,
 * and else a page flip is a flip of pointers.
 *
 * A BO on the screen is not pinned. The display reads it as the engine's cores
 * do, through GPU addresses, page tables and a TLB of its own, and it stalls on
 * a page that moves. See DOC: Composition and DOC: Framebuffers.
 *
 * The primary node has the display, for its DRM master; the render node has not.
 */

static unsigned int outputs = 1;

static int outputs_set(const char *val, const struct kernel_param *kp)
{
	return param_set_uint_minmax(val, kp, 0, MOVGEM_KMS_OUTPUTS_MAX);
}

static const struct kernel_param_ops outputs_ops = {
	.set = outputs_set,
	.get = param_get_uint,
};

module_param_cb(outputs, &outputs_ops, &outputs, 0644);
MODULE_PARM_DESC(outputs, "Monitors that devices made from now on have, 0 to 4 (default 1)");

const u32 movgem_kms_formats[MOVGEM_KMS_FORMATS] = {
	DRM_FORMAT_XRGB8888,
	DRM_FORMAT_ARGB8888,
	DRM_FORMAT_RGB565,
	DRM_FORMAT_XBGR8888,
	DRM_FORMAT_ABGR8888,
	/* MOVGEM_KMS_BLIT_FORMATS end here, */
	DRM_FORMAT_XRGB2101010,
	DRM_FORMAT_ARGB2101010,
	DRM_FORMAT_XBGR2101010,
	DRM_FORMAT_ABGR2101010,
	/* and MOVGEM_KMS_WRITEBACK_FORMATS here. */
	DRM_FORMAT_NV12,
};

/* How many CRTCs a commit switches @on, or off. */
static unsigned int switches(struct movgem_atomic_commit *state, bool on)
{
	struct drm_crtc_state *old, *new;
	unsigned int count = 0;
	struct drm_crtc *crtc;
	int i;

	for_each_oldnew_crtc_in_state(state, crtc, old, new, i)
		count += new->active == on && old->active != on;
	return count;
}

/* Undoes power_get(). */
static void power_put(struct movgem_device *mdev, unsigned int count)
{
	while (count--)
		movgem_pm_put(mdev);
}

/* Has the GPU on, once for each CRTC. Returns 0 or a negative errno. */
static int power_get(struct movgem_device *mdev, unsigned int count)
{
	int ret;

	for (unsigned int i = 0; i < count; i++) {
		ret = movgem_pm_get(mdev);
		if (ret) {
			power_put(mdev, i);
			return ret;
		}
	}
	return 0;
}

/*
 * A flip is done when the frame has been latched, which is later than the next
 * vblank if the one before is still being composed. The helper's default would
 * wait for a vblank, and not for long enough on a slow machine.
 */
static void commit_tail(struct movgem_atomic_commit *state)
{
	struct drm_device *drm = state->dev;
	struct movgem_device *mdev = to_movgem_device(drm);
	/* The new state is the next commit's to free, once hw_done is told. */
	unsigned int off = switches(state, false);

	drm_atomic_helper_commit_modeset_disables(drm, state);
	drm_atomic_helper_commit_modeset_enables(drm, state);
	drm_atomic_helper_commit_planes(drm, state,
					DRM_PLANE_COMMIT_ACTIVE_ONLY);
	drm_atomic_helper_commit_hw_done(state);
	drm_atomic_helper_wait_for_flip_done(drm, state);
	drm_atomic_helper_cleanup_planes(drm, state);

	power_put(mdev, off);
}

/**
 * movgem_kms_commit - &drm_mode_config_funcs.atomic_commit
 * @drm: DRM device
 * @state: what is to be
 * @nonblock: do not wait for it
 *
 * Return: 0 or a negative errno.
 */
int movgem_kms_commit(struct drm_device *drm,
		      struct movgem_atomic_commit *state, bool nonblock)
{
	struct movgem_device *mdev = to_movgem_device(drm);
	unsigned int on = switches(state, true);
	int ret;

	/* While it is on, so is the GPU. Fences come after that. */
	ret = power_get(mdev, on);
	if (ret)
		return ret;
	ret = drm_atomic_helper_commit(drm, state, nonblock);
	if (ret)
		power_put(mdev, on);
	return ret;
}

static const struct drm_mode_config_helper_funcs mode_config_helper_funcs = {
	.atomic_commit_tail = commit_tail,
};

static int mode_config_init(struct drm_device *drm)
{
	int ret = drmm_mode_config_init(drm);

	if (ret)
		return ret;

	drm->mode_config.funcs = &movgem_mode_config_funcs;
	drm->mode_config.helper_private = &mode_config_helper_funcs;
	drm->mode_config.min_width = 1;
	drm->mode_config.min_height = 1;
	drm->mode_config.max_width = DRM_MOVGEM_SURFACE_MAX;
	drm->mode_config.max_height = DRM_MOVGEM_SURFACE_MAX;
	drm->mode_config.cursor_width = MOVGEM_KMS_CURSOR_MAX;
	drm->mode_config.cursor_height = MOVGEM_KMS_CURSOR_MAX;
	drm->mode_config.preferred_depth = 24;
	drm->mode_config.async_page_flip = true;
	/* Linux has big endian user space in mind otherwise. */
	drm->mode_config.quirk_addfb_prefer_host_byte_order = true;
	return 0;
}

static int planes_and_crtc_init(struct movgem_kms *kms,
				struct movgem_crtc *crtc)
{
	struct drm_plane *planes[MOVGEM_LAYERS];

	for (int i = 0; i < MOVGEM_LAYERS; i++) {
		planes[i] = movgem_plane_create(kms, crtc, i);
		if (IS_ERR(planes[i]))
			return PTR_ERR(planes[i]);
	}
	return movgem_crtc_init(kms, crtc, planes[MOVGEM_LAYER_PRIMARY],
				planes[MOVGEM_LAYER_CURSOR]);
}

/* A picture can go to any monitors, and to memory at the same time. */
static void allow_clones(struct movgem_kms *kms)
{
	u32 monitors = 0, memories = 0;

	for (unsigned int i = 0; i < kms->num_outputs; i++) {
		monitors |= drm_encoder_mask(&kms->outputs[i].encoder);
		memories |= drm_encoder_mask(&kms->outputs[i].writeback.encoder);
	}
	for (unsigned int i = 0; i < kms->num_outputs; i++) {
		struct movgem_output *output = &kms->outputs[i];

		output->encoder.possible_clones = monitors | memories;
		output->writeback.encoder.possible_clones =
			monitors | drm_encoder_mask(&output->writeback.encoder);
	}
}

static int output_init(struct movgem_kms *kms, struct movgem_output *output)
{
	int ret;

	ret = planes_and_crtc_init(kms, &output->crtc);
	if (ret)
		return ret;
	ret = movgem_connector_init(kms, output);
	if (ret)
		return ret;
	return movgem_writeback_init(kms, output);
}

/**
 * movgem_kms_init - make the device's display, if there is to be one
 * @mdev: the device, not registered yet
 *
 * Freed with the device; movgem_kms_unplug() comes first if the device was
 * registered.
 *
 * Return: 0 or a negative errno.
 */
int movgem_kms_init(struct movgem_device *mdev)
{
	unsigned int count = READ_ONCE(outputs);
	struct drm_device *drm = &mdev->drm;
	struct movgem_kms *kms;
	int ret;

	if (!count || !mdev->engine->display_read) {
		drm->driver_features &= ~(DRIVER_MODESET | DRIVER_ATOMIC);
		return 0;
	}

	kms = drmm_kzalloc(drm, struct_size(kms, outputs, count), GFP_KERNEL);
	if (!kms)
		return -ENOMEM;
	kms->mdev = mdev;
	kms->num_outputs = count;

	ret = movgem_fb_init(kms);
	if (ret)
		return ret;
	ret = mode_config_init(drm);
	if (ret)
		return ret;
	for (unsigned int i = 0; i < count; i++) {
		ret = output_init(kms, &kms->outputs[i]);
		if (ret)
			return ret;
	}
	allow_clones(kms);
	drm->max_vblank_count = U32_MAX;
	ret = drm_vblank_init(drm, count);
	if (ret)
		return ret;

	drm_mode_config_reset(drm);
	mdev->kms = kms;
	return 0;
}

struct in_worker {
	struct work_struct work;
	struct drm_device *drm;
	int (*function)(struct drm_device *drm);
	int ret;
};

static void in_worker(struct work_struct *work)
{
	struct in_worker *call = container_of(work, struct in_worker, work);

	call->ret = call->function(call->drm);
}

/* DRM gives up what it does if there is a signal for who calls. */
static int call_in_worker(struct drm_device *drm,
			  int (*function)(struct drm_device *drm))
{
	struct in_worker call = { .drm = drm, .function = function };

	INIT_WORK_ONSTACK(&call.work, in_worker);
	queue_work(movgem_wq, &call.work);
	flush_work(&call.work);
	destroy_work_on_stack(&call.work);
	return call.ret;
}

static int switch_off(struct drm_device *drm)
{
	drm_atomic_helper_shutdown(drm);
	return 0;
}

/**
 * movgem_kms_unplug - switch the display of a device off that goes away
 * @mdev: the device, unplugged
 */
void movgem_kms_unplug(struct movgem_device *mdev)
{
	struct drm_mode_config *config = &mdev->drm.mode_config;

	if (!mdev->kms)
		return;

	/* Gone while the machine slept: nobody resumes it any more. */
	if (config->suspend_state) {
		movgem_atomic_commit_put(config->suspend_state);
		config->suspend_state = NULL;
	}
	call_in_worker(&mdev->drm, switch_off);
	for (unsigned int i = 0; i < mdev->kms->num_outputs; i++)
		movgem_crtc_drain(&mdev->kms->outputs[i].crtc);
	movgem_fb_unplug(mdev->kms);
}

/**
 * movgem_kms_suspend - switch the display off until movgem_kms_resume()
 * @mdev: the device, whose users are frozen
 *
 * Return: 0 or a negative errno.
 */
int movgem_kms_suspend(struct movgem_device *mdev)
{
	return mdev->kms ? drm_mode_config_helper_suspend(&mdev->drm) : 0;
}

/**
 * movgem_kms_resume - have the display as it was before movgem_kms_suspend()
 * @mdev: the device, on
 *
 * Return: 0 or a negative errno.
 */
int movgem_kms_resume(struct movgem_device *mdev)
{
	if (!mdev->kms)
		return 0;
	return call_in_worker(&mdev->drm, drm_mode_config_helper_resume);
}
