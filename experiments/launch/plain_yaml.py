"""YAML files that may come from anyone: plain data of bounded size, and nothing resolved."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

MAX_BYTES = 1 << 20


def read_plain_yaml(path: Path) -> Any:
    """Return a file's dicts, lists, texts and numbers; ``${…}`` stays the text that it is.

    Raises:
        ValueError: too large, no YAML, or YAML with aliases or tags.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ValueError(f"larger than {MAX_BYTES >> 20} MiB")
        text = path.read_text(encoding="utf-8")
        # This suite writes none, and a stranger's few lines of them may grow without end.
        aliases = any(isinstance(token, yaml.AliasToken) for token in yaml.scan(text))
        content = None if aliases else yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # UnicodeDecodeError too
        reason = " ".join(str(error).split())[:200]
        raise ValueError(f"{path} is no plain YAML: {reason}") from error
    if aliases:
        raise ValueError(f"{path} has YAML aliases, which no run writes; it was not read")
    return content
