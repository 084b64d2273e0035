/* SPDX-License-Identifier: GPL-2.0 */
/* Copyright (C) 2026 movgem maintainers */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM movgem

#if !defined(_MOVGEM_TRACE_H_) || defined(TRACE_HEADER_MULTI_READ)
#define _MOVGEM_TRACE_H_

#include <linux/migrate_mode.h>
#include <linux/tracepoint.h>

#include "movgem_bo.h"
#include "movgem_pt.h"

TRACE_EVENT(movgem_isolate,
	TP_PROTO(struct movgem_bo *bo, struct movgem_slot *slot, bool ok),
	TP_ARGS(bo, slot, ok),
	TP_STRUCT__entry(
		__field(u64, bo)
		__field(u32, index)
		__field(unsigned long, pfn)
		__field(u32, pins)
		__field(bool, ok)
	),
	TP_fast_assign(
		__entry->bo = bo->id;
		__entry->index = slot->index;
		__entry->pfn = movgem_slot_pfn(slot);
		__entry->pins = READ_ONCE(bo->pins);
		__entry->ok = ok;
	),
	TP_printk("bo=%llu index=%u pfn=0x%lx pins=%u ok=%d", __entry->bo,
		  __entry->index, __entry->pfn, __entry->pins, __entry->ok)
);

TRACE_EVENT(movgem_putback,
	TP_PROTO(struct movgem_bo *bo, struct movgem_slot *slot),
	TP_ARGS(bo, slot),
	TP_STRUCT__entry(
		__field(u64, bo)
		__field(u32, index)
		__field(unsigned long, pfn)
	),
	TP_fast_assign(
		__entry->bo = bo->id;
		__entry->index = slot->index;
		__entry->pfn = movgem_slot_pfn(slot);
	),
	TP_printk("bo=%llu index=%u pfn=0x%lx", __entry->bo, __entry->index,
		  __entry->pfn)
);

TRACE_EVENT(movgem_unmap,
	TP_PROTO(struct movgem_bo *bo, u32 first, u32 last),
	TP_ARGS(bo, first, last),
	TP_STRUCT__entry(
		__field(u64, bo)
		__field(u32, first)
		__field(u32, last)
	),
	TP_fast_assign(
		__entry->bo = bo->id;
		__entry->first = first;
		__entry->last = last;
	),
	TP_printk("bo=%llu first=%u last=%u", __entry->bo, __entry->first,
		  __entry->last)
);

TRACE_EVENT(movgem_copy,
	TP_PROTO(struct movgem_bo *bo, struct movgem_slot *slot,
		 struct page *dst),
	TP_ARGS(bo, slot, dst),
	TP_STRUCT__entry(
		__field(u64, bo)
		__field(u32, index)
		__field(unsigned long, src)
		__field(unsigned long, dst)
	),
	TP_fast_assign(
		__entry->bo = bo->id;
		__entry->index = slot->index;
		__entry->src = movgem_slot_pfn(slot);
		__entry->dst = page_to_pfn(dst);
	),
	TP_printk("bo=%llu index=%u src=0x%lx dst=0x%lx", __entry->bo,
		  __entry->index, __entry->src, __entry->dst)
);

TRACE_EVENT(movgem_move,
	TP_PROTO(struct movgem_bo *bo, struct movgem_slot *slot,
		 enum migrate_mode mode, int ret),
	TP_ARGS(bo, slot, mode, ret),
	TP_STRUCT__entry(
		__field(u64, bo)
		__field(u32, index)
		__field(unsigned long, pfn)
		__field(int, mode)
		__field(int, ret)
	),
	TP_fast_assign(
		__entry->bo = bo->id;
		__entry->index = slot->index;
		__entry->pfn = movgem_slot_pfn(slot);
		__entry->mode = mode;
		__entry->ret = ret;
	),
	TP_printk("bo=%llu index=%u pfn=0x%lx mode=%d ret=%d", __entry->bo,
		  __entry->index, __entry->pfn, __entry->mode, __entry->ret)
);

TRACE_EVENT(movgem_pt_move,
	TP_PROTO(struct movgem_pt_table *table, struct page *src,
		 struct page *dst),
	TP_ARGS(table, src, dst),
	TP_STRUCT__entry(
		__field(u64, va)
		__field(u32, level)
		__field(unsigned long, src)
		__field(unsigned long, dst)
	),
	TP_fast_assign(
		__entry->va = movgem_pt_table_va(table);
		__entry->level = table->level;
		__entry->src = page_to_pfn(src);
		__entry->dst = page_to_pfn(dst);
	),
	TP_printk("va=0x%llx level=%u src=0x%lx dst=0x%lx", __entry->va,
		  __entry->level, __entry->src, __entry->dst)
);

TRACE_EVENT(movgem_flush,
	TP_PROTO(u8 epoch),
	TP_ARGS(epoch),
	TP_STRUCT__entry(
		__field(u8, epoch)
	),
	TP_fast_assign(
		__entry->epoch = epoch;
	),
	TP_printk("epoch=%u", __entry->epoch)
);

TRACE_EVENT(movgem_retake,
	TP_PROTO(struct movgem_bo *bo, u32 index),
	TP_ARGS(bo, index),
	TP_STRUCT__entry(
		__field(u64, bo)
		__field(u32, index)
	),
	TP_fast_assign(
		__entry->bo = bo->id;
		__entry->index = index;
	),
	TP_printk("bo=%llu index=%u", __entry->bo, __entry->index)
);

TRACE_EVENT(movgem_stall,
	TP_PROTO(u32 asid, u64 va),
	TP_ARGS(asid, va),
	TP_STRUCT__entry(
		__field(u32, asid)
		__field(u64, va)
	),
	TP_fast_assign(
		__entry->asid = asid;
		__entry->va = va;
	),
	TP_printk("asid=%u va=0x%llx", __entry->asid, __entry->va)
);

#endif

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE movgem_trace
#include <trace/define_trace.h>
