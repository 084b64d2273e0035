/* SPDX-License-Identifier: MIT */
/*
 * Copyright (C) 2026 movgem maintainers
 *
 * What the jobs of a rig do, for those who submit them and those who check.
 */
#ifndef MOVGEM_MIGRATE_MODEL_H
#define MOVGEM_MIGRATE_MODEL_H

#include "movgem_migrate_rig.h"

/* A channel saturates at 255: so many jobs, then the next pixel. */
#define COUNTS_PER_PIXEL	250u

/* What a job adds to a page's pixel: it differs from page to page. */
static inline uint32_t seed_pixel(unsigned int page)
{
	return 1 << 16 | (page & 1) << 8 | (page >> 1 & 1);
}

static inline unsigned int rig_chunk(const struct rig *rig)
{
	return rig->pages < RIG_CHUNK ? rig->pages : RIG_CHUNK;
}

static inline unsigned int rig_chunks(const struct rig *rig)
{
	return rig->pages / rig_chunk(rig);
}

static inline uint32_t *model_at(struct rig *rig, unsigned int writer,
			  unsigned int page, unsigned int slot)
{
	return &rig->shared->model[(writer * rig->pages + page) * RIG_SLOTS +
				   slot];
}

static inline unsigned int copy_source(const struct rig *rig, uint64_t n)
{
	return n % rig->pages;
}

static inline unsigned int copy_target(const struct rig *rig, uint64_t n)
{
	return (n * 7 + 3) % rig->pages;
}

/* Has the GPU copy a chunk of a view to &rig.readback, and waits. */
void rig_read_back(struct rig *rig, struct rig_view *v, unsigned int chunk);

#endif
