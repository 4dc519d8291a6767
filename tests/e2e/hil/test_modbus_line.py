"""A serial line of stand-ins on a pseudo terminal, before mbpoll (libmodbus), which speaks RTU on its own account."""

import subprocess
from collections.abc import Iterator

import pytest

from hil.contactors import ContactorConfig, ContactorsConfig
from hil.remote import RigError, RigProcess
from hil.rig import RigConfig
from hil.tank import TankConfig

UNIT = 3


@pytest.fixture(scope="module")
def rig() -> Iterator[RigProcess]:
    east = ContactorConfig("east", coil=1, closed=2, open=3)
    switchgears = (ContactorsConfig(on="tank-a", unit_id=20, contactors=(east,)),)
    with RigProcess(RigConfig(tanks=(TankConfig(serial=True),), switchgears=switchgears)) as rig:
        yield rig


def poll(
    rig: RigProcess, kind: int, at: int, count: int = 1, *, write: int | None = None, unit: int = UNIT
) -> subprocess.CompletedProcess[str]:
    """mbpoll once on the line; kind 0: coils, 4: holding registers."""
    words = f"mbpoll -m rtu -b 19200 -P none -a {unit} -0 -1 -o 0.5 -t {kind} -r {at}".split()
    words += [rig.plcs["tank-a"], str(write)] if write is not None else ["-c", str(count), rig.plcs["tank-a"]]
    return subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)


def test_mbpoll_reads_the_tank(rig: RigProcess) -> None:
    read = poll(rig, 4, 0, 4)

    assert read.returncode == 0, read.stderr
    assert "[1]: \t1200" in read.stdout, "120 l/min in tenths"


def test_mbpoll_beats_and_the_echo_follows(rig: RigProcess) -> None:
    assert poll(rig, 4, 17, write=4711).returncode == 0

    assert "[18]: \t4711" in poll(rig, 4, 18).stdout


def test_mbpoll_moves_a_contactor_of_another_unit_on_the_line(rig: RigProcess) -> None:
    assert poll(rig, 0, 0, write=0, unit=20).returncode == 0

    assert rig.do("stamps")["plcs"]["switchgear"]["coils"][-1][1:] == [1, False]


@pytest.mark.parametrize("unit", [4, 21])
def test_a_unit_that_is_not_on_the_line_says_nothing(rig: RigProcess, unit: int) -> None:
    assert "Connection timed out" in poll(rig, 4, 0, unit=unit).stderr


@pytest.mark.parametrize(
    ("fault", "said"),
    [("silent", "Connection timed out"), ("exception", "Slave device or server failure"), ("none", "")],
)
def test_faults_of_the_line(rig: RigProcess, fault: str, said: str) -> None:
    rig.do("plc_fault", plc="tank-a", fault=fault)
    try:
        assert said in poll(rig, 4, 0).stderr
    finally:
        rig.do("plc_fault", plc="tank-a", fault="none")


def test_a_line_cannot_be_reset(rig: RigProcess) -> None:
    with pytest.raises(RigError, match="a serial line cannot reset"):
        rig.do("plc_fault", plc="tank-a", fault="reset")
