"""Hydra sweeper that measures the cells of tables: first the trainings, then the tests."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from omegaconf import OmegaConf

from experiments.result_tables.plan import (
    Cell,
    count_cells,
    list_cells,
    list_test_overrides,
    list_trainings,
    read_rows,
    split_runnable,
)
from experiments.sweeps.job_status import find_jobs


class TableSweeper(BasicSweeper):
    """Launches one job per training, and one per test that a training does not make itself."""

    def sweep(self, arguments: list[str]) -> Any:
        """Measure all cells; finished jobs are not run again."""
        assert self.config is not None
        from experiments.result_tables.collect import write_tables
        from experiments.result_tables.render import count_outdated_cells

        cells = list_cells(self.config)
        folder = Path(self.config.hydra.sweep.dir)
        folder.mkdir(parents=True, exist_ok=True)
        OmegaConf.save(self.config, folder / "multirun.yaml")
        print(f"{folder}: {count_cells(cells)}", flush=True)
        for row in split_runnable(read_rows(self.config), self.config)[1]:
            sets = ", ".join(f"results.{name}=" for name in row.sets)
            print(f"Not run: {row.table}, row {row.name}: it needs {sets}", flush=True)
        launched = 0
        for _, of_seed in groupby(cells, lambda cell: cell.seed):  # whole tables, early
            part = list(of_seed)
            launched += self._launch([list(one) for one in list_trainings(part)], launched)
            launched += self._launch(list_tests(part, folder), launched)
            results = write_tables(folder, find_jobs(folder), self.config)
            if count := count_outdated_cells(results):
                print(f"warning: {count} cells were measured on earlier content of a set. Measure "
                      "them again in a new hydra.sweep.dir=", flush=True)  # fmt: skip
        return None

    def _launch(self, batch: list[list[str]], first: int) -> int:
        """Run the jobs of a batch, and return their number."""
        assert self.launcher is not None
        if batch:
            self.validate_batch_is_legal(batch)
            for result in self.launcher.launch(batch, initial_job_idx=first):
                _ = result.return_value  # raises the error that ended the job
        return len(batch)


def list_tests(cells: list[Cell], folder: Path) -> list[list[str]]:
    """Return the overrides of all tests with a finished training, in the sweep ``folder``."""
    finished = {job.key: job.folder for job in find_jobs(folder) if job.status == "finished"}
    trained = [(cell, finished.get(tuple(sorted(cell.fit)))) for cell in cells if cell.test]
    return [list(list_test_overrides(cell, run)) for cell, run in trained if run]
