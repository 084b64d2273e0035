// SPDX-License-Identifier: MIT
/*
 * Copyright (C) 2026 movgem maintainers
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "igt.h"
#include "movgem_devices.h"
#include "movgem_lib.h"

#define PARAMETER	"/sys/module/movgem/parameters/devices"
#define OUTPUTS		"/sys/module/movgem/parameters/outputs"
#define USERS		"/sys/module/movgem/refcnt"
#define BUS		"/sys/bus/platform"

#define PCI		"/sys/bus/pci"
/* QEMU's pci-testdev, which nobody has a driver for. */
#define PCI_ID		"1b36 0005"
#define PCI_VENDOR	0x1b36
#define PCI_DEVICE	0x0005

/* What they were, if they have been changed. */
static int devices_before = -1, outputs_before = -1;
/* Its address, or empty. */
static char pci_address[256];

static int write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), ret = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		ret = -errno;
	close(fd);
	return ret;
}

static int read_number(const char *path)
{
	FILE *file = fopen(path, "re");
	int value = -1;

	if (file) {
		if (fscanf(file, "%i", &value) != 1)
			value = -1;
		fclose(file);
	}
	return value;
}

static int write_number(const char *path, unsigned int count)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", count);
	return write_text(path, text);
}

void movgem_devices_require(unsigned int count)
{
	int now = read_number(PARAMETER), ret;

	igt_require_f(now >= 0, "no module parameter `devices` (is movgem a module?)\n");
	if (now >= (int)count)
		return;
	ret = write_number(PARAMETER, count);
	igt_require_f(!ret, "cannot set " PARAMETER ": %s\n", strerror(-ret));
	if (devices_before < 0)
		devices_before = now;
}

static void restore_outputs(int sig)
{
	if (outputs_before >= 0)
		write_number(OUTPUTS, outputs_before);
	outputs_before = -1;
}

int __movgem_devices_outputs(unsigned int count)
{
	if (outputs_before < 0) {
		outputs_before = read_number(OUTPUTS);
		igt_install_exit_handler(restore_outputs);
	}
	return write_number(OUTPUTS, count);
}

void movgem_devices_require_outputs(unsigned int count)
{
	int ret = __movgem_devices_outputs(count);

	igt_require_f(!ret, "cannot set " OUTPUTS ": %s\n", strerror(-ret));
}

static int pci_number(const char *address, const char *what)
{
	char path[400];

	snprintf(path, sizeof(path), PCI "/devices/%s/%s", address, what);
	return read_number(path);
}

static bool find_pci(void)
{
	struct dirent *entry;
	bool found = false;
	DIR *dir = opendir(PCI "/devices");

	while (dir && !found && (entry = readdir(dir))) {
		found = pci_number(entry->d_name, "vendor") == PCI_VENDOR &&
			pci_number(entry->d_name, "device") == PCI_DEVICE;
		if (found)
			snprintf(pci_address, sizeof(pci_address), "%s", entry->d_name);
	}
	if (dir)
		closedir(dir);
	return found;
}

/*
 * QEMU has lost timer interrupts of the guest, then hanging, after some hundred
 * changes of what is mapped where. So the function is to answer no address: then
 * nothing changes when it goes and comes.
 */
static void stop_decoding(void)
{
	char path[400];
	uint8_t off[2] = { 0 };
	int fd;

	snprintf(path, sizeof(path), PCI "/devices/%s/config", pci_address);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	igt_assert_fd(fd);
	/* The command register. */
	igt_assert_eq(pwrite(fd, off, sizeof(off), 4), sizeof(off));
	close(fd);
}

void movgem_devices_require_pci(void)
{
	int ret, fd;

	igt_require_f(find_pci(), "no PCI function " PCI_ID " (QEMU: -device pci-testdev)\n");
	stop_decoding();
	ret = write_text(PCI "/drivers/movgem/new_id", PCI_ID);
	/* It may have been there. */
	igt_assert_f(!ret || ret == -EEXIST, "new_id: %s\n", strerror(-ret));
	fd = movgem_device_open(MOVGEM_DEVICE_PCI);
	igt_assert_f(fd >= 0, "movgem has not taken %s\n", pci_address);
	close(fd);
}

void movgem_devices_restore(void)
{
	restore_outputs(0);
	if (devices_before >= 0)
		write_number(PARAMETER, devices_before);
	devices_before = -1;
	if (*pci_address) {
		write_text(PCI "/drivers/movgem/remove_id", PCI_ID);
		write_text(PCI "/drivers/movgem/unbind", pci_address);
	}
	*pci_address = 0;
}

static const char *device_name(unsigned int n, char *name, size_t len)
{
	if (n == MOVGEM_DEVICE_PCI)
		return pci_address;
	snprintf(name, len, n ? "movgem.%u" : "movgem", n);
	return name;
}

int movgem_device_open(unsigned int n)
{
	char name[32], path[400];
	struct dirent *entry;
	int fd = -1;
	DIR *dir;

	snprintf(path, sizeof(path), "%s/devices/%s/drm",
		 n == MOVGEM_DEVICE_PCI ? PCI : BUS, device_name(n, name, sizeof(name)));
	dir = opendir(path);
	if (!dir)
		return -1;
	while (fd < 0 && (entry = readdir(dir))) {
		if (strncmp(entry->d_name, "card", 4))
			continue;
		snprintf(path, sizeof(path), "/dev/dri/%s", entry->d_name);
		fd = open(path, O_RDWR | O_CLOEXEC);
	}
	closedir(dir);
	return fd;
}

int movgem_device_bind(unsigned int n, bool bind)
{
	char name[32], path[400];

	if (n == MOVGEM_DEVICE_PCI) {
		snprintf(path, sizeof(path), PCI "/devices/%s/remove", pci_address);
		return write_text(bind ? PCI "/rescan" : path, "1");
	}
	return write_text(bind ? BUS "/drivers/movgem/bind" : BUS "/drivers/movgem/unbind",
			  device_name(n, name, sizeof(name)));
}

int movgem_module_users(void)
{
	return read_number(USERS);
}

void movgem_wait_for_users(int want)
{
	int i, now = 0;

	for (i = 0; i < 6000; i++) {
		now = movgem_module_users();
		if (now <= want)
			return;
		usleep(10000);
	}
	igt_assert_f(false, "the module has %d users, not %d\n", now, want);
}

/* ---- importer ---- */

#define IMPORTER	"/dev/movgem_importer"
/* Where the dma-buf begins; before that are commands. */
#define IMPORTER_MEMORY	4096

int movgem_importer_open(void)
{
	int fd = open(IMPORTER, O_RDWR | O_CLOEXEC);

	igt_require_f(fd >= 0, "no " IMPORTER ": its module, tools/selftest/importer.c, is not loaded\n");
	return fd;
}

static int send_command(int importer, const char *format, va_list args)
{
	char text[64];
	int len = vsnprintf(text, sizeof(text), format, args);

	igt_assert_lt(len, (int)sizeof(text));
	return write(importer, text, len) < 0 ? -errno : 0;
}

int __movgem_importer(int importer, const char *command, ...)
{
	va_list args;
	int ret;

	va_start(args, command);
	ret = send_command(importer, command, args);
	va_end(args);
	return ret;
}

void movgem_importer(int importer, const char *command, ...)
{
	va_list args;
	int ret;

	va_start(args, command);
	ret = send_command(importer, command, args);
	va_end(args);
	igt_assert_f(!ret, "importer: %s: %s\n", command, strerror(-ret));
}

/* Maps it anew if it has moved since it was mapped. */
static bool map_again(int importer, ssize_t ret)
{
	if (ret != -1 || errno != ESTALE)
		return false;
	movgem_importer(importer, "unmap");
	movgem_importer(importer, "map");
	return true;
}

void movgem_importer_read(int importer, void *data, size_t size, uint64_t offset)
{
	ssize_t ret;

	do {
		ret = pread(importer, data, size, IMPORTER_MEMORY + offset);
	} while (map_again(importer, ret));
	igt_assert_eq_u64(ret, size);
}

void movgem_importer_write(int importer, const void *data, size_t size, uint64_t offset)
{
	ssize_t ret;

	do {
		ret = pwrite(importer, data, size, IMPORTER_MEMORY + offset);
	} while (map_again(importer, ret));
	igt_assert_eq_u64(ret, size);
}
