// SPDX-License-Identifier: MIT
/*
 * Copyright (C) 2026 movgem maintainers
 *
 * Many buffers at a time, many threads, and what debugfs says of them.
 */
#include <pthread.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "test.h"

#define COUNT	1000

/* A buffer's name tells what it is, and others see it. */
void test_label(void)
{
	struct movgem_bo *mbo;
	struct alloc alloc;
	struct bo *bo;

	alloc_open(&alloc);
	expect_gems("gralloc*", 0, 0);
	for (unsigned int f = 0; f < num_formats; f++) {
		uint32_t format = drv_get_standard_fourcc(formats[f].format);
		char label[DRM_MOVGEM_BO_LABEL_MAX];

		bo = make(&alloc, 100 + f, 50, formats[f].format,
			  BO_USE_TEXTURE | USE_CPU);
		snprintf(label, sizeof(label), "gralloc %ux50 %.4s 0x%llx",
			 100 + f, (const char *)&format,
			 (unsigned long long)(BO_USE_TEXTURE | USE_CPU));
		expect_gems(label, 0, 1);
		expect_gems("gralloc*", 0, 1);
		drv_bo_destroy(bo);
		expect_gems("gralloc*", 0, 0);
	}

	/* Who knows a better one, such as the buffer's name in Android, says so. */
	bo = make(&alloc, 16384, 1, DRM_FORMAT_ABGR16161616F,
		  BO_USE_TEXTURE | USE_CPU);
	mbo = get_bo(&alloc, bo);
	check_ret(movgem_bo_set_label(mbo, "SurfaceView[com.example]#0"), 0);
	expect_gems("SurfaceView[com.example]#0", 0, 1);
	expect_gems("gralloc*", 0, 0);
	movgem_bo_unref(mbo);
	drv_bo_destroy(bo);
	alloc_close(&alloc);
}

static void more_files(void)
{
	struct rlimit limit;

	check(!getrlimit(RLIMIT_NOFILE, &limit));
	if (limit.rlim_cur < 2 * COUNT) {
		limit.rlim_cur = 2 * COUNT;
		if (limit.rlim_max < limit.rlim_cur)
			limit.rlim_max = limit.rlim_cur;
		check(!setrlimit(RLIMIT_NOFILE, &limit));
	}
}

/* Pages of them that have moved so far; none is pinned. */
static unsigned long moved_pages(void)
{
	FILE *file = open_gems();
	unsigned long count = 0;
	struct gem gem;

	while (next_gem(file, &gem)) {
		if (strncmp(gem.label, "gralloc", 7))
			continue;
		if (gem.pins)
			fail("BO %lu is pinned", gem.id);
		count += gem.moved;
	}
	return count;
}

/* 1,000 of them, of every format, each with a dma-buf as gralloc has it. */
void test_many(void)
{
	static struct bo *bos[COUNT];
	static int fds[COUNT];
	unsigned int round;
	unsigned long start;
	struct alloc alloc;
	struct left left;

	more_files();
	alloc_open(&alloc);
	left_begin(&alloc, &left);
	for (unsigned int i = 0; i < COUNT; i++) {
		bos[i] = make(&alloc, 20 + i % 50, 16 + i % 7,
			      formats[i % num_formats].format, BO_USE_TEXTURE);
		fds[i] = drv_bo_get_plane_fd(bos[i], 0);
		check(fds[i] >= 0);
		write_planes(bos[i], i);
	}
	expect_gems("gralloc*", 0, COUNT);
	start = moved_pages();
	for (round = 0; round < 2 || moved_pages() < start + COUNT; round++) {
		for (unsigned int i = 0; i < COUNT; i++) {
			expect_planes(bos[i], i + round);
			write_planes(bos[i], i + round + 1);
		}
	}
	printf("    %lu pages moved\n", moved_pages() - start);

	/* When every other one has gone, the rest are as they were. */
	for (unsigned int i = 0; i < COUNT; i += 2) {
		drv_bo_destroy(bos[i]);
		close(fds[i]);
	}
	expect_gems("gralloc*", 0, COUNT / 2);
	for (unsigned int i = 1; i < COUNT; i += 2) {
		expect_planes(bos[i], i + round);
		close(fds[i]);
		drv_bo_destroy(bos[i]);
	}
	left_end(&alloc, &left);
	alloc_close(&alloc);
}

struct worker {
	struct alloc *alloc;
	unsigned int number;
};

static void *work(void *arg)
{
	struct worker *worker = arg;

	for (unsigned int i = 0; i < 60; i++) {
		const struct format *format =
			&formats[(i + worker->number) % num_formats];
		unsigned int seed = worker->number * 1000 + i;
		struct drv_import_fd_data data;
		struct bo *bo, *again;

		bo = make(worker->alloc, 30 + i, 20, format->format, USE_CPU);
		write_planes(bo, seed);
		describe(bo, &data);
		again = drv_bo_import(worker->alloc->drv, &data);
		check(again);
		close_fds(&data, format->planes);
		drv_bo_destroy(bo);
		expect_planes(again, seed);
		drv_bo_destroy(again);
	}
	return NULL;
}

/* Threads of one allocator: none gets another one's buffer. */
void test_threads(void)
{
	struct worker workers[4];
	pthread_t threads[4];
	struct alloc alloc;
	struct left left;

	alloc_open(&alloc);
	left_begin(&alloc, &left);
	for (unsigned int i = 0; i < 4; i++) {
		workers[i] = (struct worker){ &alloc, i };
		check(!pthread_create(&threads[i], NULL, work, &workers[i]));
	}
	for (unsigned int i = 0; i < 4; i++)
		check(!pthread_join(threads[i], NULL));
	left_end(&alloc, &left);
	alloc_close(&alloc);
}
