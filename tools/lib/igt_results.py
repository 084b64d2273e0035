# SPDX-License-Identifier: GPL-2.0
"""What igt_runner is to run and what it says: live, on its output, and in the end, in
results.json."""

import json
import os
import re
import subprocess
import time

from junit import Case

# A subtest that only drew a warning from the kernel has failed all the same.
# One that was not run comes of another in its process that was the end of it.
OUTCOME = {"pass": "pass", "skip": "skip"}

# But not one during which memory offlining told, as it does at warning level and
# rate limited, of pages that it must try again: those of a program in use, say.
# What the tests require of the driver's own pages they check themselves.
OFFLINE_RETRIES = re.compile(
    r"^<4>[^\n]*\b(?:migrating pfn [0-9a-f]+ failed ret:\d+|failed to isolate pfn [0-9a-f]+) *\n"
    r"(?:<4>[^\n]*\b(?:page|head|memcg|aops|anon|ksm|flags|raw|page_type):?[^\n]*\n){1,12}?"
    r"<4>[^\n]*\bpage dumped because: (?:migration failure|isolation failed) *(?:\n|\Z)",
    re.MULTILINE)

# Nor one that only says that the host had little time for the guest.
SLOW_HOST = re.compile(
    r"^<4>[^\n]*\b(?:hrtimer: interrupt took \d+ ns|perf: interrupt took too long|"
    r"workqueue: \S+(?: \[\w+\])? hogged CPU for)[^\n]*(?:\n|\Z)", re.MULTILINE)

# Nor one that asked for a frame to be taken out of service that was the test's a moment ago, and
# is the kernel's own by now, as pages move all the time. Its own pages the test looks after.
STALE_FRAME = re.compile(
    r"^<[34]>[^\n]*\bMemory failure: 0x[0-9a-f]+: unhandlable page\.[^\n]*(?:\n|\Z)", re.MULTILINE)

# Words of assertions on the content of buffers: not one byte may be lost, not even once.
CONTENT = re.compile(r"is not 0x|\b(?:byte|pixel|word|lane|map|data)s?\b|crc|pattern|reference|"
                     r"differ|lost|wrong|corrupt|canary|content|expect", re.IGNORECASE)


def excused(warnings, expected=None):
    """Is there nothing in the kernel's warnings that a test is to blame for? EXPECTED, a
    regular expression, is what the tests of this guest provoke."""
    for known in filter(None, (OFFLINE_RETRIES, SLOW_HOST, STALE_FRAME, expected)):
        warnings = known.sub("", warnings)
    return not warnings.strip()


def write_list(path, programs, wanted):
    """Writes igt_runner's --test-list: the subtests program@subtest of the programs in the
    directory PROGRAMS of which WANTED(name) is true. They are asked here: in a guest of the debug
    kernel that takes the runner a minute."""
    with open(f"{programs}/test-list.txt", encoding="utf-8") as file:
        names = [name for line in file if "TESTLIST" not in line for name in line.split()]
    with open(path, "w", encoding="utf-8") as file:
        for name in names:
            listed = subprocess.run([f"{programs}/{name}", "--list-subtests"], check=True,
                                    stdout=subprocess.PIPE, text=True).stdout.split()
            file.writelines(f"igt@{name}@{subtest}\n" for subtest in listed
                            if wanted(f"{name}@{subtest}"))


class Follower:
    """Passes on igt_runner's progress: a line for each subtest that has ended; or for each process,
    where the program tells the runner of subtests in another way than on its output."""

    def __init__(self, say):
        self.say = say
        self.process = self.program = ""
        self.since = 0.0

    def line(self, text):
        begun = re.search(r"\[(\d+/\d+)\] (?:\([^)]* left\) )?(\S+)(.*)", text)
        ended = re.match(r"Subtest (\S+): (\w+) \(([\d.]+)s\)", text)
        if begun:
            self.finish()
            self.program = f"{begun[1]} {begun[2]}"
            self.process = self.program + begun[3]
            self.since = time.monotonic()
        elif ended:
            self.process = ""
            told = "" if ended[2] == "SUCCESS" else f"{ended[2]}, "
            self.say(f"{self.program}@{ended[1]} ({told}{float(ended[3]):.1f} s)")
        elif text.startswith("check: "):
            self.finish()
            self.say(text)

    def finish(self):
        """The last process has ended."""
        if self.process:
            self.say(f"{self.process[:90]} ({time.monotonic() - self.since:.1f} s)")
        self.process = ""


def load(share):
    """The tests of SHARE/results, also of a run that was cut off, as igt_runner has them. One that
    the guest died in, which has no result there, is incomplete."""
    results = f"{share}/results"
    path = f"{results}/results.json"
    if os.path.isdir(results):
        # The runner may have been killed as it was writing its own.
        if os.path.exists(path):
            os.unlink(path)
        subprocess.run(["igt_results", results], check=False,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            tests = json.load(file)["tests"]
    except (OSError, ValueError, KeyError):
        return {}
    return {name: {"result": "incomplete", **test} for name, test in tests.items()}


def judge(name, test, expected=None):
    """A Case of what igt_runner has of a test. EXPECTED is excused()'s."""
    result = test["result"]
    if result == "dmesg-warn" and excused(test["dmesg-warnings"], expected):
        result = "pass"
    outcome = OUTCOME.get(result, "fail")
    seconds = test.get("time", {})
    seconds = max(0.0, seconds.get("end", 0.0) - seconds.get("start", 0.0))
    return Case(name.removeprefix("igt@"), outcome, seconds, reason(result, outcome, test))


def cases(tests, expected=None):
    """The cases of TESTS, as load() has them. EXPECTED is excused()'s. Those that did not get
    their turn, as the guest died or the runner gave up, are one case."""
    late = [name.removeprefix("igt@") for name, test in tests.items() if test["result"] == "notrun"]
    found = [judge(name, test, expected) for name, test in tests.items()
             if test["result"] != "notrun"]
    if late:
        found.append(Case("not-run", "fail", 0.0, f"{len(late)} subtests: {', '.join(late)}"))
    return found


def unseen(share, tests):
    """The cases that igt_runner has not in TESTS, as load() has them of SHARE: subtests that did
    not start, and programs that did not end as they should with none of their subtests failed."""
    try:
        with open(f"{share}/results/joblist.txt", encoding="utf-8") as file:
            jobs = [line.split(None, 1) for line in file if line.strip()]
    except OSError:
        return
    for number, job in enumerate(jobs):
        names = [f"{job[0]}@{name}" for name in (job[1].strip().split(",") if job[1:] else ())]
        missing = [name for name in names if f"igt@{name}" not in tests]
        if missing:
            yield Case(f"{job[0]}@not-run", "fail", 0.0,
                       f"the program ended before {len(missing)} subtests: {', '.join(missing)}")
        try:
            with open(f"{share}/results/{number}/journal.txt", encoding="utf-8") as file:
                ends = re.findall(r"^exit:(-?\d+)", file.read(), re.MULTILINE)
        except OSError:
            ends = []
        failed = any(tests[f"igt@{name}"]["result"] not in ("pass", "skip", "warn", "dmesg-warn")
                     for name in names if name not in missing)
        if ends[-1:] not in (["0"], ["77"]) and not failed and not missing:
            yield Case(f"{job[0]}@exit", "fail", 0.0,
                       f"the program ended with status {ends[-1] if ends else 'unknown'}")


def own_word_only(test, expected=None):
    """Did it fail by an assertion of its own, and the kernel had nothing to say?"""
    return (test["result"] in ("fail", "dmesg-fail")
            and excused(test.get("dmesg-warnings") or "", expected))


def repeatable(tests, expected=None):
    """The names of those of TESTS, as load() has them, that may be repeated: they failed by an
    assertion of their own, the kernel had nothing to say, and it was not about what memory
    holds."""
    return [name.removeprefix("igt@") for name, test in tests.items()
            if own_word_only(test, expected)
            and not any(CONTENT.search(line) for line in test.get("err", "").splitlines()
                        if "CRITICAL: " in line)]


def reason(result, outcome, test):
    output, errors = test.get("out", ""), test.get("err", "")
    if outcome == "pass":
        return ""
    if outcome == "skip":
        # What the test says, else the condition that it has.
        match = (re.search(r"Test requirement: .*\n(?!Last errno|Subtest |Dynamic |No dynamic |\w*@)(.+)", output + errors)
                 or re.search(r"(Test requirement: .*)", output + errors)
                 or re.search(r"Test requirement not met in function (\w+)", output + errors)
                 or re.search(r"^(?!Starting )(.+)\n(?:Dynamic s|S)ubtest \S+: SKIP", output,
                              re.MULTILINE)
                 or re.search(r"(SKIP.*)", output + errors))
        text = match[1] if match else output.strip()[-200:] or result
        return " ".join(text.split())
    parts = [result, errors.strip()[-3000:], output.strip()[-3000:], kernel_lines(test)]
    return "\n".join(part for part in parts if part)


def kernel_lines(test):
    """The kernel's warnings during the test, else the end of what it said."""
    text = test.get("dmesg-warnings") or test.get("dmesg", "")
    return text.strip()[-3000:]
