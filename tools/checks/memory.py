# SPDX-License-Identifier: GPL-2.0
"""Memory that leaves while buffers are in use: tools/memory/run, a scenario at a time, with
the stores that move pages."""

from checklib import TREE, Check, Failure, require_store, tail

ORDER = 60

STORES = (("6.12", "movable_ops"), ("6.12", "folio"), ("7.2", "folio"))
SCENARIOS = ("dimm", "virtio-mem", "hugetlb-1g", "kcompactd", "memcg", "oom")
# Each scenario on one kernel; the others are on request.
USUAL = (("dimm", "7.2"), ("virtio-mem", "7.2"), ("hugetlb-1g", "7.2"),
         ("kcompactd", "6.12"), ("memcg", "7.2"), ("oom", "6.12"))


def scenario(run):
    """Passes when every threshold is met and no byte was lost."""
    name = run.check.name.split("/")[1]
    require_store(run.check.store)
    status, output = run.command(
        [f"{TREE}/tools/memory/run", "--only", name, "--kernel", run.check.kernel,
         "--store", run.check.store], limit=3600)
    if status:
        told = [line for line in output.splitlines() if "MISSED" in line or "FAILED" in line]
        raise Failure("\n".join(told) or tail(output))


def checks():
    return [Check(f"memory/{name}/{kernel}/{store}", scenario, kernel, store,
                  on_request=(name, kernel) not in USUAL)
            for name in SCENARIOS for kernel, store in STORES
            # There it is not judged.
            if (name, kernel) != ("hugetlb-1g", "6.12")
            # Folios are the matter of 7.2; here it is that they are taken away at all.
            and (name == "dimm" or (kernel, store) != ("6.12", "folio"))] + [
        Check(f"memory/cma/debug/{store}", scenario, "debug", store, on_request=store == "folio")
        for store in ("movable_ops", "folio")]
