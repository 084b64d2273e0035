# SPDX-License-Identifier: GPL-2.0
"""The table of tools/suites: IGT's tests, program by program and test by test, on each device."""

import collections
import csv
import io

OUTCOMES = ("pass", "skip", "fail")
HEAD = """.. SPDX-License-Identifier: GPL-2.0
.. Made by `tools/suites/run --doc` of out/igt/results.json.

==========================
IGT's own tests: the table
==========================

How these tests are run, and what their results mean, is in :doc:`igt`.

"""


def count(results):
    """How many passed, were skipped and failed."""
    found = collections.Counter(result.outcome for result in results)
    return {outcome: found[outcome] for outcome in OUTCOMES}


def program(test):
    return test.partition("@")[0]


def text(words):
    """Words for a cell: nothing in them is markup."""
    return "".join(f"\\{c}" if c in "\\*`_|<>" else c for c in words) or "\\ "


def rows(lines, header, widths):
    text_of = io.StringIO()
    csv.writer(text_of, lineterminator="\n").writerows([header, *lines])
    out = [".. csv-table::", "   :header-rows: 1", f"   :widths: {' '.join(map(str, widths))}", ""]
    out += [f"   {line}" for line in text_of.getvalue().splitlines()]
    return "\n".join(out) + "\n\n"


def by_program(results, devices, tests):
    lines = []
    names = list(dict.fromkeys(program(test) for test in tests))
    for name in [*names, "all"]:
        cells = []
        for device in devices:
            counts = count(result for test, result in results[device].items()
                           if name in ("all", program(test)))
            cells.append("/".join(str(counts[outcome]) for outcome in OUTCOMES)
                         if any(counts.values()) else "not run")
        lines.append([text(name), *cells])
    return rows(lines, ["program", *(text(device) for device in devices)],
                [40, *[15] * len(devices)])


def reasons(results, outcome):
    """The reasons of one device's outcome, with the tests that have it."""
    found = collections.defaultdict(list)
    for test, result in results.items():
        if result.outcome == outcome:
            found[result.reason].append(test)
    lines = []
    for reason, tests in sorted(found.items(), key=lambda item: -len(item[1])):
        names = collections.Counter(program(test) for test in tests)
        where = ", ".join(f"{name} ({n})" if n > 1 else name for name, n in names.items())
        lines.append([text(reason), str(len(tests)), text(where)])
    return rows(lines, ["IGT's reason", "tests", "of"], [50, 8, 42]) if lines else "None.\n\n"


def behind(results, tests):
    """The tests that another device passes and movgem does not."""
    lines = []
    for test in tests:
        own = results["movgem"].get(test)
        others = [name for name, of in results.items()
                  if name != "movgem" and test in of and of[test].outcome == "pass"]
        if own and own.outcome != "pass" and others:
            lines.append([text(test), ", ".join(map(text, others)), own.outcome,
                          text(own.reason)])
    return rows(lines, ["test", "passed by", "movgem", "IGT's reason"],
                [35, 15, 10, 40]) if lines else "None.\n\n"


def section(title):
    return f"{title}\n{'=' * len(title)}\n\n"


def write(path, results):
    """Writes the table of RESULTS, {device: {test: Result}}."""
    devices = list(results)
    tests = list(dict.fromkeys(test for of in results.values() for test in of))
    tests.sort(key=program)
    out = HEAD + section("By program")
    out += "Tests that passed/were skipped/failed:\n\n" + by_program(results, devices, tests)
    if "movgem" in results:
        out += section("What another passes and movgem does not") + behind(results, tests)
        for outcome, title in (("skip", "What movgem skips, and why"), ("fail", "What fails on movgem")):
            out += section(title) + reasons(results["movgem"], outcome)
    out += section("Test by test")
    lines = []
    for test in tests:
        cells = [getattr(results[device].get(test), "outcome", "not run") for device in devices]
        lines.append([text(test), *cells])
    out += rows(lines, ["test", *(text(device) for device in devices)], [60, *[10] * len(devices)])
    with open(path, "w", encoding="utf-8") as file:
        file.write(out.rstrip("\n") + "\n")
