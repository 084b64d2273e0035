// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 movgem maintainers */

#include <linux/delay.h>
#include <linux/dma-buf.h>
#include <linux/dma-fence.h>
#include <linux/dma-mapping.h>
#include <linux/dma-resv.h>
#include <linux/iommu.h>
#include <linux/jiffies.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sched/mm.h>
#include <linux/swiotlb.h>

#include <drm/drm_drv.h>
#include <drm/drm_gpuvm.h>
#include <drm/drm_prime.h>
#include <drm/drm_print.h>
#include <drm/movgem_drm.h>

#include "movgem_bo.h"
#include "movgem_compat.h"
#include "movgem_engine.h"
#include "movgem_queue.h"
#include "movgem_store.h"
#include "movgem_vm.h"

/**
 * DOC: Exported BOs
 *
 * What another device does with a BO decides whether it moves:
 *
 * A static importer keeps the addresses for as long as it is attached, so it
 * pins the BO; the dma-buf core asks for that and ends it.
 *
 * A dynamic importer can be told that the addresses are about to change. What
 * it has queued by then may still use them, and has a fence in the BO's
 * reservation; before anything new it maps the BO again. So a move of a BO
 * that is MAPPED tells all importers, which makes it NOTIFIED, and looks at the
 * fences of other devices. When none is left the BO is FREE: its pages move as
 * those of any BO, until somebody maps it. The jobs of the BO's own device are
 * not waited for, the engine stalls on a page that moves.
 *
 * All of that happens under a page lock (see DOC: Locking of a move), so the
 * reservation is only tried, a few times with short sleeps, and fences are looked
 * at without it, for some milliseconds after a notification; if it takes longer the
 * kernel has to come again. A caller that may not sleep (MIGRATE_ASYNC) tells
 * nobody anything. So that an importer which always has jobs does not keep a BO in
 * its place, a mapping that comes after a notification waits for some milliseconds
 * for the pages that the kernel has in its hands.
 *
 * Kernels without CONFIG_DMABUF_MOVE_NOTIFY, as Debian's 6.12, have the
 * dma-buf core pin a buffer for each mapping of a dynamic importer. movgem, as
 * an importer, never asks for a pin itself, so an exporting movgem knows what
 * such a pin stands for and lets it pass. Other importers pin there.
 *
 * CPU access through the dma-buf: mmap() gives the same mapping as on the DRM
 * node. begin_cpu_access has nothing to do, as memory is coherent; the core
 * waits, interruptibly, for the implicit fences. vmap pins.
 */

/**
 * DOC: Imported BOs
 *
 * An import is attached dynamically. It has a mapping from its import on. When
 * the exporter wants to move the buffer, jobs that were submitted finish with
 * the old addresses, and the exporter waits for their fences; an import that
 * has none is unmapped on the spot. SUBMIT, which holds the reservations of all
 * that is bound, maps it again and rewrites the page tables if the addresses
 * have changed, before the job is armed. Until then the old entries stay: no
 * job is there to use them, and of a buffer that is mapped over and over they
 * are too many to be cleared under a page lock, which the exporter may hold.
 *
 * A job may use what is bound after it was submitted. For the exporter to know
 * of it too, binding an import adds the fences of the VM's jobs to the
 * reservation of the import. So no job of a VM ever runs without a fence in the
 * reservation of each import that the VM may have.
 */

#define EVICT_TRIES	20

/* How long a move waits after a notification, all pages together. */
#define EVICT_PATIENCE	msecs_to_jiffies(4)

/* How long an importer waits for pages that a move has isolated. */
#define TURN_TRIES	100

static const struct dma_buf_attach_ops movgem_attach_ops;

/* Fences come and go meanwhile; those from before a notification are seen. */
static bool others_idle(struct movgem_bo *bo)
{
	struct movgem_device *mdev = movgem_bo_device(bo);
	struct dma_resv_iter cursor;
	struct dma_fence *fence;
	bool idle = true;

	dma_resv_iter_begin(&cursor, bo->base.resv, DMA_RESV_USAGE_BOOKKEEP);
	dma_resv_for_each_fence_unlocked(&cursor, fence) {
		idle = dma_fence_is_signaled(fence) ||
		       movgem_queue_has_fence(mdev, fence);
		if (!idle)
			break;
	}
	dma_resv_iter_end(&cursor);
	return idle;
}

/* Make the BO FREE if importers know and are through. */
static bool settle(struct movgem_bo *bo)
{
	bool notified, free;
	u32 seq;

	spin_lock(&bo->pages_lock);
	notified = bo->share.state == MOVGEM_SHARE_NOTIFIED;
	seq = bo->share.seq;
	spin_unlock(&bo->pages_lock);

	if (notified)
		notified = others_idle(bo);

	spin_lock(&bo->pages_lock);
	/* Not if it was mapped meanwhile, even if it is NOTIFIED again. */
	if (notified && seq == bo->share.seq)
		bo->share.state = MOVGEM_SHARE_FREE;
	free = bo->share.state == MOVGEM_SHARE_FREE;
	spin_unlock(&bo->pages_lock);
	return free;
}

/* Called with the BO's dma_resv held. */
static void notify(struct movgem_bo *bo)
{
	unsigned int noio;

	/* A mapping has a reference of the dma-buf. */
	if (bo->share.state != MOVGEM_SHARE_MAPPED)
		return;

	/* Importers may allocate, our caller may be in reclaim. */
	noio = memalloc_noio_save();
	movgem_dma_buf_notify(bo->share.dmabuf);
	memalloc_noio_restore(noio);
	movgem_stat_inc(movgem_bo_device(bo), share_notify);

	spin_lock(&bo->pages_lock);
	bo->share.state = MOVGEM_SHARE_NOTIFIED;
	bo->share.patience = jiffies + EVICT_PATIENCE;
	spin_unlock(&bo->pages_lock);
}

/**
 * movgem_share_evict - have other devices let a BO's pages go
 * @bo: the BO
 * @mode: whether the caller may sleep
 * @locked: the caller holds the BO's dma_resv
 *
 * An importer may map the BO again as soon as this returns, so who makes a page
 * MOVING looks at the state once more, under &movgem_bo.pages_lock.
 *
 * Context: the page lock may be held. Does not sleep for MIGRATE_ASYNC.
 *
 * Return: 0 if it is FREE or pinned, else -EAGAIN.
 */
int movgem_share_evict(struct movgem_bo *bo, enum migrate_mode mode,
		       bool locked)
{
	for (int try = 0; ; try++) {
		u8 state = READ_ONCE(bo->share.state);

		/* Of a pinned BO nothing will move. */
		if (state == MOVGEM_SHARE_FREE ||
		    (!locked && READ_ONCE(bo->pins)))
			return 0;
		if (state == MOVGEM_SHARE_MAPPED && mode != MIGRATE_ASYNC) {
			if (locked) {
				notify(bo);
			} else if (dma_resv_trylock(bo->base.resv)) {
				notify(bo);
				dma_resv_unlock(bo->base.resv);
			}
		}
		if (settle(bo))
			return 0;
		if (mode == MIGRATE_ASYNC || try == EVICT_TRIES ||
		    (state == MOVGEM_SHARE_NOTIFIED &&
		     time_after(jiffies, READ_ONCE(bo->share.patience))))
			break;
		usleep_range(50, 100);
	}
	movgem_stat_inc(movgem_bo_device(bo), migrate_eagain_shared);
	return -EAGAIN;
}

/* Whether the kernel has pages in its hands: of folios it does not tell. */
static bool move_is_near(struct movgem_bo *bo)
{
	const struct movgem_store_ops *store = movgem_bo_device(bo)->store;
	u32 away;

	spin_lock(&bo->pages_lock);
	away = bo->away;
	spin_unlock(&bo->pages_lock);
	return away && (!store->held || store->held(bo));
}

static int share_map(struct movgem_bo *bo, struct dma_buf *dmabuf)
{
	dma_resv_assert_held(bo->base.resv);

	/* A move that has asked for the pages gets its turn. */
	for (int try = 0; try < TURN_TRIES && move_is_near(bo) &&
	     READ_ONCE(bo->share.state) != MOVGEM_SHARE_MAPPED; try++)
		usleep_range(50, 100);

	spin_lock(&bo->pages_lock);
	if (!movgem_bo_has_pages(bo)) {
		spin_unlock(&bo->pages_lock);
		return -EFAULT;
	}
	bo->share.state = MOVGEM_SHARE_MAPPED;
	bo->share.seq++;
	bo->share.maps++;
	bo->share.dmabuf = dmabuf;
	spin_unlock(&bo->pages_lock);

	movgem_migrate_drain(bo);
	return 0;
}

static void share_unmap(struct movgem_bo *bo)
{
	dma_resv_assert_held(bo->base.resv);

	spin_lock(&bo->pages_lock);
	/* Jobs of the importer may still have fences in the dma_resv. */
	if (!--bo->share.maps && bo->share.state == MOVGEM_SHARE_MAPPED)
		bo->share.state = MOVGEM_SHARE_NOTIFIED;
	spin_unlock(&bo->pages_lock);
}

static int movgem_dmabuf_pin(struct dma_buf_attachment *attach)
{
	/* See DOC: Exported BOs. */
	if (attach->importer_ops == &movgem_attach_ops)
		return 0;
	return movgem_bo_pin(to_movgem_bo(attach->dmabuf->priv));
}

static void movgem_dmabuf_unpin(struct dma_buf_attachment *attach)
{
	if (attach->importer_ops != &movgem_attach_ops)
		movgem_bo_unpin(to_movgem_bo(attach->dmabuf->priv));
}

/* A static importer has pinned the BO. */
static struct sg_table *movgem_dmabuf_map(struct dma_buf_attachment *attach,
					  enum dma_data_direction dir)
{
	struct movgem_bo *bo = to_movgem_bo(attach->dmabuf->priv);
	struct sg_table *sgt;
	int ret;

	if (attach->importer_ops) {
		ret = share_map(bo, attach->dmabuf);
		if (ret)
			return ERR_PTR(ret);
	}

	sgt = drm_gem_map_dma_buf(attach, dir);
	if (IS_ERR(sgt) && attach->importer_ops)
		share_unmap(bo);
	return sgt;
}

static void movgem_dmabuf_unmap(struct dma_buf_attachment *attach,
				struct sg_table *sgt,
				enum dma_data_direction dir)
{
	drm_gem_unmap_dma_buf(attach, sgt, dir);
	if (attach->importer_ops)
		share_unmap(to_movgem_bo(attach->dmabuf->priv));
}

static void movgem_dmabuf_release(struct dma_buf *dmabuf)
{
	struct movgem_bo *bo = to_movgem_bo(dmabuf->priv);

	movgem_bo_unkeep(bo, &bo->exports);
	drm_gem_dmabuf_release(dmabuf);
}

static const struct dma_buf_ops movgem_dmabuf_ops = {
	.pin = movgem_dmabuf_pin,
	.unpin = movgem_dmabuf_unpin,
	.map_dma_buf = movgem_dmabuf_map,
	.unmap_dma_buf = movgem_dmabuf_unmap,
	.release = movgem_dmabuf_release,
	.mmap = drm_gem_dmabuf_mmap,
	.vmap = drm_gem_dmabuf_vmap,
	.vunmap = drm_gem_dmabuf_vunmap,
};

/**
 * movgem_prime_export - make a dma-buf of a BO
 * @obj: the BO
 * @flags: O_RDWR and the like
 *
 * A BO that has been purged has nothing to share, and the dma-buf core warns of
 * exporters that refuse a vmap.
 *
 * Return: the dma-buf or an ERR_PTR(), -EINVAL for a BO with an exclusive VM,
 * -EFAULT for one that was purged.
 */
struct dma_buf *movgem_prime_export(struct drm_gem_object *obj, int flags)
{
	struct dma_buf_export_info info = {
		.exp_name = KBUILD_MODNAME,
		.owner = THIS_MODULE,
		.ops = &movgem_dmabuf_ops,
		.size = obj->size,
		.flags = flags,
		.resv = obj->resv,
		.priv = obj,
	};
	struct movgem_bo *bo = to_movgem_bo(obj);
	struct dma_buf *dmabuf;
	int ret;

	if (bo->exclusive_root)
		return ERR_PTR(movgem_invalid(obj->dev,
					      "prime.handle: BO has an exclusive VM"));
	ret = movgem_bo_keep(bo, &bo->exports);
	if (ret) {
		drm_dbg(obj->dev, "prime.handle: BO was purged\n");
		return ERR_PTR(ret);
	}
	dmabuf = drm_gem_dmabuf_export(obj->dev, &info);
	if (IS_ERR(dmabuf))
		movgem_bo_unkeep(bo, &bo->exports);
	return dmabuf;
}

/* Withdraw the addresses from the GPU. */
static void import_forget(struct movgem_bo *bo)
{
	struct movgem_device *mdev = movgem_bo_device(bo);
	dma_addr_t *addrs = bo->import.addrs;

	if (!addrs)
		return;

	spin_lock(&bo->pages_lock);
	bo->import.addrs = NULL;
	spin_unlock(&bo->pages_lock);
	kvfree(addrs);

	mdev->engine->bo_update(bo);
	movgem_migrate_flush(mdev);
}

static void import_unmap(struct movgem_bo *bo)
{
	dma_resv_assert_held(bo->base.resv);

	if (bo->import.sgt)
		dma_buf_unmap_attachment(bo->base.import_attach, bo->import.sgt,
					 DMA_BIDIRECTIONAL);
	bo->import.sgt = NULL;
}

/* The exporter wants to move the buffer, and holds the dma_resv. */
static void movgem_import_notify(struct dma_buf_attachment *attach)
{
	struct movgem_bo *bo = attach->importer_priv;

	dma_resv_assert_held(attach->dmabuf->resv);

	if (!bo->import.sgt)
		return;

	movgem_stat_inc(movgem_bo_device(bo), import_notify);
	bo->import.stale = true;
	mutex_lock(movgem_gpuva_lock(bo));
	drm_gpuvm_bo_gem_evict(&bo->base, true);
	mutex_unlock(movgem_gpuva_lock(bo));

	/* Else the jobs go on; who maps the BO next unmaps it first. */
	if (dma_resv_test_signaled(bo->base.resv, DMA_RESV_USAGE_BOOKKEEP))
		import_unmap(bo);
}

static const struct dma_buf_attach_ops movgem_attach_ops = {
	.allow_peer2peer = false,
	.MOVGEM_ATTACH_NOTIFY = movgem_import_notify,
};

/*
 * The engine reaches memory as a CPU does. Where an IOMMU would translate what
 * the device sends, as it may for a PCI function, it is asked what to. 0: the
 * address is not one of memory.
 */
static dma_addr_t import_phys(struct iommu_domain *domain, dma_addr_t addr)
{
	if (!PAGE_ALIGNED(addr))
		return 0;
	if (domain)
		addr = iommu_iova_to_phys(domain, addr);
	return pfn_valid(PHYS_PFN(addr)) ? addr : 0;
}

/* All of it must be ordinary memory, with no bounce buffers between. */
static dma_addr_t *import_addrs(struct movgem_bo *bo, struct sg_table *sgt)
{
	struct drm_device *drm = bo->base.dev;
	struct iommu_domain *domain = iommu_get_domain_for_dev(drm->dev);
	u32 count = movgem_bo_count(bo);
	dma_addr_t *addrs;
	int ret = 0;

	if (is_swiotlb_force_bounce(drm->dev))
		return ERR_PTR(movgem_invalid(drm, "prime: DMA is bounced"));

	addrs = kvmalloc_array(count, sizeof(*addrs), GFP_KERNEL);
	if (!addrs)
		return ERR_PTR(-ENOMEM);

	/* What the mapping does not cover stays invalid. */
	memset(addrs, 0xff, count * sizeof(*addrs));
	if (drm_prime_sg_to_dma_addr_array(sgt, addrs, count))
		ret = movgem_invalid(drm, "prime: mapping longer than dma-buf");
	for (u32 i = 0; i < count && !ret; i++) {
		addrs[i] = import_phys(domain, addrs[i]);
		if (!addrs[i])
			ret = movgem_invalid(drm,
					     "prime: dma-buf is not in system memory");
	}
	if (ret) {
		kvfree(addrs);
		return ERR_PTR(ret);
	}
	return addrs;
}

/* Give the GPU new addresses. No job is left that uses others. */
static void import_set(struct movgem_bo *bo, dma_addr_t *addrs)
{
	struct movgem_device *mdev = movgem_bo_device(bo);
	dma_addr_t *old = bo->import.addrs;

	if (old && !memcmp(old, addrs, movgem_bo_count(bo) * sizeof(*addrs))) {
		kvfree(addrs);
		return;
	}

	spin_lock(&bo->pages_lock);
	bo->import.addrs = addrs;
	spin_unlock(&bo->pages_lock);
	kvfree(old);

	mdev->engine->bo_update(bo);
	movgem_migrate_flush(mdev);
}

static int import_map(struct movgem_bo *bo)
{
	struct dma_buf_attachment *attach = bo->base.import_attach;
	struct sg_table *sgt;
	dma_addr_t *addrs;
	long ret;

	import_unmap(bo);
	sgt = dma_buf_map_attachment(attach, DMA_BIDIRECTIONAL);
	if (IS_ERR(sgt))
		return PTR_ERR(sgt);
	bo->import.sgt = sgt;
	/* Stays so until it is complete. */
	bo->import.stale = true;

	/*
	 * The exporter may be moving the content there. No signal ends that:
	 * VM_BIND would end with -EINTR, which tells that it has been queued.
	 */
	ret = dma_resv_wait_timeout(bo->base.resv, DMA_RESV_USAGE_KERNEL, false,
				    MAX_SCHEDULE_TIMEOUT);
	if (ret < 0)
		return ret;

	addrs = import_addrs(bo, sgt);
	if (IS_ERR(addrs))
		return PTR_ERR(addrs);
	import_set(bo, addrs);
	bo->import.stale = false;
	movgem_stat_inc(movgem_bo_device(bo), import_map);
	return 0;
}

/**
 * movgem_import_validate - map an imported BO unless it is mapped
 * @bo: the BO, its dma_resv held
 *
 * In return the GPU has its addresses until a fence that the caller adds to the
 * dma_resv has signalled. May sleep.
 *
 * Return: 0, or what the exporter says; -EINVAL for memory that the engine does
 * not reach; -ENODEV when the device is gone.
 */
int movgem_import_validate(struct movgem_bo *bo)
{
	int ret, idx;

	dma_resv_assert_held(bo->base.resv);

	if (bo->import.sgt && !bo->import.stale)
		return 0;

	/* What is mapped by then movgem_import_unplug() will find. */
	if (!drm_dev_enter(bo->base.dev, &idx))
		return -ENODEV;
	ret = import_map(bo);
	drm_dev_exit(idx);
	return ret;
}

/**
 * movgem_import_add_vm - let an import be bound in a VM
 * @bo: the imported BO
 * @vm: the VM; the dma_resv of both are held
 *
 * See DOC: Imported BOs for the fences.
 *
 * Return: 0, -ENOMEM or as movgem_import_validate().
 */
int movgem_import_add_vm(struct movgem_bo *bo, struct movgem_vm *vm)
{
	struct dma_fence **fences;
	unsigned int count;
	int ret;

	ret = movgem_import_validate(bo);
	if (ret)
		return ret;

	ret = dma_resv_get_fences(drm_gpuvm_resv(&vm->base),
				  DMA_RESV_USAGE_BOOKKEEP, &count, &fences);
	if (ret)
		return ret;
	if (count)
		ret = dma_resv_reserve_fences(bo->base.resv, count);
	for (unsigned int i = 0; i < count; i++) {
		if (!ret)
			dma_resv_add_fence(bo->base.resv, fences[i],
					   DMA_RESV_USAGE_BOOKKEEP);
		dma_fence_put(fences[i]);
	}
	kfree(fences);
	return ret;
}

/**
 * movgem_import_fini - let an imported BO's buffer go
 * @bo: the BO, which is being freed
 */
void movgem_import_fini(struct movgem_bo *bo)
{
	dma_resv_lock(bo->base.resv, NULL);
	import_unmap(bo);
	dma_resv_unlock(bo->base.resv);
	/* Nothing maps the BO, no engine has its addresses. */
	kvfree(bo->import.addrs);
	drm_prime_gem_destroy(&bo->base, NULL);
}

/**
 * movgem_import_unplug - unmap an imported BO of a device that has gone
 * @bo: the BO; no job runs, or will run, on the device
 */
void movgem_import_unplug(struct movgem_bo *bo)
{
	dma_resv_lock(bo->base.resv, NULL);
	bo->import.stale = true;
	import_forget(bo);
	import_unmap(bo);
	dma_resv_unlock(bo->base.resv);
}

/**
 * movgem_prime_import - make a BO of a dma-buf
 * @drm: the device
 * @dmabuf: the dma-buf
 *
 * Return: the GEM object or an ERR_PTR().
 */
struct drm_gem_object *movgem_prime_import(struct drm_device *drm,
					   struct dma_buf *dmabuf)
{
	struct dma_buf_attachment *attach;
	struct movgem_bo *bo;
	int ret;

	if (dmabuf->ops == &movgem_dmabuf_ops) {
		struct drm_gem_object *obj = dmabuf->priv;

		if (obj->dev == drm) {
			drm_gem_object_get(obj);
			return obj;
		}
	}

	if (!dmabuf->size || !PAGE_ALIGNED(dmabuf->size))
		return ERR_PTR(movgem_invalid(drm, "prime: dma-buf size"));

	bo = movgem_bo_alloc(to_movgem_device(drm), dmabuf->size, 0);
	if (!bo)
		return ERR_PTR(-ENOMEM);

	attach = dma_buf_dynamic_attach(dmabuf, drm->dev, &movgem_attach_ops,
					bo);
	if (IS_ERR(attach)) {
		movgem_bo_put(bo);
		return ERR_CAST(attach);
	}
	/* From here on both go with the BO. */
	get_dma_buf(dmabuf);
	bo->base.resv = dmabuf->resv;
	bo->base.import_attach = attach;

	dma_resv_lock(bo->base.resv, NULL);
	ret = movgem_import_validate(bo);
	dma_resv_unlock(bo->base.resv);
	if (ret) {
		movgem_bo_put(bo);
		return ERR_PTR(ret);
	}
	return &bo->base;
}
