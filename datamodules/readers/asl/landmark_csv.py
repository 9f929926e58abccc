"""Tables of hand landmarks in any common layout."""

from __future__ import annotations

from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd

from datamodules.readers.asl.landmark_columns import Columns, find_columns
from datamodules.readers.asl.letters import LETTERS, LetterReader, canonical_letter, unknown_label
from datamodules.readers.base import SPLIT_FOLDERS, Item
from datamodules.readers.tables import find_separator, read_table_text, split_line
from datamodules.store.samples import Rejected, Sample
from unvoiced.files import LANDMARK_SUFFIXES


class LandmarkCSV(LetterReader):
    """``*.csv``, ``*.tsv`` and their ``.gz``: 63 coordinate columns and a label.

    The columns may have any order, and any of the names in ``landmark_columns``; a table without a
    header has 63 numbers and a label in each row. A column ``signer`` (subject, person, user,
    participant) is the group; without one it is the file's name, if there are several files. A
    column ``split`` (train, val, test) goes before the folders. Left hands stay left. Errors count
    lines from 1.

    Args:
        raw_dir: the folder with the tables.
        sequences: make a sample of the frames of each (signer, label, sequence), in the order of
            their frame column; else each row is a sample of (1, 63).
        labelled: whether the tables have a column of letters; else the samples have none.
        split_folders: see ``Reader``.

    Raises:
        ValueError: there is no table.
    """

    endings = LANDMARK_SUFFIXES
    layout = "tables with a label in every row"

    def __init__(
        self,
        raw_dir: str | Path | None,
        sequences: bool = False,
        labelled: bool = True,
        split_folders: bool | None = None,
    ) -> None:
        super().__init__(raw_dir, split_folders)
        self.sequences, self.labelled = sequences, labelled

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

    def read(self, item: Item) -> Iterator[Sample | Rejected]:
        """Yield the samples of a table, and a rejection for each row that cannot be one."""
        try:
            rows, columns, rejected = _read_table(item, self.labelled)
            labels = (
                _spell_labels(rows, columns) if self.labelled else pd.Series("", rows.index, object)
            )
            features, faults = _parse_coordinates(rows[columns.coordinates], labels, columns)
            meta = _describe_rows(rows, columns, item, faults, labels)
            if self.sequences and "sequence" not in columns.roles:
                raise ValueError("sequences=true needs a column sequence, video or clip")
        except ValueError as error:
            yield Rejected(item.id, str(error), item.id)
            return
        good = meta["fault"] == ""
        yield from rejected
        for line, fault in meta.loc[~good, "fault"].items():
            yield _reject_line(item, int(line), fault)
        samples = _join_sequences if self.sequences else _split_frames
        yield from samples(item, meta[good], features[good.to_numpy()])


def _reject_line(item: Item, line: int, fault: str) -> Rejected:
    return Rejected(f"{item.id}#{line}", f"line {line}: {fault}", item.id)


# ---- from bytes to a table


def _read_table(item: Item, labelled: bool) -> tuple[pd.DataFrame, Columns, list[Rejected]]:
    """Return the rows with all fields, by line number; the columns; the other rows."""
    text = read_table_text(item.path).replace("\r\n", "\n").replace("\r", "\n")
    lines = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    if not lines:
        raise ValueError("the file is empty")
    separator = find_separator(lines[0][1])
    head = [split_line(line, separator) for _, line in lines[:51]]  # tell text from numbers
    columns = find_columns(head, labelled)
    whole, rejected, expected = [], [], len(columns.names)
    for number, line in lines[columns.has_header :]:
        fault = _find_line_fault(line, separator, expected)
        if fault:
            rejected.append(_reject_line(item, number, fault))
        else:
            whole.append((number, line))
    if not whole and not rejected:
        raise ValueError("the file holds a header and no row")
    return _parse_rows(whole, separator, columns), columns, rejected


def _find_line_fault(line: str, separator: str, expected: int) -> str:
    quotes = line.count('"')
    if quotes % 2:
        return "a quote is not closed"
    found = len(split_line(line, separator)) if quotes else line.count(separator) + 1
    return "" if found == expected else f"found {found} fields, expected {expected}"


def _parse_rows(lines: list[tuple[int, str]], separator: str, columns: Columns) -> pd.DataFrame:
    """Return a table with positions as column names, which are unique."""
    if not lines:
        return pd.DataFrame(columns=range(len(columns.names)))
    rows = pd.read_csv(
        StringIO("\n".join(line for _, line in lines)),
        sep=separator,
        header=None,
        keep_default_na=False,
        low_memory=False,  # one type per column
        dtype=dict.fromkeys([columns.label, *columns.roles.values()], str),  # 01 is not 1
    )
    return rows.set_axis(pd.Index([number for number, _ in lines]), axis=0)


# ---- from a table to samples


def _parse_coordinates(
    values: pd.DataFrame, labels: pd.Series, columns: Columns
) -> tuple[np.ndarray, pd.Series]:
    """Return (rows, 63) float32, and the fault of each row's numbers, or ""."""
    with np.errstate(over="ignore"):
        features = np.column_stack(
            [pd.to_numeric(values[position], errors="coerce") for position in values]
        ).astype(np.float32)
    bad = ~np.isfinite(features)
    faults = pd.Series("", index=values.index, dtype=object)
    for row in np.flatnonzero(bad.any(axis=1)):
        position = columns.coordinates[int(bad[row].argmax())]
        name = columns.names[position] or f"column {position + 1}"
        faults.iloc[row] = f"{name} is {str(values.iloc[row][position])!r}, not a finite number"
    faults[~features.any(axis=1) & (labels != "nothing")] = (
        "all numbers are zero: no hand was found"
    )
    return features, faults


def _spell_labels(rows: pd.DataFrame, columns: Columns) -> pd.Series:
    """Return the class of each row, or its text if it is not a class."""
    names = rows[columns.label].map(str)
    return names.map({name: canonical_letter(name) or name or "(none)" for name in names.unique()})


def _describe_rows(
    rows: pd.DataFrame, columns: Columns, item: Item, faults: pd.Series, labels: pd.Series
) -> pd.DataFrame:
    """Return label, group, split, sequence, frame and fault of each row."""

    def read_column(role: str, default: str) -> pd.Series:
        position = columns.roles.get(role)
        text = pd.Series("", rows.index, object) if position is None else rows[position].map(str)
        return text.str.strip().where(text.str.strip() != "", default)

    splits = read_column("split", item.split).str.lower()
    unknown = ~splits.isin([*SPLIT_FOLDERS, ""])
    faults = faults.where(labels.isin(["", *LETTERS]), labels.map(unknown_label))
    faults = faults.where(
        ~unknown, splits.map("unknown split {!r}; expected train, val or test".format)
    )
    frames = pd.to_numeric(read_column("frame", ""), errors="coerce")
    meta = {"label": labels, "group": read_column("group", item.group), "fault": faults}
    meta |= {"split": splits.replace(SPLIT_FOLDERS), "frame": frames}
    return pd.DataFrame(meta | {"sequence": read_column("sequence", "")}, index=rows.index)


def _split_frames(item: Item, meta: pd.DataFrame, features: np.ndarray) -> Iterator[Sample]:
    columns = ("label", "group", "split", "sequence")
    rows = zip(meta.index, *(meta[name] for name in columns), strict=True)
    for frame, (line, label, group, split, number) in zip(features, rows, strict=True):
        sequence = _sequence_name(item, group, label, number) if number else ""
        name = f"{item.id}#{line}"
        yield Sample(name, frame[None], label, group, split, item.id, sequence=sequence)


def _join_sequences(item: Item, meta: pd.DataFrame, features: np.ndarray) -> Iterator[Sample]:
    keys = ["group", "label", "sequence"]
    for (group, label, sequence), positions in meta.groupby(keys, sort=False).indices.items():
        part = meta.iloc[positions]
        order = np.argsort(
            part["frame"].to_numpy(), kind="stable"
        )  # in file order without frame numbers
        name = _sequence_name(item, group, label, sequence)
        frames, split = features[positions[order]], part["split"].iloc[0]
        yield Sample(name, frames, label, group, split, item.id, sequence=name)


def _sequence_name(item: Item, group: str, label: str, number: str) -> str:
    """Return a name for a sequence, whose number is unique only for its label and signer."""
    return "/".join((item.id, group, label, number))
