# SPDX-License-Identifier: GPL-2.0
# movgem: `make help` lists the targets. Everything that is built lands in out/,
# by the tool chain of the Debian 13 root that tools/root makes and caches.

ENTER = MOVGEM_JOBS="$(JOBS)" tools/root enter
JOBS  ?= $(shell nproc)
# 6.12 and 7.2 are Debian's own, debug and plain are built by tools/kernel; all is all but plain
KERNEL ?= 6.12
# What is passed on to kbuild: make module W=1 C=2
KBUILD_VARS = $(foreach v,W C CF V KCFLAGS,$(if $($(v)),$(v)="$($(v))"))

.DEFAULT_GOAL := help
.PHONY: help root module igt-tests doc bench demo clients mesa gralloc check check-breakages \
	check-igt-full check-mesa coverage clean distclean

help: ## this list
	@echo 'make TARGET, as root on Debian 12 or 13:'
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20
	@echo 'and: tools/vm run -- COMMAND  boots a guest with movgem and runs COMMAND in it'

root: ## make the Debian 13 root with the whole tool chain (cached outside the tree)
	@tools/root make

module: ## build the driver: out/build/KERNEL/movgem.ko (KERNEL=7.2, debug, plain or all; W=1, C=2)
	@$(if $(filter debug plain all,$(KERNEL)),tools/kernel make $(KERNEL:all=debug))
	@$(ENTER) tools/lib/build-module --kernel $(KERNEL) $(KBUILD_VARS)

# With IGT=<tree> the tests are built inside that IGT tree, by its own rules.
igt-tests: ## build the IGT tests: out/build/igt (or in a real IGT tree: IGT=<tree>)
	@mkdir -p out/build
	@MOVGEM_BIND="$(abspath $(IGT))" $(ENTER) make -C igt-tests -j$(JOBS) \
		OUT="$(CURDIR)/out/build/igt" $(if $(IGT),IGT="$(abspath $(IGT))")

doc: ## build the documentation: out/doc/index.html
	@$(ENTER) tools/lib/build-doc

bench: ## the benchmark (BENCH_ARGS="--only a,d", --quick): out/bench.json, out/bench
	@tools/bench/run $(BENCH_ARGS)

demo: ## the main job: huge pages and memory blocks out of fragmented GPU memory (KERNEL=7.2)
	@tools/demo/run --kernel $(KERNEL) $(DEMO_ARGS)

clients: ## Debian's kmscube, weston, mpv and others on the display: out/clients (KERNEL=7.2)
	@tools/clients/run --kernel $(KERNEL) $(CLIENTS_ARGS)

mesa: ## build Mesa with the movgem driver (cached; tools/vm run --mesa uses it)
	@nice tools/mesa make

gralloc: ## build libmovgem, the gralloc backend and their tests: out/build/gralloc
	@$(ENTER) make -C mesa-winsys/gralloc/tests OUT="$(CURDIR)/out/build/gralloc"

check: ## run the tests and checks: out/check/junit.xml (CHECK_ARGS=--all: on every kernel and store; --only PATTERN)
	@tools/check $(CHECK_ARGS)

check-breakages: ## see the tests fail on a driver that is broken on purpose (an hour): out/breakages
	@$(ENTER) igt-tests/breakages/run $(BREAKAGES)

check-igt-full: ## Debian's IGT tests on movgem, vgem, vkms and virtio_gpu (hours): out/igt
	@tools/suites/run $(SUITES_ARGS)

check-mesa: ## the part of make check that is about Mesa, on both stock kernels
	@tools/check --only mesa $(CHECK_ARGS)

coverage: ## which lines of the driver the tests execute (an hour or two): out/coverage
	@tools/kernel make
	@tools/coverage $(COVERAGE_ARGS)

clean: ## remove out/
	rm -rf out

distclean: clean ## remove out/ and every cached root, kernel and Mesa but the current ones
	@tools/root clean
	@tools/kernel clean
	@tools/kernel clean plain
	@tools/mesa clean
