# SPDX-License-Identifier: GPL-2.0
"""Debian's own clients on the display while pages move: tools/clients/run, in a short form.
Each client is a case."""

import json

import checklib
from checklib import TREE, Check, Failure, tail

ORDER = 65

# A guest for each kernel; together one of each kind. With Mesa's movgem driver wlroots draws by
# OpenGL ES, and not with pixman.
CLIENTS = {
    ("6.12", "movable_ops"): ("kmscube,weston-gl",),
    ("7.2", "folio"): ("mpv,cage-foot", "--mesa"),
}


def clients(run):
    kernel, store = run.check.kernel, run.check.store
    checklib.require_store(store)
    out = run.directory()
    only, *options = CLIENTS[kernel, store]
    status, output = run.command(
        [f"{TREE}/tools/clients/run", "--kernel", kernel, "--store", store, "--only",
         only, "--rounds", "1", "--out", out, *options], limit=3900,
        each_line=lambda line: run.say(line.strip()) if "guest: " in line else None)
    try:
        with open(f"{out}/clients.json", encoding="utf-8") as file:
            results = {result["client"]: result for result in json.load(file)["results"]}
    except FileNotFoundError:
        raise Failure(f"status {status}\n{tail(output)}") from None
    for name in only.split(","):
        result = results[name]
        run.record(name, "fail" if result["wrong"] else "pass", result.get("seconds", 0),
                   result["wrong"] or "")
    # A client that is wrong has its own case; here it is the guest, and what its kernel says.
    if status not in (0, 1):
        raise Failure(f"status {status}\n{tail(output)}")


def checks():
    return [Check(f"clients/{kernel}/{store}", clients, kernel, store)
            for kernel, store in CLIENTS]
