# SPDX-License-Identifier: GPL-2.0
"""The benchmark's own parts, without a measurement: nothing here depends on time."""

from checklib import TREE, Check

ORDER = 25


def selftest(run):
    run.must(["make", "-s", "-C", f"{TREE}/tools/bench"])
    run.must([f"{TREE}/tools/bench/run", "--selftest"])


def checks():
    return [Check("bench/selftest", selftest)]
