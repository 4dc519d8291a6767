"""A clean stop leaves nothing behind: no connection, and no timer that would look at one."""

import asyncio

from tests.sim.play import play
from tests.sim.world import World


def test_a_stop_in_the_middle_of_a_volley_leaves_no_connection_open() -> None:
    async def scenario(world: World) -> None:
        await world.pass_s(5)
        for miner in world.miners:
            world.ail(miner, "mute")
        world.dip(49.3)
        await world.pass_s(0.5)
        agent = world._agent
        assert agent is not None
        assert len(agent.dial._connections) >= 7, "a shed of 25 kW is on the wire"

        agent.stop.set()
        async with asyncio.timeout(10):
            await asyncio.shield(agent.task)

        assert agent.dial._connections == {}
        await world.stop()

    play(scenario)
