"""Echo: the plainest WebSocket application of Starlette, to compare handshakes with.

python -m benchmarks.echo PORT
"""

from __future__ import annotations

import sys

import uvicorn
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect


async def echo(socket: WebSocket) -> None:
    """Send back what comes."""
    await socket.accept()
    try:
        while True:
            await socket.send_bytes(await socket.receive_bytes())
    except WebSocketDisconnect:
        return


class Announcing(uvicorn.Server):
    """A server that says when it serves."""

    async def startup(self, sockets: list[object] | None = None) -> None:  # type: ignore[override]  # of sockets
        """Start, then speak."""
        await super().startup(sockets)  # type: ignore[arg-type]  # as above
        print("ready", flush=True)


if __name__ == "__main__":
    application = Starlette(routes=[WebSocketRoute("/", echo)])
    Announcing(
        uvicorn.Config(
            application,
            port=int(sys.argv[1]),
            log_level="error",
            ws="websockets-sansio",
            ws_per_message_deflate=False,
        )
    ).run()
