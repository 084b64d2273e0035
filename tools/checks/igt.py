# SPDX-License-Identifier: GPL-2.0
"""All IGT tests, for each kernel and page store in a guest with a DIMM and a virtio-gpu;
then the module is removed and loaded again. Left out are the programs that other
groups run in guests of their own (OWN_IGT)."""

from checklib import STORES, Check
from igt_guest import run_igt

ORDER = 40

# KASAN's shadow takes an eighth of the memory, and its quarantine more.
MEMORY = {"6.12": "1G", "7.2": "1G", "debug": "2G"}


# A DIMM that can go offline, and a device whose driver shares buffers.
DEVICES = ["--dimm", "1G", "--qemu-arg=-device", "--qemu-arg=virtio-gpu-pci"]


def guest(run):
    run_igt(run, ["--mem", MEMORY[run.check.kernel], *DEVICES])


def checks():
    return [Check(f"igt/{kernel}/{store}", guest, kernel, store)
            for kernel, stores in STORES.items() for store in stores]
