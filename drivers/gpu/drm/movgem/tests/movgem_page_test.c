// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 movgem maintainers */

/*
 * The life of a page: all orders in which the kernel, jobs, CPU faults, pins
 * and the end of the BO can come, against a model of a few lines.
 */

#include <linux/dma-resv.h>
#include <linux/io.h>
#include <linux/migrate.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/workqueue.h>

#include <drm/movgem_drm.h>

#include "movgem_kunit_page.h"
#include "movgem_stall.h"

#define VA	MOVGEM_KUNIT_VA
#define PAGES	3
/* The page that everything happens to. */
#define INDEX	1

/* All orders of so many steps are tried. */
#define DEPTH	5

enum step {
	STEP_ISOLATE,
	STEP_MOVE,
	STEP_MOVE_ASYNC,
	/* A move that fails, as somebody has a reference of the page. */
	STEP_MOVE_HELD,
	/* And one that fails as a CPU fault is just mapping it. */
	STEP_MOVE_BUSY,
	STEP_PUTBACK,
	/* A job, or a CPU fault, that has waited for the page. */
	STEP_RETAKE_GPU,
	STEP_RETAKE_CPU,
	STEP_PIN,
	STEP_UNPIN,
	STEP_PURGE,
	STEP_FREE,
	STEPS,
};

static const char * const names[STEPS] = {
	"isolate", "move", "move-async", "move-held", "move-busy", "putback",
	"retake-gpu", "retake-cpu", "pin", "unpin", "purge", "free",
};

/* What is so, and what has to be so. */
struct life {
	struct kunit *test;
	struct movgem_kunit_gpu *gpu;
	struct movgem_device *mdev;
	struct movgem_bo *bo;
	struct movgem_slot *slot;
	enum step steps[DEPTH];
	int depth;
	/* Of all orders those with this second step are tried. */
	enum step second;

	/* The page that the kernel has, or NULL. */
	struct page *held;
	enum movgem_page_state state;
	u64 moved;
	int pins;
	bool gone;
};

static bool blocked(const struct life *life)
{
	return life->state == MOVGEM_PAGE_ISOLATED ||
	       life->state == MOVGEM_PAGE_QUIESCED;
}

static void print_steps(struct life *life)
{
	char text[160] = "";

	for (int i = 0; i < life->depth; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text),
			 " %s", names[life->steps[i]]);
	kunit_info(life->test, "after%s\n", text);
}

/* Can happen now, by the rules of the kernel. */
static bool is_possible(const struct life *life, enum step step)
{
	switch (step) {
	case STEP_ISOLATE:
		return !life->held && !life->gone;
	case STEP_MOVE:
	case STEP_MOVE_ASYNC:
	case STEP_MOVE_HELD:
	case STEP_MOVE_BUSY:
	case STEP_PUTBACK:
		return life->held;
	case STEP_UNPIN:
		return life->pins;
	case STEP_PIN:
		return !life->gone && life->pins < 2;
	default:
		return !life->gone;
	}
}

static void do_isolate(struct life *life)
{
	bool ok = life->state == MOVGEM_PAGE_RESIDENT && !life->pins;

	life->held = movgem_kunit_isolate(life->slot);
	KUNIT_EXPECT_EQ(life->test, ok, !!life->held);
	if (ok)
		life->state = MOVGEM_PAGE_ISOLATED;
}

static void do_move(struct life *life, enum step step)
{
	int want = life->pins || life->gone ? -EBUSY : 0;
	struct page *page = life->held;
	enum migrate_mode mode = step == STEP_MOVE_ASYNC ? MIGRATE_ASYNC :
							   MIGRATE_SYNC;
	int ret;

	if (step == STEP_MOVE_HELD)
		get_page(page);
	if (step == STEP_MOVE_BUSY) {
		/* Whom the kernel has quiesced no fault makes busy any more. */
		if (!life->gone && life->state != MOVGEM_PAGE_QUIESCED)
			life->slot->busy++;
		mode = MIGRATE_ASYNC;
	}

	ret = movgem_kunit_migrate(life->test, page, mode, true);

	if (step == STEP_MOVE_HELD) {
		put_page(page);
		if (!want) {
			want = -EAGAIN;
			life->state = MOVGEM_PAGE_QUIESCED;
		}
	}
	if (step == STEP_MOVE_BUSY && !life->gone &&
	    life->state != MOVGEM_PAGE_QUIESCED) {
		life->slot->busy--;
		want = want ?: -EAGAIN;
	}
	KUNIT_EXPECT_EQ(life->test, want, ret);
	if (!ret) {
		life->held = NULL;
		life->state = MOVGEM_PAGE_RESIDENT;
		life->moved++;
	}
}

static void do_putback(struct life *life)
{
	if (life->gone)
		KUNIT_EXPECT_EQ(life->test, 1, page_count(life->held));
	movgem_kunit_putback(life->held);
	life->held = NULL;
	life->state = MOVGEM_PAGE_RESIDENT;
}

static void do_retake(struct life *life, bool quiesced)
{
	bool ok = life->state == MOVGEM_PAGE_ISOLATED ||
		  (quiesced && life->state == MOVGEM_PAGE_QUIESCED);

	KUNIT_EXPECT_EQ(life->test, ok,
			movgem_migrate_retake(life->bo, INDEX, quiesced));
	if (ok)
		life->state = MOVGEM_PAGE_RETAKEN;
}

static void do_pin(struct life *life, bool pin)
{
	struct drm_gem_object *obj = &life->bo->base;

	dma_resv_lock(obj->resv, NULL);
	if (pin)
		KUNIT_EXPECT_EQ(life->test, 0, movgem_bo_pin(life->bo));
	else
		movgem_bo_unpin(life->bo);
	dma_resv_unlock(obj->resv);
	life->pins += pin ? 1 : -1;
}

/* The BO's pages are not needed, and the shrinker runs. */
static void do_purge(struct life *life)
{
	bool ok = !life->pins && life->state == MOVGEM_PAGE_RESIDENT;
	struct movgem_bo *bo = life->bo;
	u64 before = movgem_stat_read(life->mdev, pages_purged);
	struct shrink_control sc = {
		.gfp_mask = GFP_KERNEL,
		.nr_to_scan = 1000,
	};

	spin_lock(&bo->pages_lock);
	bo->madv = DRM_MOVGEM_MADV_DONTNEED;
	spin_unlock(&bo->pages_lock);
	drm_gem_lru_move_tail(&life->mdev->lru.list, &bo->base);

	life->mdev->shrinker->scan_objects(life->mdev->shrinker, &sc);

	KUNIT_EXPECT_EQ(life->test, ok ? PAGES : 0,
			movgem_stat_read(life->mdev, pages_purged) - before);
	if (ok) {
		life->gone = true;
		return;
	}
	movgem_lru_remove(bo);
	spin_lock(&bo->pages_lock);
	bo->madv = DRM_MOVGEM_MADV_WILLNEED;
	spin_unlock(&bo->pages_lock);
}

/* Pages and BO go; what the kernel has of them stays until it gives it back. */
static void free_bo(struct life *life)
{
	while (life->pins)
		do_pin(life, false);
	movgem_bo_put(life->bo);
	life->bo = NULL;
	life->slot = NULL;
	life->gone = true;
}

static void do_step(struct life *life, enum step step)
{
	life->steps[life->depth++] = step;

	switch (step) {
	case STEP_ISOLATE:
		do_isolate(life);
		break;
	case STEP_PUTBACK:
		do_putback(life);
		break;
	case STEP_RETAKE_GPU:
		do_retake(life, false);
		break;
	case STEP_RETAKE_CPU:
		do_retake(life, true);
		break;
	case STEP_PIN:
		do_pin(life, true);
		break;
	case STEP_UNPIN:
		do_pin(life, false);
		break;
	case STEP_PURGE:
		do_purge(life);
		break;
	case STEP_FREE:
		free_bo(life);
		break;
	default:
		do_move(life, step);
		break;
	}
}

static void check_life(struct life *life)
{
	struct kunit *test = life->test;
	struct movgem_bo *bo = life->bo;
	u64 pte;

	if (!bo)
		return;
	KUNIT_EXPECT_EQ(test, life->pins, bo->pins);
	KUNIT_EXPECT_EQ(test, life->moved, bo->moved);
	KUNIT_EXPECT_EQ(test, 0, bo->moving);
	if (life->gone)
		return;
	KUNIT_EXPECT_EQ(test, life->state, life->slot->state);
	KUNIT_EXPECT_EQ(test, life->state != MOVGEM_PAGE_RESIDENT, bo->away);
	KUNIT_EXPECT_EQ(test, 1 + !!life->held, page_count(movgem_slot_page(life->slot)));
	KUNIT_EXPECT_PTR_EQ(test, (void *)page_private(movgem_slot_page(life->slot)),
			    (void *)life->slot);
	for (int i = 0; i < PAGES; i++)
		KUNIT_EXPECT_EQ(test, i + 1,
				*(u32 *)movgem_kunit_content(bo, i));

	pte = page_to_phys(movgem_slot_page(life->slot)) | MOVGEM_PTE_VALID;
	if (blocked(life))
		pte |= MOVGEM_PTE_BLOCKED;
	KUNIT_EXPECT_EQ(test, pte, movgem_pt_walk(&life->gpu->vm->pt,
						  VA + INDEX * PAGE_SIZE));
}

static void unmap_all(struct life *life)
{
	LIST_HEAD(done);

	movgem_vma_unmap_all(life->gpu->vm, &done);
	movgem_vma_free_list(&done);
}

/* A BO of three pages at rest, which is mapped on the GPU. */
static void begin_life(struct life *life)
{
	struct movgem_bo *bo;

	bo = movgem_bo_create(life->mdev, PAGES * PAGE_SIZE, 0, NULL);
	KUNIT_ASSERT_FALSE(life->test, IS_ERR(bo));
	for (int i = 0; i < PAGES; i++)
		*(u32 *)movgem_kunit_content(bo, i) = i + 1;
	movgem_kunit_bind(life->gpu, bo, VA);
	life->bo = bo;
	life->slot = &bo->slot[INDEX];
	life->held = NULL;
	life->state = MOVGEM_PAGE_RESIDENT;
	life->moved = 0;
	life->pins = 0;
	life->gone = false;
	life->depth = 0;
}

static void end_life(struct life *life)
{
	if (life->bo) {
		unmap_all(life);
		free_bo(life);
	}
	if (life->held)
		do_putback(life);
}

static bool is_next(const struct life *life, int at, enum step step)
{
	return is_possible(life, step) && (at != 1 || step == life->second);
}

/* Depth first through all orders; each begins anew with a BO of its own. */
static int walk_lives(struct life *life)
{
	enum step order[DEPTH] = {};
	struct kunit *test = life->test;
	int orders = 0, at;

	do {
		begin_life(life);
		for (at = 0; at < DEPTH; at++) {
			while (order[at] < STEPS &&
			       !is_next(life, at, order[at]))
				order[at]++;
			if (order[at] == STEPS)
				break;
			/* For the BO to go, its mapping has to. */
			if (order[at] == STEP_FREE)
				unmap_all(life);
			do_step(life, order[at]);
			check_life(life);
		}
		end_life(life);
		orders++;
		if (READ_ONCE(test->status) == KUNIT_FAILURE) {
			print_steps(life);
			return orders;
		}
		/* The next one: what comes behind begins from its first. */
		if (at == DEPTH)
			at--;
		else
			at = at ? at - 1 : -1;
		for (int i = at + 1; i < DEPTH; i++)
			order[i] = 0;
		if (at >= 0)
			order[at]++;
	} while (at >= 0);
	return orders;
}

static int page_test_init(struct kunit *test)
{
	struct life *life = kunit_kzalloc(test, sizeof(*life), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, life);
	life->test = test;
	life->gpu = movgem_kunit_gpu(test);
	life->mdev = life->gpu->mdev;
	if (life->mdev->store != &movgem_store_movable)
		kunit_skip(test, "the page store is %s",
			   life->mdev->store->name);
	test->priv = life;
	return 0;
}

/* One case for each second step: KUnit gives each case 300 seconds. */
static const enum step second_steps[STEPS] = {
	STEP_ISOLATE, STEP_MOVE, STEP_MOVE_ASYNC, STEP_MOVE_HELD,
	STEP_MOVE_BUSY, STEP_PUTBACK, STEP_RETAKE_GPU, STEP_RETAKE_CPU,
	STEP_PIN, STEP_UNPIN, STEP_PURGE, STEP_FREE,
};

static void second_step_name(const enum step *step, char *name)
{
	strscpy(name, names[*step], KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(second_step, second_steps, second_step_name);

static void page_orders(struct kunit *test)
{
	struct life *life = test->priv;
	int orders;

	life->second = *(const enum step *)test->param_value;
	orders = walk_lives(life);
	kunit_info(test, "%d orders of up to %d steps\n", orders, DEPTH);
	KUNIT_EXPECT_EQ(test, 0, movgem_stat_read(life->mdev, bos_live));
	KUNIT_EXPECT_EQ(test, 0, movgem_stat_read(life->mdev, pages_live));
	KUNIT_EXPECT_EQ(test, 0, movgem_stat_read(life->mdev, pages_pinned));
	/* It would not be a test if the tree were pruned by mistake. */
	KUNIT_EXPECT_GT(test, orders, 50);
}

/* A job that finds the page in the kernel's hands takes it back in the end. */
static void page_stall(struct kunit *test)
{
	struct life *life = test->priv;
	struct movgem_kunit_gpu *gpu = life->gpu;
	u64 va = VA + INDEX * PAGE_SIZE;
	u32 word;

	begin_life(life);
	for (int quiesced = 0; quiesced < 2; quiesced++) {
		u64 unblocked = movgem_stat_read(gpu->mdev, gpu_unblock);
		u64 stalls = movgem_stat_read(gpu->mdev, gpu_stall);

		do_step(life, STEP_ISOLATE);
		if (quiesced)
			do_step(life, STEP_MOVE_HELD);
		movgem_migrate_flush(gpu->mdev);
		word = 0;
		KUNIT_EXPECT_EQ(test, 0, movgem_soft_read(&gpu->ctx, va, &word,
							  sizeof(word),
							  DRM_MOVGEM_ACCESS_READ));
		KUNIT_EXPECT_EQ(test, INDEX + 1, word);
		KUNIT_EXPECT_EQ(test, unblocked + 1,
				movgem_stat_read(gpu->mdev, gpu_unblock));
		KUNIT_EXPECT_EQ(test, stalls + 1,
				movgem_stat_read(gpu->mdev, gpu_stall));
		life->state = MOVGEM_PAGE_RETAKEN;
		check_life(life);

		/* The move is not forbidden by that. */
		do_step(life, STEP_MOVE);
		life->depth = 0;
		check_life(life);
		KUNIT_EXPECT_EQ(test, 0, movgem_soft_read(&gpu->ctx, va, &word,
							  sizeof(word),
							  DRM_MOVGEM_ACCESS_READ));
		KUNIT_EXPECT_EQ(test, INDEX + 1, word);
	}
	end_life(life);
}

/* What a job has stalled on it gets before the page moves again. */
static void page_wanted(struct kunit *test)
{
	struct life *life = test->priv;
	u64 refused = movgem_stat_read(life->mdev, isolate_refused_wanted);
	struct movgem_stall stall = {};

	begin_life(life);
	do_step(life, STEP_ISOLATE);
	/* The job takes the page back, and is not there again yet. */
	movgem_stall_wait(life->gpu->vm, VA + INDEX * PAGE_SIZE, &stall);
	life->state = MOVGEM_PAGE_RETAKEN;
	check_life(life);

	if (movgem_kunit_migrate(test, life->held, MIGRATE_SYNC, true) !=
	    -EAGAIN) {
		movgem_stall_end(life->mdev, &stall);
		KUNIT_FAIL(test, "the page moved");
		life->held = NULL;
		end_life(life);
		return;
	}
	check_life(life);
	do_step(life, STEP_PUTBACK);
	life->held = movgem_kunit_isolate(life->slot);
	KUNIT_EXPECT_NULL(test, life->held);
	if (life->held)
		do_putback(life);
	KUNIT_EXPECT_EQ(test, refused + 1,
			movgem_stat_read(life->mdev, isolate_refused_wanted));
	check_life(life);

	movgem_stall_end(life->mdev, &stall);
	do_step(life, STEP_ISOLATE);
	do_step(life, STEP_MOVE);
	check_life(life);
	end_life(life);
}

/* A CPU fault waits, and takes back what is in nobody's sight. */
static void page_fault_wait(struct kunit *test)
{
	struct life *life = test->priv;
	u64 retaken = movgem_stat_read(life->mdev, cpu_retake);

	begin_life(life);
	/* At rest there is nothing to wait for. */
	movgem_migrate_wait(life->bo, INDEX);
	check_life(life);
	do_step(life, STEP_ISOLATE);
	movgem_migrate_wait(life->bo, INDEX);
	check_life(life);

	do_step(life, STEP_MOVE_HELD);
	movgem_migrate_wait(life->bo, INDEX);
	life->state = MOVGEM_PAGE_RETAKEN;
	check_life(life);
	KUNIT_EXPECT_EQ(test, retaken + 1,
			movgem_stat_read(life->mdev, cpu_retake));
	end_life(life);
}

/* A move that takes its time, by the driver's own functions. */
struct slow_move {
	struct movgem_move move;
	struct page *src;
	struct page *dst;
	struct delayed_work work;
};

static void slow_move_work(struct work_struct *work)
{
	struct slow_move *slow = container_of(to_delayed_work(work),
					      struct slow_move, work);

	copy_highpage(slow->dst, slow->src);
	movgem_migrate_end(&slow->move, slow->dst, 0);
}

static void slow_move_begin(struct life *life, struct slow_move *slow)
{
	struct kunit *test = life->test;

	slow->src = movgem_slot_page(life->slot);
	slow->dst = alloc_page(GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, slow->dst);
	slow->move = (struct movgem_move) {
		.slot = life->slot,
		.mode = MIGRATE_SYNC,
	};
	/* The kernel keeps off meanwhile. */
	lock_page(slow->src);
	KUNIT_EXPECT_EQ(test, 0, movgem_migrate_begin(&slow->move));
	KUNIT_EXPECT_EQ(test, MOVGEM_PAGE_MOVING, life->slot->state);
	KUNIT_EXPECT_EQ(test, 1, life->bo->moving);
	INIT_DELAYED_WORK_ONSTACK(&slow->work, slow_move_work);
	schedule_delayed_work(&slow->work, msecs_to_jiffies(60));
}

static void slow_move_wait(struct life *life, struct slow_move *slow)
{
	flush_delayed_work(&slow->work);
	destroy_delayed_work_on_stack(&slow->work);
	KUNIT_EXPECT_PTR_EQ(life->test, slow->dst, movgem_slot_page(life->slot));
	KUNIT_EXPECT_EQ(life->test, 0, life->bo->moving);
}

/* The store had no part in it, so back it goes. */
static void slow_move_undo(struct life *life, struct slow_move *slow)
{
	KUNIT_EXPECT_EQ(life->test, 0, movgem_migrate_begin(&slow->move));
	movgem_migrate_end(&slow->move, slow->src, 0);
	unlock_page(slow->src);
	movgem_migrate_flush(life->mdev);
	__free_page(slow->dst);
	life->moved += 2;
	check_life(life);
}

/* While a page is MOVING a job waits, for as long as that takes. */
static void page_moving_gpu(struct kunit *test)
{
	struct life *life = test->priv;
	struct slow_move slow;
	u32 word = 0;

	begin_life(life);
	slow_move_begin(life, &slow);
	KUNIT_EXPECT_EQ(test, 0, movgem_soft_read(&life->gpu->ctx,
						  VA + INDEX * PAGE_SIZE, &word,
						  sizeof(word),
						  DRM_MOVGEM_ACCESS_READ));
	KUNIT_EXPECT_EQ(test, INDEX + 1, word);
	KUNIT_EXPECT_PTR_EQ(test, slow.dst, movgem_slot_page(life->slot));
	slow_move_wait(life, &slow);
	slow_move_undo(life, &slow);
	end_life(life);
}

/* And so does a CPU fault, in turns. Neither can take the page. */
static void page_moving_cpu(struct kunit *test)
{
	struct life *life = test->priv;
	struct slow_move slow;

	begin_life(life);
	slow_move_begin(life, &slow);
	KUNIT_EXPECT_FALSE(test, movgem_migrate_retake(life->bo, INDEX, true));
	while (READ_ONCE(life->slot->state) == MOVGEM_PAGE_MOVING)
		movgem_migrate_wait(life->bo, INDEX);
	slow_move_wait(life, &slow);
	KUNIT_EXPECT_EQ(test, 0, movgem_stat_read(life->mdev, cpu_retake));
	slow_move_undo(life, &slow);
	end_life(life);
}

/* To pin a BO waits for the end of a move; after that only who pins moves it. */
static void page_pin_waits(struct kunit *test)
{
	struct life *life = test->priv;
	struct slow_move slow;

	begin_life(life);
	if (page_zonenum(movgem_slot_page(life->slot)) == ZONE_MOVABLE) {
		end_life(life);
		kunit_skip(test, "a pin moves pages of ZONE_MOVABLE itself");
	}
	slow_move_begin(life, &slow);
	do_pin(life, true);
	KUNIT_EXPECT_EQ(test, 0, life->bo->moving);
	slow_move_wait(life, &slow);
	KUNIT_EXPECT_EQ(test, -EBUSY, movgem_migrate_begin(&slow.move));
	slow.move.pinned = true;
	slow_move_undo(life, &slow);
	do_pin(life, false);
	end_life(life);
}

static struct kunit_case page_cases[] = {
	KUNIT_CASE_PARAM_ATTR(page_orders, second_step_gen_params,
			      { .speed = KUNIT_SPEED_SLOW }),
	KUNIT_CASE(page_stall),
	KUNIT_CASE(page_wanted),
	KUNIT_CASE(page_fault_wait),
	KUNIT_CASE(page_moving_gpu),
	KUNIT_CASE(page_moving_cpu),
	KUNIT_CASE(page_pin_waits),
	{}
};

static struct kunit_suite page_suite = {
	.name = "movgem_page",
	.init = page_test_init,
	.test_cases = page_cases,
};

kunit_test_suite(page_suite);
