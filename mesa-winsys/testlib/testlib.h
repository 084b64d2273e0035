/* SPDX-License-Identifier: MIT */
/*
 * Copyright (C) 2026 movgem maintainers
 *
 * What the test programs of mesa-winsys share: how tests are run, movgem's
 * nodes, what debugfs says of BOs, and a process that has pages moved.
 */
#ifndef MOVGEM_TESTLIB_H
#define MOVGEM_TESTLIB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

/* Ends the test as failed, with a reason. */
#define fail(...) \
	fail_at(__FILE__, __LINE__, __VA_ARGS__)
#define check(condition) \
	do { if (!(condition)) fail("%s", #condition); } while (0)
/* That a call returns a value, which is told if it is another one. */
#define check_ret(call, expected) \
	do { \
		long long ret_ = (call), expected_ = (expected); \
		if (ret_ != expected_) \
			fail("%s: %lld instead of %lld", #call, ret_, \
			     expected_); \
	} while (0)

void fail_at(const char *file, int line, const char *format, ...)
	__attribute__((format(printf, 3, 4), noreturn));

struct test {
	const char *name;
	void (*run)(void);
};

/*
 * The main() of a test program: PROGRAM [TEST...]; --list names the tests. Each
 * runs in a process of its own, while another one has pages moved: those of all
 * BOs that moved, written to debugfs' migrate, stands for. Prints "PASS NAME: N
 * s" or "FAIL NAME: REASON" for each; the status is 0 if none failed.
 */
int run_tests(int argc, char **argv, const struct test *tests, int count,
	      const char *moved);

/* How often the process that moves pages has been around so far. */
unsigned long mover_rounds(void);

/* Opens movgem's node anew. */
int open_card(void);
int open_render(void);
/* The card of another driver, or -1. */
int open_driver(const char *name);

/* A fence of a write, in a BO of vgem's, that signals when we say so, or after ten
 * seconds. Returns 0 or -errno.
 */
int vgem_attach_fence(int vgem, uint32_t handle, uint32_t *fence);
void vgem_signal_fence(int vgem, uint32_t fence);

void write_file(const char *path, const char *text);

/* A line of debugfs' list of BOs. */
struct gem {
	unsigned long id;
	unsigned long long size;
	unsigned int pages, pins;
	unsigned long moved;
	char flags[9];
	char label[65];
};

/* next_gem() returns false, and closes the file, when there are no more. */
FILE *open_gems(void);
bool next_gem(FILE *file, struct gem *gem);

/* How many there are of a label (that begins so, with a '*' at its end) that have
 * this letter among their flags, or any if it is 0. Who has pages moved, or reads
 * debugfs, may still have one that its owner has freed: expect_gems() waits.
 */
unsigned int count_gems(const char *label, char flag);
void expect_gems(const char *label, char flag, unsigned int count);

/* Messages with file descriptors; receive_fds() returns false at the end. */
void send_fds(int socket, const void *data, size_t size, const int *fds,
	      int count);
bool receive_fds(int socket, void *data, size_t size, int *fds, int count);

/* Runs a function in a process of its own, which has the other end of the socket
 * that is returned; it ends when that is closed, and has to end well.
 */
int start_process(void (*run)(int socket), pid_t *process);
void end_process(int socket, pid_t process);

/* Words that tell where they belong, by their place and a seed. */
void fill_words(void *memory, size_t size, uint32_t seed);
void expect_words(const void *memory, size_t size, uint32_t seed);

double seconds(void);

#endif
