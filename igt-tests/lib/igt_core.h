/* SPDX-License-Identifier: MIT */
/*
 * Copyright (C) 2026 movgem maintainers
 *
 * A small stand-in for IGT's library: the names and calls that the movgem
 * tests use, with IGT's meaning, on top of libdrm and libc alone. It exists
 * so that the tests can be built where IGT's headers cannot be had; nothing
 * in the tests may need more than what is named here.
 */
#ifndef IGT_CORE_H
#define IGT_CORE_H

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#ifndef IGT_LOG_DOMAIN
#define IGT_LOG_DOMAIN		(NULL)
#endif

#define IGT_EXIT_SUCCESS	0
#define IGT_EXIT_SKIP		77
#define IGT_EXIT_INVALID	79
#define IGT_EXIT_FAILURE	98
#define IGT_EXIT_ABORT		112

#ifndef __noreturn
#define __noreturn		__attribute__((noreturn))
#endif
#ifndef __maybe_unused
#define __maybe_unused		__attribute__((unused))
#endif
#define igt_shim_printf(f_, a_)	__attribute__((format(printf, f_, a_)))

#define MSEC_PER_SEC		1000ul
#define USEC_PER_SEC		1000000ul
#define NSEC_PER_USEC		1000ul
#define NSEC_PER_MSEC		1000000ul
#define NSEC_PER_SEC		1000000000ul

#define READ_ONCE(x)		(*(const volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, v)	(*(volatile __typeof__(x) *)&(x) = (v))

#define igt_shim_cat_(a, b)	a##b
#define igt_shim_cat(a, b)	igt_shim_cat_(a, b)
#define igt_unique(prefix)	igt_shim_cat(igt_shim_##prefix##_, __LINE__)

/* The kinds of guarded block: a failure inside one jumps to its end. */
enum igt_shim_kind {
	IGT_SHIM_FIXTURE,
	IGT_SHIM_SUBTEST,
	IGT_SHIM_CONTAINER,
	IGT_SHIM_DYNAMIC,
};

extern const char *__igt_test_description __attribute__((weak));
#define IGT_TEST_DESCRIPTION(str) const char *__igt_test_description = (str)

void igt_shim_init(int argc, char **argv);
bool igt_shim_enter(enum igt_shim_kind kind, const char *name,
		    const char *file, int line);
sigjmp_buf *igt_shim_env(enum igt_shim_kind kind);
bool igt_shim_leave(enum igt_shim_kind kind);
const char *igt_shim_name(char *buf, size_t len, const char *fmt, ...)
	igt_shim_printf(3, 4);
__noreturn void igt_exit(void);

/*
 * One guarded block. What is set inside a block and read behind a failure has
 * to be volatile, as with every setjmp().
 */
#define igt_shim_block(kind_, name_)					\
	for (bool igt_unique(run) = igt_shim_enter(kind_, name_,	\
						   __FILE__, __LINE__);	\
	     igt_unique(run) && !sigsetjmp(*igt_shim_env(kind_), 1);	\
	     igt_unique(run) = igt_shim_leave(kind_))

#define igt_main()							\
	main(int argc, char **argv);					\
	static void igt_shim_body(void);				\
	int main(int argc, char **argv)					\
	{								\
		igt_shim_init(argc, argv);				\
		igt_shim_body();					\
		igt_exit();						\
	}								\
	static void igt_shim_body(void)

#define igt_fixture()	igt_shim_block(IGT_SHIM_FIXTURE, "fixture")
#define igt_subtest(name) igt_shim_block(IGT_SHIM_SUBTEST, name)
#define igt_subtest_f(f...)						\
	igt_shim_block(IGT_SHIM_SUBTEST,				\
		       igt_shim_name((char [256]){ 0 }, 256, f))
#define igt_subtest_with_dynamic(name)					\
	igt_shim_block(IGT_SHIM_CONTAINER, name)
#define igt_dynamic(name) igt_shim_block(IGT_SHIM_DYNAMIC, name)
#define igt_dynamic_f(f...)						\
	igt_shim_block(IGT_SHIM_DYNAMIC,				\
		       igt_shim_name((char [256]){ 0 }, 256, f))

/* A group keeps the skip or failure of its fixtures to itself. */
int igt_shim_group_push(void);
int igt_shim_group_pop(int state);
#define igt_subtest_group()						\
	for (int igt_unique(grp) = igt_shim_group_push();		\
	     igt_unique(grp) >= 0;					\
	     igt_unique(grp) = igt_shim_group_pop(igt_unique(grp)))

const char *igt_test_name(void);
const char *igt_subtest_name(void);
bool igt_only_list_subtests(void);
bool igt_run_in_simulation(void);

void igt_describe_f(const char *fmt, ...) igt_shim_printf(1, 2);
#define igt_describe(d)		igt_describe_f("%s", d)

enum igt_log_level {
	IGT_LOG_DEBUG,
	IGT_LOG_INFO,
	IGT_LOG_WARN,
	IGT_LOG_CRITICAL,
	IGT_LOG_NONE,
};

void igt_log(const char *domain, enum igt_log_level level,
	     const char *fmt, ...) igt_shim_printf(3, 4);
#define igt_debug(f...)		igt_log(IGT_LOG_DOMAIN, IGT_LOG_DEBUG, f)
#define igt_info(f...)		igt_log(IGT_LOG_DOMAIN, IGT_LOG_INFO, f)
#define igt_warn(f...)		igt_log(IGT_LOG_DOMAIN, IGT_LOG_WARN, f)
#define igt_critical(f...)	igt_log(IGT_LOG_DOMAIN, IGT_LOG_CRITICAL, f)

__noreturn void igt_fail(int exitcode);
__noreturn void igt_skip(const char *fmt, ...) igt_shim_printf(1, 2);
__noreturn void igt_shim_skip(const char *file, int line, const char *func,
			      const char *what, const char *fmt, ...)
	igt_shim_printf(5, 6);
__noreturn void igt_shim_fail(const char *file, int line, const char *func,
			      const char *what, const char *fmt, ...)
	igt_shim_printf(5, 6);

#define igt_shim_fail_unless(ok_, what_, f...)				\
	do {								\
		if (!(ok_))						\
			igt_shim_fail(__FILE__, __LINE__, __func__,	\
				      what_, f);			\
	} while (0)

#define igt_assert(expr)	igt_shim_fail_unless(expr, #expr, NULL)
#define igt_assert_f(expr, f...) igt_shim_fail_unless(expr, #expr, f)
#define igt_fail_on(expr)	igt_assert(!(expr))
#define igt_fail_on_f(expr, f...) igt_assert_f(!(expr), f)

#define igt_shim_cmp(type_, fmt_, a_, op_, b_)				\
	do {								\
		const type_ igt_a_ = (a_), igt_b_ = (b_);		\
									\
		igt_shim_fail_unless(igt_a_ op_ igt_b_,			\
				     #a_ " " #op_ " " #b_,		\
				     "error: not " fmt_ " " #op_ " "	\
				     fmt_ "\n", igt_a_, igt_b_);	\
	} while (0)

#define igt_shim_cmp64(type_, fmt_, a_, op_, b_)			\
	do {								\
		const type_ igt_a_ = (a_), igt_b_ = (b_);		\
									\
		igt_shim_fail_unless(igt_a_ op_ igt_b_,			\
				     #a_ " " #op_ " " #b_,		\
				     "error: not " fmt_ " " #op_ " "	\
				     fmt_ "\n", (long long)igt_a_,	\
				     (long long)igt_b_);		\
	} while (0)

#define igt_assert_eq(a, b)		igt_shim_cmp(int, "%d", a, ==, b)
#define igt_assert_neq(a, b)		igt_shim_cmp(int, "%d", a, !=, b)
#define igt_assert_lt(a, b)		igt_shim_cmp(int, "%d", a, <, b)
#define igt_assert_lte(a, b)		igt_shim_cmp(int, "%d", a, <=, b)
#define igt_assert_eq_u32(a, b)		igt_shim_cmp(uint32_t, "%#x", a, ==, b)
#define igt_assert_neq_u32(a, b)	igt_shim_cmp(uint32_t, "%#x", a, !=, b)
#define igt_assert_lt_u32(a, b)		igt_shim_cmp(uint32_t, "%#x", a, <, b)
#define igt_assert_lte_u32(a, b)	igt_shim_cmp(uint32_t, "%#x", a, <=, b)
#define igt_assert_eq_u64(a, b)		igt_shim_cmp64(uint64_t, "%#llx", a, ==, b)
#define igt_assert_neq_u64(a, b)	igt_shim_cmp64(uint64_t, "%#llx", a, !=, b)
#define igt_assert_lt_u64(a, b)		igt_shim_cmp64(uint64_t, "%#llx", a, <, b)
#define igt_assert_lte_u64(a, b)	igt_shim_cmp64(uint64_t, "%#llx", a, <=, b)
#define igt_assert_eq_s64(a, b)		igt_shim_cmp64(int64_t, "%lld", a, ==, b)
#define igt_assert_lt_s64(a, b)		igt_shim_cmp64(int64_t, "%lld", a, <, b)
#define igt_assert_lte_s64(a, b)	igt_shim_cmp64(int64_t, "%lld", a, <=, b)
#define igt_assert_fd(fd)						\
	igt_assert_f((fd) >= 0, "file descriptor " #fd " failed\n")

#define igt_shim_skip_unless(ok_, what_, f...)				\
	do {								\
		if (!(ok_))						\
			igt_shim_skip(__FILE__, __LINE__, __func__,	\
				      what_, f);			\
	} while (0)

#define igt_require(expr)	igt_shim_skip_unless(expr, #expr, NULL)
#define igt_require_f(expr, f...) igt_shim_skip_unless(expr, #expr, f)
#define igt_skip_on(expr)	igt_shim_skip_unless(!(expr), "!(" #expr ")", NULL)
#define igt_skip_on_f(expr, f...)					\
	igt_shim_skip_unless(!(expr), "!(" #expr ")", f)
#define igt_require_fd(fd)						\
	igt_require_f((fd) >= 0, "file descriptor " #fd " failed\n")

#define igt_warn_on(cond) ({						\
	__typeof__(cond) igt_c_ = (cond);				\
									\
	if (igt_c_)							\
		igt_warn("Warning on condition %s in %s, %s:%d\n",	\
			 #cond, __func__, __FILE__, __LINE__);		\
	igt_c_;								\
})

/* Children: a failed assertion in one is its exit status, and fails us. */
bool igt_shim_fork(void);
#define igt_fork(child, count)						\
	for (int child = 0; child < (count); child++)			\
		for (; igt_shim_fork(); exit(0))

int __igt_waitchildren(void);
void igt_waitchildren(void);
void igt_waitchildren_timeout(int seconds, const char *reason);
void igt_kill_children(int sig);

struct igt_helper_process {
	bool running;
	bool use_SIGKILL;
	pid_t pid;
	int id;
};

bool igt_shim_fork_helper(struct igt_helper_process *proc);
#define igt_fork_helper(proc) for (; igt_shim_fork_helper(proc); exit(0))
int igt_wait_helper(struct igt_helper_process *proc);
void igt_stop_helper(struct igt_helper_process *proc);

typedef void (*igt_exit_handler_t)(int sig);
void igt_install_exit_handler(igt_exit_handler_t fn);

void igt_set_timeout(unsigned int seconds, const char *op);
void igt_reset_timeout(void);
uint64_t igt_nsec_elapsed(struct timespec *start);
/* Binary seconds, as IGT has it: what is asked for is a loop's end. */
static inline uint32_t igt_seconds_elapsed(struct timespec *start)
{
	return igt_nsec_elapsed(start) >> 30;
}

int igt_system(const char *command);
int igt_system_quiet(const char *command);
void igt_kmsg(const char *fmt, ...) igt_shim_printf(1, 2);
/* The runner is not to mind lines of the kernel in this subtest that match. */
void igt_emit_ignore_dmesg_regex(const char *ignore_dmesg_regex);

#endif /* IGT_CORE_H */
