#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Draws the memory maps that the demo's guests made: one cell for each page,
2 MiB blocks as tiles of 32 by 16 cells. Called by demo.py:

    plot.py DIR      reads DIR/demo.json and the maps beside it
"""

import json
import os
import sys
import tempfile
import textwrap

os.environ.setdefault("MPLCONFIGDIR", tempfile.gettempdir())

import matplotlib  # noqa: E402

matplotlib.use("Agg")

import matplotlib.pyplot as plt  # noqa: E402
import numpy as np  # noqa: E402
from matplotlib.colors import to_rgb  # noqa: E402
from PIL import Image  # noqa: E402

BLOCK_PAGES = 32768     # of a memory block: 128 MiB
TILE = (16, 32)         # a 2 MiB block: lines, columns
ACROSS = 16             # tiles
GAP = 1                 # between tiles
DPI = 100

# As in memmap.c. The first one is memory that is offline or was never there.
KINDS = [
    ("offline", "#ffffff"),
    ("free", "#d5dde5"),
    ("free, a whole 2 MiB block", "#bfe3c6"),
    ("huge page (2 MiB)", "#2a9d57"),
    ("page of a buffer", "#e4572e"),
    ("other process memory", "#f2c14e"),
    ("page cache", "#8f7fc9"),
    ("kernel", "#2f4858"),
    ("reserved at boot", "#11181d"),
]
COLOURS = np.array([to_rgb(colour) for _, colour in KINDS])
BACKGROUND = np.array([1.0, 1.0, 1.0])
OFFLINE_FRAME = np.array(to_rgb("#9fb3c8"))

TITLES = {
    "movable_ops": "movgem",
    "folio": "movgem, folio store",
    "pinned": "movgem, pinned",
    "vgem": "vgem (shmem)",
    "anonymous": "anonymous memory",
}


def tiles(pages):
    """An RGB picture of a map: tiles from left to right, then downwards."""
    lines, columns = TILE
    down = len(pages) // (lines * columns * ACROSS)
    grid = pages.reshape(down, ACROSS, lines, columns)
    picture = np.empty((down * (lines + GAP), ACROSS * (columns + GAP), 3))
    picture[:] = BACKGROUND
    for y in range(down):
        for x in range(ACROSS):
            top, left = y * (lines + GAP), x * (columns + GAP)
            tile = COLOURS[grid[y, x]]
            if not grid[y, x].any():
                tile = tile.copy()
                tile[[0, -1], :] = tile[:, [0, -1]] = OFFLINE_FRAME
            picture[top:top + lines, left:left + columns] = tile
    return picture


class Sheet:
    """A figure that is laid out in pixels, from the top left corner."""

    def __init__(self, width, height):
        self.size = np.array([width, height])
        self.figure = plt.figure(figsize=self.size / DPI, dpi=DPI, facecolor="white")

    def text(self, x, y, string, size, **more):
        self.figure.text(x / self.size[0], 1 - y / self.size[1], string, fontsize=size,
                         **{"va": "top", "color": "#11181d", "linespacing": 1.25, **more})

    def picture(self, x, y, picture):
        height, width = picture.shape[:2]
        axes = self.figure.add_axes((x / self.size[0], 1 - (y + height) / self.size[1],
                                     width / self.size[0], height / self.size[1]))
        axes.imshow(picture, interpolation="nearest", aspect="auto")
        axes.axis("off")

    def save(self, path):
        self.figure.savefig(path + ".tmp.png", dpi=DPI)
        plt.close(self.figure)
        # A palette: a quarter of the size, and no difference to be seen.
        image = Image.open(path + ".tmp.png").convert("RGB")
        image.quantize(64, dither=Image.Dither.NONE).save(path, optimize=True)
        os.unlink(path + ".tmp.png")


def wrap(string, size, width, wide=0.56):
    """Breaks text of a font size (points) so that it fits into a width (pixels)."""
    return textwrap.fill(string, int(width / (size * DPI / 72 * wide)))


def height_of(string, size):
    return (string.count("\n") + 1) * size * DPI / 72 * 1.3


def swatch(sheet, x, y, kind):
    """A line of the legend."""
    picture = np.empty((28, 40, 3))
    picture[:] = COLOURS[kind] if kind else OFFLINE_FRAME
    picture[2:-2, 2:-2] = COLOURS[kind]
    sheet.picture(x, y, picture)
    sheet.text(x + 52, y + 14, KINDS[kind][0], 22, va="center")


def draw(path, columns, headings, note):
    """columns: (title, before, caption, after, caption), maps as arrays."""
    pictures = [(tiles(before), tiles(after)) for _, before, _, after, _ in columns]
    height, width = pictures[0][0].shape[:2]
    margin, side, caption, row = 36, 76, 112, 50
    used = sorted({int(kind) for _, before, _, after, _ in columns
                   for kind in np.union1d(before, after)})
    inner = len(columns) * (width + margin) - margin
    title = wrap(headings[0], 34, inner, 0.68)
    subtitle = wrap(headings[1], 25, inner)
    note = wrap(note, 20, inner)
    across = max(1, inner // 500)
    head = int(24 + height_of(title, 34) + 8 + height_of(subtitle, 25) + 80)
    legend = head + 2 * (height + caption) + 10
    note_at = legend + row * -(-len(used) // across) + 14

    sheet = Sheet(side + inner + margin, int(note_at + height_of(note, 20) + 16))
    sheet.text(side, 24, title, 34, weight="bold")
    sheet.text(side, 32 + height_of(title, 34), subtitle, 25, color="#3d4f5c")
    for number, (column, pair) in enumerate(zip(columns, pictures)):
        left = side + number * (width + margin)
        sheet.text(left, head - 58, column[0], 30, weight="bold")
        for line, picture in enumerate(pair):
            top = head + line * (height + caption)
            sheet.picture(left, top, picture)
            sheet.text(left, top + height + 10, column[2 + 2 * line], 24)
    for line, name in enumerate(("before", "after")):
        sheet.text(30, head + line * (height + caption) + height / 2, name, 30, weight="bold",
                   rotation=90, ha="center", va="center", color="#3d4f5c")
    for number, kind in enumerate(used):
        x, y = side + number % across * (inner // across), legend + number // across * row
        swatch(sheet, x, y, kind)
    sheet.text(side, note_at, note, 20, color="#5b6c78")
    sheet.save(path)


def load_map(out, row, trigger, when):
    pages = np.fromfile(os.path.join(out, row["row"], trigger, when + ".map"), dtype=np.uint8)
    if len(pages) != len(row[trigger]["blocks"]) * BLOCK_PAGES:
        raise SystemExit(f"plot.py: {row['row']}/{trigger}/{when}.map has the wrong size")
    return pages


def main():
    out = sys.argv[1]
    with open(os.path.join(out, "demo.json"), encoding="utf-8") as file:
        report = json.load(file)
    rows = report["rows"]
    guest = report["guest"]
    note = (f"One cell is one page of 4 KiB, one tile is 2 MiB. Linux {report['kernel']}, "
            f"64 KiB buffers on {report['parameters']['fill_percent']} % of memory, three of every "
            "four freed. A fresh boot for each column.")

    columns = []
    for row in rows:
        part = row["huge"]
        stay = part["buffers_left"] * report["parameters"]["buffer_size"]
        columns.append((TITLES[row["row"]],
                        load_map(out, row, "huge", "before"),
                        f"{stay >> 20} MiB in buffers,\n"
                        f"{part['map_before']['free_2mib']} free 2 MiB blocks",
                        load_map(out, row, "huge", "after"),
                        f"{row['huge_pages']} huge pages,\n{part['pages_moved']:,} pages moved"))
    draw(os.path.join(out, "memory-map.png"), columns,
         ("The same memory, asked for all the huge pages it can give",
          f"{guest['mem_mib']} MiB full of scattered GPU buffers, which CPU and GPU go on "
          "writing to"), note)

    columns = []
    for row in rows:
        part = row["offline"]
        columns.append((TITLES[row["row"]],
                        load_map(out, row, "offline", "before"),
                        f"{part['map_before']['buffer_pages'] * 4096 >> 20} MiB in buffers, "
                        f"{part['map_before']['buffer_pages_in_movable_zone'] * 4096 >> 20} MiB\n"
                        "of them in the DIMM",
                        load_map(out, row, "offline", "after"),
                        f"{row['blocks_offlined']} of {row['blocks_tried']} blocks offline,\n"
                        f"{part['pages_moved']:,} pages moved"))
    draw(os.path.join(out, "memory-map-offline.png"), columns,
         ("The same memory, asked to give its DIMM back",
          f"{guest['offline']['mem_mib']} MiB and, below it, a DIMM of "
          f"{guest['offline']['dimm_mib']} MiB, which is to go offline while CPU and GPU go on "
          "writing to the buffers"), note)


if __name__ == "__main__":
    main()
