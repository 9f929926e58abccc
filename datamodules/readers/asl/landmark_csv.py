"""Tables of hand landmarks in any common layout."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from datamodules.readers.asl.landmark_columns import Columns, find_columns
from datamodules.readers.asl.letters import Alphabet, LetterReader
from datamodules.readers.base import Item
from datamodules.readers.manifests import parse_split
from datamodules.readers.tables import find_separator, read_table_text, split_line
from datamodules.store.samples import Rejection, Sample
from unvoiced.files import LANDMARK_SUFFIXES
from unvoiced.vision.skeleton import STANDARD_RATIO, standardize_ratio

MAX_COLUMNS = 10_000  # each of which is examined


@dataclass(frozen=True)
class LandmarkRow:
    """A row of a table; ``frame`` is NaN without a frame number, ``landmarks`` (63,) float32."""

    label: str
    group: str
    split: str
    sequence: str
    frame: float
    landmarks: np.ndarray


class LandmarkCSV(LetterReader):
    """``*.csv``, ``*.tsv`` and their ``.gz``: 63 coordinate columns and a label.

    The columns may have any order, and any of the names in ``landmark_columns``; a table without a
    header has 63 numbers and a label in each row. A column ``signer`` (subject, person, user,
    participant) is the group; without one it is the file's name, if there are several files. A
    column ``split`` (train, val, test) goes before the folders. Left hands stay left. Errors count
    lines from 1.

    Args:
        raw_dir: the folder with the tables.
        use_sequences: make a sample of the frames of each (signer, label, sequence), in the order
            of their frame column; else each row is a sample of (1, 63).
        is_labelled: whether the tables have a column of letters; else the samples have none.
        aspect_ratio: width over height of the images that the landmarks are from; they are stored
            as an image of 4:3 would have them. None: unknown, the numbers stay as they are.
        split_folders: see ``Reader``.
        classes: the signs, as the tables name them; None for the ASL alphabet.

    Raises:
        ValueError: there is no table.
    """

    endings = LANDMARK_SUFFIXES
    layout = "tables with a label in every row"

    def __init__(
        self,
        raw_dir: str | Path | None,
        use_sequences: bool = False,
        is_labelled: bool = True,
        split_folders: bool | None = None,
        classes: Sequence[str | int] | None = None,
        aspect_ratio: float | None = None,
    ) -> None:
        super().__init__(raw_dir, split_folders)
        self.set_classes(classes)
        self.use_sequences, self.is_labelled = use_sequences, is_labelled
        self.aspect_ratio = STANDARD_RATIO if aspect_ratio is None else aspect_ratio

    def list_items(self) -> list[Item]:
        """Return an item per table; its group is used if the table has none."""
        tables = self.find_files(LANDMARK_SUFFIXES)
        if not tables:
            raise self.layout_error("tables (csv, csv.gz, tsv)")
        items = []
        for split, _, path in tables:
            stem = path.name.removesuffix(".gz").rsplit(".", 1)[0]
            group = stem if len(tables) > 1 else ""
            items.append(Item(self.id_of(path), path, group=group, split=split))
        return items

    def read(self, item: Item) -> Iterator[Sample | Rejection]:
        """Yield the samples of a table, and a rejection for each row that cannot be one."""
        try:
            lines, separator, columns = _read_lines(item.path, self.is_labelled)
            if self.use_sequences and "sequence" not in columns.roles:
                raise ValueError("use_sequences=true needs a column sequence, video or clip")
        except ValueError as error:
            yield Rejection(item.id, str(error), item.id)
            return
        sequences: dict[str, list[LandmarkRow]] = {}
        for number, line in lines:
            identity = f"{item.id}#{number}"
            try:
                row = _parse_row(
                    _split_fields(line, separator, columns), columns, item, self.alphabet
                )
            except ValueError as error:
                yield Rejection(identity, f"line {number}: {error}", item.id)
                continue
            row = replace(row, landmarks=standardize_ratio(row.landmarks, self.aspect_ratio))
            # Collectors number sequences anew for each label and signer.
            name = "/".join((item.id, row.group, row.label, row.sequence))
            if self.use_sequences:
                sequences.setdefault(name, []).append(row)
            else:
                yield _make_sample(item, identity, [row], name if row.sequence else "")
        for name, rows in sequences.items():
            yield _make_sample(item, name, rows, name)


def _make_sample(item: Item, identity: str, rows: list[LandmarkRow], sequence: str) -> Sample:
    ordered = sorted(rows, key=lambda row: (math.isnan(row.frame), row.frame))
    frames, row = np.stack([row.landmarks for row in ordered]), rows[0]
    return Sample(identity, frames, row.label, row.group, row.split, item.id, sequence=sequence)


def _read_lines(path: Path, is_labelled: bool) -> tuple[list[tuple[int, str]], str, Columns]:
    """Return the numbered lines of a table without its header, its separator and its columns."""
    text = read_table_text(path).replace("\r\n", "\n").replace("\r", "\n")
    lines = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    if not lines:
        raise ValueError("the file is empty")
    separator = find_separator(lines[0][1])
    if lines[0][1].count(separator) >= MAX_COLUMNS:
        raise ValueError(f"the file has more than {MAX_COLUMNS:,} columns")
    head = [split_line(line, separator) for _, line in lines[:51]]  # distinguish text from numbers
    columns = find_columns(head, is_labelled)
    columns = columns if is_labelled else replace(columns, label=None)
    if not lines[columns.has_header :]:
        raise ValueError("the file holds a header and no row")
    return lines[columns.has_header :], separator, columns


def _split_fields(line: str, separator: str, columns: Columns) -> list[str]:
    quotes, expected = line.count('"'), len(columns.names)
    if quotes % 2:
        raise ValueError("a quote is not closed")
    fields = split_line(line, separator) if quotes else line.split(separator)
    if len(fields) != expected:
        raise ValueError(f"found {len(fields)} fields, expected {expected}")
    return fields


def _parse_row(fields: list[str], columns: Columns, item: Item, alphabet: Alphabet) -> LandmarkRow:
    """Return a row.

    Raises:
        ValueError: its split or label is unknown, or it has no hand.
    """
    roles = {role: fields[position].strip() for role, position in columns.roles.items()}
    split = parse_split((roles.get("split") or item.split).lower())
    text = "" if columns.label is None else fields[columns.label]
    label = "" if columns.label is None else alphabet.find_class(text) or text or "(none)"
    if label not in ("", *alphabet.classes):
        raise ValueError(alphabet.explain_unknown(label))
    numbers = [_parse_number(fields[position]) for position in columns.coordinates]
    with np.errstate(over="ignore"):
        landmarks = np.array(numbers).astype(np.float32)
    if not np.isfinite(landmarks).all():
        position = columns.coordinates[int((~np.isfinite(landmarks)).argmax())]
        name = columns.names[position] or f"column {position + 1}"
        raise ValueError(f"{name} is {fields[position]!r}, not a finite number")
    if label != "nothing" and not landmarks.any():
        raise ValueError("all numbers are zero: no hand was found")
    group, sequence = roles.get("group") or item.group, roles.get("sequence", "")
    return LandmarkRow(
        label, group, split, sequence, _parse_number(roles.get("frame", "")), landmarks
    )


def _parse_number(text: str) -> float:
    try:
        return math.nan if "_" in text else float(text)  # Python's own 1_000 is not a number here
    except ValueError:
        return math.nan
