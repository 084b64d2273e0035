// SPDX-License-Identifier: MIT
/*
 * Copyright (C) 2026 movgem maintainers
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "igt.h"
#include "movgem_fault_rig.h"

#define DEBUGFS		"/sys/kernel/debug/"

static int nth = -1;
/* Since the last fault_arm(). */
static bool armed, hit;
static unsigned int left;

static bool write_text(const char *path, const char *text)
{
	int file = open(path, O_WRONLY);
	bool ok;

	if (file < 0)
		return false;
	ok = write(file, text, strlen(text)) == (ssize_t)strlen(text);
	close(file);
	return ok;
}

static bool set(const char *attr, const char *name, const char *value)
{
	char path[128];

	snprintf(path, sizeof(path), DEBUGFS "%s/%s", attr, name);
	return write_text(path, value);
}

static const char * const attrs[] = { "failslab", "fail_page_alloc", "fail_usercopy" };

/* Nowhere: an address range that no function is in. */
static void set_nowhere(const char *attr, bool nowhere)
{
	set(attr, "stacktrace-depth", "32");
	set(attr, "require-start", nowhere ? "1" : "0");
	set(attr, "require-end", nowhere ? "2" : "0xffffffffffffffff");
}

static void restore(int sig)
{
	for (int i = 0; i < ARRAY_SIZE(attrs); i++) {
		set(attrs[i], "probability", "0");
		set(attrs[i], "times", "1");
		set(attrs[i], "verbose", "2");
		set_nowhere(attrs[i], false);
	}
	set("failslab", "ignore-gfp-wait", "Y");
	set("fail_page_alloc", "ignore-gfp-wait", "Y");
	set("fail_page_alloc", "ignore-gfp-highmem", "Y");
	set("fail_page_alloc", "min-order", "1");
}

void fault_require(void)
{
	igt_require_f(!access(DEBUGFS "failslab", F_OK) &&
		      !access(DEBUGFS "fail_page_alloc", F_OK),
		      "no fault injection: the kernel has no CONFIG_FAILSLAB and FAIL_PAGE_ALLOC, or debugfs is not there\n");
	nth = open("/proc/thread-self/fail-nth", O_RDWR);
	igt_require_f(nth >= 0, "fail-nth: %s\n", strerror(errno));
	igt_install_exit_handler(restore);

	for (int i = 0; i < ARRAY_SIZE(attrs); i++) {
		/* Not a stack trace for each of thousands. */
		set(attrs[i], "verbose", "0");
		set(attrs[i], "probability", "0");
		set(attrs[i], "times", "-1");
	}
	igt_assert(set("failslab", "ignore-gfp-wait", "N"));
	igt_assert(set("fail_page_alloc", "ignore-gfp-wait", "N"));
	igt_assert(set("fail_page_alloc", "ignore-gfp-highmem", "N"));
	igt_assert(set("fail_page_alloc", "min-order", "0"));
	fault_only(FAULT_ALLOC);
}

void fault_only(enum fault_kind kind)
{
	bool copies = kind == FAULT_USERCOPY;

	igt_require_f(!copies || !access(DEBUGFS "fail_usercopy", F_OK),
		      "the kernel has no CONFIG_FAULT_INJECTION_USERCOPY\n");
	set_nowhere("failslab", copies);
	set_nowhere("fail_page_alloc", copies);
	set_nowhere("fail_usercopy", !copies);
}

static void write_nth(unsigned int n)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", n);
	/* The copy of this very text may be the one that was to fail. */
	if (pwrite(nth, text, strlen(text), 0) < 0)
		igt_assert_eq(pwrite(nth, text, strlen(text), 0), strlen(text));
}

void fault_arm(unsigned int n)
{
	hit = false;
	armed = true;
	left = n;
	write_nth(n);
}

bool fault_pause(void)
{
	char text[16] = { };

	if (!armed)
		return false;
	/*
	 * What is read is how many are still to come: with none, it has failed.
	 * The read copies too, and can be what fails.
	 */
	if (pread(nth, text, sizeof(text) - 1, 0) > 0)
		left = strtoul(text, NULL, 10);
	else
		left = 1;
	if (!left)
		hit = true;
	write_nth(0);
	armed = false;
	return left;
}

void fault_resume(void)
{
	armed = true;
	write_nth(left);
}

bool fault_disarm(void)
{
	fault_pause();
	return hit;
}

/* The text of the module, by its symbols. */
static bool driver_text(char *start, char *end, size_t size)
{
	unsigned long long low = UINT64_MAX, high = 0, addr;
	char line[256], kind, module[64];
	FILE *file = fopen("/proc/kallsyms", "r");

	if (!file)
		return false;
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%llx %c %*s [%63[^]]]", &addr, &kind, module) != 3 ||
		    strcmp(module, "movgem") || (kind != 't' && kind != 'T') || !addr)
			continue;
		if (addr < low)
			low = addr;
		if (addr > high)
			high = addr;
	}
	fclose(file);
	snprintf(start, size, "%#llx", low);
	snprintf(end, size, "%#llx", high);
	return high;
}

bool fault_driver_only(unsigned int percent)
{
	char start[32], end[32], text[16];

	snprintf(text, sizeof(text), "%u", percent);
	if (percent && !driver_text(start, end, sizeof(start)))
		return false;
	for (int i = 0; i < 2; i++) {
		if (percent &&
		    (!set(attrs[i], "stacktrace-depth", "32") ||
		     !set(attrs[i], "require-start", start) ||
		     !set(attrs[i], "require-end", end)))
			return false;
		set(attrs[i], "task-filter", "N");
		igt_assert(set(attrs[i], "probability", text));
		if (!percent)
			set_nowhere(attrs[i], false);
	}
	return true;
}
