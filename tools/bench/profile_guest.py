# SPDX-License-Identifier: GPL-2.0
"""Where the instructions of a moved page go: what profile-plugin.c counts in a guest, by function
and by kind of function."""

import bisect
import collections
import os
import re

# The first kind that matches a function's name has it.
KINDS = (
    ("movgem's own code", r"\[movgem\]"),
    ("copying the page", r"copy_page|copy_mc|memcpy|folio_.*copy|copy_highpage"),
    ("clearing the new page (init_on_alloc)", r"clear_page|kernel_init_pages"),
    ("CPU page tables, rmap, TLB",
     r"unmap_|zap_|pte|pmd|pud|p4d|pgd|tlb|rmap|page_vma|vm_normal|try_to_migrate|"
     r"remove_migration|vma_interval|anon_vma|untrack|i_mmap|migration_entry|folio_add_|folio_remove_|mm_trace"),
    ("finding a page, a place for it, and freeing the old one",
     r"free_|_free|compaction_alloc|isolate_|split_|__list_|post_alloc|__folio_put|pfnblock|"
     r"mod_zone|pageblock|compact|buddy|prep_new|find_next_bit|fast_find"),
    ("moving it, as the kernel does for any page",
     r"migrat|lock|lru|memcg|mem_cgroup|lruvec|Movable|folio|mapping|xas_|xa_|wake|cond_resched|"
     r"page_"),
    ("other", r""),
)


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


def by_function(directory):
    """Counter of instructions by function, of the files counts and kallsyms."""
    addresses, names = read_symbols(os.path.join(directory, "kallsyms"))
    total = collections.Counter()
    with open(os.path.join(directory, "counts"), encoding="utf-8") as file:
        for line in file:
            address, insns = line.split()
            address = int(address, 16)
            user = address < 1 << 63
            name = names[bisect.bisect_right(addresses, address) - 1]
            total["(user space)" if user else name] += int(insns)
    return total


def by_kind(total, pages):
    """{kind: instructions per page}"""
    found = {kind: 0 for kind, _ in KINDS}
    for name, insns in total.items():
        found[next(kind for kind, pattern in KINDS if re.search(pattern, name))] += insns
    return {kind: round(insns / pages, 1) for kind, insns in found.items()}


def text(total, pages, least=5):
    """The report: kinds, then all functions that take at least so many a page."""
    lines = [f"{sum(total.values()) / pages:9.0f}  instructions per page, of {pages}"]
    lines += [f"{insns:9.0f}  {kind}" for kind, insns in by_kind(total, pages).items()]
    lines.append("")
    for name, insns in total.most_common():
        if insns / pages < least:
            break
        lines.append(f"{insns / pages:9.1f}  {name}")
    return "\n".join(lines) + "\n"


def evaluate(directory, pages):
    """Writes the report beside the counts; returns {kind: instructions per page}."""
    total = by_function(directory)
    with open(os.path.join(directory, "report.txt"), "w", encoding="utf-8") as file:
        file.write(text(total, pages))
    return by_kind(total, pages)
