"""The stand-in Modbus server before foreign clients: libmodbus and mbpoll."""

import asyncio
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from hil.modbus_pdu import ILLEGAL_ADDRESS, RefusedPdu
from hil.modbus_server import LinkFault, ModbusServer
from tests.e2e.hil.conftest import Ask, mbpoll

_UNIT = 17


class Bank:
    """A thousand registers and bits; what is written is read back in both tables."""

    def __init__(self) -> None:
        self.registers = [0] * 1000
        self.bits = [False] * 1000

    def read_bits(self, table: str, at: int, count: int) -> Sequence[bool]:
        return self._within(at, count, self.bits)

    def read_registers(self, table: str, at: int, count: int) -> Sequence[int]:
        return self._within(at, count, self.registers)

    def write_bits(self, at: int, values: Sequence[bool]) -> None:
        self._within(at, len(values), self.bits)
        self.bits[at : at + len(values)] = values

    def write_registers(self, at: int, values: Sequence[int]) -> None:
        self._within(at, len(values), self.registers)
        self.registers[at : at + len(values)] = values

    def _within(self, at: int, count: int, values: Sequence[Any]) -> Sequence[Any]:
        if at + count > len(values):
            raise RefusedPdu(ILLEGAL_ADDRESS)
        return values[at : at + count]


class Served:
    """A server in an event loop of its own, so that a test can wait for foreign programs."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.server = ModbusServer({_UNIT: Bank()})
        self._thread = threading.Thread(target=self.loop.run_forever)
        self._thread.start()
        self._wait(self.server.start())

    def fault(self, fault: LinkFault, ms: float = 0.0) -> None:
        self._wait(self.server.set_fault(fault, ms))

    def close(self) -> None:
        self._wait(self.server.stop())
        self._wait(asyncio.sleep(0))  # let the reset connections go
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()

    def _wait(self, doing: Any) -> None:
        asyncio.run_coroutine_threadsafe(doing, self.loop).result(5)


@pytest.fixture
def served() -> Iterator[Served]:
    served = Served()
    yield served
    served.close()


def test_libmodbus_reads_back_what_it_wrote_by_every_function(served: Served, libmodbus: Ask) -> None:
    port = served.server.port

    libmodbus(port, _UNIT, "register", 5, 4711)
    libmodbus(port, _UNIT, "write-registers", 6, 1, 65535, 3)
    libmodbus(port, _UNIT, "coil", 3, 1)
    libmodbus(port, _UNIT, "write-coils", 9, 1, 0, 1, 1, 0, 0, 0, 1, 1)

    assert libmodbus(port, _UNIT, "holding", 5, 4) == "4711 1 65535 3"
    assert libmodbus(port, _UNIT, "input", 5, 4) == "4711 1 65535 3"
    assert libmodbus(port, _UNIT, "coils", 3, 2) == "1 0"
    assert libmodbus(port, _UNIT, "inputs", 9, 9) == "1 0 1 1 0 0 0 1 1"


def test_every_function_is_counted_and_writes_are_kept_whole(served: Served, libmodbus: Ask) -> None:
    for operation, numbers in (("holding", (2,)), ("input", (1,)), ("register", (7,)), ("write-registers", (1, 2))):
        libmodbus(served.server.port, _UNIT, operation, 5, *numbers)

    assert dict(served.server.functions) == {3: 1, 4: 1, 6: 1, 16: 1}
    assert [frame.hex() for _, _, frame in served.server.writes] == ["0600050007", "10000500020400010002"]


@pytest.mark.parametrize(
    ("operation", "at", "number", "words"),
    [
        ("holding", 999, 2, "Illegal data address"),
        ("register", 1000, 1, "Illegal data address"),
        ("coils", 990, 20, "Illegal data address"),
    ],
)
def test_libmodbus_understands_the_exceptions(
    served: Served, libmodbus: Ask, operation: str, at: int, number: int, words: str
) -> None:
    assert libmodbus(served.server.port, _UNIT, operation, at, number) == f"error: {words}"


def test_a_unit_that_is_not_there_is_answered_as_by_a_gateway(served: Served, libmodbus: Ask) -> None:
    assert libmodbus(served.server.port, 99, "holding", 0, 1) == "error: Target device failed to respond"


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (LinkFault.SILENT, {"error: Connection timed out"}),
        (LinkFault.RESET, {"error: Connection reset by peer"}),
        (LinkFault.EXCEPTION, {"error: Slave device or server failure"}),
        (LinkFault.REFUSE, {"error: Connection refused"}),
        (LinkFault.LATE, {"error: Connection timed out"}),
    ],
)
def test_a_fault_does_what_it_says_and_can_be_mended(
    served: Served, libmodbus: Ask, fault: LinkFault, words: set[str]
) -> None:
    served.fault(fault, ms=800)

    assert libmodbus(served.server.port, _UNIT, "holding", 0, 1) in words

    served.fault(LinkFault.NONE)
    assert libmodbus(served.server.port, _UNIT, "holding", 0, 1) == "0"


def test_garbage_is_never_taken_for_an_answer(served: Served, libmodbus: Ask) -> None:
    served.fault(LinkFault.GARBAGE)

    for _ in range(5):
        assert libmodbus(served.server.port, _UNIT, "holding", 0, 1).startswith("error: ")


def test_a_late_answer_comes_all_the_same(served: Served, libmodbus: Ask) -> None:
    served.fault(LinkFault.LATE, ms=100)

    assert libmodbus(served.server.port, _UNIT, "holding", 0, 1) == "0"


def test_mbpoll_reads_a_float_high_word_first(served: Served, libmodbus: Ask) -> None:
    libmodbus(served.server.port, _UNIT, "write-registers", 40, 0x42C7, 0xFCEE)  # 99.994 as IEEE 754 single

    assert mbpoll(served.server.port, _UNIT, "4:float", 40) == [pytest.approx(99.994)]
