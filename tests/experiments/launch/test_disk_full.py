"""A full disk is one error message, whichever file was being written."""

from __future__ import annotations

import errno
import os

import pytest

from experiments.launch.errors import explain


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EFBIG, errno.EDQUOT])
@pytest.mark.parametrize("name", [None, "run/predictions.csv"])
def test_a_full_disk_is_one_sentence(code: int, name: str | None) -> None:
    text = explain(OSError(code, os.strerror(code), name))
    assert f"{name or 'A file of this command'} cannot be written" in text
    assert "Make room" in text and "\n" not in text
