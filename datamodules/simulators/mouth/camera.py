"""From drawn faces to the images of a moving, noisy camera."""

from __future__ import annotations

import cv2
import numpy as np

from datamodules.simulators.mouth.canvas import Canvas
from datamodules.simulators.mouth.speakers import Speaker


def _draw_head_motion(
    frames: int, fps: float, speaker: Speaker, rng: np.random.Generator, noise: float
) -> np.ndarray:
    """Return the head's pose (frames, 4): x, y by image size, roll in radians, log scale."""
    amounts = np.array([0.012, 0.015, 0.02, 0.02]) * speaker.restless
    start, pace = rng.uniform(0, 2 * np.pi, 4), rng.uniform(0.2, 0.9, 4)  # Hz
    sway = amounts * np.sin(start + 2 * np.pi * pace * np.arange(frames)[:, None] / fps)
    offset = np.array([0.02, 0.025, 0.015, 0.04]) * rng.standard_normal(4)
    jitter = np.array([0.003, 0.004, 0.002, 0.004]) * rng.standard_normal((frames, 4))
    return [*speaker.place, speaker.roll, 0] + noise * (sway + offset + jitter)


def photograph_faces(
    faces: np.ndarray,
    canvas: Canvas,
    rng: np.random.Generator,
    fps: float = 25.0,
    noise: float = 1.0,
) -> np.ndarray:
    """Return camera images (frames, height, width) uint8 of faces (frames, rows, columns)."""
    person, size = canvas.speaker, (canvas.width, canvas.height)
    camera = tuple(max(8, round(person.detail * side)) for side in size)
    views = _map_to_camera(_draw_head_motion(len(faces), fps, person, rng, noise), canvas, camera)
    exposure = 1 + noise * 0.04 * rng.standard_normal()
    grain = rng.standard_normal((len(faces), camera[1], camera[0]), dtype=np.float32)
    images = np.empty((len(faces), canvas.height, canvas.width), np.uint8)
    for k, face in enumerate(faces):
        soft = cv2.GaussianBlur(face, (0, 0), person.blur)
        seen = cv2.warpAffine(soft, views[k], camera, borderMode=cv2.BORDER_REFLECT_101)
        grey = _apply_camera_curve(seen * np.float32(exposure), person)
        grey += np.float32(255 * noise * person.grain) * grain[k]
        images[k] = cv2.resize(_compress_image(grey, person.quality), size)
    return images


def _map_to_camera(motion: np.ndarray, canvas: Canvas, camera: tuple[int, ...]) -> np.ndarray:
    """Return the maps (frames, 2, 3) from canvas pixels to camera pixels."""
    roll = motion[:, 2]
    turn = np.array([[np.cos(roll), -np.sin(roll)], [np.sin(roll), np.cos(roll)]])
    shrink = np.array([[camera[0] / canvas.width], [camera[1] / canvas.height]])
    turn = shrink * (np.exp(motion[:, 3]) * turn).transpose(2, 0, 1)
    middle = np.array([len(canvas.x) - 1, len(canvas.y) - 1]) / 2
    target = (np.array(camera) - 1) / 2 + motion[:, :2] * camera
    return np.concatenate([turn, (target - turn @ middle)[..., None]], axis=2)


def _apply_camera_curve(seen: np.ndarray, person: Speaker) -> np.ndarray:
    """Return grey levels from 0 to 255, float32, of light."""
    curve = cv2.pow(np.maximum(seen, 0), person.gamma)
    return np.float32(255) * (np.float32(person.brightness) + np.float32(person.contrast) * curve)


def _compress_image(grey: np.ndarray, quality: int) -> np.ndarray:
    """Return the image after compression as JPEG."""
    whole = np.clip(grey, 0, 255).astype(np.uint8)
    _, packed = cv2.imencode(".jpg", whole, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return cv2.imdecode(packed, cv2.IMREAD_GRAYSCALE)
