// SPDX-License-Identifier: MIT
/*
 * Copyright (C) 2026 movgem maintainers
 *
 * Running subtests and saying how they went, in the words that igt_runner
 * reads: see igt_core.h.
 */
#include <fcntl.h>
#include <fnmatch.h>
#include <getopt.h>
#include <libgen.h>
#include <sys/utsname.h>
#include <sys/wait.h>

#include "igt_core.h"

#define SHIM_VERSION	"movgem-shim-1"
#define MAX_CHILDREN	256
#define MAX_HELPERS	16
#define MAX_HANDLERS	16

static struct {
	char name[64];
	const char *filter;
	const char *dyn_filter;
	bool list;
	bool describe;
	bool debug;

	/* What the fixtures said: 0, or the code that every subtest gets. */
	int blocked;
	bool in_fixture;
	bool in_subtest;
	bool in_container;
	bool in_dynamic;
	char subtest[256];
	char dynamic[256];
	struct timespec subtest_start;
	struct timespec dynamic_start;
	sigjmp_buf outer;
	sigjmp_buf inner;
	int dyn_passed, dyn_failed;

	int matched, passed, skipped;
	int exitcode;
	char description[4096];

	bool child;
	pid_t children[MAX_CHILDREN];
	int num_children;
	pid_t helpers[MAX_HELPERS];
	igt_exit_handler_t handlers[MAX_HANDLERS];
	int num_handlers;
	const char *timeout_op;

	char *log;
	size_t log_len, log_size;
} shim;

static const int crash_signals[] = { SIGILL, SIGBUS, SIGFPE, SIGSEGV, SIGABRT, SIGSYS };
static const int quit_signals[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGPIPE };

const char *igt_test_name(void)
{
	return shim.name;
}

const char *igt_subtest_name(void)
{
	return shim.in_subtest ? shim.subtest : NULL;
}

bool igt_only_list_subtests(void)
{
	return shim.list;
}

bool igt_run_in_simulation(void)
{
	const char *value = getenv("INTEL_SIMULATION");

	return value && atoi(value);
}

/* ---- output ---- */

void igt_kmsg(const char *fmt, ...)
{
	char line[512];
	va_list ap;
	int len, fd;

	va_start(ap, fmt);
	len = vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);

	fd = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	if (write(fd, line, len < (int)sizeof(line) ? len : (int)sizeof(line) - 1) < 0)
		errno = 0;
	close(fd);
}

void igt_emit_ignore_dmesg_regex(const char *ignore_dmesg_regex)
{
	igt_kmsg("<6>[IGT] add ignored dmesg regex: %s\n", ignore_dmesg_regex);
}

/* A line that the runner looks for goes to both streams and is flushed. */
static void igt_shim_printf(1, 2) say(const char *fmt, ...)
{
	FILE *const out[] = { stdout, stderr };
	va_list ap;
	int i;

	for (i = 0; i < 2; i++) {
		va_start(ap, fmt);
		vfprintf(out[i], fmt, ap);
		va_end(ap);
		fflush(out[i]);
	}
}

static void log_keep(const char *text, size_t len)
{
	if (shim.log_size - shim.log_len < len + 1) {
		/* Keep the newer half: it is what explains a failure. */
		size_t half = shim.log_len / 2;

		if (!shim.log) {
			shim.log_size = 1 << 16;
			shim.log = malloc(shim.log_size);
			if (!shim.log)
				return;
		}
		memmove(shim.log, shim.log + half, shim.log_len - half);
		shim.log_len -= half;
		if (shim.log_size - shim.log_len < len + 1)
			return;
	}
	memcpy(shim.log + shim.log_len, text, len);
	shim.log_len += len;
}

static void log_dump(void)
{
	if (!shim.log_len)
		return;
	fprintf(stderr, "**** DEBUG ****\n%.*s****  END  ****\n",
		(int)shim.log_len, shim.log);
	fflush(stderr);
	shim.log_len = 0;
}

static void vlog(enum igt_log_level level, const char *fmt, va_list ap)
{
	static const char *const names[] = { "DEBUG", "INFO", "WARNING", "CRITICAL" };
	char text[2048], line[2304];
	int len;

	vsnprintf(text, sizeof(text), fmt, ap);
	len = snprintf(line, sizeof(line), "(%s:%d) %s: %s", shim.name, getpid(),
		       names[level], text);
	log_keep(line, len);
	if (level == IGT_LOG_DEBUG && !shim.debug)
		return;
	if (level == IGT_LOG_INFO) {
		fputs(text, stdout);
		fflush(stdout);
	} else {
		fputs(line, stderr);
		fflush(stderr);
	}
}

void igt_log(const char *domain __maybe_unused, enum igt_log_level level,
	     const char *fmt, ...)
{
	va_list ap;

	if (shim.list || level >= IGT_LOG_NONE)
		return;
	va_start(ap, fmt);
	vlog(level, fmt, ap);
	va_end(ap);
}

const char *igt_shim_name(char *buf, size_t len, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(buf, len, fmt, ap);
	va_end(ap);
	return buf;
}

void igt_describe_f(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(shim.description, sizeof(shim.description), fmt, ap);
	va_end(ap);
}

/* ---- results ---- */

static double seconds_since(const struct timespec *start)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec - start->tv_sec + (now.tv_nsec - start->tv_nsec) / 1e9;
}

static const char *result_word(int code)
{
	if (code == IGT_EXIT_SUCCESS)
		return "SUCCESS";
	if (code == IGT_EXIT_SKIP)
		return "SKIP";
	return code > 128 ? "CRASH" : "FAIL";
}

static void count_result(int code)
{
	if (code == IGT_EXIT_SUCCESS)
		shim.passed++;
	else if (code == IGT_EXIT_SKIP)
		shim.skipped++;
	else if (!shim.exitcode)
		shim.exitcode = code;
}

static void end_dynamic(int code)
{
	shim.in_dynamic = false;
	if (code == IGT_EXIT_SUCCESS)
		shim.dyn_passed++;
	else if (code != IGT_EXIT_SKIP)
		shim.dyn_failed = code;
	say("Dynamic subtest %s: %s (%.3fs)\n", shim.dynamic, result_word(code),
	    seconds_since(&shim.dynamic_start));
}

static void end_subtest(int code)
{
	shim.in_subtest = false;
	shim.in_container = false;
	count_result(code);
	say("Subtest %s: %s (%.3fs)\n", shim.subtest, result_word(code),
	    seconds_since(&shim.subtest_start));
	igt_kmsg("<5>[IGT] %s: finished subtest %s, %s\n", shim.name,
		 shim.subtest, result_word(code));
	igt_reset_timeout();
	shim.log_len = 0;
}

/* The end of a block that did not go through, for whatever reason. */
static __noreturn void bail_out(int code)
{
	if (shim.child) {
		fflush(NULL);
		_exit(code > 255 ? IGT_EXIT_FAILURE : code);
	}
	if (code != IGT_EXIT_SKIP)
		log_dump();
	igt_kill_children(SIGKILL);

	if (shim.in_dynamic) {
		end_dynamic(code);
		siglongjmp(shim.inner, 1);
	}
	if (shim.in_subtest) {
		end_subtest(code);
		siglongjmp(shim.outer, 1);
	}
	if (shim.in_fixture) {
		shim.in_fixture = false;
		shim.blocked = code;
		if (code != IGT_EXIT_SKIP)
			count_result(code);
		siglongjmp(shim.outer, 1);
	}
	exit(code);
}

void igt_fail(int exitcode)
{
	bail_out(exitcode);
}

void igt_skip(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	fflush(stdout);
	bail_out(IGT_EXIT_SKIP);
}

void igt_shim_skip(const char *file, int line, const char *func,
		   const char *what, const char *fmt, ...)
{
	va_list ap;

	printf("Test requirement not met in function %s, file %s:%d:\n"
	       "Test requirement: %s\n", func, file, line, what);
	if (fmt) {
		va_start(ap, fmt);
		vprintf(fmt, ap);
		va_end(ap);
	}
	fflush(stdout);
	bail_out(IGT_EXIT_SKIP);
}

void igt_shim_fail(const char *file, int line, const char *func,
		   const char *what, const char *fmt, ...)
{
	int err = errno;
	va_list ap;

	igt_critical("Test assertion failure function %s, file %s:%d:\n", func,
		     file, line);
	igt_critical("Failed assertion: %s\n", what);
	if (err)
		igt_critical("Last errno: %d, %s\n", err, strerror(err));
	if (fmt) {
		va_start(ap, fmt);
		vlog(IGT_LOG_CRITICAL, fmt, ap);
		va_end(ap);
	}
	bail_out(IGT_EXIT_FAILURE);
}

/* ---- blocks ---- */

static bool matches(const char *list, const char *name)
{
	char *buf, *pos, *part;
	bool ret;

	if (!list)
		return true;
	/* Comma separated; a leading ! takes names out again. */
	buf = strdup(list);
	if (!buf)
		abort();
	ret = buf[0] == '!';
	for (part = strtok_r(buf, ",", &pos); part; part = strtok_r(NULL, ",", &pos)) {
		if (part[0] == '!' && !fnmatch(part + 1, name, 0))
			ret = false;
		else if (part[0] != '!' && !fnmatch(part, name, 0))
			ret = true;
	}
	free(buf);
	return ret;
}

static bool enter_subtest(const char *name, const char *file, int line)
{
	char text[sizeof(shim.description)];

	memcpy(text, shim.description, sizeof(text));
	shim.description[0] = 0;
	if (shim.in_fixture || shim.in_subtest) {
		igt_critical("%s:%d: subtest %s inside another block\n", file, line, name);
		abort();
	}
	if (!matches(shim.filter, name))
		return false;
	shim.matched++;
	if (shim.describe) {
		printf("SUB %s %s:%d:\n  %s\n\n", name, file, line,
		       text[0] ? text : "NO DOCUMENTATION!");
		return false;
	}
	if (shim.list) {
		printf("%s\n", name);
		return false;
	}
	snprintf(shim.subtest, sizeof(shim.subtest), "%s", name);
	clock_gettime(CLOCK_MONOTONIC, &shim.subtest_start);
	if (shim.blocked) {
		say("Subtest %s: %s (0.000s)\n", name, result_word(shim.blocked));
		count_result(shim.blocked);
		return false;
	}
	igt_kmsg("<5>[IGT] %s: starting subtest %s\n", shim.name, name);
	say("Starting subtest: %s\n", name);
	shim.in_subtest = true;
	shim.log_len = 0;
	return true;
}

bool igt_shim_enter(enum igt_shim_kind kind, const char *name,
		    const char *file, int line)
{
	switch (kind) {
	case IGT_SHIM_FIXTURE:
		if (shim.list || shim.describe || shim.blocked)
			return false;
		shim.in_fixture = true;
		return true;
	case IGT_SHIM_CONTAINER:
		shim.dyn_passed = 0;
		shim.dyn_failed = 0;
		if (!enter_subtest(name, file, line))
			return false;
		shim.in_container = true;
		return true;
	case IGT_SHIM_DYNAMIC:
		if (!matches(shim.dyn_filter, name))
			return false;
		snprintf(shim.dynamic, sizeof(shim.dynamic), "%s", name);
		clock_gettime(CLOCK_MONOTONIC, &shim.dynamic_start);
		igt_kmsg("<5>[IGT] %s: starting dynamic subtest %s\n", shim.name, name);
		say("Starting dynamic subtest: %s\n", name);
		shim.in_dynamic = true;
		return true;
	default:
		return enter_subtest(name, file, line);
	}
}

sigjmp_buf *igt_shim_env(enum igt_shim_kind kind)
{
	return kind == IGT_SHIM_DYNAMIC ? &shim.inner : &shim.outer;
}

bool igt_shim_leave(enum igt_shim_kind kind)
{
	switch (kind) {
	case IGT_SHIM_FIXTURE:
		shim.in_fixture = false;
		break;
	case IGT_SHIM_DYNAMIC:
		end_dynamic(IGT_EXIT_SUCCESS);
		break;
	case IGT_SHIM_CONTAINER:
		if (shim.dyn_failed)
			end_subtest(shim.dyn_failed);
		else
			end_subtest(shim.dyn_passed ? IGT_EXIT_SUCCESS : IGT_EXIT_SKIP);
		break;
	default:
		end_subtest(IGT_EXIT_SUCCESS);
		break;
	}
	return false;
}

int igt_shim_group_push(void)
{
	shim.description[0] = 0;
	return shim.blocked;
}

int igt_shim_group_pop(int state)
{
	shim.blocked = state;
	return -1;
}

/* ---- children ---- */

static pid_t fork_clean(void)
{
	unsigned int i;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid)
		return pid;

	shim.child = true;
	shim.num_children = 0;
	memset(shim.helpers, 0, sizeof(shim.helpers));
	shim.num_handlers = 0;
	for (i = 0; i < sizeof(crash_signals) / sizeof(crash_signals[0]); i++)
		signal(crash_signals[i], SIG_DFL);
	for (i = 0; i < sizeof(quit_signals) / sizeof(quit_signals[0]); i++)
		signal(quit_signals[i], SIG_DFL);
	return 0;
}

bool igt_shim_fork(void)
{
	pid_t pid;

	igt_assert_lt(shim.num_children, MAX_CHILDREN);
	pid = fork_clean();
	igt_assert(pid >= 0);
	if (!pid)
		return true;
	shim.children[shim.num_children++] = pid;
	return false;
}

static int status_code(int status)
{
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

int __igt_waitchildren(void)
{
	int ret = 0, left = shim.num_children, i, status;

	while (left) {
		pid_t pid = waitpid(-1, &status, 0);

		if (pid < 0) {
			if (errno == EINTR)
				continue;
			break;
		}
		for (i = 0; i < shim.num_children; i++)
			if (shim.children[i] == pid)
				break;
		if (i == shim.num_children)
			continue;
		shim.children[i] = 0;
		left--;
		if (!status || ret)
			continue;
		ret = status_code(status);
		igt_warn("child %d failed with exit status %d\n", i, ret);
		for (i = 0; i < shim.num_children; i++)
			if (shim.children[i])
				kill(shim.children[i], SIGKILL);
	}
	shim.num_children = 0;
	return ret;
}

void igt_waitchildren(void)
{
	int ret = __igt_waitchildren();

	if (ret)
		igt_fail(ret > 128 ? IGT_EXIT_FAILURE : ret);
}

void igt_waitchildren_timeout(int seconds, const char *reason)
{
	int ret;

	igt_set_timeout(seconds, reason);
	ret = __igt_waitchildren();
	igt_reset_timeout();
	if (ret)
		igt_fail(ret > 128 ? IGT_EXIT_FAILURE : ret);
}

void igt_kill_children(int sig)
{
	int i;

	for (i = 0; i < shim.num_children; i++)
		if (shim.children[i])
			kill(shim.children[i], sig);
	for (i = 0; i < shim.num_children; i++)
		if (shim.children[i])
			waitpid(shim.children[i], NULL, 0);
	shim.num_children = 0;
}

bool igt_shim_fork_helper(struct igt_helper_process *proc)
{
	int id;

	igt_assert(!proc->running);
	for (id = 0; id < MAX_HELPERS && shim.helpers[id]; id++)
		;
	igt_assert_lt(id, MAX_HELPERS);
	proc->pid = fork_clean();
	igt_assert(proc->pid >= 0);
	if (!proc->pid)
		return true;
	shim.helpers[id] = proc->pid;
	proc->id = id;
	proc->running = true;
	return false;
}

int igt_wait_helper(struct igt_helper_process *proc)
{
	int status = 0;

	while (waitpid(proc->pid, &status, 0) < 0 && errno == EINTR)
		;
	proc->running = false;
	shim.helpers[proc->id] = 0;
	return status;
}

void igt_stop_helper(struct igt_helper_process *proc)
{
	int status;

	if (!proc->running)
		return;
	kill(proc->pid, proc->use_SIGKILL ? SIGKILL : SIGTERM);
	status = igt_wait_helper(proc);
	if (!WIFSIGNALED(status))
		igt_debug("helper ended by itself with %d\n", status_code(status));
}

/* ---- time ---- */

static void on_alarm(int sig __maybe_unused)
{
	igt_critical("Timed out: %s\n", shim.timeout_op ?: "no reason given");
	bail_out(IGT_EXIT_FAILURE);
}

void igt_set_timeout(unsigned int seconds, const char *op)
{
	struct sigaction sa = { .sa_handler = on_alarm };

	shim.timeout_op = op;
	sigaction(SIGALRM, &sa, NULL);
	alarm(seconds);
}

void igt_reset_timeout(void)
{
	alarm(0);
	signal(SIGALRM, SIG_DFL);
}

uint64_t igt_nsec_elapsed(struct timespec *start)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	if (!start->tv_sec && !start->tv_nsec) {
		*start = now;
		return 0;
	}
	return (now.tv_sec - start->tv_sec) * 1000000000ll + now.tv_nsec - start->tv_nsec;
}

/* ---- start and end ---- */

int igt_system(const char *command)
{
	fflush(NULL);
	return system(command);
}

int igt_system_quiet(const char *command)
{
	char line[1024];

	snprintf(line, sizeof(line), "{ %s ; } >/dev/null 2>&1", command);
	return igt_system(line);
}

void igt_install_exit_handler(igt_exit_handler_t fn)
{
	igt_assert_lt(shim.num_handlers, MAX_HANDLERS);
	shim.handlers[shim.num_handlers++] = fn;
}

static void run_exit_handlers(int sig)
{
	int i;

	if (shim.child)
		return;
	for (i = 0; i < MAX_HELPERS; i++) {
		if (shim.helpers[i]) {
			kill(shim.helpers[i], SIGKILL);
			waitpid(shim.helpers[i], NULL, 0);
			shim.helpers[i] = 0;
		}
	}
	igt_kill_children(SIGKILL);
	while (shim.num_handlers)
		shim.handlers[--shim.num_handlers](sig);
}

static void at_exit(void)
{
	run_exit_handlers(0);
}

static void on_crash(int sig)
{
	fprintf(stderr, "Received signal %s.\n", strsignal(sig));
	if (shim.in_subtest)
		bail_out(128 + sig);
	run_exit_handlers(sig);
	signal(sig, SIG_DFL);
	raise(sig);
}

static void on_quit(int sig)
{
	run_exit_handlers(sig);
	signal(sig, SIG_DFL);
	raise(sig);
}

static void usage(FILE *f)
{
	fprintf(f, "Usage: %s [OPTIONS]\n"
		"  --list-subtests\n  --show-testlist\n  --run-subtest <pattern>\n"
		"  --dynamic-subtest <pattern>\n  --debug\n  --help-description\n"
		"  --describe[=<pattern>]\n  --device <filter>\n  --version\n"
		"  --help|-h\n", shim.name);
}

enum { OPT_LIST = 1000, OPT_SHOW, OPT_RUN, OPT_DYN, OPT_DEBUG, OPT_HELPDESC,
	OPT_DESCRIBE, OPT_DEVICE, OPT_VERSION, OPT_IGNORE };

static void print_version(void)
{
	struct utsname uts;

	uname(&uts);
	printf("IGT-Version: %s (%s) (Linux: %s %s)\n", SHIM_VERSION, uts.machine,
	       uts.release, uts.machine);
	fflush(stdout);
}

static void parse(int argc, char **argv)
{
	static const struct option options[] = {
		{ "list-subtests", no_argument, NULL, OPT_LIST },
		{ "show-testlist", no_argument, NULL, OPT_SHOW },
		{ "run-subtest", required_argument, NULL, OPT_RUN },
		{ "dynamic-subtest", required_argument, NULL, OPT_DYN },
		{ "debug", optional_argument, NULL, OPT_DEBUG },
		{ "help-description", no_argument, NULL, OPT_HELPDESC },
		{ "describe", optional_argument, NULL, OPT_DESCRIBE },
		{ "device", required_argument, NULL, OPT_DEVICE },
		{ "version", no_argument, NULL, OPT_VERSION },
		{ "hook", required_argument, NULL, OPT_IGNORE },
		{ "interactive-debug", optional_argument, NULL, OPT_IGNORE },
		{ "skip-crc-compare", no_argument, NULL, OPT_IGNORE },
		{ "trace-on-oops", no_argument, NULL, OPT_IGNORE },
		{ "help", no_argument, NULL, 'h' },
		{ },
	};
	int opt;

	while ((opt = getopt_long(argc, argv, "h", options, NULL)) >= 0) {
		switch (opt) {
		case OPT_LIST:
		case OPT_SHOW:
			shim.list = true;
			break;
		case OPT_RUN:
			shim.filter = optarg;
			break;
		case OPT_DYN:
			shim.dyn_filter = optarg;
			break;
		case OPT_DEBUG:
			shim.debug = true;
			break;
		case OPT_HELPDESC:
			if (&__igt_test_description && __igt_test_description)
				printf("%s\n", __igt_test_description);
			exit(0);
		case OPT_DESCRIBE:
			shim.describe = true;
			if (optarg)
				shim.filter = optarg;
			break;
		case OPT_DEVICE:
			setenv("IGT_DEVICE", optarg, 1);
			break;
		case OPT_VERSION:
			print_version();
			exit(0);
		case 'h':
			usage(stdout);
			exit(0);
		case '?':
			usage(stderr);
			exit(IGT_EXIT_INVALID);
		}
	}
}

void igt_shim_init(int argc, char **argv)
{
	struct sigaction sa = { .sa_handler = on_crash };
	char *path = strdup(argv[0]);
	unsigned int i;

	snprintf(shim.name, sizeof(shim.name), "%s", path ? basename(path) : "test");
	free(path);
	parse(argc, argv);
	if (shim.list || shim.describe)
		return;

	setvbuf(stdout, NULL, _IOLBF, 0);
	print_version();
	for (i = 0; i < sizeof(crash_signals) / sizeof(crash_signals[0]); i++)
		sigaction(crash_signals[i], &sa, NULL);
	sa.sa_handler = on_quit;
	for (i = 0; i < sizeof(quit_signals) / sizeof(quit_signals[0]); i++)
		sigaction(quit_signals[i], &sa, NULL);
	atexit(at_exit);
	igt_kmsg("<5>[IGT] %s: executing\n", shim.name);
}

void igt_exit(void)
{
	int code;

	if (shim.filter && !shim.matched) {
		fprintf(stderr, "Unknown subtest: %s\n", shim.filter);
		exit(IGT_EXIT_INVALID);
	}
	if (shim.list || shim.describe)
		exit(0);
	if (shim.num_children) {
		igt_critical("children were left behind\n");
		shim.exitcode = shim.exitcode ?: IGT_EXIT_FAILURE;
	}
	code = shim.exitcode;
	if (!code && !shim.passed)
		code = IGT_EXIT_SKIP;
	igt_kmsg("<5>[IGT] %s: exiting, ret=%d\n", shim.name, code);
	exit(code);
}
