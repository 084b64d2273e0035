/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The workload of the tools in guests: memory full of 64 KiB buffers of some
 * kind, CPU threads and GPU jobs that write to them all the time, and a check of
 * every byte. tools/demo and tools/memory have programs around it.
 *
 * Copyright (C) 2026 movgem maintainers
 */
#ifndef _MOVGEM_WORKLOAD_H_
#define _MOVGEM_WORKLOAD_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define WORK_PAGE_SIZE		4096UL
#define WORK_BUF_SIZE		65536UL	/* unless told otherwise */
#define WORK_HUGE_SIZE		(2UL << 20)

/**
 * struct work_buf - one buffer
 * @slot: where it is mapped: @slot * &work_state.buf_size into the window
 * @handle: GEM handle; zero for anonymous memory
 */
struct work_buf {
	uint32_t slot;
	uint32_t handle;
};

/**
 * struct work_store - a kind of buffer
 * @name: for messages
 * @open: find the device
 * @create: make one buffer with all of its pages, where that takes a mapping:
 *	at @addr; returns 0 or a negative errno
 * @map: map a buffer that stays at @addr; NULL: @create has done that
 * @destroy: unmap it and give its memory back
 * @frames: report the page frame of every page of every buffer; NULL: they are
 *	the unevictable pages of shmem
 * @moved: the kernel's count of moved pages; NULL: there is none, take the
 *	frames that buffers left
 * @moved_source: where @moved comes from
 */
struct work_store {
	const char *name;
	void (*open)(void);
	int (*create)(struct work_buf *buf, void *addr);
	void (*map)(struct work_buf *buf, void *addr);
	void (*destroy)(struct work_buf *buf, void *addr);
	void (*frames)(void (*report)(uint64_t pfn));
	uint64_t (*moved)(void);
	const char *moved_source;
};

/**
 * struct work_state - everything that the parts share
 * @store: the kind of buffer
 * @bufs: the buffers that stay, @count of them
 * @count: how many
 * @slots: how many buffers there were before
 * @buf_size: size of each of them in bytes, WORK_BUF_SIZE if not set
 * @shared: movgem: not made for one VM only
 * @error: errno of the buffer that could not be made, or 0
 * @window: start of the address range that they are mapped in
 * @seed: everything that is random comes from it
 * @counters: per page, how often the CPU wrote to it
 * @tags: per page, what its body must hold (content.c)
 */
struct work_state {
	const struct work_store *store;
	struct work_buf *bufs;
	size_t count;
	size_t slots;
	size_t buf_size;
	bool shared;
	int error;
	uint8_t *window;
	uint64_t seed;
	uint64_t *counters;
	uint64_t *tags;
};

extern struct work_state work;

/* util.c */
void die(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));
void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
double now(void);
uint64_t next_random(uint64_t *state);
uint64_t read_number(const char *path);
uint64_t read_field(const char *path, const char *name);
int write_text(const char *path, const char *text);

static inline size_t buf_pages(void)
{
	return work.buf_size / WORK_PAGE_SIZE;
}

static inline uint8_t *buf_addr(const struct work_buf *buf)
{
	return work.window + buf->slot * work.buf_size;
}

/* Page number @page of all the buffers that stay. */
static inline uint8_t *page_addr(size_t page)
{
	return buf_addr(&work.bufs[page / buf_pages()]) +
	       page % buf_pages() * WORK_PAGE_SIZE;
}

static inline size_t page_count(void)
{
	return work.count * buf_pages();
}

/* stores.c */
extern const struct work_store store_movgem;
const struct work_store *find_store(const char *name);
int movgem_fd(void);
uint32_t movgem_vm(void);
uint32_t movgem_vm_create(void);
uint64_t movgem_stat(const char *name);
char *movgem_debugfs(const char *name);

/*
 * content.c: a page is a head of WORK_HEAD_SIZE bytes, which the CPU writes
 * (a counter, then a fixed pattern), and a body, which the GPU copies and fills.
 */
#define WORK_HEAD_SIZE		64UL
#define WORK_BODY_SIZE		(WORK_PAGE_SIZE - WORK_HEAD_SIZE)
/* A tag with this bit: the body was filled with the low 32 bits. */
#define WORK_TAG_FILL		(1ULL << 63)

void content_fill(void);
void content_start_writers(unsigned int threads);
uint64_t content_writes(void);
void content_stop_writers(void);
uint64_t content_check(void);
void content_renew(size_t buf);

/* layout.c */
void layout_lay(uint64_t bytes, unsigned int reserve_mib, unsigned int group,
		uint64_t stay);
void layout_map(void);
void layout_make(uint64_t bytes, unsigned int reserve_mib, unsigned int group);

/* gpu.c: movgem's buffers only */

/**
 * struct work_jobs - what GPU jobs are like; @copies is set before gpu_start()
 * @copies: copies of a page's body in one job, each to another page
 * @depth: jobs in flight
 * @ended: called for each job, with the seconds from its submission until its
 *	end was seen; or NULL
 * @between: called by the thread that submits, before each job; or NULL
 */
struct work_jobs {
	size_t copies;
	unsigned int depth;
	void (*ended)(double seconds);
	void (*between)(void);
};

extern struct work_jobs gpu_jobs;

void gpu_bind(uint32_t vm, const struct work_buf *bufs, size_t first,
	      size_t count);
void gpu_unbind(uint32_t vm, size_t count);
void gpu_drain(void);
void gpu_start(void);
bool gpu_is_running(void);
uint64_t gpu_completed(void);
void gpu_stop(void);

/* rates.c */

/**
 * struct sample - what had been done at a time
 * @time: when
 * @has_gpu: the GPU is at work
 * @writes: of the CPU threads
 * @jobs: of the GPU
 */
struct sample {
	double time;
	bool has_gpu;
	uint64_t writes;
	uint64_t jobs;
};

void take_sample(struct sample *s);
void print_rates(FILE *json, const char *name, const struct sample *a,
		 const struct sample *b);

/* memmap.c */

/**
 * struct work_block - a memory block of the kernel (memory hotplug)
 * @id: its number N in /sys/devices/system/memory/memoryN
 * @movable: it lies in ZONE_MOVABLE
 * @buffer_pages: pages of buffers in it when the map was last made
 * @buffer_pages_before: and in the map before that
 * @tried: trigger_offline() asked for it
 * @offlined: and got it
 * @tries: how often it was asked for
 * @seconds: how long that took
 * @error: errno otherwise
 */
struct work_block {
	unsigned int id;
	bool movable;
	size_t buffer_pages;
	size_t buffer_pages_before;
	bool tried;
	bool offlined;
	unsigned int tries;
	double seconds;
	int error;
};

extern struct work_block *blocks;
extern size_t block_count;

/**
 * struct memmap_summary - what a map shows
 * @buffer_pages: pages of buffers
 * @movable_pages: those of them in ZONE_MOVABLE
 * @left_frames: frames that held a page of a buffer in the map before this one
 *	and do not any more
 * @huge: 2 MiB blocks that are one huge page of hugetlbfs
 * @free_huge: 2 MiB blocks that are free
 */
struct memmap_summary {
	size_t buffer_pages;
	size_t movable_pages;
	size_t left_frames;
	size_t huge;
	size_t free_huge;
};

void memmap_init(void);
void memmap_dump(const char *path, struct memmap_summary *sum);

#endif
