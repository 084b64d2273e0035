# SPDX-License-Identifier: GPL-2.0
"""What can be said of the sources by reading them."""

import fnmatch
import glob
import os
import re

from checklib import HERE, TREE, Check, Failure, sources, tail

ORDER = 10

SCRIPTS = "/usr/src/linux-tools-src/scripts"
# checkpatch's complaints that an out-of-tree driver cannot heed anywhere; what is
# excused in single lines is in tools/lib/checkpatch-excused.
#   LINUX_VERSION_CODE   one source for several kernel versions is the point here
#   FILE_PATH_CHANGES    asks for MAINTAINERS updates; ours is in the repository
CHECKPATCH_IGNORE = "LINUX_VERSION_CODE,FILE_PATH_CHANGES"


def excused(complaint, rules):
    """Is this "FILE:LINE: LEVEL:TYPE: text" of checkpatch in tools/lib/checkpatch-excused?"""
    match = re.match(r"([^:]+):(\d+): \w+:(\w+): ", complaint)
    with open(f"{TREE}/{match[1]}", encoding="utf-8") as file:
        line = file.readlines()[int(match[2]) - 1]
    return any(fnmatch.fnmatch(match[1], glob_) and kind == match[3] and re.search(regex, line)
               for glob_, kind, regex in rules)


def checkpatch(run):
    files = sources("drivers", "include")
    with open(f"{HERE}/checkpatch-excused", encoding="utf-8") as file:
        rules = [line.split(None, 2) for line in file.read().splitlines()
                 if line.strip() and not line.startswith("#")]
    # One process a file, all processors: it is slow.
    _, output = run.command(
        ["sh", "-c", 'printf "%s\\0" "$@" | xargs -0 -n 1 -P "$(nproc)" '
         f'perl {SCRIPTS}/checkpatch.pl --no-tree --strict --terse --show-types '
         f'--no-summary --ignore={CHECKPATCH_IGNORE} -f', "sh", *files])
    lines = sorted(line for line in output.splitlines()
                   if re.search(r":\d+: (ERROR|WARNING|CHECK):", line))
    lines = [line for line in lines if not excused(line, rules)]
    if lines:
        raise Failure("\n".join([f"{len(lines)} complaints", *lines]))
    if "perl:" in output or "Can't" in output:
        raise Failure(tail(output))


def kernel_doc(run):
    files = sources("drivers", "include")
    status, output = run.command(
        ["perl", f"{SCRIPTS}/kernel-doc", "-none", "-Wall", "-Werror", *files])
    # A file without a single comment of that kind is no mistake.
    lines = [line for line in output.splitlines() if re.search(r": (warning|error):", line)
             and "no structured comments found" not in line]
    if lines or (status and "no structured comments found" not in output):
        raise Failure("\n".join(lines or [tail(output)]))


def scripts(run):
    found = []
    for path in glob.glob(f"{TREE}/tools/**/*", recursive=True) + [f"{TREE}/.ci/run"]:
        if os.path.isfile(path):
            with open(path, "rb") as file:
                first = file.readline()
            if re.match(rb"#!.*\b(sh|bash|dash|busybox sh)\b", first):
                found.append(os.path.relpath(path, TREE))
    run.must(["shellcheck", "-x", "-S", "warning", *sorted(found)])
    for path in glob.glob(f"{TREE}/tools/**/*.py", recursive=True):
        with open(path, encoding="utf-8") as file:
            compile(file.read(), path, "exec")


def breakages(run):
    """The texts that breakages replace are in the driver as it is."""
    run.must([f"{TREE}/igt-tests/breakages/run", "--list"])


def checks():
    return [Check("lint/scripts", scripts, alone=True),
            Check("lint/checkpatch", checkpatch, alone=True),
            Check("lint/kernel-doc", kernel_doc, alone=True),
            Check("lint/breakages", breakages, alone=True)]
