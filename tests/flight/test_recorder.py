"""The recorder's own bounds: memory, files, folder; a disk that refuses or hangs; and when it writes at all."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import TypeVar, TypeVarTuple

import pytest

from agent.core.attend import Attended
from agent.core.image import Image
from agent.core.notes import CommandNote, EventNote, Note
from agent.core.react import Reaction
from agent.core.setpoint import Setpoint
from agent.core.state import State
from agent.core.values import NS_PER_S
from agent.flight import recorder as bounds
from agent.flight.entries import VERSION, Begin, Entry, Head, Lost, Reacted, Stand
from agent.flight.reading import Flight
from agent.flight.recorder import Recorder
from drivers.modbus.meter import BlockRead
from drivers.sample import Sample
from tests.sim.disk import Platter, VirtualDisk
from tests.sim.life import Life

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
FOLDER = Path("/state/flights")
HEAD = Head(VERSION, "1.0", "s", "a", "b", 0, None, "site.toml", "", "", {}, {})
ALARM = EventNote(0, "", "alarm", "", "", "", "something")
BEGUN = EventNote(0, "01EVENT", "begin", "poi", "ufr", "grid", "it binds")
LOWER = Setpoint("a/1", "off", 0.0)


class Now:
    """Spawn and clock of one instant: what is asked for is done at once."""

    def __init__(self) -> None:
        self.now_ns = 1_000 * NS_PER_S
        self.wall: int | None = 1_800_000_000_000
        self.hangs = asyncio.Event()
        self.hangs.set()

    async def in_thread(self, fn: Callable[[*Ts], T], *args: *Ts) -> T:
        await self.hangs.wait()
        return fn(*args)

    def monotonic_ns(self) -> int:
        return self.now_ns

    def wall_ms(self) -> int | None:
        return self.wall

    def machine_boot(self) -> str:
        return "boot"


class Told:
    """A recorder that is told of a quiet site, tick by tick."""

    def __init__(self) -> None:
        self.now = Now()
        self.platter = Platter(Random(1))
        self.faults: list[str] = []
        self.noise = Random(1)
        disk = VirtualDisk(self.platter, Life(1))
        self.recorder = Recorder(HEAD, disk, self.now, self.now, FOLDER, self.faults.append)

    async def pass_s(self, count: int, *notes: Note, setpoints: tuple[Setpoint, ...] = (), points: int = 5) -> None:
        """Seconds of ten beats, ten readings and one arming each, drained at each end; notes in the first beat."""
        for second in range(count):
            for beat in range(10):
                first = not second and not beat
                self.beat(notes if first else (), setpoints if first else (), points, arms=beat == 5)
            await self.recorder._drain()

    def beat(self, notes: tuple[Note, ...], setpoints: tuple[Setpoint, ...], points: int, *, arms: bool) -> None:
        self.now.now_ns += NS_PER_S // 10
        now_ns = self.now.now_ns
        samples = tuple(Sample(f"power_l{number}_w", self.noise.random()) for number in range(points))
        self.recorder.points("main", BlockRead(samples, (), now_ns, now_ns, now_ns), None)
        image = Image(wall_ms=self.now.wall)
        if arms:
            self.recorder.arming(now_ns, image, State(), ())
            self.recorder.armed()
        self.recorder.reacted(now_ns, image, Reaction(State(), setpoints, (), {}))
        self.recorder.attended(now_ns, image, Attended(State(), (), notes), {})

    def files(self) -> dict[str, bytes]:
        return {Path(name).name: stored.visible() for name, stored in sorted(self.platter.files.items())}

    def entries(self, folder: Path, name: str) -> list[Entry]:
        path = folder / name
        path.write_bytes(self.files()[name])
        return [placed.entry for placed in Flight(path).entries()]


def reacted_s(entries: list[Entry], told: Told) -> list[float]:
    """When each decision was, in seconds since the beginning."""
    return [entry.now_ns / 1e9 - 1_000 for entry in entries if isinstance(entry, Reacted)]


def run(story: Callable[[Told], object]) -> Told:
    async def whole() -> Told:
        told = Told()
        await story(told)  # type: ignore[misc]
        return told

    return asyncio.run(whole())


@pytest.mark.parametrize(
    ("notes", "setpoints"),
    [((BEGUN,), ()), ((), (LOWER,)), ((CommandNote(0, "01COMMAND", "applied"),), ())],
    ids=["an event's note", "a setpoint", "a command's note"],
)
def test_what_is_told_or_commanded_is_written_from_before_it_until_a_minute_after(
    notes: tuple[Note, ...], setpoints: tuple[Setpoint, ...], tmp_path: Path
) -> None:
    async def story(told: Told) -> None:
        await told.pass_s(40)
        await told.pass_s(80, *notes, setpoints=setpoints)

    told = run(story)

    assert list(told.files()) == ["000001-20270115T080000Z.flight"]
    entries = told.entries(tmp_path, "000001-20270115T080000Z.flight")
    stands = [entry.now_ns / 1e9 - 1_000 for entry in entries if isinstance(entry, Stand)]
    assert stands[0] <= 35.0, "it can be decided again from five seconds before"
    assert reacted_s(entries, told)[0] > 25.0, "and not from long before"
    assert 100 <= reacted_s(entries, told)[-1] <= 102


@pytest.mark.parametrize("notes", [(), (ALARM,)], ids=["nothing", "an alarm of no event"])
def test_nothing_is_written_while_nothing_is_told_or_commanded(notes: tuple[Note, ...]) -> None:
    async def story(told: Told) -> None:
        await told.pass_s(100, *notes)

    assert run(story).files() == {}


def test_what_happens_within_the_minute_goes_on_in_the_same_file() -> None:
    async def story(told: Told) -> None:
        await told.pass_s(10)
        for _ in range(4):
            await told.pass_s(50, BEGUN)
        await told.pass_s(100)

    assert len(run(story).files()) == 1


def test_the_ring_is_bounded_by_bytes_and_keeps_the_newest(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(bounds, "RING_BYTES_MAX", 20_000)

    async def story(told: Told) -> None:
        await told.pass_s(60, points=200)
        held = sum(segment.bytes for segment in told.recorder._ring)
        assert held <= 20_000 or len(told.recorder._ring) == 1
        await told.pass_s(1, BEGUN)

    told = run(story)

    (name,) = told.files()
    assert isinstance(told.entries(tmp_path, name)[0], Begin)


def test_a_long_flight_is_cut_into_files_that_can_each_be_replayed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(bounds, "FLIGHT_BYTES_MAX", 100_000)

    async def story(told: Told) -> None:
        await told.pass_s(10)
        await told.pass_s(60, BEGUN, points=200)

    told = run(story)

    assert len(told.files()) > 2
    for name, data in told.files().items():
        assert isinstance(told.entries(tmp_path, name)[0], Begin)
        assert len(data) < 250_000


def test_of_too_many_files_the_oldest_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "FLIGHT_BYTES_MAX", 100_000)
    monkeypatch.setattr(bounds, "FLIGHTS_BYTES_MAX", 400_000)

    async def story(told: Told) -> None:
        await told.pass_s(10)
        for _ in range(5):
            await told.pass_s(60, BEGUN, points=200)

    told = run(story)

    numbers = [int(name[:6]) for name in told.files()]
    assert numbers[0] > 3, "the first ones are gone"
    assert numbers == list(range(numbers[0], numbers[-1] + 1))
    assert sum(map(len, told.files().values())) <= 450_000


def test_with_little_room_on_the_disk_nothing_is_written_and_that_is_told_once() -> None:
    async def story(told: Told) -> None:
        told.platter.bytes_max = bounds.FREE_BYTES_MIN
        await told.pass_s(10)
        await told.pass_s(50, BEGUN)

    told = run(story)

    assert len(told.faults) == 1
    assert "64 MiB" in told.faults[0]
    assert told.files() == {}


def test_a_disk_that_takes_something_again_gets_the_rest(tmp_path: Path) -> None:
    async def story(told: Told) -> None:
        await told.pass_s(10)
        told.platter.refuses = "EIO"
        await told.pass_s(15, BEGUN)
        told.platter.refuses = ""
        await told.pass_s(80)

    told = run(story)

    (name,) = told.files()  # none was left empty
    assert reacted_s(told.entries(tmp_path, name), told)[-1] >= 70
    assert len(told.faults) == 1


def test_a_thread_that_hangs_loses_what_has_no_room_and_says_how_much(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(bounds, "PENDING_MAX", 1_000)

    async def story(told: Told) -> None:
        await told.pass_s(20)
        told.now.hangs.clear()
        hanging = asyncio.ensure_future(told.recorder._drain())
        await asyncio.sleep(0)
        for beat in range(400):
            told.beat((BEGUN,), (), 5, arms=beat % 10 == 5)
        assert len(told.recorder._pending) <= 1_000
        told.now.hangs.set()
        await hanging
        await told.pass_s(10)

    told = run(story)

    (name,) = told.files()
    entries = told.entries(tmp_path, name)
    at = next(at for at, entry in enumerate(entries) if isinstance(entry, Lost))
    assert isinstance(entries[at], Lost)
    assert isinstance(entries[at + 1], Begin), "it can be replayed again right behind it"
    gap_s = reacted_s(entries[at:], told)[0] - reacted_s(entries[:at], told)[-1]
    assert gap_s > 10


def test_files_are_numbered_on_whatever_the_clock_says() -> None:
    async def story(told: Told) -> None:
        told.platter.put(str(FOLDER / "000041-undated.flight"), b"")
        told.platter.put(str(FOLDER / "notes.txt"), b"")
        told.now.wall = None
        await told.pass_s(3)
        await told.pass_s(70, BEGUN)
        told.now.wall = 0
        await told.pass_s(1, BEGUN)

    names = [name for name in run(story).files() if name.endswith(".flight")]

    assert names == ["000041-undated.flight", "000042-undated.flight", "000043-19700101T000000Z.flight"]


def test_what_was_told_before_the_end_is_written_before_it(tmp_path: Path) -> None:
    async def story(told: Told) -> None:
        await told.pass_s(10)
        running = asyncio.ensure_future(told.recorder.run(lambda: False))
        await asyncio.sleep(0)
        for beat in range(10):
            told.beat((BEGUN,), (), 5, arms=beat == 5)
        told.recorder.stop()
        await running

    told = run(story)

    (name,) = told.files()
    assert reacted_s(told.entries(tmp_path, name), told)[-1] == pytest.approx(11.0)


def test_a_refusal_of_the_disk_names_the_folder() -> None:
    async def story(told: Told) -> None:
        told.platter.refuses = "EROFS"
        await told.pass_s(10)
        await told.pass_s(1, BEGUN)

    assert run(story).faults == [f"what happens is not recorded on the disk: {FOLDER}: EROFS"]


def test_nothing_is_packed_while_a_volley_is_out_and_all_of_it_when_it_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "GIVES_WAY_S", 0)
    looked = iter((True, True, True, False))
    packed_at_looks: list[int] = []

    async def story(told: Told) -> None:
        def busy() -> bool:
            packed_at_looks.append(len(told.recorder._ring))
            return next(looked)

        told.recorder._busy = busy
        await told.pass_s(1, BEGUN)

    told = run(story)

    assert packed_at_looks == [0, 0, 0, 0]
    assert len(told.files()) == 1


def test_the_end_does_not_wait_for_a_volley() -> None:
    async def story(told: Told) -> None:
        running = asyncio.ensure_future(told.recorder.run(lambda: True))
        await asyncio.sleep(0)
        for beat in range(10):
            told.beat((BEGUN,), (), 5, arms=beat == 5)
        told.recorder.stop()
        await running

    assert len(run(story).files()) == 1
