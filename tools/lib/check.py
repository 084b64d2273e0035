#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Runs the checks of tools/checks/, prints a line for each and writes JUnit XML. See
tools/check; tools/lib/checklib.py says what a check is."""

import argparse
import concurrent.futures
import os
import re
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import checklib  # noqa: E402
import junit  # noqa: E402

# So many subtests of a run may pass only when they are repeated (see igt_guest.py), and so many
# guests be started again. Those of the group vm are, to see whether that works.
REPEATED_MAX = 3
RESTARTED_MAX = 1


def parse_args():
    parser = argparse.ArgumentParser(
        prog="tools/check",
        description="Run the project's tests and checks. Results: out/check/junit.xml and "
                    "out/check/logs/. The last line is 'N passed, N failed, N skipped'.")
    add = parser.add_argument
    add("--only", action="append", metavar="PATTERN", default=[],
        help="run only the checks of this name or glob, such as lint, 'vm/*', "
             "igt/7.2/folio; may be repeated")
    add("--all", action="store_true",
        help="also the checks that are only run on request: what others have on another kernel or "
             "page store; takes half as long again")
    add("--kernel", action="append", choices=checklib.KERNELS, default=[],
        help="leave out the checks in guests of other kernels; may be repeated")
    add("--store", action="append", default=[], metavar="STORE",
        help="leave out the checks with another page_store; may be repeated")
    add("--igt", metavar="REGEX", help="run only the IGT subtests that match")
    add("--igt-timeout", type=int, default=2400, metavar="SECONDS",
        help="for all the IGT tests of one guest; the debug kernel has four times that "
             "(default %(default)s)")
    add("--guests", type=int, default=2, metavar="N",
        help="run up to N guests at a time (default %(default)s)")
    add("--list", action="store_true", help="list the checks and end")
    return parser.parse_args()


def run_all(chosen, args, recorder):
    """First what wants the machine to itself, then the guests, several at a time: those that
    take longest first and the shortest, of the group vm, last, or one of them would be all that
    is left in the end."""
    guests = [check for check in chosen if not check.alone]
    for check in chosen:
        if check.alone:
            recorder.run(check, args)
    guests.sort(key=lambda check: (-checklib.SLOWNESS.get(check.kernel, 1),
                                   check.name.startswith("vm/")))
    with concurrent.futures.ThreadPoolExecutor(args.guests) as pool:
        for future in [pool.submit(recorder.run, check, args) for check in guests]:
            future.result()


def gist(text, limit=4):
    """The lines of a failure's text that most probably say why: who gets to see the end of the
    output only has them."""
    lines = [line.strip()[:160] for line in text.splitlines() if line.strip()]
    why = (r"MISSED|FAILED|CRITICAL|[Aa]ssert|^Failed|error:|<[0-4]>|Error|time-out|"
           r"^vm: (?!kernel log)|BUG: |WARNING: |panic")
    telling = [line for line in lines if re.search(why, line)]
    if len(telling) == 1 and "time-out" in telling[0]:
        # What the kernel said last, then, is where it hung.
        return telling + lines[-limit:]
    return list(dict.fromkeys(telling or lines))[:limit]


def tell_repeated(recorder):
    """Lists what passed only when it was repeated, and guests that QEMU or the host was the end
    of; more than a few are not their doing."""
    texts = {case.name: case.text for case in recorder.cases}
    for name in recorder.repeated:
        print("\n             ".join([f"REPEATED: {name}"] + gist(texts[name])))
    if len(recorder.repeated) > REPEATED_MAX:
        recorder.record("repeated", "fail", 0, f"FAILED: {len(recorder.repeated)} subtests passed "
                        f"only when they were repeated; {REPEATED_MAX} may")
    restarted = [text for text in recorder.restarted if not text.startswith("vm/")]
    for text in restarted:
        print(f"RESTARTED: {text}")
    if len(restarted) > RESTARTED_MAX:
        recorder.record("restarted", "fail", 0, f"FAILED: {len(restarted)} guests had to be "
                        f"started again; {RESTARTED_MAX} may")


def tell_failed(recorder, chosen):
    """Lists the failures, what became of whole guests first: it is the cause of others."""
    names = {check.name for check in chosen}
    failed = [case for case in recorder.cases if case.outcome == "fail"]
    for case in sorted(failed, key=lambda case: case.name not in names):
        limit = 8 if case.name in names else 4
        print("\n             ".join([f"FAILED: {case.name}"] + gist(case.text, limit)))


def tell_time(recorder, chosen):
    """Says where the time went: into the root, which tools/check makes first, and the checks."""
    names = {check.name for check in chosen}
    longest = sorted((case for case in recorder.cases if case.name in names),
                     key=lambda case: -case.seconds)[:10]
    now = time.time()
    print(f"took {checklib.clock(now - float(os.environ.get('MOVGEM_HOST_START', now)))} with the root, "
          f"{checklib.clock(time.monotonic() - recorder.start)} of it the checks, of them "
          + ", ".join(f"{case.name} {checklib.clock(case.seconds)}" for case in longest))


def main():
    args = parse_args()
    checks = [check for group in checklib.groups() for check in group.checks()]
    chosen = [check for check in checks if check.wanted(args)]
    if args.list:
        print("\n".join(check.name for check in chosen))
        return 0
    os.makedirs(f"{checklib.OUT}/logs", exist_ok=True)
    recorder = checklib.Recorder(junit.Case)
    try:
        run_all(chosen, args, recorder)
    except KeyboardInterrupt:
        recorder.record("interrupted", "fail", 0, "interrupted from the keyboard")
    if not recorder.cases:
        recorder.record("check", "fail", 0, "no check is what was asked for; see --list")
    tell_repeated(recorder)
    junit.write(f"{checklib.OUT}/junit.xml", recorder.cases)
    tell_time(recorder, chosen)
    count = {outcome: sum(case.outcome == outcome for case in recorder.cases)
             for outcome in ("pass", "fail", "skip")}
    tell_failed(recorder, chosen)
    print(f"{count['pass']} passed, {count['fail']} failed, {count['skip']} skipped", flush=True)
    return 1 if count["fail"] else 0


if __name__ == "__main__":
    sys.exit(main())
