// SPDX-License-Identifier: MIT
/*
 * Copyright (C) 2026 movgem maintainers
 *
 * Device nodes, vgem's fences, debugfs, messages with file descriptors, patterns.
 */
#include <drm/vgem_drm.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <xf86drm.h>

#include "testlib.h"

#define GEMS	"/sys/kernel/debug/dri/movgem/gems"

#define MAX_FDS	4

static int open_node(const char *format, int first, const char *name)
{
	for (int i = first; i < first + 16; i++) {
		drmVersionPtr version;
		char path[64];
		bool same;
		int fd;

		snprintf(path, sizeof(path), "/dev/dri/%s%d", format, i);
		fd = open(path, O_RDWR | O_CLOEXEC);
		if (fd < 0)
			continue;
		version = drmGetVersion(fd);
		same = version && !strcmp(version->name, name);
		drmFreeVersion(version);
		if (same)
			return fd;
		close(fd);
	}
	return -1;
}

int open_card(void)
{
	int fd = open_node("card", 0, "movgem");

	if (fd < 0)
		fail("no movgem device among /dev/dri/card*");
	return fd;
}

int open_render(void)
{
	int fd = open_node("renderD", 128, "movgem");

	if (fd < 0)
		fail("no movgem device among /dev/dri/renderD*");
	return fd;
}

int open_driver(const char *name)
{
	return open_node("card", 0, name);
}

int vgem_attach_fence(int vgem, uint32_t handle, uint32_t *fence)
{
	struct drm_vgem_fence_attach args = {
		.handle = handle, .flags = VGEM_FENCE_WRITE,
	};

	if (drmIoctl(vgem, DRM_IOCTL_VGEM_FENCE_ATTACH, &args))
		return -errno;
	*fence = args.out_fence;
	return 0;
}

void vgem_signal_fence(int vgem, uint32_t fence)
{
	struct drm_vgem_fence_signal args = { .fence = fence };

	check(!drmIoctl(vgem, DRM_IOCTL_VGEM_FENCE_SIGNAL, &args));
}

void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		fail("%s: %s", path, strerror(errno));
	close(fd);
}

FILE *open_gems(void)
{
	FILE *file = fopen(GEMS, "r");
	char head[256];

	if (!file || !fgets(head, sizeof(head), file))
		fail("%s: %s", GEMS, strerror(errno));
	return file;
}

bool next_gem(FILE *file, struct gem *gem)
{
	char line[256];
	int fields;

	if (!fgets(line, sizeof(line), file)) {
		fclose(file);
		return false;
	}
	gem->label[0] = 0;
	fields = sscanf(line, "%lu %llu %u %u %*u %*u %lu %8s %64[^\n]",
			&gem->id, &gem->size, &gem->pages, &gem->pins,
			&gem->moved, gem->flags, gem->label);
	if (fields < 6)
		fail("%s: %s", GEMS, line);
	return true;
}

unsigned int count_gems(const char *label, char flag)
{
	size_t length = strlen(label);
	unsigned int count = 0;
	FILE *file = open_gems();
	struct gem gem;

	while (next_gem(file, &gem)) {
		bool same = length && label[length - 1] == '*' ?
				    !strncmp(gem.label, label, length - 1) :
				    !strcmp(gem.label, label);

		count += same && (!flag || strchr(gem.flags, flag));
	}
	return count;
}

void expect_gems(const char *label, char flag, unsigned int count)
{
	unsigned int is = count_gems(label, flag);

	for (int i = 0; i < 1000 && is != count; i++) {
		usleep(10000);
		is = count_gems(label, flag);
	}
	if (is != count)
		fail("%u BOs instead of %u have the label %s", is, count, label);
}

void send_fds(int socket, const void *data, size_t size, const int *fds,
	      int count)
{
	char control[CMSG_SPACE(MAX_FDS * sizeof(int))] = {};
	struct iovec iov = { (void *)data, size };
	struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *header = (void *)control;

	if (count) {
		message.msg_control = control;
		message.msg_controllen = CMSG_SPACE(count * sizeof(int));
		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = CMSG_LEN(count * sizeof(int));
		memcpy(CMSG_DATA(header), fds, count * sizeof(int));
	}
	check(sendmsg(socket, &message, 0) == size);
}

bool receive_fds(int socket, void *data, size_t size, int *fds, int count)
{
	char control[CMSG_SPACE(MAX_FDS * sizeof(int))] = {};
	struct iovec iov = { data, size };
	struct msghdr message = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	ssize_t got = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);

	if (!got)
		return false;
	check(got == size);
	check(!header == !count);
	if (header) {
		check(header->cmsg_len == CMSG_LEN(count * sizeof(int)));
		memcpy(fds, CMSG_DATA(header), count * sizeof(int));
	}
	return true;
}

static uint32_t word(uint32_t index, uint32_t seed)
{
	return (index ^ seed * 0x9e3779b9u) * 2654435761u + seed;
}

void fill_words(void *memory, size_t size, uint32_t seed)
{
	volatile uint32_t *words = memory;

	check(!(size % 4));
	for (size_t i = 0; i < size / 4; i++)
		words[i] = word(i, seed);
}

void expect_words(const void *memory, size_t size, uint32_t seed)
{
	const volatile uint32_t *words = memory;

	check(!(size % 4));
	for (size_t i = 0; i < size / 4; i++) {
		uint32_t is = words[i];

		if (is != word(i, seed))
			fail("at byte %zu of %zu: %08x instead of %08x", i * 4,
			     size, is, word(i, seed));
	}
}
