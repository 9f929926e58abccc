"""stage=summary: summarize a run epoch by epoch, or compare several runs.

Run folders are only read, and nothing in them is executed: no checkpoint is opened, and
config.yaml is read as plain YAML.
"""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig

from experiments.launch.build import write_config
from experiments.launch.console import logger, quiet
from experiments.runs.compare import summarize_runs
from experiments.runs.one_run import summarize_run
from experiments.runs.run_folder import read_runs
from unvoiced.text import markdown_document, spreadsheet_cells


def run(config: DictConfig) -> None:
    """Write summary.md and summary.csv of the run or runs that ``input`` names.

    Raises:
        ValueError: no input, or no run in it.
    """
    quiet()
    runs = read_runs(config.input)
    own = Path(config.run_dir)
    if own.resolve() in [run.folder.resolve() for run in runs]:
        raise ValueError(f"{own} is one of the runs to read; set hydra.run.dir= to another folder")
    text, table = summarize_run(runs[0]) if len(runs) == 1 else summarize_runs(runs)
    folder = write_config(config)
    (folder / "summary.md").write_text(markdown_document(text), encoding="utf-8")
    spreadsheet_cells(table).to_csv(folder / "summary.csv", index=False)
    logger.info(text)
    logger.info(f"Run folder: {folder}")
