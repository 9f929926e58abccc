"""Limits on the bodies of requests."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

from starlette.responses import PlainTextResponse

GRADIO_API = "/gradio_api/"
MAX_BODY_BYTES = 64 * 1024  # of a request that carries neither a file nor a frame
MAX_BODY_DEPTH = 16  # of nested lists and dicts
# These have limits of their own.
LARGE_BODY_ROUTES = (
    *(f"{GRADIO_API}upload", "/read", "/api/read"),
    *("/camera/frame/", "/teach/frame/", "/profile/use"),
)


class BodyMiddleware:
    """ASGI middleware that refuses long bodies, and files that were not uploaded.

    Args:
        app: the application behind it.
        folder: of the uploads.
        functions: the numbers of the page's Gradio functions.
    """

    def __init__(self, app: Any, folder: Path, functions: Collection[int]) -> None:
        self.app, self.folder, self.functions = app, folder.resolve(), functions

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Pass on a request whose body is allowed."""
        is_small_post = scope["type"] == "http" and scope["method"] == "POST"
        if not is_small_post or scope["path"].startswith(LARGE_BODY_ROUTES):
            await self.app(scope, receive, send)
            return
        body = await _read_body(receive)
        if body is None:
            return  # the client disconnected
        refusal = self._check_body(scope["path"], body)
        if refusal is not None:
            await PlainTextResponse(refusal, 422)(scope, receive, send)
            return
        messages = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive_again() -> Any:
            return messages.pop() if messages else await receive()

        await self.app(scope, receive_again, send)

    def _check_body(self, path: str, body: bytes) -> str | None:
        """Return why a body is refused; None if it is allowed."""
        if len(body) > MAX_BODY_BYTES:
            return f"The request is larger than {MAX_BODY_BYTES // 1024} kB."
        if not path.startswith(GRADIO_API):
            return None
        try:
            content = json.loads(body or b"{}")
            number = content.get("fn_index", 0) if isinstance(content, dict) else None
            if type(number) is not int or number not in self.functions:
                return "The page has no such function."
            return self._check_value(content)
        except (ValueError, RecursionError):
            return "The request is not JSON."

    def _check_value(self, value: Any, depth: int = 0) -> str | None:
        if depth > MAX_BODY_DEPTH:
            return "The request holds too many nested lists."
        if isinstance(value, dict):
            if "path" in value and not self._is_uploaded(value["path"]):
                return "The request names a file that was not uploaded."
            value = list(value.values())
        if not isinstance(value, list):
            return None
        refusals = (self._check_value(item, depth + 1) for item in value)
        return next((refusal for refusal in refusals if refusal), None)

    def _is_uploaded(self, path: Any) -> bool:
        if path is None:
            return True
        if not isinstance(path, str) or "\0" in path:
            return False
        try:
            return Path(path).resolve().is_relative_to(self.folder) and Path(path).is_absolute()
        except OSError:
            return False


async def _read_body(receive: Any) -> bytes | None:
    """Return the body, at most one message beyond the limit; None if the client disconnects."""
    body = b""
    while len(body) <= MAX_BODY_BYTES:
        message = await receive()
        if message["type"] != "http.request":
            return None
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    return body
