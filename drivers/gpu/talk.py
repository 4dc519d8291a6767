"""One conversation with a gpud: the greeting, then messages out and in, over any Wire."""

from collections import deque
from collections.abc import Sequence
from typing import Self

from drivers.errors import Garbled, Silent, Unreachable
from drivers.gpu.frames import FrameSplitter, frame
from drivers.gpu.messages import (
    VERSIONS,
    FromClient,
    FromDaemon,
    Goodbye,
    GpuInfo,
    Hello,
    List,
    Listed,
    Welcome,
)
from drivers.gpu.wire import Connect, Wire

_NAME = "gpud"


class Talk:
    """A greeted connection. The caller gives the deadlines and closes it."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._splitter = FrameSplitter(FromDaemon, _NAME)
        self._heard: deque[FromDaemon] = deque()

    @classmethod
    async def begin(cls, connect: Connect, versions: Sequence[int] = VERSIONS) -> Self:
        """Connect and agree on a version; Unreachable or Garbled when that can't be."""
        talk = cls(await connect())
        try:
            talk.send(Hello(tuple(versions), "ballast"))
            answer = await talk.hear()
            if not isinstance(answer, Welcome) or answer.version not in versions:
                raise Garbled(_NAME, f"it answers a greeting with {answer}")
        except BaseException:
            talk.close()
            raise
        return talk

    def send(self, *messages: FromClient) -> None:
        """Hand these over; never waits."""
        self._wire.send(b"".join(map(frame, messages)))

    async def hear(self) -> FromDaemon:
        """The next message; Unreachable at the end, with gpud's reason when it said Goodbye."""
        while not self._heard:
            data = await self._wire.receive()
            if not data:
                raise Unreachable(_NAME, "it ended the connection")
            self._heard.extend(self._splitter.feed(data))
        message = self._heard.popleft()
        if isinstance(message, Goodbye):
            raise Unreachable(_NAME, f"it ended the connection: {message.why}")
        return message

    def close(self) -> None:
        """End it."""
        self._wire.close()


async def list_gpus(connect: Connect) -> tuple[GpuInfo, ...]:
    """The GPUs that a gpud knows now; a DeviceError when it can't tell. The caller gives the deadline."""
    talk = await Talk.begin(connect)
    try:
        talk.send(List(1))
        answer = await talk.hear()
        if not isinstance(answer, Listed):
            raise Garbled(_NAME, f"it answers List with {type(answer).__name__}")
        if answer.health != "ok" and not answer.gpus:
            raise Silent(_NAME, f"its NVML worker: {answer.health} {answer.detail}")
        return answer.gpus
    finally:
        talk.close()
