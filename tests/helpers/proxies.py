"""A small reverse proxy, which serves another server below a path of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

LOST = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class PathProxy:
    """Passes on requests below a prefix, which it removes, and refuses others.

    Args:
        target: address of the other server.
        prefix: such as /signs.

    Attributes:
        outside: the paths that were asked for and are not below the prefix.
    """

    def __init__(self, target: str, prefix: str) -> None:
        self.port_behind, self.prefix = urlsplit(target).port, prefix
        self.outside: list[str] = []

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass on the only request of a connection; what follows an upgrade is passed on too."""
        with suppress(OSError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            method, path, rest = head.split(" ", 2)
            if not path.startswith(f"{self.prefix}/"):
                self.outside.append(path)
                writer.write(LOST)
            else:
                behind = await asyncio.open_connection("127.0.0.1", self.port_behind)
                request = f"{method} {path.removeprefix(self.prefix)} {self.change_headers(rest)}"
                behind[1].write(request.encode("latin-1"))
                await asyncio.gather(copy(reader, behind[1]), copy(behind[0], writer))
        writer.close()

    def change_headers(self, text: str) -> str:
        """Return the headers with those of a proxy; one connection per request unless upgraded."""
        first, *lines = text.strip().split("\r\n")
        if not any(line.lower().startswith("upgrade:") for line in lines):
            lines = [line for line in lines if not line.lower().startswith("connection:")]
            lines.append("Connection: close")
        lines += [f"X-Forwarded-Prefix: {self.prefix}", "X-Forwarded-Proto: http"]
        return "\r\n".join([first, *lines, "", ""])


async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass on all bytes, then the end."""
    with suppress(OSError):
        while content := await reader.read(65536):
            writer.write(content)
            await writer.drain()
        writer.write_eof()


@contextmanager
def serve_below(target: str, prefix: str) -> Iterator[tuple[str, list[str]]]:
    """Serve a server below a path; yield the address, and the paths outside that were asked for."""
    proxy, ready = PathProxy(target, prefix), threading.Event()
    running: list[tuple[asyncio.AbstractEventLoop, asyncio.Event, int]] = []

    async def serve() -> None:
        server, end = await asyncio.start_server(proxy.answer, "127.0.0.1", 0), asyncio.Event()
        running.append((asyncio.get_running_loop(), end, server.sockets[0].getsockname()[1]))
        ready.set()
        await end.wait()
        server.close()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    ready.wait()
    loop, end, port = running[0]
    try:
        yield f"http://127.0.0.1:{port}{prefix}/", proxy.outside
    finally:
        loop.call_soon_threadsafe(end.set)
        thread.join()
