# SPDX-License-Identifier: GPL-2.0
"""libmovgem and the gralloc backend (mesa-winsys/libmovgem, mesa-winsys/gralloc): that they
build and export what they should, and their tests in guests, every test a case."""

import threading

from checklib import BUILD, OUT, TREE, Check, winsys_tests

ORDER = 66

PROGRAMS = ("client", "gralloc")
# What the header bears: being included twice, in old C, in C++.
HEADER = (("gcc", "c", "c99"), ("g++", "cc", "c++11"))
LOCK = threading.Lock()


def built(run):
    """Builds both; returns where they are."""
    out = f"{BUILD}/gralloc"
    with LOCK:
        run.must(["make", "-C", f"{TREE}/mesa-winsys/gralloc/tests", f"OUT={out}",
                  "CFLAGS=-O2 -g -Werror"])
    return out


def build(run):
    """The library by meson, its list of symbols, its header; a backend without warnings."""
    out = built(run)
    env = {"PKG_CONFIG_PATH": f"{out}/lib/pkgconfig"}
    flags = run.must(["pkg-config", "--cflags", "libmovgem"], env=env)
    # libdrm's own headers are not that strict.
    flags = flags.replace("-I/usr/", "-isystem /usr/").split()
    for compiler, language, standard in HEADER:
        source = f"{OUT}/libmovgem.{language}"
        with open(source, "w", encoding="utf-8") as file:
            file.write("#include <movgem.h>\n" * 2)
        run.must([compiler, f"-std={standard}", "-Wall", "-Wextra", "-Wpedantic", "-Werror",
                  "-fsyntax-only", *flags, source])


def tests(run):
    """All tests of both programs, on a driver that lets jobs wait for slow guests."""
    out = built(run)
    winsys_tests(run, ["--param", "job_timeout_ms=60000"], [
        (f"{name}-", f"/movgem/gralloc/movgem_{name}",
         run.must([f"{out}/movgem_{name}", "--list"],
                  env={"LD_LIBRARY_PATH": f"{out}/lib"}).split())
        for name in PROGRAMS],
        setup="modprobe vgem; export LD_LIBRARY_PATH=/movgem/gralloc/lib;")


def checks():
    return [Check("gralloc/build", build, alone=True)] + [
        Check(f"gralloc/{kernel}/{store}", tests, kernel, store, on_request=kernel == "6.12")
        for kernel, store in (("6.12", "movable_ops"), ("7.2", "folio"))]
