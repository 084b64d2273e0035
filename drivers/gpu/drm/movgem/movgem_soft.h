/* SPDX-License-Identifier: GPL-2.0 */
/* Copyright (C) 2026 movgem maintainers */
#ifndef _MOVGEM_SOFT_H_
#define _MOVGEM_SOFT_H_

#include <linux/list.h>
#include <linux/sizes.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include <drm/movgem_drm.h>

struct movgem_device;
struct movgem_job;
struct movgem_vm;
struct soft_engine;

#define SOFT_MAX_CORES		4

#define SOFT_TLB_SETS		16
#define SOFT_TLB_WAYS		4
#define SOFT_TLB_ENTRIES	(SOFT_TLB_SETS * SOFT_TLB_WAYS)

/* A core lets other queues run after this time. */
#define SOFT_SLICE_NS		(2 * NSEC_PER_MSEC)

/* Work, in bytes touched, between two looks at the clock. */
#define SOFT_SLICE_CREDIT	SZ_64K

/* What a command costs apart from the bytes it touches. */
#define SOFT_COMMAND_COST	512

/*
 * Results of executing a command, besides 0 (done) and the negative errno of a
 * job that faulted.
 */
#define SOFT_YIELD		1	/* go on in another slice */
#define SOFT_WAIT		2	/* go on once a semaphore changed */

/**
 * struct soft_tlb_entry - one cached translation
 */
struct soft_tlb_entry {
	/** @vpn: GPU page number. */
	u64 vpn;

	/** @pte: page table entry: VALID and not BLOCKED, or zero if free. */
	u64 pte;

	/** @asid: the VM, see &movgem_vm.asid. */
	u32 asid;
};

/**
 * struct soft_core - one execution unit with its TLB
 *
 * A core executes one queue at a time, in its own work item.
 */
struct soft_core {
	/** @engine: the engine. */
	struct soft_engine *engine;

	/** @work: executes ready queues until none is left. */
	struct work_struct work;

	/** @active: @work is queued or looks for queues; by &soft_engine.lock. */
	bool active;

	/**
	 * @lock: held for each access to memory, from the translation to the
	 * last byte, and by an invalidation. Protects @tlb, @tlb_used and
	 * @victim. A leaf: nothing is taken under it. Never taken in interrupts.
	 */
	spinlock_t lock;

	/** @tlb: cached translations; kept from job to job. */
	struct soft_tlb_entry tlb[SOFT_TLB_SETS][SOFT_TLB_WAYS];

	/** @tlb_used: there may be something in @tlb. */
	bool tlb_used;

	/** @victim: way of each set that is replaced next. */
	u8 victim[SOFT_TLB_SETS];

	/** @raw: bytes on their way from one address to another. */
	void *raw;

	/** @rows: blit: two source lines as ARGB8888. */
	u32 *rows[2];

	/** @out: blit: a destination line as ARGB8888. */
	u32 *out;

	/** @cols: blit: where each destination column lies in the source. */
	u32 *cols;
};

/**
 * enum soft_queue_state - where a queue is
 * @SOFT_QUEUE_IDLE: On no list: no job, or held by someone who cancels.
 * @SOFT_QUEUE_READY: On the ready list of its priority.
 * @SOFT_QUEUE_PARKED: On the list of those that wait for a semaphore.
 * @SOFT_QUEUE_OWNED: A core, or someone who cancels, works on it. Only the
 *	owner takes jobs off the queue, ends them, and reads or writes the
 *	progress of the first one.
 */
enum soft_queue_state {
	SOFT_QUEUE_IDLE = 0,
	SOFT_QUEUE_READY,
	SOFT_QUEUE_PARKED,
	SOFT_QUEUE_OWNED,
};

/**
 * union soft_command - any command
 */
union soft_command {
	/** @hdr: what all start with. */
	struct drm_movgem_cmd_header hdr;
	/** @fill: DRM_MOVGEM_CMD_FILL. */
	struct drm_movgem_cmd_fill fill;
	/** @copy: DRM_MOVGEM_CMD_COPY. */
	struct drm_movgem_cmd_copy copy;
	/** @blit: DRM_MOVGEM_CMD_BLIT. */
	struct drm_movgem_cmd_blit blit;
	/** @sem: DRM_MOVGEM_CMD_SEM_WAIT and DRM_MOVGEM_CMD_SEM_WRITE. */
	struct drm_movgem_cmd_sem sem;
	/** @timestamp: DRM_MOVGEM_CMD_TIMESTAMP. */
	struct drm_movgem_cmd_timestamp timestamp;
};

/**
 * struct soft_queue - the ring of one queue
 */
struct soft_queue {
	/** @engine: the engine. */
	struct soft_engine *engine;

	/** @low: low priority. */
	bool low;

	/** @state: by &soft_engine.lock. */
	enum soft_queue_state state;

	/** @link: in the list that @state names. */
	struct list_head link;

	/** @jobs: &movgem_job.engine.link in order; by &soft_engine.lock. */
	struct list_head jobs;

	/**
	 * @cancels: number of movgem_engine_ops.cancel() calls that want the
	 * queue: it is not run meanwhile. Written under &soft_engine.lock.
	 */
	unsigned int cancels;

	/**
	 * @cmd: the command that is being executed, read from memory once, so
	 * that a job cannot change it between two slices. The owner's.
	 */
	union soft_command cmd;

	/** @cmd_valid: @cmd is read and has not ended. The owner's. */
	bool cmd_valid;
};

/**
 * struct soft_engine - the software GPU
 */
struct soft_engine {
	/** @mdev: the device. */
	struct movgem_device *mdev;

	/** @wq: runs cores and @poll. */
	struct workqueue_struct *wq;

	/**
	 * @lock: protects lists and states of queues and cores. Not taken
	 * together with &soft_core.lock. Never taken in interrupts.
	 */
	spinlock_t lock;

	/** @ready: queues to run: normal, low. */
	struct list_head ready[2];

	/** @parked: queues that wait for a semaphore. */
	struct list_head parked;

	/** @poll: makes parked queues look at memory again. */
	struct delayed_work poll;

	/** @resting: no core takes a queue; written under @lock. */
	bool resting;

	/** @sem_seq: number of semaphore writes; written under @lock. */
	unsigned int sem_seq;

	/** @released: woken when a queue gives up SOFT_QUEUE_OWNED. */
	wait_queue_head_t released;

	/**
	 * @display: what the display reads and writes memory with: a lock and
	 * a TLB. It has no work and executes nothing.
	 */
	struct soft_core display;

	/** @num_cores: number of @cores. */
	unsigned int num_cores;

	/** @cores: the cores. */
	struct soft_core cores[];
};

/**
 * struct soft_ctx - one queue on one core for one slice of time
 */
struct soft_ctx {
	/** @core: the core. */
	struct soft_core *core;

	/** @sq: the queue, in state SOFT_QUEUE_OWNED; NULL for the display. */
	struct soft_queue *sq;

	/** @job: the queue's first job; NULL for the display. */
	struct movgem_job *job;

	/** @vm: its address space. */
	struct movgem_vm *vm;

	/** @slice_end: when the slice is over, in ktime_get_ns(). */
	u64 slice_end;

	/** @credit: work left before the next look at the clock. */
	s64 credit;

	/** @sem_seq: &soft_engine.sem_seq before a semaphore was read. */
	unsigned int sem_seq;

	/** @fault: filled in where a job ends with an error. */
	struct drm_movgem_fault fault;
};

/**
 * struct soft_format - layout of a pixel
 */
struct soft_format {
	/** @fourcc: DRM_FORMAT_*. */
	u32 fourcc;

	/** @cpp: bytes. */
	u8 cpp;

	/** @alpha: has alpha; else alpha reads and is written as 255. */
	bool alpha;

	/** @swap: red and blue are swapped against ARGB8888. */
	bool swap;
};

/* movgem_soft.c */
bool movgem_soft_should_yield(struct soft_ctx *ctx, u64 cost);
void movgem_soft_sem_written(struct soft_engine *se);

/* movgem_soft_mem.c */
int movgem_soft_fault(struct soft_ctx *ctx, u32 type, u32 access, u64 address);
int movgem_soft_range(struct soft_ctx *ctx, u64 va, u64 size, u32 access);
int movgem_soft_read(struct soft_ctx *ctx, u64 va, void *buf, u32 len,
		     u32 access);
int movgem_soft_write(struct soft_ctx *ctx, u64 va, const void *buf, u32 len);
int movgem_soft_fill(struct soft_ctx *ctx, u64 va, u32 value, u32 len);
int movgem_soft_load64(struct soft_ctx *ctx, u64 va, u64 *value);
int movgem_soft_store64(struct soft_ctx *ctx, u64 va, u64 value);
int movgem_soft_display_read(struct movgem_device *mdev, struct movgem_vm *vm,
			     u64 va, void *buf, u32 len);
int movgem_soft_display_write(struct movgem_device *mdev, struct movgem_vm *vm,
			      u64 va, const void *buf, u32 len);
void movgem_soft_tlb_flush(struct soft_core *core);
void movgem_soft_check_power(struct soft_engine *se);

/* movgem_soft_cmd.c */
int movgem_soft_check_header(const struct drm_movgem_cmd_header *hdr,
			     u64 left);
int movgem_soft_check_command(const union soft_command *cmd);
int movgem_soft_exec(struct soft_ctx *ctx);

/* movgem_soft_blit.c */
const struct soft_format *movgem_soft_format(u32 fourcc);
int movgem_soft_check_blit(const struct drm_movgem_cmd_blit *cmd);
void movgem_soft_widen(const struct soft_format *format, u32 *dst,
		       const void *src, u32 n);
void movgem_soft_narrow(const struct soft_format *format, void *dst,
			const u32 *src, u32 n);
u32 movgem_soft_nearest(u32 i, u32 sw, u32 dw);
s64 movgem_soft_middle(u32 i, u32 sw, u32 dw);
u32 movgem_soft_linear(u32 i, u32 sw, u32 dw);
u32 movgem_soft_bilinear(u32 c00, u32 c10, u32 c01, u32 c11, u32 fu, u32 fv);
u32 movgem_soft_over(u32 src, u32 dst);
int movgem_soft_blit(struct soft_ctx *ctx,
		     const struct drm_movgem_cmd_blit *cmd);

#endif
