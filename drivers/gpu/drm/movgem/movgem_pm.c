// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 movgem maintainers */

/**
 * DOC: Power
 *
 * The GPU is on while there are jobs or a display that is on, and a moment
 * longer. SUBMIT takes a reference for each job, and a commit one for each CRTC
 * that it switches on, before anything is promised: switching the GPU on may
 * sleep, and no fence may wait for that. The scheduler drops it with the job,
 * the commit that switches a CRTC off when it is done.
 *
 * Nothing else needs the GPU. Memory is the machine's, and page tables are
 * memory: BOs are made, mapped by CPU and GPU, shared, purged and moved while it
 * is off, and none of that switches it on. What it had in its TLBs is gone or
 * may be anything, so of an invalidation there is nothing to do while it is off,
 * and one is made before it does anything else when it is on again. &struct
 * movgem_device flush.lock keeps the two apart.
 *
 * When the machine goes to sleep the display is switched off, which waits for
 * flips and thereby for jobs, of other devices as well. So jobs go on until all
 * devices are through with that: late, the engine rests, in the middle of what
 * jobs are left, and is off. Their time stands still: a job may wait for a
 * process, which is frozen. When the machine wakes up the jobs go on first, and
 * then the display is as it was. Pages need nothing of that, they may even be in
 * the kernel's hands meanwhile.
 */

#include <linux/pm_runtime.h>

#include "movgem_device.h"
#include "movgem_kms.h"
#include "movgem_pm.h"
#include "movgem_queue.h"
#include "movgem_store.h"

/* Switching on and off is cheap; this spares most jobs of a stream of them. */
#define AUTOSUSPEND_MS	50

/**
 * movgem_pm_start - let the GPU be switched off
 * @mdev: the device; its bus has enabled runtime PM, and given the driver a
 *	reference, which is dropped
 */
void movgem_pm_start(struct movgem_device *mdev)
{
	struct device *dev = mdev->drm.dev;

	pm_runtime_set_autosuspend_delay(dev, AUTOSUSPEND_MS);
	pm_runtime_use_autosuspend(dev);
	movgem_pm_put(mdev);
}

/**
 * movgem_pm_stop - undo movgem_pm_start()
 * @mdev: the device, which is going away
 *
 * In return it is on, unless that fails, and stays so.
 */
void movgem_pm_stop(struct movgem_device *mdev)
{
	struct device *dev = mdev->drm.dev;

	pm_runtime_get_sync(dev);
	pm_runtime_dont_use_autosuspend(dev);
}

/**
 * movgem_pm_get - have the GPU on
 * @mdev: the device, not unplugged
 *
 * Context: may sleep; not in the fence signalling path.
 *
 * Return: 0 or a negative errno.
 */
int movgem_pm_get(struct movgem_device *mdev)
{
	return pm_runtime_resume_and_get(mdev->drm.dev);
}

/**
 * movgem_pm_put - undo movgem_pm_get()
 * @mdev: the device
 *
 * Context: any.
 */
void movgem_pm_put(struct movgem_device *mdev)
{
	struct device *dev = mdev->drm.dev;

	pm_runtime_mark_last_busy(dev);
	pm_runtime_put_autosuspend(dev);
}

static int runtime_suspend(struct device *dev)
{
	movgem_migrate_power(dev_get_drvdata(dev), false);
	return 0;
}

static int runtime_resume(struct device *dev)
{
	movgem_migrate_power(dev_get_drvdata(dev), true);
	return 0;
}

static int system_suspend(struct device *dev)
{
	return movgem_kms_suspend(dev_get_drvdata(dev));
}

static int system_suspend_late(struct device *dev)
{
	struct movgem_device *mdev = dev_get_drvdata(dev);

	movgem_queue_suspend(mdev);
	movgem_migrate_power(mdev, false);
	return 0;
}

static int system_resume_early(struct device *dev)
{
	struct movgem_device *mdev = dev_get_drvdata(dev);

	/* Without jobs it may have been off before. */
	if (!pm_runtime_status_suspended(dev))
		movgem_migrate_power(mdev, true);
	movgem_queue_resume(mdev);
	return 0;
}

static int system_resume(struct device *dev)
{
	return movgem_kms_resume(dev_get_drvdata(dev));
}

const struct dev_pm_ops movgem_pm_ops = {
	SYSTEM_SLEEP_PM_OPS(system_suspend, system_resume)
	LATE_SYSTEM_SLEEP_PM_OPS(system_suspend_late, system_resume_early)
	RUNTIME_PM_OPS(runtime_suspend, runtime_resume, NULL)
};
