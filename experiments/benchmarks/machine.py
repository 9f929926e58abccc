"""The machine that a benchmark ran on."""

from __future__ import annotations

import os
import platform
import re
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = ("torch", "lightning", "numpy", "opencv-python", "mediapipe", "onnxruntime")


def describe_machine() -> dict[str, Any]:
    """Return processor, memory, versions and threads as plain data; None for the unknown."""
    return {
        "cpu": read_cpu_name(),
        "cores": count_cores(),
        "memory_gb": read_memory_gb(),
        "gpu": _read_gpu_name(),
        "threads": _read_threads(),
        "system": f"{platform.system()} {platform.release()}",
        "versions": read_package_versions(),
    }


def read_load() -> float | None:
    """Return the mean number of running processes in the last minute; None if unknown."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None


def count_cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def read_cpu_name() -> str:
    """Return the name of the processor."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:  # not Linux
        text = ""
    found = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return found[1].strip() if found else platform.processor() or platform.machine()


def read_memory_gb() -> float | None:
    """Return the memory of the machine (GB); None if it is unknown."""
    try:
        return round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9, 1)
    except (AttributeError, OSError, ValueError):
        return None


def read_package_versions() -> dict[str, str | None]:
    """Return the versions of Python and of the packages that take the time."""
    versions: dict[str, str | None] = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = None
    return versions


def _read_threads() -> int | None:
    torch = sys.modules.get("torch")  # a benchmark without PyTorch does not import it
    return torch.get_num_threads() if torch else None


def _read_gpu_name() -> str | None:
    torch = sys.modules.get("torch")
    return torch.cuda.get_device_name() if torch and torch.cuda.is_available() else None
