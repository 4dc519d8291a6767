"""A clean stop leaves nothing behind: no connection, and no timer that would look at one."""

import asyncio

from tests.sim.play import play
from tests.sim.world import World


def test_a_stop_in_the_middle_of_a_volley_leaves_no_connection_open() -> None:
    async def scenario(world: World) -> None:
        for miner in world.miners:
            world.ail(miner, "mute")
        world.dip(49.3)
        await world.until(lambda: any(miner.told for miner in world.miners), 5, "told")
        agent = world._agent
        assert agent is not None

        agent.stop.set()
        async with asyncio.timeout(10):
            await asyncio.shield(agent.task)

        assert agent.dial._connections == {}
        await world.stop()

    play(scenario)
