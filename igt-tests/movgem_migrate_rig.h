/* SPDX-License-Identifier: MIT */
/*
 * Copyright (C) 2026 movgem maintainers
 *
 * Buffers that the CPU and the GPU write all the time, in a way that the end
 * can be computed: every lost or misplaced write shows.
 *
 * A rig is a number of BOs that lie one behind the other in memory (mmap) and
 * in the GPU's address space, there up to three times ("views": twice in one
 * VM, once in another). Each page is divided into lanes with one owner each:
 *
 *   0x000  64 bytes for each of 4 CPU writers: 16 counters of 32 bits
 *   0x100  64 bytes for each view: 16 ARGB pixels that jobs count up by
 *          blending (src-over of a transparent source adds)
 *   0x1c0  64 bytes for each view: where jobs copy pixels of other pages to
 *   0x280  a fixed pattern that depends on the place
 *
 * The owners write at the same time without ever touching each other's bytes.
 */
#ifndef MOVGEM_MIGRATE_RIG_H
#define MOVGEM_MIGRATE_RIG_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#define PAGE		4096u
#define RIG_VIEWS	3u
#define RIG_WRITERS	4u
#define RIG_SLOTS	16u
#define RIG_LANE	64u
#define RIG_CPU_LANES	0x000u
#define RIG_GPU_LANES	0x100u
#define RIG_COPY_LANES	0x1c0u
#define RIG_PATTERN	0x280u
/* Pages that one job counts up. */
#define RIG_CHUNK	256u

/** enum rig_keep - which of the BOs that were made are kept */
enum rig_keep {
	RIG_KEEP_ALL,
	/*
	 * Those at the lowest physical addresses. Of the others, a quarter
	 * lives on, in groups of eight: compaction moves pages to holes of
	 * some size in page blocks that are in use, and not to free blocks.
	 */
	RIG_KEEP_LOWEST,
	RIG_KEEP_SCATTERED,	/* every so manieth by physical address */
};

/** struct rig_config - what a rig is made of; zero is a sensible default */
struct rig_config {
	unsigned int bos;	/* default 1 */
	unsigned int bo_pages;	/* default 16 */
	enum rig_keep keep;
	unsigned int make;	/* make so many times more BOs than are kept */
	unsigned int views;	/* GPU mappings, 0 to RIG_VIEWS */
	unsigned int threads;	/* CPU writers that are threads */
	unsigned int children;	/* CPU writers that are forked processes */
	bool unmapped;		/* no CPU mapping but for set-up and check */
	/*
	 * All in one zone: what huge pages find free in another zone they get
	 * without moving anything.
	 */
	bool one_zone;
};

/** struct rig_view - one GPU mapping of a rig, and the queue that uses it */
struct rig_view {
	struct rig *rig;
	unsigned int index;
	uint32_t vm, queue, cmd_handle, timeline;
	uint64_t va;
	uint8_t *cmd;
	uint64_t submitted;	/* timeline point of the newest job */
	uint64_t jobs;		/* counting jobs among them */
	pthread_t feeder;
	bool feeding;
	int error;
};

/** struct rig_shared - what the forked writers share with the test */
struct rig_shared {
	volatile bool stop;
	volatile uint64_t writes[RIG_WRITERS];
	volatile uint64_t jobs[RIG_VIEWS];
	/* the first counter that was found with a wrong value */
	volatile uint32_t wrong, wrong_page, wrong_slot, wrong_want, wrong_have;
	/* how far each counter must be: [writer][page][slot] */
	uint32_t model[];
};

struct rig {
	struct rig_config cfg;
	int fd;
	unsigned int pages;
	uint32_t *handles;
	uint64_t *ids;		/* of the BOs, as debugfs names them */
	char label[24];
	uint8_t *cpu;		/* all BOs, or NULL */
	uint32_t seed_handle, readback_handle;
	uint8_t *readback;
	struct rig_view views[RIG_VIEWS];
	struct rig_shared *shared;
	size_t shared_size;
	pthread_t threads[RIG_WRITERS];
	unsigned int threads_running, children_running;
	uint64_t moved_before;
};

void rig_init(struct rig *rig, const struct rig_config *cfg);
void rig_fini(struct rig *rig);
/* Ends what a failed subtest left running. */
void rig_reset(void);

/* Lets writers and jobs loose, and ends them. */
void rig_start(struct rig *rig);
void rig_stop(struct rig *rig);
/* Waits until every writer and every view has done so much since rig_start. */
void rig_wait_work(struct rig *rig, uint64_t writes, uint64_t jobs);

/* Single steps, for subtests that want to know what is going on. */
void rig_map(struct rig *rig);
void rig_unmap(struct rig *rig);
void rig_write_all(struct rig *rig);
void rig_writer(struct rig *rig, unsigned int writer, uint64_t count);
void rig_run_jobs(struct rig *rig, unsigned int view, unsigned int jobs);
void rig_submit_jobs(struct rig *rig, unsigned int view, unsigned int jobs,
		     uint32_t wait_handle);
void rig_wait_jobs(struct rig *rig, unsigned int view);

/* Compares every byte, as the CPU sees it and through every view. */
void rig_check(struct rig *rig);
void rig_check_cpu(struct rig *rig);
void rig_check_gpu(struct rig *rig);
void rig_check_at(struct rig *rig, const uint8_t *map, const char *how);

/* Page moves since rig_init(), over all BOs of the rig. */
uint64_t rig_moved(struct rig *rig);

/* What is in the fixed part of a page. */
uint32_t rig_pattern(unsigned int page, unsigned int offset);

/* Commands, for streams of one's own. */
unsigned int rig_emit_job(struct rig *rig, unsigned int view, uint64_t n,
			  uint8_t *at);

#endif
