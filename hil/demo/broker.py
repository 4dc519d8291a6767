"""The demo's broker as a process of its own: amqtt, which speaks MQTT 3.1.1 alone. `python -m hil.demo.broker PORT`."""

import asyncio
import logging
import signal
import sys

from amqtt.broker import Broker


async def serve(port: int) -> None:
    """Serves anybody on the loopback until SIGTERM or until standard input closes (the parent is gone)."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_reader(sys.stdin, stop.set)
    broker = Broker(
        {
            "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}"}},
            "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
        }
    )
    await broker.start()
    print("ready", flush=True)
    await stop.wait()
    await broker.shutdown()


if __name__ == "__main__":
    logging.disable(logging.WARNING)  # amqtt tells every connection that ends
    asyncio.run(serve(int(sys.argv[1])))
