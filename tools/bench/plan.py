# SPDX-License-Identifier: GPL-2.0
"""Which guests the benchmark boots, and what each of them runs."""

from dataclasses import dataclass

# Page stores by kernel: what is measured, and in this order.
STORES = {"6.12": ("movable_ops", "folio"), "7.2": ("folio",)}

# What the kernel counts as one instruction for a page or for a byte depends on the processor:
# QEMU executes `rep movsb` byte by byte, and counts each. Without these flags the kernel copies
# and clears by words.
BY_WORDS = ("--append", "clearcpuid=erms,fsrm")

MIB = 1 << 20


@dataclass
class Guest:
    """One boot."""
    key: str
    commands: dict                  # key of a result -> what is run for it, one after the other
    store: str = ""                 # page_store of movgem; empty: without the module
    kernel: str = "6.12"
    icount: bool = True
    timed: bool = False             # measures wall time: has the host to itself
    mem: str = "384M"
    options: tuple = ()
    before: str = ""                # run first
    demo: bool = False              # the demo's program, which leaves a file
    profile: bool = False           # count instructions by function
    seconds: float = 0              # that it took


def bench(what, store, args, **options):
    buffers = "movgem" if store else "anonymous"
    words = [f"/movgem/bench/bench {what} --buffers {options.pop('buffers', buffers)}",
             f"--seed {args.seed}"]
    words += [f"--{name} {value}" for name, value in options.items()]
    return " ".join(words)


def warm_up(store, args):
    """In the first run the kernel moves some hundred pages of others out of the way."""
    return bench("move", store, args, fill=50) + " >/dev/null"


def plan_a(args, kernel):
    """Cost per moved page: instructions, then wall time with writers."""
    guests = []
    for mode, options in (("words", BY_WORDS), ("plain", ())):
        if args.quick and mode == "plain":
            continue
        for store in ("",) + args.stores[kernel]:
            key = f"a/{kernel}/{mode}/{store or 'anonymous'}"
            guests.append(Guest(
                key, {f"{key}/{mappers}": bench("move", store, args, fill=50, mappers=mappers)
                      for mappers in (0, 1, 4) if store or mappers},
                store, kernel, options=options, before=warm_up(store, args)))
    for store in ("",) + args.stores[kernel]:
        if args.quick:
            break
        key = f"a/{kernel}/profile/{store or 'anonymous'}"
        guests.append(Guest(
            key, {key: bench("move", store, args, fill=50)}, store, kernel, options=BY_WORDS,
            before=warm_up(store, args), profile=True))
    for store in ("",) + args.stores[kernel]:
        key = f"a/{kernel}/wall/{store or 'anonymous'}"
        guests.append(Guest(
            key, {key: bench("move", store, args, writers=2, rounds=4 if args.quick else 8)},
            store, kernel, icount=False, timed=True, mem="768M"))
    return guests


def plan_b(args, kernel):
    """2 MiB pages, with so much of memory in buffers."""
    first = kernel == args.kernels[0]
    if args.quick:
        return plan_b_size(args, kernel, 65536, (20,), first)
    guests = plan_b_size(args, kernel, 65536, (10, 30, 50, 70) if first else (30, 70), first)
    return guests + plan_b_size(args, kernel, MIB, (30, 70), False)


def plan_b_size(args, kernel, size, points, others):
    """The same for buffers of one size; with the OTHERS beside movgem and anonymous memory."""
    kinds = [("anonymous", "", "")]
    kinds += [(store, store, "") for store in args.stores[kernel]]
    if others:
        kinds += [("pinned", "pinned", "")]
        if not args.quick:
            kinds += [("vgem", "", "modprobe vgem"), ("virtio_gpu", "", "modprobe virtio_gpu")]
    guests = []
    for point in points:
        for name, store, before in kinds:
            options = ()
            if name == "virtio_gpu":
                # The host's side of the buffers counts as well.
                options = ("--qemu-arg=-device", "--qemu-arg=virtio-gpu-pci,max_hostmem=8G")
            key = f"b/{kernel}/{name}/{size}/{point}"
            guests.append(Guest(
                key, {key: f"/movgem/demo/workload --buffers {'movgem' if store else name} "
                           f"--trigger huge --out /share --seed {args.seed} --size {size} "
                           f"--fill 85 --stay {point} --rest 0"},
                store, kernel, icount=False, mem="1G", options=options, before=before, demo=True))
    return guests


def phases(args):
    """Short ones in turn, so that a host that is not quite quiet does not favour one of them."""
    return {"rounds": 1 if args.quick else 3, "seconds": 2}


def plan_c(args, kernel):
    """GPU throughput and latency."""
    return [Guest(f"c/{kernel}/{store}",
                  {f"c/{kernel}/{store}": bench("jobs", store, args, fill=40, **phases(args))},
                  store, kernel, icount=False, timed=True, mem="1G")
            for store in args.stores[kernel]]


def plan_d(args, kernel):
    """Make, touch and free a buffer."""
    largest = (16 if args.quick else 256) * MIB
    guests = []
    for mode, icount, options in (("words", True, BY_WORDS), ("wall", False, ())):
        if args.quick and not icount:
            continue
        for name, store in [("vgem", "")] + [(store, store) for store in args.stores[kernel]]:
            key = f"d/{kernel}/{mode}/{name}"
            guests.append(Guest(
                key, {key: bench("alloc", store, args, size=4096, max=largest,
                                 buffers="movgem" if store else name)},
                store, kernel, icount=icount, timed=not icount, mem="768M", options=options,
                before="" if store else "modprobe vgem"))
    return guests


def plan_e(args, kernel):
    """CPU writes through the mapping."""
    return [Guest(key, {key: bench("stream", store, args, fill=40, **phases(args))},
                  store, kernel, icount=False, timed=True, mem="1G")
            for store in ("",) + args.stores[kernel]
            for key in (f"e/{kernel}/{store or 'anonymous'}",)]


META_BYTES = 256 * MIB
META_SIZES = (4096, 65536, MIB, 256 * MIB)


def plan_f(args, kernel):
    """Metadata."""
    return [Guest(f"f/{kernel}/{store}",
                  {f"f/{kernel}/{store}/{size}": bench("meta", store, args, size=size,
                                                       count=META_BYTES // size)
                   for size in META_SIZES},
                  store, kernel, icount=False, mem="768M") for store in args.stores[kernel]]


def plan_g(args, kernel):
    """How (a) and (d) grow, with a kernel's default store."""
    counts = (1000, 10000) if args.quick else (1000, 10000, 100000)
    # One of four buffers of a page stays, in half of what is free.
    memories = ("512M", "1G") if args.quick else ("512M", "1G", "3584M")
    several = (1, 4) if args.quick else (1, 4, 16)
    store = args.stores[kernel][0]
    guests = []

    def add(axis, mem, points, name=""):
        key = f"g/{kernel}/{store}/{axis}"
        guests.append(Guest(key + name,
                            {f"{key}/{point}": command for point, command in points.items()},
                            store, kernel, mem=mem, options=BY_WORDS,
                            before=warm_up(store, args)))

    def move(**options):
        return bench("move", store, args, **options)

    sizes = (65536, MIB) if args.quick else (4096, 65536, MIB, 16 * MIB)
    add("size", "512M", {size: move(fill=50, size=size) for size in sizes})
    # In as much more memory: the layout is the same, and so many pages are to move.
    for mem in memories:
        add("count", mem, {mem: move(fill=50, size=4096)}, f"/{mem}")
    add("vms", "384M", {number: move(fill=50, vms=number) for number in several})
    add("vmas", "384M", {number: move(fill=50, vmas=number) for number in several})
    add("alive", "1G", {count: bench("alloc", store, args, size=65536, max=65536, alive=count)
                        for count in (0,) + counts})
    return guests


PARTS = {"a": plan_a, "b": plan_b, "c": plan_c, "d": plan_d, "e": plan_e, "f": plan_f,
         "g": plan_g}


def make(args):
    """All guests, in order."""
    guests = []
    for part in args.only:
        for kernel in args.kernels:
            guests += PARTS[part](args, kernel)
    return guests
