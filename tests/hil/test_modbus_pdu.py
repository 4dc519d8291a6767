"""PDUs against the worked examples of the MODBUS Application Protocol Specification V1.1b3, section 6."""

from collections.abc import Sequence

import pytest

from hil.modbus_pdu import ILLEGAL_ADDRESS, RefusedPdu, answer


class Bank:
    """The specification's example device: registers 0..199 and bits 0..511, whatever was put there."""

    def __init__(self) -> None:
        self.registers: dict[int, int] = {}
        self.bits: dict[int, bool] = {}

    def read_bits(self, table: str, at: int, count: int) -> Sequence[bool]:
        self._within(at, count, 512)
        return [self.bits.get(bit, False) for bit in range(at, at + count)]

    def read_registers(self, table: str, at: int, count: int) -> Sequence[int]:
        self._within(at, count, 200)
        return [self.registers.get(register, 0) for register in range(at, at + count)]

    def write_bits(self, at: int, values: Sequence[bool]) -> None:
        self._within(at, len(values), 512)
        self.bits.update(enumerate(values, start=at))

    def write_registers(self, at: int, values: Sequence[int]) -> None:
        self._within(at, len(values), 200)
        self.registers.update(enumerate(values, start=at))

    def _within(self, at: int, count: int, size: int) -> None:
        if at + count > size:
            raise RefusedPdu(ILLEGAL_ADDRESS)


def test_coils_are_packed_low_bit_first_as_in_section_6_1() -> None:
    bank = Bank()
    for byte, packed in enumerate((0xCD, 0x6B, 0x05)):
        bank.write_bits(0x13 + 8 * byte, [bool(packed >> bit & 1) for bit in range(8)])

    assert answer(bank, bytes.fromhex("01 0013 0013")) == bytes.fromhex("01 03 CD6B05")


def test_holding_registers_are_read_as_in_section_6_3() -> None:
    bank = Bank()
    bank.write_registers(0x6B, [0x022B, 0x0000, 0x0064])

    assert answer(bank, bytes.fromhex("03 006B 0003")) == bytes.fromhex("03 06 022B00000064")


@pytest.mark.parametrize(
    ("request_hex", "response_hex"),
    [
        ("05 00AC FF00", "05 00AC FF00"),  # 6.5
        ("06 0001 0003", "06 0001 0003"),  # 6.6
        ("0F 0013 000A 02 CD01", "0F 0013 000A"),  # 6.11
        ("10 0001 0002 04 000A 0102", "10 0001 0002"),  # 6.12
    ],
)
def test_writes_are_answered_as_in_sections_6_5_to_6_12(request_hex: str, response_hex: str) -> None:
    assert answer(Bank(), bytes.fromhex(request_hex)) == bytes.fromhex(response_hex)


def test_what_was_written_is_read_back() -> None:
    bank = Bank()
    answer(bank, bytes.fromhex("0F 0013 000A 02 CD01"))
    answer(bank, bytes.fromhex("10 0001 0002 04 000A 0102"))

    assert answer(bank, bytes.fromhex("01 0013 000A")) == bytes.fromhex("01 02 CD01")
    assert answer(bank, bytes.fromhex("03 0001 0002")) == bytes.fromhex("03 04 000A0102")


@pytest.mark.parametrize(
    ("request_hex", "code"),
    [
        ("2B 0E 01 00", 1),  # a function that it does not have
        ("16 0004 00F2 0025", 1),  # mask write is a function that it does not have
        ("03 00C8 0001", 2),  # behind the last register
        ("03 FFFF 0002", 2),  # behind the last address
        ("03 0000 0000", 3),
        ("03 0000 007E", 3),  # 126 registers
        ("01 0000 07D1", 3),  # 2,001 coils
        ("05 0000 1234", 3),
        ("10 0001 0002 03 000A01", 3),  # byte count and values disagree
        ("06 0001", 3),  # cut off
    ],
)
def test_what_is_not_allowed_gets_its_exception(request_hex: str, code: int) -> None:
    pdu = bytes.fromhex(request_hex)

    assert answer(Bank(), pdu) == bytes([pdu[0] | 0x80, code])
