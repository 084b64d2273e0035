// SPDX-License-Identifier: MIT
/*
 * Copyright (C) 2026 movgem maintainers
 *
 * What all workers of the stress use: movgem_stress.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/sync_file.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "igt.h"
#include "igt_syncobj.h"
#include "movgem_stress.h"

const char *const stress_op_names[STRESS_OP_COUNT] = {
#define X(id_, name_) [STRESS_##id_] = name_,
	STRESS_OPS(X)
#undef X
};

/* ---- operations ---- */

static struct stress_event *newest(struct stress_worker *w)
{
	return &w->slot->history[w->slot->number % STRESS_HISTORY];
}

void stress_begin(struct stress_worker *w, enum stress_op op, uint64_t a, uint64_t b,
		  uint64_t c)
{
	w->slot->beat++;
	w->slot->number++;
	*newest(w) = (struct stress_event) {
		.number = w->slot->number,
		.op = op,
		.ret = INT32_MAX,
		.a = a,
		.b = b,
		.c = c,
	};
	w->op = op;
}

bool stress_refused(int ret)
{
	switch (ret) {
	case -ENOMEM:
	case -EBUSY:
	case -EAGAIN:
	case -EINTR:
		return true;
	default:
		return false;
	}
}

bool stress_end(struct stress_worker *w, int ret)
{
	newest(w)->ret = ret;
	if (!ret) {
		w->slot->ok[w->op]++;
		return true;
	}
	if (!stress_refused(ret))
		stress_fail(w, "%s ends with %d, %s", stress_op_names[w->op], ret,
			    strerror(-ret));
	w->slot->refused[w->op]++;
	return false;
}

void stress_fail(struct stress_worker *w, const char *fmt, ...)
{
	va_list ap;

	/* The first of several threads has the word, the others give it time. */
	if (__atomic_test_and_set(&w->slot->failing, __ATOMIC_SEQ_CST)) {
		sleep(5);
	} else {
		va_start(ap, fmt);
		vsnprintf(w->slot->message, sizeof(w->slot->message), fmt, ap);
		va_end(ap);
	}
	_exit(IGT_EXIT_FAILURE);
}

void stress_wait_for_memory(struct stress_worker *w, const char *what, int tries)
{
	if (tries * 10 > STRESS_PATIENCE_S * 1000)
		stress_fail(w, "%s is refused for ever", what);
	usleep(10000);
}

/* ---- chance ---- */

uint64_t stress_below(struct stress_worker *w, uint64_t n)
{
	return n ? movgem_rand(&w->rand) % n : 0;
}

bool stress_one_in(struct stress_worker *w, unsigned int n)
{
	return !stress_below(w, n);
}

uint64_t stress_size(struct stress_worker *w, uint64_t max)
{
	unsigned int bits = 0;

	while (bits < 63 && 1ull << bits <= max)
		bits++;
	/* A number of so many bits, chosen first. */
	bits = 1 + stress_below(w, bits);
	return 1 + stress_below(w, min(max, (1ull << bits) - 1));
}

void stress_sleep(struct stress_worker *w, unsigned int most_us)
{
	uint64_t us = stress_below(w, most_us);

	while (us && !w->shared->stop) {
		unsigned int some = min(us, (uint64_t)100000);

		usleep(some);
		us -= some;
	}
}

/* ---- devices and files ---- */

static int open_card(const char *driver, unsigned int number)
{
	char path[64], name[32];
	int i, fd;

	for (i = 0; i < 64; i++) {
		snprintf(path, sizeof(path), "/dev/dri/card%d", i);
		fd = open(path, O_RDWR | O_CLOEXEC);
		if (fd < 0)
			continue;
		memset(name, 0, sizeof(name));
		if (!__get_drm_device_name(fd, name, sizeof(name) - 1) &&
		    !strcmp(name, driver) && !number--)
			return fd;
		close(fd);
	}
	return -1;
}

int stress_open(unsigned int device)
{
	return open_card("movgem", device);
}

int stress_open_other(const char *driver)
{
	return open_card(driver, 0);
}

int stress_write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), ret = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		ret = -errno;
	close(fd);
	return ret;
}

int stress_read_file(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), ret;
	size_t length = 0;

	text[0] = 0;
	if (fd < 0)
		return -errno;
	do {
		ret = read(fd, text + length, size - 1 - length);
		if (ret > 0)
			length += ret;
	} while (ret > 0 && length < size - 1);
	if (ret < 0)
		ret = -errno;
	close(fd);
	text[length] = 0;
	return ret < 0 ? ret : (int)length;
}

unsigned long stress_meminfo_kb(const char *key)
{
	char text[8192], *at;

	if (stress_read_file("/proc/meminfo", text, sizeof(text)) < 0)
		return 0;
	at = strstr(text, key);
	return at ? strtoul(at + strlen(key) + 1, NULL, 10) : 0;
}

char *stress_debugfs(struct stress_worker *w, const char *name)
{
	size_t size = 1 << 16, length = 0;
	char path[160], *text, *more;
	int fd, ret;

	snprintf(path, sizeof(path), "%s/%s", w->shared->debugfs, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		if (stress_refused(-errno))
			return NULL;
		stress_fail(w, "%s: %s", path, strerror(errno));
	}
	text = malloc(size);
	while (text) {
		ret = read(fd, text + length, size - 1 - length);
		if (ret <= 0)
			break;
		length += ret;
		if (length < size - 1)
			continue;
		more = realloc(text, size *= 2);
		if (!more)
			free(text);
		text = more;
	}
	if (text && ret < 0) {
		if (!stress_refused(-errno))
			stress_fail(w, "reading %s: %s", path, strerror(errno));
		free(text);
		text = NULL;
	}
	close(fd);
	if (text)
		text[length] = 0;
	return text;
}

int stress_move(struct stress_worker *w, const char *what)
{
	char path[160];

	snprintf(path, sizeof(path), "%s/migrate", w->shared->debugfs);
	return stress_write_file(path, what);
}

/* ---- the driver ---- */

int stress_map(int fd, uint32_t handle, uint64_t size, void **map)
{
	uint64_t offset;
	int ret;

	ret = __movgem_bo_mmap_offset(fd, handle, &offset);
	if (ret)
		return ret;
	*map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, offset);
	return *map == MAP_FAILED ? -errno : 0;
}

int stress_syncobj_create(int fd, uint32_t *handle)
{
	struct drm_syncobj_create args = { };
	int ret = movgem_ioctl(fd, DRM_IOCTL_SYNCOBJ_CREATE, &args);

	*handle = args.handle;
	return ret;
}

int stress_syncobj_destroy(int fd, uint32_t handle)
{
	struct drm_syncobj_destroy args = { .handle = handle };

	return movgem_ioctl(fd, DRM_IOCTL_SYNCOBJ_DESTROY, &args);
}

int stress_timeline_wait(int fd, uint32_t syncobj, uint64_t point)
{
	struct drm_syncobj_timeline_wait args = {
		.handles = to_user_pointer(&syncobj),
		.points = to_user_pointer(&point),
		.timeout_nsec = movgem_deadline(STRESS_PATIENCE_S * 1000000000ll),
		.count_handles = 1,
		.flags = DRM_SYNCOBJ_WAIT_FLAGS_WAIT_FOR_SUBMIT,
	};

	return __syncobj_timeline_wait_ioctl(fd, &args);
}

int stress_syncobj_error(int fd, uint32_t syncobj)
{
	struct drm_syncobj_handle file = {
		.handle = syncobj,
		.flags = DRM_SYNCOBJ_HANDLE_TO_FD_FLAGS_EXPORT_SYNC_FILE,
	};
	struct sync_file_info info = { };
	int ret;

	ret = __syncobj_handle_to_fd(fd, &file);
	if (ret)
		return ret;
	ret = movgem_ioctl(file.fd, SYNC_IOC_FILE_INFO, &info);
	close(file.fd);
	if (ret)
		return ret;
	return info.status < 0 ? info.status : 0;
}

uint64_t stress_now_ns(void)
{
	return movgem_deadline(0);
}
