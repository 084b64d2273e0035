// SPDX-License-Identifier: GPL-2.0
/*
 * The main job's guest program. Fills memory with 64 KiB buffers of one kind,
 * frees three of every four, and lets CPU threads and GPU jobs write to those
 * that stay while the kernel is asked for huge pages or for memory blocks. In
 * the end every byte is checked.
 *
 * Copyright (C) 2026 movgem maintainers
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "demo.h"

struct demo_state demo;

static double started;

static struct {
	const char *out;
	bool huge;
	bool offline;
	bool no_gpu;
	unsigned int fill;
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
"  --buffers KIND   movgem, vgem or anonymous\n"
"  --trigger WHAT   huge: all the 2 MiB pages that the kernel can make;\n"
"                   offline: every memory block of ZONE_MOVABLE\n"
"  --out DIR        result.json and the memory maps go there (default .)\n"
"  --fill PERCENT   buffers fill so much of MemTotal at first (default 85),\n"
"  --reserve MIB    or less, so that this stays free outside ZONE_MOVABLE\n"
"                   (default 64)\n"
"  --writers N      CPU threads that write all the time (default 2)\n"
"  --rest SECONDS   how long to measure before the trigger (default 5)\n"
"  --limit SECONDS  try a memory block for so long, and again while that moves\n"
"                   pages (default 4)\n"
"  --no-gpu         no GPU jobs\n"
"  --seed N         which buffers stay, and what they hold (default 1)\n";

void die(const char *fmt, ...)
{
	va_list args;

	fflush(stdout);
	fputs("workload: ", stderr);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
	/* Threads may be in the middle of anything. */
	_exit(1);
}

void say(const char *fmt, ...)
{
	va_list args;

	printf("[%5.1f] ", now() - started);
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	putchar('\n');
	fflush(stdout);
}

double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

/* splitmix64 */
uint64_t next_random(uint64_t *state)
{
	uint64_t x = *state += 0x9e3779b97f4a7c15ULL;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ x >> 27) * 0x94d049bb133111ebULL;
	return x ^ x >> 31;
}

/* The number in @path. */
uint64_t read_number(const char *path)
{
	FILE *file = fopen(path, "r");
	uint64_t value;

	if (!file || fscanf(file, "%lu", &value) != 1)
		die("%s: cannot read a number", path);
	fclose(file);
	return value;
}

/* The number behind @name in a file of lines "name value", colon or not. */
uint64_t read_field(const char *path, const char *name)
{
	FILE *file = fopen(path, "r");
	char line[256], key[64];
	uint64_t value;

	if (!file)
		die("%s: %s", path, strerror(errno));
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, " %63[^: \t]%*[: \t]%lu", key, &value) == 2 &&
		    !strcmp(key, name)) {
			fclose(file);
			return value;
		}
	}
	die("%s: no line for %s", path, name);
}

/* Returns 0 or a negative errno. */
int write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY), err = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		err = -errno;
	close(fd);
	return err;
}

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
static size_t fill(struct demo_buf *bufs, size_t max)
{
	const uint64_t reserve = ((uint64_t)opt.reserve << 20) / DEMO_PAGE_SIZE;
	size_t i;

	for (i = 0; i < max; i++) {
		int err;

		if (i % 64 == 0 && free_outside_movable() < reserve) {
			say("less than %u MiB free outside ZONE_MOVABLE: no more buffers",
			    opt.reserve);
			break;
		}
		bufs[i].slot = i;
		err = demo.store->create(&bufs[i], buf_addr(&bufs[i]));
		if (err) {
			say("no more buffers: %s", strerror(-err));
			break;
		}
	}
	return i;
}

/* One of each four consecutive buffers stays; chance says which. */
static void thin_out(struct demo_buf *bufs, size_t total)
{
	uint64_t rnd = demo.seed ^ 0x6d6f7667656dULL;
	size_t first, i;

	for (first = 0; first < total; first += DEMO_GROUP) {
		size_t stays = first + next_random(&rnd) % DEMO_GROUP;

		for (i = first; i < first + DEMO_GROUP && i < total; i++) {
			if (i == stays)
				bufs[demo.count++] = bufs[i];
			else
				demo.store->destroy(&bufs[i],
						    buf_addr(&bufs[i]));
		}
	}
	demo.bufs = bufs;
	for (i = 0; demo.store->map && i < demo.count; i++)
		demo.store->map(&bufs[i], buf_addr(&bufs[i]));
}

/* Rates of what goes on meanwhile. */
struct sample {
	double time;
	uint64_t writes;
	uint64_t jobs;
};

static void take_sample(struct sample *s, bool has_gpu)
{
	s->time = now();
	s->writes = content_writes();
	s->jobs = has_gpu ? gpu_completed() : 0;
}

static void print_rates(FILE *json, const char *name, bool has_gpu,
			const struct sample *a, const struct sample *b)
{
	double seconds = b->time - a->time;

	fprintf(json, "  \"%s\": {\"seconds\": %.3f, \"cpu_writes\": %lu, ", name,
		seconds, b->writes - a->writes);
	if (has_gpu)
		fprintf(json, "\"gpu_jobs\": %lu", b->jobs - a->jobs);
	else
		fprintf(json, "\"gpu_jobs\": null");
	fprintf(json, "},\n");
	if (has_gpu)
		say("%s: %.0f GPU jobs/s, %.0f CPU writes/s", name,
		    (b->jobs - a->jobs) / seconds,
		    (b->writes - a->writes) / seconds);
	else
		say("%s: %.0f CPU writes/s", name,
		    (b->writes - a->writes) / seconds);
}

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
		const struct demo_block *b = &blocks[i];

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

static const struct demo_store *find_store(const char *name)
{
	static const struct demo_store *const stores[] = {
		&store_movgem, &store_vgem, &store_anonymous,
	};
	size_t i;

	for (i = 0; i < sizeof(stores) / sizeof(stores[0]); i++) {
		if (!strcmp(stores[i]->name, name))
			return stores[i];
	}
	die("unknown kind of buffers: %s\n%s", name, usage);
}

static void parse(int argc, char **argv)
{
	static const struct option options[] = {
		{ "buffers", required_argument, NULL, 'b' },
		{ "trigger", required_argument, NULL, 't' },
		{ "out", required_argument, NULL, 'o' },
		{ "fill", required_argument, NULL, 'f' },
		{ "reserve", required_argument, NULL, 'R' },
		{ "writers", required_argument, NULL, 'w' },
		{ "rest", required_argument, NULL, 'r' },
		{ "limit", required_argument, NULL, 'l' },
		{ "seed", required_argument, NULL, 's' },
		{ "no-gpu", no_argument, NULL, 'g' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	demo.seed = 1;
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'b':
			demo.store = find_store(optarg);
			break;
		case 't':
			opt.huge = !strcmp(optarg, "huge");
			opt.offline = !strcmp(optarg, "offline");
			break;
		case 'o':
			opt.out = optarg;
			break;
		case 'f':
			opt.fill = atoi(optarg);
			break;
		case 'R':
			opt.reserve = atoi(optarg);
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
			demo.seed = strtoull(optarg, NULL, 0);
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
	if (optind < argc || !demo.store || !(opt.huge || opt.offline))
		die("--buffers and --trigger are needed\n%s", usage);
	if (!opt.fill || opt.fill > 95 || !opt.writers || !opt.limit)
		die("--fill, --writers or --limit is out of range");
}

/* Makes the layout; returns MemTotal in bytes. */
static uint64_t make_layout(void)
{
	uint64_t total = read_field("/proc/meminfo", "MemTotal") << 10;
	size_t max = total / 100 * opt.fill / DEMO_BUF_SIZE;
	struct demo_buf *bufs = calloc(max, sizeof(*bufs));

	if (!bufs)
		die("no memory for %zu buffers", max);
	demo.window = mmap(NULL, (max + 1) * DEMO_BUF_SIZE, PROT_NONE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (demo.window == MAP_FAILED)
		die("no room for %zu buffers: %s", max, strerror(errno));

	say("%lu MiB of memory; making %zu %s buffers of 64 KiB", total >> 20,
	    max, demo.store->name);
	demo.slots = fill(bufs, max);
	thin_out(bufs, demo.slots);
	say("made %zu buffers, freed three of every four: %zu stay, %zu MiB, %.1f %% of memory",
	    demo.slots, demo.count, demo.count * DEMO_BUF_SIZE >> 20,
	    100.0 * demo.count * DEMO_BUF_SIZE / total);
	if (!demo.count)
		die("no buffers");
	content_fill();
	return total;
}

int main(int argc, char **argv)
{
	uint64_t moved = 0, total, migrated, lost;
	struct memmap_summary before, after;
	struct trigger_result res = { 0 };
	struct sample rest, begin, end;
	bool has_gpu;
	FILE *json;

	started = now();
	parse(argc, argv);
	/* What is here now shall not be read from the disk again later. */
	mlockall(MCL_CURRENT);
	write_text("/proc/self/oom_score_adj", "-1000");

	trigger_prepare();
	memmap_init();
	demo.store->open();
	has_gpu = demo.store == &store_movgem && !opt.no_gpu;

	json = fopen(out_path("result.json"), "w");
	if (!json)
		die("%s/result.json: %s", opt.out, strerror(errno));

	total = make_layout();
	if (has_gpu)
		gpu_start();
	content_start_writers(opt.writers);

	take_sample(&rest, has_gpu);
	sleep(opt.rest);
	take_sample(&begin, has_gpu);

	fprintf(json, "{\n");
	print_rates(json, "rest", has_gpu, &rest, &begin);
	memmap_dump(out_path("before.map"), &before);
	print_summary(json, "before", &before);

	migrated = read_field("/proc/vmstat", "pgmigrate_success");
	if (demo.store->moved)
		moved = demo.store->moved();
	take_sample(&begin, has_gpu);
	if (opt.huge)
		trigger_huge_pages(&res);
	else
		trigger_offline(&res, opt.limit);
	take_sample(&end, has_gpu);
	print_rates(json, "during", has_gpu, &begin, &end);

	memmap_dump(out_path("after.map"), &after);
	print_summary(json, "after", &after);
	if (demo.store->moved)
		moved = demo.store->moved() - moved;
	else
		moved = after.left_frames;
	migrated = read_field("/proc/vmstat", "pgmigrate_success") - migrated;

	if (has_gpu)
		gpu_stop();
	content_stop_writers();
	say("checking every byte");
	lost = content_check();
	say("%lu bytes lost, %lu pages moved", lost, moved);
	if (opt.huge)
		trigger_release();

	print_blocks(json);
	fprintf(json, "  \"buffers_made\": %zu, \"buffers_left\": %zu, \"buffer_size\": %lu,\n",
		demo.slots, demo.count, DEMO_BUF_SIZE);
	fprintf(json, "  \"mem_total\": %lu, \"trigger_seconds\": %.3f, \"rounds\": %u,\n",
		total, res.seconds, res.rounds);
	fprintf(json, "  \"huge_pages\": %lu, \"blocks_tried\": %u, \"blocks_offlined\": %u,\n",
		res.huge_pages, res.tried, res.offlined);
	fprintf(json, "  \"pages_moved\": %lu, \"pages_moved_source\": \"%s\",\n",
		moved, demo.store->moved ? demo.store->moved_source :
		"frames that held a buffer's page before and not after, by /proc/kpageflags");
	fprintf(json, "  \"frames_left\": %zu, \"pgmigrate_success\": %lu,\n",
		after.left_frames, migrated);
	fprintf(json, "  \"cpu_writes\": %lu, \"gpu_jobs\": %lu,\n",
		content_writes(), has_gpu ? gpu_completed() : 0);
	fprintf(json, "  \"bytes_checked\": %zu, \"bytes_lost\": %lu\n}\n",
		page_count() * DEMO_PAGE_SIZE, lost);
	if (fclose(json))
		die("%s/result.json: %s", opt.out, strerror(errno));
	/* Not the exit handlers' time: tens of thousands of mappings. */
	_exit(0);
}
