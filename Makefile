# make demo   installs what it needs, builds, runs the main job on real input
# make test   installs what it needs, builds, passes the tests (one alone: make test FILTER='settles at most once')
# make deep   sanitizers, fuzzing, chaos, long simulations and properties (SECONDS_MAX bounds the whole in seconds)
# make chaos  ten minutes of killing, stopping and cutting off a farm of real processes (SECONDS, KILLS, SEED)
# make fuzz   one reader of strangers' bytes under libFuzzer: make fuzz TARGET=json SECONDS=600 (all of them without TARGET)
SHELL := /bin/bash
.DEFAULT_GOAL := test
.PHONY: demo test deep chaos fuzz build release lint format proto dependencies test-dependencies readers clean

# Debian packages: what the build links and the demo calls, then what tests call beside.
PACKAGES := libssl-dev libsqlite3-dev libzstd-dev libyaml-dev libboost-dev pkg-config \
            libcurl4 protobuf-compiler python3-protobuf python3-venv python3-cryptography python3-yaml git openssl bc procps \
            iproute2
TEST_PACKAGES := podman docker-registry crun containernetworking-plugins busybox-static python3-pytest strace
# What `make deep` calls beside.
DEEP_PACKAGES := docker.io
# PyPI packages: programs that the tests have read what Sheaf writes.
READERS := junitparser==5.0.3 junit2html==31.1.4
FILTER ?=
SWIFT_SOURCES := Package.swift Sources Tests
export SWIFT_BACKTRACE ?= enable=no
# Tests at one time: hundreds at once on few cores starve each other's handshakes until their time is over.
export SWT_EXPERIMENTAL_MAXIMUM_PARALLELIZATION_WIDTH ?= 8

# Installs the packages that are missing; who may not is told which ones.
define install
@missing=$$(for p in $(1); do dpkg-query -W -f '$${Status}' $$p 2>/dev/null | grep -q 'ok installed' || echo $$p; done); \
if [ -n "$$missing" ]; then \
  if [ "$$(id -u)" != 0 ]; then echo "missing Debian packages, install them as root: apt-get install" $$missing; exit 1; fi; \
  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing; \
fi
endef

dependencies:
	$(call install,$(PACKAGES))
	@command -v swift >/dev/null || { echo "Swift 6.3 is needed on PATH: https://www.swift.org/install/linux"; exit 1; }

test-dependencies: dependencies
	$(call install,$(TEST_PACKAGES))

readers: test-dependencies
	@[ "$$(cat .build/readers/installed 2>/dev/null)" = "$(READERS)" ] || { \
	  rm -rf .build/readers && python3 -m venv .build/readers && \
	  .build/readers/bin/pip --disable-pip-version-check install --quiet $(READERS) && \
	  echo "$(READERS)" >.build/readers/installed; }

build: dependencies
	swift build

release: dependencies
	swift build -c release --product sheaf --static-swift-stdlib

lint:
	swift format lint --strict --parallel --recursive $(SWIFT_SOURCES)

format:
	swift format --in-place --parallel --recursive $(SWIFT_SOURCES)

test: readers lint
	swift build --build-tests
	.ci/tests $(if $(FILTER),--filter '$(FILTER)')

demo: release
	cluster/local/demo

deep: test-dependencies
	$(call install,$(DEEP_PACKAGES))
	.ci/deep

chaos: release
	cluster/local/chaos --seconds $(or $(SECONDS),600) --kills $(or $(KILLS),55) $(if $(SEED),--seed $(SEED))

fuzz: dependencies
	.ci/fuzz $(or $(TARGET),all) $(or $(SECONDS),60)

# Writes Sources/Wire/Generated anew from proto/sheaf.proto.
proto: dependencies
	swift build --product protoc-gen-sheaf
	mkdir -p Sources/Wire/Generated
	protoc --plugin=protoc-gen-sheaf=.build/debug/protoc-gen-sheaf --proto_path=proto --sheaf_out=Sources/Wire/Generated sheaf.proto
	protoc --plugin=protoc-gen-sheaf=.build/debug/protoc-gen-sheaf --proto_path=Tests/WireTests/Golden --sheaf_opt=import=Wire --sheaf_out=Tests/WireTests/Golden golden.proto

clean:
	rm -rf .build
