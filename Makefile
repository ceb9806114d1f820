# make demo shows what berth does, make test passes the tests in a few minutes; both
# need only Go and git. make check is longer: with a C compiler the tests run under the
# race detector, then against real servers and clients, and every command against every
# lie of a registry. With BERTH_TEST_KCL_PYTHON, a Python that has kcl-lib 0.13.2, both
# also compare generated programs with the reference KCL runtime.
GO ?= go
BERTH_VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null)
LDFLAGS = -s -w -X main.release=$(BERTH_VERSION)
RACE = $(shell command -v $$($(GO) env CC) >/dev/null 2>&1 && echo -race)
PLATFORMS = linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64

.PHONY: build install test check lint demo cross fuzz

build:
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/berth ./cmd/berth

install:
	CGO_ENABLED=0 $(GO) install -trimpath -ldflags '$(LDFLAGS)' ./cmd/berth

test check: export BERTH_TEST_SKIPS = $(CURDIR)/bin/skipped

# Runs all of what comes as $(1), a line each, whatever fails before, and then tells
# what was skipped.
define each
@mkdir -p bin && rm -f bin/skipped; failed=; \
run() { echo "$$*"; (eval "$$*") || failed="$$failed\n  $$*"; }; \
$(1) \
test ! -f bin/skipped || { echo "skipped:"; sort -u bin/skipped; }; \
test -z "$$failed" || { printf "failed:$$failed\n"; exit 1; }
endef

test:
	$(call each, \
	run '$(GO) vet ./...'; \
	run '$(GO) test -timeout 20m ./...'; \
	run 'cd bench && $(GO) vet ./... && $(GO) test ./...'; \
	run 'cd conformance && $(GO) vet ./...';)

check:
	$(call each, \
	run '$(GO) test -timeout 30m $(RACE) ./...'; \
	run 'cd conformance && $(GO) test -timeout 30m $(RACE) ./...'; \
	run 'BERTH_TEST_ALL_LIES=1 $(GO) test ./cmd/berth -run ^TestLiar$$';)

lint:
	golangci-lint run ./...
	cd conformance && golangci-lint run ./...

demo: build
	./examples/demo.sh bin/berth

# Every platform that is released compiles.
cross:
	@for p in $(PLATFORMS); do echo $$p; CGO_ENABLED=0 GOOS=$${p%/*} GOARCH=$${p#*/} $(GO) build -o /dev/null ./cmd/berth || exit 1; done

# Look for inputs that break the parser, the evaluator or the loader. What is
# found lands in testdata/fuzz and is part of make test from then on.
FUZZTIME ?= 60s
fuzz:
	$(GO) test ./kcl/syntax -run '^$$' -fuzz '^FuzzParse$$' -fuzztime $(FUZZTIME) -fuzzminimizetime 1x
	$(GO) test ./kcl/check -run '^$$' -fuzz '^FuzzCheck$$' -fuzztime $(FUZZTIME) -fuzzminimizetime 1x
	$(GO) test ./kcl/eval -run '^$$' -fuzz '^FuzzRun$$' -fuzztime $(FUZZTIME) -fuzzminimizetime 1x
	$(GO) test ./internal/config/load -run '^$$' -fuzz '^FuzzYAML$$' -fuzztime $(FUZZTIME) -fuzzminimizetime 1x
	$(GO) test ./internal/content/artifact -run '^$$' -fuzz '^FuzzGzip$$' -fuzztime $(FUZZTIME) -fuzzminimizetime 1x
	$(GO) test ./internal/base/strictjson -run '^$$' -fuzz '^FuzzRead$$' -fuzztime $(FUZZTIME) -fuzzminimizetime 1x
	$(GO) test ./internal/base/oci -run '^$$' -fuzz '^FuzzManifest$$' -fuzztime $(FUZZTIME) -fuzzminimizetime 1x
	$(GO) test ./internal/content/layout -run '^$$' -fuzz '^FuzzOpen$$' -fuzztime $(FUZZTIME) -fuzzminimizetime 1x
	$(GO) test ./internal/local/embedded/api -run '^$$' -fuzz '^FuzzAPI$$' -fuzztime $(FUZZTIME) -fuzzminimizetime 1x
