"""Measure a web app in Chromium: ``python -m tests.helpers.measure_web_app my_app``.

Prints the start from the cache, the delay from the camera to the answer, the frames per second, and
the processor time and memory of the browser. Other programs on the machine should be idle: the load
is printed too.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from tests.helpers.pages import POINTING_LETTERS, encode_jpeg, paint_pointing_hand
from tests.helpers.web_apps import serve_folder

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))), None)
FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
    *("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"),
)
COUNT_FRAMES = """
window.numFrames = 0;
const post = Worker.prototype.postMessage;
Worker.prototype.postMessage = function (message, ...others) {
  if (message.kind === "frame") window.numFrames += 1;
  return post.call(this, message, ...others);
};
"""
STARTS, WATCHED_S = 3, 20.0
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def measure_app(folder: Path) -> None:
    """Print the measurements of an app in a folder."""
    with tempfile.TemporaryDirectory() as place, serve_folder(folder) as address:
        reel = Path(place, "hands.mjpeg")
        reel.write_bytes(
            b"".join(encode_jpeg(paint_pointing_hand(letter)) * 45 for letter in POINTING_LETTERS)
        )
        flags = [*FLAGS, f"--use-file-for-fake-video-capture={reel}"]
        print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
        with sync_playwright() as driver:

            def launch() -> Any:
                return driver.chromium.launch_persistent_context(
                    str(Path(place, "profile")), executable_path=CHROMIUM, args=flags
                )

            context = launch()
            print("first visit:", open_app(context, address).locator("#uv-start-up").inner_text())
            context.pages[-1].evaluate("navigator.serviceWorker.ready.then(() => true)")
            for _ in range(STARTS):
                context.close()
                context = launch()
                shown = open_app(context, address)
                print("from the cache:", shown.locator("#uv-start-up").inner_text())
            measure_camera(shown)
            context.close()
        print(f"load {os.getloadavg()[0]:.1f}")


def open_app(context: Any, address: str) -> Any:
    """Return the page once its models are loaded."""
    context.add_init_script(COUNT_FRAMES)
    shown = context.new_page()
    shown.goto(address)
    shown.wait_for_selector('html[data-state="ready"]')
    return shown


def measure_camera(shown: Any) -> None:
    """Print the pace of the camera, and what the browser's processes take."""
    shown.get_by_role("button", name="Start the camera").click()
    shown.wait_for_timeout(5000)
    before, count = processor_seconds(), shown.evaluate("window.numFrames")
    shown.wait_for_timeout(1000 * WATCHED_S)
    seconds, frames = processor_seconds() - before, shown.evaluate("window.numFrames") - count
    print(shown.locator("#uv-pace").inner_text())
    print(f"{frames / WATCHED_S:.1f} frames per second")
    print(f"{1000 * seconds / max(frames, 1):.1f} ms of processor time for each frame")
    print(f"{memory_mb():.0f} MB of memory in all processes of the browser")


def list_processes() -> list[Path]:
    """Return the folders in /proc of this process's descendants that are browsers."""
    parents = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(folder.name)] = int(
                (folder / "stat").read_text().rpartition(")")[2].split()[1]
            )
        except OSError:
            continue
    found = {os.getpid()}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return [Path("/proc", str(number)) for number in found if "chrom" in read_name(number)]


def read_name(number: int) -> str:
    """Return the name of a process."""
    try:
        return Path(f"/proc/{number}/comm").read_text()
    except OSError:
        return ""


def processor_seconds() -> float:
    """Return the processor time of the browser so far."""
    ticks = 0
    for folder in list_processes():
        fields = (folder / "stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / TICKS_PER_S


def memory_mb() -> float:
    """Return the proportional share of memory of the browser's processes."""
    kilobytes = 0
    for folder in list_processes():
        lines = (folder / "smaps_rollup").read_text().splitlines()
        kilobytes += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return kilobytes / 1000


if __name__ == "__main__":
    measure_app(Path(sys.argv[1]).resolve())
