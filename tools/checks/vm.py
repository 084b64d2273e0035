# SPDX-License-Identifier: GPL-2.0
"""Does the runner of the guests do what it says, and does it notice what it must?"""

import os
import subprocess
import threading
import time

import qmp
from checklib import TREE, Check, Failure, selftest_modules, tail

ORDER = 30


def expect(run, status, text, *arguments, timeout=240):
    """Runs a guest and compares its exit status, and that TEXT is in its output."""
    got, output = run.command([f"{TREE}/tools/vm", "run", "--no-module", "--mem", "512M",
                               "--timeout", str(timeout), *run.machine(), *arguments])
    if got != status or text not in output:
        raise Failure(f"status {got} and not {status}, or no '{text}' in:\n{tail(output)}")


def splat(run, what, status, text, *arguments, before="", after=""):
    """Provokes a report of the kernel's with tools/selftest/splat.c."""
    expect(run, status, text, "--share", selftest_modules(run), *arguments, "--",
           f"{before} insmod /share/splat.ko what={what}; echo done; {after}")


def shrink(run):
    """Takes a DIMM and half of a virtio-mem device away while the guest runs."""
    share = run.directory()
    problems = []

    def outside():
        try:
            with qmp.Qmp(f"{share}/qmp") as machine:
                end = time.monotonic() + 200
                while not os.path.exists(f"{share}/full") and time.monotonic() < end:
                    time.sleep(0.2)
                machine.command("device_del", id="dimm0")
                machine.wait("DEVICE_DELETED", limit=200, device="dimm0")
                machine.command("qom-set", path="/machine/peripheral/vmem0",
                                property="requested-size", value=128 << 20)
        except qmp.QmpError as reason:
            problems.append(str(reason))
    thread = threading.Thread(target=outside, daemon=True)
    thread.start()
    expect(run, 0, "there: 640", "--dimm", "256M", "--virtio-mem", "512M,256M",
           "--qmp", f"{share}/qmp", "--share", share, "--",
           "until_there() { for i in $(seq 600); do n=$(($(cat /sys/devices/system/memory/memory*/"
           "online 2>/dev/null | grep -c 1) * 128));"
           "[ $n != $1 ] || break; sleep 0.2; done; echo there: $n; };"
           "until_there 1024; echo >/share/full; until_there 640")
    thread.join(10)
    if problems:
        raise Failure(problems[0])


def crash(run):
    """Has QEMU crash as the command runs, and only then."""
    share = run.directory()

    def outside():
        end = time.monotonic() + 200
        while not os.path.exists(f"{share}/first") and time.monotonic() < end:
            time.sleep(0.2)
        subprocess.run(["pkill", "-SEGV", "-f", f"^qemu-system.*{share}"], check=False)
    thread = threading.Thread(target=outside, daemon=True)
    thread.start()
    expect(run, 0, "QEMU crashed: QEMU ended with status -11; starting it again", "--retry",
           "--share", share, "--", "[ ! -e /share/first ] || exit 0; touch /share/first; sleep 100")
    thread.join(10)


HANG = ("echo 3 > /proc/sys/kernel/hung_task_timeout_secs;"
        "echo 1 > /proc/sys/kernel/hung_task_check_interval_secs;")
# Two scans: an object is reported when it looks the same to the second.
SCAN = ("for i in 1 2; do sleep 6; echo scan > /sys/kernel/debug/kmemleak; done;"
        "cat /sys/kernel/debug/kmemleak")


def test(name, kernel, function, *arguments, **more):
    return Check(f"vm/{name}", lambda run: function(run, *arguments, **more), kernel)


def checks():
    return [
        test("exit-7", None, expect, 7, "a b", "--", "sh", "-c", 'echo "$1"; exit 7', "sh", "a b"),
        test("killed", None, expect, 137, "", "--", "kill -9 $$"),
        test("time-out", None, expect, 124, "time-out after 15 seconds", "--", "sleep 100",
             timeout=15),
        test("guest-dies", None, expect, 125, "the guest died", "--",
             "echo o > /proc/sysrq-trigger; sleep 60"),
        test("silent", None, expect, 125, "it fell silent; starting it again", "--silence", "15",
             "--append", "rdinit=/none root=/dev/none rootwait", "--", "true"),
        test("qemu-crashes", None, crash),
        test("bad-kernel", None, expect, 125, "there is: 6.12, 7.2", "--kernel", "9.9", "--",
             "true"),
        test("dimm", None, expect, 0, "Movable", "--dimm", "512M", "--", "cat /proc/zoneinfo | "
             "grep -A 20 'zone  Movable' | grep -q 'present *131072' && "
             "cat /sys/devices/system/memory/memory*/valid_zones"),
        test("numa", None, expect, 0, "available: 2 nodes", "--numa", "2", "--", "numactl", "-H"),
        test("shrink", None, shrink),
        test("warn", None, splat, "warn", 123, "splat: provoked"),
        test("warn-allowed", None, splat, "warn", 0, "splat: provoked", "--allow-warn"),
        test("oops", None, splat, "oops", 123, "BUG: kernel NULL pointer dereference"),
        test("bug", None, splat, "bug", 123, "kernel BUG at"),
        test("hung-task", None, splat, "hang", 123, "blocked for more than", before=HANG),
        test("lockdep-line", None, expect, 123, "possible circular locking", "--",
             "echo 'WARNING: possible circular locking dependency detected' > /dev/kmsg"),
        # The debug kernel finds what it is there for.
        test("kasan", "debug", splat, "use-after-free", 123, "KASAN: slab-use-after-free"),
        test("page-poison", "debug", splat, "poison", 123, "pagealloc: memory corruption",
             "--page-poison"),
        test("lockdep", "debug", splat, "deadlock", 123, "possible circular locking dependency"),
        test("kmemleak", "debug", splat, "leak", 0, "[splat]", "--kmemleak",
             after=SCAN),
    ]
