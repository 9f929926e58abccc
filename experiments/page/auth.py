"""Who may use the page: hosts, origins, name and password, and the routes that it has."""

from __future__ import annotations

import base64
import hmac
import ipaddress
import re
import socket
from collections.abc import Iterable, Sequence
from typing import Any

from starlette.responses import PlainTextResponse

ALL_ADDRESSES = ("0.0.0.0", "::")  # noqa: S104 - compared, not bound
NETLOC = re.compile(r"(?:\[([0-9a-f:.]+)\]|([a-z0-9_][a-z0-9._-]*))(?::(\d{1,5}))?", re.IGNORECASE)
ORIGIN = re.compile(r"(https?)://([^/?#@\\]+)", re.IGNORECASE)
DEFAULT_PORTS = {"http": "80", "https": "443"}
# The browser itself asks nobody else for anything, and shows the page in nobody else's.
HEADERS = (
    (
        b"content-security-policy",
        b"default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; frame-ancestors 'self'",
    ),
    (b"permissions-policy", b"camera=(self), microphone=()"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
)
# What the page asks for. Gradio offers more, such as files by their path and addresses to fetch.
GRADIO = "/gradio_api/"
READ_ROUTES = (
    *("/config", "/theme.css", "/assets/", "/static/", "/svelte/", "/favicon.ico"),
    *("/robots.txt", "/manifest.json", "/pwa_icon"),
    *(f"{GRADIO}{name}" for name in ("info", "queue/data", "heartbeat/", "startup-events")),
    *(f"{GRADIO}{name}" for name in ("upload_progress", "theme.css", "app_id")),
)
WRITE_ROUTES = (
    "/camera/",
    *(f"{GRADIO}{name}" for name in ("upload", "queue/join", "cancel", "reset")),
)


class AllowedHosts:
    """The names by which the page may be called: a rebound name of another site is none of them.

    Args:
        bound: the address that the page listens at.
        extra: further names, those of a reverse proxy.

    Raises:
        ValueError: ``extra`` holds something else than names.
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
            own = socket.gethostname().lower()
            self.names |= {own, f"{own}.local", socket.getfqdn().lower()}

    def includes(self, netloc: str) -> bool:
        """Return whether the page is called so."""
        parts = split_netloc(netloc)
        return parts is not None and (parts[0] in self.names or self._is_own_address(parts[0]))

    def _is_own_address(self, name: str) -> bool:
        """Return whether this is a number of this machine; numbers cannot be rebound."""
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return False
        return self.bound in ALL_ADDRESSES or (address.is_loopback and _is_loopback(self.bound))

    def accept_origin(self, origin: str, netloc: str) -> bool:
        """Return whether a page of that origin may use this one, which was called ``netloc``."""
        match = ORIGIN.fullmatch(origin)
        parts = match and split_netloc(match[2])
        called = split_netloc(netloc)
        if not match or not parts or not called:
            return False
        default = DEFAULT_PORTS[match[1].lower()]
        same = (parts[0], parts[1] or default) == (called[0], called[1] or default)
        return same or parts[0] in self.extra


def split_netloc(netloc: str) -> tuple[str, str] | None:
    """Return the host in lower case and the port, which may be empty; None where it is neither."""
    match = NETLOC.fullmatch(netloc)
    if match is None or (match[3] and int(match[3]) > 65535):
        return None
    return (match[1] or match[2]).lower().removesuffix("."), match[3] or ""


def _is_loopback(name: str) -> bool:
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"


class AuthMiddleware:
    """Refuses other names, other sites' pages, wrong passwords and routes that the page lacks.

    Args:
        app: what is behind it.
        auth: ``user:password``, or None.
        hosts: how the page may be called.
    """

    def __init__(self, app: Any, auth: str | None, hosts: AllowedHosts) -> None:
        self.app, self.hosts = app, hosts
        self.expected = auth and b"Basic " + base64.b64encode(auth.encode())

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer as an ASGI application."""
        if scope["type"] == "websocket":  # the page uses none
            await receive()
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_on(message: Any) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *HEADERS]
            await send(message)

        refusal = self._refusal(scope)
        await (self.app if refusal is None else refusal)(scope, receive, send_on)

    def _refusal(self, scope: Any) -> PlainTextResponse | None:
        headers = scope["headers"]
        names = _values(headers, b"host")
        if len(names) != 1 or not self.hosts.includes(names[0]):
            return PlainTextResponse(
                "This page is not called so. Who runs it behind a proxy or under another name "
                "sets serve.allowed_hosts=[that.name].",
                403,
            )
        given = [value.encode("latin-1") for value in _values(headers, b"authorization")]
        if self.expected and not (len(given) == 1 and hmac.compare_digest(given[0], self.expected)):
            ask = {"WWW-Authenticate": 'Basic realm="Unvoiced", charset="UTF-8"'}
            return PlainTextResponse("This page needs a name and a password.", 401, ask)
        if self._is_foreign(scope, names[0]):
            return PlainTextResponse("Another site's page may not use this one.", 403)
        return _refuse_route(scope["method"], scope["path"])

    def _is_foreign(self, scope: Any, netloc: str) -> bool:
        origins = _values(scope["headers"], b"origin")
        if not all(self.hosts.accept_origin(origin, netloc) for origin in origins):
            return True
        sites = _values(scope["headers"], b"sec-fetch-site")
        is_visit = scope["method"] in ("GET", "HEAD") and scope["path"] == "/"
        return not is_visit and any(site in ("cross-site", "same-site") for site in sites)


def _refuse_route(method: str, path: str) -> PlainTextResponse | None:
    if method in ("GET", "HEAD"):
        fits = path == "/" or path.startswith(READ_ROUTES)
        return None if fits else PlainTextResponse("There is no such page.", 404)
    if method == "POST" and path.startswith(WRITE_ROUTES):
        return None
    return PlainTextResponse("Nothing is taken here.", 405)


def _values(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> list[str]:
    return [value.decode("latin-1") for key, value in headers if key.lower() == name]
