/* SPDX-License-Identifier: MIT */
/*
 * Copyright (C) 2026 movgem maintainers
 *
 * What the tests of the gralloc backend share.
 */
#ifndef GRALLOC_TEST_H
#define GRALLOC_TEST_H

#include <movgem.h>

#include "drv_priv.h"
#include "gpu.h"
#include "testlib.h"
#include "util.h"

/* What Android asks for most often. */
#define USE_CPU		(BO_USE_SW_READ_OFTEN | BO_USE_SW_WRITE_OFTEN)

/* A format and all that its buffers can be used for. */
struct format {
	uint32_t format;
	const char *name;
	unsigned int planes;
	/* Bytes of a pixel of each plane. */
	unsigned int bytes[3];
	uint64_t uses;
};

extern const struct format formats[];
extern const unsigned int num_formats;

/* What is there of the device, so that a test can tell that nothing is left. */
struct left {
	uint64_t bos;
	unsigned int fds;
};

/* An allocator on a node of its own. */
struct alloc {
	int fd;
	struct driver *drv;
	struct movgem_device *dev;
};

void alloc_open(struct alloc *alloc);
void alloc_close(struct alloc *alloc);

void left_begin(struct alloc *alloc, struct left *left);
/* That all is as it was. */
void left_end(struct alloc *alloc, const struct left *left);

struct bo *make(struct alloc *alloc, uint32_t width, uint32_t height,
		uint32_t format, uint64_t use_flags);

/* Lock and unlock of a plane, as gralloc does it. */
void *lock(struct bo *bo, uint32_t flags, size_t plane,
	   struct mapping **mapping);
void unlock(struct bo *bo, struct mapping *mapping);

/* Writes all planes, each byte of them, or compares them. */
void write_planes(struct bo *bo, uint32_t seed);
void expect_planes(struct bo *bo, uint32_t seed);

/* libmovgem's own buffer of it, with a reference. */
struct movgem_bo *get_bo(struct alloc *alloc, struct bo *bo);
uint64_t moved(struct alloc *alloc, struct bo *bo);
unsigned int pins(struct alloc *alloc, struct bo *bo);

/* Fills in what another process has to know of a buffer, with new dma-bufs. */
void describe(struct bo *bo, struct drv_import_fd_data *data);
void close_fds(struct drv_import_fd_data *data, size_t planes);

/* What the backend asks of the libraries goes through wrap.c: all accesses that
 * have begun and ended since a test set these to 0.
 */
extern uint32_t access_begun, access_ended;
/* Which one of the next inserts into a table is to fail, the first being 1. */
extern unsigned int failing_insert;

/* The tests */

void test_formats(void);
void test_content(void);
void test_resolve(void);
void test_modifiers(void);
void test_bad(void);
void test_lock(void);
void test_lock_waits(void);
void test_lock_nested(void);
void test_fences(void);
void test_foreign_fences(void);
void test_process(void);
void test_same_file(void);
void test_vgem(void);
void test_heap(void);
void test_label(void);
void test_many(void);
void test_threads(void);
void test_users(void);
void test_users_threads(void);
void test_no_memory(void);

#endif
