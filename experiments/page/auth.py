"""Access to the page: hosts, origins, name and password, and routes."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Collection, Iterable
from typing import Any

from starlette.responses import JSONResponse, PlainTextResponse, Response

from experiments.page.hosts import AllowedHosts

PAGE_POLICY = "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:"
SECURITY_HEADERS = (
    (b"permissions-policy", b"camera=(self), microphone=()"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
)
# Routes of the page. Gradio offers more, such as files by their path and addresses to fetch.
GRADIO_API = "/gradio_api/"
API = "/api/"  # of other programs
READ_ROUTES = (
    *("/config", "/theme.css", "/assets/", "/static/", "/svelte/", "/favicon.ico"),
    *("/page/", "/teach/example"),
    *("/robots.txt", "/manifest.json", "/pwa_icon"),
    *(f"{GRADIO_API}{name}" for name in ("info", "queue/data", "heartbeat/", "startup-events")),
    *(f"{GRADIO_API}{name}" for name in ("upload_progress", "theme.css", "app_id")),
    *(f"{API}{name}" for name in ("model", "docs", "openapi.json")),
)
WRITE_ROUTES = (
    *("/camera/", "/teach/", "/profile/", "/feedback/", "/read", f"{API}read"),
    *(f"{GRADIO_API}{name}" for name in ("upload", "queue/join", "cancel", "reset")),
)
SOCKET_ROUTE = f"{API}stream"


class AuthMiddleware:
    """ASGI middleware that refuses foreign hosts and origins, wrong passwords, unknown routes.

    Args:
        app: the application behind it.
        auth: ``user:password``, or None for no password.
        hosts: the names of the page.
        files: the only readable paths in addition to /; None for the routes of the page.
        policy: content security policy of the document.
    """

    def __init__(
        self,
        app: Any,
        auth: str | None,
        hosts: AllowedHosts,
        files: Collection[str] | None = None,
        policy: str = PAGE_POLICY,
    ) -> None:
        self.app, self.hosts, self.files = app, hosts, files
        framed = f"{policy}; frame-ancestors 'self'".encode()
        self.headers = ((b"content-security-policy", framed), *SECURITY_HEADERS)
        self.expected = auth and b"Basic " + base64.b64encode(auth.encode())

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Pass on a request that is allowed, and add the security headers to the response."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return

        async def send_with_headers(message: Any) -> None:
            if message["type"].endswith("http.response.start"):
                message["headers"] = [*message["headers"], *self.headers]
            await send(message)

        refusal = self._check_request(scope)
        if refusal is not None and scope["type"] == "websocket":
            await receive()
        await (self.app if refusal is None else refusal)(scope, receive, send_with_headers)

    def _check_request(self, scope: Any) -> Response | None:
        """Return the response to a request that is refused; None if it is allowed."""
        path = scope["path"]
        hosts = _get_headers(scope, b"host")
        if len(hosts) != 1 or not self.hosts.allows_host(hosts[0]):
            sentence = (
                "This host name is not allowed. To run the page behind a proxy or under another "
                "name, set serve.allowed_hosts=[that.name]."
            )
            return _refuse(path, sentence, 403)
        if not self._is_authorized(scope):
            challenge = {"WWW-Authenticate": 'Basic realm="Unvoiced", charset="UTF-8"'}
            return _refuse(path, "This page needs a name and a password.", 401, challenge)
        if self._is_cross_site(scope, hosts[0]):
            return _refuse(path, "Pages of other sites may not use this page.", 403)
        return _check_route(scope, self.files)

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
        is_visit = scope.get("method") in ("GET", "HEAD") and scope["path"] == "/"
        return not is_visit and any(site in ("cross-site", "same-site") for site in sites)


def _check_route(scope: Any, files: Collection[str] | None) -> Response | None:
    path, method = scope["path"], scope.get("method")
    if scope["type"] == "websocket":
        is_known = files is None and path == SOCKET_ROUTE
        return None if is_known else _refuse(path, "There is no WebSocket here.", 404)
    if method in ("GET", "HEAD"):
        is_known = path.startswith(READ_ROUTES) if files is None else path in files
        is_known |= path == "/"
        return None if is_known else _refuse(path, "This page does not exist.", 404)
    if method == "POST" and files is None and path.startswith(WRITE_ROUTES):
        return None
    return _refuse(path, "This method is not allowed here.", 405)


def _refuse(
    path: str, sentence: str, status: int, headers: dict[str, str] | None = None
) -> Response:
    """Return a refusal, as JSON where programs ask."""
    if path.startswith(API):
        return JSONResponse({"error": sentence}, status, headers)
    return PlainTextResponse(sentence, status, headers)


def _get_headers(scope: Any, name: bytes) -> list[str]:
    pairs: Iterable[tuple[bytes, bytes]] = scope["headers"]
    return [value.decode("latin-1") for key, value in pairs if key.lower() == name]
