/* SPDX-License-Identifier: MIT */
/*
 * Copyright (C) 2026 movgem maintainers
 *
 * The stress: worker processes of several kinds that do everything at once
 * until they are told to stop, and a controller that starts them, kills some,
 * and judges. What a worker does is drawn from a random stream of its own,
 * which the seed, its number and its life (how often it was started) make.
 *
 * A worker is a plain fork() and not one of IGT's children, as it is killed and
 * started again: nothing in it may use igt_assert() or igt_require(), or a
 * function that does. It says what is wrong with stress_fail().
 */
#ifndef MOVGEM_STRESS_H
#define MOVGEM_STRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "movgem_lib.h"

#define STRESS_WORKERS_MAX	32
#define STRESS_HISTORY		48
/* No single operation takes as long as this, on the slowest guest. */
#define STRESS_PATIENCE_S	300

/*
 * What is done, in the order of the summary. Each has to go well at least once
 * in a run that has tried it often: a kind that is refused every time is a
 * failure.
 */
#define STRESS_OPS(X)							\
	X(CREATE, "create")						\
	X(CREATE_NO_MMAP, "create-no-mmap")				\
	X(CREATE_EXCLUSIVE, "create-exclusive")				\
	X(FREE, "free")							\
	X(CLOSE_EARLY, "close-early")					\
	X(MAP, "mmap")							\
	X(MAP_DMABUF, "mmap-dmabuf")					\
	X(UNMAP, "munmap")						\
	X(UNMAP_PART, "munmap-part")					\
	X(REMAP, "mremap")						\
	X(PROTECT, "mprotect")						\
	X(CPU_WRITE, "cpu-write")					\
	X(CPU_CHECK, "cpu-check")					\
	X(FORK, "fork")							\
	X(BIND, "bind")							\
	X(BIND_SPARSE, "bind-sparse")					\
	X(UNBIND, "unbind")						\
	X(JOB, "job")							\
	X(JOB_PAIR, "job-semaphore")					\
	X(JOB_GATE, "job-gate")						\
	X(JOB_FAULT, "job-fault")					\
	X(GPU_CHECK, "gpu-check")					\
	X(NEW_VM, "new-vm")						\
	X(DONTNEED, "dontneed")						\
	X(WILLNEED, "willneed")						\
	X(EXPORT, "export")						\
	X(IMPORT_FILE, "import-other-file")				\
	X(IMPORT_DEVICE, "import-other-device")				\
	X(IMPORT_VGEM, "import-by-vgem")				\
	X(FROM_VGEM, "import-from-vgem")				\
	X(POST, "post")							\
	X(RECEIVE, "receive")						\
	X(READ_VM, "process_vm_readv")					\
	X(DIRECT_IO, "direct-io")					\
	X(REGISTER, "io_uring-register")				\
	X(HAMMER, "hammer")						\
	X(MIGRATE, "migrate")						\
	X(COMPACT, "compact")						\
	X(THP, "thp")							\
	X(HUGETLB, "hugetlb")						\
	X(OFFLINE, "offline")						\
	X(ONLINE, "online")						\
	X(SOFT_OFFLINE, "soft-offline")					\
	X(PRESSURE, "pressure")						\
	X(DROP_SLAB, "drop-slab")					\
	X(READ_STATS, "read-stats")					\
	X(READ_GEMS, "read-gems")					\
	X(READ_PAGES, "read-pages")					\
	X(READ_FDINFO, "read-fdinfo")

enum stress_op {
#define X(id_, name_) STRESS_##id_,
	STRESS_OPS(X)
#undef X
	STRESS_OP_COUNT,
};

extern const char *const stress_op_names[STRESS_OP_COUNT];

/** struct stress_event - one operation of a worker, for the report of a failure */
struct stress_event {
	uint64_t number;	/* of the operations of this life, from 1 */
	uint32_t op;
	int32_t ret;		/* INT32_MAX while it goes on */
	uint64_t a, b, c;
};

/** struct stress_slot - what a worker leaves behind when it is killed */
struct stress_slot {
	/* Of this life: */
	volatile pid_t pid;
	volatile uint64_t life;
	volatile uint64_t number;	/* operations begun */
	volatile uint64_t beat;		/* anything that shows progress */
	struct stress_event history[STRESS_HISTORY];
	volatile bool failing;
	char message[768];
	/* Of all lives: */
	uint64_t ok[STRESS_OP_COUNT], refused[STRESS_OP_COUNT];
	uint64_t bytes_written, bytes_checked;
	uint64_t purged, huge_pages, cpu_counts, gpu_counts;
};

/** struct stress_shared - what controller and workers share */
struct stress_shared {
	volatile bool stop;
	uint64_t seed;
	/* Pages that BOs of one worker may have together. */
	uint64_t pages_max;
	/* Frames that soft offlining may still take from the guest. */
	volatile int64_t frames_left;
	/* Where workers pass BOs on to each other, or -1. */
	int post[2];
	char debugfs[96];	/* directory of the first device */
	bool can_move;
	bool has_folios;	/* pages that system calls can get hold of */
	bool vgem_pins;		/* it maps what it imports, before Linux 7.2 */
	unsigned int workers;
	struct stress_slot slots[STRESS_WORKERS_MAX];
};

/** struct stress_worker - a worker, seen by itself */
struct stress_worker {
	struct stress_shared *shared;
	struct stress_slot *slot;
	const struct stress_kind *kind;
	unsigned int index;	/* of the slot */
	uint64_t rand;
	enum stress_op op;
};

/** struct stress_kind - a kind of worker */
struct stress_kind {
	const char *name;
	unsigned int count;	/* how many there are, if not told otherwise */
	bool killed;		/* by the controller, now and then */
	bool victim;		/* for the OOM killer before all others */
	bool in_basic;		/* also in the short run */
	/* Returns once stop is set and all is checked and given back. */
	void (*run)(struct stress_worker *w);
};

/* ---- for workers ---- */

void stress_begin(struct stress_worker *w, enum stress_op op, uint64_t a, uint64_t b,
		  uint64_t c);
/*
 * The end of the operation: counts it, true where ret is 0. Refusals that any
 * call may answer when memory is short or a page busy are counted and are
 * false; every other error fails the run.
 */
bool stress_end(struct stress_worker *w, int ret);
/* Ends the process, from any thread or child of a worker. */
__attribute__((noreturn, format(printf, 2, 3)))
void stress_fail(struct stress_worker *w, const char *fmt, ...);

/* The next try of what is refused; false (after a fail) when it never ends. */
bool stress_refused(int ret);
/*
 * Tries until the call is not refused any more. For what a worker cannot do
 * without; what is only sometimes possible is to be counted instead.
 */
#define stress_must(w_, call_) ({					\
	int ret_, tries_ = 0;						\
									\
	while (stress_refused(ret_ = (call_)))				\
		stress_wait_for_memory(w_, #call_, tries_++);		\
	if (ret_)							\
		stress_fail(w_, "%s: %s", #call_, strerror(-ret_));	\
})
void stress_wait_for_memory(struct stress_worker *w, const char *what, int tries);

/* 0 to n - 1. */
uint64_t stress_below(struct stress_worker *w, uint64_t n);
/* True in one of n cases. */
bool stress_one_in(struct stress_worker *w, unsigned int n);
/* 1 to max; small numbers as often as large ones. */
uint64_t stress_size(struct stress_worker *w, uint64_t max);
void stress_sleep(struct stress_worker *w, unsigned int most_us);

/* Of the movgem device with that number, from 0; -1 where there is none. */
int stress_open(unsigned int device);
int stress_open_other(const char *driver);
/* 0 or -errno. */
int stress_write_file(const char *path, const char *text);
/* Length or -errno; text is terminated. */
int stress_read_file(const char *path, char *text, size_t size);
/* The whole of a file of debugfs; the caller frees it. NULL: no memory. */
char *stress_debugfs(struct stress_worker *w, const char *name);
/* Tells debugfs to move pages: "all", "label:TEXT". 0 or -errno. */
int stress_move(struct stress_worker *w, const char *what);
unsigned long stress_meminfo_kb(const char *key);
int stress_map(int fd, uint32_t handle, uint64_t size, void **map);
int stress_syncobj_create(int fd, uint32_t *handle);
int stress_syncobj_destroy(int fd, uint32_t handle);
int stress_timeline_wait(int fd, uint32_t syncobj, uint64_t point);
/*
 * The error on the fence of a binary syncobj that has signalled; those of a
 * timeline do not carry it.
 */
int stress_syncobj_error(int fd, uint32_t syncobj);
uint64_t stress_now_ns(void);

/* ---- the kinds ---- */

void stress_buffers(struct stress_worker *w);
void stress_hammer(struct stress_worker *w);
void stress_migrate(struct stress_worker *w);
void stress_compact(struct stress_worker *w);
void stress_thp(struct stress_worker *w);
void stress_hugetlb(struct stress_worker *w);
void stress_offline(struct stress_worker *w);
void stress_soft_offline(struct stress_worker *w);
void stress_pressure(struct stress_worker *w);
void stress_reader(struct stress_worker *w);
/* Blocks that a killed worker left offline. */
void stress_online_all(void);

#endif /* MOVGEM_STRESS_H */
