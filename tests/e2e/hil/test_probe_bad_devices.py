"""`ballast-hil probe` against devices that are not there, say nothing or say it wrong: each is told by its name."""

import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from hil.loopback import free_port
from tests.e2e.hil.probed_devices import Device, frame, modbus, registers
from tests.e2e.hil.probing import run_probe

_METER = ("--profile", "eastron-sdm630", "--timeout", "0.4", "--seconds", "1")


def _draft(folder: Path) -> Path:
    """A meter of two floats."""
    draft = folder / "draft.toml"
    draft.write_text(
        'name = "two"\nsource = "none"\nword_order = "big"\ntable = "holding"\nbase = 0\nregisters_max = 4\n'
        '[[point]]\nname = "frequency_hz"\nat = 0\nkind = "float32"\npoll = "fast"\n'
        '[[point]]\nname = "voltage_l1_v"\nat = 2\nkind = "float32"\npoll = "fast"\n'
    )
    return draft


def _probe_meter(tmp_path: Path, device: Device) -> tuple[int, str]:
    with device:
        probed = run_probe(tmp_path, "--meter", device.at, *_METER)
    return probed.code, probed.errors


@pytest.mark.parametrize("kind", ["--meter", "--plc", "--miner"])
def test_a_port_where_nobody_listens_is_refused(tmp_path: Path, kind: str) -> None:
    probed = run_probe(tmp_path, kind, f"127.0.0.1:{free_port()}")

    assert probed.code == 4
    assert "nobody listens on port" in probed.errors
    assert "check the port" in probed.errors


def test_a_name_that_nobody_knows_is_unreachable(tmp_path: Path) -> None:
    probed = run_probe(tmp_path, "--meter", "no-such-host.invalid")

    assert probed.code == 3
    assert "write the address as a number" in probed.errors


def test_a_host_that_drops_everything_is_unreachable(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        waiting = [socket.socket() for _ in range(4)]  # its queue is full: the kernel drops what comes after
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        probed = run_probe(tmp_path, "--meter", f"127.0.0.1:{full.getsockname()[1]}")
        for one in waiting:
            one.close()

    assert probed.code == 3
    assert "did not answer a connection attempt" in probed.errors


def test_a_serial_port_that_is_not_there_is_unreachable(tmp_path: Path) -> None:
    probed = run_probe(tmp_path, "--meter", "rtu:///dev/ttyNone7?baudrate=9600&parity=N")

    assert probed.code == 3
    assert "ls /dev/serial/by-id" in probed.errors


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--meter", "tcp://host:502/path"), "is no address"),
        (("--meter", "rtu:///dev/ttyUSB0?parity=X"), "parity (N, E or O)"),
        (("--meter", "127.0.0.1", "--profile", "no-such-meter"), "no profile 'no-such-meter'"),
        (("--meter", "127.0.0.1", "--actuate", "--yes"), "a meter is only read"),
    ],
)
def test_what_cannot_be_meant_is_told_with_its_mend(tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    probed = run_probe(tmp_path, *words)

    assert probed.code == 2
    assert said in probed.errors


@pytest.mark.parametrize(
    ("answer", "code", "said"),
    [
        (lambda transaction, body: b"", 5, "asked, and no answer for 0.4 s"),
        (lambda transaction, body: frame(transaction, registers(body))[:-1], 5, "only 10 bytes of an answer"),
        (lambda transaction, body: frame(transaction + 7, registers(body)), 6, "transaction 1 asked, 8 answered"),
        (lambda transaction, body: frame(transaction, b"\x09" + registers(body)[1:]), 6, "unit 1 asked, unit 9"),
        (lambda transaction, body: frame(transaction, body[:1] + b"\x06\0\0\0\0"), 6, "function 3 asked, function 6"),
        (lambda transaction, body: frame(transaction, registers(body) + b"\0\0"), 6, "1 of holding asked for"),
        (lambda transaction, body: b"HTTP/1.1 400 Bad Request\r\n\r\n", 6, "a header that says"),
        (lambda transaction, body: None, 6, "ended the connection"),
    ],
    ids=["silent", "half", "transaction", "unit", "function", "length", "other protocol", "closing"],
)
def test_a_meter_that_answers_wrong_is_told_by_what_is_wrong(
    tmp_path: Path, answer: Callable[[int, bytes], bytes | None], code: int, said: str
) -> None:
    found, errors = _probe_meter(tmp_path, modbus(answer))

    assert (found, said in errors) == (code, True), errors
    assert (tmp_path / "capture" / "exchanges.jsonl").exists()  # all the more


def test_a_slow_meter_is_measured_and_told_as_too_slow(tmp_path: Path) -> None:
    def slow(transaction: int, body: bytes) -> bytes:
        if body[1] not in (3, 4):
            return frame(transaction, bytes([body[0], body[1] | 0x80, 1]))
        if body[5] == 4:  # both quantities
            time.sleep(0.3)
        return frame(transaction, registers(body))

    with modbus(slow) as device:
        probed = run_probe(
            tmp_path / "out",
            "--meter",
            device.at,
            "--profile",
            str(_draft(tmp_path)),
            "--seconds",
            "1",
            "--timeout",
            "2",
        )

    assert probed.code == 1
    assert probed.report["measured"]["reply_ms"]["p50"] >= 300.0
    assert probed.finding("reply time")[0] == "bad"
    assert "the agent waits 250 ms" in probed.finding("reply time")[1]
    assert probed.finding("connections")[0] == "note"  # its one thread serves one at a time


@pytest.mark.parametrize(("spoilt", "code"), [(0, 0), (1, 6)])
def test_rtu_frames_through_a_serial_server_are_read_and_a_wrong_check_sum_is_told(
    tmp_path: Path, spoilt: int, code: int
) -> None:
    def answer(request: bytes) -> bytes:
        if request[1] not in (3, 4):
            return _rtu(bytes([request[0], request[1] | 0x80, 1]))
        good = _rtu(registers(request))
        return good[:-1] + bytes([good[-1] ^ spoilt])

    with Device(answer, one_each=False) as device:
        probed = run_probe(
            tmp_path, "--meter", f"rtu+tcp://{device.at}", "--profile", str(_draft(tmp_path)), "--seconds", "1"
        )

    assert probed.code == code, probed.errors
    assert ("wrong check sum" in probed.errors) is bool(spoilt)


def test_a_sunspec_meter_is_found_where_its_model_is(tmp_path: Path) -> None:
    """SunS, the common model, then model 213 (a float meter) of which only the nameplate quantities are filled in."""
    words: dict[int, int] = {40000: 0x5375, 40001: 0x6E53, 40002: 1, 40003: 65, 40069: 213, 40070: 124, 40195: 0xFFFF}
    words |= {40069 + 2 + at: 0 for at in range(124)}
    for offset, value in ((12, 0x4366), (14, 0x4366), (16, 0x4366), (26, 0x4248)):
        words[40069 + offset], words[40069 + offset + 1] = value, 0

    def answer(transaction: int, body: bytes) -> bytes:
        at, count = int.from_bytes(body[2:4], "big"), int.from_bytes(body[4:6], "big")
        span = range(at, at + count)
        if body[1] != 3 or any(one not in words for one in span):
            return frame(transaction, bytes([body[0], body[1] | 0x80, 2]))
        data = b"".join(words[one].to_bytes(2, "big") for one in span)
        return frame(transaction, body[:2] + bytes([len(data)]) + data)

    words |= {40004 + at: 0 for at in range(65)}
    words[40196] = 0
    with modbus(answer) as device:
        probed = run_probe(tmp_path, "--meter", device.at, "--profile", "sunspec-float", "--seconds", "1")

    assert probed.code == 0, probed.errors
    assert probed.finding("reading")[0] == "good", probed.finding("reading")
    written = (tmp_path / "sunspec-float.toml").read_text()
    assert "sunspec" in written
    assert "at         = 40" not in written  # its addresses count from the model still


def _rtu(body: bytes) -> bytes:
    """The frame with its check sum, by the polynomial itself."""
    remainder = 0xFFFF
    for byte in body:
        remainder ^= byte
        for _ in range(8):
            remainder = remainder >> 1 ^ (0xA001 if remainder & 1 else 0)
    return body + bytes([remainder & 0xFF, remainder >> 8])


@pytest.mark.parametrize(
    ("answer", "code", "said"),
    [
        (b"", 5, "did not answer for 0.4 s"),
        (None, 6, "closed the connection without a word"),
        (b"\x00\x01\x00\x00\x00\x03\x01\x83\x02", 6, "no answer to `version`"),
    ],
)
def test_a_miner_that_answers_nothing_of_use_is_told_by_what_it_does(
    tmp_path: Path, answer: bytes | None, code: int, said: str
) -> None:
    with Device(lambda request: answer, one_each=answer is not None and bool(answer)) as device:
        probed = run_probe(tmp_path, "--miner", device.at, "--timeout", "0.4")

    assert (probed.code, said in probed.errors) == (code, True), probed.errors


def test_a_miner_s_half_reply_is_told_and_the_rest_measured(tmp_path: Path) -> None:
    whole = b'{"STATUS":[{"STATUS":"S","When":1,"Code":22,"Msg":"versions"}],"VERSION":[{"CGMiner":"4.11.1"}],"id":1}\0'

    def answer(request: bytes) -> bytes:
        return whole[: len(whole) // 2] if b"devs" in request else whole

    with Device(answer, one_each=True) as device:
        probed = run_probe(tmp_path, "--miner", device.at, "--timeout", "0.4", "--seconds", "1")

    assert probed.code == 1
    verdict, words = probed.finding("replies")
    assert verdict == "bad"
    assert "2 of 10 cannot be read" in words
    assert probed.finding("clock")[0] == "note"
