/* SPDX-License-Identifier: MIT */
/*
 * Copyright (C) 2026 movgem maintainers
 *
 * The worker that knows every byte of its buffers. A BO is a row of sectors of
 * 256 bytes; what is in a sector is one number (content_t), which GPU copies
 * take along. The model says what will be there when all jobs that are
 * submitted have ended; before the CPU looks at a BO it waits for those that
 * use it.
 */
#ifndef MOVGEM_STRESS_BUFFERS_H
#define MOVGEM_STRESS_BUFFERS_H

#include "movgem_stress.h"

#define SECTOR			256u
#define PAGE			4096u
#define PAGE_SECTORS		(PAGE / SECTOR)
#define SECTOR_WORDS		(SECTOR / 4)

/* 32 bits that the words of a sector are made of, or one value for all. */
typedef uint64_t content_t;
#define CONTENT_VALUE(v)	(1ull << 63 | (uint32_t)(v))

static inline uint32_t content_word(content_t content, unsigned int i)
{
	return content >> 63 ? (uint32_t)content : movgem_mix(content, i);
}

#define BOS			24u
#define BO_PAGES_MAX		2048u
#define BO_MAPS			4u
#define VMS			2u
#define QUEUES			4u	/* queue q is in VM q % VMS */
#define WINDOW			2048u	/* pages of a VM that BOs are bound in */
#define JOB_SLOTS		8u	/* streams in flight for each queue */
#define JOB_BYTES		4096u
#define JOB_COMMANDS		8u
#define JOB_PAGES		16u	/* that one command may touch */
/*
 * The scratch BO: a page of semaphores; what jobs copy for the CPU to look at;
 * what they copy for nobody.
 */
#define SEMAPHORES		(PAGE / 8)
#define SCRATCH_SEEN		PAGE
#define SCRATCH_UNSEEN		(SCRATCH_SEEN + JOB_PAGES * PAGE)
#define SCRATCH_PAGES		(1 + 2 * JOB_PAGES)
#define UNDO_MAX		(JOB_COMMANDS * JOB_PAGES * PAGE_SECTORS)
#define USES_MAX		(JOB_COMMANDS * JOB_PAGES * 2)
#define NO_VM			UINT32_MAX

/** struct cpu_map - a mapping of a part of a BO */
struct cpu_map {
	uint8_t *addr;		/* NULL: none */
	uint32_t first, count;	/* pages */
	bool readonly;
};

/** struct buffer - a BO and what is in it */
struct buffer {
	bool used;
	uint32_t handle;	/* 0: closed, mappings keep it alive */
	uint32_t pages;
	uint32_t flags;
	uint32_t exclusive;	/* VM that is the only one, or NO_VM */
	bool is_exclusive, exported;
	uint32_t bound;		/* pages of windows that show it */
	uint64_t point[QUEUES];	/* newest job of each queue that uses it */
	struct cpu_map maps[BO_MAPS];
	content_t *content;
	uint64_t name;		/* for messages */
};

/** struct view - a page of a VM's window */
struct view {
	struct buffer *bo;	/* NULL: nothing is there */
	uint32_t page;
	bool readonly;
};

struct vm {
	uint32_t id;
	/* Binds signal its points; jobs wait for the newest. */
	uint32_t timeline;
	uint64_t point;
	struct view window[WINDOW];
};

struct queue {
	uint32_t id;
	uint32_t timeline;
	uint64_t point, done;
	uint64_t faults;	/* that have been provoked */
	uint32_t stream_handle;
	uint8_t *stream;
};

/** struct undo - what a job has overwritten in the model, in case it is refused */
struct undo {
	struct buffer *bo;
	uint64_t sector;
	content_t old;
};

/** struct job - a stream that is being made */
struct job {
	unsigned int q, commands;
	uint32_t at;		/* bytes so far */
	uint32_t result;	/* syncobj for its fence as well, or 0 */
	/* Newest jobs of other queues that use what this one uses. */
	uint64_t needs[QUEUES];
	struct buffer *uses[USES_MAX];
	unsigned int use_count;
	struct undo undo[UNDO_MAX];
	unsigned int undo_count;
};

struct buffers {
	struct stress_worker *w;
	int fd, other_fd, vgem, second;
	int file;		/* for direct-io, or -1 */
	uint64_t va;		/* of the windows; scratch and streams are behind */
	struct buffer bos[BOS];
	struct vm vms[VMS];
	struct queue queues[QUEUES];
	/* Bound in every VM: jobs copy to it what is to be looked at. */
	uint32_t scratch_handle;
	uint8_t *scratch;
	uint64_t pages, names, semaphore;
	struct job jobs[2];
};

/* ---- movgem_stress_content.c: BOs and the CPU ---- */

/* An unused entry, or NULL. */
struct buffer *bo_slot(struct buffers *b);
/* One that the condition holds for, or NULL. */
struct buffer *bo_pick(struct buffers *b, bool (*ok)(struct buffer *bo));
bool bo_any(struct buffer *bo);
bool bo_mappable(struct buffer *bo);
int bo_init(struct buffers *b, struct buffer *bo, uint32_t handle, uint32_t pages);
/* Forgets it once neither handle nor mappings are left. */
void bo_release(struct buffers *b, struct buffer *bo);
int bo_close(struct buffers *b, struct buffer *bo);
/* Waits for the jobs that use it. */
void bo_idle(struct buffers *b, struct buffer *bo);
struct cpu_map *bo_map(struct buffers *b, struct buffer *bo, bool write);
void bo_unmap(struct buffers *b, struct buffer *bo);
/* A part of a mapping, in sectors of the BO, and where it is. */
uint8_t *map_part(struct buffers *b, struct cpu_map *map, uint64_t *sector, uint64_t *count);
content_t content_new(struct buffers *b);
/* Compares sectors that begin at words with what has to be there. */
void content_check(struct buffers *b, struct buffer *bo, const uint8_t *at, uint64_t sector,
		   uint64_t count, const char *how);
void content_write(struct buffers *b, struct buffer *bo, uint8_t *at, uint64_t sector,
		   uint64_t count);
/* All of it, through a CPU mapping where one can be had. */
bool content_check_all(struct buffers *b, struct buffer *bo);

void op_create(struct buffers *b);
void op_free(struct buffers *b);
void op_close_early(struct buffers *b);
void op_map(struct buffers *b);
void op_unmap(struct buffers *b);
void op_unmap_part(struct buffers *b);
void op_remap(struct buffers *b);
void op_protect(struct buffers *b);
void op_cpu_write(struct buffers *b);
void op_cpu_check(struct buffers *b);
void op_fork(struct buffers *b);
void op_madvise(struct buffers *b);

/* ---- movgem_stress_bind.c: address spaces ---- */

void gpu_init(struct buffers *b);
void gpu_fini(struct buffers *b);
void vm_init(struct buffers *b, unsigned int v);
/* All its queues have to be idle but for jobs that nobody waits for. */
void vm_fini(struct buffers *b, unsigned int v);
unsigned int queue_vm(unsigned int q);
void queue_idle(struct buffers *b, unsigned int q, uint64_t point);
uint64_t window_va(struct buffers *b, uint64_t sector);
uint64_t scratch_va(struct buffers *b);
uint64_t stream_va(struct buffers *b, unsigned int q);
bool can_bind(struct buffer *bo);
bool bind_somewhere(struct buffers *b, struct buffer *bo, uint32_t flags);
/* Takes it out of all windows; false where a call is refused. */
bool bo_unbind(struct buffers *b, struct buffer *bo);

void op_bind(struct buffers *b);
void op_bind_sparse(struct buffers *b);
void op_unbind(struct buffers *b);

/* ---- movgem_stress_gpu.c: jobs ---- */

/* Compares a part of the BO as the GPU sees it; false where it sees none. */
bool gpu_check(struct buffers *b, struct buffer *bo);

void op_job(struct buffers *b);
void op_job_pair(struct buffers *b);
void op_job_gate(struct buffers *b);
void op_job_fault(struct buffers *b);
void op_gpu_check(struct buffers *b);
void op_new_vm(struct buffers *b);

/* ---- movgem_stress_share.c: BOs in other files, devices and processes ---- */

void op_export(struct buffers *b);
void op_import_file(struct buffers *b);
void op_import_device(struct buffers *b);
void op_import_vgem(struct buffers *b);
void op_from_vgem(struct buffers *b);
void op_post(struct buffers *b);
void op_receive(struct buffers *b);

/* ---- movgem_stress_gup.c: pages in the hands of the kernel ---- */

void op_read_vm(struct buffers *b);
void op_direct_io(struct buffers *b);
void op_register(struct buffers *b);

#endif /* MOVGEM_STRESS_BUFFERS_H */
