"""Stratified draws of whole sequences: the same share of every class and of its groups."""

from __future__ import annotations

import numpy as np


def draw_stratified(
    codes: np.ndarray, labels: np.ndarray, groups: np.ndarray, counts: list[int], seed: int
) -> list[np.ndarray]:
    """Return for each count the sorted positions of whole sequences that come closest to it.

    Each class gives its share to within one sequence: the rounding error of a class is added
    to the share of the next one. At least one sequence is drawn if possible. Classes of
    one sample are drawn only if the others give none: without it, no model learns the class.

    Args:
        codes, labels, groups: (positions,) the sequence, class and group of each.
        counts: numbers of positions to draw.
        seed: seed of the draw.
    """
    for keeps_single in (True, False):
        drawn = _draw_parts(codes, labels, groups, counts, seed, keeps_single)
        if all(count == 0 or len(part) for count, part in zip(counts, drawn, strict=True)):
            break
    return drawn


def _draw_parts(
    codes: np.ndarray,
    labels: np.ndarray,
    groups: np.ndarray,
    counts: list[int],
    seed: int,
    keeps_single: bool,
) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    strata = Strata(list_members(codes), labels, groups, rng, keeps_single)
    drawn = []
    for count in counts:
        order, taken, goal = rng.permutation(list(strata.queues)), [], 0.0
        for label in order:
            goal += count * strata.sizes[label] / len(codes)
            parts = strata.take_sequences(label, goal)
            goal -= sum(map(len, parts))
            taken += parts
        for label in order if count else ():
            taken = taken or strata.take_sequences(label, np.inf, most=1)
        drawn.append(np.sort(np.concatenate([np.zeros(0, np.int64), *taken])))
    return drawn


def list_members(codes: np.ndarray) -> list[np.ndarray]:
    """Return the sorted positions of each sequence, by its code."""
    order = np.argsort(codes, kind="stable")
    return np.split(order, np.cumsum(np.bincount(codes))[:-1])


class Strata:
    """The sequences of each class in a random order, with all groups alike in each part.

    A sequence of several classes belongs to its most frequent one. A sequence is not taken if a
    class of several samples would be left without any, or if it is the last one.

    Args:
        members: the positions of each sequence.
        labels, groups: (positions,) the class and group of each.
        rng: draws the order.
        keeps_single: whether the only sample of a class is not taken either.

    Attributes:
        queues: the sequences of each class, the next one last.
        sizes: positions of each class, 0 if the class gives none.
    """

    def __init__(
        self,
        members: list[np.ndarray],
        labels: np.ndarray,
        groups: np.ndarray,
        rng: np.random.Generator,
        keeps_single: bool = False,
    ) -> None:
        self._members, self._labels = members, labels
        owners = groups[np.array([rows[0] for rows in members])]
        classes = np.array([np.bincount(labels[rows]).argmax() for rows in members])
        order = _spread_groups(classes, owners, rng)
        self.queues = {
            label: order[classes[order] == label][::-1].tolist()
            for label in np.unique(classes).tolist()
        }
        lengths = np.array([len(rows) for rows in members])
        self.sizes = {label: int(lengths[queue].sum()) for label, queue in self.queues.items()}
        self._left = np.bincount(labels)  # samples of each class that are not taken
        self._is_guarded = self._left > (0 if keeps_single else 1)
        single = np.flatnonzero(self._left == 1) if keeps_single else ()
        self.sizes |= {label: 0 for label in map(int, single) if label in self.sizes}

    def take_sequences(self, label: int, goal: float, most: float = np.inf) -> list[np.ndarray]:
        """Take sequences of a class while they bring their total closer to a goal.

        Args:
            label: the class.
            goal: positions to take.
            most: sequences to take at most.
        """
        taken: list[np.ndarray] = []
        passed: list[int] = []  # too long; a shorter one may follow
        queue = self.queues[label]
        while queue and goal > 0.5 and len(taken) < most:
            code = queue.pop()
            rows = self._members[code]
            if len(rows) < 2 * goal and self._release(rows):
                taken.append(rows)
                goal -= len(rows)
            else:
                passed.append(code)
        queue.extend(reversed(passed))
        return taken

    def _release(self, rows: np.ndarray) -> bool:
        """Count a sequence as taken, unless a class or training would be left without samples."""
        counts = np.bincount(self._labels[rows], minlength=len(self._left))
        is_emptied = self._is_guarded & (counts > 0) & (counts >= self._left)
        if is_emptied.any() or counts.sum() >= self._left.sum():
            return False
        self._left -= counts
        return True


def _spread_groups(classes: np.ndarray, owners: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the sequences by class; within it, those of each group are equally spaced."""
    order = np.lexsort((rng.random(len(classes)), owners, classes))
    _, cells, sizes = np.unique(
        np.stack([classes[order], owners[order]]), axis=1, return_inverse=True, return_counts=True
    )
    ranks = np.arange(len(order)) - (np.cumsum(sizes) - sizes)[cells.ravel()]
    places = (ranks + rng.random(len(sizes))[cells.ravel()]) / sizes[cells.ravel()]
    return order[np.lexsort((places, classes[order]))]
