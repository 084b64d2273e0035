// SPDX-License-Identifier: MIT
/*
 * Copyright (C) 2026 movgem maintainers
 *
 * Lock and unlock, and fences, while the GPU works on the buffers.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>
#include <xf86drm.h>

#include "test.h"

#define WIDTH	250
#define HEIGHT	131
#define FORMAT	DRM_FORMAT_ABGR8888
#define USE	(USE_CPU | BO_USE_RENDERING | BO_USE_TEXTURE)

/* A buffer for the CPU, for the GPU, and of libmovgem's. */
struct image {
	struct bo *bo;
	struct movgem_bo *mbo;
	uint64_t va;
};

static void image_make(struct alloc *alloc, struct gpu *gpu,
		       struct image *image)
{
	image->bo = make(alloc, WIDTH, HEIGHT, FORMAT, USE);
	image->mbo = get_bo(alloc, image->bo);
	image->va = gpu_bind(gpu, image->mbo);
}

static void image_destroy(struct image *image)
{
	movgem_bo_unref(image->mbo);
	drv_bo_destroy(image->bo);
}

static void copy(struct gpu *gpu, const struct image *dst,
		 const struct image *src, bool gate, uint32_t wait,
		 uint32_t done)
{
	gpu_copy(gpu, dst->va, src->va, dst->bo->meta.sizes[0], gate, wait,
		 done);
}

/* The CPU writes, the GPU copies, the CPU reads, until the pages have moved. */
void test_lock(void)
{
	struct image src, dst;
	struct alloc alloc;
	struct left left;
	struct gpu gpu;
	unsigned int i;

	alloc_open(&alloc);
	left_begin(&alloc, &left);
	gpu_open(&gpu, alloc.dev);
	image_make(&alloc, &gpu, &src);
	image_make(&alloc, &gpu, &dst);
	for (i = 0; i < 20 || !moved(&alloc, src.bo) || !moved(&alloc, dst.bo);
	     i++) {
		write_planes(src.bo, i);
		copy(&gpu, &dst, &src, false, 0, 0);
		/* That it waits for the copy is for the lock to see to. */
		expect_planes(dst.bo, i);
		expect_planes(src.bo, i);
		gpu_finish(&gpu);
	}
	printf("    %u rounds, %llu pages moved\n", i,
	       (unsigned long long)(moved(&alloc, src.bo) +
				    moved(&alloc, dst.bo)));
	image_destroy(&src);
	image_destroy(&dst);
	gpu_close(&gpu);
	left_end(&alloc, &left);
	alloc_close(&alloc);
}

static volatile bool released;

static void *release_later(void *gpu)
{
	usleep(300 * 1000);
	released = true;
	gpu_open_gate(gpu);
	return NULL;
}

/* A lock waits for a job that is certain not to have begun; no page of the
 * buffer need be there in its old place when it goes on.
 */
void test_lock_waits(void)
{
	static const uint32_t flags[] = {
		BO_MAP_READ, BO_MAP_WRITE, BO_MAP_READ_WRITE,
	};
	struct image src, dst;
	struct alloc alloc;
	struct gpu gpu;

	alloc_open(&alloc);
	gpu_open(&gpu, alloc.dev);
	image_make(&alloc, &gpu, &src);
	image_make(&alloc, &gpu, &dst);
	for (unsigned int i = 0; i < ARRAY_SIZE(flags); i++) {
		struct mapping *mapping;
		pthread_t thread;
		void *map;

		write_planes(src.bo, i);
		released = false;
		copy(&gpu, &dst, &src, true, 0, 0);
		check_ret(movgem_bo_wait(dst.mbo, 0), -ETIME);
		check(!pthread_create(&thread, NULL, release_later, &gpu));
		map = lock(dst.bo, flags[i], 0, &mapping);
		if (!released)
			fail("a lock has not waited for the GPU");
		unlock(dst.bo, mapping);
		check(!pthread_join(thread, NULL));
		expect_planes(dst.bo, i);

		/* What is locked stays where it is for the CPU. */
		check(lock(dst.bo, flags[i], 0, &mapping) == map);
		check_ret(drv_bo_invalidate(dst.bo, mapping), 0);
		unlock(dst.bo, mapping);
		gpu_finish(&gpu);
	}
	image_destroy(&src);
	image_destroy(&dst);
	gpu_close(&gpu);
	alloc_close(&alloc);
}

/* Locks inside a lock, which may be for more than that one: gralloc has the
 * mapping of the first one invalidated, and of all unlocks only the last one
 * comes by here.
 */
void test_lock_nested(void)
{
	static const uint32_t flags[] = {
		BO_MAP_READ, BO_MAP_WRITE, BO_MAP_READ_WRITE,
	};
	const uint32_t all = MOVGEM_ACCESS_READ | MOVGEM_ACCESS_WRITE;
	struct alloc alloc;
	struct bo *bo;

	alloc_open(&alloc);
	bo = make(&alloc, WIDTH, HEIGHT, FORMAT, USE);
	for (unsigned int i = 0; i < ARRAY_SIZE(flags); i++) {
		struct mapping *mapping;
		void *map = lock(bo, flags[i], 0, &mapping);

		access_begun = 0;
		access_ended = 0;
		check_ret(drv_bo_invalidate(bo, mapping), 0);
		check_ret(access_begun, all);
		fill_words(map, bo->meta.sizes[0], i);
		unlock(bo, mapping);
		check_ret(access_ended, all);

		expect_words(lock(bo, BO_MAP_READ, 0, &mapping),
			     bo->meta.sizes[0], i);
		unlock(bo, mapping);
	}
	drv_bo_destroy(bo);
	alloc_close(&alloc);
}

static uint32_t new_syncobj(struct alloc *alloc)
{
	uint32_t syncobj;

	check_ret(movgem_syncobj_create(alloc->dev, false, &syncobj), 0);
	return syncobj;
}

/* A sync_file of a job that waits at its gate. */
static int pending_copy(struct alloc *alloc, struct gpu *gpu,
			const struct image *dst, const struct image *src)
{
	uint32_t done = new_syncobj(alloc);
	int sync_file;

	copy(gpu, dst, src, true, 0, done);
	check_ret(movgem_syncobj_export_sync_file(alloc->dev, done, 0,
						  &sync_file), 0);
	check_ret(movgem_syncobj_destroy(alloc->dev, done), 0);
	check_ret(movgem_sync_file_wait(sync_file, 0), -ETIME);
	return sync_file;
}

/* One process draws (here: copies) into a buffer and hands it on with a fence;
 * another one, by a file of its own, has a job wait for that.
 */
static void hand_on(struct alloc *alloc, struct gpu *gpu, unsigned int seed,
		    uint64_t point)
{
	struct image src, drawn, shown;
	struct drv_import_fd_data data;
	struct image imported;
	uint32_t acquire, done;
	int sync_file, out;

	image_make(&alloc[0], &gpu[0], &src);
	image_make(&alloc[0], &gpu[0], &drawn);
	image_make(&alloc[1], &gpu[1], &shown);
	write_planes(src.bo, seed);
	write_planes(drawn.bo, seed + 1);
	describe(drawn.bo, &data);
	imported.bo = drv_bo_import(alloc[1].drv, &data);
	check(imported.bo);
	close_fds(&data, 1);
	imported.mbo = get_bo(&alloc[1], imported.bo);
	imported.va = gpu_bind(&gpu[1], imported.mbo);

	sync_file = pending_copy(&alloc[0], &gpu[0], &drawn, &src);
	acquire = new_syncobj(&alloc[1]);
	check_ret(movgem_syncobj_import_sync_file(alloc[1].dev, acquire, point,
						  sync_file), 0);
	if (point) {
		/* Jobs that wait for points are movgem_client's; here by a
		 * binary one, through a sync_file again.
		 */
		check_ret(movgem_syncobj_export_sync_file(alloc[1].dev, acquire,
							  point, &out), 0);
		check_ret(movgem_syncobj_destroy(alloc[1].dev, acquire), 0);
		acquire = new_syncobj(&alloc[1]);
		check_ret(movgem_syncobj_import_sync_file(alloc[1].dev, acquire,
							  0, out), 0);
		close(out);
	}
	done = new_syncobj(&alloc[1]);
	copy(&gpu[1], &shown, &imported, false, acquire, done);
	check_ret(movgem_syncobj_export_sync_file(alloc[1].dev, done, 0, &out),
		  0);
	check_ret(movgem_sync_file_wait(out, movgem_deadline(100000000)),
		  -ETIME);

	gpu_open_gate(&gpu[0]);
	check_ret(movgem_sync_file_wait(out, INT64_MAX), 0);
	check_ret(movgem_sync_file_wait(sync_file, 0), 0);
	expect_planes(shown.bo, seed);
	expect_planes(imported.bo, seed);
	gpu_finish(&gpu[0]);
	gpu_finish(&gpu[1]);

	close(out);
	close(sync_file);
	check_ret(movgem_syncobj_destroy(alloc[1].dev, acquire), 0);
	check_ret(movgem_syncobj_destroy(alloc[1].dev, done), 0);
	image_destroy(&imported);
	image_destroy(&shown);
	image_destroy(&drawn);
	image_destroy(&src);
}

/* A fence that is in a buffer: others find it there, and a lock waits for it. */
static void fence_inside(struct alloc *alloc, struct gpu *gpu)
{
	struct mapping *mapping;
	struct image src, dst;
	struct bo *other = make(alloc, WIDTH, HEIGHT, FORMAT, USE);
	struct movgem_bo *mbo = get_bo(alloc, other);
	int sync_file, found;
	pthread_t thread;

	image_make(alloc, gpu, &src);
	image_make(alloc, gpu, &dst);
	sync_file = pending_copy(alloc, gpu, &dst, &src);

	check_ret(movgem_bo_import_sync_file(mbo, MOVGEM_ACCESS_WRITE,
					     sync_file), 0);
	check_ret(movgem_bo_export_sync_file(mbo, MOVGEM_ACCESS_READ, &found),
		  0);
	check_ret(movgem_sync_file_wait(found, 0), -ETIME);
	released = false;
	check(!pthread_create(&thread, NULL, release_later, gpu));
	lock(other, BO_MAP_READ, 0, &mapping);
	if (!released)
		fail("a lock has not waited for the fence in the buffer");
	unlock(other, mapping);
	check_ret(movgem_sync_file_wait(found, 0), 0);
	check(!pthread_join(thread, NULL));
	close(found);
	close(sync_file);
	movgem_bo_unref(mbo);
	drv_bo_destroy(other);
	gpu_finish(gpu);
	image_destroy(&src);
	image_destroy(&dst);
}

void test_fences(void)
{
	struct alloc alloc[2];
	struct left left;
	struct gpu gpu[2];

	for (int i = 0; i < 2; i++)
		alloc_open(&alloc[i]);
	left_begin(&alloc[0], &left);
	for (int i = 0; i < 2; i++)
		gpu_open(&gpu[i], alloc[i].dev);
	for (unsigned int i = 0; i < 3; i++) {
		hand_on(alloc, gpu, 10 * i, 0);
		hand_on(alloc, gpu, 10 * i + 5, i + 1);
	}
	fence_inside(&alloc[0], &gpu[0]);
	for (int i = 0; i < 2; i++)
		gpu_close(&gpu[i]);
	left_end(&alloc[0], &left);
	for (int i = 0; i < 2; i++)
		alloc_close(&alloc[i]);
}

/* Another driver produces: a job of movgem's waits for its fence. */
static void from_vgem(struct alloc *alloc, struct gpu *gpu, int vgem,
		      uint32_t handle, struct movgem_bo *mbo)
{
	uint32_t fence = 0, acquire = new_syncobj(alloc);
	struct image src, dst;
	int sync_file;

	image_make(alloc, gpu, &src);
	image_make(alloc, gpu, &dst);
	write_planes(src.bo, 3);
	write_planes(dst.bo, 4);
	check_ret(vgem_attach_fence(vgem, handle, &fence), 0);
	check_ret(movgem_bo_export_sync_file(mbo, MOVGEM_ACCESS_READ,
					     &sync_file), 0);
	check_ret(movgem_sync_file_wait(sync_file, 0), -ETIME);
	check_ret(movgem_syncobj_import_sync_file(alloc->dev, acquire, 0,
						  sync_file), 0);
	copy(gpu, &dst, &src, false, acquire, 0);
	check_ret(movgem_bo_wait(dst.mbo, movgem_deadline(100000000)), -ETIME);
	vgem_signal_fence(vgem, fence);
	expect_planes(dst.bo, 3);
	check_ret(movgem_sync_file_wait(sync_file, 0), 0);
	close(sync_file);
	check_ret(movgem_syncobj_destroy(alloc->dev, acquire), 0);
	gpu_finish(gpu);
	image_destroy(&src);
	image_destroy(&dst);
}

/* movgem produces: vgem does not take a buffer that has its fence. */
static void to_vgem(struct alloc *alloc, struct gpu *gpu, int vgem,
		    uint32_t handle, struct movgem_bo *mbo)
{
	struct image src, dst;
	uint32_t fence = 0;
	int sync_file;

	image_make(alloc, gpu, &src);
	image_make(alloc, gpu, &dst);
	sync_file = pending_copy(alloc, gpu, &dst, &src);
	check_ret(movgem_bo_import_sync_file(mbo, MOVGEM_ACCESS_WRITE,
					     sync_file), 0);
	check_ret(vgem_attach_fence(vgem, handle, &fence), -EBUSY);
	gpu_open_gate(gpu);
	check_ret(movgem_sync_file_wait(sync_file, INT64_MAX), 0);
	check_ret(vgem_attach_fence(vgem, handle, &fence), 0);
	vgem_signal_fence(vgem, fence);
	close(sync_file);
	gpu_finish(gpu);
	image_destroy(&src);
	image_destroy(&dst);
}

void test_foreign_fences(void)
{
	struct drm_mode_create_dumb dumb = {
		.width = 64, .height = 64, .bpp = 32,
	};
	int vgem = open_driver("vgem"), dmabuf;
	struct movgem_bo *mbo;
	struct alloc alloc;
	struct left left;
	struct gpu gpu;

	if (vgem < 0)
		fail("vgem is not loaded");
	check(!drmIoctl(vgem, DRM_IOCTL_MODE_CREATE_DUMB, &dumb));
	alloc_open(&alloc);
	left_begin(&alloc, &left);
	gpu_open(&gpu, alloc.dev);
	check(!drmPrimeHandleToFD(vgem, dumb.handle, DRM_CLOEXEC | DRM_RDWR,
				  &dmabuf));
	check_ret(movgem_bo_import(alloc.dev, dmabuf, &mbo), 0);
	close(dmabuf);
	check(movgem_bo_is_foreign(mbo));
	for (int i = 0; i < 3; i++) {
		from_vgem(&alloc, &gpu, vgem, dumb.handle, mbo);
		to_vgem(&alloc, &gpu, vgem, dumb.handle, mbo);
	}
	movgem_bo_unref(mbo);
	gpu_close(&gpu);
	left_end(&alloc, &left);
	alloc_close(&alloc);
	close(vgem);
}
