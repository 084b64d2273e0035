/* SPDX-License-Identifier: MIT */
/*
 * Copyright (C) 2026 movgem maintainers
 *
 * What the movgem tests share. A call with two leading underscores returns 0
 * or -errno; without them, a failure fails the test.
 */
#ifndef MOVGEM_LIB_H
#define MOVGEM_LIB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "movgem_drm.h"

#define MOVGEM_PAGE		4096ull
/* No job and no fence takes as long as this, on the slowest guest. */
#define MOVGEM_LONG_NS		(120ll * 1000000000ll)

/* ---- subtests ---- */

struct movgem_subtest {
	const char *name;
	void (*run)(int fd);
	const char *what;
};

/* Subtests of one device, as by igt_describe() and igt_subtest(). */
void movgem_subtests(const struct movgem_subtest *tests, unsigned int count, int fd);

/* ---- devices ---- */

int movgem_open(void);
int movgem_open_render(void);
/* The card node of another driver, or -1. */
int movgem_open_other(const char *driver);
/* Another file of the same device. */
int movgem_reopen(int fd);
void movgem_close(int fd);
/* One ioctl, restarted when interrupted; 0 or -errno. */
int movgem_ioctl(int fd, unsigned long req, void *arg);
int __movgem_query(int fd, uint32_t type, void *data, uint32_t *size);
void movgem_gpu_info(int fd, struct drm_movgem_gpu_info *info);
void movgem_mem_info(int fd, struct drm_movgem_mem_info *info);
/* DRM_MOVGEM_PAGE_STORE_* of the device. */
uint32_t movgem_page_store(int fd);
/* Absolute CLOCK_MONOTONIC time so many ns from now. */
int64_t movgem_deadline(int64_t ns);

/* ---- power ---- */

/*
 * Has the GPU stay on until the process ends, if root. movgem_open() does, for else
 * time decides what is in its TLBs, and with that what a test can see.
 */
void movgem_power_keep_on(int fd);
/* Has it go off after so long without work; false without runtime PM, or not root. */
bool movgem_power_auto(int fd, unsigned int delay_ms);
bool movgem_power_is_off(int fd);
/* Fails where it goes off, in five times the delay that it would go off after. */
void movgem_power_expect_on(int fd, unsigned int delay_ms);
/* Waits for that. */
void movgem_power_wait_off(int fd);
/* How long it has been on, in ms. */
uint64_t movgem_power_time_on(int fd);

/* ---- buffers ---- */

int __movgem_bo_create(int fd, uint64_t size, uint32_t flags,
		       uint32_t exclusive_vm, uint32_t *handle);
uint32_t movgem_bo_create(int fd, uint64_t size, uint32_t flags);
uint32_t movgem_bo_create_exclusive(int fd, uint64_t size, uint32_t vm);
int __movgem_bo_mmap_offset(int fd, uint32_t handle, uint64_t *offset);
/* MAP_FAILED and errno where it fails. */
void *__movgem_bo_mmap(int fd, uint32_t handle, uint64_t size, int prot, int flags);
/* Shared, readable and writable, from the BO's start. */
void *movgem_bo_mmap(int fd, uint32_t handle, uint64_t size);
int __movgem_bo_info(int fd, uint32_t handle, struct drm_movgem_bo_info *info);
void movgem_bo_info(int fd, uint32_t handle, struct drm_movgem_bo_info *info);
/* How often a page of it has moved. */
uint64_t movgem_bo_moved(int fd, uint32_t handle);
int __movgem_bo_label(int fd, uint32_t handle, const char *label);
void movgem_bo_label(int fd, uint32_t handle, const char *label);
int __movgem_bo_wait(int fd, uint32_t handle, int64_t abs_ns);
void movgem_bo_wait(int fd, uint32_t handle);
int __movgem_bo_madvise(int fd, uint32_t handle, uint32_t madv, uint32_t *retained);
/* Returns whether the pages are still there. */
bool movgem_bo_madvise(int fd, uint32_t handle, uint32_t madv);
/*
 * How often to do what is tried until something goes wrong: @usual times, or a quarter
 * of that where IGT is told that the machine is a slow one (INTEL_SIMULATION=1).
 */
static inline unsigned int movgem_rounds(unsigned int usual)
{
	return igt_run_in_simulation() ? (usual + 3) / 4 : usual;
}

/* Makes the kernel scan its shrinkers; skips where that is not allowed. */
void movgem_drop_slab(void);
int __movgem_gem_close(int fd, uint32_t handle);
/* BOs alive on the device. */
uint64_t movgem_bo_count(int fd);
/*
 * Waits until there are no more BOs than that: a VM that is destroyed lets go
 * of its BOs a little later than the call, but it may not keep them.
 */
void movgem_wait_for_bos(int fd, uint64_t want);

/* ---- VMs ---- */

int __movgem_vm_create(int fd, uint32_t flags, uint32_t *vm);
uint32_t movgem_vm_create(int fd);
int __movgem_vm_destroy(int fd, uint32_t vm);
void movgem_vm_destroy(int fd, uint32_t vm);
int __movgem_vm_bind(int fd, uint32_t vm, uint32_t flags,
		     const struct drm_movgem_bind_op *ops, uint32_t op_count,
		     const struct drm_movgem_sync *syncs, uint32_t sync_count);
void movgem_vm_bind(int fd, uint32_t vm, const struct drm_movgem_bind_op *ops,
		    uint32_t op_count);
int __movgem_vm_map(int fd, uint32_t vm, uint32_t handle, uint64_t bo_offset,
		    uint64_t va, uint64_t size, uint32_t flags);
void movgem_vm_map(int fd, uint32_t vm, uint32_t handle, uint64_t bo_offset,
		   uint64_t va, uint64_t size, uint32_t flags);
int __movgem_vm_unmap(int fd, uint32_t vm, uint64_t va, uint64_t size);
void movgem_vm_unmap(int fd, uint32_t vm, uint64_t va, uint64_t size);
/*
 * A GPU address range that this process has not handed out before, with a
 * hole behind it. Good for any VM of any movgem file.
 */
uint64_t movgem_va_alloc(int fd, uint64_t size);

static inline struct drm_movgem_bind_op
movgem_op_map(uint32_t handle, uint64_t bo_offset, uint64_t va, uint64_t size,
	      uint32_t flags)
{
	return (struct drm_movgem_bind_op) {
		.op = DRM_MOVGEM_BIND_OP_MAP,
		.flags = flags,
		.handle = handle,
		.bo_offset = bo_offset,
		.va = va,
		.size = size,
	};
}

static inline struct drm_movgem_bind_op movgem_op_unmap(uint64_t va, uint64_t size)
{
	return (struct drm_movgem_bind_op) {
		.op = DRM_MOVGEM_BIND_OP_UNMAP,
		.va = va,
		.size = size,
	};
}

static inline struct drm_movgem_sync movgem_sync_wait(uint32_t syncobj, uint64_t point)
{
	return (struct drm_movgem_sync) {
		.flags = point ? DRM_MOVGEM_SYNC_TIMELINE : 0,
		.handle = syncobj,
		.point = point,
	};
}

static inline struct drm_movgem_sync movgem_sync_signal(uint32_t syncobj, uint64_t point)
{
	return (struct drm_movgem_sync) {
		.flags = DRM_MOVGEM_SYNC_SIGNAL |
			 (point ? DRM_MOVGEM_SYNC_TIMELINE : 0),
		.handle = syncobj,
		.point = point,
	};
}

/* ---- queues and jobs ---- */

int __movgem_queue_create(int fd, uint32_t vm, uint32_t priority, uint32_t *queue);
uint32_t movgem_queue_create(int fd, uint32_t vm);
int __movgem_queue_destroy(int fd, uint32_t queue);
void movgem_queue_destroy(int fd, uint32_t queue);
int __movgem_queue_state(int fd, uint32_t queue, struct drm_movgem_queue_state *state);
void movgem_queue_state(int fd, uint32_t queue, struct drm_movgem_queue_state *state);
int __movgem_submit(int fd, uint32_t queue, uint64_t addr, uint32_t size,
		    const struct drm_movgem_sync *syncs, uint32_t sync_count);

/* A syncobj's fence as a sync_file; closed by the caller. */
int movgem_syncobj_file(int fd, uint32_t syncobj);
/* Waits for a syncobj's fence; returns 0 or the error that is on the fence. */
int movgem_syncobj_result(int fd, uint32_t syncobj);
/* The same of a timeline point. */
int movgem_timeline_result(int fd, uint32_t syncobj, uint64_t point);
/* Whether the fence has signalled, without waiting. */
bool movgem_syncobj_busy(int fd, uint32_t syncobj);

/*
 * A command stream in a BO of its own, bound in one VM. Appending does not
 * submit; a stream may be submitted again, also while it runs.
 */
struct movgem_stream {
	int fd;
	uint32_t vm;
	uint32_t handle;
	uint64_t va;
	uint64_t size;
	uint64_t pos;
	uint8_t *map;
};

void movgem_stream_init(struct movgem_stream *s, int fd, uint32_t vm, uint64_t size);
void movgem_stream_fini(struct movgem_stream *s);
void movgem_stream_reset(struct movgem_stream *s);
/* Room for one command of so many bytes, zeroed but for its header. */
void *movgem_cmd(struct movgem_stream *s, uint16_t opcode, uint16_t size, uint32_t flags);
void movgem_cmd_nop(struct movgem_stream *s);
void movgem_cmd_fill(struct movgem_stream *s, uint64_t dst, uint64_t size, uint32_t value);
void movgem_cmd_copy(struct movgem_stream *s, uint64_t dst, uint64_t src, uint64_t size);
void movgem_cmd_blit(struct movgem_stream *s, const struct drm_movgem_surface *dst,
		     const struct drm_movgem_surface *src, uint32_t flags);
/* flags: 0 (equal) or DRM_MOVGEM_SEM_GE. */
void movgem_cmd_sem_wait(struct movgem_stream *s, uint64_t addr, uint64_t value,
			 uint32_t flags);
void movgem_cmd_sem_write(struct movgem_stream *s, uint64_t addr, uint64_t value);
void movgem_cmd_timestamp(struct movgem_stream *s, uint64_t addr);

int __movgem_stream_submit(struct movgem_stream *s, uint32_t queue,
			   const struct drm_movgem_sync *syncs, uint32_t sync_count);
void movgem_stream_submit(struct movgem_stream *s, uint32_t queue,
			  const struct drm_movgem_sync *syncs, uint32_t sync_count);
/* Submits with a new syncobj that the caller destroys. */
uint32_t movgem_stream_submit_sync(struct movgem_stream *s, uint32_t queue);
/* Submits, waits, returns the error on the fence. */
int __movgem_stream_run(struct movgem_stream *s, uint32_t queue);
/* The same, has to end well; empties the stream. */
void movgem_stream_run(struct movgem_stream *s, uint32_t queue);

/* ---- debugfs ---- */

/* Skips where debugfs or our files in it cannot be read. */
void movgem_require_debugfs(int fd);
/* The whole file; the caller frees it. NULL and errno where it fails. */
char *movgem_debugfs_read(int fd, const char *file);
/* The value of one line `name value` of the file stats. */
uint64_t movgem_stat(int fd, const char *name);

struct movgem_gem {
	uint64_t id;
	uint64_t size;
	uint64_t pages;
	uint64_t pins;
	uint64_t cpu_maps;
	uint64_t gpu_maps;
	uint64_t moved;
	char flags[64];
	char label[DRM_MOVGEM_BO_LABEL_MAX];
};

/* Gives the BO a label of its own and finds the id under it. */
uint64_t movgem_bo_id(int fd, uint32_t handle);
/* One row of gems; false where no BO has the id. */
bool movgem_gem_row(int fd, uint64_t id, struct movgem_gem *gem);
/* Frame numbers of a BO's pages, by index; 0 where there is none. */
unsigned int movgem_bo_pfns(int fd, uint64_t id, uint64_t *pfns, unsigned int count);

struct movgem_migrate_result {
	uint64_t tried;
	uint64_t moved;
	uint64_t failed;
};

/* Whether pages can be moved at all, and by us. */
bool movgem_can_move(int fd);
/* Writes `what` ("all", an id, "label:TEXT") to migrate; 0 or -errno. */
int __movgem_migrate(int fd, const char *what);
int __movgem_migrate_bo(int fd, uint64_t id);
/* Of the last write. */
void movgem_migrate_result(int fd, struct movgem_migrate_result *res);
/* Moves a BO's pages, tries again while some are busy; how many moved. */
uint64_t movgem_migrate_bo(int fd, uint64_t id);

/* ---- patterns and chance ---- */

/* A number made of two, to know every word of every buffer apart. */
static inline uint32_t movgem_mix(uint32_t a, uint32_t b)
{
	uint32_t x = a * 0x9e3779b1u ^ (b + 0x7f4a7c15u);

	x ^= x >> 15;
	x *= 0x85ebca6bu;
	x ^= x >> 13;
	return x;
}

/* Repeatable random numbers (xorshift64*); the state must not be zero. */
static inline uint64_t movgem_rand(uint64_t *state)
{
	uint64_t x = *state;

	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	*state = x;
	return x * 0x2545f4914f6cdd1dull;
}

void movgem_fill_pattern(void *map, uint64_t size, uint32_t seed);
void movgem_check_pattern(const void *map, uint64_t size, uint32_t seed);
/* Every 32 bit word has to be this. */
void movgem_check_value(const void *map, uint64_t size, uint32_t value);

/* Whether reading or writing one byte raises SIGBUS (or SIGSEGV). */
int movgem_touch(volatile void *addr, bool write);

#endif /* MOVGEM_LIB_H */
