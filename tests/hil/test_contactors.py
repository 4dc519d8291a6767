"""A contactor PLC's program, driven instant by instant."""

import pytest

from hil.contactors import ContactorConfig, ContactorPlc, ContactorsConfig
from hil.modbus_pdu import RefusedPdu

_S = 1_000_000_000
_MS = 1_000_000


class Stand:
    """Two contactors, of which one is opened by silence, with their inputs and a clock."""

    def __init__(self) -> None:
        self.fed: dict[str, bool] = {}
        config = ContactorsConfig(
            contactors=(
                ContactorConfig("east", coil=1, closed=2, open=3, interlocks=("estop_ok",)),
                ContactorConfig("west", coil=2, closed=7, open=8, on_silence="hold"),
            ),
            inputs={"estop_ok": 4, "leak_ok": 5, "remote": 6},
            remote="remote",
        )
        self.plc = ContactorPlc(config, lambda one, closed: self.fed.update({one.id: closed}))
        self.now_ns = self.plc._beat_ns
        self._beat = 0
        self.run(0.1)

    def run(self, seconds: float, *, beats: bool = True) -> None:
        """Rounds of 20 ms, with a new heartbeat every half second."""
        for number in range(round(seconds * 50)):
            if beats and number % 25 == 0:
                self._beat += 1
                self.plc.write_registers(0, [self._beat])
            self.now_ns += 20 * _MS
            self.plc.once(self.now_ns)

    def inputs(self, contactor: str) -> tuple[bool, bool]:
        """52a and 52b."""
        config = self.plc.contactors[contactor].config
        closed, is_open = (self.plc.read_bits("inputs", number - 1, 1)[0] for number in (config.closed, config.open))
        return closed, is_open

    def coil(self, number: int) -> bool:
        return self.plc.read_bits("coils", number - 1, 1)[0]


def test_an_opened_contactor_travels_cuts_what_it_feeds_and_says_so() -> None:
    stand = Stand()
    assert stand.inputs("east") == (True, False)

    stand.plc.write_bits(0, [False])
    seen = set()
    for _ in range(10):
        stand.run(0.02)
        seen.add(stand.inputs("east"))

    assert seen >= {(False, False), (False, True)}
    assert stand.fed == {"east": False}
    assert stand.inputs("west") == (True, False)


def test_it_closes_again_and_feeds() -> None:
    stand = Stand()
    stand.plc.write_bits(0, [False])
    stand.run(0.5)

    stand.plc.write_bits(0, [True])
    stand.run(0.5)

    assert (stand.inputs("east"), stand.fed) == ((True, False), {"east": True})


def test_without_its_interlock_it_opens_and_a_request_to_close_is_dropped_for_good() -> None:
    stand = Stand()
    stand.plc.inputs["estop_ok"] = False
    stand.run(0.5)
    assert stand.inputs("east") == (False, True)

    stand.plc.write_bits(0, [True])
    stand.run(0.5)
    stand.plc.inputs["estop_ok"] = True
    stand.run(0.5)

    assert stand.inputs("east") == (False, True), "it never closes by itself"
    assert not stand.coil(1)


def test_ten_seconds_without_a_heartbeat_block_closing_and_are_remembered() -> None:
    stand = Stand()
    stand.plc.write_bits(0, [False])
    stand.run(0.5)

    stand.run(10.1, beats=False)
    stand.plc.write_bits(0, [True])
    stand.run(0.5, beats=False)
    assert stand.inputs("east") == (False, True)
    assert stand.plc.read_registers("holding", 4, 1) == [1]

    stand.run(1)
    assert stand.plc.comm_lost, "until it is reset"
    assert stand.inputs("east") == (False, True)
    stand.plc.write_bits(0, [True])
    stand.run(0.5)
    assert stand.inputs("east") == (True, False)


def test_sixty_seconds_without_a_heartbeat_open_what_is_marked() -> None:
    stand = Stand()

    stand.run(59, beats=False)
    assert (stand.inputs("east"), stand.inputs("west")) == ((True, False), (True, False))
    stand.run(2, beats=False)

    assert (stand.inputs("east"), stand.inputs("west")) == ((False, True), (True, False))


def test_a_restart_clears_coils_and_what_they_held_falls_open() -> None:
    stand = Stand()

    stand.plc.restart()
    stand.run(0.5)

    assert stand.fed == {"east": False, "west": False}
    assert not stand.coil(1)


def test_in_local_coils_are_not_obeyed_and_the_panel_is() -> None:
    stand = Stand()
    stand.plc.inputs["remote"] = False
    stand.run(0.1)

    stand.plc.write_bits(0, [False])
    stand.run(0.5)
    assert stand.inputs("east") == (True, False)
    assert stand.coil(1)

    stand.plc.hand("east", False)
    stand.run(0.5)
    assert stand.inputs("east") == (False, True)


@pytest.mark.parametrize("linked", [True, False])
def test_welded_poles_go_on_feeding_and_linked_contacts_show_it(linked: bool) -> None:
    stand = Stand()
    east = stand.plc.contactors["east"]
    east.welded, east.linked = True, linked

    stand.plc.write_bits(0, [False])
    stand.run(0.5)

    assert stand.fed == {}
    assert stand.inputs("east") == ((True, False) if linked else (False, True))


def test_a_program_that_stands_still_leaves_a_server_with_its_last_values() -> None:
    stand = Stand()
    counted = stand.plc.read_registers("holding", 2, 1)[0]
    stand.plc.stopped = True

    stand.plc.write_bits(0, [False])
    stand.run(1)

    assert stand.inputs("east") == (True, False)
    assert stand.plc.read_registers("holding", 0, 3)[2] == counted
    assert stand.plc.read_registers("holding", 0, 1) != stand.plc.read_registers("holding", 1, 1)


def test_only_the_heartbeat_may_be_written() -> None:
    stand = Stand()

    for at, values in ((1, [5]), (0, [5, 6])):
        with pytest.raises(RefusedPdu):
            stand.plc.write_registers(at, values)
    with pytest.raises(RefusedPdu):
        stand.plc.write_bits(15, [True, True])
