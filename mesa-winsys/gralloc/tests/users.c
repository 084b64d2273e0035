// SPDX-License-Identifier: MIT
/*
 * Copyright (C) 2026 movgem maintainers
 *
 * Who uses a handle: buffers of one dma-buf come while others of it go.
 */
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include "test.h"

#define WIDTH	256
#define HEIGHT	80
#define LUMA	(WIDTH * HEIGHT)

/* Between what minigbm does itself, where other threads can come in between. */
enum point {
	IMPORTED,	/* not counted so far */
	RELEASED,	/* still counted */
	UNUSED,		/* not counted any more, nor destroyed so far */
};

/* What another thread would do there; the one that gets there does it for it. */
static struct {
	enum point at;
	void (*run)(void);
} meanwhile;

static void reach(enum point point)
{
	void (*run)(void) = meanwhile.run;

	if (!run || meanwhile.at != point)
		return;
	meanwhile.run = NULL;
	run();
}

/* The backend itself, while a test has its own in place of it. */
static const struct backend *real;

static int import(struct bo *bo, struct drv_import_fd_data *data)
{
	int ret = real->bo_import(bo, data);

	reach(IMPORTED);
	return ret;
}

static int release(struct bo *bo)
{
	int ret = real->bo_release ? real->bo_release(bo) : 0;

	reach(RELEASED);
	return ret;
}

static int destroy(struct bo *bo)
{
	reach(UNUSED);
	return real->bo_destroy(bo);
}

static struct alloc alloc, owner;
static struct drv_import_fd_data data;
/* Two buffers of the same dma-bufs. */
static struct bo *first, *second;

static void come(void)
{
	second = drv_bo_import(alloc.drv, &data);
	check(second);
}

static void go(void)
{
	drv_bo_destroy(first);
	first = NULL;
}

static void come_and_go(void)
{
	come();
	drv_bo_destroy(second);
	second = NULL;
}

/* A new one, which may get the handle that there was. */
static void come_go_and_make(void)
{
	come_and_go();
	second = make(&alloc, WIDTH, HEIGHT, DRM_FORMAT_NV12, USE_CPU);
	write_planes(second, 5);
}

static const struct {
	void (*run)(void);
	enum point at;
	void (*meanwhile)(void);
} encounters[] = {
	{ come, IMPORTED, go },
	{ go, RELEASED, come },
	{ go, RELEASED, come_and_go },
	{ go, UNUSED, come },
	{ go, UNUSED, come_and_go },
	{ go, UNUSED, come_go_and_make },
};

/* An image of two dma-bufs of another allocator, or of this one. */
static void describe_two(struct bo *luma, struct bo *chroma)
{
	data = (struct drv_import_fd_data){
		.fds = { drv_bo_get_plane_fd(luma, 0),
			 drv_bo_get_plane_fd(chroma, 0) },
		.strides = { WIDTH, WIDTH }, .width = WIDTH, .height = HEIGHT,
		.format = DRM_FORMAT_NV12,
		.format_modifier = DRM_FORMAT_MOD_LINEAR, .use_flags = USE_CPU,
	};
	check(data.fds[0] >= 0 && data.fds[1] >= 0);
}

static void make_one(void)
{
	first = make(&alloc, WIDTH, HEIGHT, DRM_FORMAT_NV12, USE_CPU);
	describe(first, &data);
}

static void make_two(void)
{
	struct bo *luma = make(&owner, LUMA, 1, DRM_FORMAT_R8, USE_CPU);
	struct bo *chroma = make(&owner, LUMA / 2, 1, DRM_FORMAT_R8, USE_CPU);

	describe_two(luma, chroma);
	drv_bo_destroy(luma);
	drv_bo_destroy(chroma);
	first = drv_bo_import(alloc.drv, &data);
	check(first && first->handles[0].u32 != first->handles[1].u32);
}

static void encounter(unsigned int i)
{
	write_planes(first, 5);
	meanwhile.at = encounters[i].at;
	meanwhile.run = encounters[i].meanwhile;
	encounters[i].run();
	check(!meanwhile.run && !first);
	close_fds(&data, 2);
	if (second) {
		/* Its map would live on without the handle; this asks for the latter. */
		check(!pins(&alloc, second));
		expect_planes(second, 5);
		drv_bo_destroy(second);
		second = NULL;
	}
}

/* Every order in which one comes and the other goes, without any luck. */
void test_users(void)
{
	struct backend backend;
	struct left left;

	alloc_open(&alloc);
	alloc_open(&owner);
	left_begin(&alloc, &left);
	real = alloc.drv->backend;
	backend = *real;
	backend.bo_import = import;
	backend.bo_release = release;
	backend.bo_destroy = destroy;
	alloc.drv->backend = &backend;
	for (unsigned int i = 0; i < ARRAY_SIZE(encounters); i++) {
		make_one();
		encounter(i);
		make_two();
		encounter(i);
		left_end(&alloc, &left);
	}
	alloc.drv->backend = real;
	alloc_close(&alloc);
	alloc_close(&owner);
}

/* The image of two dma-bufs, for lack of memory: none of it. */
static void import_in_vain(unsigned int insert)
{
	failing_insert = insert;
	check(!drv_bo_import(alloc.drv, &data));
	check(!failing_insert);
}

/* Without memory for one of its handles a buffer has no other one either, and
 * those that others have stay.
 */
void test_no_memory(void)
{
	struct bo *luma, *chroma;
	struct left left;

	alloc_open(&alloc);
	alloc_open(&owner);
	left_begin(&alloc, &left);
	failing_insert = 1;
	check(!drv_bo_create(alloc.drv, WIDTH, HEIGHT, DRM_FORMAT_NV12,
			     USE_CPU));
	left_end(&alloc, &left);

	luma = make(&owner, LUMA, 1, DRM_FORMAT_R8, USE_CPU);
	chroma = make(&owner, LUMA / 2, 1, DRM_FORMAT_R8, USE_CPU);
	describe_two(luma, chroma);
	drv_bo_destroy(luma);
	drv_bo_destroy(chroma);
	import_in_vain(1);
	import_in_vain(2);
	close_fds(&data, 2);
	left_end(&alloc, &left);

	luma = make(&alloc, LUMA, 1, DRM_FORMAT_R8, USE_CPU);
	chroma = make(&owner, LUMA / 2, 1, DRM_FORMAT_R8, USE_CPU);
	write_planes(luma, 6);
	describe_two(luma, chroma);
	import_in_vain(1);
	expect_planes(luma, 6);
	drv_bo_destroy(luma);
	drv_bo_destroy(chroma);
	close_fds(&data, 2);
	left_end(&alloc, &left);
	alloc_close(&alloc);
	alloc_close(&owner);
}

/* Not by drv_bo_map(): minigbm forgets all maps of a handle whose last user goes,
 * without a look at who has come since then. gralloc has a lock around it all.
 */
static void *map_of(struct bo *bo)
{
	struct vma vma = {};
	void *map = bo->drv->backend->bo_map(bo, &vma, 0, BO_MAP_READ_WRITE);

	check(map != MAP_FAILED);
	return map;
}

static void *come_and_go_often(void *arg)
{
	for (unsigned int i = 0; i < 1000; i++) {
		struct bo *bo = drv_bo_import(alloc.drv, &data);
		int dmabuf;

		check(bo);
		expect_words(map_of(bo), LUMA, 3);
		dmabuf = drv_bo_get_plane_fd(bo, 0);
		check(dmabuf >= 0);
		close(dmabuf);
		drv_bo_destroy(bo);
	}
	return NULL;
}

/* The same by threads, none of which waits for another one. */
void test_users_threads(void)
{
	pthread_t threads[4];
	struct left left;
	struct bo *bo;

	alloc_open(&alloc);
	alloc_open(&owner);
	left_begin(&alloc, &left);
	bo = make(&owner, LUMA, 1, DRM_FORMAT_R8, USE_CPU);
	describe(bo, &data);
	fill_words(map_of(bo), LUMA, 3);
	for (unsigned int i = 0; i < 4; i++)
		check(!pthread_create(&threads[i], NULL, come_and_go_often,
				      NULL));
	for (unsigned int i = 0; i < 4; i++)
		check(!pthread_join(threads[i], NULL));
	expect_words(map_of(bo), LUMA, 3);
	drv_bo_destroy(bo);
	close_fds(&data, 1);
	left_end(&alloc, &left);
	alloc_close(&alloc);
	alloc_close(&owner);
}
