"""SocketDial keeps what the Dial protocol promises, over real sockets of both address families."""

import asyncio
import select
import socket
from collections.abc import Iterator

import pytest

from drivers.dial import Dial, Ready, SocketDial
from drivers.errors import Unreachable
from hil.loopback import free_port


@pytest.fixture
def dial() -> Iterator[SocketDial]:
    made = SocketDial()
    yield made
    made.shut()


@pytest.fixture(params=[("127.0.0.1", socket.AF_INET), ("::1", socket.AF_INET6)], ids=["ipv4", "ipv6"])
def listener(request: pytest.FixtureRequest) -> Iterator[socket.socket]:
    host, family = request.param
    with socket.socket(family) as made:
        made.bind((host, 0))
        made.listen()
        yield made


def _wait(dial: SocketDial) -> list[Ready]:
    """What poll() gives once it gives anything: the epoll itself says when."""
    watcher = select.poll()
    watcher.register(dial._epoll.fileno(), select.POLLIN)
    assert watcher.poll(5000)
    return dial.poll()


def _open(dial: Dial, listener: socket.socket) -> int:
    host, port = listener.getsockname()[:2]
    return dial.open(host, port)


def test_a_connection_sends_receives_and_ends(dial: SocketDial, listener: socket.socket) -> None:
    handle = _open(dial, listener)
    dial.watch(handle, read=False, write=True)
    assert _wait(dial) == [Ready(handle, readable=False, writable=True, failed=False)]

    assert dial.send(handle, b"ask") == 3
    dial.watch(handle, read=True, write=False)
    peer, _ = listener.accept()
    assert peer.recv(10) == b"ask"
    assert dial.poll() == []
    assert dial.receive(handle, 10) is None

    peer.sendall(b"told")
    assert _wait(dial) == [Ready(handle, readable=True, writable=False, failed=False)]
    assert dial.receive(handle, 2) == b"to"
    assert [ready.handle for ready in dial.poll()] == [handle]
    assert dial.receive(handle, 10) == b"ld"

    peer.close()
    assert _wait(dial)[0].readable
    assert dial.receive(handle, 10) == b""
    dial.close(handle)
    assert dial.poll() == []


def test_a_refused_connection_fails_and_says_why(dial: SocketDial) -> None:
    handle = dial.open("127.0.0.1", free_port())
    dial.watch(handle, read=True, write=True)

    assert _wait(dial)[0].failed
    assert dial.error(handle) == "Connection refused"
    dial.close(handle)


def test_a_reset_is_told_after_what_was_sent_before_it(dial: SocketDial, listener: socket.socket) -> None:
    handle = _open(dial, listener)
    peer, _ = listener.accept()
    dial.send(handle, b"long request that is never read")
    peer.sendall(b"whole reply")
    peer.close()  # with unread bytes: a reset

    dial.watch(handle, read=True, write=False)
    assert _wait(dial)[0].readable
    assert dial.receive(handle, 100) == b"whole reply"
    with pytest.raises(ConnectionResetError):
        dial.receive(handle, 100)
    dial.close(handle)


def test_a_peer_learns_of_a_reset_at_once_yet_reads_what_had_come(dial: SocketDial, listener: socket.socket) -> None:
    handle = _open(dial, listener)
    dial.send(handle, b"ask")

    dial.close(handle, reset=True)

    peer, _ = listener.accept()
    with peer:
        assert peer.recv(100) == b"ask"
        with pytest.raises(ConnectionResetError):
            peer.recv(100)


@pytest.mark.parametrize("host", ["miner.example", "", "10.0.0", "127.0.0.1\0", "fe80::x"])
def test_what_is_no_address_is_unreachable_without_asking_a_resolver(dial: SocketDial, host: str) -> None:
    with pytest.raises(Unreachable, match="write the address"):
        dial.open(host, 4028)


def test_a_network_without_a_route_is_unreachable_at_once(dial: SocketDial) -> None:
    with pytest.raises(Unreachable):
        dial.open("255.255.255.255", 4028)


def test_the_loop_calls_back_when_something_is_ready(listener: socket.socket) -> None:
    async def story() -> list[Ready]:
        dial = SocketDial()
        ready: asyncio.Future[list[Ready]] = asyncio.get_running_loop().create_future()
        dial.on_ready(lambda: None if ready.done() else ready.set_result(dial.poll()))
        dial.watch(_open(dial, listener), read=False, write=True)
        try:
            return await ready
        finally:
            dial.shut()

    assert [found.writable for found in asyncio.run(story())] == [True]
