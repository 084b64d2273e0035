// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 movgem maintainers */

#include <linux/debugfs.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/slab.h>
#include <linux/string.h>

#include <drm/drm_atomic.h>
#include <drm/drm_atomic_helper.h>
#include <drm/drm_color_mgmt.h>
#include <drm/drm_drv.h>
#include <drm/drm_managed.h>
#include <drm/drm_modeset_helper_vtables.h>
#include <drm/drm_print.h>
#include <drm/drm_vblank.h>

#include "movgem_device.h"
#include "movgem_drv.h"
#include "movgem_kms.h"

/**
 * DOC: CRTC
 *
 * While the CRTC is on a timer makes its vblanks. A commit leaves a &struct
 * movgem_frame, the next vblank latches it: it is what the screen shows from
 * there on, and the flip's event is sent. Of a frame that nobody has latched
 * yet a later commit makes nothing (the legacy cursor does that); its event and
 * its writeback go to the one that replaces it, where that has none of its own.
 * A vblank has the time at which it was due. A busy machine tells it late, and a
 * commit that came in between is left for the next one: its event would be from
 * before the flip was asked for. To have that on a machine that is not busy, write
 * to crtc-N/vblank_late_us in debugfs how much later vblanks are told.
 *
 * Where somebody reads CRCs, or a frame is to be written back, the vblank queues
 * the composition, see DOC: Composition. As long as that reads a frame no other
 * is latched that has an event: so who gets that may draw to what was shown
 * before, however long a composition takes. The legacy cursor waits for nothing.
 *
 * The legacy calls that move a cursor, or give it another image, wait for no other
 * commit either: what they change is changed in the frame that is to be latched, or
 * in a copy of the one that is on the screen. Those that show or hide it wait, and so
 * does an image with fences that have not signalled.
 *
 * An asynchronous flip is on the screen at once, and so is its event sent: with the
 * commit, that is when the fences have signalled. If a frame is being composed, the
 * next line is of the new one: as on a monitor, what is between two vblanks may be
 * of two frames. What is to be written back is not torn; then the flip is latched
 * when the copy is done.
 *
 * Frames have references of their own of framebuffers, for the legacy cursor
 * does not wait for a vblank. A framebuffer may go with its frame, and that
 * sleeps and takes a dma_resv, so frames are freed by a work on a workqueue that
 * no fence waits for.
 */

/* Dot clocks that make sense for modes as small as ours, in kHz. */
#define CLOCK_MIN	5000
#define CLOCK_MAX	400000

/* Refresh rates. */
#define REFRESH_MIN	10
#define REFRESH_MAX	240

static struct movgem_crtc_state *
to_movgem_crtc_state(struct drm_crtc_state *state)
{
	return container_of(state, struct movgem_crtc_state, base);
}

static void frame_free(struct movgem_frame *frame)
{
	for (int i = 0; i < MOVGEM_LAYERS; i++)
		if (frame->layers[i].fb)
			drm_framebuffer_put(&frame->layers[i].fb->base);
	movgem_colour_put(frame->colour);
	kfree(frame);
}

static void retire_work(struct work_struct *work)
{
	struct movgem_crtc *crtc = container_of(work, struct movgem_crtc,
						retire_work);
	struct movgem_frame *frame, *next;
	LIST_HEAD(list);

	spin_lock_irq(&crtc->lock);
	list_splice_init(&crtc->retired, &list);
	spin_unlock_irq(&crtc->lock);

	list_for_each_entry_safe(frame, next, &list, link)
		frame_free(frame);
}

/* Frees a frame later, that nobody uses any more; or NULL. */
static void retire(struct movgem_crtc *crtc, struct movgem_frame *frame)
{
	lockdep_assert_held(&crtc->lock);

	if (!frame)
		return;
	WARN_ON(frame->event);
	list_add_tail(&frame->link, &crtc->retired);
	queue_work(movgem_wq, &crtc->retire_work);
}

static void send_event(struct movgem_crtc *crtc,
		       struct drm_pending_vblank_event *event)
{
	struct drm_device *drm = crtc->base.dev;
	unsigned long flags;

	if (!event)
		return;

	spin_lock_irqsave(&drm->event_lock, flags);
	drm_crtc_send_vblank_event(&crtc->base, event);
	spin_unlock_irqrestore(&drm->event_lock, flags);
	drm_crtc_vblank_put(&crtc->base);
}

static struct drm_pending_vblank_event *take_event(struct movgem_frame *frame)
{
	struct drm_pending_vblank_event *event = NULL;

	if (frame)
		swap(event, frame->event);
	return event;
}

/*
 * The screen shows the latest frame now. Returns the event of its flip, which
 * says that what was shown before is not read any more.
 */
static struct drm_pending_vblank_event *latch(struct movgem_crtc *crtc)
{
	lockdep_assert_held(&crtc->lock);

	if (!crtc->pending || (crtc->composed && crtc->pending->event))
		return NULL;

	/* What is being composed is retired by that. */
	if (crtc->active != crtc->composed)
		retire(crtc, crtc->active);
	crtc->active = crtc->pending;
	crtc->active->since = crtc->seq;
	crtc->pending = NULL;
	return take_event(crtc->active);
}

/* Whether the vblank that is told now was before the latest frame's commit. */
static bool is_late(struct movgem_crtc *crtc)
{
	lockdep_assert_held(&crtc->lock);

	return crtc->pending && ktime_after(crtc->pending->pending_since,
					    crtc->vblank_time);
}

/* Whether the latest frame is to be latched without a vblank. */
static bool is_due(struct movgem_crtc *crtc)
{
	const struct movgem_frame *shown = crtc->composed ?: crtc->active;

	lockdep_assert_held(&crtc->lock);

	return crtc->pending && crtc->pending->async &&
	       !crtc->pending->writeback && !(shown && shown->writeback);
}

/**
 * movgem_crtc_tear - go on composing with the frame that came meanwhile
 * @crtc: the CRTC, whose @compose_work the caller is
 *
 * Return: the frame that is composed from here on.
 */
struct movgem_frame *movgem_crtc_tear(struct movgem_crtc *crtc)
{
	struct drm_pending_vblank_event *event = NULL;
	struct movgem_frame *frame;

	spin_lock_irq(&crtc->lock);
	crtc->tear = false;
	frame = crtc->composed;
	if (is_due(crtc)) {
		crtc->composed = NULL;
		if (frame != crtc->active)
			retire(crtc, frame);
		event = latch(crtc);
		crtc->composed = crtc->active;
		frame = crtc->active;
	}
	spin_unlock_irq(&crtc->lock);

	send_event(crtc, event);
	return frame;
}

/**
 * movgem_crtc_composed - the composition of a frame is done
 * @crtc: the CRTC, whose @compose_work the caller is
 */
void movgem_crtc_composed(struct movgem_crtc *crtc)
{
	struct drm_pending_vblank_event *event = NULL;
	struct movgem_frame *frame;

	spin_lock_irq(&crtc->lock);
	frame = crtc->composed;
	crtc->composed = NULL;
	frame->writeback = NULL;
	frame->lost = 0;
	if (frame != crtc->active)
		retire(crtc, frame);
	if (is_due(crtc))
		event = latch(crtc);
	spin_unlock_irq(&crtc->lock);

	send_event(crtc, event);
}

static void compose(struct movgem_crtc *crtc)
{
	lockdep_assert_held(&crtc->lock);

	if (crtc->composed || !crtc->active ||
	    (!crtc->crc && !crtc->active->writeback))
		return;

	crtc->composed = crtc->active;
	crtc->tear = false;
	crtc->compose_seq = crtc->seq;
	crtc->compose_crc = crtc->crc;
	queue_work(crtc->wq, &crtc->compose_work);
}

static enum hrtimer_restart vblank(struct hrtimer *timer)
{
	struct movgem_crtc *crtc = container_of(timer, struct movgem_crtc,
						timer);
	struct drm_pending_vblank_event *event = NULL;
	unsigned long flags;
	ktime_t due;
	u64 passed;

	/* More than one if the machine is slow: they have been all the same. */
	hrtimer_set_expires(timer, ktime_sub(hrtimer_get_expires(timer),
					     crtc->late));
	passed = hrtimer_forward(timer, ktime_sub(ktime_get(), crtc->late),
				 crtc->period);
	due = ktime_sub(hrtimer_get_expires(timer), crtc->period);

	crtc->late = min(READ_ONCE(crtc->late_us) * (s64)NSEC_PER_USEC,
			 crtc->period - 1);
	hrtimer_add_expires(timer, crtc->late);

	spin_lock_irqsave(&crtc->lock, flags);
	crtc->vblanks += passed;
	crtc->vblank_time = due;
	spin_unlock_irqrestore(&crtc->lock, flags);

	/* Asks for what has just been set. */
	drm_crtc_handle_vblank(&crtc->base);

	spin_lock_irqsave(&crtc->lock, flags);
	crtc->seq = drm_crtc_vblank_count(&crtc->base);
	if (!is_late(crtc))
		event = latch(crtc);
	compose(crtc);
	spin_unlock_irqrestore(&crtc->lock, flags);

	send_event(crtc, event);
	return HRTIMER_RESTART;
}

static u32 get_vblank_counter(struct drm_crtc *base)
{
	struct movgem_crtc *crtc = to_movgem_crtc(base);
	unsigned long flags;
	u32 vblanks;

	spin_lock_irqsave(&crtc->lock, flags);
	vblanks = crtc->vblanks;
	spin_unlock_irqrestore(&crtc->lock, flags);
	return vblanks;
}

static bool get_vblank_timestamp(struct drm_crtc *base, int *max_error,
				 ktime_t *vblank_time, bool in_vblank_irq)
{
	struct movgem_crtc *crtc = to_movgem_crtc(base);
	unsigned long flags;

	spin_lock_irqsave(&crtc->lock, flags);
	*vblank_time = crtc->vblank_time;
	spin_unlock_irqrestore(&crtc->lock, flags);
	*max_error = 0;
	return true;
}

/* The timer runs anyway. */
static int enable_vblank(struct drm_crtc *base)
{
	return 0;
}

static void disable_vblank(struct drm_crtc *base)
{
}

static enum drm_mode_status mode_valid(struct drm_crtc *base,
				       const struct drm_display_mode *mode)
{
	int refresh = drm_mode_vrefresh(mode);

	if (mode->hdisplay > MOVGEM_KMS_WIDTH_MAX)
		return MODE_BAD_HVALUE;
	if (mode->vdisplay > MOVGEM_KMS_HEIGHT_MAX)
		return MODE_BAD_VVALUE;
	if (mode->flags & DRM_MODE_FLAG_INTERLACE)
		return MODE_NO_INTERLACE;
	if (mode->flags & DRM_MODE_FLAG_DBLSCAN)
		return MODE_NO_DBLESCAN;
	if (mode->flags & DRM_MODE_FLAG_3D_MASK)
		return MODE_NO_STEREO;
	if (mode->vscan > 1)
		return MODE_NO_VSCAN;
	if (mode->clock < CLOCK_MIN)
		return MODE_CLOCK_LOW;
	if (mode->clock > CLOCK_MAX)
		return MODE_CLOCK_HIGH;
	if (refresh < REFRESH_MIN || refresh > REFRESH_MAX)
		return MODE_VSYNC;
	return MODE_OK;
}

static int crtc_check(struct drm_crtc *base, struct movgem_atomic_commit *state)
{
	struct drm_crtc_state *old = drm_atomic_get_old_crtc_state(state, base);
	struct drm_crtc_state *new = drm_atomic_get_new_crtc_state(state, base);
	struct movgem_crtc_state *mstate = to_movgem_crtc_state(new);
	int ret;

	/* A call that began before may not switch it on again for good. */
	if (new->active && !old->active && drm_dev_is_unplugged(base->dev))
		return -ENODEV;

	ret = movgem_colour_update(&mstate->colour, new);
	if (ret)
		return ret;

	/* All that a commit needs later. */
	if (new->active && !mstate->frame) {
		mstate->frame = kzalloc(sizeof(*mstate->frame),
					GFP_KERNEL_ACCOUNT);
		if (!mstate->frame)
			return -ENOMEM;
	}
	return 0;
}

/*
 * From the bottom up; of planes with the same zpos, in the order they have at first.
 * The cursor stays above all.
 */
static void set_order(struct movgem_layer *layers)
{
	for (int i = 1; i < MOVGEM_LAYER_CURSOR; i++)
		for (int k = i; k && layers[k].zpos < layers[k - 1].zpos; k--)
			swap(layers[k], layers[k - 1]);
}

static void get_fbs(struct movgem_frame *frame)
{
	for (int i = 0; i < MOVGEM_LAYERS; i++)
		if (frame->layers[i].fb)
			drm_framebuffer_get(&frame->layers[i].fb->base);
}

/* Make the new frame of what a commit says, but for the planes. */
static void frame_fill(struct movgem_crtc *crtc, struct movgem_frame *frame,
		       struct drm_crtc_state *new)
{
	frame->async = new->async_flip;
	frame->width = new->mode.hdisplay;
	frame->height = new->mode.vdisplay;
	frame->colour = movgem_colour_get(to_movgem_crtc_state(new)->colour);

	swap(frame->writeback, crtc->staged_writeback);

	swap(frame->event, new->event);
	if (frame->event)
		WARN_ON(drm_crtc_vblank_get(&crtc->base));
}

/* The planes, as commits have staged them, and the cursor's legacy calls. */
static void frame_fill_layers(struct movgem_crtc *crtc,
			      struct movgem_frame *frame)
{
	lockdep_assert_held(&crtc->lock);

	memcpy(frame->layers, crtc->staged, sizeof(frame->layers));
	set_order(frame->layers);
	get_fbs(frame);
}

static void crtc_flush(struct drm_crtc *base,
		       struct movgem_atomic_commit *state)
{
	struct drm_crtc_state *new = drm_atomic_get_new_crtc_state(state, base);
	struct movgem_crtc_state *mstate = to_movgem_crtc_state(new);
	struct drm_pending_vblank_event *event = NULL, *now = NULL;
	struct movgem_crtc *crtc = to_movgem_crtc(base);
	struct movgem_frame *frame = NULL, *old;

	swap(frame, mstate->frame);
	if (WARN_ON(!frame))
		return;
	frame_fill(crtc, frame, new);

	spin_lock_irq(&crtc->lock);
	frame_fill_layers(crtc, frame);
	frame->pending_since = ktime_get();
	old = crtc->pending;
	if (old) {
		/* However often the cursor moves, the flip has its turn. */
		if (!frame->event)
			frame->pending_since = old->pending_since;
		frame->async |= old->async;
		frame->lost = old->lost;
		if (!frame->writeback)
			frame->writeback = old->writeback;
		else if (old->writeback)
			frame->lost++;
		event = take_event(old);
		if (!frame->event)
			swap(frame->event, event);
	}
	crtc->pending = frame;
	retire(crtc, old);
	if (is_due(crtc)) {
		if (crtc->composed)
			crtc->tear = true;
		else
			now = latch(crtc);
	}
	spin_unlock_irq(&crtc->lock);

	send_event(crtc, event);
	send_event(crtc, now);
}

/* Make a frame that shows what another one does. */
static void frame_copy(struct movgem_frame *frame,
		       const struct movgem_frame *other)
{
	memcpy(frame->layers, other->layers, sizeof(frame->layers));
	get_fbs(frame);
	frame->width = other->width;
	frame->height = other->height;
	frame->colour = movgem_colour_get(other->colour);
}

/**
 * movgem_crtc_set_cursor - have another cursor from the next vblank on
 * @crtc: the CRTC
 * @cursor: what the cursor plane shows
 * @new: state of the CRTC, not a commit's, with memory for a frame
 *
 * Waits for nothing: a frame that a commit has left for the next vblank has the
 * new cursor, too, and the commits to come.
 *
 * Context: process; holds the locks of the CRTC and of the cursor plane, which no
 * commit works on.
 */
void movgem_crtc_set_cursor(struct movgem_crtc *crtc,
			    const struct movgem_layer *cursor,
			    struct drm_crtc_state *new)
{
	struct movgem_crtc_state *mstate = to_movgem_crtc_state(new);
	struct movgem_fb *old = NULL;
	struct movgem_layer *layer;

	spin_lock_irq(&crtc->lock);
	if (!crtc->pending && crtc->active && mstate->frame) {
		swap(crtc->pending, mstate->frame);
		frame_copy(crtc->pending, crtc->active);
		crtc->pending->pending_since = ktime_get();
	}
	if (!WARN_ON(!crtc->pending)) {
		crtc->staged[MOVGEM_LAYER_CURSOR] = *cursor;
		layer = &crtc->pending->layers[MOVGEM_LAYER_CURSOR];
		old = layer->fb;
		*layer = *cursor;
		if (layer->fb)
			drm_framebuffer_get(&layer->fb->base);
	}
	spin_unlock_irq(&crtc->lock);

	if (old)
		drm_framebuffer_put(&old->base);
}

static void crtc_enable(struct drm_crtc *base,
			struct movgem_atomic_commit *state)
{
	struct drm_crtc_state *new = drm_atomic_get_new_crtc_state(state, base);
	const struct drm_display_mode *mode = &new->mode;
	struct movgem_crtc *crtc = to_movgem_crtc(base);

	crtc->period = ns_to_ktime(div_u64((u64)mode->htotal * mode->vtotal *
					   NSEC_PER_MSEC, mode->clock));

	spin_lock_irq(&crtc->lock);
	crtc->vblank_time = ktime_get();
	spin_unlock_irq(&crtc->lock);

	crtc->late = 0;
	drm_crtc_vblank_on(base);
	hrtimer_start(&crtc->timer, crtc->period, HRTIMER_MODE_REL);
}

/* Writeback jobs that a frame has and that will not be done. */
static u32 unwritten(const struct movgem_frame *frame)
{
	return frame && frame->writeback ? frame->lost + 1 : 0;
}

static void crtc_disable(struct drm_crtc *base,
			 struct movgem_atomic_commit *state)
{
	struct drm_crtc_state *new = drm_atomic_get_new_crtc_state(state, base);
	struct drm_pending_vblank_event *event;
	struct movgem_crtc *crtc = to_movgem_crtc(base);
	u32 cancelled;

	hrtimer_cancel(&crtc->timer);
	flush_work(&crtc->compose_work);

	spin_lock_irq(&crtc->lock);
	event = take_event(crtc->pending);
	cancelled = unwritten(crtc->pending) + unwritten(crtc->active);
	retire(crtc, crtc->pending);
	retire(crtc, crtc->active);
	crtc->pending = NULL;
	crtc->active = NULL;
	crtc->crc_next = 0;
	memset(crtc->staged, 0, sizeof(crtc->staged));
	spin_unlock_irq(&crtc->lock);

	movgem_writeback_cancel(to_movgem_output(crtc), cancelled);
	send_event(crtc, event);
	drm_crtc_vblank_off(base);

	/* If it stays off nothing is shown, and this commit is done. */
	if (new->event && !new->active) {
		spin_lock_irq(&base->dev->event_lock);
		drm_crtc_send_vblank_event(base, new->event);
		spin_unlock_irq(&base->dev->event_lock);
		new->event = NULL;
	}
}

static const struct drm_crtc_helper_funcs crtc_helper_funcs = {
	.mode_valid = mode_valid,
	.atomic_check = crtc_check,
	.atomic_flush = crtc_flush,
	.atomic_enable = crtc_enable,
	.atomic_disable = crtc_disable,
};

static void crtc_destroy_state(struct drm_crtc *base,
			       struct drm_crtc_state *state)
{
	struct movgem_crtc_state *mstate = to_movgem_crtc_state(state);

	__drm_atomic_helper_crtc_destroy_state(state);
	kfree(mstate->frame);
	movgem_colour_put(mstate->colour);
	kfree(mstate);
}

static struct drm_crtc_state *crtc_duplicate_state(struct drm_crtc *base)
{
	struct movgem_crtc_state *mstate;

	if (WARN_ON(!base->state))
		return NULL;

	mstate = kzalloc(sizeof(*mstate), GFP_KERNEL);
	if (!mstate)
		return NULL;
	__drm_atomic_helper_crtc_duplicate_state(base, &mstate->base);
	mstate->colour =
		movgem_colour_get(to_movgem_crtc_state(base->state)->colour);
	return &mstate->base;
}

static void crtc_reset(struct drm_crtc *base)
{
	struct movgem_crtc_state *mstate = kzalloc(sizeof(*mstate), GFP_KERNEL);

	if (base->state)
		crtc_destroy_state(base, base->state);
	__drm_atomic_helper_crtc_reset(base, mstate ? &mstate->base : NULL);
}

static const char * const crc_sources[] = { "auto" };

static const char *const *get_crc_sources(struct drm_crtc *base, size_t *count)
{
	*count = ARRAY_SIZE(crc_sources);
	return crc_sources;
}

static int verify_crc_source(struct drm_crtc *base, const char *source,
			     size_t *values)
{
	*values = 1;
	if (source && strcmp(source, crc_sources[0]))
		return movgem_invalid(base->dev, "crc/control: unknown source %s",
				      source);
	return 0;
}

static int set_crc_source(struct drm_crtc *base, const char *source)
{
	struct movgem_crtc *crtc = to_movgem_crtc(base);
	size_t values;
	bool was;
	int ret;

	ret = verify_crc_source(base, source, &values);
	if (ret)
		return ret;

	/* Frames are numbered by vblanks, which DRM counts for users only. */
	if (source) {
		ret = drm_crtc_vblank_get(base);
		if (ret)
			return ret;
	}

	spin_lock_irq(&crtc->lock);
	was = crtc->crc;
	crtc->crc = source;
	if (!was)
		crtc->crc_next = 0;
	spin_unlock_irq(&crtc->lock);

	/* Who reads next must not get a frame from before. */
	if (!source)
		flush_work(&crtc->compose_work);
	if (was)
		drm_crtc_vblank_put(base);
	return 0;
}

static int crtc_late_register(struct drm_crtc *base)
{
	debugfs_create_u32("vblank_late_us", 0600, base->debugfs_entry,
			   &to_movgem_crtc(base)->late_us);
	return 0;
}

static const struct drm_crtc_funcs crtc_funcs = {
	.set_config = drm_atomic_helper_set_config,
	.page_flip = drm_atomic_helper_page_flip,
	.late_register = crtc_late_register,
	.reset = crtc_reset,
	.atomic_duplicate_state = crtc_duplicate_state,
	.atomic_destroy_state = crtc_destroy_state,
	.get_vblank_counter = get_vblank_counter,
	.get_vblank_timestamp = get_vblank_timestamp,
	.enable_vblank = enable_vblank,
	.disable_vblank = disable_vblank,
	.get_crc_sources = get_crc_sources,
	.verify_crc_source = verify_crc_source,
	.set_crc_source = set_crc_source,
};

static void wq_destroy(struct drm_device *drm, void *wq)
{
	destroy_workqueue(wq);
}

/* In the fence signalling path: it has to get on without free memory. */
static int wq_init(struct movgem_crtc *crtc)
{
	crtc->wq = alloc_ordered_workqueue("movgem-display", WQ_MEM_RECLAIM);
	if (!crtc->wq)
		return -ENOMEM;
	return drmm_add_action_or_reset(&crtc->mdev->drm, wq_destroy, crtc->wq);
}

/**
 * movgem_crtc_init - make a CRTC
 * @kms: the display
 * @crtc: the CRTC, of an output of @kms
 * @primary: primary plane
 * @cursor: cursor plane
 *
 * Freed with the device.
 *
 * Return: 0 or a negative errno.
 */
int movgem_crtc_init(struct movgem_kms *kms, struct movgem_crtc *crtc,
		     struct drm_plane *primary, struct drm_plane *cursor)
{
	struct drm_device *drm = &kms->mdev->drm;
	int ret;

	crtc->mdev = kms->mdev;
	spin_lock_init(&crtc->lock);
	INIT_LIST_HEAD(&crtc->retired);
	INIT_WORK(&crtc->retire_work, retire_work);
	INIT_WORK(&crtc->compose_work, movgem_compose_work);
	movgem_hrtimer_setup(&crtc->timer, vblank, CLOCK_MONOTONIC,
			     HRTIMER_MODE_REL);

	ret = wq_init(crtc);
	if (ret)
		return ret;
	ret = movgem_compose_init(crtc);
	if (ret)
		return ret;

	ret = drmm_crtc_init_with_planes(drm, &crtc->base, primary, cursor,
					 &crtc_funcs, NULL);
	if (ret)
		return ret;
	drm_crtc_helper_add(&crtc->base, &crtc_helper_funcs);

	ret = drm_mode_crtc_set_gamma_size(&crtc->base, MOVGEM_KMS_LUT_SIZE);
	if (ret)
		return ret;
	drm_crtc_enable_color_mgmt(&crtc->base, MOVGEM_KMS_LUT_SIZE, true,
				   MOVGEM_KMS_LUT_SIZE);
	return 0;
}

/**
 * movgem_crtc_drain - free what a CRTC has shown
 * @crtc: the CRTC, off for good
 */
void movgem_crtc_drain(struct movgem_crtc *crtc)
{
	/* Nothing is left of these but where DRM had no memory to switch it off. */
	hrtimer_cancel(&crtc->timer);
	flush_work(&crtc->compose_work);
	flush_work(&crtc->retire_work);
}
