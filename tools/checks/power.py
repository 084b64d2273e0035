# SPDX-License-Identifier: GPL-2.0
"""The machine sleeps while the device is in use, as a platform device and as a PCI function.

In guests of their own: the directories that guests share with the host do not outlive it
(virtio's 9p has no suspend), so nothing can be left there for igt_runner afterwards.
"""

import re
import shutil

import checklib
from checklib import Check, Failure, tail

ORDER = 47
OWN_IGT = ("movgem_pm",)

# Nothing of 9p is in use from here on.
ALONE = "cp /share/movgem_pm /tmp && cd /tmp && umount /share /movgem || exit 125;"
# No platform device, and the function answers no address (see movgem_devices.c).
PCI = ("function=$(dirname $(grep -l PCI_ID=1B36:0005 /sys/bus/pci/devices/*/uevent)) || exit 125;"
       "echo 0 > /sys/module/movgem/parameters/devices;"
       "printf '\\0\\0' | dd of=$function/config bs=1 seek=4 conv=notrunc;"
       "echo 1b36 0005 > /sys/bus/pci/drivers/movgem/new_id;"
       "[ -d $function/drm ] || exit 125;")
RESULT = re.compile(r"^Subtest (\S+): (\w+) \(([\d.]+)s\)", re.M)
OUTCOMES = {"SUCCESS": "pass", "SKIP": "skip"}


def sleep(run, prepare):
    share = run.directory()
    shutil.copy(f"{checklib.build_igt_tests(run)}/movgem_pm", share)
    status, output = run.guest(
        ["--mem", "1G", "--share", share, "--qemu-arg=-device", "--qemu-arg=pci-testdev"],
        f"{ALONE} {prepare} ./movgem_pm", timeout=600)
    # Each is there twice, on stdout and on stderr.
    results = {name: (outcome, seconds) for name, outcome, seconds in RESULT.findall(output)}
    for name, (outcome, seconds) in results.items():
        run.record(f"movgem_pm@{name}", OUTCOMES.get(outcome, "fail"), float(seconds),
                   "" if outcome == "SUCCESS" else tail(output))
    if status or not results:
        raise Failure(f"status {status}, {len(results)} results\n{tail(output)}")
    if all(outcome == "SKIP" for outcome, _ in results.values()):
        raise Failure(f"every subtest is skipped\n{tail(output)}")


def checks():
    usual = (("6.12", "platform"), ("7.2", "pci"))
    return [Check(f"power/{kernel}/{store}/{bus}", lambda run, how=how: sleep(run, how),
                  kernel, store, on_request=(kernel, bus) not in usual)
            for kernel, store in (("6.12", "movable_ops"), ("7.2", "folio"), ("debug", "movable_ops"))
            for bus, how in (("platform", ""), ("pci", PCI))]
