"""Tables of hand landmarks, as people's own collectors write them."""

from __future__ import annotations

from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd

from datamodules.readers.asl.landmark_columns import Columns, find_columns, split_line
from datamodules.readers.asl.letters import LETTERS, LetterReader, canonical_letter, unknown_label
from datamodules.readers.base import SPLIT_FOLDERS, Item
from datamodules.readers.tables import find_separator, read_table_text
from datamodules.store.samples import Rejected, Sample
from unvoiced.files import LANDMARK_SUFFIXES

HEAD_ROWS = 50  # enough to tell text from numbers


class LandmarkCSV(LetterReader):
    """``*.csv``, ``*.tsv`` and their ``.gz``: 63 coordinate columns and a label.

    The columns may come in any order, and under any of the names that ``landmark_columns`` knows;
    a table without a header has 63 numbers and a label in each row. A column ``signer`` (subject,
    person, user, participant) is the group; without one the file's name is, where there are
    several files. A column ``split`` (train, val, test) goes before the folders. Left hands stay
    left. An error names the line as an editor counts, from 1.

    Args:
        raw_dir: the folder with the tables.
        sequences: make one sample out of the frames of each (signer, label, sequence), in the
            order of their frame column; else each row is a sample of (1, 63).
        labelled: whether the tables tell the letters; else the samples have none.
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

    def items(self) -> list[Item]:
        """One item a table; its group is used where the table names none."""
        tables = [
            (split, path)
            for split, root in self.roots()
            for path in self.files(root, LANDMARK_SUFFIXES)
        ]
        if not tables:
            raise self.nothing_found("tables (csv, csv.gz, tsv)")
        several = len(tables) > 1
        return [
            Item(self.id_of(path), path, group=_stem(path) if several else "", split=split)
            for split, path in tables
        ]

    def read(self, item: Item) -> Iterator[Sample | Rejected]:
        """The samples of one table, and a rejection for each row that cannot be one."""
        try:
            rows, columns, rejected = _read_table(item, self.labelled)
            labels = _labels(rows, columns) if self.labelled else pd.Series("", rows.index, object)
            features, faults = _check(rows[columns.coordinates], labels, columns)
            meta = _meta(rows, columns, item, faults, labels)
            if self.sequences and "sequence" not in columns.roles:
                raise ValueError("sequences=true needs a column sequence, video or clip")
        except ValueError as error:
            yield Rejected(item.id, str(error), item.id)
            return
        good = meta["fault"] == ""
        yield from rejected
        for line, fault in meta.loc[~good, "fault"].items():
            yield _rejected(item, int(line), fault)
        samples = _sequences if self.sequences else _frames
        yield from samples(item, meta[good], features[good.to_numpy()])


def _stem(path: Path) -> str:
    return path.name.removesuffix(".gz").rsplit(".", 1)[0]


def _rejected(item: Item, line: int, fault: str) -> Rejected:
    return Rejected(f"{item.id}#{line}", f"line {line}: {fault}", item.id)


# ---- from bytes to a table


def _read_table(item: Item, labelled: bool) -> tuple[pd.DataFrame, Columns, list[Rejected]]:
    """The rows that have all fields, by line number; the columns; the rows that have not."""
    lines = [(number, line) for number, line in _numbered_lines(item.path) if line.strip()]
    if not lines:
        raise ValueError("the file is empty")
    separator = find_separator(lines[0][1])
    head = [split_line(line, separator) for _, line in lines[: HEAD_ROWS + 1]]
    columns = find_columns(head, labelled)
    whole, rejected, expected = [], [], len(columns.names)
    for number, line in lines[columns.has_header :]:
        fault = _line_fault(line, separator, expected)
        if fault:
            rejected.append(_rejected(item, number, fault))
        else:
            whole.append((number, line))
    if not whole and not rejected:
        raise ValueError("the file holds a header and no row")
    return _parse(whole, separator, columns), columns, rejected


def _numbered_lines(path: Path) -> Iterator[tuple[int, str]]:
    return enumerate(read_table_text(path).replace("\r\n", "\n").replace("\r", "\n").split("\n"), 1)


def _line_fault(line: str, separator: str, expected: int) -> str:
    quotes = line.count('"')
    if quotes % 2:
        return "a quote is not closed"
    found = len(split_line(line, separator)) if quotes else line.count(separator) + 1
    return "" if found == expected else f"found {found} fields, expected {expected}"


def _parse(lines: list[tuple[int, str]], separator: str, columns: Columns) -> pd.DataFrame:
    """A table with positions for column names, so that no two columns share one."""
    if not lines:
        return pd.DataFrame(columns=range(len(columns.names)))
    rows = pd.read_csv(
        StringIO("\n".join(line for _, line in lines)),
        sep=separator,
        header=None,
        keep_default_na=False,
        low_memory=False,  # one type a column
        dtype=dict.fromkeys([columns.label, *columns.roles.values()], str),  # 01 is not 1
    )
    return rows.set_axis(pd.Index([number for number, _ in lines]), axis=0)


# ---- from a table to samples


def _check(
    values: pd.DataFrame, labels: pd.Series, columns: Columns
) -> tuple[np.ndarray, pd.Series]:
    """(rows, 63) float32, and for each row what is wrong with its numbers, or ""."""
    with np.errstate(over="ignore"):
        features = np.column_stack(
            [pd.to_numeric(values[place], errors="coerce") for place in values]
        ).astype(np.float32)
    bad = ~np.isfinite(features)
    faults = pd.Series("", index=values.index, dtype=object)
    for row in np.flatnonzero(bad.any(axis=1)):
        place = columns.coordinates[int(bad[row].argmax())]
        name = columns.names[place] or f"column {place + 1}"
        faults.iloc[row] = f"{name} is {str(values.iloc[row][place])!r}, not a finite number"
    faults[~features.any(axis=1) & (labels != "nothing")] = (
        "all numbers are zero: no hand was found"
    )
    return features, faults


def _labels(rows: pd.DataFrame, columns: Columns) -> pd.Series:
    """The class of each row, as the table spells it where it spells none."""
    names = rows[columns.label].map(str)
    return names.map({name: canonical_letter(name) or name or "(none)" for name in names.unique()})


def _meta(
    rows: pd.DataFrame, columns: Columns, item: Item, faults: pd.Series, labels: pd.Series
) -> pd.DataFrame:
    """label, group, split, sequence, frame and fault of each row."""

    def column(role: str, default: str) -> pd.Series:
        place = columns.roles.get(role)
        text = pd.Series("", rows.index, object) if place is None else rows[place].map(str)
        return text.str.strip().where(text.str.strip() != "", default)

    splits = column("split", item.split).str.lower()
    unknown = ~splits.isin([*SPLIT_FOLDERS, ""])
    faults = faults.where(labels.isin(["", *LETTERS]), labels.map(unknown_label))
    faults = faults.where(
        ~unknown, splits.map("unknown split {!r}; expected train, val or test".format)
    )
    frames = pd.to_numeric(column("frame", ""), errors="coerce")
    meta = {"label": labels, "group": column("group", item.group), "fault": faults}
    meta |= {"split": splits.replace(SPLIT_FOLDERS), "frame": frames}
    return pd.DataFrame(meta | {"sequence": column("sequence", "")}, index=rows.index)


def _frames(item: Item, meta: pd.DataFrame, features: np.ndarray) -> Iterator[Sample]:
    columns = ("label", "group", "split", "sequence")
    rows = zip(meta.index, *(meta[name] for name in columns), strict=True)
    for frame, (line, label, group, split, number) in zip(features, rows, strict=True):
        sequence = _sequence_name(item, group, label, number) if number else ""
        name = f"{item.id}#{line}"
        yield Sample(name, frame[None], label, group, split, item.id, sequence=sequence)


def _sequences(item: Item, meta: pd.DataFrame, features: np.ndarray) -> Iterator[Sample]:
    keys = ["group", "label", "sequence"]
    for (group, label, sequence), places in meta.groupby(keys, sort=False).indices.items():
        part = meta.iloc[places]
        order = np.argsort(part["frame"].to_numpy(), kind="stable")  # no frame number: as written
        name = _sequence_name(item, group, label, sequence)
        frames, split = features[places[order]], part["split"].iloc[0]
        yield Sample(name, frames, label, group, split, item.id, sequence=name)


def _sequence_name(item: Item, group: str, label: str, number: str) -> str:
    """Return a name for a sequence; collectors count them anew for each label and signer."""
    return "/".join((item.id, group, label, number))
