"""A reverse proxy as a company has one: it says who the user is, and holds the key of the app."""

from __future__ import annotations

import asyncio
import re
import threading
from contextlib import suppress
from dataclasses import dataclass, field

from tests.servers import free_port

_OWN = re.compile(rb"(X-Forwarded-User|Authorization):", re.I)


@dataclass
class Proxy:
    """Passes requests on to a port; ``user`` is who has logged in to it."""

    target: int
    key: str
    user: str = ""
    port: int = field(default_factory=free_port)

    def start(self) -> None:
        """Serve in a thread that ends with the tests."""
        ready = threading.Event()
        threading.Thread(target=asyncio.run, args=(self._serve(ready),), daemon=True).start()
        assert ready.wait(10)

    async def _serve(self, ready: threading.Event) -> None:
        server = await asyncio.start_server(self._pass_on, "127.0.0.1", self.port)
        ready.set()
        await server.serve_forever()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            head = await reader.readuntil(b"\r\n\r\n")
            lines = [line for line in head.split(b"\r\n") if line and not _OWN.match(line)]
            if b"upgrade: websocket" not in head.lower():  # one request a connection
                lines = [line for line in lines if not line.lower().startswith(b"connection:")]
                lines.append(b"Connection: close")
            if self.user:
                lines.append(b"X-Forwarded-User: " + self.user.encode())
            lines.append(b"Authorization: token " + self.key.encode())
            there, back = await asyncio.open_connection("127.0.0.1", self.target)
            back.write(b"\r\n".join(lines) + b"\r\n\r\n")
            await asyncio.gather(_copy(reader, back), _copy(there, writer))


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while block := await reader.read(65536):
            writer.write(block)
            await writer.drain()
    with suppress(ConnectionError):
        writer.close()
