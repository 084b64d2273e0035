# SPDX-License-Identifier: GPL-2.0
"""Debian's packaged IGT tests on movgem, those that take seconds: tools/suites. The whole
list, and the other drivers, are `make check-igt-full`."""

import functools
import json
import os
import re

from checklib import TREE, Check, Failure, require_store, tail

ORDER = 45
# What Debian's kernel cannot do: it has no SW_SYNC, and no guest with it wakes up again.
ONLY_DEBUG = ("sw_sync|syncobj_|dmabuf_sync_file|kms_atomic_interruptible|kms_atomic@.*fence|"
              ".*suspend")
# With more of them it is not the clock.
REPEATED_MAX = 5


def allowed_skips():
    """The reasons in tools/suites/skips, as one regular expression."""
    with open(f"{TREE}/tools/suites/skips", encoding="utf-8") as file:
        lines = [line.strip() for line in file]
    return re.compile("|".join(line for line in lines if line and not line.startswith("#")))


def suites(run, only):
    """Runs those tests of the short list whose names match ONLY."""
    require_store(run.check.store)
    out = run.directory()
    status, output = run.command(
        [f"{TREE}/tools/suites/run", "--short", "--again", "--only", only, "--device", "movgem",
         "--kernel", run.check.kernel, "--store", run.check.store, "--out", out],
        limit=5400,
        each_line=lambda line: run.say(re.sub(r"^\[ *\d+:\d+\] movgem: ", "", line)))
    if not os.path.exists(f"{out}/results.json"):
        raise Failure(tail(output))
    with open(f"{out}/results.json", encoding="utf-8") as file:
        results = json.load(file)["movgem"]
    allowed = allowed_skips()
    repeated = [name for name, result in results.items() if result["failed_once"]]
    wrong = 0
    for name, result in results.items():
        outcome, reason = result["outcome"], result["reason"]
        if outcome == "skip" and not allowed.search(reason):
            outcome, reason = "fail", f"skipped, and not for a reason in tools/suites/skips: {reason}"
        if name in repeated:
            run.say(f"{name}: failed once, {result['failed_once']}; {outcome} when repeated")
            reason = f"{reason}\nfailed once: {result['failed_once']}"
            if outcome != "pass" or len(repeated) > REPEATED_MAX:
                outcome = "fail"
        wrong += outcome == "fail"
        run.record(name, outcome, result["seconds"], reason)
    if wrong or status:
        raise Failure(f"{wrong} of {len(results)} tests failed, status {status}")


def checks():
    def part(name, kernel, only, **more):
        return Check(name, functools.partial(suites, only=only), kernel, "movable_ops", **more)
    return [part("suites/debug/movable_ops", "debug", f"^(?:{ONLY_DEBUG})"),
            part("suites/6.12/movable_ops", "6.12", f"^(?!{ONLY_DEBUG})"),
            part("suites/debug/all", "debug", ".", on_request=True)]
