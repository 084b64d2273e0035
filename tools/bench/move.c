// SPDX-License-Identifier: GPL-2.0
/*
 * The benchmark's guest program: what it costs to have a page moved. The
 * trigger is the same for every kind of buffer: /proc/sys/vm/compact_memory, by
 * which the kernel moves what lies low in a zone into the holes further up. The
 * cost of a run is divided by the pages that it moved; it is net of the cost of
 * a run that finds nothing to move.
 *
 * Copyright (C) 2026 movgem maintainers
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"
#include "mark.h"

/* A run that moves fewer pages is one that found nothing. */
#define NOTHING		8
#define RUNS_MAX	12

/* A process that has all the buffers mapped as this one has. */
struct mapper {
	pid_t pid;
	int ask, answer;
};

static struct mapper *mappers;
static unsigned int mapper_count;

/* The mappings after the first, @opt.vmas - 1 of them, one behind the other. */
static uint8_t *more_windows;

static uint32_t *vms;

static uint8_t *buf_in_window(const struct work_buf *buf, unsigned int vma)
{
	uint8_t *window = vma ? more_windows +
		(vma - 1) * (work.slots + 1) * work.buf_size : work.window;

	return window + buf->slot * work.buf_size;
}

static void touch_all(void)
{
	unsigned int vma;
	size_t i;

	for (vma = 0; vma < opt.vmas; vma++)
		for (i = 0; i < work.count; i++)
			touch_pages(buf_in_window(&work.bufs[i], vma),
				    work.buf_size);
}

/* Reading keeps anonymous memory shared between the processes. */
static void read_all(void)
{
	unsigned int vma;
	size_t i, at;

	for (vma = 0; vma < opt.vmas; vma++) {
		for (i = 0; i < work.count; i++) {
			uint8_t *start = buf_in_window(&work.bufs[i], vma);

			for (at = 0; at < work.buf_size; at += WORK_PAGE_SIZE)
				(void)*(volatile uint64_t *)(start + at);
		}
	}
}

/* What faults cost: a pass over all pages less one that finds them mapped. */
static uint64_t time_faults(void)
{
	uint64_t start = now_ns(), first;

	read_all();
	first = now_ns() - start;
	start = now_ns();
	read_all();
	return first - (now_ns() - start);
}

static void map_more(void)
{
	size_t size = (opt.vmas - 1) * (work.slots + 1) * work.buf_size;
	unsigned int vma;
	size_t i;

	if (opt.vmas < 2)
		return;
	if (!work.store->map)
		die("%s cannot be mapped more than once", work.store->name);
	more_windows = mmap(NULL, size, PROT_NONE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (more_windows == MAP_FAILED)
		die("no room: %s", strerror(errno));
	for (vma = 1; vma < opt.vmas; vma++)
		for (i = 0; i < work.count; i++)
			work.store->map(&work.bufs[i],
				      buf_in_window(&work.bufs[i], vma));
}

/* Answers each byte with what its faults cost, until there are no more. */
static void __attribute__((noreturn)) mapper_main(int ask, int answer)
{
	uint64_t took;
	char byte;

	while (read(ask, &byte, 1) == 1) {
		took = time_faults();
		if (write(answer, &took, sizeof(took)) != sizeof(took))
			break;
	}
	_exit(0);
}

static uint64_t ask_mapper(struct mapper *m)
{
	uint64_t took;

	if (write(m->ask, "", 1) != 1 ||
	    read(m->answer, &took, sizeof(took)) != sizeof(took))
		die("a process that maps the buffers has ended");
	return took;
}

static void start_mappers(void)
{
	unsigned int i;

	mapper_count = opt.mappers ? opt.mappers - 1 : 0;
	mappers = calloc(mapper_count + 1, sizeof(*mappers));
	for (i = 0; i < mapper_count; i++) {
		int ask[2], answer[2];

		if (pipe(ask) || pipe(answer))
			die("pipe: %s", strerror(errno));
		mappers[i].pid = fork();
		if (mappers[i].pid < 0)
			die("fork: %s", strerror(errno));
		if (!mappers[i].pid) {
			close(ask[1]);
			close(answer[0]);
			mapper_main(ask[0], answer[1]);
		}
		close(ask[0]);
		close(answer[1]);
		mappers[i].ask = ask[1];
		mappers[i].answer = answer[0];
		ask_mapper(&mappers[i]);
	}
}

static void stop_mappers(void)
{
	unsigned int i;

	/* All of them first: each holds the ends of those before it. */
	for (i = 0; i < mapper_count; i++) {
		close(mappers[i].ask);
		close(mappers[i].answer);
	}
	for (i = 0; i < mapper_count; i++)
		waitpid(mappers[i].pid, NULL, 0);
	free(mappers);
}

static void bind(void)
{
	unsigned int i;

	if (work.store != &store_movgem)
		return;
	if (!vms) {
		vms = calloc(opt.vms + 1, sizeof(*vms));
		vms[0] = movgem_vm();
		for (i = 1; i < opt.vms; i++)
			vms[i] = movgem_vm_create();
	}
	for (i = 0; i < opt.vms; i++)
		gpu_bind(vms[i], work.bufs, 0, work.count);
}

/* The driver frees what it has unbound in its own time: not in the next round. */
static void unbind(void)
{
	unsigned int i;

	if (work.store != &store_movgem)
		return;
	for (i = 0; i < opt.vms; i++)
		gpu_unbind(vms[i], work.count);
	while (movgem_stat("bos_live"))
		usleep(1000);
}

static uint64_t own_moves(void)
{
	return work.store->moved ? work.store->moved() : 0;
}

/* One run of compaction; returns the pages that it moved. */
static uint64_t compact(uint64_t *ns)
{
	uint64_t moved = read_field("/proc/vmstat", "pgmigrate_success");
	uint64_t start = now_ns();

	write_or_die("/proc/sys/vm/compact_memory", "1");
	*ns = now_ns() - start;
	return read_field("/proc/vmstat", "pgmigrate_success") - moved;
}

/* Runs until there is nothing to move; @ns: of the last run. */
static unsigned int compact_all(uint64_t *ns)
{
	unsigned int runs = 0;

	sync();
	write_or_die("/proc/sys/vm/drop_caches", "3");
	while (++runs < RUNS_MAX && compact(ns) > NOTHING)
		;
	return runs;
}

/*
 * What is left of the windows stays: in their holes, where buffers were freed,
 * the C library may have put something meanwhile.
 */
static void free_all(void)
{
	unsigned int vma;
	size_t i;

	for (i = 0; i < work.count; i++) {
		for (vma = 1; vma < opt.vmas; vma++)
			munmap(buf_in_window(&work.bufs[i], vma), work.buf_size);
		work.store->destroy(&work.bufs[i], buf_addr(&work.bufs[i]));
	}
	unbind();
	free(work.bufs);
	work.bufs = NULL;
	work.count = 0;
}

static void one_round(void)
{
	uint64_t ns, moved, own, idle_ns = 0, faults = 0, lost = 0;
	uint64_t flushes = 0, unmaps = 0, fails, total;
	bool movgem = work.store == &store_movgem;
	unsigned int i, runs = 0;

	total = read_field("/proc/meminfo", "MemTotal") << 10;
	layout_lay(opt.bytes ?: total / 100 * opt.fill, 16, opt.group,
		   total / 100 * opt.stay);
	if (opt.mappers) {
		layout_map();
		map_more();
	}
	if (opt.writers) {
		content_fill();
		content_start_writers(opt.writers);
	} else if (opt.mappers) {
		touch_all();
	}
	start_mappers();
	bind();

	sync();
	write_or_die("/proc/sys/vm/drop_caches", "3");
	if (movgem) {
		flushes = movgem_stat("gpu_tlb_flush");
		unmaps = movgem_stat("cpu_unmap");
	}
	fails = read_field("/proc/vmstat", "pgmigrate_fail");
	own = own_moves();
	MARK(MARK_BEGIN);
	moved = compact(&ns);
	MARK(MARK_END);
	own = own_moves() - own;
	fails = read_field("/proc/vmstat", "pgmigrate_fail") - fails;
	if (movgem) {
		flushes = movgem_stat("gpu_tlb_flush") - flushes;
		unmaps = movgem_stat("cpu_unmap") - unmaps;
	}

	if (opt.writers) {
		content_stop_writers();
		lost = content_check();
	} else {
		if (opt.mappers)
			faults = time_faults();
		for (i = 0; i < mapper_count; i++)
			faults += ask_mapper(&mappers[i]);
		runs = compact_all(&idle_ns);
	}
	if (lost)
		die("%lu bytes were lost", lost);
	stop_mappers();

	printf("= {\"ns\": %lu, \"idle_ns\": %lu, \"pages\": %lu, \"own_pages\": %lu, \"failed\": %lu, ",
	       ns, idle_ns, moved, own, fails);
	printf("\"fault_ns\": %ld, \"buffers\": %zu, \"flushes\": %lu, \"unmaps\": %lu, ",
	       faults, work.count, flushes, unmaps);
	printf("\"runs\": %u}\n", runs + 1);
	fflush(stdout);
	free_all();
}

void bench_move(void)
{
	unsigned int round;

	for (round = 0; round < opt.rounds; round++)
		one_round();
}
