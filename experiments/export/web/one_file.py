"""``export.format=html``: the app as one file, which opens by a double click."""

from __future__ import annotations

import base64
import gzip
import hashlib
import os
from pathlib import Path

from experiments.export.web.about import get_web_stream
from experiments.export.web.app_files import AppSource, collect_parts, read_styles
from experiments.export.web.icons import draw_icon
from experiments.export.web.licenses import LICENSE_FILE, write_licenses
from experiments.export.web.markup import CLASSIC_SCRIPTS, read_web_file, render_index

# A page of file:// has no origin, so that 'self' would allow nothing: only this file's scripts
# and their unpacked parts.
POLICY = (
    "default-src 'none'; script-src {scripts} blob: 'wasm-unsafe-eval'; worker-src blob:; "
    "connect-src blob:; img-src blob: data:; media-src blob:; style-src {styles}; "
    "base-uri 'none'; form-action 'none'"
)
ICON_SIDE = 192
ESCAPES = str.maketrans("<", ",")  # the one digit of base 85 that could end an element


def write_one_file(source: AppSource, path: Path) -> str:
    """Write the app, and return its size in words.

    Raises:
        ValueError: a library cannot be fetched.
    """
    content = render_one_file(source).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")  # never half a file under its name
    try:
        partial.write_bytes(content)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return f"one file of {len(content) / 1e6:.1f} MB"


def render_one_file(source: AppSource) -> str:
    """Return the document with everything inside: parts are packed with gzip, in base 85."""
    model_name = get_web_stream(source.metadata["task"]).model_name
    parts = collect_parts(source) | {LICENSE_FILE: write_licenses(model_name).encode()}
    packed = [_pack_part(path, part) for path, part in parts.items()]
    styles = b"\n".join(read_styles().values()).decode()
    scripts = [read_web_file(name).decode() for name in CLASSIC_SCRIPTS]
    icon = base64.b64encode(draw_icon(ICON_SIDE)).decode()
    head = (
        f'<link rel="icon" href="data:image/png;base64,{icon}">\n  <style>{_close_safe(styles)}'
        "</style>"
    )
    elements = [*packed, *(f"<script>{_close_safe(text)}</script>" for text in scripts)]
    size_mb = sum(map(len, packed)) / 1e6
    return render_index(
        source.metadata,
        source.note,
        source.has_words,
        source.teaching,
        f"This file holds the whole app: {size_mb:.1f} MB.",
        POLICY.format(scripts=_list_hashes(scripts), styles=_list_hashes([styles])),
        head,
        "\n".join(elements),
    )


def _pack_part(path: str, content: bytes) -> str:
    packed = base64.b85encode(gzip.compress(content, 9, mtime=0)).decode().translate(ESCAPES)
    return f'<script type="text/plain" data-part="{path}">{packed}</script>'


def _list_hashes(texts: list[str]) -> str:
    """Return the sources of a policy that allow these inline scripts or styles alone."""
    digests = (hashlib.sha256(text.encode()).digest() for text in texts)
    return " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)


def _close_safe(text: str) -> str:
    assert "</" not in text, "a script or style that would end its own element"
    return text
