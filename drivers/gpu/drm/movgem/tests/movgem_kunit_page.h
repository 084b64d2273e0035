/* SPDX-License-Identifier: GPL-2.0 */
/* Copyright (C) 2026 movgem maintainers */
#ifndef _MOVGEM_KUNIT_PAGE_H_
#define _MOVGEM_KUNIT_PAGE_H_

#include <linux/migrate_mode.h>

#include "movgem_kunit.h"

#include "../movgem_bo.h"
#include "../movgem_store.h"

struct movgem_bo *movgem_kunit_bo(struct kunit *test,
				  struct movgem_device *mdev, u32 pages);
void movgem_kunit_bind(struct movgem_kunit_gpu *gpu, struct movgem_bo *bo,
		       u64 va);
u8 *movgem_kunit_content(struct movgem_bo *bo, u32 index);

/* What the kernel does with a page of the store movable_ops. */
struct page *movgem_kunit_isolate(struct movgem_slot *slot);
int movgem_kunit_migrate(struct kunit *test, struct page *src,
			 enum migrate_mode mode, bool lock);
void movgem_kunit_putback(struct page *page);

#endif
