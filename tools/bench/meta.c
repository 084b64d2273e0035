// SPDX-License-Identifier: GPL-2.0
/*
 * The benchmark's guest program: memory of the kernel that buffers take besides
 * their pages. That is Slab and VmallocUsed of /proc/meminfo, which hold all
 * that a driver allocates but whole pages, before and after; beside them what is
 * free before and after, which would show whole pages too.
 *
 * Copyright (C) 2026 movgem maintainers
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bench.h"

struct memory {
	uint64_t slab, vmalloc, free;
};

/* Free pages, those on the lists of the processors as well. */
static uint64_t free_bytes(void)
{
	FILE *file = fopen("/proc/zoneinfo", "r");
	uint64_t sum = 0, value;
	char line[256];

	if (!file)
		die("/proc/zoneinfo cannot be read");
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, " nr_free_pages %lu", &value) == 1 ||
		    sscanf(line, " count: %lu", &value) == 1)
			sum += value;
	fclose(file);
	return sum * WORK_PAGE_SIZE;
}

static struct memory look(void)
{
	struct memory m;

	sync();
	write_or_die("/proc/sys/vm/drop_caches", "3");
	usleep(300000);
	/* Brings the counters of all processors together. */
	write_or_die("/proc/sys/vm/stat_refresh", "1");
	m.slab = read_field("/proc/meminfo", "Slab") << 10;
	m.vmalloc = read_field("/proc/meminfo", "VmallocUsed") << 10;
	m.free = free_bytes();
	return m;
}

static void measure(size_t size, size_t count)
{
	struct work_buf *bufs = calloc(count, sizeof(*bufs));
	struct memory before, made, bound;
	size_t i;
	int err;

	if (!bufs)
		die("no memory");
	memset(bufs, 0xff, count * sizeof(*bufs));
	work.buf_size = size;
	/* What a process before this one had is freed a little after its end. */
	while (movgem_stat("bos_live"))
		usleep(10000);
	before = look();
	for (i = 0; i < count; i++) {
		err = work.store->create(&bufs[i], NULL);
		if (err)
			die("buffer %zu of %zu bytes: %s", i, size,
			    strerror(-err));
	}
	made = look();
	gpu_bind(movgem_vm(), bufs, 0, count);
	bound = look();

	printf("= {\"size\": %zu, \"count\": %zu, \"slab\": %ld, \"vmalloc\": %ld, \"used\": %ld, ",
	       size, count, made.slab - before.slab,
	       made.vmalloc - before.vmalloc, before.free - made.free);
	printf("\"bound_slab\": %ld, \"bound_vmalloc\": %ld, \"bound_used\": %ld}\n",
	       bound.slab - made.slab, bound.vmalloc - made.vmalloc,
	       made.free - bound.free);
	fflush(stdout);
	_exit(0);
}

/* One size, and opt.bytes of it: memory that was used before looks different. */
void bench_meta(void)
{
	if (work.store != &store_movgem)
		die("only movgem's buffers can be made without a mapping");
	measure(work.buf_size, opt.bytes / work.buf_size);
}
