"""The page's ASGI application, its socket and its server."""

from __future__ import annotations

import errno
import logging
import signal
import socket
from typing import Any

from experiments.launch.console import logger

ANY_ADDRESS = ("0.0.0.0", "::")  # noqa: S104 - compared, not bound
OPEN_TO_OTHERS = (
    "All who can reach this machine may use the page. For a password, set "
    "UNVOICED_AUTH=user:password in the environment, or serve.auth_file=. Browsers on other "
    "machines give it a camera only behind https://; uploads work in any case."
)


def open_socket(host: str, port: int) -> socket.socket:
    """Return a listening socket at an address; port 0 is any free port.

    Raises:
        ValueError: the port is in use or not valid, or the address is not of this machine.
    """
    if isinstance(port, bool) or not isinstance(port, int) or not 0 <= port < 65536:
        raise ValueError(
            f"serve.port={port} is not valid; expected 1 to 65535, or 0 for any free port"
        )
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With TCP stated, asyncio disables Nagle's algorithm, which delays small answers by 40 ms.
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
        sock.listen(128)
    except OSError as error:
        sock.close()
        raise ValueError(_explain_bind_error(host, port, error)) from error
    return sock


def _explain_bind_error(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        free = port + 1 if port < 65535 else port - 1
        return f"serve.port={port} of {host} is already in use. Try serve.port={free}"
    if error.errno == errno.EACCES:
        return (
            f"serve.port={port} is reserved for the system; expected 1024 or more, such as "
            "serve.port=7860"
        )
    return (
        f"serve.host={host} is no address of this machine ({error.strerror}); expected "
        "127.0.0.1, or 0.0.0.0 to be reached from other machines"
    )


def make_server(app: Any, sock: socket.socket, **tls: Any) -> Any:
    """Return a Uvicorn server that prints its address; ``run(sockets=[sock])`` runs it.

    Args:
        app: the ASGI application.
        sock: that the server listens on.
        tls: what ``read_certificate`` returned.
    """
    import uvicorn

    from experiments.page.bodies import MAX_FRAME_BYTES

    host, port = sock.getsockname()[:2]
    name = "127.0.0.1" if host in ANY_ADDRESS else f"[{host}]" if ":" in host else host

    class AnnouncingServer(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            logger.info(f"Open {'https' if tls else 'http'}://{name}:{port}  (Ctrl-C ends it)")
            if host in ANY_ADDRESS:
                logger.info(OPEN_TO_OTHERS)

    grace_s = 2  # for open requests at the end
    # Uvicorn reports an error for every WebSocket that was refused with a response.
    logging.getLogger("uvicorn.error").addFilter(_is_no_refused_socket)
    return AnnouncingServer(
        uvicorn.Config(
            app,
            log_level="warning",
            timeout_graceful_shutdown=grace_s,
            ws="websockets-sansio",
            ws_max_size=MAX_FRAME_BYTES,
            ws_per_message_deflate=False,  # a small message could become a large one
            **tls,
        )
    )


def run_server(app: Any, sock: socket.socket, **tls: Any) -> None:
    """Serve until Ctrl-C, SIGTERM or the end of the terminal."""
    server = make_server(app, sock, **tls)
    handlers: dict[int, Any] = dict.fromkeys((signal.SIGINT, signal.SIGTERM), _ignore_signal)
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # as under nohup
        handlers[signal.SIGHUP] = server.handle_exit
    # Uvicorn raises the signal once more at its end, which must have no effect then.
    previous = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        server.run(sockets=[sock])
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
    logger.info("The page is closed.")


def _is_no_refused_socket(record: logging.LogRecord) -> bool:
    return not record.getMessage().startswith("ASGI callable returned without completing handshake")


def _ignore_signal(*_: Any) -> None:
    """Do nothing."""
