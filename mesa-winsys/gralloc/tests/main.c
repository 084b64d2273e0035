// SPDX-License-Identifier: MIT
/*
 * Copyright (C) 2026 movgem maintainers
 *
 * Tests of the gralloc backend: what Android's allocator asks of it, on the
 * driver, while the pages of all buffers are moved. See run_tests().
 */
#include "test.h"

static const struct test tests[] = {
	{ "formats", test_formats },
	{ "content", test_content },
	{ "resolve", test_resolve },
	{ "modifiers", test_modifiers },
	{ "bad", test_bad },
	{ "lock", test_lock },
	{ "lock-waits", test_lock_waits },
	{ "lock-nested", test_lock_nested },
	{ "fences", test_fences },
	{ "foreign-fences", test_foreign_fences },
	{ "process", test_process },
	{ "same-file", test_same_file },
	{ "vgem", test_vgem },
	{ "heap", test_heap },
	{ "label", test_label },
	{ "many", test_many },
	{ "threads", test_threads },
	{ "users", test_users },
	{ "users-threads", test_users_threads },
	{ "no-memory", test_no_memory },
};

int main(int argc, char **argv)
{
	return run_tests(argc, argv, tests, ARRAY_SIZE(tests), "all");
}
