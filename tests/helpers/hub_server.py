"""A small server that speaks the protocol of a model hub, for one repository of files."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha1
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

COMMIT = "0123456789abcdef0123456789abcdef01234567"
NAME = "mylab/letters"


@dataclass
class Hub:
    """The files of ``mylab/letters`` at revisions main and v1, and what was asked for.

    Attributes:
        files: content by name.
        sizes: that the hub states instead of the true ones.
        status: of all answers, if it is not 200; with the code of the error.
        asked: the paths of all requests.
    """

    files: dict[str, bytes]
    sizes: dict[str, int] = field(default_factory=dict)
    status: int = 200
    error_code: str = ""
    asked: list[str] = field(default_factory=list)

    def answer(self, path: str) -> tuple[int, dict[str, str], bytes]:
        """Return status, headers and content of a path."""
        self.asked.append(path)
        if self.status != 200:
            return self.status, {"X-Error-Code": self.error_code, "X-Error-Message": "no"}, b"{}"
        place = path.partition("?")[0].removeprefix("/api/models")
        if not place.startswith(f"/{NAME}/"):
            return 404, {"X-Error-Code": "RepoNotFound", "X-Error-Message": "no"}, b"{}"
        kind, revision, *names = place.removeprefix(f"/{NAME}/").split("/")
        if revision not in ("main", "v1", COMMIT):
            return 404, {"X-Error-Code": "RevisionNotFound", "X-Error-Message": "no"}, b"{}"
        if kind == "resolve":
            return self._send_file("/".join(names))
        listed = self._list_files()
        info = {"id": NAME, "sha": COMMIT, "siblings": listed, "private": False, "tags": []}
        return 200, {}, json.dumps(listed if kind == "tree" else info).encode()

    def _list_files(self) -> list[dict[str, Any]]:
        return [
            {"type": "file", "path": name, "rfilename": name, "oid": sha1(content).hexdigest()}
            | {"blobId": sha1(content).hexdigest(), "size": self.sizes.get(name, len(content))}
            for name, content in self.files.items()
        ]

    def _send_file(self, name: str) -> tuple[int, dict[str, str], bytes]:
        if name not in self.files:
            return 404, {"X-Error-Code": "EntryNotFound"}, b""
        tag = f'"{sha1(self.files[name]).hexdigest()}"'
        return 200, {"ETag": tag, "X-Repo-Commit": COMMIT}, self.files[name]


@contextmanager
def serve_hub(hub: Hub) -> Iterator[str]:
    """Serve the files at the yielded address."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            status, headers, content = hub.answer(self.path)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(content)

        do_HEAD = do_GET  # noqa: N815 - the name that http.server looks for

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def read_files(folder: Path) -> dict[str, bytes]:
    """Return the files of a folder by name."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}
