#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""What a moved page costs, by function: runs the guest's program under a plugin of QEMU that
counts the instructions of each translation block. `tools/bench/run --profile` calls it."""

import bisect
import collections
import os
import re
import shutil
import subprocess

TREE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def read_symbols(path):
    """(addresses, names) of /proc/kallsyms, sorted."""
    symbols = []
    with open(path, encoding="utf-8") as file:
        for line in file:
            address, kind, name, *module = line.split()
            if kind in "tTwW":
                symbols.append((int(address, 16), name + (" " + module[0] if module else "")))
    symbols.sort()
    return [address for address, _ in symbols], [name for _, name in symbols]


def by_function(counts, kallsyms):
    """{function: instructions} of the plugin's file."""
    addresses, names = read_symbols(kallsyms)
    total = collections.Counter()
    with open(counts, encoding="utf-8") as file:
        for line in file:
            address, insns = line.split()
            address = int(address, 16)
            place = bisect.bisect_right(addresses, address) - 1
            user = address < 1 << 63
            total["(user space)" if user else names[place]] += int(insns)
    return total


def report(directory, pages, least=10):
    """Text: instructions per page, for functions that take at least so many."""
    total = by_function(os.path.join(directory, "counts"), os.path.join(directory, "kallsyms"))
    lines = [f"{sum(total.values()) / pages:9.0f}  all, per page of {pages}"]
    ours = sum(n for name, n in total.items() if "[movgem]" in name)
    lines.append(f"{ours / pages:9.0f}  of them in movgem's own code")
    for name, insns in total.most_common():
        if insns / pages < least:
            break
        lines.append(f"{insns / pages:9.1f}  {name}")
    return "\n".join(lines)


def run(args, kernel):
    """Boots the guest and prints the report; returns an exit status."""
    directory = os.path.join(args.out, "bench/profile")
    shutil.rmtree(directory, ignore_errors=True)
    os.makedirs(directory)
    plugin = os.path.join(TREE, "out/build/bench/profile-plugin.so")
    anonymous = "--buffers anonymous" in args.profile
    module = ["--no-module"] if anonymous else ["--param", f"page_store={args.store}"]
    done = subprocess.run(
        [os.path.join(TREE, "tools/vm"), "run", "--kernel", kernel, "--icount", "--mem", "512M",
         "--share", directory, "--timeout", "3600", "--qemu-arg=-plugin",
         f"--qemu-arg=file={plugin},out={directory}/counts", *module,
         "--", f"cp /proc/kallsyms /share/; /movgem/bench/bench {args.profile}"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    print(done.stdout, flush=True)
    pages = re.findall(r'^= .*"pages": (\d+)', done.stdout, re.MULTILINE)
    if done.returncode or not pages:
        return 1
    text = report(directory, int(pages[-1]))
    with open(os.path.join(directory, "report.txt"), "w", encoding="utf-8") as file:
        file.write(text + "\n")
    print(text)
    return 0
