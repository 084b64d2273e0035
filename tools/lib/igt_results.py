# SPDX-License-Identifier: GPL-2.0
"""What igt_runner says: live, on its output, and in the end, in results.json."""

import json
import os
import re
import subprocess
import time

from junit import Case

# A subtest that only drew a warning from the kernel has failed all the same.
OUTCOME = {"pass": "pass", "skip": "skip", "notrun": "skip"}

# But not one during which memory offlining told, as it does at warning level and
# rate limited, of pages that it must try again: those of a program in use, say.
# What the tests require of the driver's own pages they check themselves.
OFFLINE_RETRIES = re.compile(
    r"^<4>[^\n]*\bmigrating pfn [0-9a-f]+ failed ret:\d+ *\n"
    r"(?:<4>[^\n]*\b(?:page|head|memcg|aops|anon|ksm|flags|raw|page_type):?[^\n]*\n){1,12}?"
    r"<4>[^\n]*\bpage dumped because: migration failure *(?:\n|\Z)", re.MULTILINE)

# Nor one that only says that the host had little time for the guest.
SLOW_HOST = re.compile(
    r"^<4>[^\n]*\b(?:hrtimer: interrupt took \d+ ns|perf: interrupt took too long|"
    r"workqueue: \S+(?: \[\w+\])? hogged CPU for)[^\n]*(?:\n|\Z)", re.MULTILINE)

# Words of assertions on the content of buffers: not one byte may be lost, not even once.
CONTENT = re.compile(r"is not 0x|\b(?:byte|pixel|word|lane|map|data)s?\b|crc|pattern|reference|"
                     r"differ|lost|wrong|corrupt|canary|content|expect", re.IGNORECASE)


def excused(warnings, expected=None):
    """Is there nothing in the kernel's warnings that a test is to blame for? EXPECTED, a
    regular expression, is what the tests of this guest provoke."""
    for known in filter(None, (OFFLINE_RETRIES, SLOW_HOST, expected)):
        warnings = known.sub("", warnings)
    return not warnings.strip()


class Follower:
    """Passes on igt_runner's progress, one line as each subtest begins: what became of the
    one before, with its seconds."""

    def __init__(self, share, say):
        self.share = share
        self.say = say
        self.current = None
        self.since = 0.0

    def line(self, text):
        match = re.search(r"\[(\d+)/(\d+)\] (?:\([^)]* left\) )?(\S+)(?: \((.*)\))?$", text)
        if match:
            self.finish()
            name = f"{match[3]}@{match[4]}" if match[4] else match[3]
            self.current = f"{match[1]}/{match[2]} {name}"
            self.since = time.monotonic()
        elif text.startswith("check: "):
            self.finish()
            self.say(text)

    def finish(self):
        if self.current:
            self.say(f"{self.current} ({time.monotonic() - self.since:.1f} s)")
        self.current = None


def load(share):
    """The tests of SHARE/results, also of a run that was cut off, as igt_runner has them."""
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
            return json.load(file)["tests"]
    except (OSError, ValueError, KeyError):
        return {}


def judge(name, test, expected=None):
    """A Case of what igt_runner has of a test. EXPECTED is excused()'s."""
    result = test.get("result", "incomplete")
    if result == "dmesg-warn" and excused(test["dmesg-warnings"], expected):
        result = "pass"
    outcome = OUTCOME.get(result, "fail")
    seconds = test.get("time", {})
    seconds = max(0.0, seconds.get("end", 0.0) - seconds.get("start", 0.0))
    return Case(name.removeprefix("igt@"), outcome, seconds, reason(result, outcome, test))


def cases(tests, expected=None):
    """The cases of TESTS, as load() has them. EXPECTED is excused()'s."""
    return [judge(name, test, expected) for name, test in tests.items()]


def own_word_only(test, expected=None):
    """Did it fail by an assertion of its own, and the kernel had nothing to say?"""
    return (test.get("result") in ("fail", "dmesg-fail")
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
