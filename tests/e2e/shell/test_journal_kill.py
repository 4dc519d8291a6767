"""The journal on the real disk: a process that is killed at any moment has lost nothing that it was told is durable."""

import asyncio
import subprocess
import sys
from pathlib import Path

from agent.shell.disk import RealDisk
from agent.shell.journal import JSON, Journal
from agent.shell.spawn import RealSpawn

KEEPS = """
import asyncio, sys
from pathlib import Path
from agent.shell.disk import RealDisk
from agent.shell.journal import Journal
from agent.shell.spawn import RealSpawn

async def main():
    journal = await Journal.open(RealDisk(), RealSpawn("disk"), Path(sys.argv[1]), on_fault=print)
    number = journal.kept("seq/dispatch") or 0
    while True:
        number += 1
        journal.post("armed/poi", [f"a/10.20.1.{n}" for n in range(2_000)] + [number])
        await asyncio.gather(journal.keep("seq/dispatch", number), journal.keep("lease/01J", {"seq": number}))
        print(number, flush=True)

asyncio.run(main())
"""


async def found(folder: Path) -> dict[str, JSON]:
    spawn = RealSpawn("disk")
    faults: list[str] = []
    journal = await Journal.open(RealDisk(), spawn, folder, on_fault=faults.append)
    everything = journal.kept_under("")
    await journal.close()
    spawn.close()
    assert faults == []
    return everything


def test_a_killed_process_has_lost_nothing_that_was_awaited(tmp_path: Path) -> None:
    told = 0
    for round_ in range(8):
        with subprocess.Popen([sys.executable, "-c", KEEPS, str(tmp_path)], stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            for _ in range(1 + 7 * round_):
                told = int(child.stdout.readline())
            child.kill()
            rest = child.stdout.read().split()
        told = int(rest[-1]) if rest else told

        everything = asyncio.run(found(tmp_path))

        sequence = everything["seq/dispatch"]
        assert isinstance(sequence, int)
        assert sequence - told in (0, 1), "the last told, or the one that was on its way"
        assert everything["lease/01J"] == {"seq": sequence}, "kept together, found together"
        told = sequence


def test_work_in_the_thread_is_done_in_order_and_its_errors_come_back() -> None:
    async def story() -> None:
        spawn = RealSpawn("disk")
        done: list[int] = []
        given_up = asyncio.ensure_future(spawn.in_thread(done.append, 1))
        await asyncio.sleep(0)
        given_up.cancel()

        await spawn.in_thread(done.append, 2)
        try:
            await spawn.in_thread(int, "no number")
        except ValueError as error:
            done.append(len(str(error)) and 3)
        spawn.close()

        assert done == [1, 2, 3]

    asyncio.run(story())
