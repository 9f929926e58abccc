"""The host names of the page, and the origins whose pages may send requests to it."""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Sequence

ALL_ADDRESSES = ("0.0.0.0", "::")  # noqa: S104 - compared, not bound
NETLOC = re.compile(r"(?:\[([0-9a-f:.]+)\]|([a-z0-9_][a-z0-9._-]*))(?::(\d{1,5}))?", re.IGNORECASE)
ORIGIN = re.compile(r"(https?)://([^/?#@\\]+)", re.IGNORECASE)
DEFAULT_PORTS = {"http": "80", "https": "443"}


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
    """Return the lower-case host and the port, which may be empty; None for anything else."""
    match = NETLOC.fullmatch(netloc)
    if match is None or (match[3] and int(match[3]) > 65535):
        return None
    return (match[1] or match[2]).lower().removesuffix("."), match[3] or ""


def _is_loopback(name: str) -> bool:
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"
