// SPDX-License-Identifier: GPL-2.0
/*
 * A plugin of QEMU's TCG: which instructions the guest executes between two
 * marks (bench.h), by the address of their translation block. At the end mark it
 * writes a line "ADDRESS INSTRUCTIONS" for each block to the file that its
 * argument out= names; tools/bench/profile makes functions of that.
 *
 * Built without QEMU's header, which Debian does not ship: what is used of the
 * interface (its documentation: docs/devel/tcg-plugins.rst) is declared here.
 *
 * Copyright (C) 2026 movgem maintainers
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mark.h"

#define EXPORT __attribute__((visibility("default")))

struct qemu_plugin_tb;
struct qemu_plugin_insn;

typedef uint64_t plugin_id;
typedef void (*exec_cb)(unsigned int vcpu, void *data);

void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id id,
					   void (*cb)(plugin_id id,
						      struct qemu_plugin_tb *tb));
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *tb, exec_cb cb,
					  int flags, void *data);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn,
					    exec_cb cb, int flags, void *data);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb,
						 size_t index);
size_t qemu_plugin_insn_data(const struct qemu_plugin_insn *insn, void *dest,
			     size_t len);

EXPORT int qemu_plugin_version = 2;

/* A translation block; one that is translated again gets a second record. */
struct block {
	struct block *next;
	uint64_t address;
	uint64_t insns;
	uint64_t count;
};

static struct block *blocks;
static const char *out_path;
static bool counting;

/* The guest has one processor (icount): nothing here runs twice at a time. */
static void executed(unsigned int vcpu, void *data)
{
	struct block *block = data;

	(void)vcpu;
	block->count += counting;
}

static void begin(unsigned int vcpu, void *data)
{
	struct block *block;

	(void)vcpu;
	(void)data;
	for (block = blocks; block; block = block->next)
		block->count = 0;
	counting = true;
}

static void end(unsigned int vcpu, void *data)
{
	struct block *block;
	FILE *file;

	(void)vcpu;
	(void)data;
	if (!counting)
		return;
	counting = false;
	file = fopen(out_path, "w");
	if (!file) {
		perror(out_path);
		exit(1);
	}
	for (block = blocks; block; block = block->next)
		if (block->count)
			fprintf(file, "%lx %lu\n", block->address,
				block->count * block->insns);
	fclose(file);
}

static void translated(plugin_id id, struct qemu_plugin_tb *tb)
{
	static const uint8_t marks[][MARK_SIZE] = {
		{ MARK_BYTES(MARK_BEGIN) },
		{ MARK_BYTES(MARK_END) },
	};
	struct block *block = calloc(1, sizeof(*block));
	uint8_t bytes[MARK_SIZE];
	size_t i;

	(void)id;
	if (!block)
		abort();
	block->address = qemu_plugin_tb_vaddr(tb);
	block->insns = qemu_plugin_tb_n_insns(tb);
	block->next = blocks;
	blocks = block;
	qemu_plugin_register_vcpu_tb_exec_cb(tb, executed, 0, block);

	for (i = 0; i < block->insns; i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);

		if (qemu_plugin_insn_data(insn, bytes, sizeof(bytes)) !=
		    sizeof(bytes))
			continue;
		if (!memcmp(bytes, marks[0], sizeof(bytes)))
			qemu_plugin_register_vcpu_insn_exec_cb(insn, begin, 0,
							       NULL);
		if (!memcmp(bytes, marks[1], sizeof(bytes)))
			qemu_plugin_register_vcpu_insn_exec_cb(insn, end, 0,
							       NULL);
	}
}

EXPORT int qemu_plugin_install(plugin_id id, const void *info, int argc,
			       char **argv)
{
	(void)info;
	if (argc != 1 || strncmp(argv[0], "out=", 4)) {
		fputs("profile-plugin: the argument is out=FILE\n", stderr);
		return -1;
	}
	out_path = strdup(argv[0] + 4);
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	return 0;
}
