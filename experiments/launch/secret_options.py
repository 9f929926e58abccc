"""Options that must not be written to a run folder, as Hydra does with others."""

from __future__ import annotations

import os
import re

AUTH_VARIABLE = "UNVOICED_AUTH"
_AUTH = re.compile(r"\+{0,2}(?:serve\.)?auth=(.*)", re.DOTALL)


def hide_auth(arguments: list[str]) -> list[str]:
    """Move ``serve.auth=`` from the command line to an environment variable."""
    kept = []
    for argument in arguments:
        match = _AUTH.fullmatch(argument)
        if match is None:
            kept.append(argument)
        elif match[1] in ("null", ""):
            os.environ.pop(AUTH_VARIABLE, None)
        else:
            os.environ[AUTH_VARIABLE] = _resolve_value(match[1])
    return kept


def _resolve_value(value: str) -> str:
    """Return a value without quotes and with ``${oc.env:NAME}`` resolved."""
    from omegaconf import OmegaConf

    if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
        value = value[1:-1]
    if "${oc.env:" not in value:
        return value
    return str(OmegaConf.create({"auth": value}).auth)
