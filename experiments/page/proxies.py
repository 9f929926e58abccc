"""Requests that a reverse proxy passes on from a path of its host, such as /signs/."""

from __future__ import annotations

import re
from typing import Any

from starlette.responses import JSONResponse

PREFIX_HEADER = b"x-forwarded-prefix"
# Gradio would take the page's address from them instead of ``Host``, which is checked.
UNUSED_HEADERS = (b"x-forwarded-host", b"x-gradio-server")
PREFIX = re.compile(r"(/[\w.~-]+)*/?", re.ASCII)
INVALID_PREFIX = (
    "The header X-Forwarded-Prefix is not valid; expected the path that the proxy has removed, "
    "once, such as /signs."
)


class PrefixMiddleware:
    """ASGI middleware that passes on which path a proxy has removed from addresses.

    Args:
        app: the application behind it, which makes addresses that begin with this path.
    """

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Pass on a request with the prefix that it states."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        pairs: list[tuple[bytes, bytes]] = scope["headers"]
        stated = [value.decode("latin-1") for name, value in pairs if name == PREFIX_HEADER]
        if len(stated) > 1 or not all(map(is_prefix, stated)):
            if scope["type"] == "websocket":
                await receive()
            await JSONResponse({"error": INVALID_PREFIX}, 400)(scope, receive, send)
            return
        prefix = "".join(stated).rstrip("/")
        headers = [pair for pair in pairs if pair[0] not in UNUSED_HEADERS]
        path = {"root_path": prefix, "path": prefix + scope["path"]}  # as ASGI defines them
        await self.app({**scope, **path, "headers": headers}, receive, send)


def is_prefix(text: str) -> bool:
    """Return whether a text is a plain path without steps upwards."""
    return bool(PREFIX.fullmatch(text)) and not {".", ".."} & set(text.split("/"))
