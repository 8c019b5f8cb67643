# `make` lists what there is. What takes more than a line is a script under ci/ or scripts/.
SHELL := bash
IMAGE ?= ghcr.io/maintenance-mode/maintenance-mode:dev
export IMAGE
# The helm family, kubectl and their like, where ci/tools/build has put them; what is on PATH before comes first.
export PATH := $(PATH):$(CURDIR)/.bin:$(or $(MAINTENANCE_MODE_CACHE),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/maintenance-mode)/bin

.PHONY: help run kind-up maintenance-on maintenance-off status kind-down plugin image push deploy own-image test lint tools fmt bench instructions attack browser clients fuzz e2e

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## both tiers on loopback, with the Rust toolchain alone
	@scripts/run.sh

kind-up: ## a cluster with the demo: users on localhost:8080, admins on localhost:8090
	@ci/demo up

maintenance-on: ## the demo's users get the page
	@ci/demo on

maintenance-off: ## the demo's users get the application
	@ci/demo off

status: ## the mode of the demo, or of what NAMESPACE= and RELEASE= name, and what its users get
	@ci/demo status

kind-down: ## end the demo's cluster
	@ci/demo down

plugin: ## install `kubectl maintenance` from this clone
	cargo install --locked --path kubectl-maintenance

image: ## build the image that IMAGE= names, and print its size
	@ci/image build

push: own-image ## push the image that IMAGE= names; PLATFORMS=linux/amd64,linux/arm64 builds and pushes each
	@ci/image push

deploy: own-image ## install the chart, or upgrade it, with the image that IMAGE= names: NAMESPACE= RELEASE= ARGS='-f values.yaml'
	@image=$$(ci/image values) && scripts/deploy.sh "$(or $(NAMESPACE),demo-503)" "$(or $(RELEASE),demo-app)" $$image $(ARGS)

own-image:
	@[ "$(origin IMAGE)" != file ] || { echo "IMAGE is not set: expected an image in a registry of yours, such as registry.example.org/team/maintenance-mode:1" >&2; exit 64; }

test: lint ## lint, unit, socket, script and chart tests; no cluster
	cargo test --workspace --locked
	scripts/test
	ci/chart/check
	ci/plugin check

lint: tools ## rustfmt, clippy and every other linter
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	ci/lint

tools: ## build the tools of the chart tests that are not on PATH
	@for tool in helm-unittest promtool; do command -v $$tool >/dev/null || ci/tools/build $$tool || exit 1; done

fmt: ## format the Rust code
	cargo fmt --all

bench: ## CPU, speed and memory beside other servers that send the same page: docs/performance.md has the settings
	@bench/run

instructions: ## instructions of a request, which may not drift
	@bench/run instructions

attack: ## attack the server, as the image has it, on loopback, and say what holds
	@bench/attack/run

fuzz: ## a minute of inputs that nobody thought of for each target in fuzz/fuzz_targets
	@ci/fuzz

browser: ## the built-in pages in a real browser
	@ci/browser

clients: ## ask the built server as its clients do: the examples of docs/answers.md, requests, gRPC-Web
	@ci/clients

e2e: ## the proof on a real cluster: that of E2E_KUBECONFIG, else that of `make kind-up`
	@if [ -z "$$E2E_KUBECONFIG" ]; then ci/demo up && ci/demo e2e-images && environment=$$(ci/demo env) && eval "$$environment"; fi && ci/chart/dry-run && ci/chart/install && cargo build --locked --package kubectl-maintenance && cargo run --locked --package e2e
