// SPDX-License-Identifier: MIT
/*
 * Copyright (C) 2026 movgem maintainers
 *
 * Tests of libmovgem's devices and buffers.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xf86drm.h>

#include "test.h"

#define SIZE	(64 * 1024)

struct movgem_device *open_device(void)
{
	struct movgem_device *dev;
	int fd = open_render();

	check_ret(movgem_device_create(fd, &dev), 0);
	close(fd);
	return dev;
}

struct movgem_bo *make(struct movgem_device *dev, uint64_t size,
		       const char *label)
{
	const struct movgem_bo_params params = { .size = size, .label = label };
	struct movgem_bo *bo;

	check_ret(movgem_bo_create(dev, &params, &bo), 0);
	return bo;
}

void *map_of(struct movgem_bo *bo)
{
	void *map;

	check_ret(movgem_bo_map(bo, &map), 0);
	return map;
}

/* One for each file description, and none for anything else. */
void test_device(void)
{
	struct movgem_device *first, *second, *again;
	int a = open_render(), b = open_render(), c = dup(a), d = open_card();
	struct drm_movgem_gpu_info gpu;
	struct drm_movgem_mem_info mem;
	int fds[2];

	check_ret(movgem_device_create(a, &first), 0);
	check_ret(movgem_device_create(b, &second), 0);
	check(first != second);
	check_ret(movgem_device_create(c, &again), 0);
	check(again == first);
	check_ret(movgem_device_create(movgem_device_get_fd(second), &again),
		  0);
	check(again == second);
	movgem_device_unref(second);
	close(a);
	close(b);
	close(c);

	/* It lives without the caller's file, and until its last user goes. */
	movgem_device_unref(first);
	check_ret(movgem_device_gpu_info(first, &gpu), 0);
	check(gpu.va_end > gpu.va_start && gpu.page_size >= 4096);
	check_ret(movgem_device_mem_info(second, &mem), 0);
	check(movgem_device_ref(first) == first);
	movgem_device_unref(first);
	movgem_device_unref(first);
	movgem_device_unref(second);
	movgem_device_unref(NULL);

	check_ret(movgem_device_create(d, &first), 0);
	movgem_device_unref(first);
	close(d);

	first = NULL;
	check_ret(movgem_device_create(-1, &first), -EBADF);
	check(!pipe2(fds, O_CLOEXEC));
	check_ret(movgem_device_create(fds[0], &first), -ENODEV);
	close(fds[0]);
	close(fds[1]);
	a = open("/dev/null", O_RDWR | O_CLOEXEC);
	check_ret(movgem_device_create(a, &first), -ENODEV);
	close(a);
	a = open_driver("vgem");
	check(a >= 0);
	check_ret(movgem_device_create(a, &first), -ENODEV);
	close(a);
	check(!first);

	check(movgem_deadline(0) <= movgem_deadline(1000000000));
	check_ret(movgem_deadline(UINT64_MAX), INT64_MAX);
}

/* A buffer by itself: what is written stays, while its pages move. */
void test_bo(void)
{
	struct movgem_device *dev = open_device();
	struct movgem_bo *bo = make(dev, SIZE - 5, "client");
	struct drm_movgem_bo_info info;
	char *map = map_of(bo);
	bool retained = false;
	uint32_t handle;

	check(movgem_bo_get_device(bo) == dev);
	check(movgem_bo_get_size(bo) == SIZE);
	check(!movgem_bo_is_shared(bo) && !movgem_bo_is_foreign(bo));
	check(map_of(bo) == map);
	for (int i = 0; i < SIZE; i++)
		check(!map[i]);

	memset(&info, 0, sizeof(info));
	for (uint32_t i = 0; i < 10 || !info.moved; i++) {
		check_ret(movgem_bo_begin_access(bo, MOVGEM_ACCESS_WRITE), 0);
		fill_words(map, SIZE, i);
		check_ret(movgem_bo_end_access(bo, MOVGEM_ACCESS_WRITE), 0);
		expect_words(map, SIZE, i);
		check_ret(movgem_bo_info(bo, &info), 0);
		check(info.size == SIZE && !info.imported && !info.pins);
	}
	check_ret(movgem_bo_wait(bo, 0), 0);
	check_ret(movgem_bo_madvise(bo, DRM_MOVGEM_MADV_WILLNEED, NULL), 0);
	check_ret(movgem_bo_madvise(bo, DRM_MOVGEM_MADV_WILLNEED, &retained),
		  0);
	check(retained);
	handle = movgem_bo_borrow_handle(bo);
	check(handle && !movgem_bo_is_shared(bo));
	check(movgem_bo_get_handle(bo) == handle && movgem_bo_is_shared(bo));

	/* A buffer keeps its device. */
	check(movgem_bo_ref(bo) == bo);
	movgem_bo_unref(bo);
	movgem_device_unref(dev);
	fill_words(map, SIZE, 99);
	expect_words(map, SIZE, 99);
	movgem_bo_unref(bo);
	movgem_bo_unref(NULL);
}

void test_errors(void)
{
	struct movgem_device *dev = open_device();
	struct movgem_bo *bo = make(dev, SIZE, NULL), *none = NULL;
	struct movgem_bo_params params = {};
	char label[DRM_MOVGEM_BO_LABEL_MAX + 1];
	uint64_t before = settled_bos(dev);
	uint32_t vm;
	void *map = NULL;
	int fds[2], fd = -7;

	check_ret(movgem_bo_create(dev, &params, &none), -EINVAL);
	params.size = UINT64_MAX;
	check_ret(movgem_bo_create(dev, &params, &none), -EINVAL);
	params.size = SIZE;
	params.flags = 1u << 31;
	check_ret(movgem_bo_create(dev, &params, &none), -EINVAL);
	params.flags = 0;
	params.exclusive_vm_id = 12345;
	check_ret(movgem_bo_create(dev, &params, &none), -ENOENT);
	params.exclusive_vm_id = 0;

	memset(label, 'x', sizeof(label));
	label[DRM_MOVGEM_BO_LABEL_MAX] = 0;
	params.label = label;
	check_ret(movgem_bo_create(dev, &params, &none), -E2BIG);
	check_ret(movgem_bo_set_label(bo, label), -E2BIG);
	label[DRM_MOVGEM_BO_LABEL_MAX - 1] = 0;
	check_ret(movgem_bo_set_label(bo, label), 0);
	check_ret(movgem_bo_set_label(bo, NULL), 0);
	params.label = NULL;

	check(!pipe2(fds, O_CLOEXEC));
	check_ret(movgem_bo_import(dev, fds[0], &none), -EINVAL);
	check_ret(movgem_bo_import(dev, -1, &none), -EBADF);
	close(fds[0]);
	close(fds[1]);
	check_ret(movgem_bo_begin_access(bo, 0), -EINVAL);
	check_ret(movgem_bo_end_access(bo, 4), -EINVAL);
	check_ret(movgem_bo_madvise(bo, 77, NULL), -EINVAL);
	check(!none);
	expect_bos(dev, before);

	params.flags = DRM_MOVGEM_BO_NO_MMAP;
	check_ret(movgem_bo_create(dev, &params, &none), 0);
	check_ret(movgem_bo_map(none, &map), -EPERM);
	movgem_bo_unref(none);
	params.flags = 0;

	check_ret(movgem_vm_create(dev, &vm), 0);
	params.exclusive_vm_id = vm;
	check_ret(movgem_bo_create(dev, &params, &none), 0);
	check(movgem_bo_export(none, &fd) < 0);
	check(!map && fd == -7);
	movgem_bo_unref(none);
	check_ret(movgem_vm_destroy(dev, vm), 0);
	check_ret(movgem_vm_destroy(dev, vm), -ENOENT);
	movgem_bo_unref(bo);
	movgem_device_unref(dev);
}

/* What is exported comes back as what it was; another file has it as its own. */
void test_share(void)
{
	struct movgem_device *dev = open_device(), *other = open_device();
	uint64_t before = settled_bos(dev);
	struct movgem_bo *bo = make(dev, SIZE, "shared"), *back, *theirs;
	struct movgem_bo **list;
	unsigned int count;
	int dmabuf;

	check_ret(movgem_device_get_shared(dev, &list, &count), 0);
	check(!list && !count);
	fill_words(map_of(bo), SIZE, 1);
	check_ret(movgem_bo_export(bo, &dmabuf), 0);
	check(movgem_bo_is_shared(bo));
	check_ret(movgem_bo_import(dev, dmabuf, &back), 0);
	check(back == bo);
	check_ret(movgem_bo_import(other, dmabuf, &theirs), 0);
	check(theirs != bo && !movgem_bo_is_foreign(theirs));
	check(movgem_bo_get_size(theirs) == SIZE);
	expect_words(map_of(theirs), SIZE, 1);
	fill_words(map_of(theirs), SIZE, 2);
	expect_words(map_of(bo), SIZE, 2);
	check_ret(movgem_bo_madvise(bo, DRM_MOVGEM_MADV_DONTNEED, NULL),
		  -EBUSY);
	/* It has one name, the last one that any of them gave. */
	check_ret(movgem_bo_set_label(theirs, "theirs"), 0);
	expect_gems("theirs", 0, 1);
	check_ret(movgem_bo_set_label(bo, "shared"), 0);
	expect_gems("shared", 0, 1);
	check_ret(movgem_bo_set_label(theirs, NULL), 0);
	expect_gems("shared", 0, 0);
	check_ret(movgem_device_get_shared(dev, &list, &count), 0);
	check(count == 1 && list[0] == bo);
	movgem_bo_unref(list[0]);
	free(list);

	/* Each of the three goes by itself. */
	movgem_bo_unref(bo);
	expect_words(map_of(back), SIZE, 2);
	movgem_bo_unref(back);
	expect_words(map_of(theirs), SIZE, 2);
	check_ret(movgem_device_get_shared(dev, &list, &count), 0);
	check(!list && !count);
	movgem_bo_unref(theirs);
	expect_bos(dev, before + 1);
	check_ret(movgem_bo_import(dev, dmabuf, &bo), 0);
	expect_words(map_of(bo), SIZE, 2);
	movgem_bo_unref(bo);
	close(dmabuf);
	expect_bos(dev, before);
	movgem_device_unref(dev);
	movgem_device_unref(other);
}

/* Of 20 that are mapped at a time none is in what follows another one's map. */
static void expect_slack(struct movgem_device *dev, size_t slack)
{
	struct movgem_bo *bos[20];

	for (int i = 0; i < 20; i++) {
		bos[i] = make(dev, SIZE, "slack");
		fill_words(map_of(bos[i]), SIZE, i);
	}
	for (int i = 0; i < 20; i++) {
		for (int j = 0; j < 20; j++) {
			/* No other buffer is there. */
			check(map_of(bos[j]) < map_of(bos[i]) ||
			      i == j || (char *)map_of(bos[j]) >=
			      (char *)map_of(bos[i]) + SIZE + slack);
		}
		memset((char *)map_of(bos[i]) + SIZE, 0xff, slack);
	}
	for (int i = 0; i < 20; i++) {
		expect_words(map_of(bos[i]), SIZE, i);
		movgem_bo_unref(bos[i]);
	}
}

/* What follows a map may be written to, and is nobody's; also that of a BO that
 * was mapped when there was less of it, and comes back from the cache.
 */
void test_slack(void)
{
	struct movgem_device *dev = open_device();
	const size_t slack = 40000;
	struct movgem_bo *bos[20];

	movgem_device_set_cache(dev, 40 * SIZE, 3600 * 1000);
	for (int i = 0; i < 20; i++) {
		bos[i] = make(dev, SIZE, "slack");
		map_of(bos[i]);
	}
	/* Half of them are in the cache when there is to be more, half come then. */
	for (int i = 0; i < 10; i++)
		movgem_bo_unref(bos[i]);
	movgem_device_set_map_slack(dev, slack);
	movgem_device_set_map_slack(dev, 100);
	for (int i = 10; i < 20; i++)
		movgem_bo_unref(bos[i]);
	expect_slack(dev, slack);

	/* Those that have it are kept. */
	expect_gems("slack", 'd', 20);
	expect_slack(dev, slack);
	movgem_device_unref(dev);
}

static void all_zero(struct movgem_bo *bo)
{
	const char *map = map_of(bo);

	for (uint64_t i = 0; i < movgem_bo_get_size(bo); i++) {
		if (map[i])
			fail("a new BO has %02x at %llu", map[i],
			     (unsigned long long)i);
	}
}

/* Idle buffers come back, but for those that the kernel took or others have. */
void test_cache(void)
{
	struct movgem_device *dev = open_device();
	struct movgem_bo *bo, *other;
	int dmabuf;

	bo = make(dev, SIZE, "cached");
	movgem_bo_unref(bo);
	expect_gems("cached", 0, 0);

	movgem_device_set_cache(dev, 16 << 20, 3600 * 1000);
	bo = make(dev, SIZE / 4 * 5, "cached");
	fill_words(map_of(bo), SIZE / 4 * 5, 1);
	movgem_bo_unref(bo);
	expect_gems("cached", 'd', 1);
	/* Too small, too large. */
	other = make(dev, SIZE * 2, "other");
	check(other != bo);
	movgem_bo_unref(other);
	other = make(dev, SIZE / 2, "other");
	check(other != bo);
	movgem_bo_unref(other);
	/* The same, by another name. */
	other = make(dev, SIZE + 1, "again");
	check(other == bo && movgem_bo_get_size(other) == SIZE / 4 * 5);
	expect_gems("cached", 0, 0);
	expect_gems("again", 0, 1);
	expect_gems("again", 'd', 0);
	all_zero(other);
	fill_words(map_of(other), SIZE, 2);

	/* Not one that somebody else has. */
	check_ret(movgem_bo_export(other, &dmabuf), 0);
	movgem_bo_unref(other);
	expect_gems("again", 'd', 0);
	check_ret(movgem_bo_import(dev, dmabuf, &other), 0);
	expect_words(map_of(other), SIZE, 2);
	movgem_bo_unref(other);
	close(dmabuf);

	/* Not one that is in a VM, or that is special. */
	for (int i = 0; i < 2; i++) {
		const struct movgem_bo_params params = {
			.size = SIZE, .flags = DRM_MOVGEM_BO_NO_MMAP,
			.label = "special",
		};
		struct gpu gpu;

		if (i) {
			check_ret(movgem_bo_create(dev, &params, &bo), 0);
			movgem_bo_unref(bo);
		} else {
			gpu_open(&gpu, dev);
			bo = make(dev, SIZE, "special");
			gpu_bind(&gpu, bo);
			movgem_bo_unref(bo);
			expect_gems("special", 'd', 0);
			gpu_close(&gpu);
		}
		expect_gems("special", 'd', 0);
	}

	/* One that the kernel has taken the pages of is not used again. */
	movgem_device_trim_cache(dev);
	bo = make(dev, SIZE, "purged");
	fill_words(map_of(bo), SIZE, 3);
	movgem_bo_unref(bo);
	expect_gems("purged", 'd', 1);
	while (!count_gems("purged", 'p'))
		write_file("/proc/sys/vm/drop_caches", "2");
	bo = make(dev, SIZE, "new");
	expect_gems("purged", 0, 0);
	all_zero(bo);
	fill_words(map_of(bo), SIZE, 4);
	expect_words(map_of(bo), SIZE, 4);
	movgem_bo_unref(bo);
	movgem_device_unref(dev);
}

static unsigned int logged;

static void count_log(void *data, const struct movgem_bo *bo, uint32_t handle,
		      const char *what)
{
	check(data == &logged && handle && movgem_bo_get_size(bo));
	logged += !strcmp(what, "to the cache");
}

/* How much is kept, and for how long. */
void test_cache_limits(void)
{
	struct movgem_device *dev = open_device();
	struct movgem_bo *bos[10];

	movgem_device_set_log(dev, count_log, &logged);
	movgem_device_set_cache(dev, 4 * SIZE, 3600 * 1000);
	for (int i = 0; i < 10; i++)
		bos[i] = make(dev, SIZE, "limits");
	for (int i = 0; i < 10; i++)
		movgem_bo_unref(bos[i]);
	expect_gems("limits", 0, 4);
	check_ret(logged, 4);
	movgem_device_set_cache(dev, SIZE, 3600 * 1000);
	expect_gems("limits", 0, 0);

	/* None is older than that when one comes. */
	movgem_device_set_cache(dev, 4 * SIZE, 1);
	for (int i = 0; i < 3; i++)
		bos[i] = make(dev, SIZE, "limits");
	for (int i = 0; i < 3; i++) {
		usleep(20000);
		movgem_bo_unref(bos[i]);
		expect_gems("limits", 'd', 1);
	}
	movgem_device_set_cache(dev, 0, 0);
	expect_gems("limits", 0, 0);

	/* Nor does anything stay behind. */
	movgem_device_set_cache(dev, 4 * SIZE, 3600 * 1000);
	movgem_bo_unref(make(dev, SIZE, "limits"));
	expect_gems("limits", 'd', 1);
	movgem_device_unref(dev);
	expect_gems("limits", 0, 0);
}

static void *work(void *arg)
{
	const unsigned int number = (uintptr_t)arg;

	for (unsigned int i = 0; i < 100; i++) {
		struct movgem_device *dev = open_device();
		static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
		static struct movgem_device *common;
		uint32_t seed = number * 1000 + i;
		struct movgem_bo *bo, *back;
		int dmabuf;

		/* The first one's device is everybody's. */
		pthread_mutex_lock(&lock);
		if (!common) {
			common = movgem_device_ref(dev);
			movgem_device_set_cache(common, 1 << 20, 1000);
		}
		pthread_mutex_unlock(&lock);
		movgem_device_unref(dev);

		bo = make(common, SIZE / 4, "threads");
		all_zero(bo);
		fill_words(map_of(bo), SIZE / 4, seed);
		if (i % 2) {
			check_ret(movgem_bo_export(bo, &dmabuf), 0);
			check_ret(movgem_bo_import(common, dmabuf, &back), 0);
			check(back == bo);
			movgem_bo_unref(bo);
			close(dmabuf);
		}
		expect_words(map_of(bo), SIZE / 4, seed);
		movgem_bo_unref(bo);
	}
	return NULL;
}

/* Of one device, with a cache: nobody gets what somebody else has. */
void test_threads(void)
{
	pthread_t threads[4];

	for (uintptr_t i = 0; i < 4; i++)
		check(!pthread_create(&threads[i], NULL, work, (void *)i));
	for (int i = 0; i < 4; i++)
		check(!pthread_join(threads[i], NULL));
}

/* What all threads of test_meet() have; the file is the device's. */
struct common {
	int fd, dmabuf;
	struct movgem_device *dev;
};

static void *meet(void *arg)
{
	const struct common *common = arg;
	struct movgem_device *dev;
	struct movgem_bo *bo;

	for (unsigned int i = 0; i < 1000; i++) {
		check_ret(movgem_bo_import(common->dev, common->dmabuf, &bo),
			  0);
		expect_words(map_of(bo), SIZE / 4, 7);
		movgem_bo_unref(bo);
		check_ret(movgem_device_create(common->fd, &dev), 0);
		check(dev == common->dev);
		movgem_device_unref(dev);
	}
	return NULL;
}

/* All threads import the same dma-buf of another file: whoever is the last that
 * has it closes the handle while the others ask for it.
 */
void test_meet(void)
{
	struct movgem_device *owner = open_device();
	struct movgem_bo *theirs = make(owner, SIZE / 4, "meet");
	struct common common = { .fd = open_render() };
	uint64_t before = settled_bos(owner);
	struct movgem_bo **list;
	pthread_t threads[4];
	unsigned int count;
	int fd;

	check_ret(movgem_device_create(common.fd, &common.dev), 0);
	fill_words(map_of(theirs), SIZE / 4, 7);
	check_ret(movgem_bo_export(theirs, &common.dmabuf), 0);
	for (int i = 0; i < 4; i++)
		check(!pthread_create(&threads[i], NULL, meet, &common));
	for (int i = 0; i < 4; i++)
		check(!pthread_join(threads[i], NULL));
	check_ret(movgem_device_get_shared(common.dev, &list, &count), 0);
	check(!list && !count);
	close(common.dmabuf);
	close(common.fd);
	fd = movgem_device_get_fd(common.dev);
	movgem_device_unref(common.dev);
	check(fcntl(fd, F_GETFD) < 0 && errno == EBADF);
	expect_words(map_of(theirs), SIZE / 4, 7);
	expect_bos(owner, before);
	movgem_bo_unref(theirs);
	movgem_device_unref(owner);
}
