# SPDX-License-Identifier: GPL-2.0
# How C programs for the guest are compiled. The makefile that includes this is in a
# directory of tools/ and sets $(out), where objects go.

workload_dir := $(abspath $(dir $(lastword $(MAKEFILE_LIST))))
tree := $(abspath $(workload_dir)/../..)

CFLAGS ?= -O2 -g
override CFLAGS += -std=gnu11 -Wall -Wextra -Werror -MMD -MP -pthread -D_GNU_SOURCE \
	-I$(workload_dir) -I$(tree)/include/uapi/drm $(shell pkg-config --cflags libdrm)
LDLIBS += $(shell pkg-config --libs libdrm)

$(out)/%.o: %.c Makefile $(workload_dir)/rules.mk
	@mkdir -p $(out)
	$(CC) $(CFLAGS) -c -o $@ $<

-include $(wildcard $(out)/*.d)
