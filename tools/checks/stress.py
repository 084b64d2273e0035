# SPDX-License-Identifier: GPL-2.0
"""The stress, in guests of its own: tools/stress. Each run takes a new seed, which its log
and its failure name."""

import os
import re

import checklib
from checklib import TREE, Check, Failure, tail

ORDER = 70
OWN_IGT = ("movgem_stress",)

# Seconds on each kernel, and its memory: KASAN takes its share.
SECONDS = {"6.12": 600, "7.2": 600, "debug": 300}
MEMORY = {"6.12": "768M", "7.2": "768M", "debug": "1536M"}
PAGE_STORE = {"6.12": "movable_ops", "7.2": "folio", "debug": "movable_ops"}


def seconds(kernel):
    """MOVGEM_STRESS_SECONDS in the environment makes all of them as long as that."""
    return int(os.environ.get("MOVGEM_STRESS_SECONDS") or SECONDS[kernel])


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
    limit = seconds(kernel) * 3 + 1800
    status, output = run.command(
        [f"{TREE}/tools/stress", "--kernel", kernel, "--store", store,
         "--seconds", str(seconds(kernel)), "--mem", MEMORY[kernel],
         "--log", f"{run.directory()}/console.log"],
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
    return [Check(f"stress/{kernel}/{PAGE_STORE[kernel]}", stress, kernel, PAGE_STORE[kernel])
            for kernel in checklib.KERNELS]
