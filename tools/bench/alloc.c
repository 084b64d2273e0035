// SPDX-License-Identifier: GPL-2.0
/*
 * The benchmark's guest program: what a buffer costs that is made, mapped,
 * touched on every page, unmapped and freed.
 *
 * Copyright (C) 2026 movgem maintainers
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "bench.h"
#include "mark.h"

/* Of a size, so many at least; more of the small ones. */
#define LEAST		3
#define MOST		64
#define BYTES		(64UL << 20)

enum { CREATE, TOUCH, FREE, ALL, STEPS };

/* One buffer; adds what its steps took to @took. */
static void cycle(struct work_buf *buf, uint64_t took[STEPS])
{
	uint8_t *addr = buf_addr(buf);
	uint64_t at[STEPS];
	int err;

	at[CREATE] = now_ns();
	err = work.store->create(buf, addr);
	if (err)
		die("no buffer of %zu bytes: %s", work.buf_size, strerror(-err));
	if (work.store->map)
		work.store->map(buf, addr);
	at[TOUCH] = now_ns();
	touch_pages(addr, work.buf_size);
	at[FREE] = now_ns();
	work.store->destroy(buf, addr);
	at[ALL] = now_ns();

	took[CREATE] = at[TOUCH] - at[CREATE];
	took[TOUCH] = at[FREE] - at[TOUCH];
	took[FREE] = at[ALL] - at[FREE];
	took[ALL] = at[ALL] - at[CREATE];
}

static void measure(size_t size)
{
	size_t i, step, count = BYTES / size;
	uint64_t values[STEPS][MOST], took[STEPS];
	struct work_buf buf = { 0 };

	work.buf_size = size;
	count = count < LEAST ? LEAST : count > MOST ? MOST : count;
	/* The first ones fill the kernel's caches. */
	cycle(&buf, took);
	cycle(&buf, took);
	MARK(MARK_BEGIN);
	for (i = 0; i < count; i++) {
		cycle(&buf, took);
		for (step = 0; step < STEPS; step++)
			values[step][i] = took[step];
	}
	MARK(MARK_END);
	for (step = 0; step < STEPS; step++) {
		sort_values(values[step], count);
		took[step] = values[step][count / 2];
	}
	printf("= {\"size\": %zu, \"count\": %zu, \"create\": %lu, \"touch\": %lu, \"free\": %lu, \"all\": %lu}\n",
	       size, count, took[CREATE], took[TOUCH], took[FREE], took[ALL]);
	fflush(stdout);
}

/* Buffers of a page that exist meanwhile, mapped nowhere if they need not be. */
static void make_alive(void)
{
	struct work_buf *bufs = calloc(opt.alive, sizeof(*bufs));
	uint8_t *at;
	size_t i;
	int err;

	work.buf_size = WORK_PAGE_SIZE;
	at = mmap(NULL, opt.alive * WORK_PAGE_SIZE, PROT_NONE,
		  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (!bufs || at == MAP_FAILED)
		die("no memory for %zu buffers", opt.alive);
	for (i = 0; i < opt.alive; i++) {
		err = work.store->create(&bufs[i], at + i * WORK_PAGE_SIZE);
		if (err)
			die("buffer %zu: %s", i, strerror(-err));
	}
	free(bufs);
}

/* Sizes from a page upwards, each four times the one before. */
void bench_alloc(void)
{
	size_t size = work.buf_size;

	if (opt.alive)
		make_alive();
	work.window = mmap(NULL, opt.max, PROT_NONE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (work.window == MAP_FAILED)
		die("no room for a buffer of %zu bytes: %s", opt.max,
		    strerror(errno));
	for (; size <= opt.max; size *= 4)
		measure(size);
}
