// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 movgem maintainers */

#include <linux/mm.h>
#include <linux/sched.h>

#include <drm/movgem_drm.h>

#include "movgem_bo.h"
#include "movgem_store.h"

/**
 * DOC: Page store pinned
 *
 * The baseline to compare with: pages that stay where they were allocated for
 * as long as the BO lives, as those of other drivers do.
 */

static u32 pinned_adopt(struct movgem_bo *bo, u32 first, u32 count)
{
	return count;
}

static void pinned_release(struct movgem_bo *bo, u32 count)
{
	for (u32 i = 0; i < count; i++) {
		__free_page(movgem_bo_page(bo, i));
		if (!(i % 64))
			cond_resched();
	}
}

const struct movgem_store_ops movgem_store_pinned = {
	.name = "pinned",
	.uapi = DRM_MOVGEM_PAGE_STORE_PINNED,
	.adopt = pinned_adopt,
	.release = pinned_release,
	.prepare_vma = movgem_pfn_prepare_vma,
};
