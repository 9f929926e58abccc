"""What requests may hold: bounded bodies, and no files but those that were uploaded."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

from starlette.responses import PlainTextResponse

MOST_BYTES = 64 * 1024  # of a request that carries neither a file nor a frame
MOST_DEPTH = 16  # of lists and dicts in each other
UNBOUNDED_HERE = ("/gradio_api/upload", "/camera/frame/")  # these count for themselves


class BodyMiddleware:
    """Refuses long requests, and those that name files or addresses which nobody uploaded.

    Args:
        app: what is behind it.
        folder: of the uploads.
        functions: the numbers of the page's functions.
    """

    def __init__(self, app: Any, folder: Path, functions: Collection[int]) -> None:
        self.app, self.folder, self.functions = app, folder.resolve(), functions

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer as an ASGI application."""
        if (
            scope["type"] != "http"
            or scope["method"] != "POST"
            or scope["path"].startswith(UNBOUNDED_HERE)
        ):
            await self.app(scope, receive, send)
            return
        body = await _read_body(receive)
        if body is None:
            return  # the client left
        refusal = self._refusal(scope["path"], body)
        if refusal is not None:
            await PlainTextResponse(refusal, 422)(scope, receive, send)
            return
        waiting = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive_again() -> Any:
            return waiting.pop() if waiting else await receive()

        await self.app(scope, receive_again, send)

    def _refusal(self, path: str, body: bytes) -> str | None:
        if len(body) > MOST_BYTES:
            return f"The request is larger than {MOST_BYTES // 1024} kB."
        if not path.startswith("/gradio_api/"):
            return None
        try:
            content = json.loads(body or b"{}")
            number = content.get("fn_index", 0) if isinstance(content, dict) else None
            if type(number) is not int or number not in self.functions:
                return "The page has no such function."
            return self._refuse_values(content)
        except (ValueError, RecursionError):
            return "The request is not JSON."

    def _refuse_values(self, value: Any, depth: int = 0) -> str | None:
        if depth > MOST_DEPTH:
            return "The request holds too many lists in each other."
        if isinstance(value, dict):
            if "path" in value and not self._was_uploaded(value["path"]):
                return "The request names a file that was not uploaded."
            value = list(value.values())
        if not isinstance(value, list):
            return None
        refusals = (self._refuse_values(item, depth + 1) for item in value)
        return next((refusal for refusal in refusals if refusal), None)

    def _was_uploaded(self, path: Any) -> bool:
        if path is None:
            return True
        if not isinstance(path, str) or "\0" in path:
            return False
        try:
            return Path(path).resolve().is_relative_to(self.folder) and Path(path).is_absolute()
        except OSError:
            return False


async def _read_body(receive: Any) -> bytes | None:
    """Return the body, or as much of it as shows that it is too long; None where it breaks off."""
    body = b""
    while len(body) <= MOST_BYTES:
        message = await receive()
        if message["type"] != "http.request":
            return None
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    return body
