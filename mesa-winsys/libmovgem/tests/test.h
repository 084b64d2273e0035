/* SPDX-License-Identifier: MIT */
/*
 * Copyright (C) 2026 movgem maintainers
 *
 * What the tests of libmovgem share.
 */
#ifndef CLIENT_TEST_H
#define CLIENT_TEST_H

#include <movgem.h>

#include "gpu.h"
#include "testlib.h"

/* On a file of its own. */
struct movgem_device *open_device(void);

struct movgem_bo *make(struct movgem_device *dev, uint64_t size,
		       const char *label);
void *map_of(struct movgem_bo *bo);

void test_device(void);
void test_bo(void);
void test_errors(void);
void test_share(void);
void test_slack(void);
void test_cache(void);
void test_cache_limits(void);
void test_threads(void);
void test_meet(void);
void test_jobs(void);
void test_faults(void);
void test_bind(void);
void test_bind_full(void);
void test_bind_signals(void);
void test_syncobj(void);
void test_timeline(void);

#endif
