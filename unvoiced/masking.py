"""Hide passwords, tokens and credentials in commands and settings."""

from __future__ import annotations

import re
from typing import Any

# Settings with a name that marks the value as secret, as key=value and in {key: value}, and
# user:password@ in an address.
_NAME = r"(?:auth|\w*(?:password|passwd|passphrase|secret|token|credentials?|(?:api|access)_?key))"
_SECRET = re.compile(rf"([+~]{{0,2}}(?:[\w./@-]*[._/])?{_NAME}=).+", re.DOTALL | re.IGNORECASE)
_ENTRY = re.compile(
    rf"""(\b{_NAME}['"]?\s*:\s*)(?:'[^']*'|"[^"]*"|[^\s,}}\]][^,}}\]]*)""", re.IGNORECASE
)
_SECRET_NAME = re.compile(_NAME, re.IGNORECASE)
_URL_CREDENTIALS = re.compile(r"(\w://)[^/\s]*@")
MASK = "***"


def mask_secrets(arguments: list[str]) -> list[str]:
    """Return arguments without passwords, tokens, and credentials in addresses."""
    return [_mask_text(text) for text in arguments]


def mask_settings(settings: Any, name: str = "") -> Any:
    """Return a configuration as plain data without what ``mask_secrets`` hides."""
    if isinstance(settings, dict):
        return {key: mask_settings(value, str(key)) for key, value in settings.items()}
    if isinstance(settings, list):
        return [mask_settings(value, name) for value in settings]
    if _SECRET_NAME.fullmatch(name) and settings not in (None, "") and settings is not False:
        return MASK
    return _mask_text(settings) if isinstance(settings, str) else settings


def _mask_text(text: str) -> str:
    text = _ENTRY.sub(rf"\1{MASK}", _SECRET.sub(rf"\1{MASK}", text))
    return _URL_CREDENTIALS.sub(rf"\1{MASK}@", text)
