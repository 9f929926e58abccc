"""``ckpt_path=hf://owner/name@revision``: fetch a model from a model hub into the hub's cache.

Only two files of fixed names are fetched, each up to a limit. They are read as any file of a
stranger: see ``hub_folder``.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from experiments.checkpoints.hub_folder import (
    CONFIG_NAME,
    MAX_CONFIG_BYTES,
    MAX_WEIGHTS_BYTES,
    WEIGHTS_NAME,
)
from experiments.launch.console import logger

PREFIX = "hf://"
KEYS = ("ckpt_path", "init_from")
REFERENCE = re.compile(r"hf://[^\s,\[\]'\"]*")
PARTS = re.compile(r"hf://([\w.-]{1,96}/[\w.-]{1,96})(?:@([\w.][\w./-]{0,200}))?", re.ASCII)
COMMIT = re.compile(r"[0-9a-f]{40}")
LIMITS = {CONFIG_NAME: MAX_CONFIG_BYTES, WEIGHTS_NAME: MAX_WEIGHTS_BYTES}
DEFAULT_REVISION, TIMEOUT_S = "main", 10.0
CREDENTIALS = re.compile(r"(//)[^/@]*@")  # in an address, which messages leave out
FOREIGN_ERRORS = (ValueError, TypeError, KeyError, AttributeError, RecursionError)  # other JSON


def fetch_named_models(arguments: list[str]) -> list[str]:
    """Return a command with the folders of fetched models in place of their ``hf://`` names.

    Raises:
        ValueError: a name is not valid, or its model cannot be fetched.
    """
    return [_fetch_named(argument) for argument in arguments]


def _fetch_named(argument: str) -> str:
    key, _, value = argument.partition("=")
    if key.lstrip("+") not in KEYS or PREFIX not in value:
        return argument
    return f"{key}={REFERENCE.sub(lambda match: str(fetch_model(match[0])), value)}"


def fetch_model(reference: str) -> Path:
    """Return the folder of a model in the hub's cache, fetched if it is not there.

    Args:
        reference: ``hf://owner/name`` or ``hf://owner/name@revision``, a branch, tag or commit.

    Raises:
        ValueError: with the problem and its solution.
    """
    match = PARTS.fullmatch(reference)
    if match is None or ".." in reference:
        raise ValueError(
            f"ckpt_path={reference} is not valid; expected hf://owner/name or "
            "hf://owner/name@revision, such as hf://mylab/letters@v1"
        )
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")  # read when the library is imported
    try:
        import huggingface_hub  # noqa: F401
        import safetensors  # noqa: F401
    except ImportError:
        raise ValueError(
            f'ckpt_path={reference} needs huggingface-hub: pip install -e ".[hub]"'
        ) from None
    folder = _fetch_folder(match[1], match[2] or DEFAULT_REVISION, f"ckpt_path={reference}")
    logger.info(f"{reference}: commit {folder.name[:12]}, in {folder}")
    return folder


def _fetch_folder(name: str, revision: str, place: str) -> Path:
    """Return the folder, of the network or of the cache."""
    from huggingface_hub import constants, errors, snapshot_download

    endpoint = os.environ.get("HF_ENDPOINT") or constants.ENDPOINT
    shown = CREDENTIALS.sub(r"\1", endpoint)
    commit, reason = _check_model(name, revision, place, (endpoint, shown))
    try:
        folder = snapshot_download(
            name,
            revision=commit or revision,  # a commit: the library asks for no other one
            allow_patterns=list(LIMITS),
            local_files_only=bool(reason),
            library_name="unvoiced",
            endpoint=endpoint,
        )
    except errors.LocalEntryNotFoundError as error:
        raise ValueError(
            f"{place} cannot be fetched from {shown} ({reason or _shorten_error(error)}), and is "
            f"not in the cache {constants.HF_HUB_CACHE}. Connect to the network, or name a file"
        ) from None
    except (errors.HTTPError, OSError, *FOREIGN_ERRORS) as error:
        raise ValueError(
            f"{place} cannot be fetched from {shown} ({_shorten_error(error)})"
        ) from None
    if commit and revision != commit:
        _remember_revision(Path(folder), revision)
    return Path(folder)


def _remember_revision(folder: Path, revision: str) -> None:
    """Write the commit of a revision where the library looks for it without a network."""
    path = folder.parents[1] / "refs" / revision
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(folder.name, encoding="utf-8")


def _check_model(
    name: str, revision: str, place: str, addresses: tuple[str, str]
) -> tuple[str, str]:
    """Check the hub's facts on a model; return its commit, and why there is none.

    Args:
        addresses: of the hub, and as it is shown.
    """
    from huggingface_hub import HfApi, errors

    api = HfApi(endpoint=addresses[0], library_name="unvoiced")
    try:
        info = api.model_info(name, revision=revision, timeout=TIMEOUT_S, files_metadata=True)
    except errors.HfHubHTTPError as error:
        raise ValueError(_explain_error(error, name, revision, place, addresses[1])) from None
    except (errors.HTTPError, errors.OfflineModeIsEnabled) as error:
        return "", _shorten_error(error)
    except FOREIGN_ERRORS as error:
        raise ValueError(
            f"{place}: {addresses[1]} answers as no hub does ({_shorten_error(error)})"
        ) from None
    _check_sizes(info, place)
    return info.sha, ""


def _shorten_error(error: Exception) -> str:
    return str(error).partition("\n")[0][:200] or type(error).__name__


def _check_sizes(info: Any, place: str) -> None:
    """Refuse a model without the files that are needed, or with too large ones."""
    if not COMMIT.fullmatch(str(info.sha)):  # it becomes the name of a folder
        raise ValueError(f"{place}: the hub states no commit")
    sizes = {one.rfilename: one.size for one in info.siblings or ()}
    missing = [name for name in LIMITS if not isinstance(sizes.get(name), int)]
    if missing:
        raise ValueError(
            f"{place} has no {' and no '.join(missing)}; expected a model that export.format=hub "
            "wrote"
        )
    for name, limit in LIMITS.items():
        if sizes[name] > limit:
            raise ValueError(
                f"{place}: its {name} has {sizes[name] / 1e6:,.0f} MB; expected at most "
                f"{limit / 1e6:,.0f} MB"
            )


def _explain_error(error: Any, name: str, revision: str, place: str, endpoint: str) -> str:
    """Return the error of a hub's answer, and its solution."""
    from huggingface_hub import errors

    if isinstance(error, errors.RevisionNotFoundError):
        return f"{place}: {name} has no revision {revision}. Name a branch, a tag or a commit"
    if isinstance(error, errors.GatedRepoError):
        return f"{place} asks for consent. Give it on {endpoint}/{name}, and log in: hf auth login"
    status = error.response.status_code
    if isinstance(error, errors.RepositoryNotFoundError) or status in (401, 403, 404):
        return (
            f"{place}: {endpoint} has no model {name}, or it is private. Check the name; for a "
            "private one log in first: hf auth login"
        )
    return f"{place}: {endpoint} answered with the error {status}. Try later"
