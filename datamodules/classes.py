"""Choice of some classes of a set."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from difflib import get_close_matches

MAX_CLOSED_VOCABULARY = 500  # phrases


def select_classes(
    known: Sequence[str],
    wanted: int | Sequence[str],
    normalize: Callable[[str], str] = str,
) -> list[str]:
    """Return the wanted classes of the ``known`` ones, sorted.

    Args:
        known: the classes of a set.
        wanted: names, or how many of the sorted classes.
        normalize: converts a wanted name to the form of the known ones.

    Raises:
        ValueError: more classes than there are, fewer than two, or unknown ones.
    """
    names = sorted(known)
    if isinstance(wanted, int):
        if not 2 <= wanted <= len(names):
            raise ValueError(
                f"classes={wanted}: expected 2 to {len(names)}, the number of classes of the set"
            )
        return names[:wanted]
    wanted = [wanted] if isinstance(wanted, str) else [str(name) for name in wanted]
    wanted = list(map(normalize, wanted))
    missing = [name for name in wanted if name not in known]
    if missing:
        near = get_close_matches(missing[0], names, n=5) or names[:5]
        raise ValueError(
            f"classes: the set has no {', '.join(missing[:10])}; near {missing[0]!r} it has "
            f"{', '.join(near)}"
        )
    if len(set(wanted)) < 2:
        raise ValueError(f"classes={wanted}: expected two classes or more")
    return sorted(set(wanted))


def refuse_interpolations(classes: Iterable[str]) -> None:
    """Refuse names with ``${``, which no checkpoint can hold.

    Raises:
        ValueError: with the first one.
    """
    for name in classes:
        if "${" in name:
            raise ValueError(
                f"the class {name!r} contains ${{, which configurations replace; expected a name "
                "without it. Rename it in the recordings and prepare them again, or leave it out "
                "with classes=[…]"
            )


def list_closed_vocabulary(known: Sequence[str], held_out: Sequence[str]) -> list[str]:
    """Return the different training texts if most held-out texts are among them; else nothing."""
    phrases = set(known)
    num_unknown = sum(text not in phrases for text in held_out)
    is_closed = len(phrases) <= MAX_CLOSED_VOCABULARY and num_unknown <= len(held_out) / 2
    return sorted(phrases) if is_closed else []
