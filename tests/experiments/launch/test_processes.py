"""Processes: limited in number, ended with their parent, isolated from the current folder."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from joblib import cpu_count

from experiments.launch.errors import report_errors
from experiments.launch.limits import is_count, refuse_excess
from tests.helpers.command_line import FORK_CONTEXT, run_as_main, run_command
from tests.helpers.paths import ROOT
from tests.helpers.prepared_sets import write_hands, write_landmark_files

PATIENCE_S = 20
LONG_JOBLIB = pytest.param("joblib", marks=pytest.mark.long)  # starts workers as preparations do
LONG_JOBS = (LONG_JOBLIB, pytest.param("submitit", marks=pytest.mark.long))
SHADOWS = ("numpy", "json", "struct", "modules", "callbacks", "datamodules", "experiments")


def start_process(code: str, cwd: Path, **variables: str) -> subprocess.Popen:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"} | variables
    command = [sys.executable, "-P", "-c", code]
    return subprocess.Popen(command, cwd=cwd, env=environment, stdout=subprocess.PIPE, text=True)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{pid}/stat")  # a zombie has ended, and nobody has asked how
    return not (state.exists() and state.read_text().rpartition(")")[2].split()[0] == "Z")


def wait_for(condition, patience_s: float = PATIENCE_S) -> bool:
    end = time.monotonic() + patience_s
    while not condition() and time.monotonic() < end:
        time.sleep(0.05)
    return condition()


def find_children(pid: int) -> list[int]:
    """Return all descendants of ``pid``."""
    path = Path(f"/proc/{pid}/task/{pid}/children")
    direct = [int(text) for text in path.read_text().split()] if path.exists() else []
    return [*direct, *(one for child in direct for one in find_children(child))]


# ---- no more than cores


@pytest.mark.parametrize("key", ["trainer.devices", "datamodule.num_workers"])
def test_more_processes_than_cores_are_refused_before_anything_is_written(
    key: str, compose_config, run, tmp_path: Path
) -> None:
    wanted = cpu_count() + 97
    with pytest.raises(ValueError, match=rf"{key}={wanted} starts {wanted} processes.*Set {key}="):
        run("debug=smoke", f"{key}={wanted}")
    assert not (tmp_path / "run").exists()


def test_more_processes_are_allowed_by_name(compose_config) -> None:
    config = compose_config("debug=smoke", "oversubscribe=true")
    refuse_excess("trainer.devices", 1_000, config)
    config.oversubscribe = False
    for accepted in (1, cpu_count(), "auto", None, "-1", -1, [0, 1], True):
        refuse_excess("trainer.devices", accepted, config)
    assert is_count("99") and is_count(99.0) and not is_count("inf") and not is_count(2.5)


def test_a_preparation_is_limited_too(run, tmp_path: Path) -> None:
    raw = write_landmark_files(tmp_path / "raw", "A", 1)
    prepare = ("stage=prepare", "reader=landmark_npy", f"raw_dir={raw}", "prepare.num_workers=1000")
    with pytest.raises(ValueError, match="prepare.num_workers=1000 starts 1,000 processes"):
        run(*prepare, f"data_dir={tmp_path / 'set'}")
    assert not (tmp_path / "set").exists()


# ---- Ctrl-C


def test_ctrl_c_while_modules_are_imported_shows_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "hydra.py").write_text("import time\nprint('ready', flush=True)\ntime.sleep(600)\n")
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "run.py")],
        **{"env": os.environ | {"PYTHONPATH": str(tmp_path)}, "text": True},
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=PATIENCE_S)[1] == ""
    assert process.returncode == -signal.SIGINT


def test_ctrl_c_in_a_stage_ends_with_a_sentence(capsys) -> None:
    with pytest.raises(SystemExit) as ended, report_errors():
        raise KeyboardInterrupt
    assert ended.value.code == 130 and capsys.readouterr().err == "\nStopped by Ctrl-C.\n"


# ---- children end with their parent


PARENT = """
import os, subprocess, sys, time
child = "import os, time; from unvoiced.processes import {begin}; {begin}({argument}); " \
    "print(os.getpid(), flush=True); time.sleep(600)"
environment = os.environ | {{"UNVOICED_PARENT": str(os.getpid())}}
subprocess.Popen([sys.executable, "-P", "-c", child.replace("PARENT", str(os.getpid()))],
    env=environment)
time.sleep(600)
"""


@pytest.mark.parametrize(
    ("begin_name", "argument"), [("end_with_parent", "PARENT"), ("end_with_named_parent", "")]
)
def test_a_child_ends_with_its_killed_parent(begin_name, argument, tmp_path: Path) -> None:
    parent = start_process(PARENT.format(begin=begin_name, argument=argument), tmp_path)
    child = int(parent.stdout.readline())
    assert is_alive(child)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    assert wait_for(lambda: not is_alive(child))


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("what", ["preparation", "ddp", "loader workers", *LONG_JOBS])
def test_no_process_outlives_a_killed_command(what: str, tmp_path: Path) -> None:
    long = ("debug=smoke", "trainer.max_epochs=500", "callbacks.early_stopping=null")
    run_folder, sweep_folder = f"hydra.run.dir={tmp_path}/run", f"hydra.sweep.dir={tmp_path}/sweep"
    fit = (*long, f"data_dir={write_hands(tmp_path / 'set', each=8)}", "oversubscribe=true")
    command, count = {
        "preparation": ((*prepare_slowly(tmp_path), run_folder, "prepare.num_workers=2"), 2),
        "ddp": ((*fit, run_folder, "trainer.strategy=ddp", "trainer.devices=2"), 1),
        "loader workers": ((*fit, run_folder, "datamodule.num_workers=2"), 2),
        "joblib": (("-m", "seed=0,1", *fit, sweep_folder, "hydra/launcher=joblib"), 2),
        "submitit": (("-m", "seed=0,1", *fit, sweep_folder, "hydra/launcher=submitit_local"), 4),
    }[what]
    process = start_command(command, tmp_path / "output", fresh=what not in ("preparation", "ddp"))
    marks = {"preparation": "set2/manifest.csv", "joblib": "sweep/1/metrics.csv"}
    marks |= {"submitit": "sweep/1/metrics.csv"}
    assert wait_for((tmp_path / marks.get(what, "run/metrics.csv")).exists, 240)
    begun = wait_for(lambda: len(find_children(process.pid)) >= count, 120)
    children = find_children(process.pid)
    assert begun, (tmp_path / "output").read_text()
    process.kill()
    assert wait_for(lambda: not is_alive(process.pid))
    assert wait_for(lambda: not any(map(is_alive, children))), [*filter(is_alive, children)]


def start_command(command: tuple[str, ...], output: Path, fresh: bool) -> Any:
    """Start ``python run.py …``; a forked one starts no loader workers and no jobs of its own."""
    if not fresh:
        process = FORK_CONTEXT.Process(target=run_as_main, args=(command, [output, output], None))
        process.start()
        return process
    with output.open("w") as file:
        return subprocess.Popen(
            [sys.executable, "run.py", *command],
            **{"cwd": ROOT, "env": os.environ | {"OMP_NUM_THREADS": "1"}},
            **{"stdout": file, "stderr": file},
        )


def prepare_slowly(folder: Path) -> tuple[str, ...]:
    """Start a preparation of many files."""
    raw = write_landmark_files(folder / "raw", "ABCDEFGH", 1500)
    return ("stage=prepare", "reader=landmark_npy", f"raw_dir={raw}", f"data_dir={folder / 'set2'}")


# ---- imports of worker processes

ISOLATED = """
import os, sys
from pathlib import Path
from unvoiced.processes import isolate_imports
isolate_imports([{root!r}])
from joblib import Parallel, delayed
import modules.schedules
print(Parallel(2)(delayed(os.path.basename)(f"a/{{n}}") for n in range(2)))
import subprocess
subprocess.run([sys.executable, "-c", "import modules.schedules, json; print(json.__file__)"])
"""


def write_shadows(folder: Path) -> Path:
    """Write modules with well-known names that leave a file when they are imported."""
    folder.mkdir()
    for name in SHADOWS:
        text = f"open({str(folder / 'imported')!r}, 'a').write('{name} ')\nraise SystemExit(9)\n"
        (folder / f"{name}.py").write_text(text)
    return folder


@pytest.mark.slow
def test_workers_import_nothing_from_the_current_folder(tmp_path: Path) -> None:
    folder = write_shadows(tmp_path / "mine")
    process = start_process(ISOLATED.format(root=str(ROOT)), folder)
    assert "['0', '1']" in process.communicate(timeout=120)[0]
    assert process.returncode == 0 and not (folder / "imported").exists()


@pytest.mark.slow
@pytest.mark.parametrize("what", ["preparation", "ddp", LONG_JOBLIB, "submitit"])
def test_commands_ignore_modules_of_the_current_folder(what: str, tmp_path: Path) -> None:
    folder, data = write_shadows(tmp_path / "mine"), write_hands(tmp_path / "set", each=8)
    raw = write_landmark_files(tmp_path / "raw", "AB", 10)
    fit = ("debug=smoke", "oversubscribe=true", f"data_dir={data}")
    sweep = ("-m", "seed=0,1", *fit, f"hydra.sweep.dir={tmp_path}/sweep")
    command = {
        "preparation": (
            "stage=prepare",
            "reader=landmark_npy",
            f"raw_dir={raw}",
            "prepare.num_workers=2",
        ),
        "ddp": (*fit, "trainer.strategy=ddp", "trainer.devices=2"),
        "joblib": (*sweep, "hydra/launcher=joblib"),
        "submitit": (*sweep, "hydra/launcher=submitit_local"),
    }[what]
    if what == "preparation":
        command += (f"data_dir={tmp_path / 'set2'}", "oversubscribe=true")
    done = subprocess.run(
        [sys.executable, str(ROOT / "run.py"), *command, f"hydra.run.dir={tmp_path}/run"],
        **{"cwd": folder, "capture_output": True, "text": True, "timeout": 300},
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    assert not (folder / "imported").exists()


@pytest.mark.slow
def test_two_commands_in_one_run_folder_are_refused(tmp_path: Path) -> None:
    from datamodules.store.locks import lock_folder

    folder = tmp_path / "run"
    with lock_folder(folder, "stage=fit"):
        done = run_command("debug=smoke", "seed=7", f"hydra.run.dir={folder}")
        assert done.returncode == 1
        assert f"error: {folder} is in use by another process (stage=fit, process" in done.stderr
        assert [path.name for path in folder.iterdir()] == [".lock"]  # nothing was written
        swept = run_command("-m", "seed=0,1", "debug=smoke", f"hydra.sweep.dir={folder}")
        assert swept.returncode == 1 and "is in use by another process" in swept.stderr
        assert [path.name for path in folder.iterdir()] == [".lock"]
    assert not list(folder.iterdir())
