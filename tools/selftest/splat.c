// SPDX-License-Identifier: GPL-2.0
/*
 * What tools/check loads to see whether tools/vm notices that the kernel
 * complains: a stock kernel has no lkdtm. The parameter says what to provoke; the
 * last four show on the debug kernel only.
 */
#include <linux/delay.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/string.h>

static char *what = "none";
module_param(what, charp, 0444);
MODULE_PARM_DESC(what, "warn, bug, oops, hang, use-after-free, poison, deadlock or leak");

static DEFINE_MUTEX(first);
static DEFINE_MUTEX(second);

static void use_after_free(void)
{
	volatile char *bytes = kmalloc(100, GFP_KERNEL);

	kfree((void *)bytes);
	if (bytes)
		bytes[10] = 1;
}

/*
 * A page that is written after it was freed, by a function that KASAN does not see:
 * pages that migrate are copied by it.
 */
static void poison(void)
{
	unsigned long from = get_zeroed_page(GFP_KERNEL), to = __get_free_page(GFP_KERNEL);

	if (from && to) {
		free_page(to);
		copy_page((void *)to, (void *)from);
		/* The one that was freed last is the next. */
		to = __get_free_page(GFP_KERNEL);
	}
	free_page(from);
	free_page(to);
}

/* Only the order of the locks is wrong: nothing blocks. */
static void deadlock(void)
{
	mutex_lock(&first);
	mutex_lock(&second);
	mutex_unlock(&second);
	mutex_unlock(&first);

	mutex_lock(&second);
	mutex_lock(&first);
	mutex_unlock(&first);
	mutex_unlock(&second);
}

static noinline void leak(void)
{
	/* Several: something on a stack may look like a pointer to one. */
	for (int i = 0; i < 8; i++)
		memset(kmalloc(100, GFP_KERNEL | __GFP_NOFAIL), i, 100);
}

static int __init splat_init(void)
{
	if (!strcmp(what, "warn"))
		WARN(1, "splat: provoked\n");
	else if (!strcmp(what, "bug"))
		BUG();
	else if (!strcmp(what, "oops"))
		*(volatile int *)8 = 1;
	else if (!strcmp(what, "hang"))
		msleep(12 * MSEC_PER_SEC);
	else if (!strcmp(what, "use-after-free"))
		use_after_free();
	else if (!strcmp(what, "poison"))
		poison();
	else if (!strcmp(what, "deadlock"))
		deadlock();
	else if (!strcmp(what, "leak"))
		leak();
	return 0;
}

static void __exit splat_exit(void)
{
}

module_init(splat_init);
module_exit(splat_exit);
MODULE_DESCRIPTION("Provokes kernel warnings, to test the test runner");
MODULE_LICENSE("GPL");
