// SPDX-License-Identifier: MIT
/*
 * Copyright (C) 2026 movgem maintainers
 *
 * Buffers that others have as well: another process, another allocator of the
 * same file, another driver.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <linux/dma-heap.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xf86drm.h>

#include "test.h"

#define ROUNDS	10

/* A new buffer, or that the last one is as seed says. */
struct message {
	struct drv_import_fd_data data;
	uint32_t seed;
	bool fresh;
};

/* The other process: compares what it gets, and writes something else. */
static void consumer(int socket)
{
	struct bo *bo = NULL;
	struct message message;
	struct alloc alloc;

	alloc_open(&alloc);
	for (;;) {
		struct message *m = &message;
		unsigned int planes;

		/* A message without descriptors says how many the next has. */
		if (!receive_fds(socket, &planes, sizeof(planes), NULL, 0))
			break;
		check(receive_fds(socket, m, sizeof(*m), m->data.fds, planes));
		if (m->fresh) {
			if (bo)
				drv_bo_destroy(bo);
			bo = drv_bo_import(alloc.drv, &m->data);
			check(bo);
			close_fds(&m->data, planes);
		}
		expect_planes(bo, m->seed);
		write_planes(bo, m->seed + 1);
		check(write(socket, "", 1) == 1);
	}
	drv_bo_destroy(bo);
	alloc_close(&alloc);
}

static void hand_over(int socket, struct message *message, unsigned int planes)
{
	int fds[DRV_MAX_PLANES];
	char done;

	memcpy(fds, message->data.fds, sizeof(fds));
	send_fds(socket, &planes, sizeof(planes), NULL, 0);
	send_fds(socket, message, sizeof(*message), fds, planes);
	if (read(socket, &done, 1) != 1)
		fail("the other process has ended");
}

static void producer(int socket, struct alloc *alloc,
		     const struct format *format)
{
	struct bo *bo = make(alloc, 130, 66, format->format, BO_USE_TEXTURE);
	struct message message = {};

	for (unsigned int i = 0; i < ROUNDS || !moved(alloc, bo); i++) {
		message.fresh = !i;
		message.seed = i * 2;
		write_planes(bo, message.seed);
		if (!i)
			describe(bo, &message.data);
		hand_over(socket, &message, i ? 0 : format->planes);
		if (!i)
			close_fds(&message.data, format->planes);
		expect_planes(bo, message.seed + 1);
	}
	check(!pins(alloc, bo));
	drv_bo_destroy(bo);
}

void test_process(void)
{
	struct alloc alloc;
	pid_t process;
	int socket;

	socket = start_process(consumer, &process);
	alloc_open(&alloc);
	for (unsigned int f = 0; f < num_formats; f++)
		producer(socket, &alloc, &formats[f]);
	alloc_close(&alloc);
	end_process(socket, process);
}

/* Two allocators on one open file have the same GEM handles: what one of them
 * is done with, the other one keeps.
 */
void test_same_file(void)
{
	struct drv_import_fd_data data;
	struct alloc alloc[2];
	struct bo *bo, *other;
	struct left left;

	alloc_open(&alloc[0]);
	left_begin(&alloc[0], &left);
	alloc[1].fd = dup(alloc[0].fd);
	alloc[1].drv = drv_create(alloc[1].fd);
	check(alloc[1].drv);
	check_ret(movgem_device_create(alloc[1].fd, &alloc[1].dev), 0);
	check(alloc[0].dev == alloc[1].dev);

	bo = make(&alloc[1], 64, 64, DRM_FORMAT_NV12, USE_CPU);
	write_planes(bo, 1);
	describe(bo, &data);
	other = drv_bo_import(alloc[0].drv, &data);
	close_fds(&data, 2);
	check(other);
	check(other->handles[0].u32 == bo->handles[0].u32);
	expect_planes(other, 1);
	drv_bo_destroy(bo);
	expect_planes(other, 1);
	/* Its map would live on without the handle; this asks for the latter. */
	check(!pins(&alloc[0], other));

	/* An allocator that ends with buffers left. */
	make(&alloc[1], 64, 64, DRM_FORMAT_NV12, USE_CPU);
	alloc_close(&alloc[1]);
	expect_planes(other, 1);
	write_planes(other, 2);
	expect_planes(other, 2);
	drv_bo_destroy(other);
	left_end(&alloc[0], &left);
	alloc_close(&alloc[0]);
}

static void sync_dmabuf(int dmabuf, uint64_t flags)
{
	struct dma_buf_sync args = { .flags = flags };

	check(!ioctl(dmabuf, DMA_BUF_IOCTL_SYNC, &args));
}

/* Of another driver: the dma-buf, and where it is mapped by that. */
struct foreign {
	int dmabuf;
	size_t size;
	uint8_t *map;
};

static void foreign_vgem(int vgem, struct foreign *foreign, size_t size)
{
	struct drm_mode_create_dumb dumb = {
		.width = size / 4, .height = 1, .bpp = 32,
	};
	struct drm_mode_map_dumb offset = {};

	check(!drmIoctl(vgem, DRM_IOCTL_MODE_CREATE_DUMB, &dumb));
	offset.handle = dumb.handle;
	check(!drmIoctl(vgem, DRM_IOCTL_MODE_MAP_DUMB, &offset));
	foreign->size = dumb.size;
	foreign->map = mmap(NULL, dumb.size, PROT_READ | PROT_WRITE, MAP_SHARED,
			    vgem, offset.offset);
	check(foreign->map != MAP_FAILED);
	check(!drmPrimeHandleToFD(vgem, dumb.handle, DRM_CLOEXEC | DRM_RDWR,
				  &foreign->dmabuf));
	check(!drmCloseBufferHandle(vgem, dumb.handle));
}

static void foreign_heap(int heap, struct foreign *foreign, size_t size)
{
	struct dma_heap_allocation_data args = {
		.len = size, .fd_flags = O_RDWR | O_CLOEXEC,
	};

	check(!ioctl(heap, DMA_HEAP_IOCTL_ALLOC, &args));
	foreign->size = size;
	foreign->dmabuf = args.fd;
	foreign->map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED,
			    args.fd, 0);
	check(foreign->map != MAP_FAILED);
}

static void foreign_free(struct foreign *foreign)
{
	munmap(foreign->map, foreign->size);
	close(foreign->dmabuf);
}

/* All of a foreign buffer by its owner's map. */
static void owner_fill(struct foreign *foreign, uint32_t seed)
{
	sync_dmabuf(foreign->dmabuf, DMA_BUF_SYNC_START | DMA_BUF_SYNC_WRITE);
	fill_words(foreign->map, foreign->size, seed);
	sync_dmabuf(foreign->dmabuf, DMA_BUF_SYNC_END | DMA_BUF_SYNC_WRITE);
}

static void owner_expect(struct foreign *foreign, uint32_t seed)
{
	sync_dmabuf(foreign->dmabuf, DMA_BUF_SYNC_START | DMA_BUF_SYNC_READ);
	expect_words(foreign->map, foreign->size, seed);
	sync_dmabuf(foreign->dmabuf, DMA_BUF_SYNC_END | DMA_BUF_SYNC_READ);
}

/* The GPU copies all of it to a buffer of movgem's, and back. */
static void copy_foreign(struct alloc *alloc, struct foreign *foreign)
{
	struct movgem_bo *theirs, *ours;
	const struct movgem_bo_params params = { .size = foreign->size };
	uint64_t va[2];
	struct gpu gpu;
	void *map;

	gpu_open(&gpu, alloc->dev);
	check_ret(movgem_bo_import(alloc->dev, foreign->dmabuf, &theirs), 0);
	check_ret(movgem_bo_create(alloc->dev, &params, &ours), 0);
	check_ret(movgem_bo_map(ours, &map), 0);
	va[0] = gpu_bind(&gpu, theirs);
	va[1] = gpu_bind(&gpu, ours);
	owner_fill(foreign, 71);
	gpu_copy(&gpu, va[1], va[0], foreign->size, false, 0, 0);
	check_ret(movgem_bo_begin_access(ours, MOVGEM_ACCESS_READ), 0);
	expect_words(map, foreign->size, 71);
	check_ret(movgem_bo_end_access(ours, MOVGEM_ACCESS_READ), 0);

	fill_words(map, foreign->size, 72);
	gpu_copy(&gpu, va[0], va[1], foreign->size, false, 0, 0);
	check_ret(movgem_bo_begin_access(theirs, MOVGEM_ACCESS_READ), 0);
	check_ret(movgem_bo_end_access(theirs, MOVGEM_ACCESS_READ), 0);
	owner_expect(foreign, 72);
	gpu_finish(&gpu);
	movgem_bo_unref(theirs);
	movgem_bo_unref(ours);
	gpu_close(&gpu);
}

#define LUMA	(256 * 80)

/* Camera-like: two planes, each at the start of a dma-buf of its own. */
static void two_dmabufs(struct alloc *alloc, struct foreign *planes)
{
	struct drv_import_fd_data data = {
		.fds = { planes[0].dmabuf, planes[1].dmabuf },
		.strides = { 256, 256 }, .width = 256, .height = 80,
		.format = DRM_FORMAT_NV12,
		.format_modifier = DRM_FORMAT_MOD_LINEAR,
		.use_flags = BO_USE_CAMERA_READ | USE_CPU,
	};
	struct bo *bo = drv_bo_import(alloc->drv, &data);
	struct mapping *mapping;

	check(bo);
	check(bo->handles[0].u32 != bo->handles[1].u32);
	for (unsigned int p = 0; p < 2; p++) {
		owner_fill(&planes[p], 40 + p);
		expect_words(lock(bo, BO_MAP_READ, p, &mapping), planes[p].size,
			     40 + p);
		unlock(bo, mapping);
		fill_words(lock(bo, BO_MAP_READ_WRITE, p, &mapping), planes[p].size,
			   50 + p);
		unlock(bo, mapping);
		owner_expect(&planes[p], 50 + p);
	}
	drv_bo_destroy(bo);
}

/* The same in one dma-buf, chroma behind luma. */
static void one_dmabuf(struct alloc *alloc, struct foreign *both)
{
	struct drv_import_fd_data data = {
		.fds = { both->dmabuf, both->dmabuf },
		.strides = { 256, 256 }, .offsets = { 0, LUMA },
		.width = 256, .height = 80, .format = DRM_FORMAT_NV12,
		.format_modifier = DRM_FORMAT_MOD_INVALID,
		.use_flags = BO_USE_CAMERA_READ | USE_CPU,
	};
	struct bo *bo = drv_bo_import(alloc->drv, &data);
	struct mapping *mapping;
	uint8_t *map;

	check(bo);
	check(bo->handles[0].u32 == bo->handles[1].u32);
	write_planes(bo, 9);
	expect_planes(bo, 9);
	owner_fill(both, 60);
	map = lock(bo, BO_MAP_READ, 0, &mapping);
	expect_words(map, both->size, 60);
	check(!memcmp(map + LUMA, both->map + LUMA, LUMA / 2));
	unlock(bo, mapping);
	drv_bo_destroy(bo);
}

static void imports(struct alloc *alloc, struct foreign *planes,
		    struct foreign *both)
{
	two_dmabufs(alloc, planes);
	one_dmabuf(alloc, both);
	copy_foreign(alloc, both);
	for (int i = 0; i < 2; i++)
		foreign_free(&planes[i]);
	foreign_free(both);
}

/* A buffer of movgem's that another driver has, and that comes back from it. */
static void export_to(int vgem, struct alloc *alloc)
{
	struct bo *bo = make(alloc, 130, 66, DRM_FORMAT_YVU420_ANDROID,
			     BO_USE_CAMERA_WRITE), *back;
	struct drv_import_fd_data data;
	uint32_t handle;
	uint64_t before;
	int dmabuf;
	void *map;

	describe(bo, &data);
	check(!drmPrimeFDToHandle(vgem, data.fds[0], &handle));
	close_fds(&data, 3);
	check(!drmPrimeHandleToFD(vgem, handle, DRM_CLOEXEC | DRM_RDWR,
				  &dmabuf));
	write_planes(bo, 21);
	for (int i = 0; i < 3; i++)
		data.fds[i] = dmabuf;
	back = drv_bo_import(alloc->drv, &data);
	check(back && back->handles[0].u32 == bo->handles[0].u32);
	expect_planes(back, 21);

	/* What it writes by the dma-buf is there for the others. */
	map = mmap(NULL, bo->meta.total_size, PROT_READ | PROT_WRITE,
		   MAP_SHARED, dmabuf, 0);
	check(map != MAP_FAILED);
	sync_dmabuf(dmabuf, DMA_BUF_SYNC_START | DMA_BUF_SYNC_RW);
	fill_words(map, bo->meta.total_size, 22);
	sync_dmabuf(dmabuf, DMA_BUF_SYNC_END | DMA_BUF_SYNC_RW);
	for (size_t plane = 0; plane < 3; plane++) {
		struct mapping *mapping;

		check(!memcmp(lock(bo, BO_MAP_READ, plane, &mapping),
			      (char *)map + bo->meta.offsets[plane],
			      bo->meta.sizes[plane]));
		unlock(bo, mapping);
	}
	expect_words(map, bo->meta.total_size, 22);
	munmap(map, bo->meta.total_size);
	close(dmabuf);
	check(!drmCloseBufferHandle(vgem, handle));
	drv_bo_destroy(back);

	/* Whether it was pinned meanwhile is vgem's doing; now it is not. */
	check(!pins(alloc, bo));
	before = moved(alloc, bo);
	write_planes(bo, 23);
	while (moved(alloc, bo) == before)
		expect_planes(bo, 23);
	expect_planes(bo, 23);
	drv_bo_destroy(bo);
}

void test_vgem(void)
{
	int vgem = open_driver("vgem");
	struct foreign planes[2], both;
	struct alloc alloc;
	struct left left;

	if (vgem < 0)
		fail("vgem is not loaded");
	alloc_open(&alloc);
	left_begin(&alloc, &left);
	foreign_vgem(vgem, &planes[0], LUMA);
	foreign_vgem(vgem, &planes[1], LUMA);
	foreign_vgem(vgem, &both, LUMA * 2);
	imports(&alloc, planes, &both);
	export_to(vgem, &alloc);
	left_end(&alloc, &left);
	alloc_close(&alloc);
	close(vgem);
}

void test_heap(void)
{
	int heap = open("/dev/dma_heap/system", O_RDWR | O_CLOEXEC);
	struct foreign planes[2], both;
	struct alloc alloc;
	struct left left;

	if (heap < 0)
		fail("/dev/dma_heap/system: %s", strerror(errno));
	alloc_open(&alloc);
	left_begin(&alloc, &left);
	foreign_heap(heap, &planes[0], LUMA);
	foreign_heap(heap, &planes[1], LUMA);
	foreign_heap(heap, &both, LUMA * 2);
	imports(&alloc, planes, &both);
	left_end(&alloc, &left);
	alloc_close(&alloc);
	close(heap);
}
