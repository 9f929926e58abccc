"""Access to the page: hosts, origins, name and password, routes, and what requests may hold."""

from __future__ import annotations

import base64
import hmac
import ipaddress
import json
import re
import socket
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

from starlette.responses import PlainTextResponse

ALL_ADDRESSES = ("0.0.0.0", "::")  # noqa: S104 - compared, not bound
NETLOC = re.compile(r"(?:\[([0-9a-f:.]+)\]|([a-z0-9_][a-z0-9._-]*))(?::(\d{1,5}))?", re.IGNORECASE)
ORIGIN = re.compile(r"(https?)://([^/?#@\\]+)", re.IGNORECASE)
DEFAULT_PORTS = {"http": "80", "https": "443"}
SECURITY_HEADERS = (
    (
        b"content-security-policy",
        b"default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; frame-ancestors 'self'",
    ),
    (b"permissions-policy", b"camera=(self), microphone=()"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
)
# What the page asks for. Gradio offers more, such as files by their path and addresses to fetch.
GRADIO_API = "/gradio_api/"
READ_ROUTES = (
    *("/config", "/theme.css", "/assets/", "/static/", "/svelte/", "/favicon.ico"),
    *("/page/", "/teach/example"),
    *("/robots.txt", "/manifest.json", "/pwa_icon"),
    *(f"{GRADIO_API}{name}" for name in ("info", "queue/data", "heartbeat/", "startup-events")),
    *(f"{GRADIO_API}{name}" for name in ("upload_progress", "theme.css", "app_id")),
)
WRITE_ROUTES = (
    *("/camera/", "/teach/", "/profile/", "/feedback/", "/read"),
    *(f"{GRADIO_API}{name}" for name in ("upload", "queue/join", "cancel", "reset")),
)
MAX_BODY_BYTES = 64 * 1024  # of a request that carries neither a file nor a frame
MAX_BODY_DEPTH = 16  # of nested lists and dicts
# These have limits of their own.
LARGE_BODY_ROUTES = (
    *(f"{GRADIO_API}upload", "/read"),
    *("/camera/frame/", "/teach/frame/", "/profile/use"),
)


# ---- hosts and origins


class AllowedHosts:
    """The host names of the page; others may be DNS rebinding by another site.

    Args:
        bound: the address that the server listens on.
        extra: further names, such as those of a reverse proxy.

    Raises:
        ValueError: ``extra`` holds something other than host names.
    """

    def __init__(self, bound: str, extra: Sequence[str] = ()) -> None:
        wrong = [name for name in extra if not isinstance(name, str) or split_netloc(name) is None]
        if wrong:
            raise ValueError(
                f"serve.allowed_hosts holds {wrong[0]!r}; expected names without https:// and "
                "path, such as serve.allowed_hosts=[page.example.org]"
            )
        self.extra = {split_netloc(name)[0] for name in extra}  # type: ignore[index]
        self.bound = bound.lower()
        self.names = self.extra | {self.bound, "localhost"}
        if not _is_loopback(self.bound):
            host = socket.gethostname().lower()
            self.names |= {host, f"{host}.local", socket.getfqdn().lower()}

    def allows_host(self, netloc: str) -> bool:
        """Return whether a ``Host`` header names this page."""
        parts = split_netloc(netloc)
        return parts is not None and (parts[0] in self.names or self._is_own_address(parts[0]))

    def _is_own_address(self, name: str) -> bool:
        """Return whether a name is a numeric address of this machine, which cannot be rebound."""
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return False
        return self.bound in ALL_ADDRESSES or (address.is_loopback and _is_loopback(self.bound))

    def allows_origin(self, origin: str, netloc: str) -> bool:
        """Return whether a page of an origin may send requests to ``netloc``."""
        match = ORIGIN.fullmatch(origin)
        source, target = match and split_netloc(match[2]), split_netloc(netloc)
        if not match or not source or not target:
            return False
        port = DEFAULT_PORTS[match[1].lower()]
        is_same = (source[0], source[1] or port) == (target[0], target[1] or port)
        return is_same or source[0] in self.extra


def split_netloc(netloc: str) -> tuple[str, str] | None:
    """Return the lower-case host and the port, perhaps empty; None for anything else."""
    match = NETLOC.fullmatch(netloc)
    if match is None or (match[3] and int(match[3]) > 65535):
        return None
    return (match[1] or match[2]).lower().removesuffix("."), match[3] or ""


def _is_loopback(name: str) -> bool:
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"


# ---- requests


class AuthMiddleware:
    """ASGI middleware that refuses foreign hosts and origins, wrong passwords, unknown routes.

    Args:
        app: the application behind it.
        auth: ``user:password``, or None for no password.
        hosts: the names of the page.
        files: the only paths beside / that may be read; None for the routes of the page.
    """

    def __init__(
        self,
        app: Any,
        auth: str | None,
        hosts: AllowedHosts,
        files: Collection[str] | None = None,
    ) -> None:
        self.app, self.hosts, self.files = app, hosts, files
        self.expected = auth and b"Basic " + base64.b64encode(auth.encode())

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Pass on a request that is allowed, and add the security headers to the response."""
        if scope["type"] == "websocket":  # the page uses none
            await receive()
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_with_headers(message: Any) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *SECURITY_HEADERS]
            await send(message)

        refusal = self._check_request(scope)
        await (self.app if refusal is None else refusal)(scope, receive, send_with_headers)

    def _check_request(self, scope: Any) -> PlainTextResponse | None:
        """Return the response to a request that is refused; None if it is allowed."""
        hosts = _get_headers(scope, b"host")
        if len(hosts) != 1 or not self.hosts.allows_host(hosts[0]):
            return PlainTextResponse(
                "This host name is not allowed. To run the page behind a proxy or under another "
                "name, set serve.allowed_hosts=[that.name].",
                403,
            )
        if not self._is_authorized(scope):
            challenge = {"WWW-Authenticate": 'Basic realm="Unvoiced", charset="UTF-8"'}
            return PlainTextResponse("This page needs a name and a password.", 401, challenge)
        if self._is_cross_site(scope, hosts[0]):
            return PlainTextResponse("Pages of other sites may not use this page.", 403)
        return _check_route(scope["method"], scope["path"], self.files)

    def _is_authorized(self, scope: Any) -> bool:
        if not self.expected:
            return True
        given = [value.encode("latin-1") for value in _get_headers(scope, b"authorization")]
        return len(given) == 1 and hmac.compare_digest(given[0], self.expected)

    def _is_cross_site(self, scope: Any, netloc: str) -> bool:
        origins = _get_headers(scope, b"origin")
        if not all(self.hosts.allows_origin(origin, netloc) for origin in origins):
            return True
        sites = _get_headers(scope, b"sec-fetch-site")
        is_visit = scope["method"] in ("GET", "HEAD") and scope["path"] == "/"
        return not is_visit and any(site in ("cross-site", "same-site") for site in sites)


def _check_route(method: str, path: str, files: Collection[str] | None) -> PlainTextResponse | None:
    if method in ("GET", "HEAD"):
        is_known = path.startswith(READ_ROUTES) if files is None else path in files
        is_known |= path == "/"
        return None if is_known else PlainTextResponse("This page does not exist.", 404)
    if method == "POST" and files is None and path.startswith(WRITE_ROUTES):
        return None
    return PlainTextResponse("This method is not allowed here.", 405)


def _get_headers(scope: Any, name: bytes) -> list[str]:
    pairs: Iterable[tuple[bytes, bytes]] = scope["headers"]
    return [value.decode("latin-1") for key, value in pairs if key.lower() == name]


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
