"""Options that must not be written to a run folder, as Hydra does with others."""

from __future__ import annotations

import os
import re
from typing import Any

AUTH_VARIABLE = "UNVOICED_AUTH"
# Settings whose name says that the value is secret, and user:password@ in an address.
_SECRET = re.compile(
    r"([+~]{0,2}(?:[\w./@-]*[._/])?(?:auth|\w*(?:password|passwd|secret|token|api_?key))=).+",
    re.DOTALL | re.IGNORECASE,
)
_URL_CREDENTIALS = re.compile(r"(\w://)[^/@\s]+@")
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


def mask_secrets(arguments: list[str]) -> list[str]:
    """Return arguments without passwords, tokens, and credentials in addresses."""
    return [_URL_CREDENTIALS.sub(r"\1***@", _SECRET.sub(r"\1***", text)) for text in arguments]


def mask_settings(settings: Any, name: str = "") -> Any:
    """Return a configuration as plain data without what ``mask_secrets`` hides."""
    if isinstance(settings, dict):
        return {key: mask_settings(value, str(key)) for key, value in settings.items()}
    if isinstance(settings, list):
        return [mask_settings(value, name) for value in settings]
    if isinstance(settings, str):
        return mask_secrets([f"{name}={settings}"])[0].removeprefix(f"{name}=")
    return settings
