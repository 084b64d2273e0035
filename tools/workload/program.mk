# SPDX-License-Identifier: GPL-2.0
# A guest program on top of the workload. The makefile that includes this sets
# $(out), $(program) and $(objects).

include $(dir $(lastword $(MAKEFILE_LIST)))rules.mk

library := $(tree)/out/build/workload/libworkload.a

$(out)/$(program): $(addprefix $(out)/,$(objects)) $(library)
	$(CC) -pthread -o $@.tmp $^ $(LDLIBS)
	mv $@.tmp $@

$(library): FORCE
	@$(MAKE) -s -C $(workload_dir) out=$(@D)

.PHONY: FORCE
