"""stage=summary: the story of a run, epoch by epoch, or several runs side by side.

Run folders are only read. Nothing in them is run: no checkpoint is opened, and config.yaml is read
as plain YAML.
"""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig

from experiments.launch.build import write_config
from experiments.launch.console import quiet, tell
from experiments.runs.compare import summarize_runs
from experiments.runs.one_run import summarize_run
from experiments.runs.run_folder import read_runs
from unvoiced.text import markdown_document, spreadsheet_cells


def run(config: DictConfig) -> None:
    """Write summary.md and summary.csv of the run, or the runs, that ``input`` names.

    Raises:
        ValueError: no input, or nothing in it can be read.
    """
    quiet()
    runs = read_runs(config.input)
    own = Path(config.run_dir)
    if own.resolve() in [one.folder.resolve() for one in runs]:
        raise ValueError(f"{own} is the run that is read; name another folder as hydra.run.dir=")
    text, table = summarize_run(runs[0]) if len(runs) == 1 else summarize_runs(runs)
    folder = write_config(config)
    (folder / "summary.md").write_text(markdown_document(text), encoding="utf-8")
    spreadsheet_cells(table).to_csv(folder / "summary.csv", index=False)
    tell(text)
    tell(f"Run folder: {folder}")
