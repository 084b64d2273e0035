// SPDX-License-Identifier: MIT
/*
 * Copyright (C) 2026 movgem maintainers
 *
 * Runs the tests of a program.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "testlib.h"

/* Guests are slow; this is for what never comes. */
#define PATIENCE	900

static const char *test_name = "all";
static unsigned long *rounds;

void fail_at(const char *file, int line, const char *format, ...)
{
	char reason[512];
	va_list list;

	va_start(list, format);
	vsnprintf(reason, sizeof(reason), format, list);
	va_end(list);
	printf("FAIL %s: %s:%d: %s\n", test_name, file, line, reason);
	fflush(stdout);
	_exit(1);
}

double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

unsigned long mover_rounds(void)
{
	return *(volatile unsigned long *)rounds;
}

static void move_all(const char *moved)
{
	int migrate = open("/sys/kernel/debug/dri/movgem/migrate", O_WRONLY);
	int compact = open("/proc/sys/vm/compact_memory", O_WRONLY);

	if (migrate < 0 || compact < 0) {
		fprintf(stderr, "nothing to move pages with: %s\n",
			strerror(errno));
		_exit(1);
	}
	for (;;) {
		/* There need not be a BO just now, or one that can move. */
		if (write(migrate, moved, strlen(moved)) < 0 &&
		    errno != ENOENT && errno != EBUSY)
			_exit(1);
		if (*rounds % 32 == 31 && write(compact, "1", 1) < 0)
			_exit(1);
		++*rounds;
		usleep(1000);
	}
}

static pid_t mover_start(const char *moved)
{
	pid_t mover;

	rounds = mmap(NULL, sizeof(*rounds), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	check(rounds != MAP_FAILED);
	mover = fork();
	if (mover < 0)
		fail("fork: %s", strerror(errno));
	if (!mover) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		move_all(moved);
	}
	return mover;
}

static void mover_stop(pid_t mover)
{
	int status;

	test_name = "all";
	if (waitpid(mover, &status, WNOHANG))
		fail("the process that moves pages has ended");
	kill(mover, SIGKILL);
	waitpid(mover, &status, 0);
}

int start_process(void (*run)(int socket), pid_t *process)
{
	int sockets[2];

	check(!socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets));
	*process = fork();
	check(*process >= 0);
	if (!*process) {
		close(sockets[0]);
		run(sockets[1]);
		_exit(0);
	}
	close(sockets[1]);
	return sockets[0];
}

void end_process(int socket, pid_t process)
{
	int status;

	close(socket);
	check(waitpid(process, &status, 0) == process);
	if (status)
		fail("the other process ended with status 0x%x", status);
}

static bool run(const struct test *test)
{
	double start = seconds();
	int status;
	pid_t pid;

	test_name = test->name;
	fflush(stdout);
	pid = fork();
	check(pid >= 0);
	if (!pid) {
		alarm(PATIENCE);
		test->run();
		printf("PASS %s: %.1f s\n", test_name, seconds() - start);
		fflush(stdout);
		_exit(0);
	}
	check(waitpid(pid, &status, 0) == pid);
	if (WIFSIGNALED(status))
		printf("FAIL %s: %s\n", test_name, strsignal(WTERMSIG(status)));
	return !status;
}

int run_tests(int argc, char **argv, const struct test *tests, int count,
	      const char *moved)
{
	bool good = true;
	pid_t mover;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc > 1 && !strcmp(argv[1], "--list")) {
		for (int i = 0; i < count; i++)
			puts(tests[i].name);
		return 0;
	}
	mover = mover_start(moved);
	for (int i = 0; i < count; i++) {
		bool chosen = argc < 2;

		for (int a = 1; a < argc; a++)
			chosen |= !strcmp(argv[a], tests[i].name);
		if (chosen)
			good &= run(&tests[i]);
	}
	mover_stop(mover);
	return !good;
}
