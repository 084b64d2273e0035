# SPDX-License-Identifier: GPL-2.0
"""`make demo`, the short form."""

import os

from checklib import TREE, Check, Skip, require_store

ORDER = 90


def quick(run):
    script = f"{TREE}/tools/demo/run"
    if not os.path.exists(script):
        raise Skip("there is no tools/demo/run yet")
    require_store(run.check.store)
    run.must([script, "--quick", "--kernel", run.check.kernel, "--rows",
              f"{run.check.store},anonymous"])


def checks():
    return [Check("demo/6.12/movable_ops", quick, "6.12", "movable_ops"),
            Check("demo/7.2/folio", quick, "7.2", "folio", on_request=True)]
