# SPDX-License-Identifier: GPL-2.0
"""The IGT tests, for each kernel and page store in a guest with a DIMM and a virtio-gpu;
then the module is removed and loaded again. Left out are the programs that other
groups run in guests of their own (OWN_IGT)."""

import igt_results
from checklib import STORES, Check, Failure
from igt_guest import run_igt

ORDER = 40

# KASAN's shadow takes an eighth of the memory, and its quarantine more.
MEMORY = {"6.12": "1G", "7.2": "1G", "debug": "1G"}
# That can go offline. Tests that fill memory take minutes for a gigabyte in the debug kernel.
DIMM = {"6.12": "1G", "7.2": "1G", "debug": "256M"}
# A device whose driver shares buffers, and one without a driver, for movgem_unbind.
DEVICES = ["--qemu-arg=-device", "--qemu-arg=virtio-gpu-pci",
           "--qemu-arg=-device", "--qemu-arg=pci-testdev"]

# What they test is the same for all page stores: they run with a kernel's first one.
ANY_STORE = ("movgem_bad_input", "movgem_blit", "movgem_dumb", "movgem_faults",
             "movgem_kms_async", "movgem_kms_colour", "movgem_kms_outputs", "movgem_kms_planes",
             "movgem_submit", "movgem_vm_async", "movgem_vm_bind")
# What never moves a page is the same on any kernel: one run of it will do.
BASELINE = ("7.2", "pinned")
# What only pages that move, or that the kernel knows as those of a file, are tested by.
MAY_SKIP = {"movable_ops": ("movgem_gup",), "folio": (),
            "pinned": ("movgem_batch", "movgem_gup", "movgem_pt")}


def guest(run):
    kernel, store = run.check.kernel, run.check.store
    run_igt(run, ["--mem", MEMORY[kernel], "--dimm", DIMM[kernel], *DEVICES],
            without=() if store == STORES[kernel][0] else ANY_STORE,
            may_skip=MAY_SKIP[store])


# What a test said on its stderr, and the kernel: may it be repeated?
REPEATS = (
    ("fail", "CRITICAL: error: not 0x100 <= 0x49", "", True),
    ("fail", "CRITICAL: error: not 0x100 <= 0x49", "<4> [1.0] WARNING: CPU: 0", False),
    ("fail", "CRITICAL: byte 0x40: 0x1 is not 0x2 (pattern 0x7)", "", False),
    ("fail", "CRITICAL: Failed assertion: rig.map[3] == 7", "", False),
    ("fail", "CRITICAL: Failed assertion: kms_crc(rig) == kms_reference_crc(scene)", "", False),
    ("fail", "CRITICAL: Test assertion failure function movgem_rig_expect", "", False),
    ("crash", "", "", False),
    ("timeout", "", "", False),
    ("dmesg-warn", "", "<4> [1.0] WARNING: CPU: 0", False),
    ("pass", "", "", False),
)


def self_check(_):
    """Nothing may be repeated that says of a byte lost, or that made the kernel say something."""
    for result, err, kernel, want in REPEATS:
        test = {"result": result, "err": err, "dmesg-warnings": kernel}
        if (igt_results.repeatable({"igt@a@b": test}) == ["a@b"]) != want:
            raise Failure(f"{test} is judged wrongly")


def checks():
    return [Check("igt/self-check", self_check)] + [
        Check(f"igt/{kernel}/{store}", guest, kernel, store)
        for kernel, stores in STORES.items() for store in stores if (kernel, store) != BASELINE]
