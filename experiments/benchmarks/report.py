"""Print the tables of a benchmark, and write them to benchmark.json."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from experiments.benchmarks.machine import describe_machine, read_load
from experiments.benchmarks.tables import Table, format_table
from experiments.launch.console import logger
from experiments.launch.typed_command import format_typed_command
from experiments.reports.provenance import CHECKOUT, read_git_state

REPORT_NAME = "benchmark.json"


@dataclass
class BenchmarkReport:
    """The result of ``stage=benchmark``; create it before anything is measured.

    Attributes:
        load_before: running processes in the minute before.
        started: when it was created.
    """

    load_before: float | None = field(default_factory=read_load)
    started: datetime = field(default_factory=lambda: datetime.now(UTC))

    def write(self, config: DictConfig, tables: Sequence[Table]) -> Path:
        """Print the tables, and write benchmark.json to the run folder; return its path."""
        machine = describe_machine() | {
            "clock": config.benchmark.clock,
            "load_before": self.load_before,
            "load_after": read_load(),
        }
        for table in tables:
            logger.info(f"\n{table.title}\n\n{format_table(table)}")
            if table.note:
                logger.info(f"\n{table.note}")
        logger.info(f"\n{format_machine(machine)}")
        content = {
            "command": format_typed_command(),
            "commit": read_git_state(CHECKOUT)["commit"],
            "machine": machine,
            "time": self.started.isoformat(timespec="seconds"),
            "tables": [table.to_plain() for table in tables],
        }
        path = Path(config.run_dir) / REPORT_NAME
        path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(content, indent=1, ensure_ascii=False)
        path.write_text(f"{text}\n", encoding="utf-8")
        logger.info(f"\nWritten: {path}")
        return path


def format_machine(machine: dict[str, Any]) -> str:
    """Return one line on the machine and its load."""
    parts = [f"{machine['cores']} cores ({machine['cpu']})"]
    if machine["gpu"]:
        parts.append(machine["gpu"])
    if machine["memory_gb"]:
        parts.append(f"{machine['memory_gb']:g} GB")
    if machine["threads"]:
        parts.append(f"threads: {machine['threads']}")
    known = {name: text for name, text in machine["versions"].items() if text}
    parts += [f"{name} {text}" for name, text in known.items() if name in ("python", "torch")]
    if machine["load_before"] is not None:
        parts.append(f"load {machine['load_before']:g} before and {machine['load_after']:g} after")
    return ", ".join(parts) + f"; {machine['clock']} time"
