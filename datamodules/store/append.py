"""Addition of a second source of recordings to a complete prepared set.

While recordings are added, ``meta.json`` states the rows of the set as it was, so that the set
stays usable whatever stops the addition; ``appending`` in it names the source.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from datamodules.store.dataset import read_meta
from datamodules.store.samples import (
    MANIFEST_NAME,
    META_NAME,
    REJECTED_NAME,
    Description,
    Rejection,
    Sample,
)
from datamodules.store.validation import read_text_columns
from unvoiced.tasks import get_task
from unvoiced.text import count_noun, normal_form, shorten

SHOWN_CLASSES = 5


@dataclass(frozen=True)
class Addition:
    """A source that is added to a set.

    Attributes:
        meta: content of the set's ``meta.json`` before.
        raw_dir: folder of the source.
        prefix: begins the ids and sequences of its samples; empty for the set's own source.
        group_prefix: begins their groups.
    """

    meta: dict[str, Any]
    raw_dir: str
    prefix: str
    group_prefix: str

    @property
    def num_rows(self) -> int:
        """The samples of the set before."""
        return int(self.meta["samples"])

    def plan_meta(self) -> dict[str, Any]:
        """Return the content of ``meta.json`` during the addition."""
        return self.meta | {"appending": {"raw_dir": self.raw_dir, "prefix": self.prefix}}

    def list_sources(self) -> list[dict[str, str]]:
        """Return the added sources once this one is complete."""
        known = list(self.meta.get("appended", []))
        own = {"raw_dir": self.raw_dir, "prefix": self.prefix}
        return known if not self.prefix or own in known else [*known, own]

    def rename_outcome(self, outcome: Sample | Rejection) -> Sample | Rejection:
        """Return an outcome under the names that it has in the set."""
        renamed = replace(outcome, id=self.prefix + outcome.id)
        if isinstance(renamed, Rejection):
            return renamed
        return replace(
            renamed,
            group=outcome.group and self.group_prefix + outcome.group,
            sequence=outcome.sequence and self.prefix + outcome.sequence,
        )

    def describe_classes(self, labels: Iterable[str]) -> str:
        """Return a sentence on classes that the set does not have; empty if there are none.

        Raises:
            ValueError: the source has no class of the set.
        """
        present, found = self.meta["classes_present"], sorted(set(labels) - {""})
        new = [name for name in found if name not in present]
        if not new or get_task(self.meta["task"]).has_open_text:
            return ""
        if len(new) == len(found):
            raise ValueError(
                f"prepare.append=true: {self.raw_dir} has no class of the set "
                f"({_list_names(found)}; the set has {_list_names(present)}): a model would "
                "distinguish the sources. Correct the labels, or prepare another set"
            )
        return f"New in this set: {count_noun(len(new), 'class')} ({_list_names(new)})"


def plan_addition(data_dir: Path, description: Description, shared_groups: bool) -> Addition:
    """Return the addition of the source that ``description`` names.

    Raises:
        ValueError: there is no complete set, or another addition to it was interrupted.
    """
    if not (data_dir / META_NAME).is_file():
        raise ValueError(
            f"prepare.append=true adds to a prepared set, and data_dir={data_dir} holds none. "
            "Leave it out for the first source"
        )
    meta = read_meta(data_dir)
    if not meta["complete"]:
        raise ValueError(
            f"Preparation of data_dir={data_dir} is incomplete. Run its stage=prepare command "
            "again, without prepare.append=true, before you add to it"
        )
    raw_dir, pending = str(description.settings["reader"].get("raw_dir")), meta.get("appending")
    if pending and pending["raw_dir"] != raw_dir:
        raise ValueError(
            f"The addition of {pending['raw_dir']} to data_dir={data_dir} is incomplete. Run its "
            "command again first"
        )
    prefix = pending["prefix"] if pending else _choose_prefix(data_dir, meta, raw_dir)
    meta.pop("appending", None)
    return Addition(meta, raw_dir, prefix, "" if shared_groups else prefix)


def align_settings(description: Description, meta: dict[str, Any]) -> Description:
    """Return the description with the folder that the set itself was prepared from."""
    stored = (meta["settings"].get("reader") or {}).get("raw_dir")
    reader = description.settings["reader"] | {"raw_dir": stored}
    return replace(description, settings=description.settings | {"reader": reader})


def _choose_prefix(data_dir: Path, meta: dict[str, Any], raw_dir: str) -> str:
    """Return the prefix of the names of a source, which no other name has."""
    if raw_dir == (meta["settings"].get("reader") or {}).get("raw_dir"):
        return ""
    prefixes = {source["raw_dir"]: source["prefix"] for source in meta.get("appended", [])}
    if raw_dir in prefixes:
        return prefixes[raw_dir]
    taken = {prefix.rpartition("/")[0] for prefix in prefixes.values()} | _first_parts(data_dir)
    name, number = normal_form(Path(raw_dir).name), 2
    chosen = name
    while chosen in taken:
        chosen, number = f"{name}-{number}", number + 1
    return f"{chosen}/"


def _first_parts(data_dir: Path) -> set[str]:
    """Return the first parts of the ids, sequences and groups that the set holds."""
    columns = [
        *read_text_columns(data_dir / MANIFEST_NAME, ("id", "sequence", "group")),
        *read_text_columns(data_dir / REJECTED_NAME, ("id",)),
    ]
    return {normal_form(text.partition("/")[0]) for column in columns for text in column}


def _list_names(names: list[str]) -> str:
    more = ["…"] * (len(names) > SHOWN_CLASSES)
    return ", ".join([*(shorten(name, 40) for name in names[:SHOWN_CLASSES]), *more])
