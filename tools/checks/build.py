# SPDX-License-Identifier: GPL-2.0
"""The driver on every kernel, its interface's header, the IGT tests, the documentation."""

import functools
import re
import shutil

from checklib import HERE, KERNELS, OUT, TREE, Check, Failure, build_igt_tests, tail

ORDER = 20

UAPI = "include/uapi/drm/movgem_drm.h"
# Debian's headers of 7.2 lack the script by which kbuild looks whether there is a checker, and its
# sparse an operator of that kernel's.
SPARSE = ("C=1", "KBUILD_CHECKSRC=1",
          "CF=-D__CHECK_ENDIAN__ -D__typeof_unqual__=__typeof__ -Wno-unknown-attribute")
# What that sparse says of each MODULE_*() of 7.2, which compares with __builtin_strlen().
MODULE_INFO = re.compile(r"\w+\.c:\d+:1: error: bad constant expression$")


def debug_kernel(run):
    run.must([f"{TREE}/tools/kernel", "make"], limit=5400,
             each_line=lambda line: run.say(line) if line.startswith("kernel:") else None)


def module(run):
    """Builds in a tree of its own, with all warnings of gcc's and sparse's; a complaint about
    one of our files is a failure."""
    out = f"{OUT}/build"
    shutil.rmtree(f"{out}/{run.check.kernel}", ignore_errors=True)
    status, output = run.command(
        [f"{HERE}/build-module", "--kernel", run.check.kernel, "W=1", *SPARSE],
        env={"MOVGEM_OUT": out})
    # Paths into the kernel's headers are its own business; all others are ours.
    ours = [line for line in output.splitlines()
            if re.search(r"warning:|error:|WARNING: modpost|: \*\*\* ", line)
            and not re.match(r"(/usr/src/|/\S*/kernel-debug-[0-9a-f]+/source/|\./|include/|arch/)",
                             line)
            and not (run.check.kernel == "7.2" and MODULE_INFO.match(line))]
    if not status and "  CHECK " not in output:
        ours.append("sparse has looked at nothing")
    if status or ours:
        raise Failure("\n".join(ours or [f"status {status}", tail(output)]))


def uapi(compiler, language, standard, run):
    source = f"{OUT}/uapi.{language}"
    with open(source, "w", encoding="utf-8") as file:
        # Twice: a header must bear being included again.
        file.write('#include "drm/movgem_drm.h"\n' * 2)
    run.must([compiler, f"-std={standard}", "-Wall", "-Wextra", "-Wpedantic", "-Werror",
              "-fsyntax-only", f"-I{TREE}/include/uapi", "-isystem", "/usr/include/libdrm",
              source])


def doc(run):
    run.must([f"{HERE}/build-doc"])


def checks():
    found = [
        Check("build/uapi-c", functools.partial(uapi, "gcc", "c", "c99")),
        Check("build/uapi-c++", functools.partial(uapi, "g++", "cc", "c++11")),
        Check("build/debug-kernel", debug_kernel, "debug"),
    ]
    found += [Check(f"build/{kernel}/module", module, kernel) for kernel in KERNELS]
    found += [Check("build/igt-tests", build_igt_tests), Check("build/doc", doc)]
    for check in found:
        check.alone = True
    return found
