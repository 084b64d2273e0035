# SPDX-License-Identifier: GPL-2.0
"""The two Mesas that are compared, and how a program in the guest gets one of them."""

import os

MESAS = ("movgem", "Debian's")
# By these tools/vm has programs use the Mesa of --mesa, the first one.
VARIABLES = ("LD_LIBRARY_PATH", "GBM_BACKENDS_PATH", "DRIRC_CONFIGDIR",
             "__EGL_VENDOR_LIBRARY_FILENAMES")


def environment(mesa):
    """A program's environment with that Mesa."""
    return {name: value for name, value in os.environ.items()
            if mesa == MESAS[0] or name not in VARIABLES}
