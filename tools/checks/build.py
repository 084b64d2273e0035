# SPDX-License-Identifier: GPL-2.0
"""The driver on every kernel, its interface's header, the IGT tests, the documentation."""

import functools
import os
import re
import shutil

from checklib import BUILD, DRIVER, HERE, KERNELS, OUT, TREE, Check, Failure, Skip, tail

ORDER = 20

UAPI = "include/uapi/drm/movgem_drm.h"


def debug_kernel(run):
    run.must([f"{TREE}/tools/kernel", "make"], limit=5400,
             each_line=lambda line: run.say(line) if line.startswith("kernel:") else None)


def module(run, variables, fresh):
    """Builds in a tree of its own; a complaint about one of our files is a failure."""
    if not os.path.isdir(f"{TREE}/{DRIVER}"):
        raise Skip("there is no driver yet")
    out = f"{OUT}/build"
    if fresh:
        shutil.rmtree(f"{out}/{run.check.kernel}", ignore_errors=True)
    status, output = run.command(
        [f"{HERE}/build-module", "--kernel", run.check.kernel, *variables],
        env={"MOVGEM_OUT": out})
    # Paths into the kernel's headers are its own business; all others are ours.
    ours = [line for line in output.splitlines()
            if re.search(r"warning:|error:|WARNING: modpost|: \*\*\* ", line)
            and not re.match(r"(/usr/src/|/\S*/kernel-debug-[0-9a-f]+/source/|\./|include/|arch/)",
                             line)]
    if status or ours:
        raise Failure("\n".join(ours or [f"status {status}", tail(output)]))


def compiles(run):
    module(run, ["W=1"], True)


def sparse(run):
    module(run, ["C=2", "CF=-D__CHECK_ENDIAN__ -Wno-unknown-attribute"], False)


def uapi(compiler, language, standard, run):
    if not os.path.exists(f"{TREE}/{UAPI}"):
        raise Skip(f"there is no {UAPI} yet")
    source = f"{OUT}/uapi.{language}"
    with open(source, "w", encoding="utf-8") as file:
        # Twice: a header must bear being included again.
        file.write('#include "drm/movgem_drm.h"\n' * 2)
    run.must([compiler, f"-std={standard}", "-Wall", "-Wextra", "-Wpedantic", "-Werror",
              "-fsyntax-only", f"-I{TREE}/include/uapi", "-isystem", "/usr/include/libdrm",
              source])


def igt_tests(run):
    if not os.path.exists(f"{TREE}/igt-tests/Makefile"):
        raise Skip("there is no igt-tests/Makefile yet")
    out = f"{BUILD}/igt"
    run.must(["make", "-C", "igt-tests", f"-j{os.cpu_count()}", f"OUT={out}"])
    if not os.path.exists(f"{out}/test-list.txt"):
        raise Failure("the build left no out/build/igt/test-list.txt")


def doc(run):
    if not os.path.exists(f"{TREE}/Documentation/index.rst"):
        raise Skip("there is no Documentation/index.rst yet")
    run.must([f"{HERE}/build-doc"])


def checks():
    found = [
        Check("build/uapi-c", functools.partial(uapi, "gcc", "c", "c99")),
        Check("build/uapi-c++", functools.partial(uapi, "g++", "cc", "c++11")),
        Check("build/debug-kernel", debug_kernel, "debug"),
    ]
    for kernel in KERNELS:
        found += [Check(f"build/{kernel}/module-W=1", compiles, kernel),
                  Check(f"build/{kernel}/sparse", sparse, kernel)]
    found += [Check("build/igt-tests", igt_tests), Check("build/doc", doc)]
    for check in found:
        check.alone = True
    return found
