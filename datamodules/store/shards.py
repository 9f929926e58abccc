"""Shards of a preparation: parts of the recordings, which several machines prepare at a time.

A shard is a consecutive part of the list of recordings, in a separate folder below the set. All
shards in order hold the samples that one process would write.
"""

from __future__ import annotations

import hashlib
import platform
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from datamodules.readers.base import Item
from datamodules.store.dataset import read_meta
from datamodules.store.locks import LOCK_NAME, is_locked_by, read_owner
from datamodules.store.recovery import is_prepared, list_differences
from datamodules.store.samples import META_NAME, SHARDS_NAME, Description

MAX_SHARDS = 100_000
SHARD_KEY = "shard"  # of a shard's meta.json
OUTCOMES_KEY = "outcomes"  # the number of samples and rejections of a complete shard
PACKAGES = ("numpy", "scipy", "opencv-python", "mediapipe", "unvoiced")
_TEXT = re.compile(r"(\d{1,6})(?:/(\d{1,6}))?")
_FOLDER = re.compile(r"(\d{5,6})-of-(\d{5,6})")


@dataclass(frozen=True)
class Shard:
    """The part ``index``, from 0, of ``count`` parts."""

    index: int
    count: int

    def __str__(self) -> str:
        return f"{self.index} of {self.count}"

    def locate(self, data_dir: Path) -> Path:
        """Return the folder of the shard of a set."""
        return data_dir / SHARDS_NAME / f"{self.index:05d}-of-{self.count:05d}"

    def select(self, items: Sequence[Item]) -> list[Item]:
        """Return the items of the shard: neighbours, since readers keep the last file open."""
        first, stop = (len(items) * i // self.count for i in (self.index, self.index + 1))
        return list(items[first:stop])


def parse_shard(shard: int | str | None, num_shards: int | None) -> Shard | None:
    """Return the shard of ``prepare.shard=`` and ``prepare.num_shards=``; None without one.

    Raises:
        ValueError: the number of shards is missing or stated twice, or the shard does not exist.
    """
    if shard is None:
        return None
    match = _TEXT.fullmatch(str(shard))
    if match is None:
        raise ValueError(f"prepare.shard={shard} is not valid; expected such as 3/8 or 3")
    stated = None if match[2] is None else int(match[2])
    if stated is not None and num_shards not in (None, stated):
        raise ValueError(
            f"prepare.shard={shard} and prepare.num_shards={num_shards} state two numbers of "
            "shards; expected one"
        )
    count = num_shards if stated is None else stated
    if count is None:
        raise ValueError(
            f"prepare.shard={shard} needs the number of shards: prepare.num_shards=8, or "
            f"prepare.shard={match[1]}/8"
        )
    if not int(match[1]) < count <= MAX_SHARDS:
        raise ValueError(
            f"prepare.shard={shard}: there is no shard {match[1]} of {count}; expected 0 to "
            f"{max(count, 1) - 1}, of 1 to {MAX_SHARDS:,} shards"
        )
    return Shard(int(match[1]), count)


def describe_shard(shard: Shard, items: Sequence[Item]) -> dict[str, Any]:
    """Return the content of a shard's ``meta.json`` that identifies the shards of one set."""
    digest = hashlib.blake2b(digest_size=16)
    for item in items:
        digest.update(repr((item.id, item.label, item.group, item.split)).encode())
    return {
        "index": shard.index,
        "count": shard.count,
        "recordings": {"count": len(items), "hash": digest.hexdigest()},
        "versions": {"python": platform.python_version(), **_list_versions()},
    }


def _list_versions() -> dict[str, str]:
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "none"
    return versions


def list_shard_counts(data_dir: Path) -> list[int]:
    """Return the numbers of shards that the folders of a set state, in ascending order."""
    folder = data_dir / SHARDS_NAME
    names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    matches = [match for name in names if (match := _FOLDER.fullmatch(name))]
    return sorted({int(match[2]) for match in matches})


def count_complete_shards(data_dir: Path, count: int) -> int:
    """Return how many of ``count`` shards are complete."""
    folders = [Shard(index, count).locate(data_dir) for index in range(count)]
    return sum(is_prepared(folder) for folder in folders)


def explain_foreign(
    folder: Path, meta: dict[str, Any], description: Description, source: dict[str, Any]
) -> str:
    """Return why a shard does not belong to this preparation, "" if it does.

    Args:
        folder: of the shard.
        meta: content of its ``meta.json``.
        description: of the set.
        source: ``describe_shard`` of any shard today.
    """
    stored = meta.get(SHARD_KEY)
    if not isinstance(stored, dict):
        return _advise_deletion("is no shard", folder)
    differences = list_differences(meta, description)
    if differences:
        return _advise_deletion(f"has other settings ({', '.join(differences)} differ)", folder)
    if stored.get("recordings") != source["recordings"]:
        count = source["recordings"]["count"]
        return _advise_deletion(f"holds other recordings than the {count:,} of today", folder)
    if stored.get("versions") != source["versions"]:
        keys = ", ".join(_list_changes(stored.get("versions"), source["versions"]))
        return _advise_deletion(f"was prepared with other versions ({keys})", folder)
    return ""


def explain_unusable(
    shard: Shard, data_dir: Path, description: Description, source: dict[str, Any]
) -> str:
    """Return why a shard cannot be merged, "" if it can; ``source`` describes any shard today."""
    folder = shard.locate(data_dir)
    if not (folder / META_NAME).is_file():
        return "is missing"
    try:
        meta = read_meta(folder)
    except ValueError as error:
        return _advise_deletion(f"is damaged ({error})", folder)
    foreign = explain_foreign(folder, meta, description, source)
    if foreign or meta["complete"]:
        return foreign
    owner = read_owner(folder / LOCK_NAME)
    is_running = (folder / LOCK_NAME).exists() and is_locked_by(folder / LOCK_NAME, owner)
    return f"is being prepared ({owner})" if is_running else "is not finished"


def _list_changes(stored: Any, current: dict[str, str]) -> list[str]:
    stored = stored if isinstance(stored, dict) else {}
    return [
        f"{name} {str(stored.get(name, 'unknown'))[:20]}, here {value}"
        for name, value in current.items()
        if stored.get(name) != value
    ]


def _advise_deletion(problem: str, folder: Path) -> str:
    return f"{problem}; delete {folder}"
