# The commands a person types; CMake does the work. A preset (release, debug, asan) is chosen with PRESET=.
#
#   make            build into build/release: programs in bin/, modules in lib/
#   make run        install what is missing, build, and show a host with the workers of modules/ under a small load
#   make test       install what is missing, build, run every test
#   make soak       the test that kills everything at random, for SOAK_SECONDS (an hour)
#   make bench      figures beside a real server
#   make install PREFIX=/usr/local
PRESET ?= release
PREFIX ?= /usr/local
BUILD := build/$(PRESET)
JOBS ?= $(shell nproc)
SOAK_SECONDS ?= 3600

.PHONY: all build deps run test soak bench install format clean
all: build

deps:
	@dev/install-deps

$(BUILD)/build.ninja: CMakePresets.json
	cmake --preset $(PRESET)

build: $(BUILD)/build.ninja
	cmake --build $(BUILD) -j $(JOBS)

run: deps
	@$(MAKE) --no-print-directory build
	@dev/run $(BUILD)

test: deps
	@$(MAKE) --no-print-directory build
	@dev/test $(BUILD)

soak: deps
	@$(MAKE) --no-print-directory build
	@BGW_CHAOS_SECONDS=$(SOAK_SECONDS) cmake --build $(BUILD) --target soak

bench: deps
	@$(MAKE) --no-print-directory build
	@cmake --build $(BUILD) --target bench

install: build
	cmake --install $(BUILD) --prefix $(PREFIX)

format:
	dev/format

clean:
	rm -rf build
