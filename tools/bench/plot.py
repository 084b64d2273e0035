#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Draws the benchmark's results. Called by bench.py:

    plot.py DIR      reads DIR/bench.json, writes DIR/bench/*.png
"""

import json
import os
import re
import sys
import tempfile

os.environ.setdefault("MPLCONFIGDIR", tempfile.gettempdir())

import matplotlib  # noqa: E402

matplotlib.use("Agg")

import matplotlib.pyplot as plt  # noqa: E402

OURS, PEER, LIMIT = "#2a9d57", "#9fb3c8", "#e4572e"
COLOURS = ("#2a9d57", "#2f4858", "#f2c14e", "#8f7fc9", "#e4572e", "#11181d")


def save(figure, directory, name):
    figure.tight_layout()
    figure.savefig(os.path.join(directory, name + ".png"), dpi=100)
    plt.close(figure)


def bars(rows, directory, name, title, label):
    """One bar per row: the ratio, with the target as a mark."""
    rows = [row for row in rows if row["ratio"] is not None]
    if not rows:
        return
    figure, axes = plt.subplots(figsize=(10, 1.2 + 0.32 * len(rows)))
    places = range(len(rows), 0, -1)
    axes.barh(places, [row["ratio"] for row in rows], color=OURS, height=0.6)
    for place, row in zip(places, rows):
        axes.text(row["ratio"], place, f" {row['ratio']:.2f}", va="center", fontsize=8)
        if row["target"] is not None:
            axes.plot([row["target"]] * 2, [place - 0.4, place + 0.4], color=LIMIT, linewidth=2)
    axes.axvline(1, color=PEER, linestyle="--", linewidth=1)
    axes.set_yticks(list(places), [row["name"][3:] for row in rows], fontsize=8)
    axes.set_xlabel(label)
    axes.set_title(title, fontsize=11)
    save(figure, directory, name)


def huge_pages(rows, directory):
    """Share of anonymous memory's 2 MiB pages by share of memory in buffers."""
    lines = {}
    for row in rows:
        match = re.match(r"b: 2 MiB pages, (\d+) % .* (\d+ KiB \(.*\))$", row["name"])
        if match and row["peer"]:
            lines.setdefault(match[2], []).append((int(match[1]), 100 * row["ratio"]))
    if not lines:
        return
    figure, axes = plt.subplots(figsize=(8, 5))
    for colour, (name, points) in zip(COLOURS * 3, sorted(lines.items())):
        axes.plot(*zip(*sorted(points)), marker="o", label=name, color=colour)
    axes.axhline(98, color=LIMIT, linestyle="--", linewidth=1, label="target")
    axes.set_xlabel("% of memory in buffers, scattered")
    axes.set_ylabel("2 MiB pages, % of anonymous memory's")
    axes.set_ylim(bottom=0)
    axes.set_title("2 MiB pages that can be had; a fresh boot for each point", fontsize=11)
    axes.legend(fontsize=8)
    save(figure, directory, "b-huge-pages")


def sizes(rows, directory):
    """Making, touching and freeing by size: instructions per page of both."""
    chosen = [row for row in rows if row["name"].startswith("d:") and "by words" in row["name"]]
    if not chosen:
        return
    figure, axes = plt.subplots(figsize=(8, 5))
    stores = sorted({row["name"].rsplit("(", 1)[1].rstrip(")") for row in chosen})
    for colour, store in zip(COLOURS, stores):
        points = sorted((row["size"], row["value"], row["peer"]) for row in chosen
                        if row["name"].endswith(f"({store})"))
        x = [size / 1024 for size, _, _ in points]
        axes.plot(x, [value / size * 4096 for size, value, _ in points], marker="o",
                  color=colour, label=store)
        axes.plot(x, [peer / size * 4096 for size, _, peer in points], marker="s",
                  color=colour, linestyle="--", alpha=0.5, label=f"vgem ({store.split(', ')[1]})")
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xlabel("KiB")
    axes.set_ylabel("instructions per page")
    axes.set_title("Make, touch, free a buffer", fontsize=11)
    axes.legend(fontsize=8)
    save(figure, directory, "d-make-touch-free")


def growth(rows, directory):
    """How costs grow."""
    axes_of = {}
    for row in rows:
        if not row["name"].startswith("g:"):
            continue
        store = row["name"].rsplit("(", 1)[1].rstrip(")")
        line = axes_of.setdefault(row["axis"], {}).setdefault(store, [(row["first"], row["peer"])])
        line.append((row["point"], row["value"]))
    if not axes_of:
        return
    labels = {"size": "bytes in a BO", "count": "BOs of a page", "alive": "BOs alive",
              "vms": "GPU VMs that map each page", "vmas": "CPU mappings of each page"}
    figure, plots = plt.subplots(1, len(axes_of), figsize=(4 * len(axes_of), 4), squeeze=False)
    for axes, (axis, lines) in zip(plots[0], axes_of.items()):
        for colour, (store, points) in zip(COLOURS, sorted(lines.items())):
            axes.plot(*zip(*points), marker="o", color=colour, label=store)
        axes.set_xscale("symlog", base=10)
        axes.set_ylim(bottom=0)
        axes.set_xlabel(labels[axis])
        axes.set_ylabel("instructions, 64 KiB buffer" if axis == "alive" else
                        "instructions per moved page")
        axes.legend(fontsize=8)
    save(figure, directory, "g-growth")


def main():
    with open(os.path.join(sys.argv[1], "bench.json"), encoding="utf-8") as file:
        rows = json.load(file)["results"]
    directory = os.path.join(sys.argv[1], "bench")

    def part(letter):
        return [row for row in rows if row["name"].startswith(letter + ":")]

    bars(part("a"), directory, "a-cost-of-a-move",
         "Cost of a moved page: movgem / anonymous memory (red: target)", "ratio")
    huge_pages(rows, directory)
    bars(part("c") + part("e"), directory, "c-e-under-compaction",
         "Under continuous compaction (red: target)", "ratio")
    sizes(rows, directory)
    growth(rows, directory)


if __name__ == "__main__":
    main()
