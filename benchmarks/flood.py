"""Flood: wrong passwords from many network addresses, as fast as they are told to go.

    python -m benchmarks.flood PORT ATTEMPTS_PER_SECOND

Runs until it is ended, and then prints how many attempts were answered, by status. Invariant: no
address of this machine's loopback asks often enough to be slowed down by itself.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import signal
import sys
from collections import Counter

PLACES = 200  #: loopback addresses, of 127.0.1.0/24
PATIENCE_S = 30.0


async def attempt(port: int, number: int, answers: Counter[str]) -> None:
    """Try one password, and count the answer."""
    body = json.dumps(
        {
            "organisation": "bench",
            "address": f"nobody{number}@example.org",
            "password": "not-the-one-at-all",
        }
    )
    request = (
        f"POST /v1/sign-in HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n{body}"
    )
    place = f"127.0.1.{1 + number % PLACES}"
    try:
        async with asyncio.timeout(PATIENCE_S):
            reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(place, 0))
            writer.write(request.encode())
            line = await reader.readline()
            await reader.read()
            writer.close()
            answers[line[9:12].decode() or "none"] += 1
    except OSError:
        answers["none"] += 1


async def main(port: int, rate: float) -> None:
    """Go on until told to end."""
    answers: Counter[str] = Counter()
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    under_way: set[asyncio.Task[None]] = set()
    print("ready", flush=True)
    for number in itertools.count():
        if stop.is_set():
            break
        task = asyncio.create_task(attempt(port, number, answers))
        under_way.add(task)
        task.add_done_callback(under_way.discard)
        await asyncio.sleep(1 / rate)
    for task in under_way:
        task.cancel()
    await asyncio.gather(*under_way, return_exceptions=True)
    print(json.dumps(answers), flush=True)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), float(sys.argv[2])))
