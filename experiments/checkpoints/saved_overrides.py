"""The saved overrides of an untrusted run folder; only harmless ones are used."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from experiments.launch.names.renaming import rename_overrides
from experiments.launch.plain_yaml import read_plain_yaml
from unvoiced.plain_data import show_value

OVERRIDES = Path(".hydra", "overrides.yaml")
SHOWN_LINES = 5  # of overrides, in an error
MAX_ENTRIES = 100_000  # files of a run folder
WANDB_LOG = "wandb/*/logs/debug-core.log"  # W&B's link to its cache, which no later run writes to
KEY = re.compile(r"(?:\+\+?|~)?([A-Za-z]\w*(?:\.[A-Za-z0-9]\w*)*)", re.ASCII)
# Choices of files in conf/, and settings of how a run trains.
WHOLE_KEYS = frozenset(
    [
        *("task", "epochs", "seed", "classes", "calibrate", "fold"),
        *("size", "crop", "objective", "experiment", "module", "compile"),
        *("net", "optimizer", "scheduler", "augment", "datamodule", "split"),
        *("callbacks", "logger", "trainer", "debug", "tokenizer", "reader"),
    ]
)
SECTIONS = frozenset(
    [
        *("monitor", "module", "net", "optimizer", "scheduler", "augment"),
        *("datamodule", "split", "callbacks", "trainer", "tokenizer", "debug"),
    ]
)
LABELS = frozenset(  # texts for loggers
    [
        *("run_name", "run_group", "run_tags", "log_best"),
        *(f"logger.wandb.{name}" for name in ("name", "group", "tags", "project")),
        *("logger.mlflow.run_name", "logger.mlflow.experiment_name"),
    ]
)
ADDED_SETTING = "trainer.max_epochs=${epochs}"  # by the launcher, where debug= and epochs= meet
READ_PATHS = frozenset(["data_dir", "init_from", "pronunciations", "tokenizer.path"])
PATH_NAMES = re.compile(r"path|dir|folder|file|root|entity|url|host")  # of settings
VALUE = re.compile(r"""(?!/)[\w.,+\-%/:\[\]{} '"]*""")
HIDDEN_SETTING = re.compile(r"\b_\w+_\b|\.\.")


def read_saved_overrides(folder: Path, given: set[str]) -> tuple[list[str], list[str]]:
    """Return a run folder's overrides, and those that this command does not set.

    Raises:
        ValueError: another one could build, write or reach more than a run of this command.
    """
    refuse_outside_links(folder)
    lines = read_plain_yaml(folder / OVERRIDES) or []
    if not isinstance(lines, list) or not all(isinstance(line, str) for line in lines):
        raise ValueError(f"{folder / OVERRIDES} is no list of settings; begin a new run")
    renamed = rename_overrides(lines)
    kept = [
        new
        for old, new in zip(lines, renamed, strict=True)
        if not {parse_override_key(old), parse_override_key(new)} & given
    ]
    unread = [line for line in kept if not _is_harmless(line, folder)]
    if unread:
        shown = ", ".join(map(show_value, unread[:SHOWN_LINES]))
        keys = ", ".join(show_value(parse_override_key(line)) for line in unread[:SHOWN_LINES])
        raise ValueError(
            f"resume={folder}: its {OVERRIDES} sets {shown}, which is not read from a file. "
            f"Repeat {keys} in this command if it is meant"
        )
    return renamed, [line for line in kept if parse_override_key(line) != "run_dir"]


def parse_override_key(argument: str) -> str:
    """Return the key of an override."""
    return argument.lstrip("+~").split("=", 1)[0]


def _is_harmless(line: str, folder: Path) -> bool:
    if line == ADDED_SETTING:
        return True
    left, _, value = line.partition("=")
    match = KEY.fullmatch(left)
    if not match or "${" in value or not value.isprintable():
        return False
    key = match[1]
    if key in READ_PATHS:
        return True
    if key == "run_dir":
        return Path(value.strip("'\"")).resolve() == folder.resolve()
    if key == "stage":
        return value == "fit"
    if key in LABELS:
        return bool(VALUE.fullmatch(value))
    section, _, name = key.partition(".")
    known = section in SECTIONS if name else key in WHOLE_KEYS
    plain = VALUE.fullmatch(value) and not HIDDEN_SETTING.search(value)
    return bool(known and plain) and not PATH_NAMES.search(name)


def refuse_outside_links(folder: Path) -> None:
    """Refuse a run folder with links out of it, since runs write into it.

    Raises:
        ValueError: with the link.
    """
    inside = folder.resolve()
    for number, path in enumerate(_list_entries(folder)):
        if number > MAX_ENTRIES:
            raise ValueError(f"{folder} holds more than {MAX_ENTRIES:,} files: no run folder does")
        is_outside = path.is_symlink() and not path.resolve().is_relative_to(inside)
        if is_outside and not path.relative_to(folder).match(WANDB_LOG):
            raise ValueError(
                f"{show_value(str(path))} is a link out of the run folder, and resuming would "
                "write there; replace it with the target of the link"
            )


def _list_entries(folder: Path) -> Iterator[Path]:
    for parent, folders, files in os.walk(folder):
        yield from (Path(parent, name) for name in (*folders, *files))
