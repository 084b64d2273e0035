// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 movgem maintainers */

/* Platform devices that the module registers itself. */

#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/mutex.h>
#include <linux/platform_device.h>
#include <linux/pm_runtime.h>

#include "movgem_drv.h"
#include "movgem_pm.h"

#define DEVICES_MAX	4

/* What the PCI core does with its devices. */
static void power_init(struct device *dev)
{
	pm_runtime_get_noresume(dev);
	pm_runtime_set_active(dev);
	pm_runtime_enable(dev);
}

static void power_fini(struct device *dev)
{
	pm_runtime_disable(dev);
	pm_runtime_set_suspended(dev);
	pm_runtime_put_noidle(dev);
}

static int movgem_platform_probe(struct platform_device *pdev)
{
	int ret;

	power_init(&pdev->dev);
	ret = movgem_device_probe(&pdev->dev);
	if (ret)
		power_fini(&pdev->dev);
	return ret;
}

static void movgem_platform_remove(struct platform_device *pdev)
{
	movgem_device_remove(&pdev->dev);
	power_fini(&pdev->dev);
}

static struct platform_driver movgem_platform_driver = {
	.probe = movgem_platform_probe,
	.remove = movgem_platform_remove,
	.driver = {
		.name = MOVGEM_DRIVER_NAME,
		.pm = pm_ptr(&movgem_pm_ops),
	},
};

static DEFINE_MUTEX(pdevs_lock);
static struct platform_device *pdevs[DEVICES_MAX];
static unsigned int devices = 1;
static bool devices_live;

/* Have so many devices. */
static int set_devices(unsigned int want)
{
	lockdep_assert_held(&pdevs_lock);

	for (unsigned int i = DEVICES_MAX; i-- > want;) {
		platform_device_unregister(pdevs[i]);
		pdevs[i] = NULL;
	}
	for (unsigned int i = 0; i < want; i++) {
		struct platform_device *pdev = pdevs[i];

		if (pdev)
			continue;
		pdev = platform_device_register_simple(MOVGEM_DRIVER_NAME,
						       i ?: PLATFORM_DEVID_NONE,
						       NULL, 0);
		if (IS_ERR(pdev))
			return PTR_ERR(pdev);
		pdevs[i] = pdev;
	}
	return 0;
}

static int devices_set(const char *val, const struct kernel_param *kp)
{
	int ret;

	mutex_lock(&pdevs_lock);
	ret = param_set_uint_minmax(val, kp, 0, DEVICES_MAX);
	if (!ret && devices_live)
		ret = set_devices(devices);
	mutex_unlock(&pdevs_lock);
	return ret;
}

static const struct kernel_param_ops devices_ops = {
	.set = devices_set,
	.get = param_get_uint,
};

module_param_cb(devices, &devices_ops, &devices, 0644);
__MODULE_PARM_TYPE(devices, "uint");
MODULE_PARM_DESC(devices,
		 "Number of platform devices, 0 to 4 (default 1)");

/**
 * movgem_platform_init - make the platform devices
 *
 * Return: 0 or a negative errno.
 */
int movgem_platform_init(void)
{
	int ret;

	ret = platform_driver_register(&movgem_platform_driver);
	if (ret)
		return ret;

	mutex_lock(&pdevs_lock);
	ret = set_devices(devices);
	devices_live = !ret;
	if (ret)
		set_devices(0);
	mutex_unlock(&pdevs_lock);
	if (ret)
		platform_driver_unregister(&movgem_platform_driver);
	return ret;
}

/**
 * movgem_platform_exit - undo movgem_platform_init()
 */
void movgem_platform_exit(void)
{
	mutex_lock(&pdevs_lock);
	devices_live = false;
	set_devices(0);
	mutex_unlock(&pdevs_lock);
	platform_driver_unregister(&movgem_platform_driver);
}
