/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The benchmark's guest program: shared declarations. Each measurement is a
 * subcommand that prints one line, "= " and a JSON object, for bench.py.
 *
 * Copyright (C) 2026 movgem maintainers
 */
#ifndef _MOVGEM_BENCH_H_
#define _MOVGEM_BENCH_H_

#include "workload.h"

/**
 * struct bench_options - what the command line says
 * @bytes: of buffers that are made at first; zero: @fill percent of MemTotal
 * @fill: how much of MemTotal
 * @group: of so many buffers one stays
 * @stay: percent of MemTotal in buffers that stay; zero: by @group
 * @mappers: processes that map every buffer; zero: it is mapped by none
 * @vmas: mappings of every buffer in each of them
 * @vms: GPU VMs that every buffer is bound in
 * @writers: CPU threads that write to the buffers meanwhile
 * @rounds: how often the whole is done
 * @seconds: how long a phase is measured
 * @alive: buffers that exist while others are made and freed
 * @max: largest buffer that is made
 * @copies: copies of a page in one GPU job
 */
struct bench_options {
	uint64_t bytes;
	unsigned int fill;
	unsigned int group;
	unsigned int stay;
	unsigned int mappers;
	unsigned int vmas;
	unsigned int vms;
	unsigned int writers;
	unsigned int rounds;
	unsigned int seconds;
	size_t alive;
	size_t max;
	size_t copies;
};

extern struct bench_options opt;

/* Nanoseconds; instructions in a guest that counts them as time. */
uint64_t now_ns(void);
void sort_values(uint64_t *values, size_t count);
void write_or_die(const char *path, const char *text);
void touch_pages(uint8_t *start, size_t size);

/* busy.c */
enum busy_mode {
	BUSY_REST,
	BUSY_COMPACT,
	BUSY_SPIN,
	BUSY_END,
};

void busy_start(void);
void busy_set(enum busy_mode what);
unsigned long busy_runs(void);
void busy_stop(void);
ssize_t busy_renew(void);

void bench_move(void);
void bench_alloc(void);
void bench_jobs(void);
void bench_stream(void);
void bench_meta(void);

#endif
