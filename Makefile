# The verbs of the daily loop, over meson and the scripts of each area. `make help` lists them.
# Build directories: build/debug (the default), build/release, build/asan, build/tsan, build/ubsan, build/fuzz.
.DEFAULT_GOAL := all
SEED ?= 1
T ?= frame
S ?= 60
CYCLES ?= 40
STRIDE ?= 1
DESTDIR ?=
PREFIX ?= /usr/local

MESON_release := --buildtype=release -Ddebug=true -Dwerror=false -Dwhole_program=true
MESON_asan := -Db_sanitize=address,undefined
MESON_tsan := -Db_sanitize=thread
MESON_ubsan := -Db_sanitize=undefined

# What the operator's tool is called: it tells by its name which commands it has.
CTL_NAMES := leveretctl rabbitmqctl rabbitmq-plugins rabbitmq-diagnostics rabbitmq-queues rabbitmq-upgrade

# built,DIR: configures the directory once and builds what changed.
define built
@test -f build/$(1)/build.ninja || meson setup build/$(1) $(MESON_$(1)) >/dev/null
@ninja --quiet -C build/$(1)
@ln -sfn src/app/leveret build/$(1)/leveret
@ln -sfn src/bench/leveret-bench build/$(1)/leveret-bench
@for name in $(CTL_NAMES); do ln -sfn src/ctl/leveretctl build/$(1)/$$name; done
endef

# script,PATH,ARGS: runs the script of an area, or says that it is missing.
script = @test -x $(1) || { echo "make: $(1) does not exist" >&2; exit 1; }; $(1) $(2)

all: ## build everything, debug (build/debug)
	$(call built,debug)

release: ## build everything optimised (build/release)
	$(call built,release)

check: all ## the tests of the daily loop, under a minute: unit, transcripts, simulation
	@tools/suites build/debug unit transcripts sim

check-all: ## ./check, then everything that continuous integration runs
	@.ci/run

clients: all ## real clients against a real broker: pika, amqplib, amqp-tools
	@tools/suites build/debug clients

ctl: all ## the operator's tools, as RabbitMQ's were recorded
	@tools/suites build/debug ctl

asan: ## unit, transcripts and simulation under the address and undefined behaviour sanitizers
	$(call built,asan)
	@tools/suites build/asan unit transcripts sim

tsan: ## the same under the thread sanitizer
	$(call built,tsan)
	@tools/suites build/tsan unit transcripts sim

ubsan: ## the same under the undefined behaviour sanitizer alone
	$(call built,ubsan)
	@tools/suites build/ubsan unit transcripts sim

sim: all ## one simulated run: make sim SEED=n
	$(call script,test/sim/run,build/debug $(SEED))

crash: all ## kill -9 under load, again and again: make crash CYCLES=n
	$(call script,test/app/crash_test.py,build/debug/leveret --cycles $(CYCLES))

crash-sim: all ## crashes and failures at every operation of a simulated disk: make crash-sim SEED=n STRIDE=k
	$(call script,build/debug/test/sim/crash_test,--seed $(SEED) --stride $(STRIDE))

fuzz: ## one fuzz target for some seconds: make fuzz T=frame S=60
	@tools/fuzz $(S) $(T)

bench: release ## the message path against the bare relay, as ratios
	$(call script,bench/run)

versus: release ## the same matrix against Debian's rabbitmq-server
	$(call script,bench/versus)

oracle: all ## the transcripts against Debian's rabbitmq-server
	$(call script,test/oracle,$$(find build/debug/test -name transcript_tcp -type f))

tidy: all ## format, layers, names, lengths, concept index
	@tools/tidy build/debug

fmt: ## format the C files
	@git ls-files -co --exclude-standard '*.c' '*.h' | xargs clang-format -i

docs: all ## write doc/configuration.md anew from the table of keys
	@build/debug/src/app/config_doc markdown >doc/configuration.md

install: ## install under PREFIX (/usr/local), into DESTDIR
	@test -f build/release/build.ninja || meson setup build/release $(MESON_release) >/dev/null
	@meson configure build/release -Dprefix=$(PREFIX)
	$(call built,release)
	@meson install -C build/release --no-rebuild --quiet $(if $(DESTDIR),--destdir "$(abspath $(DESTDIR))")

deb: ## Debian packages of this tree (build/deb)
	@packaging/make-deb

package-test: ## the packages in a bare Debian: install, use, upgrade, remove, purge; as root
	$(call script,packaging/test-package)

clean: ## remove all build directories
	@rm -rf build

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: all release check check-all clients ctl asan tsan ubsan sim crash crash-sim fuzz bench versus oracle tidy fmt docs install deb package-test clean help
