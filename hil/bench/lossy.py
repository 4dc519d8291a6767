"""A network of our own that loses packets, for whatever is started within: only to and from miners, each way alike.

A network namespace has a loopback of its own; nftables drops at random what comes in on it. Meter, broker and control
lose nothing, so that it is the volley that is measured. Needs root, or a user namespace around the bench:

    unshare --user --map-root-user --net .venv/bin/python -m hil.bench --what loss
"""

import ctypes
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from hil.bench.machine import BenchError
from hil.bench.programs import MINER_PORT

LOST_PERCENT = 2
_NEW_NET = 0x4000_0000  # CLONE_NEWNET, linux/sched.h
_RULES = """\
table ip bench {{
    chain lost {{
        type filter hook input priority 0;
        tcp dport {port} numgen random mod 100 < {percent} drop
        tcp sport {port} numgen random mod 100 < {percent} drop
    }}
}}
"""


@contextmanager
def lossy() -> Iterator[None]:
    """Within it this thread, and all that it starts, is in the lossy network."""
    libc = ctypes.CDLL(None, use_errno=True)
    before = os.open("/proc/self/ns/net", os.O_RDONLY)
    try:
        if libc.unshare(_NEW_NET) != 0:
            why = os.strerror(ctypes.get_errno())
            raise BenchError(f"no network of our own: {why}; run as root, or as hil/bench/lossy.py says")
        try:
            _run("ip", "link", "set", "lo", "up")
            _run("nft", "-f", "-", words=_RULES.format(port=MINER_PORT, percent=LOST_PERCENT))
            yield
        finally:
            libc.setns(before, _NEW_NET)
    finally:
        os.close(before)


def _run(name: str, *arguments: str, words: str = "") -> None:
    program = shutil.which(name, path="/usr/sbin:/sbin:" + os.environ.get("PATH", ""))
    if program is None:
        raise BenchError(f"no {name}: run packaging/setup.sh debian")
    done = subprocess.run([program, *arguments], input=words, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BenchError(f"{name}: {done.stderr.strip()}")
