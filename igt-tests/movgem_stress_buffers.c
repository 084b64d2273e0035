// SPDX-License-Identifier: MIT
/*
 * Copyright (C) 2026 movgem maintainers
 *
 * The worker that knows every byte of its buffers: what it does, and how often.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "igt.h"
#include "movgem_stress_buffers.h"

static const struct {
	void (*run)(struct buffers *b);
	unsigned int weight;
} table[] = {
	{ op_create, 14 },
	{ op_free, 5 },
	{ op_close_early, 2 },
	{ op_map, 4 },
	{ op_unmap, 2 },
	{ op_unmap_part, 3 },
	{ op_remap, 4 },
	{ op_protect, 3 },
	{ op_cpu_write, 16 },
	{ op_cpu_check, 12 },
	{ op_fork, 1 },
	{ op_madvise, 1 },
	{ op_bind, 12 },
	{ op_bind_sparse, 6 },
	{ op_unbind, 3 },
	{ op_job, 40 },
	{ op_job_pair, 6 },
	{ op_job_gate, 4 },
	{ op_job_fault, 3 },
	{ op_gpu_check, 12 },
	{ op_new_vm, 1 },
	{ op_export, 2 },
	{ op_import_file, 1 },
	{ op_import_device, 2 },
	{ op_import_vgem, 1 },
	{ op_from_vgem, 1 },
	{ op_post, 3 },
	{ op_receive, 3 },
	{ op_read_vm, 2 },
	{ op_direct_io, 2 },
	{ op_register, 2 },
};

static void one(struct buffers *b)
{
	static unsigned int sum;
	unsigned int i, n;

	if (!sum)
		for (i = 0; i < ARRAY_SIZE(table); i++)
			sum += table[i].weight;
	n = stress_below(b->w, sum);
	for (i = 0; n >= table[i].weight; i++)
		n -= table[i].weight;
	table[i].run(b);
}

/* Every BO that is still there, and those in the post. */
static void finish(struct buffers *b)
{
	unsigned int i, tries = 0, left;

	do {
		left = 0;
		op_receive(b);
		for (i = 0; i < BOS; i++) {
			struct buffer *bo = &b->bos[i];

			if (!bo->used)
				continue;
			left++;
			content_check_all(b, bo);
			while (!bo_unbind(b, bo))
				stress_wait_for_memory(b->w, "unbinding", tries++);
			if (!bo->used)
				continue;
			bo_unmap(b, bo);
			if (bo->handle && bo_close(b, bo))
				stress_fail(b->w, "a BO cannot be closed");
			bo_release(b, bo);
		}
	} while (left);
}

void stress_buffers(struct stress_worker *w)
{
	struct buffers *b = calloc(1, sizeof(*b));

	if (!b)
		stress_fail(w, "no memory to begin with");
	b->w = w;
	b->fd = stress_open(0);
	b->other_fd = stress_open(0);
	b->second = stress_open(1);
	b->vgem = stress_open_other("vgem");
	if (b->fd < 0 || b->other_fd < 0)
		stress_fail(w, "cannot open the device: %s", strerror(errno));
	/* The guest's disk; what is in memory only does no direct I/O. */
	b->file = w->shared->has_folios ?
		open("/root", O_TMPFILE | O_RDWR | O_DIRECT | O_CLOEXEC, 0600) : -1;
	gpu_init(b);
	while (!w->shared->stop)
		one(b);
	finish(b);
	gpu_fini(b);
	close(b->fd);
	close(b->other_fd);
	if (b->file >= 0)
		close(b->file);
	if (b->second >= 0)
		close(b->second);
	if (b->vgem >= 0)
		close(b->vgem);
	free(b);
}
