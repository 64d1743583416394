# make run    the service with demo data, on this machine
# make test   all tests, with a real PostgreSQL and a real Redis
# make bench  our service against its baselines, one line each: NAME ratio target
# make lint   everything that can be said about the source without running it

GO ?= go
# The data must lie where PostgreSQL's user can reach it, which a clone in
# somebody's home often is not.
DATA ?= $(shell if [ "$$(id -u)" -eq 0 ]; then echo /var/lib/unioncard; else echo "$${XDG_DATA_HOME:-$$HOME/.local/share}/unioncard"; fi)
LISTEN ?= 127.0.0.1:8080
ADMIN ?= 127.0.0.1:9090

# Packages whose tests compute for long and share no memory: the race detector
# would make them ten times slower and find nothing.
PLAIN := ./merchant/terms/... ./loadtest/...

.PHONY: run test bench lint build assets clean deps test-deps
.DEFAULT_GOAL := build
# What comes first in a list of prerequisites is done first.
.NOTPARALLEL:

deps:
	@bash .ci/deps

test-deps:
	@bash .ci/deps test

# Styles and scripts, which the program embeds. Without them it is built all the
# same, and says at start that its pages come without looks.
assets: web/dist/manifest.json

web/node_modules/.package-lock.json: web/package.json web/package-lock.json
	@cd web && npm ci --no-audit --no-fund --loglevel=error
	@touch $@

web/dist/manifest.json: web/node_modules/.package-lock.json web/build.mjs $(wildcard web/src/* web/src/*/*)
	@cd web && node build.mjs

build:
	$(GO) build -trimpath -o bin/ ./cmd/...

run: deps assets build
	@exec bin/unioncard run --data "$(DATA)" --listen "$(LISTEN)" --admin-listen "$(ADMIN)" --demo

# One server for all packages; each test takes databases of its own from it.
test: test-deps assets
	@bad=0; \
	$(GO) test $(PLAIN) || bad=1; \
	$(GO) run ./migrations/pgtest/serve $(GO) test -race -timeout 18m \
		$$($(GO) list ./... | grep -vxF "$$($(GO) list $(PLAIN))") || bad=1; \
	exit $$bad

# The driver starts the service and the baselines from bin/: all three are built.
bench: deps build
	$(GO) build -trimpath -o bin/ ./loadtest ./loadtest/baseline
	@bin/loadtest bench

lint:
	@bash .ci/lint

clean:
	rm -rf bin web/node_modules
	find web/dist -type f ! -name .gitkeep -delete
