// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 movgem maintainers */

#include <linux/dma-mapping.h>
#include <linux/module.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/workqueue.h>

#include <drm/drm_drv.h>
#include <drm/drm_file.h>
#include <drm/drm_gem.h>
#include <drm/drm_ioctl.h>
#include <drm/drm_managed.h>
#include <drm/drm_prime.h>
#include <drm/drm_print.h>
#include <drm/movgem_drm.h>

#include "movgem_bo.h"
#include "movgem_compat.h"
#include "movgem_device.h"
#include "movgem_drv.h"
#include "movgem_engine.h"
#include "movgem_kms.h"
#include "movgem_pm.h"
#include "movgem_queue.h"
#include "movgem_store.h"
#include "movgem_vm.h"

/**
 * DOC: Overview
 *
 * movgem is a DRM driver whose buffers never pin memory. A device is a
 * platform device that the module registers itself, one or some (parameter
 * devices), or a PCI function that it is told to take; the GPU behind it is an
 * engine (&struct movgem_engine_ops), today the soft engine.
 */

static char *page_store;
module_param(page_store, charp, 0444);
MODULE_PARM_DESC(page_store,
		 "Where buffer pages come from: movable_ops (up to Linux 6.16, the default there), folio or pinned, which never moves");

struct workqueue_struct *movgem_wq;

/* Copy what both sides know of a structure to user space. */
static int query_copy(struct drm_movgem_dev_query *args, const void *from,
		      u32 size)
{
	if (!args->pointer) {
		args->size = size;
		return 0;
	}
	size = min(args->size, size);
	if (copy_to_user(u64_to_user_ptr(args->pointer), from, size))
		return -EFAULT;
	args->size = size;
	return 0;
}

static int query_gpu(struct movgem_device *mdev,
		     struct drm_movgem_dev_query *args)
{
	struct drm_movgem_gpu_info info = {
		.va_start = MOVGEM_VA_START,
		.va_end = MOVGEM_VA_END,
		.page_size = PAGE_SIZE,
		.job_timeout_ms = movgem_job_timeout_ms,
	};

	mdev->engine->query(mdev, &info);
	return query_copy(args, &info, sizeof(info));
}

static int query_mem(struct movgem_device *mdev,
		     struct drm_movgem_dev_query *args)
{
	struct drm_movgem_mem_info info = {
		.page_store = mdev->store->uapi,
		.bos = movgem_stat_read(mdev, bos_live),
		.pages = movgem_stat_read(mdev, pages_live),
		.pages_pinned = movgem_stat_read(mdev, pages_pinned),
		.pages_moved = movgem_stat_read(mdev, migrate_ok),
		.pages_purged = movgem_stat_read(mdev, pages_purged),
	};

	return query_copy(args, &info, sizeof(info));
}

static int movgem_dev_query_ioctl(struct drm_device *drm, void *data,
				  struct drm_file *file)
{
	struct movgem_device *mdev = to_movgem_device(drm);
	struct drm_movgem_dev_query *args = data;

	if (args->pad)
		return movgem_invalid(drm, "dev_query.pad: not zero");

	switch (args->type) {
	case DRM_MOVGEM_DEV_QUERY_GPU_INFO:
		return query_gpu(mdev, args);
	case DRM_MOVGEM_DEV_QUERY_MEM_INFO:
		return query_mem(mdev, args);
	default:
		return movgem_invalid(drm, "dev_query.type: unknown %u",
				      args->type);
	}
}

static int movgem_open(struct drm_device *drm, struct drm_file *file)
{
	struct movgem_file *mfile;
	int ret;

	mfile = kzalloc(sizeof(*mfile), GFP_KERNEL_ACCOUNT);
	if (!mfile)
		return -ENOMEM;

	mfile->usage = movgem_usage_create();
	if (!mfile->usage) {
		ret = -ENOMEM;
		goto err_free;
	}
	/* The file system is not mounted anew for each BO if it is the only. */
	ret = movgem_mmap_pin();
	if (ret)
		goto err_usage;
	mfile->mdev = to_movgem_device(drm);
	xa_init_flags(&mfile->vms, XA_FLAGS_ALLOC1);
	xa_init_flags(&mfile->queues, XA_FLAGS_ALLOC1);
	file->driver_priv = mfile;
	return 0;

err_usage:
	movgem_usage_put(mfile->usage);
err_free:
	kfree(mfile);
	return ret;
}

static void movgem_postclose(struct drm_device *drm, struct drm_file *file)
{
	struct movgem_file *mfile = file->driver_priv;

	movgem_queue_close_all(mfile);
	movgem_vm_close_all(mfile);
	movgem_mmap_unpin();
	movgem_usage_put(mfile->usage);
	kfree(mfile);
}

#define MOVGEM_IOCTL(n, f) \
	DRM_IOCTL_DEF_DRV(MOVGEM_##n, movgem_##f##_ioctl, DRM_RENDER_ALLOW)

static const struct drm_ioctl_desc movgem_ioctls[] = {
	MOVGEM_IOCTL(DEV_QUERY, dev_query),
	MOVGEM_IOCTL(BO_CREATE, bo_create),
	MOVGEM_IOCTL(BO_MMAP_OFFSET, bo_mmap_offset),
	MOVGEM_IOCTL(BO_INFO, bo_info),
	MOVGEM_IOCTL(BO_LABEL, bo_label),
	MOVGEM_IOCTL(BO_WAIT, bo_wait),
	MOVGEM_IOCTL(BO_MADVISE, bo_madvise),
	MOVGEM_IOCTL(VM_CREATE, vm_create),
	MOVGEM_IOCTL(VM_DESTROY, vm_destroy),
	MOVGEM_IOCTL(VM_BIND, vm_bind),
	MOVGEM_IOCTL(QUEUE_CREATE, queue_create),
	MOVGEM_IOCTL(QUEUE_DESTROY, queue_destroy),
	MOVGEM_IOCTL(QUEUE_STATE, queue_state),
	MOVGEM_IOCTL(SUBMIT, submit),
};

static const struct file_operations movgem_fops = {
	.owner = THIS_MODULE,
	DRM_GEM_FOPS,
	.show_fdinfo = drm_show_fdinfo,
};

static const struct drm_driver movgem_driver = {
	.driver_features = DRIVER_GEM | DRIVER_GEM_GPUVA | DRIVER_RENDER |
			   DRIVER_SYNCOBJ | DRIVER_SYNCOBJ_TIMELINE |
			   DRIVER_MODESET | DRIVER_ATOMIC,
	.open = movgem_open,
	.postclose = movgem_postclose,
	.show_fdinfo = movgem_show_fdinfo,
	.ioctls = movgem_ioctls,
	.num_ioctls = ARRAY_SIZE(movgem_ioctls),
	.fops = &movgem_fops,
	.dumb_create = movgem_dumb_create,
	.gem_prime_import = movgem_prime_import,
#ifdef CONFIG_DEBUG_FS
	.debugfs_init = movgem_debugfs_init,
#endif
	.name = MOVGEM_DRIVER_NAME,
	.desc = "GPU buffers whose pages move",
	.major = 1,
	.minor = 0,
};

static void movgem_engine_fini(struct drm_device *drm, void *unused)
{
	struct movgem_device *mdev = to_movgem_device(drm);

	mdev->engine->fini(mdev);
}

/* The last BO has gone; who came by a page of one may still look at us. */
static void movgem_device_rest(struct drm_device *drm, void *unused)
{
	synchronize_rcu();
}

static int movgem_device_init(struct movgem_device *mdev)
{
	int ret;

	spin_lock_init(&mdev->flush.lock);
	INIT_LIST_HEAD(&mdev->pts.list);
	spin_lock_init(&mdev->bos.lock);
	INIT_LIST_HEAD(&mdev->bos.list);
	spin_lock_init(&mdev->stalls.lock);
	INIT_LIST_HEAD(&mdev->stalls.list);
	mdev->engine = &movgem_soft_engine;

	ret = drmm_mutex_init(&mdev->drm, &mdev->pts.lock);
	if (ret)
		return ret;
	ret = mdev->engine->init(mdev);
	if (ret)
		return ret;
	ret = drmm_add_action_or_reset(&mdev->drm, movgem_engine_fini, NULL);
	if (ret)
		return ret;
	ret = movgem_queue_init_device(mdev);
	if (ret)
		return ret;
	ret = movgem_shrinker_init(mdev);
	if (ret)
		return ret;
	/* The first to be called. */
	return drmm_add_action_or_reset(&mdev->drm, movgem_device_rest, NULL);
}

/**
 * movgem_device_probe - make a movgem device of a device of any bus
 * @dev: the device, which the driver is being bound to; its drvdata is set
 *
 * The bus has runtime PM enabled and @dev active, and holds a reference of that
 * for the driver: it is dropped here, and taken again by movgem_device_remove().
 *
 * What is made goes when the driver is unbound, as far as nobody uses it.
 *
 * Return: 0 or a negative errno.
 */
int movgem_device_probe(struct device *dev)
{
	struct movgem_device *mdev;
	int ret;

	mdev = devm_drm_dev_alloc(dev, &movgem_driver, struct movgem_device,
				  drm);
	if (IS_ERR(mdev))
		return PTR_ERR(mdev);
	dev_set_drvdata(dev, mdev);

	mdev->store = movgem_store_find(page_store);

	/* The engine reaches all memory; importers ask for the mask. */
	ret = dma_set_mask_and_coherent(dev, DMA_BIT_MASK(64));
	if (ret)
		return ret;

	ret = movgem_device_init(mdev);
	if (ret)
		return ret;
	ret = movgem_kms_init(mdev);
	if (ret)
		return ret;
	movgem_lockdep_prime(mdev);
	ret = drm_dev_register(&mdev->drm, 0);
	if (ret)
		return ret;

	movgem_pm_start(mdev);
	drm_info(&mdev->drm, "engine %s, page store %s\n", mdev->engine->name,
		 mdev->store->name);
	return 0;
}

/**
 * movgem_device_remove - take a device from its users
 * @dev: the device, which the driver is being unbound from
 *
 * What user space has of the device stays until it lets go of it: memory is
 * the machine's, so BOs, their CPU mappings and dma-bufs go on as before, and
 * so do moves of their pages. But nothing of the device runs any more, whether
 * @dev is still in the machine or not.
 */
void movgem_device_remove(struct device *dev)
{
	struct movgem_device *mdev = dev_get_drvdata(dev);
	struct movgem_bo *bo;

	movgem_pm_stop(mdev);
	drm_dev_unplug(&mdev->drm);
	movgem_queue_unplug(mdev);
	/* After the jobs: what is to be shown may wait for them. */
	movgem_kms_unplug(mdev);

	for (bo = movgem_bo_first(mdev); bo; bo = movgem_bo_next(mdev, bo))
		if (bo->base.import_attach)
			movgem_import_unplug(bo);
}

static int __init movgem_init(void)
{
	char names[64];
	int ret;

	if (!movgem_store_find(page_store)) {
		pr_err("movgem: page_store=%s: this kernel has %s\n",
		       page_store, movgem_store_names(names, sizeof(names)));
		return -EINVAL;
	}
	if (!page_store)
		page_store = (char *)movgem_store_find(NULL)->name;

	movgem_wq = alloc_workqueue("movgem", WQ_UNBOUND, 0);
	if (!movgem_wq)
		return -ENOMEM;

	ret = movgem_pci_init();
	if (ret)
		goto err_wq;
	ret = movgem_platform_init();
	if (ret)
		goto err_pci;
	return 0;

err_pci:
	movgem_pci_exit();
err_wq:
	destroy_workqueue(movgem_wq);
	movgem_vm_exit();
	return ret;
}
module_init(movgem_init);

static void __exit movgem_exit(void)
{
	movgem_platform_exit();
	movgem_pci_exit();
	/* Works queue works: destroying drains them all. */
	destroy_workqueue(movgem_wq);
	/* Fences of ours are freed by RCU callbacks. */
	rcu_barrier();
	movgem_vm_exit();
}
module_exit(movgem_exit);

MODULE_AUTHOR("movgem maintainers");
MODULE_DESCRIPTION("DRM driver whose buffers never pin memory");
MODULE_LICENSE("GPL");
MODULE_IMPORT_NS(MOVGEM_IMPORT_NS_DMA_BUF);
