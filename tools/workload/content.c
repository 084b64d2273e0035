// SPDX-License-Identifier: GPL-2.0
/*
 * The workload: what the buffers hold, who writes to them all
 * the time, and the check at the end.
 *
 * A page is a head and a body. The head's first word is a counter, which one
 * CPU thread increments through the mapping while it keeps its own count in its
 * own memory; the rest of the head never changes. The body follows from the
 * page's tag and the position: GPU jobs copy bodies from page to page and fill
 * them, and the tags follow (gpu.c). A page that moved to the wrong place, a
 * write that went to the old page, a stale GPU translation: each of them leaves
 * bytes behind that are not what the tags and counts say.
 *
 * Copyright (C) 2026 movgem maintainers
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "workload.h"

/*
 * How often a writer increments before it goes on to another page, how many
 * pages it visits before it pauses, and for how long: the kernel has its work
 * to do on the same few processors.
 */
#define BURST		32
#define VISITS		64
#define PAUSE_US	500
#define WRITERS_MAX	64

#define WORDS(bytes)	((bytes) / sizeof(uint64_t))

struct writer {
	pthread_t thread;
	unsigned int index;
	/* Written by the thread only. */
	_Alignas(64) atomic_uint_fast64_t writes;
};

static struct writer writers[WRITERS_MAX];
static unsigned int writer_count;
static atomic_bool stopping;

/* The word at @word of a page with @tag. */
static inline uint64_t pattern(uint64_t tag, size_t word)
{
	uint64_t x = (tag + work.seed + 1) * 0x9e3779b97f4a7c15ULL;

	x += word * 0xbf58476d1ce4e5b9ULL;
	return x ^ x >> 29;
}

static inline uint64_t expected(size_t page, size_t word)
{
	uint64_t tag = work.tags[page];

	if (!word)
		return work.counters[page];
	if (word < WORDS(WORK_HEAD_SIZE))
		return pattern(~page, word);
	if (tag & WORK_TAG_FILL)
		return (tag & 0xffffffff) << 32 | (tag & 0xffffffff);
	return pattern(tag, word);
}

void content_fill(void)
{
	size_t page, word;

	free(work.counters);
	free(work.tags);
	work.counters = calloc(page_count(), sizeof(*work.counters));
	work.tags = calloc(page_count(), sizeof(*work.tags));
	if (!work.counters || !work.tags)
		die("no memory for %zu counters", page_count());

	for (page = 0; page < page_count(); page++) {
		uint64_t *p = (uint64_t *)page_addr(page);

		work.tags[page] = page;
		for (word = 0; word < WORDS(WORK_PAGE_SIZE); word++)
			p[word] = expected(page, word);
	}
}

static void *writer_main(void *arg)
{
	struct writer *w = arg;
	uint64_t rnd = work.seed + w->index;
	unsigned int visits;
	sigset_t all;

	/* The timer's signal is for the thread that takes blocks offline. */
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, NULL);

	for (visits = 1; !atomic_load_explicit(&stopping, memory_order_relaxed);
	     visits++) {
		size_t buf = next_random(&rnd) % (work.count / writer_count) *
			     writer_count + w->index;
		size_t page = buf * buf_pages() +
			      next_random(&rnd) % buf_pages();
		volatile uint64_t *counter = (uint64_t *)page_addr(page);
		unsigned int i;

		for (i = 0; i < BURST; i++)
			*counter += 1;
		work.counters[page] += BURST;
		atomic_fetch_add_explicit(&w->writes, BURST,
					  memory_order_relaxed);
		if (visits % VISITS == 0)
			usleep(PAUSE_US);
	}
	return NULL;
}

/* Writer n has the buffers n, n + threads, n + 2 * threads ... to itself. */
void content_start_writers(unsigned int threads)
{
	unsigned int i;

	if (threads > WRITERS_MAX || threads > work.count)
		die("%u writers are too many", threads);
	writer_count = threads;
	atomic_store(&stopping, false);
	for (i = 0; i < threads; i++) {
		int err;

		writers[i].index = i;
		err = pthread_create(&writers[i].thread, NULL, writer_main,
				     &writers[i]);
		if (err)
			die("pthread_create: %s", strerror(err));
	}
}

uint64_t content_writes(void)
{
	uint64_t sum = 0;
	unsigned int i;

	for (i = 0; i < writer_count; i++)
		sum += atomic_load(&writers[i].writes);
	return sum;
}

void content_stop_writers(void)
{
	unsigned int i;

	atomic_store(&stopping, true);
	for (i = 0; i < writer_count; i++)
		pthread_join(writers[i].thread, NULL);
}

/* Fills a buffer that has been made anew, and is zeroed therefore. */
void content_renew(size_t buf)
{
	size_t page, word;

	for (page = buf * buf_pages(); page < (buf + 1) * buf_pages(); page++) {
		uint64_t *p = (uint64_t *)page_addr(page);

		work.counters[page] = 0;
		work.tags[page] = WORK_TAG_FILL;
		for (word = 1; word < WORDS(WORK_HEAD_SIZE); word++)
			p[word] = expected(page, word);
	}
}

/* Every byte of every buffer; returns how many are not what they must be. */
uint64_t content_check(void)
{
	uint64_t lost = 0, pages = 0;
	size_t page, word;

	for (page = 0; page < page_count(); page++) {
		const uint64_t *p = (uint64_t *)page_addr(page);
		bool good = true;

		for (word = 0; word < WORDS(WORK_PAGE_SIZE); word++) {
			uint64_t want = expected(page, word);
			uint64_t have = p[word], differ;

			if (have == want)
				continue;
			if (good && pages < 8)
				say("LOST: buffer %zu page %zu byte %zu: %#lx, not %#lx",
				    page / buf_pages(),
				    page % buf_pages(), word * 8, have, want);
			good = false;
			for (differ = have ^ want; differ; differ >>= 8)
				lost += !!(differ & 0xff);
		}
		pages += !good;
	}
	if (lost)
		say("LOST: %lu bytes in %lu of %zu pages", lost, pages,
		    page_count());
	return lost;
}
