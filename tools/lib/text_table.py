# SPDX-License-Identifier: GPL-2.0
"""Tables for the terminal."""


def columns(rows, right=()):
    """Lines of text from rows of cells, of which the first is the header. The columns whose
    numbers are in RIGHT end below each other, the others begin so."""
    rows = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["  ".join(cell.rjust(width) if i in right else cell.ljust(width)
                       for i, (cell, width) in enumerate(zip(row, widths))).rstrip()
             for row in rows]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return lines
