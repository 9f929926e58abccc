"""Read untrusted YAML files: plain data of bounded size, without interpolation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

MAX_BYTES = 1 << 20
MAX_DEPTH = 50
STARTS = (
    *(yaml.FlowSequenceStartToken, yaml.FlowMappingStartToken),
    *(yaml.BlockSequenceStartToken, yaml.BlockMappingStartToken),
)
ENDS = (yaml.FlowSequenceEndToken, yaml.FlowMappingEndToken, yaml.BlockEndToken)


def read_plain_yaml(path: Path) -> Any:
    """Return a file's plain data; ``${…}`` stays text.

    Raises:
        ValueError: too large, no YAML, or YAML with aliases or tags.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ValueError(f"larger than {MAX_BYTES >> 20} MiB")
        text = path.read_text(encoding="utf-8")
        aliases = _has_aliases(text)
        content = None if aliases else yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # UnicodeDecodeError too
        reason = " ".join(str(error).split())[:200]
        raise ValueError(f"{path} is no plain YAML: {reason}") from error
    if aliases:
        raise ValueError(f"{path} has YAML aliases, which no run writes; it was not read")
    return content


def _has_aliases(text: str) -> bool:
    """Return whether YAML has aliases, which can expand few lines to any size.

    Raises:
        ValueError: it is nested too deeply, which takes time and memory.
    """
    depth = 0
    for token in yaml.scan(text):
        depth += isinstance(token, STARTS) - isinstance(token, ENDS)
        if depth > MAX_DEPTH:
            raise ValueError(f"more than {MAX_DEPTH} levels")
        if isinstance(token, yaml.AliasToken):
            return True
    return False
