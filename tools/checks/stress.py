# SPDX-License-Identifier: GPL-2.0
"""The stress, in guests of its own: tools/stress. Each run takes a new seed, which its log
and its failure name."""

import os
import re

import checklib
from checklib import TREE, Check, Failure, tail

ORDER = 70
OWN_IGT = ("movgem_stress",)

# Seconds that the stores of the stock kernels share, and those of the debug kernel; and
# what memory a guest has: KASAN takes its share.
STOCK_SECONDS, DEBUG_SECONDS = 600, 300
MEMORY = {"6.12": "768M", "7.2": "768M", "debug": "1536M"}
GUESTS = [(kernel, store) for kernel, stores in checklib.STORES.items()
          for store in stores if store != "pinned"]


def seconds(kernel):
    """MOVGEM_STRESS_SECONDS in the environment makes all of them as long as that."""
    is_debug = kernel == "debug"
    sharing = sum((other == "debug") == is_debug for other, _ in GUESTS)
    return int(os.environ.get("MOVGEM_STRESS_SECONDS")
               or (DEBUG_SECONDS if is_debug else STOCK_SECONDS) // sharing)


def progress(run):
    """A word every minute is enough of the test's own, which come every ten seconds."""
    def line(text):
        match = re.match(r"\[ *(\d+) s\] (.*)", text)
        if match and int(match[1]) % 60 < 10:
            run.say(text)
    return line


def stress(run):
    kernel, store = run.check.kernel, run.check.store
    checklib.require_store(store)
    # tools/stress would, at the same time as other guests' checks.
    checklib.build_igt_tests(run)
    limit = seconds(kernel) * 3 + 1800
    status, output = run.command(
        [f"{TREE}/tools/stress", "--kernel", kernel, "--store", store,
         "--seconds", str(seconds(kernel)), "--mem", MEMORY[kernel],
         "--log", f"{run.directory()}/console.log", *run.looks_for()],
        limit=limit, each_line=progress(run))
    for line in output.splitlines():
        if re.match(r"\d+ seconds, seed ", line):
            run.say(line)
    if status:
        said = [line for line in output.splitlines()
                if re.search(r"WARNING: worker|CRITICAL: ", line) or line.startswith("vm:")]
        raise Failure(f"status {status}\n" + ("\n".join(said) or tail(output)))
    if "nothing wrong" not in output:
        raise Failure(f"it did not get to its end\n{tail(output)}")


def checks():
    return [Check(f"stress/{kernel}/{store}", stress, kernel, store,
                  kmemleak=(kernel, store) == ("debug", "folio"),
                  page_poison=(kernel, store) == ("debug", "movable_ops"))
            for kernel, store in GUESTS]
