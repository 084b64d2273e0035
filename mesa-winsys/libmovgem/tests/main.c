// SPDX-License-Identifier: MIT
/*
 * Copyright (C) 2026 movgem maintainers
 *
 * Tests of libmovgem, as a program that is linked with it. See run_tests().
 */
#include "test.h"

static const struct test tests[] = {
	{ "device", test_device },
	{ "bo", test_bo },
	{ "errors", test_errors },
	{ "share", test_share },
	{ "slack", test_slack },
	{ "cache", test_cache },
	{ "cache-limits", test_cache_limits },
	{ "threads", test_threads },
	{ "meet", test_meet },
	{ "jobs", test_jobs },
	{ "faults", test_faults },
	{ "bind", test_bind },
	{ "bind-full", test_bind_full },
	{ "bind-signals", test_bind_signals },
	{ "syncobj", test_syncobj },
	{ "timeline", test_timeline },
};

int main(int argc, char **argv)
{
	return run_tests(argc, argv, tests, sizeof(tests) / sizeof(*tests),
			 "all");
}
