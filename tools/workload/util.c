// SPDX-License-Identifier: GPL-2.0
/*
 * The workload: messages, random numbers, small files.
 *
 * Copyright (C) 2026 movgem maintainers
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "workload.h"

struct work_state work = {
	.buf_size = WORK_BUF_SIZE,
};

static double started;

void die(const char *fmt, ...)
{
	va_list args;

	fflush(stdout);
	fprintf(stderr, "%s: ", program_invocation_short_name);
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

	if (!started)
		started = now();
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
