"""Inject faults into real recordings, and count how many the self-test names.

python -m tests.helpers.doctor_faults hands lips emg unharmed_hands unharmed_lips unharmed_emg
prints tables in Markdown.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import islice, pairwise
from pathlib import Path
from zipfile import ZipFile

import cv2
import numpy as np
import pandas as pd

from tests.helpers import image_faults, signal_faults
from tests.helpers.image_faults import Frames
from tests.helpers.paths import require_shared_data
from tests.helpers.turned_faces import FaceTurner
from unvoiced.doctor.faces import FaceExamination, mouth_box
from unvoiced.doctor.findings import Finding
from unvoiced.doctor.hands import HandExamination
from unvoiced.doctor.mouths import MouthExamination
from unvoiced.doctor.signals import SignalFacts, check_signal
from unvoiced.emg.conditioning import EMGFilter
from unvoiced.streams.trackers import TrackerSettings
from unvoiced.vision.faces import FaceDetector
from unvoiced.vision.hands import HandLandmarker
from unvoiced.vision.images import load_image
from unvoiced.vision.models import locate_face_model, locate_hand_model
from unvoiced.vision.videos import Video

SETTINGS = TrackerSettings(None, 0.5, {})
STILLS = ("s01/A_000", "s01/B_000", "s03/L_000", "s03/C_000", "s04/V_000")
EMG_RATE = 250.0
Trial = tuple[str, str, list[Finding]]  # the fault, a part of the sentence that names it, findings


def examine_frames(kind: type, frames: Frames, **options) -> list[Finding]:
    """Return the findings on frames, all of which are examined."""
    examination = kind(SETTINGS, **options)
    for seconds, image in frames:
        examination.clock.add_image(image, seconds)
        examination.push(image, seconds)
    return examination.find_faults()


def list_problems(findings: list[Finding]) -> list[str]:
    return [finding.problem for finding in findings if finding.is_ok is False]


# ---- hands


def harm_hands() -> Iterator[Trial]:
    """Yield the findings on harmed films of stills of hands."""
    folder = require_shared_data("asl/images")
    landmarker = HandLandmarker(locate_hand_model(None))
    films = []
    for name in STILLS:
        image = load_image(folder / f"{name}.jpg")
        hand = landmarker.read(image)
        assert hand is not None, name
        points = hand.landmarks.reshape(21, 3)[:, :2] * image.shape[1::-1]
        films.append((image_faults.film_still(image), points))
    for number, (frames, points) in enumerate(films):
        others = films[(number + 1) % len(films)][0]
        for fault, problem, harmed in harm_hand(frames, points, others):
            yield fault, problem, examine_frames(HandExamination, harmed, hand="right")


def harm_hand(frames: Frames, points: np.ndarray, others: Frames) -> Iterator[tuple]:
    """Yield (fault, problem, frames) for a film with a hand at points (21, 2), pixels."""
    low, extent, centre = points.min(0), np.ptp(points, axis=0), points.mean(0)
    size, side = float(extent.max()), max(frames[0][1].shape)
    yield "unharmed", "", frames
    yield "too far", "too far", image_faults.move_away(frames, 0.1 * side / size)
    yield "too near", "too near", image_faults.move_near(frames, centre, 1.15 * side / size)
    edge = low[1] + 0.78 * extent[1]
    yield "cut off", "cut off", image_faults.cut_edge(frames, edge, 0)
    yield "no hand", "No hand", image_faults.replace_scene(frames)
    yield "two people", "More hands", image_faults.add_person(frames, others)
    yield "mirrored", "mirrored", image_faults.mirror_images(frames)
    yield "moving", "moves too much", image_faults.shake(frames, 0.2 * size)
    yield from harm_images(frames, points, size)


def harm_images(frames: Frames, outline: np.ndarray, size: float) -> Iterator[tuple]:
    """Yield (fault, problem, frames) for faults of any film."""
    yield "too dark", "too dark", image_faults.scale_light(frames, 0.15)
    yield "overexposed", "overexposed", image_faults.scale_light(frames, 4.0)
    yield "backlit", "from behind", image_faults.light_from_behind(frames, outline)
    yield "blurred", "blurred", image_faults.blur_images(frames, 0.03 * size)
    yield "6 fps", "frame rate is too low", image_faults.slow_down(frames, 6)
    yield "uneven frames", "unevenly", image_faults.make_uneven(frames)
    yield "frozen", "is frozen", image_faults.freeze(frames, 0.1)


# ---- lips


def harm_lips() -> Iterator[Trial]:
    """Yield the findings on harmed videos of a speaking face."""
    root = require_shared_data("lip/grid_s1/video")
    turner = FaceTurner(require_shared_data("models/face_landmarker.task"))
    paths = sorted(root.glob("*.mpg"))[::11]
    films = [list(islice(Video(path).timed_frames(), 30)) for path in paths]
    detector = FaceDetector(locate_face_model(None))
    for number, frames in enumerate(films):
        face, others = detector.read(frames[0][1]), films[(number + 1) % len(films)]
        assert face is not None, paths[number]
        for fault, problem, harmed in harm_face(frames, face, others, turner):
            yield fault, problem, examine_frames(FaceExamination, harmed)


def harm_face(frames: Frames, face, others: Frames, turner: FaceTurner) -> Iterator[tuple]:
    """Yield (fault, problem, frames) for a film of a face."""
    middle = (face.points[:2].mean(0) + face.points[2]) / 2
    outline = middle + face.size / 2 * np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)])
    (low, high), margin = mouth_box(face), np.ptp(mouth_box(face), axis=0)
    yield "unharmed", "", frames
    yield "mouth too small", "too small", image_faults.move_away(frames, 0.4)
    yield "too near", "too near", image_faults.move_near(frames, face.centre, 2.3)
    yield "mouth cut off", "cut off", image_faults.cut_edge(frames, face.points[2][1], 0)
    yield "no face", "No face", image_faults.replace_scene(frames)
    yield "two people", "Several people", image_faults.add_person(frames, others)
    yield "moving", "moves too much", image_faults.shake(frames, 0.06 * face.size)
    for degrees in (30, -40):
        turned = [(seconds, turner.turn_face(image, degrees)) for seconds, image in frames[:6]]
        yield f"turned by {abs(degrees)}°", "turned away", turned
    mask = np.full((8, 8, 3), (150, 180, 210), np.uint8)
    for fault, patch in (("mask", mask), ("hand before the mouth", load_hand())):
        corners = low - margin * 0.5, high + margin * 0.6
        yield fault, "covered", image_faults.cover(frames, *corners, patch)
    yield from harm_images(frames, outline, face.size)


def load_hand() -> np.ndarray:
    """Return the fingers of a real hand, (h, w, 3) uint8 RGB."""
    image = load_image(require_shared_data("asl/images/s01") / "B_000.jpg")
    hand = HandLandmarker(locate_hand_model(None)).read(image)
    points = hand.landmarks.reshape(21, 3)[:, :2] * image.shape[1::-1]
    low, high = points.min(0).astype(int), points.max(0).astype(int)
    return image[low[1] + (high[1] - low[1]) // 3 : high[1], low[0] : high[0]]


# ---- EMG


def load_signals() -> Iterator[tuple[str, np.ndarray, float]]:
    """Yield the set, the first 5 s (T, C) and the µV per count of each real recording."""
    for path in sorted(require_shared_data("emg/nexus").glob("*.zip")):
        with ZipFile(path) as archive:
            for name in sorted(n for n in archive.namelist() if n.endswith(".npy")):
                with archive.open(name) as file:
                    yield path.stem, np.load(file)[20:1270], 0.02235
    for path in sorted(require_shared_data("emg/somach").glob("*.npz")):
        with np.load(path) as archive:
            counts, starts = archive["adc"], archive["offset"]
        for first, stop in list(pairwise(starts))[::10]:
            yield "somach", counts[first:stop], 1.0


def make_facts(uv_per_count: float, channels: int, **changes) -> SignalFacts:
    mains_hz, rate = changes.pop("mains_hz", 50.0), changes.pop("rate", EMG_RATE)
    return SignalFacts(EMGFilter(rate, mains_hz), uv_per_count, channels, **changes)


def harm_signals() -> Iterator[Trial]:
    """Yield the findings on harmed signals, four of each set."""
    recordings = pd.DataFrame(load_signals(), columns=["set", "counts", "uv"])
    recordings = recordings[recordings["counts"].map(len) > 225]
    chosen = recordings.groupby("set").sample(4, random_state=0)
    for counts, uv_per_count in zip(chosen["counts"], chosen["uv"], strict=True):
        for fault, problem, harmed, changes in harm_signal(counts, uv_per_count):
            facts = make_facts(changes.pop("uv", uv_per_count), counts.shape[1], **changes)
            yield fault, problem, check_signal(harmed, facts)


def harm_signal(counts: np.ndarray, uv: float) -> Iterator[tuple[str, str, np.ndarray, dict]]:
    """Yield (fault, problem, samples, what is known of them)."""
    channel = min(2, counts.shape[1] - 1)
    strength = float(np.median(np.abs(np.diff(counts.astype(float), axis=0))))
    yield "unharmed", "", counts, {}
    yield "electrode falls off", "is off", signal_faults.stop_channel(counts, channel), {}
    yield "channel at the rail", "is off", signal_faults.raise_to_rail(counts, channel), {}
    yield "electrode shorted", "is off", signal_faults.short_channel(counts, channel), {}
    yield "loose, noise", "is loose", signal_faults.loosen_channel(counts, channel), {}
    yield "clipped", "clipped", signal_faults.clip_signal(counts), {}
    yield "hum of 60 Hz", "Hum of 60 Hz", signal_faults.add_hum(counts, EMG_RATE, 60), {}
    hum = signal_faults.add_hum(counts, EMG_RATE, 50)
    yield "hum of 50 Hz, no filter", "Hum of 50 Hz", hum, {"mains_hz": None}
    yield "in volts", "volts", signal_faults.scale_unit(counts, uv * 1e-6), {"uv": 1.0}
    yield "in millivolts", "millivolts", signal_faults.scale_unit(counts, uv * 1e-3), {"uv": 1.0}
    yield "in nanovolts", "nanovolts", signal_faults.scale_unit(counts, uv * 1e3), {"uv": 1.0}
    yield "file states 500 Hz", "sample rate is wrong", counts, {"stated_hz": 500.0}
    yield "500 Hz are set, nothing stated", "sample rate is wrong", counts, {"rate": 500.0}
    yield "a channel less", "number of channels", counts[:, :-1], {}
    yield "two channels swapped", "order", signal_faults.swap_channels(counts, 0, channel), {}
    yield "NaN in a gap", "not numbers", signal_faults.lose_numbers(counts), {}
    yield "packets lost", "dropped", signal_faults.lose_samples(counts, EMG_RATE), {}
    moved = signal_faults.move_cables(counts, EMG_RATE, 100 * strength)
    yield "movement", "Movements", moved, {}
    yield "0.24 s", "too short", counts[:60], {}


# ---- unharmed recordings


def examine_clips() -> Iterator[tuple[str, list[Finding]]]:
    """Yield the set, and the findings, of videos of faces and of mouths; every tenth mouth clip."""
    for path in sorted(require_shared_data("lip/grid_s1/video").glob("*.mpg")):
        frames = list(islice(Video(path).timed_frames(), 25))
        yield "GRID videos", examine_frames(FaceExamination, frames)
    for path in sorted(require_shared_data("lip/grid_s1/mouth").glob("*.mp4"))[::10]:
        frames = list(Video(path).timed_frames())
        yield "GRID mouth clips", examine_frames(MouthExamination, frames)
    for path in sorted(require_shared_data("lip/miracl").glob("*.zip")):
        yield from examine_mouths(path)


def examine_signals() -> Iterator[tuple[str, list[Finding]]]:
    """Yield the set, and the findings, of each EMG recording."""
    for name, counts, uv_per_count in load_signals():
        yield f"EMG {name}", check_signal(counts, make_facts(uv_per_count, counts.shape[1]))


def examine_stills() -> Iterator[tuple[str, list[Finding]]]:
    """Yield the set, and the findings, of every other still that shows a hand, and of landmarks."""
    for path in sorted(require_shared_data("asl/images").glob("*/*.jpg"))[::2]:
        yield f"stills {path.parent.name}", examine_still(path)
    for path in sorted(require_shared_data("asl/image_folders").glob("*/*.jpg"))[::2]:
        if path.parent.name != "nothing":
            yield "stills, 27 folders", examine_still(path)
    for path in sorted(require_shared_data("asl/landmarks").glob("*.csv.gz")):
        yield from examine_landmarks(path)


SHARED_LANDMARKERS: dict[str, HandLandmarker] = {}


def examine_still(path: Path) -> list[Finding]:
    """Return the findings on a still; the hand model is opened once."""
    examination = HandExamination(SETTINGS, is_still=True)
    if SHARED_LANDMARKERS:
        examination._landmarker = SHARED_LANDMARKERS["still"]
    examination.push(load_image(path), 0.0)
    SHARED_LANDMARKERS["still"] = examination._open_landmarker()
    return examination.find_faults()


def examine_landmarks(path: Path) -> Iterator[tuple[str, list[Finding]]]:
    """Yield the findings on each sequence of a signer's landmarks."""
    columns = [f"{axis}{joint}" for joint in range(21) for axis in "xyz"]
    for _, rows in pd.read_csv(path).groupby("sequence"):
        examination = HandExamination(SETTINGS)
        for number, row in enumerate(rows[columns].to_numpy(np.float32)):
            examination.push(row, number / 30)
        yield "landmarks", examination.find_faults()


def examine_mouths(path: Path) -> Iterator[tuple[str, list[Finding]]]:
    """Yield the findings on every tenth clip of a MIRACL speaker, 15 fps."""
    with ZipFile(path) as archive:
        names = pd.Series([name for name in archive.namelist() if name.endswith(".jpg")])
        for number, (_, group) in enumerate(names.groupby(names.str.rpartition("/")[0])):
            if number % 10 == 0:
                contents = [np.frombuffer(archive.read(name), np.uint8) for name in sorted(group)]
                images = [cv2.imdecode(content, cv2.IMREAD_COLOR) for content in contents]
                frames = [(n / 15, image) for n, image in enumerate(images)]
                yield "MIRACL mouth clips", examine_frames(MouthExamination, frames)


def print_unharmed(examined: Iterator[tuple[str, list[Finding]]]) -> None:
    """Print how many unharmed recordings have a finding, and which."""
    total, wrong, named = Counter[str](), Counter[str](), Counter[tuple[str, str]]()
    for name, findings in examined:
        problems = list_problems(findings)
        total[name] += 1
        wrong[name] += bool(problems)
        named.update((name, problem) for problem in problems)
    print("| recordings | named wrong | of | reported problem |\n|---|---|---|---|")
    for name, count in total.items():
        parts = [f"{p} ({n})" for (of, p), n in named.most_common() if of == name]
        print(f"| {name} | {wrong[name]} | {count} | {'; '.join(parts)} |")


def print_trials(trials: Iterator[Trial]) -> None:
    """Print how often each fault is named."""
    results: dict[str, list[bool]] = {}
    for fault, problem, findings in trials:
        problems = list_problems(findings)
        is_named = any(problem in one for one in problems) if problem else not problems
        results.setdefault(fault, []).append(is_named)
    print("| fault | named | of |\n|---|---|---|")
    for fault, named in results.items():
        print(f"| {fault} | {sum(named)} | {len(named)} |")


PARTS: dict[str, Callable[[], None]] = {
    "hands": lambda: print_trials(harm_hands()),
    "lips": lambda: print_trials(harm_lips()),
    "emg": lambda: print_trials(harm_signals()),
    "unharmed_hands": lambda: print_unharmed(examine_stills()),
    "unharmed_lips": lambda: print_unharmed(examine_clips()),
    "unharmed_emg": lambda: print_unharmed(examine_signals()),
}

if __name__ == "__main__":
    for part in sys.argv[1:] or PARTS:
        print(f"\n{part}\n", flush=True)
        PARTS[part]()
