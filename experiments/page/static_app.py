"""The ASGI application of ``serve.engine=browser``: the files of the web app, and nothing else."""

from __future__ import annotations

import mimetypes
from pathlib import Path
from typing import Any

from experiments.page.auth import AuthMiddleware
from experiments.page.hosts import AllowedHosts

TYPES = {  # of the system's registry may be others, which browsers refuse
    ".js": "text/javascript",
    ".wasm": "application/wasm",
    ".webmanifest": "application/manifest+json",
}


def create_static_app(folder: Path, auth: str | None, hosts: AllowedHosts, policy: str) -> Any:
    """Return an application that sends the files of a folder to permitted clients.

    Args:
        folder: of the app.
        auth: ``user:password``, or None.
        hosts: the names of the page.
        policy: of the app, as a content security policy; workers need it as a header.
    """
    from starlette.staticfiles import StaticFiles  # comes with Gradio

    class FreshFiles(StaticFiles):
        """Files that browsers keep, and ask for again: another model may be served later."""

        def file_response(self, *args: Any, **options: Any) -> Any:
            response = super().file_response(*args, **options)
            response.headers["cache-control"] = "no-cache"
            return response

    for suffix, kind in TYPES.items():
        mimetypes.add_type(kind, suffix)
    paths = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    app = FreshFiles(directory=folder, html=True)
    return AuthMiddleware(app, auth, hosts, tuple(f"/{path}" for path in paths), policy)
