/* SPDX-License-Identifier: MIT */
/*
 * Copyright (C) 2026 movgem maintainers
 *
 * User space interface of the movgem DRM driver.
 */
#ifndef _UAPI_MOVGEM_DRM_H_
#define _UAPI_MOVGEM_DRM_H_

#include "drm.h"

#if defined(__cplusplus)
extern "C" {
#endif

/**
 * DOC: Introduction
 *
 * movgem buffers (BOs) never pin memory: the kernel may move every page of a
 * BO at any time. User space neither sees nor steers that. What user space
 * does see is an explicit VM_BIND interface:
 *
 * - A BO is created by DRM_IOCTL_MOVGEM_BO_CREATE and named by a GEM handle.
 * - A VM is a GPU address space. BOs are mapped into it by
 *   DRM_IOCTL_MOVGEM_VM_BIND, at once or asynchronously.
 * - A queue executes command streams in order inside one VM. A command stream
 *   lies in a BO and is named by its GPU virtual address.
 * - Ordering is explicit: binary and timeline syncobjs go in and out of
 *   VM_BIND and SUBMIT. There is no implicit synchronisation; use
 *   DMA_BUF_IOCTL_EXPORT_SYNC_FILE and its sibling at the borders.
 *
 * Rules that hold for every ioctl:
 *
 * - Fields named pad and unused flag bits must be zero, or the call fails with
 *   -EINVAL. The reason of an -EINVAL is printed with drm.debug=0x1 (core).
 * - A call that fails has changed nothing, unless the ioctl says otherwise.
 * - Structures may grow at the end. What user space does not pass reads as
 *   zero in the kernel, and zero keeps the behaviour of today.
 * - Addresses are GPU virtual addresses, sizes are in bytes, time-outs are
 *   absolute CLOCK_MONOTONIC times in nanoseconds.
 */

/**
 * enum drm_movgem_ioctl_id - ioctl numbers, relative to DRM_COMMAND_BASE
 * @DRM_MOVGEM_DEV_QUERY: Query device information.
 * @DRM_MOVGEM_BO_CREATE: Create a BO.
 * @DRM_MOVGEM_BO_MMAP_OFFSET: Get the offset to mmap() a BO.
 * @DRM_MOVGEM_BO_INFO: Query a BO.
 * @DRM_MOVGEM_BO_LABEL: Name a BO for debugging.
 * @DRM_MOVGEM_BO_WAIT: Wait for a BO's fences.
 * @DRM_MOVGEM_BO_MADVISE: Tell whether a BO's content is still needed.
 * @DRM_MOVGEM_VM_CREATE: Create a GPU address space.
 * @DRM_MOVGEM_VM_DESTROY: Destroy a GPU address space.
 * @DRM_MOVGEM_VM_BIND: Map and unmap BOs in a GPU address space.
 * @DRM_MOVGEM_QUEUE_CREATE: Create an execution queue.
 * @DRM_MOVGEM_QUEUE_DESTROY: Destroy an execution queue.
 * @DRM_MOVGEM_QUEUE_STATE: Query a queue's state and its last fault.
 * @DRM_MOVGEM_SUBMIT: Submit a command stream to a queue.
 */
enum drm_movgem_ioctl_id {
	DRM_MOVGEM_DEV_QUERY = 0,
	DRM_MOVGEM_BO_CREATE,
	DRM_MOVGEM_BO_MMAP_OFFSET,
	DRM_MOVGEM_BO_INFO,
	DRM_MOVGEM_BO_LABEL,
	DRM_MOVGEM_BO_WAIT,
	DRM_MOVGEM_BO_MADVISE,
	DRM_MOVGEM_VM_CREATE,
	DRM_MOVGEM_VM_DESTROY,
	DRM_MOVGEM_VM_BIND,
	DRM_MOVGEM_QUEUE_CREATE,
	DRM_MOVGEM_QUEUE_DESTROY,
	DRM_MOVGEM_QUEUE_STATE,
	DRM_MOVGEM_SUBMIT,
};

/**
 * enum drm_movgem_dev_query_type - what DRM_IOCTL_MOVGEM_DEV_QUERY returns
 * @DRM_MOVGEM_DEV_QUERY_GPU_INFO: &struct drm_movgem_gpu_info.
 * @DRM_MOVGEM_DEV_QUERY_MEM_INFO: &struct drm_movgem_mem_info.
 */
enum drm_movgem_dev_query_type {
	DRM_MOVGEM_DEV_QUERY_GPU_INFO = 0,
	DRM_MOVGEM_DEV_QUERY_MEM_INFO = 1,
};

/**
 * enum drm_movgem_engine - kinds of engine
 * @DRM_MOVGEM_ENGINE_SOFT: The software GPU.
 */
enum drm_movgem_engine {
	DRM_MOVGEM_ENGINE_SOFT = 0,
};

/**
 * struct drm_movgem_gpu_info - what the GPU can do
 */
struct drm_movgem_gpu_info {
	/** @engine: One of &enum drm_movgem_engine. */
	__u32 engine;

	/** @cores: How many command streams the GPU executes at a time. */
	__u32 cores;

	/** @va_start: Lowest GPU address that can be bound. */
	__u64 va_start;

	/** @va_end: First GPU address past the end of a VM. */
	__u64 va_end;

	/** @page_size: Granularity of VM_BIND, in bytes. */
	__u32 page_size;

	/** @tlb_entries: Entries in the TLB of one core. */
	__u32 tlb_entries;

	/** @max_stream_size: Longest command stream of one job, in bytes. */
	__u32 max_stream_size;

	/** @job_timeout_ms: A job that runs longer than this is reset. */
	__u32 job_timeout_ms;

	/** @timestamp_frequency: Ticks per second of the timestamp command. */
	__u64 timestamp_frequency;
};

/**
 * enum drm_movgem_page_store - where BO pages come from
 * @DRM_MOVGEM_PAGE_STORE_PINNED: Pages never move: the baseline.
 * @DRM_MOVGEM_PAGE_STORE_MOVABLE_OPS: Non-LRU movable pages.
 * @DRM_MOVGEM_PAGE_STORE_FOLIO: Page cache folios of the BO's own file.
 */
enum drm_movgem_page_store {
	DRM_MOVGEM_PAGE_STORE_PINNED = 0,
	DRM_MOVGEM_PAGE_STORE_MOVABLE_OPS = 1,
	DRM_MOVGEM_PAGE_STORE_FOLIO = 2,
};

/**
 * struct drm_movgem_mem_info - device wide memory state
 *
 * A snapshot; the counters are since the module was loaded.
 */
struct drm_movgem_mem_info {
	/** @page_store: One of &enum drm_movgem_page_store. */
	__u32 page_store;

	/** @pad: Zero. */
	__u32 pad;

	/** @bos: BOs alive. */
	__u64 bos;

	/** @pages: Pages that back them. */
	__u64 pages;

	/** @pages_pinned: Pages among @pages that are pinned just now. */
	__u64 pages_pinned;

	/** @pages_moved: Pages moved. */
	__u64 pages_moved;

	/** @pages_purged: Pages given back by the shrinker. */
	__u64 pages_purged;
};

/**
 * struct drm_movgem_dev_query - DRM_IOCTL_MOVGEM_DEV_QUERY
 *
 * Errors: -EINVAL for an unknown @type or non-zero @pad, -EFAULT.
 */
struct drm_movgem_dev_query {
	/** @type: One of &enum drm_movgem_dev_query_type. */
	__u32 type;

	/**
	 * @size: Bytes at @pointer. In return: bytes that were written, or,
	 * where @pointer is zero, the size that the kernel knows. A larger
	 * @size than the kernel knows is fine, a smaller one gets the start.
	 */
	__u32 size;

	/** @pointer: User address of the structure, or zero to ask its size. */
	__u64 pointer;

	/** @pad: Must be zero. */
	__u64 pad;
};

/**
 * define DRM_MOVGEM_BO_NO_MMAP - the BO will never be mapped by the CPU
 *
 * BO_MMAP_OFFSET on it fails with -EPERM, mmap() with -EINVAL.
 */
#define DRM_MOVGEM_BO_NO_MMAP		(1 << 0)

/**
 * struct drm_movgem_bo_create - DRM_IOCTL_MOVGEM_BO_CREATE
 *
 * The pages are allocated and zeroed by this call. Errors: -EINVAL for a zero
 * or too large @size, unknown @flags or non-zero @pad, -ENOENT for an unknown
 * @exclusive_vm_id, -ENOMEM.
 */
struct drm_movgem_bo_create {
	/** @size: Size in bytes; rounded up to whole pages in return. */
	__u64 size;

	/** @flags: Any of DRM_MOVGEM_BO_*. */
	__u32 flags;

	/**
	 * @exclusive_vm_id: Zero, or the only VM that the BO is ever bound in.
	 * Such a BO cannot be exported as a dma-buf, and costs nothing at
	 * submission.
	 */
	__u32 exclusive_vm_id;

	/** @handle: Returned GEM handle, never zero. */
	__u32 handle;

	/** @pad: Must be zero. */
	__u32 pad;
};

/**
 * struct drm_movgem_bo_mmap_offset - DRM_IOCTL_MOVGEM_BO_MMAP_OFFSET
 *
 * Errors: -ENOENT for an unknown @handle, -EPERM for a BO that was created
 * with DRM_MOVGEM_BO_NO_MMAP, -EINVAL for an imported BO (map the dma-buf).
 * Map with MAP_SHARED, from the BO's start on; a private writable mapping, or
 * one that begins inside the BO or reaches past its end, fails with -EINVAL.
 */
struct drm_movgem_bo_mmap_offset {
	/** @handle: GEM handle. */
	__u32 handle;

	/** @pad: Must be zero. */
	__u32 pad;

	/** @offset: Returned offset for mmap() on the DRM file. */
	__u64 offset;
};

/**
 * struct drm_movgem_bo_info - DRM_IOCTL_MOVGEM_BO_INFO
 *
 * Errors: -ENOENT for an unknown @handle.
 */
struct drm_movgem_bo_info {
	/** @handle: GEM handle. */
	__u32 handle;

	/** @flags: Returned creation flags, DRM_MOVGEM_BO_*. */
	__u32 flags;

	/** @size: Returned size in bytes. */
	__u64 size;

	/** @pages: Returned number of pages present; zero once purged. */
	__u64 pages;

	/** @moved: Returned number of page moves since creation. */
	__u64 moved;

	/** @pins: Returned number of users that forbid moving just now. */
	__u32 pins;

	/** @gpu_maps: Returned number of GPU mappings over all VMs. */
	__u32 gpu_maps;

	/** @imported: Returned 1 for a BO that came from another device. */
	__u32 imported;

	/** @madvise: Returned state, one of DRM_MOVGEM_MADV_*. */
	__u32 madvise;

	/**
	 * @gup: Must be zero; returned number of pages that cannot move just
	 * now because they were pinned through a CPU mapping: direct I/O,
	 * registered io_uring buffers. Not part of @pins.
	 */
	__u64 gup;
};

/** define DRM_MOVGEM_BO_LABEL_MAX - longest label with its closing NUL */
#define DRM_MOVGEM_BO_LABEL_MAX		64

/**
 * struct drm_movgem_bo_label - DRM_IOCTL_MOVGEM_BO_LABEL
 *
 * Errors: -ENOENT for an unknown @handle, -E2BIG for a label of
 * DRM_MOVGEM_BO_LABEL_MAX bytes or more, -EFAULT, -ENOMEM.
 */
struct drm_movgem_bo_label {
	/** @handle: GEM handle. */
	__u32 handle;

	/** @pad: Must be zero. */
	__u32 pad;

	/** @label: User address of a NUL terminated string; zero clears. */
	__u64 label;
};

/**
 * struct drm_movgem_bo_wait - DRM_IOCTL_MOVGEM_BO_WAIT
 *
 * Waits until every job has ended that was submitted to a VM while the BO was
 * bound there, or a bind of it queued. Errors: -ENOENT for an unknown @handle,
 * -ETIME when the time is over (with a time in the past: when the BO is busy),
 * -ERESTARTSYS.
 */
struct drm_movgem_bo_wait {
	/** @handle: GEM handle. */
	__u32 handle;

	/** @flags: Must be zero. */
	__u32 flags;

	/** @timeout_ns: Absolute CLOCK_MONOTONIC time. */
	__s64 timeout_ns;
};

/** define DRM_MOVGEM_MADV_WILLNEED - the content is needed (the default) */
#define DRM_MOVGEM_MADV_WILLNEED	0
/** define DRM_MOVGEM_MADV_DONTNEED - the kernel may take the pages back */
#define DRM_MOVGEM_MADV_DONTNEED	1
/** define DRM_MOVGEM_MADV_PURGED - the pages are gone; only ever returned */
#define DRM_MOVGEM_MADV_PURGED		2

/**
 * struct drm_movgem_bo_madvise - DRM_IOCTL_MOVGEM_BO_MADVISE
 *
 * A purged BO stays purged: CPU access raises SIGBUS, GPU access is a fault.
 * Errors: -ENOENT for an unknown @handle, -EINVAL for an unknown @madv or an
 * imported BO, -EBUSY for DONTNEED on a BO that is pinned, exported or of a
 * framebuffer.
 */
struct drm_movgem_bo_madvise {
	/** @handle: GEM handle. */
	__u32 handle;

	/** @madv: DRM_MOVGEM_MADV_WILLNEED or DRM_MOVGEM_MADV_DONTNEED. */
	__u32 madv;

	/** @retained: Returned 1 where the pages are still there, else 0. */
	__u32 retained;

	/** @pad: Must be zero. */
	__u32 pad;
};

/**
 * struct drm_movgem_vm_create - DRM_IOCTL_MOVGEM_VM_CREATE
 *
 * Errors: -EINVAL for non-zero @flags, -ENOMEM, -ENOSPC for too many VMs.
 */
struct drm_movgem_vm_create {
	/** @flags: Must be zero. */
	__u32 flags;

	/** @vm_id: Returned id, never zero, valid for this file only. */
	__u32 vm_id;
};

/**
 * struct drm_movgem_vm_destroy - DRM_IOCTL_MOVGEM_VM_DESTROY
 *
 * The id is gone at once. Jobs and binds that are queued in the VM still run.
 * Errors: -ENOENT for an unknown @vm_id.
 */
struct drm_movgem_vm_destroy {
	/** @vm_id: Id of the VM. */
	__u32 vm_id;

	/** @pad: Must be zero. */
	__u32 pad;
};

/** define DRM_MOVGEM_SYNC_SIGNAL - signal when done; else: wait before */
#define DRM_MOVGEM_SYNC_SIGNAL		(1 << 0)
/** define DRM_MOVGEM_SYNC_TIMELINE - handle is a timeline syncobj */
#define DRM_MOVGEM_SYNC_TIMELINE	(1 << 1)

/**
 * struct drm_movgem_sync - one fence into or out of a job
 *
 * Errors: -EINVAL for unknown @flags, a zero point of a timeline, a point of a
 * binary syncobj, or a wait on a syncobj without a fence; -ENOENT for an
 * unknown @handle.
 */
struct drm_movgem_sync {
	/** @flags: Any of DRM_MOVGEM_SYNC_*. */
	__u32 flags;

	/** @handle: Syncobj handle. */
	__u32 handle;

	/** @point: Timeline point; zero for a binary syncobj. */
	__u64 point;
};

/** define DRM_MOVGEM_SYNCS_MAX - most syncs in one call */
#define DRM_MOVGEM_SYNCS_MAX		64

/** define DRM_MOVGEM_BIND_OP_MAP - map a part of a BO */
#define DRM_MOVGEM_BIND_OP_MAP		0
/** define DRM_MOVGEM_BIND_OP_UNMAP - unmap whatever is in a range */
#define DRM_MOVGEM_BIND_OP_UNMAP	1

/** define DRM_MOVGEM_BIND_READONLY - GPU writes to this mapping fault */
#define DRM_MOVGEM_BIND_READONLY	(1 << 0)

/**
 * struct drm_movgem_bind_op - one operation of VM_BIND
 *
 * Ranges may cover, split or replace earlier ones; what was mapped in the
 * range before is unmapped. Errors: -EINVAL for an unknown @op or @flags,
 * misaligned or overflowing @va, @size or @bo_offset, a range outside the VM
 * or the BO, fields of map that are not zero for unmap, or a BO that belongs
 * to another VM; -ENOENT for an unknown @handle; -ENOSPC for a BO that has too
 * many GPU mappings (16384).
 */
struct drm_movgem_bind_op {
	/** @op: One of DRM_MOVGEM_BIND_OP_*. */
	__u32 op;

	/** @flags: Map: any of DRM_MOVGEM_BIND_*. Unmap: zero. */
	__u32 flags;

	/** @handle: Map: GEM handle. Unmap: zero. */
	__u32 handle;

	/** @pad: Must be zero. */
	__u32 pad;

	/** @bo_offset: Map: start in the BO, page aligned. Unmap: zero. */
	__u64 bo_offset;

	/** @va: GPU address, page aligned. */
	__u64 va;

	/** @size: Bytes, page aligned, not zero. */
	__u64 size;
};

/** define DRM_MOVGEM_BIND_OPS_MAX - most operations in one call */
#define DRM_MOVGEM_BIND_OPS_MAX		1024

/** define DRM_MOVGEM_VM_BIND_ASYNC - return before the operations are done */
#define DRM_MOVGEM_VM_BIND_ASYNC	(1 << 0)

/**
 * struct drm_movgem_vm_bind - DRM_IOCTL_MOVGEM_VM_BIND
 *
 * The operations are one job: they wait for the wait syncs and for earlier
 * VM_BIND calls on this VM, are applied in order, then the signal syncs
 * signal. Without DRM_MOVGEM_VM_BIND_ASYNC the call returns once they are
 * done; interrupted by a signal, it returns -EINTR and they are done later, do
 * not repeat the call. Errors: those of &struct drm_movgem_bind_op and
 * &struct drm_movgem_sync, -ENOENT for an unknown @vm_id, -EINVAL for unknown
 * @flags, non-zero @pad or too many of either array, -ENOMEM, -EFAULT.
 */
struct drm_movgem_vm_bind {
	/** @vm_id: Id of the VM. */
	__u32 vm_id;

	/** @flags: Zero or DRM_MOVGEM_VM_BIND_ASYNC. */
	__u32 flags;

	/** @op_count: Number of operations; zero is fine. */
	__u32 op_count;

	/** @sync_count: Number of syncs. */
	__u32 sync_count;

	/** @ops: User address of @op_count &struct drm_movgem_bind_op. */
	__u64 ops;

	/** @syncs: User address of @sync_count &struct drm_movgem_sync. */
	__u64 syncs;

	/** @pad: Must be zero. */
	__u64 pad;
};

/** define DRM_MOVGEM_QUEUE_PRIORITY_NORMAL - default priority */
#define DRM_MOVGEM_QUEUE_PRIORITY_NORMAL	0
/** define DRM_MOVGEM_QUEUE_PRIORITY_LOW - runs when nothing else does */
#define DRM_MOVGEM_QUEUE_PRIORITY_LOW		1

/**
 * struct drm_movgem_queue_create - DRM_IOCTL_MOVGEM_QUEUE_CREATE
 *
 * Errors: -ENOENT for an unknown @vm_id, -EINVAL for non-zero @flags or @pad
 * or an unknown @priority, -ENOMEM, -ENOSPC for too many queues.
 */
struct drm_movgem_queue_create {
	/** @vm_id: VM that the queue's jobs run in. */
	__u32 vm_id;

	/** @flags: Must be zero. */
	__u32 flags;

	/** @priority: One of DRM_MOVGEM_QUEUE_PRIORITY_*. */
	__u32 priority;

	/** @queue_id: Returned id, never zero, valid for this file only. */
	__u32 queue_id;

	/** @pad: Must be zero. */
	__u64 pad;
};

/**
 * struct drm_movgem_queue_destroy - DRM_IOCTL_MOVGEM_QUEUE_DESTROY
 *
 * Jobs that have not started end with -ECANCELED on their fences, as does the
 * one that is running. Errors: -ENOENT for an unknown @queue_id.
 */
struct drm_movgem_queue_destroy {
	/** @queue_id: Id of the queue. */
	__u32 queue_id;

	/** @pad: Must be zero. */
	__u32 pad;
};

/** define DRM_MOVGEM_FAULT_NONE - no fault so far */
#define DRM_MOVGEM_FAULT_NONE		0
/** define DRM_MOVGEM_FAULT_UNMAPPED - nothing is mapped at the address */
#define DRM_MOVGEM_FAULT_UNMAPPED	1
/** define DRM_MOVGEM_FAULT_READONLY - write through a read-only mapping */
#define DRM_MOVGEM_FAULT_READONLY	2
/** define DRM_MOVGEM_FAULT_RANGE - address outside the VM, or misaligned */
#define DRM_MOVGEM_FAULT_RANGE		3
/** define DRM_MOVGEM_FAULT_COMMAND - a command that cannot be decoded */
#define DRM_MOVGEM_FAULT_COMMAND	4
/** define DRM_MOVGEM_FAULT_TIMEOUT - the job ran too long and was reset */
#define DRM_MOVGEM_FAULT_TIMEOUT	5

/** define DRM_MOVGEM_ACCESS_READ - the access that faulted was a read */
#define DRM_MOVGEM_ACCESS_READ		0
/** define DRM_MOVGEM_ACCESS_WRITE - the access that faulted was a write */
#define DRM_MOVGEM_ACCESS_WRITE		1
/** define DRM_MOVGEM_ACCESS_FETCH - the access was a command fetch */
#define DRM_MOVGEM_ACCESS_FETCH		2

/**
 * struct drm_movgem_fault - one fault record
 */
struct drm_movgem_fault {
	/** @type: One of DRM_MOVGEM_FAULT_*. */
	__u32 type;

	/** @access: One of DRM_MOVGEM_ACCESS_*. */
	__u32 access;

	/** @address: GPU address that faulted; FAULT_COMMAND: zero. */
	__u64 address;

	/** @stream_offset: Byte offset of the command in its stream. */
	__u64 stream_offset;

	/** @seqno: Which job of the queue it was, from 1. */
	__u64 seqno;
};

/**
 * struct drm_movgem_queue_state - DRM_IOCTL_MOVGEM_QUEUE_STATE
 *
 * Errors: -ENOENT for an unknown @queue_id, -EINVAL for non-zero @flags.
 */
struct drm_movgem_queue_state {
	/** @queue_id: Id of the queue. */
	__u32 queue_id;

	/** @flags: Must be zero. */
	__u32 flags;

	/** @submitted: Returned number of jobs submitted. */
	__u64 submitted;

	/** @completed: Returned number of jobs that ended, in any way. */
	__u64 completed;

	/** @faulted: Returned number of jobs that ended with a fault. */
	__u64 faulted;

	/** @fault: Returned record of the newest fault. */
	struct drm_movgem_fault fault;
};

/**
 * struct drm_movgem_submit - DRM_IOCTL_MOVGEM_SUBMIT
 *
 * The job waits for the wait syncs and for earlier jobs of the queue, runs,
 * and the signal syncs signal. A job that ends with a fault has an error on
 * its fence: -EFAULT, -EINVAL for a bad command, -ETIMEDOUT after a reset or
 * -ECANCELED; jobs behind it in the queue still run. Errors: those of &struct
 * drm_movgem_sync, -ENOENT for an unknown @queue_id, -EINVAL for non-zero
 * @flags or @pad, a misaligned @stream_addr (8 bytes), a @stream_size that is
 * zero, no multiple of 8 or over &drm_movgem_gpu_info.max_stream_size, a
 * stream outside the VM, -ENOMEM, -EFAULT. Addresses below
 * &drm_movgem_gpu_info.va_start are unmapped for commands.
 */
struct drm_movgem_submit {
	/** @queue_id: Id of the queue. */
	__u32 queue_id;

	/** @flags: Must be zero. */
	__u32 flags;

	/** @stream_addr: GPU address of the command stream. */
	__u64 stream_addr;

	/** @stream_size: Size of the command stream in bytes. */
	__u32 stream_size;

	/** @sync_count: Number of syncs. */
	__u32 sync_count;

	/** @syncs: User address of @sync_count &struct drm_movgem_sync. */
	__u64 syncs;

	/** @pad: Must be zero. */
	__u64 pad;
};

/**
 * DOC: Command stream
 *
 * A stream is a sequence of commands, each 8 byte aligned and led by a
 * &struct drm_movgem_cmd_header. Commands execute strictly in order. An
 * unknown opcode, a wrong size, non-zero padding or an unknown flag ends the
 * job with DRM_MOVGEM_FAULT_COMMAND; commands before it have been executed.
 * The GPU reads a command at the time it executes it. All words are little
 * endian.
 */

/**
 * enum drm_movgem_opcode - commands
 * @DRM_MOVGEM_CMD_NOP: &struct drm_movgem_cmd_nop
 * @DRM_MOVGEM_CMD_FILL: &struct drm_movgem_cmd_fill
 * @DRM_MOVGEM_CMD_COPY: &struct drm_movgem_cmd_copy
 * @DRM_MOVGEM_CMD_BLIT: &struct drm_movgem_cmd_blit
 * @DRM_MOVGEM_CMD_SEM_WAIT: &struct drm_movgem_cmd_sem
 * @DRM_MOVGEM_CMD_SEM_WRITE: &struct drm_movgem_cmd_sem
 * @DRM_MOVGEM_CMD_TIMESTAMP: &struct drm_movgem_cmd_timestamp
 */
enum drm_movgem_opcode {
	DRM_MOVGEM_CMD_NOP = 0,
	DRM_MOVGEM_CMD_FILL,
	DRM_MOVGEM_CMD_COPY,
	DRM_MOVGEM_CMD_BLIT,
	DRM_MOVGEM_CMD_SEM_WAIT,
	DRM_MOVGEM_CMD_SEM_WRITE,
	DRM_MOVGEM_CMD_TIMESTAMP,
};

/**
 * struct drm_movgem_cmd_header - start of every command
 */
struct drm_movgem_cmd_header {
	/** @opcode: One of &enum drm_movgem_opcode. */
	__u16 opcode;

	/** @size: Size of the whole command in bytes, with this header. */
	__u16 size;

	/** @flags: Flags of the command; zero where none are named. */
	__u32 flags;
};

/**
 * struct drm_movgem_cmd_nop - do nothing
 */
struct drm_movgem_cmd_nop {
	/** @hdr: Header. */
	struct drm_movgem_cmd_header hdr;
};

/**
 * struct drm_movgem_cmd_fill - fill memory with a 32 bit pattern
 */
struct drm_movgem_cmd_fill {
	/** @hdr: Header. */
	struct drm_movgem_cmd_header hdr;

	/** @dst: GPU address, 4 byte aligned. */
	__u64 dst;

	/** @size: Bytes, a multiple of 4. */
	__u64 size;

	/** @value: Pattern. */
	__u32 value;

	/** @pad: Must be zero. */
	__u32 pad;
};

/**
 * struct drm_movgem_cmd_copy - copy memory
 *
 * Any alignment. Where source and destination overlap the result is that of
 * memmove().
 */
struct drm_movgem_cmd_copy {
	/** @hdr: Header. */
	struct drm_movgem_cmd_header hdr;

	/** @src: GPU address of the source. */
	__u64 src;

	/** @dst: GPU address of the destination. */
	__u64 dst;

	/** @size: Bytes. */
	__u64 size;
};

/** define DRM_MOVGEM_BLIT_BILINEAR - bilinear scaling; else nearest */
#define DRM_MOVGEM_BLIT_BILINEAR	(1 << 0)
/** define DRM_MOVGEM_BLIT_SRC_OVER - blend premultiplied source over */
#define DRM_MOVGEM_BLIT_SRC_OVER	(1 << 1)

/** define DRM_MOVGEM_SURFACE_MAX - largest width and height of a surface */
#define DRM_MOVGEM_SURFACE_MAX		16384

/**
 * struct drm_movgem_surface - a linear image and a rectangle in it
 *
 * The rectangle must lie in the image.
 */
struct drm_movgem_surface {
	/** @addr: GPU address of the first pixel, aligned to a pixel. */
	__u64 addr;

	/**
	 * @pitch: Bytes from line to line, a multiple of the pixel size and at
	 * least a line of the image.
	 */
	__u32 pitch;

	/**
	 * @format: DRM_FORMAT_XRGB8888, _ARGB8888, _XBGR8888, _ABGR8888 or
	 * _RGB565.
	 */
	__u32 format;

	/** @width: Width in pixels, 1 to DRM_MOVGEM_SURFACE_MAX. */
	__u32 width;

	/** @height: Height in lines, 1 to DRM_MOVGEM_SURFACE_MAX. */
	__u32 height;

	/** @x: Left edge of the rectangle. */
	__u32 x;

	/** @y: Top edge of the rectangle. */
	__u32 y;

	/** @w: Width of the rectangle, at least 1. */
	__u32 w;

	/** @h: Height of the rectangle, at least 1. */
	__u32 h;
};

/**
 * struct drm_movgem_cmd_blit - copy, convert, scale and blend a rectangle
 *
 * Per destination pixel (i, j) of the w * h rectangle, all in integers:
 *
 * Nearest takes the source pixel (i * sw / dw, j * sh / dh), rounding down.
 *
 * Bilinear samples the source at the 16.16 fixed point position
 * u = ((2 * i + 1) * sw << 15) / dw - (1 << 15), v likewise, clamped to
 * [0, (sw - 1) << 16]. With fu = (u >> 8) & 255, per channel c of the four
 * neighbours (the right and lower neighbour clamped to the rectangle):
 * top = c00 * (256 - fu) + c10 * fu, bottom = c01 * (256 - fu) + c11 * fu,
 * c = (top * (256 - fv) + bottom * fv + (1 << 15)) >> 16.
 *
 * Channels are widened to 8 bits before filtering: 5 bit x to
 * x << 3 | x >> 2, 6 bit x to x << 2 | x >> 4; a missing alpha is 255.
 *
 * Src-over: with a the source's alpha, per channel including alpha
 * c = min(255, cs + (cd * (255 - a) + 127) / 255); the source is taken to be
 * premultiplied.
 *
 * Channels are narrowed by dropping low bits; an X channel is written as 255.
 * Where source and destination rectangle share memory the result is undefined
 * (but stays inside the destination rectangle).
 */
struct drm_movgem_cmd_blit {
	/** @hdr: Header; flags are any of DRM_MOVGEM_BLIT_*. */
	struct drm_movgem_cmd_header hdr;

	/** @src: Source. */
	struct drm_movgem_surface src;

	/** @dst: Destination. */
	struct drm_movgem_surface dst;
};

/** define DRM_MOVGEM_SEM_GE - wait until memory >= value; else: == value */
#define DRM_MOVGEM_SEM_GE		(1 << 0)

/**
 * struct drm_movgem_cmd_sem - wait for or write a 64 bit semaphore
 *
 * A wait yields the core. A wait that never ends is reset as any hung job.
 */
struct drm_movgem_cmd_sem {
	/** @hdr: Header; wait: zero or DRM_MOVGEM_SEM_GE, write: zero. */
	struct drm_movgem_cmd_header hdr;

	/** @addr: GPU address, 8 byte aligned. */
	__u64 addr;

	/** @value: Value to compare with (unsigned) or to write. */
	__u64 value;
};

/**
 * struct drm_movgem_cmd_timestamp - write the GPU's clock to memory
 */
struct drm_movgem_cmd_timestamp {
	/** @hdr: Header. */
	struct drm_movgem_cmd_header hdr;

	/** @addr: GPU address of a 64 bit word, 8 byte aligned. */
	__u64 addr;
};

#define DRM_IOCTL_MOVGEM(name__, type__) \
	DRM_IOWR(DRM_COMMAND_BASE + DRM_MOVGEM_##name__, \
		 struct drm_movgem_##type__)

#define DRM_IOCTL_MOVGEM_DEV_QUERY	DRM_IOCTL_MOVGEM(DEV_QUERY, dev_query)
#define DRM_IOCTL_MOVGEM_BO_CREATE	DRM_IOCTL_MOVGEM(BO_CREATE, bo_create)
#define DRM_IOCTL_MOVGEM_BO_MMAP_OFFSET \
	DRM_IOCTL_MOVGEM(BO_MMAP_OFFSET, bo_mmap_offset)
#define DRM_IOCTL_MOVGEM_BO_INFO	DRM_IOCTL_MOVGEM(BO_INFO, bo_info)
#define DRM_IOCTL_MOVGEM_BO_LABEL	DRM_IOCTL_MOVGEM(BO_LABEL, bo_label)
#define DRM_IOCTL_MOVGEM_BO_WAIT	DRM_IOCTL_MOVGEM(BO_WAIT, bo_wait)
#define DRM_IOCTL_MOVGEM_BO_MADVISE \
	DRM_IOCTL_MOVGEM(BO_MADVISE, bo_madvise)
#define DRM_IOCTL_MOVGEM_VM_CREATE	DRM_IOCTL_MOVGEM(VM_CREATE, vm_create)
#define DRM_IOCTL_MOVGEM_VM_DESTROY \
	DRM_IOCTL_MOVGEM(VM_DESTROY, vm_destroy)
#define DRM_IOCTL_MOVGEM_VM_BIND	DRM_IOCTL_MOVGEM(VM_BIND, vm_bind)
#define DRM_IOCTL_MOVGEM_QUEUE_CREATE \
	DRM_IOCTL_MOVGEM(QUEUE_CREATE, queue_create)
#define DRM_IOCTL_MOVGEM_QUEUE_DESTROY \
	DRM_IOCTL_MOVGEM(QUEUE_DESTROY, queue_destroy)
#define DRM_IOCTL_MOVGEM_QUEUE_STATE \
	DRM_IOCTL_MOVGEM(QUEUE_STATE, queue_state)
#define DRM_IOCTL_MOVGEM_SUBMIT		DRM_IOCTL_MOVGEM(SUBMIT, submit)

#if defined(__cplusplus)
}
#endif

#endif /* _UAPI_MOVGEM_DRM_H_ */
