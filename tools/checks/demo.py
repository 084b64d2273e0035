# SPDX-License-Identifier: GPL-2.0
"""`make demo`, the short form."""

from checklib import TREE, Check, require_store

ORDER = 90


def quick(run):
    require_store(run.check.store)
    run.must([f"{TREE}/tools/demo/run", "--quick", "--kernel", run.check.kernel, "--rows",
              f"{run.check.store},anonymous"])


def checks():
    return [Check("demo/6.12/movable_ops", quick, "6.12", "movable_ops"),
            Check("demo/7.2/folio", quick, "7.2", "folio", on_request=True)]
