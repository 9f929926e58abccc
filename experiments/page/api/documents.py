"""The description of the API: OpenAPI as JSON, and a page made from it, without scripts."""

from __future__ import annotations

import json
from html import escape
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.responses import HTMLResponse
from pydantic import BaseModel

from experiments.page.api.messages import MESSAGES, ErrorMessage, Message, StreamAnswer

PREFIX = "/api/"
TITLE = "Unvoiced"
STREAM_NOTE = (
    "A WebSocket. Send an image (JPEG, PNG or WebP) or samples (float32, little-endian, all "
    "channels of a sample together) as one binary message, and the messages below as text. Each "
    "message is answered before the next one is read; a header has no answer."
)
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>body {{ font: 16px/1.5 sans-serif; max-width: 50em; margin: auto; padding: 1em }}
pre {{ overflow: auto; padding: 0.6em; border: 1px solid }}</style></head>
<body><h1>{title}</h1><p>The same as JSON: <a href="openapi.json">openapi.json</a></p>
{body}</body></html>
"""


def add_document_routes(app: FastAPI) -> None:
    """Add the routes /api/openapi.json and /api/docs, of the routes that the app has so far."""
    schema = describe_api(app)
    page = render_page(schema)

    @app.get("/api/openapi.json", include_in_schema=False)
    def send_schema() -> dict[str, Any]:
        return schema

    @app.get("/api/docs", include_in_schema=False)
    def send_page() -> HTMLResponse:
        return HTMLResponse(page)


def describe_api(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI description, with the messages of the stream as ``x-stream``."""
    routes = [route for route in app.routes if getattr(route, "path", "").startswith(PREFIX)]
    schema = get_openapi(title=TITLE, version="1", routes=routes)
    sent: dict[str, Any] = {kind.__name__: kind.model_json_schema() for kind in Message.__args__}
    got: tuple[type[BaseModel], ...] = (StreamAnswer, ErrorMessage)
    schema["x-stream"] = {
        "path": f"{PREFIX}stream",
        "description": STREAM_NOTE,
        "sent": MESSAGES.json_schema(),
        "received": {kind.__name__: kind.model_json_schema() for kind in got},
        "messages": {name: part.get("description", "") for name, part in sent.items()},
    }
    return schema


def render_page(schema: dict[str, Any]) -> str:
    """Return the page of an OpenAPI description."""
    parts = [
        _render_section(f"{method.upper()} {path}", operation)
        for path, operations in schema["paths"].items()
        for method, operation in operations.items()
    ]
    stream = schema["x-stream"]
    parts.append(_render_section(f"WebSocket {stream['path']}", stream))
    parts.append(_render_section("Schemas", schema.get("components", {}).get("schemas", {})))
    return PAGE.format(title=escape(schema["info"]["title"]), body="\n".join(parts))


def _render_section(title: str, content: dict[str, Any]) -> str:
    text = content.get("description", "")
    described = f"<p>{escape(text)}</p>" if isinstance(text, str) else ""
    return f"<h2>{escape(title)}</h2>{described}<pre>{escape(json.dumps(content, indent=2))}</pre>"
