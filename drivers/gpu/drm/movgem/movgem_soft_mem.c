// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 movgem maintainers */

/**
 * DOC: Soft engine: memory
 *
 * A core reaches memory through GPU virtual addresses only, a piece of one
 * page at a time. Each piece is translated and accessed with the core's lock
 * held, and no pointer outlives the lock. So an invalidation that takes the
 * lock of each core in turn finds no access under way, and none comes after
 * that with a translation from before.
 */

#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/string.h>

#include "movgem_device.h"
#include "movgem_queue.h"
#include "movgem_soft.h"
#include "movgem_stall.h"
#include "movgem_vm.h"

/* What to do with a piece of a page. */
enum soft_op {
	SOFT_OP_READ,
	SOFT_OP_WRITE,
	SOFT_OP_FILL,
	SOFT_OP_LOAD64,
	SOFT_OP_STORE64,
};

/**
 * movgem_soft_fault - fill in the fault record of the job
 * @ctx: the slice
 * @type: DRM_MOVGEM_FAULT_*
 * @access: DRM_MOVGEM_ACCESS_*
 * @address: GPU address, or zero
 *
 * Return: the error for the job's fence.
 */
int movgem_soft_fault(struct soft_ctx *ctx, u32 type, u32 access, u64 address)
{
	ctx->fault = (struct drm_movgem_fault) {
		.type = type,
		.access = access,
		.address = address,
	};
	if (ctx->job) {
		ctx->fault.stream_offset = ctx->job->engine.offset;
		ctx->fault.seqno = ctx->job->seqno;
	}

	return type == DRM_MOVGEM_FAULT_COMMAND ? -EINVAL : -EFAULT;
}

/**
 * movgem_soft_range - check that a range lies in the address space
 * @ctx: the slice
 * @va: start
 * @size: bytes
 * @access: DRM_MOVGEM_ACCESS_*, for the fault record
 *
 * Return: 0 or a fault.
 */
int movgem_soft_range(struct soft_ctx *ctx, u64 va, u64 size, u32 access)
{
	if (va >= MOVGEM_VA_END || size > MOVGEM_VA_END - va)
		return movgem_soft_fault(ctx, DRM_MOVGEM_FAULT_RANGE, access,
					 va);
	return 0;
}

/* Translates through the TLB. The caller holds the core's lock. */
static u64 soft_translate(struct soft_core *core, struct movgem_vm *vm, u64 va)
{
	u64 vpn = va >> PAGE_SHIFT;
	u32 set = vpn % SOFT_TLB_SETS;
	struct soft_tlb_entry *entry = core->tlb[set];
	u64 pte;
	u32 i;

	lockdep_assert_held(&core->lock);

	for (i = 0; i < SOFT_TLB_WAYS; i++) {
		if (entry[i].pte && entry[i].vpn == vpn &&
		    entry[i].asid == vm->asid)
			return entry[i].pte;
	}

	pte = movgem_pt_walk(&vm->pt, va);
	if ((pte & (MOVGEM_PTE_VALID | MOVGEM_PTE_BLOCKED)) ==
	    MOVGEM_PTE_VALID) {
		entry += core->victim[set]++ % SOFT_TLB_WAYS;
		entry->vpn = vpn;
		entry->pte = pte;
		entry->asid = vm->asid;
		core->tlb_used = true;
	}

	return pte;
}

/* Accesses a piece of a page. The caller holds the core's lock. */
static void soft_touch(u64 pte, u64 va, enum soft_op op, void *buf, u32 len)
{
	void *page = kmap_local_page(pfn_to_page(PHYS_PFN(pte &
							  MOVGEM_PTE_ADDR)));
	void *p = page + offset_in_page(va);

	switch (op) {
	case SOFT_OP_READ:
		memcpy(buf, p, len);
		break;
	case SOFT_OP_WRITE:
		memcpy(p, buf, len);
		break;
	case SOFT_OP_FILL:
		memset32(p, *(u32 *)buf, len / sizeof(u32));
		break;
	case SOFT_OP_LOAD64:
		/* What the writer of the semaphore wrote before is seen. */
		*(u64 *)buf = smp_load_acquire((u64 *)p);
		break;
	case SOFT_OP_STORE64:
		/* Who sees the word sees what the job wrote before. */
		smp_store_release((u64 *)p, *(u64 *)buf);
		break;
	}

	kunmap_local(page);
}

/*
 * Accesses @len bytes at @va, which must not cross a page. Waits while the page
 * is being moved.
 */
static int soft_access(struct soft_ctx *ctx, u64 va, enum soft_op op, void *buf,
		       u32 len, u32 access)
{
	struct soft_core *core = ctx->core;
	u32 fault = DRM_MOVGEM_FAULT_NONE;
	struct movgem_stall stall = {};
	u64 pte;

	if (va >= MOVGEM_VA_END)
		return movgem_soft_fault(ctx, DRM_MOVGEM_FAULT_RANGE, access,
					 va);

	for (;;) {
		spin_lock(&core->lock);
		pte = soft_translate(core, ctx->vm, va);
		if (!(pte & MOVGEM_PTE_VALID))
			fault = DRM_MOVGEM_FAULT_UNMAPPED;
		else if ((pte & MOVGEM_PTE_READONLY) &&
			 access == DRM_MOVGEM_ACCESS_WRITE)
			fault = DRM_MOVGEM_FAULT_READONLY;
		else if (!(pte & MOVGEM_PTE_BLOCKED))
			soft_touch(pte, va, op, buf, len);
		spin_unlock(&core->lock);

		if (fault || !(pte & MOVGEM_PTE_BLOCKED))
			break;

		movgem_stall_wait(ctx->vm, va, &stall);
	}
	movgem_stall_end(core->engine->mdev, &stall);

	return fault ? movgem_soft_fault(ctx, fault, access, va) : 0;
}

/* Accesses memory page by page. */
static int soft_access_range(struct soft_ctx *ctx, u64 va, enum soft_op op,
			     void *buf, u32 len, u32 access)
{
	int ret;
	u32 n;

	while (len) {
		n = min_t(u32, len, PAGE_SIZE - offset_in_page(va));
		ret = soft_access(ctx, va, op, buf, n, access);
		if (ret)
			return ret;
		if (op != SOFT_OP_FILL)
			buf += n;
		va += n;
		len -= n;
	}

	return 0;
}

/**
 * movgem_soft_read - read GPU memory
 * @ctx: the slice
 * @va: GPU address
 * @buf: where to
 * @len: bytes
 * @access: DRM_MOVGEM_ACCESS_READ or _FETCH
 *
 * Context: may sleep, without locks.
 *
 * Return: 0 or a fault.
 */
int movgem_soft_read(struct soft_ctx *ctx, u64 va, void *buf, u32 len,
		     u32 access)
{
	return soft_access_range(ctx, va, SOFT_OP_READ, buf, len, access);
}

/**
 * movgem_soft_write - write GPU memory
 * @ctx: the slice
 * @va: GPU address
 * @buf: what
 * @len: bytes
 *
 * Context: may sleep, without locks.
 *
 * Return: 0 or a fault.
 */
int movgem_soft_write(struct soft_ctx *ctx, u64 va, const void *buf, u32 len)
{
	return soft_access_range(ctx, va, SOFT_OP_WRITE, (void *)buf, len,
				 DRM_MOVGEM_ACCESS_WRITE);
}

/**
 * movgem_soft_fill - fill GPU memory
 * @ctx: the slice
 * @va: GPU address, 4 byte aligned
 * @value: what with
 * @len: bytes, a multiple of 4
 *
 * Context: may sleep, without locks.
 *
 * Return: 0 or a fault.
 */
int movgem_soft_fill(struct soft_ctx *ctx, u64 va, u32 value, u32 len)
{
	return soft_access_range(ctx, va, SOFT_OP_FILL, &value, len,
				 DRM_MOVGEM_ACCESS_WRITE);
}

/**
 * movgem_soft_load64 - read a semaphore, by one access with acquire order
 * @ctx: the slice
 * @va: GPU address, 8 byte aligned
 * @value: returned value
 *
 * Context: may sleep, without locks.
 *
 * Return: 0 or a fault.
 */
int movgem_soft_load64(struct soft_ctx *ctx, u64 va, u64 *value)
{
	return soft_access(ctx, va, SOFT_OP_LOAD64, value, sizeof(*value),
			   DRM_MOVGEM_ACCESS_READ);
}

/**
 * movgem_soft_store64 - write a semaphore, by one access with release order
 * @ctx: the slice
 * @va: GPU address, 8 byte aligned
 * @value: value
 *
 * Context: may sleep, without locks.
 *
 * Return: 0 or a fault.
 */
int movgem_soft_store64(struct soft_ctx *ctx, u64 va, u64 value)
{
	return soft_access(ctx, va, SOFT_OP_STORE64, &value, sizeof(value),
			   DRM_MOVGEM_ACCESS_WRITE);
}

/**
 * movgem_soft_check_power - complain if the GPU is off
 * @se: the engine, which is about to access memory
 */
void movgem_soft_check_power(struct soft_engine *se)
{
	WARN_ONCE(READ_ONCE(se->mdev->flush.off), "the GPU works while off\n");
}

/**
 * movgem_soft_display_read - engine's display_read
 * @mdev: the device
 * @vm: the VM
 * @va: GPU address
 * @buf: where to
 * @len: bytes
 *
 * Context: may sleep, without locks; fence signalling path.
 *
 * Return: 0, or -EFAULT where nothing is mapped.
 */
int movgem_soft_display_read(struct movgem_device *mdev, struct movgem_vm *vm,
			     u64 va, void *buf, u32 len)
{
	struct soft_engine *se = mdev->engine_priv;
	struct soft_ctx ctx = { .core = &se->display, .vm = vm };

	movgem_soft_check_power(se);
	return movgem_soft_read(&ctx, va, buf, len, DRM_MOVGEM_ACCESS_READ);
}

/**
 * movgem_soft_display_write - engine's display_write
 * @mdev: the device
 * @vm: the VM
 * @va: GPU address
 * @buf: what
 * @len: bytes
 *
 * Context: may sleep, without locks; fence signalling path.
 *
 * Return: 0, or -EFAULT where nothing is mapped.
 */
int movgem_soft_display_write(struct movgem_device *mdev, struct movgem_vm *vm,
			      u64 va, const void *buf, u32 len)
{
	struct soft_engine *se = mdev->engine_priv;
	struct soft_ctx ctx = { .core = &se->display, .vm = vm };

	movgem_soft_check_power(se);
	return movgem_soft_write(&ctx, va, buf, len);
}

/**
 * movgem_soft_tlb_flush - forget all translations of a core
 * @core: the core
 *
 * In return no access translated before is under way.
 *
 * Context: does not sleep.
 */
void movgem_soft_tlb_flush(struct soft_core *core)
{
	spin_lock(&core->lock);
	if (core->tlb_used)
		memset(core->tlb, 0, sizeof(core->tlb));
	core->tlb_used = false;
	spin_unlock(&core->lock);
}
