"""MediaPipe's usage reports: their receiver is not found, and all else is."""

from __future__ import annotations

import socket
import sys

import pytest

from unvoiced.vision import usage_reports
from unvoiced.vision.mediapipe_tasks import import_mediapipe


@pytest.mark.skipif(sys.platform != "linux", reason="only blocked on Linux")
def test_the_library_alone_finds_no_address() -> None:
    import_mediapipe()
    assert usage_reports.block_usage_reports()
    assert usage_reports.find_replaced_calls() == [True]
    assert socket.getaddrinfo("localhost", 80)


def test_where_it_is_not_blocked_there_is_a_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(usage_reports, "find_spec", lambda _: None)
    assert not usage_reports.block_usage_reports.__wrapped__()
    assert "MediaPipe sends usage figures" in caplog.text
