# `make demo` and `make test` do all set-up themselves; `make help` lists the rest.

SOURCES = Sources Tests Package.swift Examples/Sources Examples/Package.swift
BINARY = .build/release/qmoe
PREFIX = /usr/local

.PHONY: help setup build server stage install uninstall mpi demo test test-arm64 test-ranks test-install examples lint format bench bench-peers bench-timer bench-memory sanitize fuzz fail-every-write clean

help: ## List these commands
	@sed -n 's/^\([a-z0-9-]*\):.*## /  make \1\t/p' Makefile | expand -t 20

setup: ## Install the system libraries that are missing
	@Scripts/install-dependencies

build: setup ## Build the release program, .build/release/qmoe
	swift build -c release --product qmoe

server: build ## Build the server, too, .build/release/qmoe-server
	swift build -c release --product qmoe-server

# In a folder of its own, since its libraries are linked otherwise.
stage: setup ## Build what `make install` copies, .build-static/stage, which can lie anywhere
	@Scripts/build-installable

install: stage ## Install the program with manuals and completions under PREFIX (/usr/local)
	@Scripts/install "$(DESTDIR)$(PREFIX)"

uninstall: ## Remove what `make install` installed under PREFIX
	@Scripts/install --remove "$(DESTDIR)$(PREFIX)"

# In a folder of its own, since it is another program.
mpi: ## Build the program for several processes, .build-mpi/release/qmoe
	@Scripts/install-dependencies mpi
	swift build -c release --traits MPI --scratch-path .build-mpi --product qmoe

demo: build ## Compress and run the embedded model
	$(BINARY) demo

# Everything is built for release: C kernels are compiled without optimisation otherwise.
test: setup lint ## Check the formatting, build and run all tests
	swift build -c release --build-tests
	swift test -c release --skip-build

test-arm64: ## Test the arm64 kernels, in an emulator where the machine is another
	@Scripts/test-arm64

test-ranks: mpi ## Test work of several processes
	Scripts/test-ranks

test-install: stage ## Test `make install`, where there is no Swift
	@Scripts/test-install

lint: ## Check the formatting
	swift format lint --strict --recursive $(SOURCES)

format: ## Format all sources
	swift format --in-place --recursive $(SOURCES)

examples: build ## Build the examples, and run them on an embedded model
	@Scripts/test-examples

bench: build ## Measure the kernels
	$(BINARY) bench

bench-peers: build ## Measure other projects' kernels beside ours
	@Scripts/bench-peers --llama-cpp "$(LLAMA_CPP)" --ik-llama-cpp "$(IK_LLAMA_CPP)"

bench-timer: build ## Check the benchmark with another clock (hyperfine)
	@Scripts/bench-timer

bench-memory: build ## Measure a compressed model, MODEL, that has less memory than it is large
	@Scripts/bench-memory "$(MODEL)"

# Undefined behaviour of the C kernels traps, so that no runtime library is needed. What the system's
# libraries keep until the end is no leak.
SANITIZE = -c release --sanitize=address -Xcc -fsanitize=undefined -Xcc -fsanitize-trap=undefined \
  --scratch-path .build/sanitize

sanitize: setup ## Run the tests of kernels and files under sanitizers
	swift build $(SANITIZE) --build-tests
	ASAN_OPTIONS=detect_leaks=0 swift test $(SANITIZE) --skip-build \
	  --filter "TernaryCodeTests|KernelsTests|TensorsTests|QuantizationTests|TokenizerFuzz|ModelsTests"

# MINUTES are divided among the readers.
fuzz: setup ## Try every reader of files with bad input for MINUTES (60), from SEED (1)
	swift build -c release --build-tests
	@Scripts/fuzz --minutes $(or $(MINUTES),60) --seed $(or $(SEED),1)

VARIANTS = Tests/Fixtures/decoder-variants
fail-every-write: build ## Let each system call on files fail in turn while a model is compressed and one imported
	@Scripts/fail-every-write compress $(VARIANTS)/qwen2-moe -- --calibration $(VARIANTS)/ids.jsonl --target-rate 3 \
	  --dense-bits 8 --memory 4MB
	@Scripts/fail-every-write import Tests/Fixtures/reference-import/compressed

clean: ## Remove what was built
	swift package clean
