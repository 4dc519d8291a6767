"""What a rig hands out once and forgets: for runs of hours."""

import socket

from hil.loopback import free_block
from hil.remote import RigProcess
from hil.rig import MinerGroup, RigConfig
from hil.tank import TankConfig
from hil.waiting import eventually

SOFT_OFF = '{"command": "ascset", "parameter": "0,softoff,1:0"}'


def test_what_happened_is_told_once() -> None:
    first = free_block()
    with RigProcess(RigConfig(miners=(MinerGroup(first, 2),))) as rig:
        assert [first, True] in rig.do("drain")["loads"]
        assert rig.do("drain")["loads"] == []

        with socket.create_connection((first, 4028), timeout=10) as miner:
            miner.sendall(SOFT_OFF.encode())
            assert miner.recv(4096)

        assert [verb[1:] for verb in rig.do("drain")["verbs"]] == [[first, "off"]]
        assert rig.do("drain")["verbs"] == []


def test_each_round_of_a_tank_is_told_once_when_it_is_past() -> None:
    rounds: list[list[float]] = []
    with RigProcess(RigConfig(tanks=(TankConfig(),))) as rig:

        def run_down() -> bool:
            rounds.extend(rig.do("drain")["tanks"]["tank-a"])
            return bool(rounds) and rounds[-1][3] < 40

        rig.do("condenser_flow", plc="tank-a", lpm=30.0)
        eventually("the pump runs down", run_down)

    times = [one[0] for one in rounds]
    assert times == sorted(set(times))
