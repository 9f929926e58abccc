"""Findings of a check: measured value, expected value, problem and remedy."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

ALL_FINE = "Nothing is wrong."


class Fault(NamedTuple):
    """A fault that a check can name.

    Attributes:
        is_present: whether the measurement shows it.
        problem: as a sentence without its full stop.
        remedy: instruction, as a sentence without its full stop.
    """

    is_present: bool
    problem: str
    remedy: str


@dataclass(frozen=True)
class Finding:
    """The outcome of one check.

    Attributes:
        check: its name, such as ``brightness``.
        is_ok: whether the measurement is as expected; None if it cannot be judged.
        measured: the measured value with its unit.
        expected: the range that is expected.
        problem: as a sentence; empty if there is none.
        remedy: instruction that solves the problem.
    """

    check: str
    is_ok: bool | None
    measured: str
    expected: str = ""
    problem: str = ""
    remedy: str = ""

    def __str__(self) -> str:
        mark = {True: "✓", False: "✗", None: "–"}[self.is_ok]
        expected = f" (expected {self.expected})" if self.expected else ""
        advice = f". {self.problem}: {self.remedy}" if self.problem else ""
        return f"{mark} {self.check}: {self.measured}{expected}{advice}"


def judge_faults(check: str, measured: str, expected: str, faults: Iterable[Fault]) -> Finding:
    """Return the finding of a check, with the first fault that is present."""
    for fault in faults:
        if fault.is_present:
            return Finding(check, False, measured, expected, fault.problem, fault.remedy)
    return Finding(check, True, measured, expected)


def skip_check(check: str, reason: str) -> Finding:
    """Return the finding of a check that cannot be judged, with the reason."""
    return Finding(check, None, reason)


def summarize_findings(findings: Iterable[Finding]) -> str:
    """Return the problem in one sentence."""
    problems = [finding.problem for finding in findings if finding.is_ok is False]
    if not problems:
        return ALL_FINE
    count = "1 thing is" if len(problems) == 1 else f"{len(problems)} things are"
    return f"{count} wrong: {'; '.join(problems)}."
