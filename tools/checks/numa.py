# SPDX-License-Identifier: GPL-2.0
"""The system calls for NUMA memory, in guests with two nodes."""

from checklib import Check
from igt_guest import run_igt

ORDER = 45
OWN_IGT = ("movgem_numa",)


def nodes(run):
    run_igt(run, ["--mem", "2G", "--numa", "2"], tests="^movgem_numa@")


def checks():
    return [Check(f"numa/{kernel}/folio", nodes, kernel, "folio")
            for kernel in ("6.12", "7.2")]
