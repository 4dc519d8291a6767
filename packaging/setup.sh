#!/bin/sh
# Everything that `make demo` and `make test` need on a fresh machine. Idempotent; says one line and fails when it can't.
#
#   packaging/setup.sh python   .venv from locks/dev.txt, every file checked against its hash, and this tree installed in it
#   packaging/setup.sh debian   the Debian packages that the end-to-end tests talk to
#
# Made for Debian 12 with python3, python3-venv, git and make; any system with Python 3.11 to 3.13 can use `python`.
set -eu
cd "$(dirname "$0")/.."

# What each is for: a foreign broker; the C Modbus library behind an independent client and the bench's floor; an
# independent Modbus master; pairs of pseudo terminals; packet loss and cut networks; a compiler for the bench.
PACKAGES="mosquitto libmodbus-dev mbpoll socat nftables gcc libc6-dev"

fail() {
    echo "setup: $*" >&2
    exit 1
}

usable() { # a Python that this project runs on
    "$1" -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null
}

find_python() {
    # The system's own first: an environment made from it lives as long as the system does.
    for candidate in /usr/bin/python3 python3 python3.13 python3.12 python3.11; do
        if usable "$candidate"; then
            echo "$candidate"
            return
        fi
    done
    fail "no Python 3.11 to 3.13 with venv; on Debian 12: apt-get install python3 python3-venv"
}

setup_python() {
    if ! usable .venv/bin/python; then
        python=$(find_python)
        echo "setup: .venv from $("$python" -V) ($python)"
        rm -rf .venv
        "$python" -m venv .venv || fail "$python could not make .venv (above); on Debian 12: apt-get install python3-venv"
    fi
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-input --require-hashes -r locks/dev.txt ||
        fail "locks/dev.txt could not be installed (above); is a Python package index reachable?"
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-input --no-deps --no-build-isolation -e . ||
        fail "this tree could not be installed in .venv (above)"
    touch .venv/ready
}

missing_packages() {
    names=
    for package in $PACKAGES; do
        state=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)
        [ "$state" = installed ] || names="$names${names:+ }$package"
    done
    echo "$names"
}

mask_mosquitto() {
    # Tests start brokers of their own on free ports. A service that someone already uses is left alone: this is reached
    # only when the package is not installed. Made by hand because systemctl is absent where systemd is.
    [ -e /etc/systemd/system/mosquitto.service ] || [ -L /etc/systemd/system/mosquitto.service ] && return
    mkdir -p /etc/systemd/system
    ln -s /dev/null /etc/systemd/system/mosquitto.service
}

deny_starts() {
    # The package also has a SysV script, which no mask stops. invoke-rc.d asks policy-rc.d; 101 means no.
    [ -e /usr/sbin/policy-rc.d ] && return
    printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
    chmod 755 /usr/sbin/policy-rc.d
    trap 'rm -f /usr/sbin/policy-rc.d' EXIT INT TERM
}

setup_debian() {
    command -v dpkg-query >/dev/null || fail "the end-to-end tests need Debian or Ubuntu, for: $PACKAGES"
    missing=$(missing_packages)
    [ -z "$missing" ] && return
    if [ "$(id -u)" -ne 0 ]; then
        if sudo -n true 2>/dev/null; then
            exec sudo -n packaging/setup.sh debian
        fi
        fail "missing Debian packages: $missing; install them with: sudo packaging/setup.sh debian"
    fi
    echo "setup: installing $missing"
    case " $missing " in *" mosquitto "*) mask_mosquitto ;; esac
    deny_starts
    apt="apt-get -qq -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0"
    log=$(mktemp)
    # shellcheck disable=SC2086  # both are lists of words
    if ! { $apt update && DEBIAN_FRONTEND=noninteractive $apt install -y --no-install-recommends $missing; } >"$log" 2>&1 </dev/null; then
        cat "$log" >&2
        rm -f "$log"
        fail "could not install (above): $missing"
    fi
    rm -f "$log"
    left=$(missing_packages)
    [ -z "$left" ] || fail "still missing after apt-get: $left"
}

case "${1:-}" in
python) setup_python ;;
debian) setup_debian ;;
*) fail "usage: packaging/setup.sh python|debian" ;;
esac
