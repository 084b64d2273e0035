# SPDX-License-Identifier: GPL-2.0
# Sphinx's configuration for tools/lib/build-doc: what of the kernel's own
# conf.py the documentation of one driver needs.
import os
import sys

KERNEL = "/usr/src/linux-tools-src"
sys.path.insert(0, f"{KERNEL}/Documentation/sphinx")

project = "movgem"
copyright = "The movgem developers"
extensions = ["kerneldoc", "rstFlatTable"]
master_doc = "index"
html_theme = "alabaster"
html_theme_options = {"page_width": "65em", "nosidebar": True}
primary_domain = "c"
highlight_language = "none"
c_id_attributes = ["__user", "__iomem", "__rcu", "__must_check", "__malloc", "__always_unused"]

srctree = os.environ["srctree"]
kerneldoc_bin = f"{KERNEL}/scripts/kernel-doc"
kerneldoc_srctree = srctree
