// SPDX-License-Identifier: GPL-2.0
/*
 * The main job's guest program: what the kernel is asked for.
 *
 * Copyright (C) 2026 movgem maintainers
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "demo.h"

#define NR_HUGEPAGES	"/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages"

/* So many runs in a row without one page more end it. */
#define IDLE_ROUNDS	2
#define MAX_ROUNDS	20

static void write_or_die(const char *path, const char *text)
{
	int err = write_text(path, text);

	if (err)
		die("%s: %s", path, strerror(-err));
}

/* The same start for every kind of buffer. */
void trigger_prepare(void)
{
	write_or_die("/sys/kernel/mm/transparent_hugepage/enabled", "never");
	write_or_die("/proc/sys/vm/max_map_count", "1000000");
}

/* All the 2 MiB pages that the kernel can make; they are kept. */
void trigger_huge_pages(struct trigger_result *res)
{
	unsigned int idle = 0;
	double start = now();

	sync();
	write_or_die("/proc/sys/vm/drop_caches", "3");
	while (idle < IDLE_ROUNDS && res->rounds < MAX_ROUNDS) {
		uint64_t have;

		write_or_die("/proc/sys/vm/compact_memory", "1");
		write_or_die(NR_HUGEPAGES, "10000000");
		have = read_number(NR_HUGEPAGES);
		res->rounds++;
		say("round %u: %lu huge pages, %.1f s", res->rounds, have,
		    now() - start);
		idle = have > res->huge_pages ? 0 : idle + 1;
		res->huge_pages = have;
	}
	res->seconds = now() - start;
}

void trigger_release(void)
{
	write_or_die(NR_HUGEPAGES, "0");
}

/* Offlining tries for ever; any signal ends it. */
static void on_alarm(int sig)
{
	(void)sig;
}

static void set_timer(unsigned int seconds)
{
	/* Again and again: the first one may come before write() is called. */
	struct itimerval timer = {
		.it_value.tv_sec = seconds,
		.it_interval.tv_usec = seconds ? 200000 : 0,
	};

	setitimer(ITIMER_REAL, &timer, NULL);
}

/*
 * Every memory block of ZONE_MOVABLE, from the highest address down, as when a
 * machine gives memory back. A block that does not go within @limit seconds is
 * left alone.
 */
void trigger_offline(struct trigger_result *res, unsigned int limit)
{
	struct sigaction action = { .sa_handler = on_alarm };
	double start = now();
	size_t i;

	sigaction(SIGALRM, &action, NULL);
	for (i = block_count; i-- > 0;) {
		struct demo_block *block = &blocks[i];
		double block_start = now();
		char path[128];

		if (!block->movable)
			continue;
		snprintf(path, sizeof(path),
			 "/sys/devices/system/memory/memory%u/state", block->id);
		set_timer(limit);
		block->error = -write_text(path, "offline");
		set_timer(0);
		block->tried = true;
		block->offlined = !block->error;
		block->seconds = now() - block_start;
		res->tried++;
		res->offlined += block->offlined;
		say("memory block %u, %zu pages of buffers in it: %s, %.1f s",
		    block->id, block->buffer_pages,
		    block->offlined ? "offline" : strerror(block->error),
		    block->seconds);
	}
	res->seconds = now() - start;
}
