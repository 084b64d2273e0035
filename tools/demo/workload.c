// SPDX-License-Identifier: GPL-2.0
/*
 * The main job's guest program. Fills memory with buffers of one kind and size,
 * frees three of every four, and lets CPU threads and GPU jobs write to those
 * that stay while the kernel is asked for huge pages or for memory blocks. In
 * the end every byte is checked.
 *
 * Copyright (C) 2026 movgem maintainers
 */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "trigger.h"
#include "workload.h"

/* Of so many consecutive buffers one stays. */
#define GROUP	4

static struct {
	const char *out;
	bool huge;
	bool offline;
	bool no_gpu;
	unsigned int fill;
	unsigned int stay;
	unsigned int reserve;
	unsigned int writers;
	unsigned int rest;
	unsigned int limit;
} opt = {
	.out = ".",
	.fill = 85,
	.reserve = 64,
	.writers = 2,
	.rest = 5,
	.limit = 4,
};

static const char usage[] =
"usage: workload --buffers KIND --trigger WHAT [OPTION...]\n"
"  --buffers KIND   movgem, vgem, virtio_gpu or anonymous\n"
"  --trigger WHAT   huge: all the 2 MiB pages that the kernel can make;\n"
"                   offline: every memory block of ZONE_MOVABLE\n"
"  --out DIR        result.json and the memory maps go there (default .)\n"
"  --size BYTES     of a buffer (default 65536)\n"
"  --fill PERCENT   buffers fill so much of MemTotal at first (default 85),\n"
"  --reserve MIB    or less, so that this stays free outside ZONE_MOVABLE\n"
"                   (default 64)\n"
"  --stay PERCENT   of MemTotal in buffers that stay (default: one of every four\n"
"                   buffers)\n"
"  --writers N      CPU threads that write all the time (default 2)\n"
"  --rest SECONDS   how long to measure before the trigger (default 5)\n"
"  --limit SECONDS  try a memory block for so long, and again while that moves\n"
"                   pages (default 4)\n"
"  --no-gpu         no GPU jobs\n"
"  --seed N         which buffers stay, and what they hold (default 1)\n";

static void print_summary(FILE *json, const char *name,
			  const struct memmap_summary *sum)
{
	fprintf(json, "  \"map_%s\": {\"buffer_pages\": %zu, ", name,
		sum->buffer_pages);
	fprintf(json, "\"buffer_pages_in_movable_zone\": %zu, ",
		sum->movable_pages);
	fprintf(json, "\"hugetlb\": %zu, \"free_2mib\": %zu},\n", sum->huge,
		sum->free_huge);
	say("%s: %zu pages of buffers, %zu in ZONE_MOVABLE; %zu huge pages, %zu free",
	    name, sum->buffer_pages, sum->movable_pages, sum->huge,
	    sum->free_huge);
}

static const char *bool_name(bool value)
{
	return value ? "true" : "false";
}

static void print_blocks(FILE *json)
{
	size_t i;

	fprintf(json, "  \"blocks\": [\n");
	for (i = 0; i < block_count; i++) {
		const struct work_block *b = &blocks[i];

		fprintf(json, "    {\"id\": %u, \"movable\": %s, ", b->id,
			bool_name(b->movable));
		fprintf(json, "\"tried\": %s, \"offlined\": %s, ",
			bool_name(b->tried), bool_name(b->offlined));
		fprintf(json, "\"buffer_pages_before\": %zu, ",
			b->buffer_pages_before);
		fprintf(json, "\"buffer_pages_after\": %zu, ",
			b->buffer_pages);
		fprintf(json, "\"tries\": %u, ", b->tries);
		fprintf(json, "\"seconds\": %.3f, \"error\": \"%s\"}%s\n",
			b->seconds, b->error ? strerror(b->error) : "",
			i + 1 < block_count ? "," : "");
	}
	fprintf(json, "  ],\n");
}

static char *out_path(const char *name)
{
	char *path;

	if (asprintf(&path, "%s/%s", opt.out, name) < 0)
		die("no memory");
	return path;
}

static void parse(int argc, char **argv)
{
	static const struct option options[] = {
		{ "buffers", required_argument, NULL, 'b' },
		{ "trigger", required_argument, NULL, 't' },
		{ "out", required_argument, NULL, 'o' },
		{ "size", required_argument, NULL, 'z' },
		{ "fill", required_argument, NULL, 'f' },
		{ "reserve", required_argument, NULL, 'R' },
		{ "stay", required_argument, NULL, 'S' },
		{ "writers", required_argument, NULL, 'w' },
		{ "rest", required_argument, NULL, 'r' },
		{ "limit", required_argument, NULL, 'l' },
		{ "seed", required_argument, NULL, 's' },
		{ "no-gpu", no_argument, NULL, 'g' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	work.seed = 1;
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'b':
			work.store = find_store(optarg);
			if (!work.store)
				die("unknown kind of buffers: %s", optarg);
			break;
		case 't':
			opt.huge = !strcmp(optarg, "huge");
			opt.offline = !strcmp(optarg, "offline");
			break;
		case 'o':
			opt.out = optarg;
			break;
		case 'z':
			work.buf_size = strtoul(optarg, NULL, 0);
			break;
		case 'f':
			opt.fill = atoi(optarg);
			break;
		case 'R':
			opt.reserve = atoi(optarg);
			break;
		case 'S':
			opt.stay = atoi(optarg);
			break;
		case 'w':
			opt.writers = atoi(optarg);
			break;
		case 'r':
			opt.rest = atoi(optarg);
			break;
		case 'l':
			opt.limit = atoi(optarg);
			break;
		case 's':
			work.seed = strtoull(optarg, NULL, 0);
			break;
		case 'g':
			opt.no_gpu = true;
			break;
		case 'h':
			fputs(usage, stdout);
			exit(0);
		default:
			die("see --help");
		}
	}
	if (optind < argc || !work.store || !(opt.huge || opt.offline))
		die("--buffers and --trigger are needed\n%s", usage);
	if (!work.buf_size || work.buf_size % WORK_BUF_SIZE)
		die("--size is not a multiple of %lu", WORK_BUF_SIZE);
	if (!opt.fill || opt.fill > 95 || opt.stay > opt.fill || !opt.writers || !opt.limit)
		die("--fill, --stay, --writers or --limit is out of range");
}

int main(int argc, char **argv)
{
	uint64_t moved = 0, total, migrated, lost;
	struct memmap_summary before, after;
	struct trigger_result res = { 0 };
	struct sample rest, begin, end;
	FILE *json;

	parse(argc, argv);
	/* What is here now shall not be read from the disk again later. */
	mlockall(MCL_CURRENT);
	write_text("/proc/self/oom_score_adj", "-1000");

	trigger_prepare();
	memmap_init();
	work.store->open();

	json = fopen(out_path("result.json"), "w");
	if (!json)
		die("%s/result.json: %s", opt.out, strerror(errno));

	total = read_field("/proc/meminfo", "MemTotal") << 10;
	layout_lay(total / 100 * opt.fill, opt.reserve, GROUP,
		   total / 100 * opt.stay);
	layout_map();
	content_fill();
	if (work.store == &store_movgem && !opt.no_gpu)
		gpu_start();
	content_start_writers(opt.writers);

	take_sample(&rest);
	sleep(opt.rest);
	take_sample(&begin);

	fprintf(json, "{\n");
	print_rates(json, "rest", &rest, &begin);
	memmap_dump(out_path("before.map"), &before);
	print_summary(json, "before", &before);

	migrated = read_field("/proc/vmstat", "pgmigrate_success");
	if (work.store->moved)
		moved = work.store->moved();
	take_sample(&begin);
	if (opt.huge)
		trigger_huge_pages(&res);
	else
		trigger_offline(&res, opt.limit);
	take_sample(&end);
	print_rates(json, "during", &begin, &end);

	memmap_dump(out_path("after.map"), &after);
	print_summary(json, "after", &after);
	if (work.store->moved)
		moved = work.store->moved() - moved;
	else
		moved = after.left_frames;
	migrated = read_field("/proc/vmstat", "pgmigrate_success") - migrated;

	if (gpu_is_running())
		gpu_stop();
	content_stop_writers();
	say("checking every byte");
	lost = content_check();
	say("%lu bytes lost, %lu pages moved", lost, moved);
	if (opt.huge)
		trigger_release();

	print_blocks(json);
	fprintf(json, "  \"buffers_made\": %zu, \"buffers_left\": %zu, \"buffer_size\": %zu,\n",
		work.slots, work.count, work.buf_size);
	fprintf(json, "  \"mem_total\": %lu, \"trigger_seconds\": %.3f, \"rounds\": %u,\n",
		total, res.seconds, res.rounds);
	fprintf(json, "  \"huge_pages\": %lu, \"blocks_tried\": %u, \"blocks_offlined\": %u,\n",
		res.huge_pages, res.tried, res.offlined);
	fprintf(json, "  \"pages_moved\": %lu, \"pages_moved_source\": \"%s\",\n",
		moved, work.store->moved ? work.store->moved_source :
		"frames that held a buffer's page before and not after, by /proc/kpageflags");
	fprintf(json, "  \"frames_left\": %zu, \"pgmigrate_success\": %lu,\n",
		after.left_frames, migrated);
	fprintf(json, "  \"cpu_writes\": %lu, \"gpu_jobs\": %lu,\n",
		content_writes(), gpu_is_running() ? gpu_completed() : 0);
	fprintf(json, "  \"bytes_checked\": %zu, \"bytes_lost\": %lu\n}\n",
		page_count() * WORK_PAGE_SIZE, lost);
	if (fclose(json))
		die("%s/result.json: %s", opt.out, strerror(errno));
	/* Not the exit handlers' time: tens of thousands of mappings. */
	_exit(0);
}
