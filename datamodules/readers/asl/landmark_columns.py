"""The columns of a landmark table, by any of their common names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from unvoiced.text import is_number

JOINT_NAMES = (
    "wrist",
    *(f"thumb_{joint}" for joint in ("cmc", "mcp", "ip", "tip")),
    *(
        f"{finger}_{joint}"
        for finger in ("index", "middle", "ring", "pinky")
        for joint in ("mcp", "pip", "dip", "tip")
    ),
)
LABEL_NAMES = ("label", "letter", "class", "target", "sign", "gesture")
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
_JOINT = rf"(?P<joint>{'|'.join(JOINT_NAMES)})"
_POINTS = [  # landmark and axis, in either order
    re.compile(_PREFIX + pattern)
    for pattern in (
        r"(?P<number>\d+)_?(?P<axis>[xyz])",
        r"(?P<axis>[xyz])_?(?P<number>\d+)",
        rf"{_JOINT}_(?P<axis>[xyz])",
        rf"(?P<axis>[xyz])_{_JOINT}",
    )
]
_PLAIN = re.compile(r"(?:f|feat|feature|v|value|c|coord|coordinate|col|column|landmark|lm)?_?(\d+)")


@dataclass(frozen=True)
class Columns:
    """Positions of the columns of one table.

    ``coordinates`` are 63 positions in the order x0, y0, z0 … z20; ``roles`` maps ``group``,
    ``sequence``, ``frame`` and ``split`` to the position of their column, if there is one.
    """

    names: list[str]
    has_header: bool
    label: int | None
    coordinates: list[int]
    roles: dict[str, int] = field(default_factory=dict)


def find_columns(head: Sequence[Sequence[str]], is_labelled: bool = True) -> Columns:
    """Find the columns of a table from its first rows, including the header if there is one.

    Args:
        head: fields of the first rows.
        is_labelled: whether there must be a label column; else its position may be None.

    Raises:
        ValueError: there are not exactly 63 coordinates, or not one label column.
    """
    has_header = _is_header(head[0])
    names = list(head[0]) if has_header else _names_for(head[0])
    plain = [_normalize_name(name) for name in names]
    roles = {_ROLE_OF[name]: position for position, name in enumerate(plain) if name in _ROLE_OF}
    label = _label_column(plain, head[1:] if has_header else head, is_labelled)
    coordinates = _find_coordinates(
        {i: name for i, name in enumerate(plain) if i != label and name not in _ROLE_OF}
    )
    return Columns(names, has_header, label, coordinates, roles)


def _normalize_name(name: str) -> str:
    name = re.sub(r"[^a-z0-9]+", "_", name.strip().lower()).strip("_")
    name = name.replace("finger_", "").replace("little_", "pinky_")
    return re.sub(r"(?<=[a-z])_(id|no|name|number)$", "", name)


def _is_header(fields: Sequence[str]) -> bool:
    """Return whether fields are names: mostly texts, or distinct integers."""
    numbers = [text for text in fields if is_number(text)]
    is_counted = len(set(numbers)) == len(numbers) and all(map(str.isdecimal, numbers))
    return is_counted or len(numbers) * 2 < len(fields)


def _names_for(fields: Sequence[str]) -> list[str]:
    """Return names for a table without a header: of coordinates for numbers, "" for texts."""
    names, count = [], 0
    for text in fields:
        names.append(str(count) if is_number(text) else "")
        count += is_number(text)
    return names


def _label_column(names: list[str], rows: Sequence[Sequence[str]], is_required: bool) -> int | None:
    named = [
        i
        for wanted in LABEL_NAMES
        for i, name in enumerate(names)
        if name in (wanted, wanted + "s")
    ]
    if named:  # class_name goes before class_id
        return next((i for i in named if _is_text(rows, i)), named[0])
    texts = [i for i, name in enumerate(names) if _can_be_label(name) and _is_text(rows, i)]
    if not texts and not is_required:
        return None
    if len(texts) != 1:
        raise ValueError(
            f"no label column: expected one named {', '.join(LABEL_NAMES)}, or one column of text; "
            f"found {len(texts)} columns of text"
        )
    return texts[0]


def _can_be_label(name: str) -> bool:
    # A table without a header has an empty name for its text.
    return _parse_point(name) is None and (name == "" or name not in _ROLE_OF)


def _is_text(rows: Sequence[Sequence[str]], position: int) -> bool:
    values = [row[position] for row in rows if position < len(row) and row[position].strip()]
    return sum(not is_number(value) for value in values) * 2 > len(values)


def _parse_point(name: str) -> tuple[int, int] | None:
    """Return (number, axis) of a coordinate's name; joints are numbered from 0."""
    match = next(filter(None, (pattern.fullmatch(name) for pattern in _POINTS)), None)
    if not match:
        return None
    joint = match.groupdict().get("joint")
    number = JOINT_NAMES.index(joint) if joint else int(match["number"])
    return number, "xyz".index(match["axis"])


def _find_coordinates(names: dict[int, str]) -> list[int]:
    points = {position: point for position, name in names.items() if (point := _parse_point(name))}
    if not points:
        return _find_numbered(names)
    first = min(number for number, _ in points.values())
    wanted = [(number + first, axis) for number in range(21) for axis in range(3)]
    if sorted(points.values()) != wanted or first > 1:
        raise ValueError(
            _count_error(len(points), _describe_difference(list(points.values()), wanted))
        )
    position_of = {point: position for position, point in points.items()}
    return [position_of[point] for point in wanted]


def _find_numbered(names: dict[int, str]) -> list[int]:
    """Return the columns with bare numbers, such as f0 … f62, in the order of the numbers."""
    positions = {
        position: int(m[1]) for position, name in names.items() if (m := _PLAIN.fullmatch(name))
    }
    if len(positions) != 63 or len(set(positions.values())) != 63:
        raise ValueError(_count_error(len(positions), ""))
    return sorted(positions, key=positions.__getitem__)


def _count_error(found: int, difference: str) -> str:
    return (
        f"found {found} coordinate columns{difference}; expected 63: x, y, z of 21 landmarks, "
        "named like x0, y0, z0 … z20"
    )


def _describe_difference(points: list[tuple[int, int]], wanted: list[tuple[int, int]]) -> str:
    def list_points(points: set[tuple[int, int]]) -> str:
        return ", ".join(f"{'xyz'[axis]}{number}" for number, axis in sorted(points)[:6])

    missing, extra = set(wanted) - set(points), set(points) - set(wanted)
    twice = {point for point in points if points.count(point) > 1}
    parts = (("without", missing), ("with extra", extra), ("with two of", twice))
    return "".join(f", {word} {list_points(group)}" for word, group in parts if group)
