"""What the columns of a landmark table are, by any of the names that people give them."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from unvoiced.text import is_number

JOINTS = (
    "wrist",
    *(f"thumb_{joint}" for joint in ("cmc", "mcp", "ip", "tip")),
    *(
        f"{finger}_{joint}"
        for finger in ("index", "middle", "ring", "pinky")
        for joint in ("mcp", "pip", "dip", "tip")
    ),
)
LABELS = ("label", "letter", "class", "target", "sign", "gesture")
_ROLES = {
    "group": ("signer", "subject", "person", "user", "participant"),
    "sequence": ("sequence", "seq", "video", "clip"),
    "frame": ("frame", "time", "timestamp"),
    "handedness": ("handedness", "hand", "side"),
    "split": ("split",),
    "other": ("", "index", "id", "file", "filename", "path", "image", "score", "confidence"),
}
_ROLE_OF = {name: role for role, names in _ROLES.items() for name in names}
_PREFIX = r"(?:(?:hand|landmarks?|lm|joint|keypoint|kp|points?|pt|p)_?)*"
_NUMBER_FIRST = re.compile(rf"{_PREFIX}(\d+)_?([xyz])")
_AXIS_FIRST = re.compile(rf"{_PREFIX}([xyz])_?(\d+)")
_JOINT_FIRST = re.compile(rf"{_PREFIX}({'|'.join(JOINTS)})_([xyz])")
_AXIS_JOINT = re.compile(rf"{_PREFIX}([xyz])_({'|'.join(JOINTS)})")
_PLAIN = re.compile(r"(?:f|feat|feature|v|value|c|coord|coordinate|col|column|landmark|lm)?_?(\d+)")


@dataclass(frozen=True)
class Columns:
    """Positions of the columns of one table.

    ``coordinates`` are 63 positions in the order x0, y0, z0 … z20; ``roles`` maps ``group``,
    ``sequence``, ``frame`` and ``split`` to the position of their column, where there is one.
    """

    names: list[str]
    has_header: bool
    label: int | None
    coordinates: list[int]
    roles: dict[str, int] = field(default_factory=dict)


def find_columns(head: Sequence[Sequence[str]], labelled: bool = True) -> Columns:
    """Understand a table from its first rows, the header (if there is one) among them.

    Args:
        head: the fields of the first rows.
        labelled: whether there must be a label column; else its position may be None.

    Raises:
        ValueError: there are not exactly 63 coordinates, or not one label column.
    """
    has_header = _is_header(head[0])
    names = list(head[0]) if has_header else _names_for(head[0])
    plain = [_normal(name) for name in names]
    roles = {_ROLE_OF[name]: place for place, name in enumerate(plain) if name in _ROLE_OF}
    label = _label_column(plain, head[1:] if has_header else head, labelled)
    coordinates = _coordinates(
        {i: name for i, name in enumerate(plain) if i != label and name not in _ROLE_OF}
    )
    return Columns(names, has_header, label, coordinates, roles)


def split_line(line: str, separator: str) -> list[str]:
    """The fields of one line of a table.

    Raises:
        ValueError: the line is no line of a table.
    """
    try:
        return next(csv.reader([line], delimiter=separator), [])
    except csv.Error as error:
        raise ValueError(f"not a table: {error}") from error


def _normal(name: str) -> str:
    name = re.sub(r"[^a-z0-9]+", "_", name.strip().lower()).strip("_")
    name = name.replace("finger_", "").replace("little_", "pinky_")
    return re.sub(r"(?<=[a-z])_(id|no|name|number)$", "", name)


def _is_header(fields: Sequence[str]) -> bool:
    """Data is mostly numbers; so is a header of bare column numbers, each of them another."""
    numbers = [text for text in fields if is_number(text)]
    counted = len(set(numbers)) == len(numbers) and all(map(str.isdecimal, numbers))
    return counted or len(numbers) * 2 < len(fields)


def _names_for(fields: Sequence[str]) -> list[str]:
    """Names for a table without a header: numbers are coordinates, the text is the label."""
    names, count = [], 0
    for text in fields:
        names.append(str(count) if is_number(text) else "")
        count += is_number(text)
    return names


def _label_column(names: list[str], rows: Sequence[Sequence[str]], needed: bool) -> int | None:
    named = [
        i for wanted in LABELS for i, name in enumerate(names) if name in (wanted, wanted + "s")
    ]
    if named:  # class_name goes before class_id
        return next((i for i in named if _is_text(rows, i)), named[0])
    texts = [i for i, name in enumerate(names) if _can_be_label(name) and _is_text(rows, i)]
    if not texts and not needed:
        return None
    if len(texts) != 1:
        raise ValueError(
            f"no label column: expected one named {', '.join(LABELS)}, or one column of text; "
            f"found {len(texts)} columns of text"
        )
    return texts[0]


def _can_be_label(name: str) -> bool:
    # A table without a header has an empty name for its text.
    return _point(name) is None and (name == "" or name not in _ROLE_OF)


def _is_text(rows: Sequence[Sequence[str]], place: int) -> bool:
    values = [row[place] for row in rows if place < len(row) and row[place].strip()]
    return sum(not is_number(value) for value in values) * 2 > len(values)


def _point(name: str) -> tuple[int, int] | None:
    """(number as written, axis) of a coordinate's name; joints are numbered from 0."""
    if match := _NUMBER_FIRST.fullmatch(name):
        return int(match[1]), "xyz".index(match[2])
    if match := _AXIS_FIRST.fullmatch(name):
        return int(match[2]), "xyz".index(match[1])
    if match := _JOINT_FIRST.fullmatch(name):
        return JOINTS.index(match[1]), "xyz".index(match[2])
    if match := _AXIS_JOINT.fullmatch(name):
        return JOINTS.index(match[2]), "xyz".index(match[1])
    return None


def _coordinates(names: dict[int, str]) -> list[int]:
    points = {place: point for place, name in names.items() if (point := _point(name))}
    if not points:
        return _numbered(names)
    first = min(number for number, _ in points.values())
    wanted = [(number + first, axis) for number in range(21) for axis in range(3)]
    if sorted(points.values()) != wanted or first > 1:
        raise ValueError(_not_63(len(points), _difference(list(points.values()), wanted)))
    place_of = {point: place for place, point in points.items()}
    return [place_of[point] for point in wanted]


def _numbered(names: dict[int, str]) -> list[int]:
    """Columns with bare numbers, such as f0 … f62, in the order of their numbers."""
    places = {place: int(m[1]) for place, name in names.items() if (m := _PLAIN.fullmatch(name))}
    if len(places) != 63 or len(set(places.values())) != 63:
        raise ValueError(_not_63(len(places), ""))
    return sorted(places, key=places.__getitem__)


def _not_63(found: int, difference: str) -> str:
    return (
        f"found {found} coordinate columns{difference}; expected 63: x, y, z of 21 landmarks, "
        "named like x0, y0, z0 … z20"
    )


def _difference(points: list[tuple[int, int]], wanted: list[tuple[int, int]]) -> str:
    def shown(some: list[tuple[int, int]]) -> str:
        return ", ".join(f"{'xyz'[axis]}{number}" for number, axis in sorted(some)[:6])

    missing, extra = set(wanted) - set(points), set(points) - set(wanted)
    twice = {point for point in points if points.count(point) > 1}
    parts = (("without", missing), ("with extra", extra), ("with two of", twice))
    return "".join(f", {word} {shown(list(some))}" for word, some in parts if some)
