// SPDX-License-Identifier: GPL-2.0
/*
 * The benchmark's guest program: a CPU that writes to all the buffers, one after
 * the other, through their mappings.
 *
 * Copyright (C) 2026 movgem maintainers
 */
#include <string.h>

#include "bench.h"

static void renew(void)
{
	ssize_t i = busy_renew();
	struct work_buf *buf;
	int err;

	if (i < 0)
		return;
	buf = &work.bufs[i];
	work.store->destroy(buf, buf_addr(buf));
	err = work.store->create(buf, buf_addr(buf));
	if (err)
		die("making a buffer anew: %s", strerror(-err));
	if (work.store->map)
		work.store->map(buf, buf_addr(buf));
}

static void phase(const char *name, enum busy_mode mode)
{
	uint64_t bytes = 0, moved;
	double begin, seconds;
	size_t i = 0;

	busy_set(mode);
	moved = read_field("/proc/vmstat", "pgmigrate_success");
	begin = now();
	do {
		memset(buf_addr(&work.bufs[i]), i, work.buf_size);
		bytes += work.buf_size;
		i = (i + 1) % work.count;
		renew();
		seconds = now() - begin;
	} while (seconds < opt.seconds);
	moved = read_field("/proc/vmstat", "pgmigrate_success") - moved;

	printf("= {\"phase\": \"%s\", \"seconds\": %.3f, \"bytes\": %lu, \"moved\": %lu}\n",
	       name, seconds, bytes, moved);
	fflush(stdout);
}

void bench_stream(void)
{
	uint64_t total = read_field("/proc/meminfo", "MemTotal") << 10;
	unsigned int round;

	layout_make(opt.bytes ?: total / 100 * opt.fill, 64, opt.group);
	busy_start();
	for (round = 0; round < opt.rounds; round++) {
		phase("rest", BUSY_REST);
		phase("compaction", BUSY_COMPACT);
		phase("spinning", BUSY_SPIN);
	}
	busy_stop();
}
