// SPDX-License-Identifier: MIT
/*
 * Copyright (C) 2026 movgem maintainers
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "igt.h"
#include "movgem_lib.h"
#include "movgem_migrate_model.h"

uint32_t rig_pattern(unsigned int page, unsigned int offset)
{
	uint32_t x = page * 0x9e3779b9u + offset * 0x85ebca6bu;

	x ^= x >> 15;
	x *= 0x2c1b3c6du;
	x ^= x >> 12;
	return x | 1;
}

/* Jobs among the first @jobs that count chunk @chunk up. */
static uint64_t jobs_of_chunk(const struct rig *rig, uint64_t jobs,
			      unsigned int chunk)
{
	unsigned int chunks = rig_chunks(rig);

	return jobs <= chunk ? 0 : (jobs - chunk - 1) / chunks + 1;
}

/* The pixel lane of @page after the first @jobs jobs. */
static void expect_lane(const struct rig *rig, unsigned int page,
			uint64_t jobs, uint32_t *lane)
{
	uint64_t count, pixel;
	unsigned int i;

	count = jobs_of_chunk(rig, jobs, page / rig_chunk(rig));
	for (i = 0; i < RIG_SLOTS; i++) {
		pixel = count < COUNTS_PER_PIXEL ? count : COUNTS_PER_PIXEL;
		lane[i] = seed_pixel(page) * (uint32_t)pixel;
		count -= pixel;
	}
}

struct page_model {
	uint32_t lane[RIG_VIEWS][RIG_SLOTS];
	uint32_t copy[RIG_VIEWS][RIG_SLOTS];
};

static void expect_gpu(struct rig *rig, struct page_model *model)
{
	unsigned int view, page;
	uint64_t n;

	for (view = 0; view < rig->cfg.views; view++) {
		uint64_t jobs = rig->views[view].jobs;

		for (page = 0; page < rig->pages; page++)
			expect_lane(rig, page, jobs, model[page].lane[view]);
		/* copies long past have been overwritten: pages is enough */
		n = jobs > rig->pages ? jobs - rig->pages : 0;
		for (; n < jobs; n++)
			expect_lane(rig, copy_source(rig, n), n + 1,
				    model[copy_target(rig, n)].copy[view]);
	}
}

static void expect_page(struct rig *rig, const struct page_model *model,
			unsigned int page, uint8_t *out)
{
	unsigned int i;
	uint32_t word;

	for (i = 0; i < RIG_WRITERS; i++)
		memcpy(out + RIG_CPU_LANES + i * RIG_LANE,
		       model_at(rig, i, page, 0), RIG_LANE);
	memcpy(out + RIG_GPU_LANES, model[page].lane, RIG_VIEWS * RIG_LANE);
	memcpy(out + RIG_COPY_LANES, model[page].copy, RIG_VIEWS * RIG_LANE);
	for (i = RIG_PATTERN; i < PAGE; i += 4) {
		word = rig_pattern(page, i);
		memcpy(out + i, &word, 4);
	}
}

static const char *owner_of(unsigned int offset)
{
	static char text[40];

	if (offset < RIG_GPU_LANES)
		snprintf(text, sizeof(text), "CPU writer %u",
			 (offset - RIG_CPU_LANES) / RIG_LANE);
	else if (offset < RIG_COPY_LANES)
		snprintf(text, sizeof(text), "blend of view %u",
			 (offset - RIG_GPU_LANES) / RIG_LANE);
	else if (offset < RIG_PATTERN)
		snprintf(text, sizeof(text), "copy of view %u",
			 (offset - RIG_COPY_LANES) / RIG_LANE);
	else
		return "fixed pattern";
	return text;
}

/* Compares @count pages from @first on; returns how many bytes differ. */
static uint64_t check_pages(struct rig *rig, const struct page_model *model,
			    unsigned int first, unsigned int count,
			    const uint8_t *have, const char *how)
{
	static unsigned int reported;
	uint8_t want[PAGE];
	uint64_t lost = 0;
	unsigned int page, i;
	uint32_t w, h;

	reported = 0;
	for (page = first; page < first + count; page++, have += PAGE) {
		expect_page(rig, model, page, want);
		if (!memcmp(want, have, PAGE))
			continue;
		for (i = 0; i < PAGE; i++)
			lost += want[i] != have[i];
		if (reported++ >= 3)
			continue;
		for (i = 0; want[i] == have[i]; i++)
			;
		i &= ~3u;
		memcpy(&w, want + i, 4);
		memcpy(&h, have + i, 4);
		igt_warn("%s: page %u offset 0x%x (%s): want 0x%08x, have 0x%08x\n",
			 how, page, i, owner_of(i), w, h);
	}

	return lost;
}

static struct page_model *model_new(struct rig *rig)
{
	struct page_model *model = calloc(rig->pages, sizeof(*model));

	igt_assert(model);
	expect_gpu(rig, model);
	return model;
}

void rig_check_at(struct rig *rig, const uint8_t *map, const char *how)
{
	struct page_model *model = model_new(rig);
	uint64_t lost;

	lost = check_pages(rig, model, 0, rig->pages, map, how);
	free(model);
	igt_assert_f(!lost, "%s: %llu bytes are wrong\n", how,
		     (unsigned long long)lost);
}

void rig_check_cpu(struct rig *rig)
{
	bool mapped = rig->cpu;

	if (!mapped)
		rig_map(rig);
	rig_check_at(rig, rig->cpu, "seen by the CPU");
	if (!mapped)
		rig_unmap(rig);
}

void rig_check_gpu(struct rig *rig)
{
	struct page_model *model = model_new(rig);
	unsigned int view, chunk, pages = rig_chunk(rig);
	uint64_t lost = 0;
	char how[32];

	for (view = 0; view < rig->cfg.views; view++) {
		snprintf(how, sizeof(how), "seen by GPU view %u", view);
		for (chunk = 0; chunk < rig_chunks(rig); chunk++) {
			rig_read_back(rig, &rig->views[view], chunk);
			lost += check_pages(rig, model, chunk * pages, pages,
					    rig->readback, how);
		}
	}
	free(model);
	igt_assert_f(!lost, "seen by the GPU: %llu bytes are wrong\n",
		     (unsigned long long)lost);
}

void rig_check(struct rig *rig)
{
	bool mapped = rig->cpu;

	if (!mapped)
		rig_map(rig);
	/* what the CPU writes now must be what the GPU sees */
	rig_write_all(rig);
	igt_assert_f(!rig->shared->wrong,
		     "page %u counter %u must be %u and is %u\n",
		     rig->shared->wrong_page, rig->shared->wrong_slot,
		     rig->shared->wrong_want, rig->shared->wrong_have);
	rig_check_cpu(rig);
	rig_check_gpu(rig);
	if (!mapped)
		rig_unmap(rig);
}
