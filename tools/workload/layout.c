// SPDX-License-Identifier: GPL-2.0
/*
 * The workload: memory filled with buffers, and some of them freed again.
 *
 * Copyright (C) 2026 movgem maintainers
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "workload.h"

/* Free pages where memory that cannot move may lie. */
static uint64_t free_outside_movable(void)
{
	FILE *file = fopen("/proc/zoneinfo", "r");
	char line[256], zone[32] = "";
	uint64_t sum = 0, value;

	if (!file)
		die("/proc/zoneinfo: %s", strerror(errno));
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "Node %*u, zone %31s", zone) == 1)
			continue;
		if (sscanf(line, " nr_free_pages %lu", &value) == 1 &&
		    strcmp(zone, "Movable"))
			sum += value;
	}
	fclose(file);
	return sum;
}

/* Makes buffers one after the other; returns how many there are then. */
static size_t fill(struct work_buf *bufs, size_t max, unsigned int reserve_mib)
{
	const uint64_t reserve = ((uint64_t)reserve_mib << 20) / WORK_PAGE_SIZE;
	size_t i;

	for (i = 0; i < max; i++) {
		int err;

		if (i % 64 == 0 && free_outside_movable() < reserve) {
			say("less than %u MiB free outside ZONE_MOVABLE: no more buffers",
			    reserve_mib);
			break;
		}
		bufs[i].slot = i;
		err = work.store->create(&bufs[i], buf_addr(&bufs[i]));
		if (err) {
			say("no more buffers: %s", strerror(-err));
			break;
		}
	}
	return i;
}

/* One of each @group consecutive buffers stays; chance says which. */
static void thin_out(struct work_buf *bufs, size_t total, unsigned int group)
{
	uint64_t rnd = work.seed ^ 0x6d6f7667656dULL;
	size_t first, i;

	for (first = 0; first < total; first += group) {
		size_t stays = first + next_random(&rnd) % group;

		for (i = first; i < first + group && i < total; i++) {
			if (i == stays)
				bufs[work.count++] = bufs[i];
			else
				work.store->destroy(&bufs[i],
						    buf_addr(&bufs[i]));
		}
	}
	work.bufs = bufs;
	for (i = 0; work.store->map && i < work.count; i++)
		work.store->map(&bufs[i], buf_addr(&bufs[i]));
}

/*
 * Makes @bytes of buffers, or less, so that @reserve_mib stay free outside
 * ZONE_MOVABLE; frees all but one of each @group; fills those that stay.
 */
void layout_make(uint64_t bytes, unsigned int reserve_mib, unsigned int group)
{
	uint64_t total = read_field("/proc/meminfo", "MemTotal") << 10;
	size_t max = bytes / WORK_BUF_SIZE;
	struct work_buf *bufs = calloc(max, sizeof(*bufs));

	if (!bufs)
		die("no memory for %zu buffers", max);
	/* One slot more is for the command streams of the GPU. */
	work.window = mmap(NULL, (max + 1) * WORK_BUF_SIZE, PROT_NONE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (work.window == MAP_FAILED)
		die("no room for %zu buffers: %s", max, strerror(errno));

	say("%lu MiB of memory; making %zu %s buffers of 64 KiB", total >> 20,
	    max, work.store->name);
	work.slots = fill(bufs, max, reserve_mib);
	thin_out(bufs, work.slots, group);
	say("made %zu buffers, kept one of every %u: %zu stay, %zu MiB, %.1f %% of memory",
	    work.slots, group, work.count, work.count * WORK_BUF_SIZE >> 20,
	    100.0 * work.count * WORK_BUF_SIZE / total);
	if (!work.count)
		die("no buffers");
	content_fill();
}
