# SPDX-License-Identifier: GPL-2.0
"""Fault injection: every allocation of every call fails once. The debug kernel can do that."""

from checklib import STORES, Check
from igt_guest import run_igt

ORDER = 55
OWN_IGT = ("movgem_fault_injection",)


def faults(run):
    # The DIMM is movable memory, which pages leave when they are pinned.
    run_igt(run, ["--mem", "2G", "--dimm", "512M"], tests="^movgem_fault_injection@")


def checks():
    return [Check(f"faults/debug/{store}", faults, "debug", store)
            for store in STORES["debug"]]
