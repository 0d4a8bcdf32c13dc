# posd: `make run` and `make test` do all the set-up on a fresh Debian 12 machine, as root or with sudo.
# Everything Python lives in .venv, everything a run writes lives in .state; a second run touches no network.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help run test vm-test check lint fast fuzz tables coverage bench images clean

PYTHON ?= /usr/bin/python3
VENV := .venv
BIN := $(VENV)/bin
STATE ?= .state

# What a till needs, and what compiling evdev and pyscard needs (they have no wheels for Linux).
RUN_PACKAGES := python3-venv python3-dev gcc libc6-dev linux-libc-dev libpcsclite-dev pcscd libccid libudev1
# What the tests need: a virtual smart-card reader, a virtual device tree, a browser, fonts, a database, systemd's checks,
# keyboard layouts.
TEST_PACKAGES := $(RUN_PACKAGES) vsmartcard-vpcd umockdev gir1.2-umockdev-1.0 python3-gi chromium chromium-driver \
  fonts-noto-core fonts-noto-ui-core xvfb xauth xdotool postgresql systemd udev curl \
  libxkbcommon0 xkb-data libx11-data
VM_PACKAGES := qemu-system-x86 mmdebstrap e2fsprogs cpio

# A plain path entry: the import hook that setuptools would make costs each command 45 ms.
EDITABLE := --config-settings editable_mode=compat --editable

export PIP_DISABLE_PIP_VERSION_CHECK := 1

help:
	@echo 'make run     install what is missing and start a till with its own club on this machine'
	@echo 'make test    install the test parts and run every check and test'
	@echo 'make check   lint, types, house rules and the fast tests (for the everyday loop)'
	@echo 'make fuzz    every parser of untrusted bytes against 10,000 inputs each'
	@echo 'make tables  make everything that is generated anew (layouts, udev rules, tables of the docs)'
	@echo 'make coverage  every test once more, and what of posd they ran'
	@echo 'make vm-test every family of readers on a real kernel, in a virtual till (as root; see docs/design.md)'
	@echo 'make bench   speed and size, as ratios against named baselines'
	@echo 'make images  take the screenshots of docs/images anew'

run: $(VENV)/run.stamp
	@install -d -m 700 $(STATE) && exec $(BIN)/posd --state-dir $(STATE) run --standalone $(ARGS)

test: $(VENV)/test.stamp lint /run/pcscd
	@umockdev-wrapper $(BIN)/python -m pytest -n 2 --dist loadfile $(ARGS)

# One virtual till for the whole run; its disk is kept in $POSD_VM_CACHE (/var/tmp/posd-vm).
vm-test: $(VENV)/test.stamp
	@$(call apt_install,$(VM_PACKAGES))
	@$(BIN)/python -m pytest -p no:xdist -o python_files='vm_*.py' --timeout 1200 tests/vm $(ARGS)

check: $(VENV)/test.stamp lint fast

lint: $(VENV)/test.stamp
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check .
	@$(BIN)/mypy --no-error-summary

fast: $(VENV)/test.stamp /run/pcscd
	@umockdev-wrapper $(BIN)/python -m pytest -n 3 -q -m 'not slow' $(ARGS)

fuzz: $(VENV)/test.stamp
	@$(BIN)/python -m pytest -n 2 -q -m fuzz --hypothesis-profile fuzz --timeout 1200 $(ARGS)

tables: $(VENV)/test.stamp
	@set -e; for script in scripts/make_*.py; do $(BIN)/python -m "scripts.$$(basename $$script .py)"; done

# Without the tests whose disks are too full to write down what ran.
coverage: $(VENV)/test.stamp /run/pcscd
	@$(BIN)/coverage erase
	@umockdev-wrapper $(BIN)/coverage run -m pytest -n 2 --dist loadfile -q --ignore tests/test_bad_starts.py $(ARGS)
	@$(BIN)/coverage combine --quiet && $(BIN)/coverage report

bench: $(VENV)/test.stamp $(VENV)/peer/peer.stamp /run/pcscd
	@umockdev-wrapper $(BIN)/python -m bench $(ARGS)

images: $(VENV)/test.stamp
	@POSD_PICTURES=1 $(BIN)/python -m pytest -q tests/test_page_pictures.py tests/test_club_pictures.py $(ARGS)

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis build *.egg-info

$(VENV)/run.stamp: setup.cfg pyproject.toml
	@$(call apt_install,$(RUN_PACKAGES))
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet $(EDITABLE) '.[club]'
	@touch $@

$(VENV)/test.stamp: setup.cfg pyproject.toml
	@$(call apt_install,$(TEST_PACKAGES))
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet $(EDITABLE) '.[club,test,dev]'
	@touch $@ $(VENV)/run.stamp

# The peer that `make bench` measures beside posd, in an environment of its own: nothing of it is installed or shipped.
$(VENV)/peer/peer.stamp: | $(VENV)/test.stamp
	@$(PYTHON) -m venv $(VENV)/peer
	@$(VENV)/peer/bin/pip install --quiet barcode-server==2.4.1
	@touch $@

# pcscd will not start where this is missing, and only root may make it; under systemd it is there.
/run/pcscd: | $(VENV)/test.stamp
	@if (( EUID == 0 )); then install -d $@; else sudo install -d $@; fi

# Install the Debian packages of $(1) that are not there; ask for sudo only then.
define apt_install
missing=(); for package in $(1); do \
  dpkg-query -W -f '$${Status}' "$$package" 2>/dev/null | grep -q ' installed$$' || missing+=("$$package"); done; \
if (( $${#missing[@]} )); then \
  echo "Installing from Debian: $${missing[*]}"; \
  as_root=(); if (( EUID != 0 )); then command -v sudo >/dev/null || { \
    echo "These Debian packages are missing, and there is no sudo. As root: apt-get install $${missing[*]}" >&2; exit 69; }; \
    as_root=(sudo); fi; \
  "$${as_root[@]}" apt-get update -qq; \
  "$${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -qq --yes --no-install-recommends \
    -o Dpkg::Use-Pty=0 "$${missing[@]}" >/dev/null; \
fi
endef
