// SPDX-License-Identifier: MIT
/*
 * Copyright (C) 2026 movgem maintainers
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "igt.h"
#include "movgem_lib.h"
#include "movgem_migrate_trigger.h"

#define BLOCKS		"/sys/devices/system/memory"
#define HUGEPAGES	"/proc/sys/vm/nr_hugepages"
/* Times to ask for huge pages in vain. */
#define HUGEPAGE_PATIENCE	3

/* ---- small files ---- */

static int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY), ret = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		ret = -errno;
	close(fd);
	return ret;
}

static bool read_file(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY);
	ssize_t len;

	if (fd < 0)
		return false;
	len = read(fd, text, size - 1);
	close(fd);
	if (len < 0)
		return false;
	text[len] = 0;
	return true;
}

/* ---- which page is where ---- */

struct movgem_migrate_result rig_migrate(struct rig *rig)
{
	struct movgem_migrate_result res = { };
	char what[64];
	int ret;

	snprintf(what, sizeof(what), "label:%s", rig->label);
	ret = __movgem_migrate(rig->fd, what);
	igt_assert_f(!ret || ret == -EBUSY || ret == -EAGAIN, "migrate: %s\n",
		     strerror(-ret));
	movgem_migrate_result(rig->fd, &res);
	return res;
}

void rig_identify(struct rig *rig)
{
	char label[DRM_MOVGEM_BO_LABEL_MAX], *text, *line, *pos;
	unsigned int i, found = 0;
	size_t length;

	movgem_require_debugfs(rig->fd);
	length = strlen(rig->label);
	for (i = 0; i < rig->cfg.bos; i++) {
		snprintf(label, sizeof(label), "%s#%u", rig->label, i);
		movgem_bo_label(rig->fd, rig->handles[i], label);
	}

	text = movgem_debugfs_read(rig->fd, "gems");
	igt_assert(text);
	for (line = strtok_r(text, "\n", &pos); line;
	     line = strtok_r(NULL, "\n", &pos)) {
		const char *at = strstr(line, rig->label);

		if (!at || at[length] != '#')
			continue;
		i = strtoul(at + length + 1, NULL, 10);
		igt_assert_lt(i, rig->cfg.bos);
		rig->ids[i] = strtoull(line, NULL, 10);
		found++;
	}
	free(text);
	igt_assert_eq(found, rig->cfg.bos);
}

static const uint64_t *search_ids;

static int compare_ids(const void *a, const void *b)
{
	uint64_t x = search_ids[*(const unsigned int *)a];
	uint64_t y = search_ids[*(const unsigned int *)b];

	return x < y ? -1 : x > y;
}

uint64_t *rig_pfns(struct rig *rig)
{
	uint64_t *pfns = calloc(rig->pages, sizeof(*pfns));
	unsigned int *order = calloc(rig->cfg.bos, sizeof(*order));
	char *text, *line, *pos, *end;
	unsigned int i, low, high, mid;
	uint64_t id, index;

	igt_assert(pfns && order);
	for (i = 0; i < rig->cfg.bos; i++)
		order[i] = i;
	search_ids = rig->ids;
	qsort(order, rig->cfg.bos, sizeof(*order), compare_ids);

	text = movgem_debugfs_read(rig->fd, "pages");
	igt_assert(text);
	for (line = strtok_r(text, "\n", &pos); line;
	     line = strtok_r(NULL, "\n", &pos)) {
		id = strtoull(line, &end, 10);
		if (end == line)
			continue;
		index = strtoull(end, &end, 10);
		for (low = 0, high = rig->cfg.bos; low < high; ) {
			mid = (low + high) / 2;
			if (rig->ids[order[mid]] < id)
				low = mid + 1;
			else
				high = mid;
		}
		if (low == rig->cfg.bos || rig->ids[order[low]] != id ||
		    index >= rig->cfg.bo_pages)
			continue;
		pfns[order[low] * rig->cfg.bo_pages + index] =
			strtoull(end, NULL, 16);
	}
	free(text);
	free(order);
	return pfns;
}

unsigned int pfns_changed(const uint64_t *a, const uint64_t *b,
			  unsigned int n)
{
	unsigned int changed = 0;

	while (n--)
		changed += *a++ != *b++;
	return changed;
}

/* ---- debugfs ---- */

bool trigger_debugfs(struct rig *rig, unsigned int round)
{
	rig_migrate(rig);
	return true;
}

/* ---- compaction ---- */

#define PCP_FRACTION	"/proc/sys/vm/percpu_pagelist_high_fraction"

static bool pcp_small;

void small_page_lists(void)
{
	pcp_small = !write_file(PCP_FRACTION, "10000");
}

void compact_memory(void)
{
	int ret = write_file("/proc/sys/vm/compact_memory", "1");

	igt_require_f(ret != -ENOENT && ret != -EACCES && ret != -EROFS,
		      "no /proc/sys/vm/compact_memory\n");
	igt_assert_eq(ret, 0);
}

/* Compaction quits early at times: until a run moves nothing more. */
bool trigger_compact(struct rig *rig, unsigned int round)
{
	uint64_t before = rig_moved(rig);

	compact_memory();
	return rig_moved(rig) != before;
}

/* ---- huge pages ---- */

static char hugepages_before[32];
static unsigned long hugepages_base;

unsigned long meminfo_kb(const char *key)
{
	char text[8192], *at;

	igt_assert(read_file("/proc/meminfo", text, sizeof(text)));
	at = strstr(text, key);
	return at ? strtoul(at + strlen(key) + 1, NULL, 10) : 0;
}

/*
 * Not to be taken: what the guest needs to live. Where the kernel keeps more free
 * than that for itself, user space can allocate nothing at all.
 */
static unsigned long reserve_kb(void)
{
	unsigned long need = 24 * 1024, keeps;
	char text[32];

	if (!read_file("/proc/sys/vm/min_free_kbytes", text, sizeof(text)))
		return need;
	keeps = strtoul(text, NULL, 10) + 8 * 1024;
	return keeps > need ? keeps : need;
}

static void set_hugepages(unsigned long count)
{
	char text[32];

	snprintf(text, sizeof(text), "%lu", count);
	igt_assert_eq(write_file(HUGEPAGES, text), 0);
}

static void hugepages_init(void)
{
	if (hugepages_before[0])
		return;
	igt_require_f(read_file(HUGEPAGES, hugepages_before,
				sizeof(hugepages_before)), "no huge pages\n");
	hugepages_base = strtoul(hugepages_before, NULL, 10);
}

void squeeze_memory(unsigned int leave_mb)
{
	unsigned long kb = meminfo_kb("MemFree:");

	hugepages_init();
	if (kb <= leave_mb * 1024)
		return;
	set_hugepages(hugepages_base + (kb - leave_mb * 1024) / 2048);
	hugepages_base = meminfo_kb("HugePages_Total:");
}

/*
 * As many as there is memory for, and down again. One write gives up at the first
 * page that cannot be had; with patience the kernel is asked until it finds no more.
 */
static bool ask_hugepages(unsigned int round, unsigned int patience)
{
	unsigned long kb = meminfo_kb("MemFree:"), had, reserve = reserve_kb();
	unsigned long wanted, most = 0;
	unsigned int tries = 0, vain = 0;

	hugepages_init();
	if (kb < reserve + 2048)
		return false;
	wanted = hugepages_base + (kb - reserve) / 2048;
	do {
		set_hugepages(wanted);
		tries++;
		had = meminfo_kb("HugePages_Total:");
		vain = had > most ? 0 : vain + 1;
		most = had > most ? had : most;
	} while (had < wanted && vain < patience);
	set_hugepages(hugepages_base);
	igt_info("round %u: %lu huge pages of the %lu that are free memory, asked %u times\n",
		 round, most - hugepages_base, wanted - hugepages_base, tries);
	return true;
}

bool trigger_hugetlb(struct rig *rig, unsigned int round)
{
	return ask_hugepages(round, movgem_rounds(HUGEPAGE_PATIENCE));
}

void ask_hugepages_once(void)
{
	ask_hugepages(0, 0);
}

/* ---- memory blocks ---- */

#define OFFLINE_MAX	64
/*
 * Seconds. The kernel tries again until it is interrupted, and a debug kernel on
 * a slow machine needs more than ten for a block that many write to.
 */
#define PATIENCE	60

static unsigned long offline_blocks[OFFLINE_MAX];
static unsigned int offline_count;

static uint64_t block_size(void)
{
	static uint64_t size;
	char text[32];

	if (!size) {
		igt_require_f(read_file(BLOCKS "/block_size_bytes", text,
					sizeof(text)),
			      "no memory hotplug\n");
		size = strtoull(text, NULL, 16);
	}
	return size;
}

static unsigned long block_of(uint64_t pfn)
{
	return pfn * PAGE / block_size();
}

static void block_file(char *path, size_t size, unsigned long block,
		       const char *name)
{
	snprintf(path, size, BLOCKS "/memory%lu/%s", block, name);
}

static bool block_movable(unsigned long block)
{
	char path[96], text[64];

	block_file(path, sizeof(path), block, "valid_zones");
	return read_file(path, text, sizeof(text)) &&
	       !strncmp(text, "Movable", 7);
}

bool block_is_movable(uint64_t pfn)
{
	return block_movable(block_of(pfn));
}

#define KPF_HWPOISON	19

bool block_is_sound(uint64_t pfn)
{
	uint64_t frames = block_size() / PAGE, flags[512], i, j;
	int file = open("/proc/kpageflags", O_RDONLY);
	bool sound = true;

	igt_require_f(file >= 0, "no /proc/kpageflags\n");
	pfn = block_of(pfn) * frames;
	for (i = 0; i < frames && sound; i += ARRAY_SIZE(flags)) {
		igt_assert_eq(pread(file, flags, sizeof(flags), (pfn + i) * 8),
			      sizeof(flags));
		for (j = 0; j < ARRAY_SIZE(flags); j++)
			sound &= !(flags[j] >> KPF_HWPOISON & 1);
	}
	close(file);
	return sound;
}

static void on_alarm(int sig)
{
}

int block_offline(uint64_t pfn, unsigned int seconds)
{
	struct sigaction alarm_action = { .sa_handler = on_alarm }, old;
	/* again and again, in case that the first comes before the write */
	struct itimerval timer = {
		.it_value.tv_sec = seconds,
		.it_interval.tv_usec = 100000,
	}, off = { };
	unsigned long block = block_of(pfn);
	char path[96];
	int ret;

	block_file(path, sizeof(path), block, "state");
	sigaction(SIGALRM, &alarm_action, &old);
	setitimer(ITIMER_REAL, &timer, NULL);
	ret = write_file(path, "offline");
	setitimer(ITIMER_REAL, &off, NULL);
	sigaction(SIGALRM, &old, NULL);

	if (!ret) {
		igt_assert_lt(offline_count, OFFLINE_MAX);
		offline_blocks[offline_count++] = block;
	}
	return ret;
}

void block_online(uint64_t pfn)
{
	unsigned long block = block_of(pfn);
	char path[96];
	unsigned int i;
	int ret;

	for (i = 0; i < offline_count; i++) {
		if (offline_blocks[i] != block)
			continue;
		offline_blocks[i] = offline_blocks[--offline_count];
		block_file(path, sizeof(path), block, "state");
		ret = write_file(path, "online_movable");
		/* Another test had a page of it taken out of service. */
		igt_assert(!ret || ret == -EHWPOISON);
		return;
	}
}

static void online_all(void)
{
	char path[96];

	while (offline_count) {
		block_file(path, sizeof(path), offline_blocks[--offline_count],
			   "state");
		write_file(path, "online_movable");
	}
}

void movable_blocks_offline(void)
{
	unsigned long block;
	struct dirent *entry;
	char path[96], text[32];
	DIR *dir;

	dir = opendir(BLOCKS);
	if (!dir)
		return;
	while ((entry = readdir(dir))) {
		if (sscanf(entry->d_name, "memory%lu", &block) != 1 ||
		    !block_movable(block))
			continue;
		block_file(path, sizeof(path), block, "state");
		if (read_file(path, text, sizeof(text)) &&
		    !strncmp(text, "online", 6) &&
		    block_is_sound(block * block_size() / PAGE))
			block_offline(block * block_size() / PAGE, PATIENCE);
	}
	closedir(dir);
}

/* Each block that holds pages of the rig goes offline once, and comes back. */
bool trigger_offline(struct rig *rig, unsigned int round)
{
	uint64_t *pfns = rig_pfns(rig), *after;
	unsigned long done[OFFLINE_MAX], block;
	unsigned int blocks = 0, emptied = 0, i, j;
	int ret;

	for (i = 0; i < rig->pages; i++) {
		block = block_of(pfns[i]);
		for (j = 0; j < blocks && done[j] != block; j++)
			;
		if (j < blocks || blocks == OFFLINE_MAX ||
		    !block_movable(block))
			continue;
		if (!block_is_sound(pfns[i])) {
			igt_info("memory block %lu has frames out of service\n",
				 block);
			done[blocks++] = block;
			continue;
		}
		done[blocks++] = block;

		ret = block_offline(pfns[i], PATIENCE);
		if (ret) {
			igt_info("memory block %lu stays: %s\n", block,
				 strerror(-ret));
			continue;
		}
		emptied++;
		after = rig_pfns(rig);
		for (j = 0; j < rig->pages; j++)
			igt_assert_f(block_of(after[j]) != block,
				     "page %u is in memory block %lu, which is offline\n",
				     j, block);
		free(after);
		block_online(pfns[i]);
	}
	free(pfns);

	igt_require_f(blocks || round,
		      "no page is in a memory block that can go offline; give the guest a DIMM (tools/vm run --dimm 1G)\n");
	igt_info("round %u: %u of %u memory blocks went offline\n", round,
		 emptied, blocks);
	return emptied;
}

/* ---- soft offline ---- */

bool soft_offline(uint64_t pfn)
{
	static bool told;
	char text[32];
	int ret;

	/* By now the page may be the kernel's own, which it reports as an error. */
	if (!told)
		igt_emit_ignore_dmesg_regex("Memory failure: 0x[0-9a-f]+: unhandlable page");
	told = true;

	snprintf(text, sizeof(text), "0x%" PRIx64, pfn * PAGE);
	ret = write_file(BLOCKS "/soft_offline_page", text);
	igt_require_f(ret != -ENOENT && ret != -EOPNOTSUPP && ret != -EACCES,
		      "no " BLOCKS "/soft_offline_page: %s\n", strerror(-ret));
	return !ret;
}

/* Every page once; each costs the guest a page frame. */
bool trigger_soft_offline(struct rig *rig, unsigned int round)
{
	uint64_t *pfns = rig_pfns(rig), *after;
	bool *gone = calloc(rig->pages, sizeof(*gone));
	unsigned int i, taken = 0;

	igt_assert(gone);
	for (i = 0; i < rig->pages; i++) {
		gone[i] = soft_offline(pfns[i]);
		taken += gone[i];
	}
	after = rig_pfns(rig);
	for (i = 0; i < rig->pages; i++)
		igt_assert_f(!gone[i] || after[i] != pfns[i],
			     "page %u is still in the frame that was taken\n",
			     i);
	free(gone);
	free(pfns);
	free(after);
	igt_info("round %u: %u of %u page frames taken\n", round, taken,
		 rig->pages);
	return taken < rig->pages;
}

void triggers_reset(void)
{
	if (hugepages_before[0])
		write_file(HUGEPAGES, hugepages_before);
	hugepages_before[0] = 0;
	if (pcp_small)
		write_file(PCP_FRACTION, "0");
	pcp_small = false;
	online_all();
}
