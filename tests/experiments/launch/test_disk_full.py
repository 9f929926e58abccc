"""A full disk is named as such, with what to do, whatever was being written."""

from __future__ import annotations

import errno
import os

import pytest

from experiments.launch.errors import explain


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EFBIG, errno.EDQUOT])
@pytest.mark.parametrize("name", [None, "run/predictions.csv"])
def test_the_disk_is_full(code: int, name: str | None) -> None:
    text = explain(OSError(code, os.strerror(code), name))
    assert f"{name or 'A file of this command'} cannot be written" in text
    assert "Make room" in text and "\n" not in text
