#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Boots a guest under QEMU and runs one command in it. Called by tools/vm, in the root."""

import argparse
import ctypes
import glob
import mmap
import os
import platform
import re
import secrets
import select
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TREE = os.path.dirname(os.path.dirname(HERE))
BUILD = os.path.join(TREE, "out/build")
GUEST = os.path.join(TREE, "tools/guest")

# Two of Debian's own, in the root, and two that tools/kernel builds.
KERNELS = ("6.12", "7.2", "debug", "plain")

EXIT_KERNEL, EXIT_TIMEOUT, EXIT_RUNNER = 123, 124, 125
# Of the debug kernel too, emulated on a busy host.
BOOT_SECONDS = 900
# Why a guest is started again.
SILENT = "the guest did not boot: it fell silent"
CRASHED = "QEMU crashed"
# A socket's path has room for no more.
SOCKET_PATH = 107

# What counts as a failure in the kernel's log. The detector reads the guest's
# console, so a line that a program writes to /dev/kmsg counts too.
SPLAT = re.compile(
    r"\] (?:.*\] )?(?:"
    r"WARNING: |BUG: |kernel BUG at|Oops: |Oops\b.*\[#\d+\]|general protection fault|"
    r"Internal error|Unable to handle kernel|KASAN: |KFENCE: |UBSAN: |"
    r"INFO: task .* blocked for more than|INFO: rcu.*(?:stall|detected)|"
    r"rcu: INFO: .*(?:stall|detected)|INFO: possible |INFO: suspicious|"
    r"INFO: trying to register non-static key|watchdog: BUG|Kernel panic|"
    r"list_(?:add|del) corruption|refcount_t: |Bad page state|BUG [\w-]+ \(|"
    r"pagealloc: (?:memory corruption|single bit)|"
    r"DEBUG_LOCKS_WARN_ON|unregister_netdevice: waiting)")
# After one of these the guest is not expected to get any further.
FATAL = re.compile(r"Kernel panic|kernel BUG at|Oops: |soft lockup|hard LOCKUP")
FATAL_GRACE = 10
SPLAT_LINES = 16
# Where there is `rep movsb` the kernel and libc move and clear memory by it, and that is a
# byte at a time here: a page migrates in half the time without.
TCG_CPU = "max,-erms,-fsrm,-fsrs,-fzrm"
# For the debug kernel: there is a CMA area. No five levels of page tables: what KASAN makes of an
# address depends on a CPU feature then, and an interrupt while identify_cpu() has cleared them all
# is a wild access to it.
DEBUG_APPEND = ("cma=64M", "no5lvl")
# Lines of a splat that help nobody in a message; the log has them.
NOISE = re.compile(r"\] (?:R[A-Z0-9]{2}: |R\d+: |[FCD]S: |CR2: |DR\d: |Code: |Modules linked in|"
                   r"Hardware name|PKRU|CS: | \? |</?TASK>|---\[)")

EPILOG = """\
exit status: the command's own, or
  123  the kernel reported a problem (WARN, BUG, oops, lockdep, KASAN, hung task,
       RCU stall, panic), whatever the command's own status was
  124  the time-out was reached
  125  the guest did not boot, died, or could not be started

One argument after -- is a line for sh; several are a command and its arguments.
In the guest: /movgem is the work tree's out/build (read-only), /share the
directory of --share (read-write), /mesa the Mesa of --mesa (read-only), / a
throw-away copy of the Debian 13 root.
The kernel's console is kept in out/vm/, newest in out/vm/last.log.

--qmp PATH lets a program outside change the machine while the command runs, by
QEMU's own protocol (tools/lib/qmp.py speaks it): device_add, device_del,
object-add, qom-set. The memory devices have the ids dimm0, dimm1... (memory
backends d0, d1...) and vmem0, vmem1... (backends m0, m1...).
"""


def say(text):
    print(f"vm: {text}", file=sys.stderr, flush=True)


def die(text, status=EXIT_RUNNER):
    say(text)
    sys.exit(status)


def parse_size(text):
    match = re.fullmatch(r"(\d+)([MG])", text.upper())
    if not match:
        raise argparse.ArgumentTypeError(f"'{text}': a size is a number and M or G")
    return int(match[1]) * (1024 if match[2] == "G" else 1)


def parse_args(argv):
    parser = argparse.ArgumentParser(
        prog="tools/vm run", epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter,
        usage="tools/vm run [options] -- COMMAND...",
        description="Boot a fresh guest with movgem loaded and run COMMAND in it as root.")
    add = parser.add_argument
    add("--kernel", default="6.12",
        help="6.12 and 7.2 are Debian's own, debug and plain are built by tools/kernel "
             "(default %(default)s)")
    add("--mem", default="2G", type=parse_size, metavar="SIZE", help="memory (default 2G)")
    add("--dimm", default=[], type=parse_size, action="append", metavar="SIZE",
        help="add a hot-pluggable DIMM, onlined as movable memory, so that its blocks can "
             "be taken offline; may be repeated")
    add("--virtio-mem", default=[], type=parse_virtio_mem, action="append",
        metavar="SIZE[,REQUESTED]",
        help="add a virtio-mem device that can give the guest up to SIZE, and at first gives "
             "it REQUESTED (default: all), onlined as movable memory; may be repeated")
    add("--maxmem", default=0, type=parse_size, metavar="SIZE",
        help="memory that can be in the machine at most, with devices that are added later")
    add("--slots", default=0, type=int, metavar="N",
        help="DIMMs that can be plugged in later")
    add("--numa", default=1, type=int, metavar="N",
        help="spread memory, processors and DIMMs evenly over N nodes")
    add("--smp", default="2", metavar="N", help="processors (default %(default)s)")
    add("--param", default=[], action="append", metavar="K=V",
        help="module parameter of movgem; may be repeated")
    add("--module", metavar="FILE", help="load this movgem.ko; nothing is built then")
    add("--no-module", action="store_true", help="do not build or load movgem")
    add("--share", metavar="DIR", help="host directory to appear at /share, read-write")
    add("--mesa", action="store_true",
        help="have programs use Mesa with the movgem driver, which tools/mesa builds; else "
             "they get Debian's own")
    add("--timeout", default=600, type=float, metavar="SECONDS",
        help="for boot and command together (default %(default)s)")
    add("--silence", default=120, type=float, metavar="SECONDS",
        help="a guest that says nothing for so long before it is up (movgem is not loaded until "
             "then) is started again, once (default %(default)s)")
    add("--retry", action="store_true",
        help="should QEMU crash, run COMMAND once more, in another guest")
    add("--append", default=[], action="append", metavar="STR",
        help="more kernel command line; may be repeated")
    add("--qemu-arg", default=[], action="append", metavar="ARG",
        help="one more argument for QEMU, as --qemu-arg=ARG; may be repeated")
    add("--icount", action="store_true",
        help="count instructions as time: one processor, slower, repeatable")
    add("--accel", choices=("auto", "kvm", "tcg"), default="auto",
        help="auto tries a short boot under KVM once per boot of the host")
    add("--kmemleak", action="store_true",
        help="have the debug kernel keep account of what is allocated; all takes up to twice "
             "the time")
    add("--page-poison", action="store_true",
        help="have the debug kernel fill pages that are freed, and look whether they still are "
             "as they were when they are next used; all takes half as long again")
    add("--udev", action="store_true", help="start udevd in the guest")
    add("--allow-warn", action="store_true",
        help="report what the kernel complains of, but do not fail for it")
    add("--qmp", metavar="PATH", help="make a QMP socket there")
    add("--log", metavar="FILE", help="where to keep the kernel's console")
    add("-v", "--verbose", action="store_true",
        help="show the kernel's console and the QEMU command on stderr")
    add("command", nargs="*", metavar="COMMAND")
    if not argv or argv[0] in ("-h", "--help", "help"):
        parser.print_help()
        sys.exit(0)
    if argv[0] != "run":
        die(f"'{argv[0]}': the only verb is run; see tools/vm --help")
    parser.error = lambda text: die(f"{text}; see tools/vm --help")
    argv = argv[1:]
    command = []
    if "--" in argv:
        split = argv.index("--")
        argv, command = argv[:split], argv[split + 1:]
    args = parser.parse_args(argv)
    args.command = args.command + command
    if not args.command:
        parser.error("no command given")
    if args.kernel not in KERNELS:
        parser.error(f"kernel '{args.kernel}' is not known; there is: {', '.join(KERNELS)}")
    for param in args.param:
        if not re.fullmatch(r"\w+=[^\s'\"]+", param):
            parser.error(f"--param {param}: must be name=value")
    if args.share and not os.path.isdir(args.share):
        parser.error(f"--share {args.share}: no such directory")
    if not 1 <= args.numa <= 8:
        parser.error(f"--numa {args.numa}: 1 to 8 nodes")
    if not args.smp.isdecimal() or not int(args.smp):
        parser.error(f"--smp {args.smp}: must be a number")
    if args.mem % args.numa:
        parser.error(f"--numa {args.numa}: {args.mem}M cannot be divided evenly")
    if args.qmp:
        args.qmp = os.path.abspath(args.qmp)
        if len(args.qmp.encode()) > SOCKET_PATH:
            parser.error(f"--qmp {args.qmp}: longer than {SOCKET_PATH} characters")
        if not os.path.isdir(os.path.dirname(args.qmp)):
            parser.error(f"--qmp {args.qmp}: no such directory")
        if os.path.exists(args.qmp):
            os.unlink(args.qmp)
    return args


def parse_virtio_mem(text):
    size, _, requested = text.partition(",")
    size = parse_size(size)
    requested = parse_size(requested) if requested else size
    if requested > size:
        raise argparse.ArgumentTypeError(f"'{text}': more is requested than there is")
    return size, requested


def guest_dir():
    """Where tools/root put the disk image and the stock kernels."""
    with open("/etc/movgem-root", encoding="utf-8") as file:
        return os.path.join(os.environ["MOVGEM_CACHE"], file.read().strip())


def kernel_dir(kernel):
    """Where vmlinuz, initramfs.cpio and version of a kernel are; one of our own is built first
    where it has not been."""
    if kernel in ("debug", "plain"):
        return subprocess.run([os.path.join(TREE, "tools/kernel"), "make", kernel], check=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              text=True).stdout.strip()
    return f"{guest_dir()}/kernel-{kernel}"


def mesa_dir():
    """Where Mesa with the movgem driver is; it is built first where it has not been."""
    return subprocess.run([os.path.join(TREE, "tools/mesa"), "make"], check=True,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          text=True).stdout.strip()


def newest(*tops):
    times = [0.0]
    for top in tops:
        for path, _, names in os.walk(os.path.join(TREE, top)):
            times += [os.stat(os.path.join(path, name)).st_mtime for name in names
                      if not name.startswith(".")]
    return max(times)


def the_module(args):
    """The module to load, built first when it is missing or older than its source."""
    if args.no_module:
        return None
    if args.module:
        if not os.path.isfile(args.module):
            die(f"{args.module}: no such file")
        return args.module
    module = os.path.join(BUILD, args.kernel, "movgem.ko")
    if not os.path.exists(module) or os.stat(module).st_mtime < newest("drivers", "include"):
        say(f"building movgem.ko for the kernel {args.kernel}")
        result = subprocess.run([os.path.join(HERE, "build-module"), "--kernel", args.kernel],
                                text=True, check=False,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if result.returncode:
            sys.stderr.write(result.stdout)
            die(f"movgem.ko does not build for the kernel {args.kernel}")
    return module


def cpio(files):
    """A newc archive of {path: (mode, data)}, to be appended to the initramfs."""
    parts = []
    entries = list(files.items()) + [("TRAILER!!!", (0, b""))]
    for number, (path, (mode, data)) in enumerate(entries):
        name = path.encode() + b"\0"
        fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name), 0)
        head = b"070701" + b"".join(b"%08X" % field for field in fields) + name
        parts += [head, b"\0" * (-len(head) % 4), data, b"\0" * (-len(data) % 4)]
    return b"".join(parts)


def read(path):
    with open(path, "rb") as file:
        return file.read()


def make_initrd(path, base, files):
    with open(path, "wb") as file:
        data = read(base)
        file.write(data + b"\0" * (-len(data) % 512) + cpio(files))


def stripped(module, tmp):
    """The module without its debugging sections: they would only cost the guest memory."""
    small = os.path.join(tmp, "movgem.ko")
    subprocess.run(["strip", "--strip-debug", "-o", small, module], check=True)
    return read(small)


def die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def kvm_works():
    """Does KVM run a stock kernel here? /dev/kvm may be there and the guest still hang, so
    boot one, with 15 seconds to say so. The answer holds until the host is booted again."""
    try:
        os.close(os.open("/dev/kvm", os.O_RDWR))
    except OSError:
        return False
    return known_of_host("kvm", probe_kvm) == "yes"


def probe_kvm():
    say("trying whether KVM runs a stock kernel (at most 15 seconds, once)")
    kernel = kernel_dir("6.12")
    with tempfile.TemporaryDirectory(prefix="movgem-vm-") as tmp:
        initrd = os.path.join(tmp, "initrd")
        make_initrd(initrd, f"{kernel}/initramfs.cpio",
                    {"init": (0o100755, read(f"{GUEST}/init"))})
        command = ["qemu-system-x86_64", "-M", "q35", "-accel", "kvm", "-cpu", "host",
                   "-m", "256M", "-nodefaults", "-display", "none", "-no-reboot",
                   "-serial", "stdio", "-kernel", f"{kernel}/vmlinuz",
                   "-initrd", initrd, "-append", "console=ttyS0 panic=-1 movgem.probe"]
        try:
            output = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                    stderr=subprocess.STDOUT, timeout=15, check=False,
                                    preexec_fn=die_with_parent).stdout
        except subprocess.TimeoutExpired:
            output = b""
    works = b"movgem-vm: probe ok" in output
    say("KVM works" if works else "KVM does not run a stock kernel here: using TCG")
    return "yes" if works else "no"


def known_of_host(name, find):
    """FIND's answer, kept in the cache until the host is booted again."""
    boot = read("/proc/sys/kernel/random/boot_id").decode().strip()
    path = os.path.join(os.environ["MOVGEM_CACHE"], f"{name}-{boot}")
    if not os.path.exists(path):
        with open(f"{path}.{os.getpid()}", "w", encoding="ascii") as file:
            file.write(str(find()))
        os.rename(f"{path}.{os.getpid()}", path)
    return read(path).decode()


def measure_tsc():
    """The frequency in kHz of the processor's time-stamp counter, which an emulated one
    counts with; 0 where there is none."""
    if platform.machine() != "x86_64":
        return 0
    # rdtsc; shl rdx, 32; or rax, rdx; ret
    page = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(bytes.fromhex("0f31 48c1e220 4809d0 c3"))
    rdtsc = ctypes.CFUNCTYPE(ctypes.c_uint64)(
        ctypes.addressof(ctypes.c_char.from_buffer(page)))

    def sample():
        """A time and the counter at it: of many, the two that were read closest together."""
        best = None
        for _ in range(200):
            before = time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW)
            ticks = rdtsc()
            after = time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW)
            if best is None or after - before < best[0]:
                best = (after - before, (before + after) / 2, ticks)
        return best[1:]

    first = sample()
    time.sleep(0.3)
    second = sample()
    return round((second[1] - first[1]) * 1e6 / (second[0] - first[0]))


def memory_arguments(args):
    """QEMU's arguments for the memory: what is there from the start, spread over the NUMA
    nodes, and the devices that can be taken away."""
    result, devices, slots = [], 0, args.slots + len(args.dimm)
    if args.numa > 1:
        processors = int(args.smp)
        for node in range(args.numa):
            first = node * processors // args.numa
            last = (node + 1) * processors // args.numa - 1
            cpus = f",cpus={first}-{last}" if last >= first else ""
            result += ["-object", f"memory-backend-ram,id=n{node},size={args.mem // args.numa}M",
                       "-numa", f"node,nodeid={node},memdev=n{node}{cpus}"]
    for number, size in enumerate(args.dimm):
        result += ["-object", f"memory-backend-ram,id=d{number},size={size}M",
                   "-device", f"pc-dimm,id=dimm{number},memdev=d{number},"
                              f"node={number % args.numa}"]
        devices += size
    for number, (size, requested) in enumerate(args.virtio_mem):
        result += ["-object", f"memory-backend-ram,id=m{number},size={size}M",
                   "-device", f"virtio-mem-pci,id=vmem{number},memdev=m{number},"
                              f"requested-size={requested}M,node={number % args.numa}"]
        devices += size
    memory = f"{args.mem}M"
    if devices or args.maxmem or slots:
        # Each device may need a GiB more to be aligned.
        room = args.mem + devices + 4096
        memory += f",slots={max(slots, 1)},maxmem={max(room, args.maxmem)}M"
    return ["-m", memory, *result]


def qemu_command(args, kernel, tmp, log):
    if args.icount:
        accel = ["-accel", "tcg,thread=single", "-icount", "shift=0,sleep=off", "-cpu", "max"]
        args.smp = "1"
    elif args.accel == "kvm" or (args.accel == "auto" and kvm_works()):
        accel = ["-accel", "kvm", "-cpu", "host"]
    else:
        accel = ["-accel", "tcg,thread=multi", "-cpu", TCG_CPU]
    append = ["console=ttyS0", "panic=-1", "oops=panic", "no_timer_check", "tsc=reliable",
              "rcupdate.rcu_cpu_stall_timeout=60", "watchdog_thresh=30", "rdinit=/init",
              "net.ifnames=0"]
    if args.dimm or args.virtio_mem or args.maxmem or args.slots:
        append.append("memhp_default_state=online_movable")
    if "tcg,thread=multi" in accel:
        # Left to itself a guest on a busy host finds a frequency that is wrong by a
        # factor of several, and all its time-outs with it.
        khz = int(known_of_host("tsc", measure_tsc))
        append += [f"tsc_early_khz={khz}"] if khz else []
    if args.kernel == "debug":
        append += (*DEBUG_APPEND, f"kmemleak={'on' if args.kmemleak else 'off'}",
                   f"page_poison={'on' if args.page_poison else 'off'}")
    command = ["qemu-system-x86_64", "-name", "movgem", "-M", "q35", *accel,
               # Cores of one socket cannot be on different nodes.
               "-smp", f"{args.smp},sockets={args.smp if args.numa > 1 else 1}",
               *memory_arguments(args),
               "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
               "-kernel", f"{kernel}/vmlinuz", "-initrd", f"{tmp}/initrd",
               "-append", " ".join(append + args.append),
               "-drive", f"if=none,id=disk,file={guest_dir()}/disk.ext4,format=raw,"
                         "snapshot=on,cache=unsafe",
               "-device", "virtio-blk-pci,drive=disk",
               "-chardev", f"file,id=console,path={log}", "-serial", "chardev:console",
               "-device", "virtio-serial-pci",
               "-chardev", f"socket,id=out,path={tmp}/out",
               "-device", "virtserialport,id=out,chardev=out,name=movgem.out"]
    shares = [("build", BUILD, ",readonly=on")]
    if args.share:
        shares.append(("share", os.path.abspath(args.share), ""))
    if args.mesa:
        shares.append(("mesa", mesa_dir(), ",readonly=on"))
    if os.path.isdir(f"{kernel}/modules"):
        shares.append(("modules", f"{kernel}/modules", ",readonly=on"))
    if args.qmp:
        command += ["-qmp", f"unix:{args.qmp},server=on,wait=off"]
    for tag, path, more in shares:
        command += ["-fsdev", f"local,id={tag},path={path},security_model=none,"
                              f"multidevs=remap{more}",
                    "-device", f"virtio-9p-pci,fsdev={tag},mount_tag={tag}"]
    return command + args.qemu_arg


class Console:
    """Follows the console's log file and collects what the kernel complains of."""

    def __init__(self, path, verbose):
        self.file = open(path, "r", encoding="utf-8", errors="replace")
        self.verbose = verbose
        self.partial = ""
        self.up = self.started = self.ended = False
        self.heard = time.monotonic()
        self.splats = []
        self.fatal_at = None
        self.failed = None
        self.tail = []
        self.open = False

    def poll(self):
        text = self.file.read()
        if not text:
            return
        self.heard = time.monotonic()
        if self.verbose:
            sys.stderr.write(text)
            sys.stderr.flush()
        lines = (self.partial + text).split("\n")
        self.partial = lines.pop()
        for line in lines:
            self.line(line.rstrip("\r"))

    def line(self, line):
        before, self.tail = self.tail[-4:], (self.tail + [line])[-15:]
        if "movgem-vm: " in line:
            self.up |= "movgem-vm: up" in line
            self.started |= "movgem-vm: start" in line
            self.ended |= "movgem-vm: end" in line
            if "movgem-vm: FAILED" in line:
                self.failed = line.split("FAILED: ", 1)[-1]
        if SPLAT.search(line):
            if FATAL.search(line):
                self.fatal_at = self.fatal_at or time.monotonic()
            # One splat has several such lines: those that follow closely belong to it. What
            # a WARN() has to say comes before its line, after "cut here".
            if not self.open:
                cut = [n for n, text in enumerate(before) if "[ cut here ]" in text]
                self.splats.append(before[cut[-1] + 1:] if cut else [])
                self.open = True
        if self.open and not NOISE.search(line):
            self.splats[-1].append(line)
            self.open = len(self.splats[-1]) < SPLAT_LINES and "end trace" not in line


class Output:
    """Passes the command's output on as it comes, and finds the closing record."""

    def __init__(self, token):
        self.mark = b"\x1e" + token.encode() + b" "
        self.data = b""
        self.result = None

    def feed(self, data):
        self.data += data
        place = self.data.find(self.mark)
        if place < 0:
            keep = 0
            tail = self.data.rfind(b"\x1e")
            if tail >= 0 and self.mark.startswith(self.data[tail:]):
                keep = len(self.data) - tail
            self.emit(self.data[:len(self.data) - keep])
            self.data = self.data[len(self.data) - keep:]
        elif self.data.endswith(b"\n"):
            self.emit(self.data[:place])
            self.result = self.data[place + len(self.mark):].decode(errors="replace").strip()
            self.data = b""

    @staticmethod
    def emit(data):
        while data:
            data = data[os.write(1, data):]


def log_path(args):
    if args.log:
        return os.path.abspath(args.log)
    top = os.path.join(TREE, "out/vm")
    os.makedirs(top, exist_ok=True)
    logs = sorted(glob.glob(f"{top}/2*.log*"))
    for old in logs[:-60]:
        os.unlink(old)
    path = f"{top}/{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.log"
    link = f"{top}/.last-{os.getpid()}"
    os.symlink(os.path.basename(path), link)
    os.rename(link, f"{top}/last.log")
    return path


def run_guest(args, command, tmp, log, token):
    """Runs QEMU to the end of the command. Returns (result, reason): the closing record of
    the guest or None, and why there is none; and the console."""
    open(log, "wb").close()
    console = Console(log, args.verbose)
    output = Output(token)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(f"{tmp}/out")
    listener.listen(1)
    if args.verbose:
        say(shlex.join(command))
    start = time.monotonic()
    errors = open(f"{tmp}/qemu.err", "w+b")
    qemu = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=errors, stderr=errors,
                            preexec_fn=die_with_parent)
    poller = select.poll()
    poller.register(listener, select.POLLIN)
    port = None
    reason = None
    try:
        while output.result is None and reason is None:
            for handle, _ in poller.poll(100):
                if handle == listener.fileno():
                    port = listener.accept()[0]
                    poller.unregister(listener)
                    poller.register(port, select.POLLIN)
                    continue
                data = port.recv(65536)
                if not data:
                    poller.unregister(port)
                output.feed(data)
            console.poll()
            now = time.monotonic()
            if output.result is not None:
                break
            if qemu.poll() is not None:
                time.sleep(0.1)
                console.poll()
                errors.seek(0)
                text = errors.read().decode(errors="replace").strip()
                reason = "the guest died" if console.started else "the guest did not boot"
                if qemu.returncode < 0:
                    reason = CRASHED
                reason += f": QEMU ended with status {qemu.returncode}"
                reason += f": {text}" if text else ""
                if console.failed:
                    reason = f"the guest did not boot: {console.failed}"
            elif console.fatal_at and now > console.fatal_at + FATAL_GRACE:
                reason = "the guest did not get over it"
            elif now > start + args.timeout:
                reason = f"time-out after {args.timeout:g} seconds"
            elif not console.started and now > start + BOOT_SECONDS:
                reason = f"the guest did not boot within {BOOT_SECONDS} seconds"
            elif not console.up and now > console.heard + args.silence:
                reason = SILENT
        limit = time.monotonic() + 30
        while output.result is not None and not console.ended and time.monotonic() < limit:
            time.sleep(0.02)
            console.poll()
    finally:
        qemu.kill()
        qemu.wait()
        # The guest may be started again.
        os.unlink(f"{tmp}/out")
    console.poll()
    return output.result, reason, console


def show_tail(console):
    """The last lines of the kernel's console, for the reader of a failure."""
    print("".join(f"    {line}\n" for line in console.tail), file=sys.stderr, end="")


def judge(args, result, reason, console, log):
    """Says what went wrong, if anything, and returns the exit status."""
    shown = os.path.relpath(log) if log.startswith(os.getcwd() + "/") else log
    status = 0
    if console.splats:
        say(f"the kernel reported {len(console.splats)} problem(s); the first:")
        for line in console.splats[0]:
            print(f"    {line}", file=sys.stderr)
        if not args.allow_warn:
            status = EXIT_KERNEL
    if reason:
        say(reason)
        if not console.splats:
            show_tail(console)
        status = status or (EXIT_TIMEOUT if reason.startswith("time-out") else EXIT_RUNNER)
    elif result.startswith("exit "):
        if status:
            say(f"the command itself ended with status {result[5:]}")
        status = status or int(result[5:])
    else:
        say(result.replace("failed ", "FAILED in the guest: ", 1))
        show_tail(console)
        status = status or EXIT_RUNNER
    if status in (EXIT_KERNEL, EXIT_TIMEOUT, EXIT_RUNNER):
        say(f"kernel log: {shown}")
    return status


def main(argv):
    args = parse_args(argv)
    kernel = kernel_dir(args.kernel)
    os.makedirs(BUILD, exist_ok=True)
    module = the_module(args)
    log = log_path(args)
    token = secrets.token_hex(8)
    line = args.command[0] if len(args.command) == 1 else shlex.join(args.command)
    tmp = tempfile.mkdtemp(prefix="movgem-vm-")
    try:
        files = {name: (0o040755, b"") for name in ("movgem-vm",)}
        files["init"] = (0o100755, read(f"{GUEST}/init"))
        files["movgem-vm/stage2"] = (0o100755, read(f"{GUEST}/stage2"))
        files["movgem-vm/command"] = (0o100755, line.encode(errors="surrogateescape") + b"\n")
        config = {"TOKEN": token, "MODULE": "y" if module else "",
                  "PARAMS": " ".join(args.param), "SHARE": "y" if args.share else "",
                  "UDEV": "y" if args.udev else "",
                  "MESA": "y" if args.mesa else "",
                  "KERNEL_MODULES": "y" if os.path.isdir(f"{kernel}/modules") else "",
                  "MODPROBE": "virtio_mem" if args.virtio_mem else ""}
        text = "".join(f"{name}={shlex.quote(value)}\n" for name, value in config.items())
        files["movgem-vm/config"] = (0o100644, text.encode())
        if module:
            files["movgem-vm/movgem.ko"] = (0o100644, stripped(module, tmp))
        make_initrd(f"{tmp}/initrd", f"{kernel}/initramfs.cpio", files)
        command = qemu_command(args, kernel, tmp, log)
        result, reason, console = run_guest(args, command, tmp, log, token)
        # Neither is the guest's doing, nor what is tested here.
        again = (SILENT, CRASHED) if args.retry else SILENT
        if reason and reason.startswith(again) and not console.splats:
            show_tail(console)
            os.replace(log, f"{log}.first")
            say(f"{reason.splitlines()[0]}; starting it again")
            result, reason, console = run_guest(args, command, tmp, log, token)
    finally:
        shutil.rmtree(tmp, ignore_errors=True)
    return judge(args, result, reason, console, log)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.exit(141)
