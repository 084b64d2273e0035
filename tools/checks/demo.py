# SPDX-License-Identifier: GPL-2.0
"""`make demo`, the short form."""

import os

from checklib import TREE, Check, Skip

ORDER = 90


def quick(run):
    script = f"{TREE}/tools/demo/run"
    if not os.path.exists(script):
        raise Skip("there is no tools/demo/run yet")
    run.must([script, "--quick"])


def checks():
    return [Check("demo/quick", quick, alone=True)]
