// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 movgem maintainers */

#include <linux/crc32.h>
#include <linux/dma-fence.h>
#include <linux/sched.h>
#include <linux/string.h>

#include <drm/drm_debugfs_crc.h>
#include <drm/drm_fourcc.h>
#include <drm/drm_managed.h>
#include <drm/drm_print.h>

#include "movgem_device.h"
#include "movgem_kms.h"

/**
 * DOC: Composition
 *
 * A frame is composed line by line, from the bottom plane up and through GPU
 * addresses, see DOC: Layers; then come colours, CRC and writeback. The CRC is
 * that of Ethernet and zlib, over the lines of the mode as XRGB8888 with all bits
 * of X set.
 *
 * It runs in a work item of the CRTC. Out-fences of flips and of writeback wait
 * for it (no frame is latched while one is composed, but an asynchronous one
 * between two lines), so it is in the fence signalling path, as jobs are, and
 * lives by the same rules: it has all memory that it needs, takes no dma_resv,
 * and meets a page on the move without any lock held. It stalls for that move
 * only, in which nothing waits for memory; a page that somebody has isolated, and
 * maybe waits for memory, is taken back (DOC: Stalls). So neither reclaim nor a
 * move, which may both wait for those fences, waits for itself. What frees
 * framebuffers is on another workqueue.
 */

/**
 * movgem_compose_init - have the memory that composition needs
 * @crtc: the CRTC
 *
 * Return: 0 or -ENOMEM.
 */
int movgem_compose_init(struct movgem_crtc *crtc)
{
	size_t line = MOVGEM_KMS_WIDTH_MAX * sizeof(u32);
	struct drm_device *drm = &crtc->mdev->drm;

	crtc->raw = drmm_kmalloc(drm, line, GFP_KERNEL);
	crtc->row = drmm_kmalloc(drm, line, GFP_KERNEL);
	crtc->out = drmm_kmalloc(drm, line, GFP_KERNEL);
	if (!crtc->raw || !crtc->row || !crtc->out)
		return -ENOMEM;
	for (int i = 0; i < ARRAY_SIZE(crtc->lines); i++) {
		crtc->lines[i] = drmm_kmalloc(drm, line, GFP_KERNEL);
		if (!crtc->lines[i])
			return -ENOMEM;
	}
	for (int i = 0; i < MOVGEM_LAYERS; i++) {
		crtc->cols[i] = drmm_kmalloc(drm, line, GFP_KERNEL);
		if (!crtc->cols[i])
			return -ENOMEM;
	}
	return 0;
}

/* Has what is the same for all lines. */
static void begin_frame(struct movgem_crtc *crtc,
			const struct movgem_frame *frame)
{
	for (int i = 0; i < MOVGEM_LAYERS; i++)
		if (frame->layers[i].fb && frame->layers[i].scaled)
			movgem_layer_begin(&frame->layers[i], crtc->cols[i]);
}

/* Makes line @y in &movgem_crtc.out. Returns 0 or -EFAULT. */
static int make_line(struct movgem_crtc *crtc, const struct movgem_frame *frame,
		     u32 y)
{
	int err = 0;

	memset32(crtc->out, 0xff000000, frame->width);
	for (int i = 0; i < MOVGEM_LAYERS; i++) {
		const struct movgem_layer *layer = &frame->layers[i];

		if (layer->fb && (int)y >= layer->dst.y1 &&
		    (int)y < layer->dst.y2)
			err = movgem_layer_add(crtc, layer, crtc->cols[i], y) ?: err;
	}
	if (frame->colour)
		movgem_colour_apply(frame->colour, crtc->out, frame->width);
	return err;
}

/* Composes a frame, or parts of more than one. Returns the CRC. */
static u32 compose_frame(struct movgem_crtc *crtc, int *write_err)
{
	const struct movgem_frame *frame = crtc->composed;
	u32 crc = ~0;
	int err = 0;

	begin_frame(crtc, frame);
	for (u32 y = 0; y < frame->height; y++) {
		if (READ_ONCE(crtc->tear)) {
			frame = movgem_crtc_tear(crtc);
			begin_frame(crtc, frame);
		}
		err = make_line(crtc, frame, y) ?: err;
		crc = crc32_le(crc, (u8 *)crtc->out,
			       frame->width * sizeof(*crtc->out));
		if (frame->writeback && !*write_err)
			*write_err = movgem_scanout_write(frame->writeback,
							  crtc->raw, y,
							  crtc->out,
							  frame->width);
		cond_resched();
	}

	movgem_stat_inc(crtc->mdev, frames);
	if (err || *write_err)
		movgem_stat_inc(crtc->mdev, frames_faulted);
	return ~crc;
}

/*
 * Each vblank has a CRC, also if there is a composition for some of them only.
 * Those that have passed since the last one get the CRC of that, or of this if
 * its frame was on the screen by then: who has drawn to it is right to expect to
 * see that from the next vblank on.
 */
static void add_crcs(struct movgem_crtc *crtc, u32 crc, u64 next, u64 last,
		     u64 since)
{
	for (u64 seq = next ?: last; seq <= last; seq++) {
		u32 value = seq >= since ? crc : crtc->crc_last;

		/* Nobody reads them any more, or not fast enough. */
		if (drm_crtc_add_crc_entry(&crtc->base, true, seq, &value))
			break;
	}
}

/**
 * movgem_compose_work - compose the frame on the screen
 * @work: &movgem_crtc.compose_work
 */
void movgem_compose_work(struct work_struct *work)
{
	struct movgem_crtc *crtc = container_of(work, struct movgem_crtc,
						compose_work);
	bool cookie = dma_fence_begin_signalling();
	struct movgem_output *output = to_movgem_output(crtc);
	struct movgem_frame *frame = crtc->composed;
	bool written = frame->writeback;
	u32 lost = frame->lost;
	u64 since = frame->since;
	int write_err = 0;
	u64 next, last;
	bool wanted;
	u32 crc;

	crc = compose_frame(crtc, &write_err);

	spin_lock_irq(&crtc->lock);
	next = crtc->crc_next;
	last = crtc->compose_seq;
	/* Who came later has the next frame, and vblanks counted from there. */
	wanted = crtc->crc && crtc->compose_crc;
	crtc->crc_next = wanted ? last + 1 : 0;
	spin_unlock_irq(&crtc->lock);

	/* From here on the next composition may be queued. */
	movgem_crtc_composed(crtc);

	/* The frame is anybody's by now, the job still has its framebuffer. */
	movgem_writeback_cancel(output, lost);
	if (written)
		drm_writeback_signal_completion(&output->writeback, write_err);
	if (wanted)
		add_crcs(crtc, crc, next, last, since);
	crtc->crc_last = crc;

	dma_fence_end_signalling(cookie);
}
