"""Options that no file of a run may hold: Hydra writes all others to the run folder."""

from __future__ import annotations

import os
import re

AUTH_VARIABLE = "UNVOICED_AUTH"
_AUTH = re.compile(r"\+{0,2}(?:serve\.)?auth=(.*)", re.DOTALL)


def hide_auth(arguments: list[str]) -> list[str]:
    """Move ``serve.auth=`` from the command line to an environment variable of this process."""
    kept = []
    for argument in arguments:
        match = _AUTH.fullmatch(argument)
        if match is None:
            kept.append(argument)
        elif match[1] in ("null", ""):
            os.environ.pop(AUTH_VARIABLE, None)
        else:
            os.environ[AUTH_VARIABLE] = _resolved(match[1])
    return kept


def _resolved(value: str) -> str:
    """Return the value without quotes, and with interpolations such as ``${oc.env:NAME}``."""
    from omegaconf import OmegaConf

    if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
        value = value[1:-1]
    if "${oc.env:" not in value:
        return value
    return str(OmegaConf.create({"auth": value}).auth)
