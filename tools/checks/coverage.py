# SPDX-License-Identifier: GPL-2.0
"""Does tools/coverage count right? To have it count the driver is `make coverage`."""

from checklib import TREE, Check

ORDER = 80


def counts(run):
    run.must([f"{TREE}/tools/coverage", "--self-check"])


def checks():
    return [Check("coverage/self-check", counts)]
