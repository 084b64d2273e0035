// SPDX-License-Identifier: GPL-2.0
/*
 * What tools/check loads to see whether tools/vm notices that the kernel
 * complains: a stock kernel has no lkdtm. The parameter says what to provoke.
 */
#include <linux/delay.h>
#include <linux/module.h>
#include <linux/string.h>

static char *what = "none";
module_param(what, charp, 0444);
MODULE_PARM_DESC(what, "warn, bug, oops or hang");

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
	return 0;
}

static void __exit splat_exit(void)
{
}

module_init(splat_init);
module_exit(splat_exit);
MODULE_DESCRIPTION("Provokes kernel warnings, to test the test runner");
MODULE_LICENSE("GPL");
