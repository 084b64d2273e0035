// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 movgem maintainers */

/**
 * DOC: Syncs
 *
 * SUBMIT and VM_BIND take the same array of syncs. movgem_syncs_parse() does
 * all that can fail before a job can be seen by anybody: handles are looked up,
 * fences to wait for are taken, the links of timelines are allocated. Once a
 * job is armed movgem_syncs_push() only stores pointers.
 */

#include <linux/dma-fence-chain.h>
#include <linux/slab.h>
#include <linux/string.h>

#include <drm/drm_file.h>
#include <drm/drm_print.h>
#include <drm/drm_syncobj.h>
#include <drm/gpu_scheduler.h>
#include <drm/movgem_drm.h>

#include "movgem_device.h"
#include "movgem_sync.h"

#define MOVGEM_SYNC_FLAGS (DRM_MOVGEM_SYNC_SIGNAL | DRM_MOVGEM_SYNC_TIMELINE)

static int movgem_sync_parse_out(struct drm_file *file,
				 const struct drm_movgem_sync *sync,
				 struct movgem_sync_out *out)
{
	out->point = sync->point;

	out->syncobj = drm_syncobj_find(file, sync->handle);
	if (!out->syncobj)
		return -ENOENT;

	if (sync->flags & DRM_MOVGEM_SYNC_TIMELINE) {
		out->chain = dma_fence_chain_alloc();
		if (!out->chain)
			return -ENOMEM;
	}

	return 0;
}

static int movgem_sync_parse_one(struct drm_file *file, const char *ioctl,
				 u32 i, const struct drm_movgem_sync *sync,
				 struct movgem_syncs *syncs)
{
	struct drm_device *drm = file->minor->dev;
	bool timeline = sync->flags & DRM_MOVGEM_SYNC_TIMELINE;
	int ret;

	if (sync->flags & ~MOVGEM_SYNC_FLAGS)
		return movgem_invalid(drm, "%s.syncs[%u].flags: unknown bits in %#x",
				      ioctl, i, sync->flags);

	if (timeline && !sync->point)
		return movgem_invalid(drm, "%s.syncs[%u].point: zero for a timeline",
				      ioctl, i);

	if (!timeline && sync->point)
		return movgem_invalid(drm, "%s.syncs[%u].point: %llu for a binary syncobj",
				      ioctl, i, sync->point);

	/* Both arrays are zeroed, so that a half made entry can be undone. */
	if (sync->flags & DRM_MOVGEM_SYNC_SIGNAL)
		ret = movgem_sync_parse_out(file, sync,
					    &syncs->outs[syncs->num_outs++]);
	else
		ret = drm_syncobj_find_fence(file, sync->handle, sync->point, 0,
					     &syncs->waits[syncs->num_waits]);

	if (ret == -ENOENT)
		return movgem_reject(drm, ret, "%s.syncs[%u].handle: no syncobj %u",
				     ioctl, i, sync->handle);
	if (ret == -EINVAL)
		return movgem_invalid(drm, "%s.syncs[%u].handle: syncobj %u has no fence at %llu",
				      ioctl, i, sync->handle, sync->point);
	if (ret)
		return ret;

	if (!(sync->flags & DRM_MOVGEM_SYNC_SIGNAL))
		syncs->num_waits++;

	return 0;
}

/**
 * movgem_syncs_parse - take the syncs of one call apart
 * @file: DRM file
 * @ioctl: name of the call, for messages
 * @ptr: user address of &struct drm_movgem_sync
 * @count: number of them
 * @syncs: returned; to be released by movgem_syncs_fini()
 *
 * On failure nothing is held and @syncs is empty.
 *
 * Return: zero, or -EINVAL, -ENOENT, -EFAULT or -ENOMEM.
 */
int movgem_syncs_parse(struct drm_file *file, const char *ioctl, u64 ptr,
		       u32 count, struct movgem_syncs *syncs)
{
	struct drm_device *drm = file->minor->dev;
	struct drm_movgem_sync *array;
	int ret = 0;
	u32 i;

	memset(syncs, 0, sizeof(*syncs));

	if (count > DRM_MOVGEM_SYNCS_MAX)
		return movgem_invalid(drm, "%s.sync_count: %u is over %u",
				      ioctl, count, DRM_MOVGEM_SYNCS_MAX);
	if (!count)
		return 0;

	array = memdup_array_user(u64_to_user_ptr(ptr), count, sizeof(*array));
	if (IS_ERR(array))
		return movgem_reject(drm, PTR_ERR(array), "%s.syncs: cannot be read",
				     ioctl);

	/* There are few: room for all in both arrays saves a pass. */
	syncs->waits = kcalloc(count, sizeof(*syncs->waits), GFP_KERNEL);
	syncs->outs = kcalloc(count, sizeof(*syncs->outs), GFP_KERNEL);
	if (!syncs->waits || !syncs->outs)
		ret = -ENOMEM;

	for (i = 0; i < count && !ret; i++)
		ret = movgem_sync_parse_one(file, ioctl, i, &array[i], syncs);

	kfree(array);
	if (ret)
		movgem_syncs_fini(syncs);

	return ret;
}

/**
 * movgem_syncs_add_deps - make a job wait for the wait syncs
 * @syncs: the syncs; the references on the fences go to @job
 * @job: a job that is not armed yet
 *
 * Return: zero or -ENOMEM.
 */
int movgem_syncs_add_deps(struct movgem_syncs *syncs,
			  struct drm_sched_job *job)
{
	u32 i;
	int ret;

	for (i = 0; i < syncs->num_waits; i++) {
		/* Takes the reference also when it fails. */
		ret = drm_sched_job_add_dependency(job, syncs->waits[i]);
		syncs->waits[i] = NULL;
		if (ret)
			return ret;
	}

	return 0;
}

/**
 * movgem_syncs_push - let the signal syncs carry a job's fence
 * @syncs: the syncs
 * @fence: finished fence of the job, which is armed and certain to be pushed
 *
 * In the order in which user space gave them. Cannot fail, does not sleep.
 */
void movgem_syncs_push(struct movgem_syncs *syncs, struct dma_fence *fence)
{
	struct movgem_sync_out *out;
	u32 i;

	for (i = 0; i < syncs->num_outs; i++) {
		out = &syncs->outs[i];

		if (out->chain) {
			/* The timeline owns the link from now on. */
			drm_syncobj_add_point(out->syncobj, out->chain, fence,
					      out->point);
			out->chain = NULL;
		} else {
			drm_syncobj_replace_fence(out->syncobj, fence);
		}
	}
}

/**
 * movgem_syncs_fini - release what movgem_syncs_parse() took
 * @syncs: the syncs; may be released before or after they were used
 */
void movgem_syncs_fini(struct movgem_syncs *syncs)
{
	u32 i;

	for (i = 0; i < syncs->num_waits; i++)
		dma_fence_put(syncs->waits[i]);

	for (i = 0; i < syncs->num_outs; i++) {
		dma_fence_chain_free(syncs->outs[i].chain);
		if (syncs->outs[i].syncobj)
			drm_syncobj_put(syncs->outs[i].syncobj);
	}

	kfree(syncs->waits);
	kfree(syncs->outs);
	memset(syncs, 0, sizeof(*syncs));
}
