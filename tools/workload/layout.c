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

/* Given back when memory is at an end: the program itself needs some as well. */
#define SPARE_BUFS	64

/* Makes buffers one after the other; returns how many there are then. */
static size_t fill(struct work_buf *bufs, size_t max, unsigned int reserve_mib)
{
	const uint64_t reserve = ((uint64_t)reserve_mib << 20) / WORK_PAGE_SIZE;
	size_t i, spare;

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
			work.error = -err;
			break;
		}
	}
	for (spare = 0; work.error && i && spare < SPARE_BUFS; spare++) {
		i--;
		work.store->destroy(&bufs[i], buf_addr(&bufs[i]));
	}
	return i;
}

/*
 * Of each @group consecutive buffers so many stay that they are @share of all;
 * chance says which.
 */
static void thin_out(struct work_buf *bufs, size_t total, unsigned int group,
		     double share)
{
	uint64_t rnd = work.seed ^ 0x6d6f7667656dULL;
	size_t i, left, stay = 0;
	double due = 0;

	for (i = 0; i < total; i++) {
		left = group - i % group;
		if (left == group) {
			/* Not 0.999... for one of three. */
			due += share * group + 1e-9;
			stay = due;
			due -= stay;
		}
		if (next_random(&rnd) % left < stay) {
			bufs[work.count++] = bufs[i];
			stay--;
		} else {
			work.store->destroy(&bufs[i], buf_addr(&bufs[i]));
		}
	}
	work.bufs = bufs;
}

/*
 * Makes @bytes of buffers, or less, so that @reserve_mib stay free outside
 * ZONE_MOVABLE; of each @group so many stay that they are @stay bytes, or, if
 * that is zero, one of each @group.
 */
void layout_lay(uint64_t bytes, unsigned int reserve_mib, unsigned int group,
		uint64_t stay)
{
	uint64_t total = read_field("/proc/meminfo", "MemTotal") << 10;
	size_t max = bytes / work.buf_size;
	struct work_buf *bufs = calloc(max, sizeof(*bufs));
	double share = 1.0 / group;

	if (!bufs)
		die("no memory for %zu buffers", max);
	/* One slot more is for the command streams of the GPU. */
	work.window = mmap(NULL, (max + 1) * work.buf_size, PROT_NONE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (work.window == MAP_FAILED)
		die("no room for %zu buffers: %s", max, strerror(errno));

	say("%lu MiB of memory; making %zu %s buffers of %zu KiB", total >> 20,
	    max, work.store->name, work.buf_size >> 10);
	work.count = 0;
	work.slots = fill(bufs, max, reserve_mib);
	if (stay)
		share = (double)stay / (work.slots * work.buf_size);
	thin_out(bufs, work.slots, group, share > 1 ? 1 : share);
	say("made %zu buffers, kept %.2f of every %u: %zu stay, %zu MiB, %.1f %% of memory",
	    work.slots, share * group, group, work.count,
	    work.count * work.buf_size >> 20,
	    100.0 * work.count * work.buf_size / total);
	if (!work.count)
		die("no buffers");
}

/* Maps the buffers that stay, unless they are mapped since they were made. */
void layout_map(void)
{
	size_t i;

	for (i = 0; work.store->map && i < work.count; i++)
		work.store->map(&work.bufs[i], buf_addr(&work.bufs[i]));
}

/* The same, and maps and fills those that stay. */
void layout_make(uint64_t bytes, unsigned int reserve_mib, unsigned int group)
{
	layout_lay(bytes, reserve_mib, group, 0);
	layout_map();
	content_fill();
}
