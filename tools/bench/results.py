# SPDX-License-Identifier: GPL-2.0
"""What the guests measured, as rows with a target: the objects of bench.json."""

import os
import sys

import plan

TREE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TREE, "tools/lib"))
import text_table  # noqa: E402

PAGE = 4096

# (a), against anonymous memory.
MOVE_TARGETS = {"unmapped": 0.55, "mapped": 0.65, "refault": 0.70}
FOLIO_TARGET = 1.05
WALL_TARGET = 1.0
HUGE_TARGET = 0.98
THROUGHPUT_TARGET = 0.8
ALLOC_TARGET = 0.8
META_TARGET = 16
# (g): "flat" is at most so much more per page than for the first point.
FLAT_TARGET = 1.15

MODES = {"plain": "", "words": ", by words"}


def median(values):
    values = sorted(values)
    return values[len(values) // 2]


def row(name, value, unit, peer=None, target=None, higher=False, of=None, **more):
    """One result. The target is a limit for value / peer, or, without a peer, for the value."""
    if of is None:
        of = "ratio" if peer is not None else "value"
    ratio = value / peer if peer else None
    judged = ratio if of == "ratio" else value
    met = None
    if target is not None:
        met = judged is not None and (judged >= target if higher else judged <= target)
    return {"name": name, "value": round(value, 4), "peer": peer and round(peer, 4),
            "ratio": ratio and round(ratio, 4), "target": target, "target_of": of,
            "better": "higher" if higher else "lower", "met": met, "unit": unit, **more}


def per_page(raw):
    """Instructions per moved page, net of a run that moves nothing."""
    last = raw[-1]
    return (last["ns"] - last["idle_ns"]) / last["pages"]


def refault(raw):
    last = raw[-1]
    return max(0, last["fault_ns"]) / last["pages"]


def rows_a(args, kernel, raw):
    out = []
    for store in args.stores[kernel]:
        where = f"{store}, {kernel}"
        for mode, shown in MODES.items():
            base = f"a/{kernel}/{mode}"
            for mappers in (0, 1, 4):
                ours = raw.get(f"{base}/{store}/{mappers}")
                peer = raw.get(f"{base}/anonymous/{max(mappers, 1)}")
                if not ours or not peer:
                    continue
                kinds = ["unmapped"] if not mappers else ["mapped", "refault"]
                for kind in kinds:
                    name = {"unmapped": "unmapped", "mapped": f"mapped by {mappers}",
                            "refault": f"mapped by {mappers}, with refault"}[kind]
                    cost = per_page(ours) + (refault(ours) if kind == "refault" else 0)
                    out.append(row(
                        f"a: {name}{shown} ({where})", cost, "instructions per moved page",
                        per_page(peer), FOLIO_TARGET if store == "folio" else MOVE_TARGETS[kind],
                        pages=ours[-1]["pages"], flushes=ours[-1]["flushes"],
                        unmaps=ours[-1]["unmaps"]))
        ours, peer = (raw.get(f"a/{kernel}/wall/{name}") for name in (store, "anonymous"))
        if ours and peer:
            costs = [median([part["ns"] / part["pages"] for part in parts[1:] or parts]) / 1000
                     for parts in (ours, peer)]
            out.append(row(f"a: wall time, two writers ({where})", costs[0],
                           "us per moved page", costs[1], WALL_TARGET))
    return out


def rows_b(args, kernel, raw):
    out = []
    points = sorted({tuple(int(part) for part in key.split("/")[3:])
                     for key in raw if key.startswith(f"b/{kernel}/")})
    for size, point in points:
        peer = raw.get(f"b/{kernel}/anonymous/{size}/{point}")
        if not peer:
            continue
        for kind in args.stores[kernel] + ("pinned", "vgem", "virtio_gpu"):
            ours = raw.get(f"b/{kernel}/{kind}/{size}/{point}")
            if not ours:
                continue
            target = HUGE_TARGET if kind in args.stores[kernel] else None
            out.append(row(f"b: 2 MiB pages, {point} % of RAM in buffers of {size >> 10} KiB "
                           f"({kind}, {kernel})",
                           ours[0]["huge_pages"], "pages", peer[0]["huge_pages"], target, True,
                           share=ours[0]["share"], bytes_lost=ours[0]["bytes_lost"]))
    return out


def phases_of(parts, *keys):
    """{the values of @keys: one phase of all that have these}: counts and seconds are added, of
    what is not a count it is the median."""
    found = {}
    for part in parts:
        found.setdefault(tuple(part[key] for key in keys), []).append(part)

    def whole(values, name):
        added = name in ("seconds", "jobs", "bytes", "moved", "flushes", "stalls", "runs")
        return sum(values) if added else median(values)

    return {key: {name: whole([part[name] for part in several], name) for name in several[0]}
            for key, several in found.items()}


def rows_c(args, kernel, raw):
    out = []
    for store in args.stores[kernel]:
        parts = phases_of(raw.get(f"c/{kernel}/{store}", ()), "phase", "depth")
        if not parts:
            continue
        where = f"{store}, {kernel}"
        many = max(depth for _, depth in parts)
        rate = {phase: part["jobs"] / part["seconds"]
                for (phase, depth), part in parts.items() if depth == many}
        busy = parts["compaction", many]
        out.append(row(f"c: GPU throughput under compaction ({where})", rate["compaction"],
                       "jobs per s", rate["rest"], THROUGHPUT_TARGET, True,
                       moved_per_s=round(busy["moved"] / busy["seconds"])))
        out.append(row(f"c: GPU throughput beside a thread that spins ({where})",
                       rate["spinning"], "jobs per s", rate["rest"], higher=True))
        for phase in ("compaction", "spinning"):
            shown = "under compaction" if phase == "compaction" else "beside a thread that spins"
            ours, rest = parts[phase, 1], parts["rest", 1]
            out.append(row(f"c: job latency, 99.9 %, {shown} ({where})", ours["p999"] / 1000,
                           "us", rest["p999"] / 1000, median_us=ours["p50"] / 1000,
                           max_us=ours["max"] / 1000, jobs=ours["jobs"]))
    return out


def size_name(size):
    return f"{size >> 20} MiB" if size >= 1 << 20 else f"{size >> 10} KiB"


def rows_d(args, kernel, raw):
    out = []
    for store in args.stores[kernel]:
        for mode, unit in (("words", "instructions"), ("wall", "ns")):
            ours = {part["size"]: part for part in raw.get(f"d/{kernel}/{mode}/{store}", ())}
            peer = {part["size"]: part for part in raw.get(f"d/{kernel}/{mode}/vgem", ())}
            shown = {"words": ", by words", "wall": ", wall time"}[mode]
            for size in sorted(set(ours) & set(peer)):
                out.append(row(f"d: make, touch, free {size_name(size)}{shown} "
                               f"({store}, {kernel})", ours[size]["all"], unit,
                               peer[size]["all"], ALLOC_TARGET, size=size,
                               steps={step: [ours[size][step], peer[size][step]]
                                      for step in ("create", "touch", "free")}))
    return out


def rows_e(args, kernel, raw):
    out = []
    speeds = {}
    for store in ("anonymous",) + args.stores[kernel]:
        for (phase,), part in phases_of(raw.get(f"e/{kernel}/{store}", ()), "phase").items():
            speeds[store, phase] = part["bytes"] / part["seconds"] / (1 << 20)
    for store in args.stores[kernel]:
        if (store, "rest") not in speeds or ("anonymous", "rest") not in speeds:
            continue
        for phase in ("rest", "compaction"):
            shown = "at rest" if phase == "rest" else "under compaction"
            out.append(row(f"e: CPU streaming writes {shown} ({store}, {kernel})",
                           speeds[store, phase], "MiB per s", speeds["anonymous", phase],
                           higher=True))
        out.append(row(f"e: CPU streaming writes, what compaction leaves ({store}, {kernel})",
                       speeds[store, "compaction"] / speeds[store, "rest"],
                       "share of the speed at rest",
                       speeds["anonymous", "compaction"] / speeds["anonymous", "rest"],
                       higher=True))
    return out


def rows_f(args, kernel, raw):
    out = []
    for store in args.stores[kernel]:
        parts = {value[0]["size"]: value[0] for key, value in raw.items()
                 if key.startswith(f"f/{kernel}/{store}/")}
        if not parts:
            continue

        def whole(size):
            part = parts[size]
            return (part["slab"] + part["vmalloc"]) / (part["count"] * part["size"] // PAGE)

        where = f"{store}, {kernel}"
        for size in sorted(parts):
            # What a small BO costs is that of a BO, not of its pages.
            large = size >= 1 << 20
            part = parts[size]
            pages = part["count"] * size // PAGE
            out.append(row(
                f"f: metadata of {size_name(size)} BOs ({where})", whole(size),
                "bytes per page", target=META_TARGET if large else None,
                per_bo=round((part["slab"] + part["vmalloc"]) / part["count"]),
                bound=round((part["bound_slab"] + part["bound_vmalloc"]) / pages, 2),
                free_difference=round(part["used"] / pages - PAGE, 2)))
    return out


def rows_g(args, kernel, raw):
    out = []
    for store in args.stores[kernel]:
        base = f"g/{kernel}/{store}"
        for axis, shown in (("size", "bytes in a BO"), ("count", "BOs of a page"),
                            ("vms", "GPU VMs that map each page"),
                            ("vmas", "CPU mappings of each page"), ("alive", "BOs alive")):
            points = sorted((value[-1]["buffers"] if axis == "count" else int(key.split("/")[-1]),
                             value) for key, value in raw.items()
                            if key.startswith(f"{base}/{axis}/"))
            if len(points) < 2:
                continue
            values = [(point, parts[-1]["all"] if axis == "alive" else per_page(parts))
                      for point, parts in points]
            what = "make, touch, free 64 KiB" if axis == "alive" else "move"
            for point, value in values[1:]:
                # More mappings of the same page are more entries to write: no target.
                target = None if axis in ("vms", "vmas") else FLAT_TARGET
                out.append(row(
                    f"g: {what}, {point} {shown}, against {values[0][0]} ({store}, {kernel})",
                    value, "instructions per moved page" if axis != "alive" else "instructions",
                    values[0][1], target, axis=axis, point=point, first=values[0][0]))
    return out


PARTS = {"a": rows_a, "b": rows_b, "c": rows_c, "d": rows_d, "e": rows_e, "f": rows_f,
         "g": rows_g}


def make(args, raw):
    """All rows. @raw: {key of a guest: its objects}."""
    rows = []
    for part in plan.PARTS:
        for kernel in args.kernels:
            rows += PARTS[part](args, kernel, raw)
    return rows


def number(value):
    if value is None:
        return "-"
    if isinstance(value, int) or abs(value) >= 1000:
        return f"{value:.0f}"
    return f"{value:.4g}"


def target_text(result):
    if result["target"] is None:
        return "-"
    return ("≥ " if result["better"] == "higher" else "≤ ") + number(result["target"])


HEADER = ("measured", "movgem", "peer", "ratio", "target", "met", "unit")


def cells(result):
    met = {True: "yes", False: "NO", None: "-"}[result["met"]]
    return (result["name"], number(result["value"]), number(result["peer"]),
            "-" if result["ratio"] is None else f"{result['ratio']:.3f}", target_text(result), met,
            result["unit"])


def columns(lines):
    """Lines of cells as a table in text: the first is the header."""
    right = [i for i in range(len(lines[0]) if lines else 0) if i not in (0, 6)]
    return "".join(line + "\n" for line in text_table.columns(lines, right)) if lines else ""


def list_table(lines):
    """The same as a list-table of reStructuredText."""
    if not lines:
        return ""
    out = [".. list-table::", "   :header-rows: 1", ""]
    for line in lines:
        out += [f"   {'* -' if not i else '  -'} {cell}" for i, cell in enumerate(line)]
    return "\n".join(out) + "\n"


def table(rows):
    """The table of results, as text."""
    return columns([HEADER] + [cells(result) for result in rows])


def made_of(raw):
    """{"kernel/store": {kind of function: instructions per moved page}}"""
    return {"/".join(key.split("/")[1::2]): parts[-1]["made_of"]
            for key, parts in raw.items() if "/profile/" in key}


def made_of_lines(raw):
    found = made_of(raw)
    kinds = list(next(iter(found.values()), ()))
    lines = [["instructions per moved page, mapped once, by words"] + list(found)]
    lines += [[kind] + [f"{parts[kind]:.0f}" for parts in found.values()] for kind in kinds]
    lines += [["all"] + [f"{sum(parts.values()):.0f}" for parts in found.values()]]
    return lines if found else []


def made_of_table(raw):
    """What a move is made of, as text."""
    return columns(made_of_lines(raw))


def made_of_rst(raw):
    return list_table(made_of_lines(raw))


def rst(rows):
    return list_table([HEADER] + [cells(result) for result in rows])
