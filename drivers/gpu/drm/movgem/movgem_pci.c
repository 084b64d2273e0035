// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 movgem maintainers */

/**
 * DOC: PCI devices
 *
 * Any PCI function can stand for a device, for it to be unplugged and found
 * again as one, with all that the PCI core does then. Nothing of the function
 * itself is used: no register is read or written, no interrupt requested, it
 * never becomes bus master, and is not even enabled. So there are no ids in the
 * driver; whoever wants a function bound writes its ids to new_id, or movgem to
 * its driver_override. The former hold until the module goes, also for a
 * function that has been removed and is found by a rescan.
 */

#include <linux/pci.h>
#include <linux/pm_runtime.h>

#include "movgem_drv.h"
#include "movgem_pm.h"

static int movgem_pci_probe(struct pci_dev *pdev,
			    const struct pci_device_id *id)
{
	int ret = movgem_device_probe(&pdev->dev);

	if (ret)
		return ret;

	/* PCI leaves it to user space; as this GPU works, there is no need. */
	pm_runtime_allow(&pdev->dev);
	return 0;
}

static void movgem_pci_remove(struct pci_dev *pdev)
{
	pm_runtime_forbid(&pdev->dev);
	movgem_device_remove(&pdev->dev);
}

static struct pci_driver movgem_pci_driver = {
	.name = MOVGEM_DRIVER_NAME,
	.probe = movgem_pci_probe,
	.remove = movgem_pci_remove,
	.driver.pm = pm_ptr(&movgem_pm_ops),
};

/**
 * movgem_pci_init - let PCI functions be bound
 *
 * Return: 0 or a negative errno.
 */
int movgem_pci_init(void)
{
	return pci_register_driver(&movgem_pci_driver);
}

/**
 * movgem_pci_exit - undo movgem_pci_init()
 */
void movgem_pci_exit(void)
{
	pci_unregister_driver(&movgem_pci_driver);
}
