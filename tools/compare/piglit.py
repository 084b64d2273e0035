#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Debian's piglit on Mesa with the movgem driver and on Debian's own Mesa, in one guest: its tests
of EGL, dma-bufs, OpenGL ES and of images in OpenGL, each with both. Run as tools/compare/piglit.
What happens in the guest is in piglit_guest.py."""

import argparse
import ast
import collections
import glob
import gzip
import json
import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree

TREE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
HERE = os.path.join(TREE, "tools/compare")
sys.path.insert(0, HERE)
from mesas import MESAS  # noqa: E402

# What the root does not have.
PACKAGES = ("piglit", "libwaffle-1-0", "libxcb-dri2-0")
LIB = "usr/lib/x86_64-linux-gnu"
LIST = f"{LIB}/piglit/tests/quick_gl.xml.gz"
# Of piglit's profile quick_gl. A test is of the first group whose expression its name and program
# have. OpenGL's are those of textures, framebuffers and buffers: that is what a winsys has to do
# with; not by the numbers of samples, of which llvmpipe has one other than 1.
GROUPS = (
    ("dma-bufs and images", r"^spec@(ext_image_dma_buf_import|oes_egl_image|egl_khr_gl_)"),
    ("EGL", r"^spec@egl[_ ]"),
    ("OpenGL ES", r"_gles[23]$"),
    ("OpenGL", r"^spec@((arb|ext)_framebuffer_(object|blit)|ext_texture_array|arb_(copy_image|"
               r"copy_buffer|clear_texture|pixel_buffer_object|texture_storage|texture_view)|"
               r"!opengl 1\.1@(?=.*(tex|copy|read|draw|pixel)))(?!.*samples=)"),
)


def parse_args():
    parser = argparse.ArgumentParser(
        prog="tools/compare/piglit",
        description="Run Debian's piglit, its tests of EGL, dma-bufs, OpenGL ES, and of images in "
                    "OpenGL, with movgem's Mesa and with Debian's, in one guest. Results: "
                    "out/piglit/table.txt, results.json.",
        epilog="exit status: 0; 1: a test passes with Debian's Mesa and not with movgem's; 2: the "
               "guest has failed")
    add = parser.add_argument
    add("--kernel", default="7.2", choices=("6.12", "7.2"), help="(default %(default)s)")
    add("--platform", default="gbm", choices=("gbm", "surfaceless_egl"),
        help="of EGL, for tests that do not choose it (default %(default)s)")
    add("--only", default="", metavar="REGEX", help="only tests whose names have it")
    add("--group", action="append", default=[], metavar="NAME", choices=[name for name, _ in GROUPS],
        help="only one of %(choices)s; may be repeated")
    add("--timeout", type=int, default=7200, metavar="SECONDS",
        help="for the guest (default %(default)s)")
    add("--move", action="store_true",
        help="have all pages of Mesa's BOs moved without end meanwhile, and blocks of memory "
             "taken offline")
    return parser.parse_args()


def unpack(names, archive, out):
    """Some of a package's files; those that it does not have are left out."""
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", archive],
                          stdout=subprocess.PIPE) as package:
        subprocess.run(["tar", "-x", "-C", out, "--wildcards", *names], stdin=package.stdout,
                       stderr=subprocess.DEVNULL, check=False)


def fetch():
    """The packages, downloaded once, with apt's lists of where Mesa is built."""
    cache = os.path.join(os.environ["MOVGEM_CACHE"], "piglit")
    if not glob.glob(f"{cache}/{PACKAGES[-1]}_*.deb"):
        os.makedirs(cache, exist_ok=True)
        subprocess.run([f"{TREE}/tools/mesa", "enter", "sh", "-euc",
                        'cd "$1"; shift; apt-get download -q -o APT::Sandbox::User=root "$@"', "sh",
                        cache, *PACKAGES], check=True, stdin=subprocess.DEVNULL)
    return [glob.glob(f"{cache}/{name}_*.deb")[0] for name in PACKAGES]


def group(name, program):
    return next((title for title, regex in GROUPS if re.search(regex, f"{name} {program}")), None)


def chosen(path, only, groups):
    """The tests: their names, groups and commands."""
    with gzip.open(path) as file:
        for test in xml.etree.ElementTree.parse(file).getroot():
            options = {option.get("name"): option.get("value") for option in test.iter("option")}
            name, command = test.get("name"), ast.literal_eval(options.get("command", "[]"))
            platforms = options.get("require_platforms", "gbm")
            if not command or "gbm" not in platforms and "egl" not in platforms:
                continue
            title = group(name, command[0])
            if title and (not groups or title in groups) and re.search(only, name):
                yield {"name": name, "group": title, "command": command + ["-auto"] +
                       (["-fbo"] if options.get("run_concurrent") == "True" else [])}


def install(args):
    """All that the guest needs, in out/build/piglit; returns the tests."""
    out = os.path.join(TREE, "out/build/piglit")
    shutil.rmtree(out, ignore_errors=True)
    os.makedirs(out)
    packages = fetch()
    # Tests read compressed pictures, and lists of least values.
    unpack([f"./{LIST}", f"./{LIB}/piglit/lib/*", f"./{LIB}/piglit/tests/*.ktx",
            f"./{LIB}/piglit/tests/*/minimum-maximums.txt"], packages[0], out)
    tests = list(chosen(f"{out}/{LIST}", args.only, args.group))
    unpack(sorted({f"./{LIB}/piglit/bin/{test['command'][0]}" for test in tests}), packages[0],
           out)
    for package in packages[1:]:
        unpack([f"./{LIB}/lib*"], package, out)
    os.unlink(f"{out}/{LIST}")
    with open(f"{out}/tests.json", "w", encoding="utf-8") as file:
        json.dump(tests, file)
    for path in "piglit_guest.py", "mesas.py", "../guest/memory_blocks.py":
        shutil.copy(f"{HERE}/{path}", out)
    return tests


def table(results):
    counts = collections.Counter()
    for result in results:
        for mesa in MESAS:
            counts[result["group"], mesa, result[mesa]] += 1
    kinds = ("pass", "warn", "fail", "crash", "timeout", "skip")
    text = f"{'tests':22}{'Mesa':10}" + "".join(f"{kind:>9}" for kind in kinds) + "\n"
    for name, _ in GROUPS:
        for mesa in MESAS:
            text += f"{name:22}{mesa:10}" + "".join(f"{counts[name, mesa, kind]:9}"
                                                    for kind in kinds) + "\n"
    for result in results:
        if result[MESAS[0]] != result[MESAS[1]]:
            text += f"{result['name']}: movgem {result[MESAS[0]]}, Debian's {result[MESAS[1]]}\n"
    return text


def main():
    args = parse_args()
    out = os.path.join(TREE, "out/piglit")
    shutil.rmtree(out, ignore_errors=True)
    os.makedirs(out)
    tests = install(args)
    print(f"piglit: {len(tests)} tests", flush=True)
    status = subprocess.run(
        [f"{TREE}/tools/vm", "run", "--kernel", args.kernel, "--udev", "--mesa", "--share", out,
         *(["--dimm", "512M"] if args.move else []),
         "--timeout", str(args.timeout), "--",
         f"python3 -B /movgem/piglit/piglit_guest.py {args.platform} {int(args.move)}"],
        check=False).returncode
    try:
        with open(f"{out}/results.json", encoding="utf-8") as file:
            results = json.load(file)
    except FileNotFoundError:
        results = []
    text = table(results)
    with open(f"{out}/table.txt", "w", encoding="utf-8") as file:
        file.write(text)
    print("\n" + text, end="")
    if status or len(results) != len(tests):
        print(f"piglit: FAILED: the guest ended with status {status}")
        return 2
    worse = [result for result in results
             if result[MESAS[1]] == "pass" and result[MESAS[0]] != "pass"]
    return 1 if worse else 0


if __name__ == "__main__":
    sys.exit(main())
