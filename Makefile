# The verbs of the daily loop, over meson. `make help` lists them.
.DEFAULT_GOAL := all
.PHONY: all
all:
	@test -d build/debug || meson setup build/debug >/dev/null
	@ninja -C build/debug
