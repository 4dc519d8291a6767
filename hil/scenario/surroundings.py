"""What is done to the machine around the agent: network, disk, wall clock. place.py says what each of them needs."""

import contextlib
import ctypes
import fcntl
import os
import shutil
import socket
import struct
import subprocess
from collections.abc import Iterable
from pathlib import Path

_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 1
_TABLE = "hil"
_DISK_BYTES = 4 << 20  # small, so that it is full at once; the journal of a small site needs a tenth of it
_CHUNK = 4096
_MNT_DETACH = 2
CLOCK_SOURCE = Path(__file__).with_name("clock.c")


class Network:
    """The loopback of this namespace, and nftables on it. Packets pass its input hook once, where they arrive."""

    def __init__(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
            request = struct.pack("16sh14x", b"lo", 0)
            flags = struct.unpack("16sh14x", fcntl.ioctl(any_socket, _SIOCGIFFLAGS, request))[1]
            fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags | _IFF_UP))
        self._losses: dict[str, tuple[tuple[tuple[str, int], ...], float]] = {}

    def lose(self, name: str, endpoints: Iterable[tuple[str, int]], percent: float) -> None:
        """From now on this share of the packets to and from them is lost; 0: none."""
        self._losses[name] = (tuple(endpoints), percent)
        rules = [f"add table inet {_TABLE}", f"flush table inet {_TABLE}", f"delete table inet {_TABLE}"]
        rules += [f"add table inet {_TABLE}"]
        rules += [f"add chain inet {_TABLE} input {{ type filter hook input priority 0; }}"]
        for whose, share in self._losses.values():
            for host, port in whose if share else ():
                chance = "" if share >= 100 else f"numgen random mod 1000 < {round(share * 10)} "
                for end in ("d", "s"):
                    rule = f"ip {end}addr {host} tcp {end}port {port} {chance}drop"
                    rules.append(f"add rule inet {_TABLE} input {rule}")
        nft = shutil.which("nft", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") or "nft"
        subprocess.run([nft, "-f", "-"], input="\n".join(rules), text=True, check=True, capture_output=True)


class Disk:
    """A small tmpfs over a folder, in this mount namespace."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._filler = folder / "filler"
        folder.mkdir(exist_ok=True)
        _mount(folder)

    def close(self) -> None:
        """The folder is what it was."""
        ctypes.CDLL(None).umount2(str(self._folder).encode(), _MNT_DETACH)

    def fill(self) -> None:
        """Not a byte is left."""
        with self._filler.open("ab", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(_CHUNK))

    def free(self) -> None:
        """There is room again."""
        self._filler.unlink(missing_ok=True)


class WallClock:
    """The agent's wall clock, moved by a library that is loaded before libc (clock.c)."""

    def __init__(self, folder: Path) -> None:
        library, self._file = folder / "clock.so", folder / "clock"
        self._file.write_bytes(bytes(8))
        compiler = shutil.which("cc")
        if compiler is None:
            raise FileNotFoundError("no C compiler: packaging/setup.sh debian")
        flags = ("-std=c17", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC")
        subprocess.run([compiler, *flags, "-o", str(library), str(CLOCK_SOURCE)], check=True)
        self.environment = {"LD_PRELOAD": str(library), "HIL_CLOCK": str(self._file)}

    def step(self, seconds: float) -> None:
        """So far from the machine's from now on."""
        with self._file.open("r+b") as file:
            file.write(struct.pack("=q", round(seconds * 1e9)))


def _mount(folder: Path) -> None:
    """A tmpfs; everything mounted in this namespace stays in it, as `unshare --mount` makes it private."""
    libc = ctypes.CDLL(None, use_errno=True)
    options = f"size={_DISK_BYTES},mode=0755".encode()
    if libc.mount(b"hil", str(folder).encode(), b"tmpfs", 0, options) != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"mount a tmpfs on {folder}: {os.strerror(error)}")
