"""Turn the face of an image away, by the depth that MediaPipe's face landmarker estimates."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from scipy.interpolate import LinearNDInterpolator

from unvoiced.vision.mediapipe_tasks import import_mediapipe, to_mediapipe


class FaceTurner:
    """Turns faces about the vertical axis.

    Args:
        model: a ``face_landmarker.task``.
    """

    def __init__(self, model: Path) -> None:
        self._mediapipe = import_mediapipe()
        from mediapipe.tasks.python import BaseOptions, vision

        options = vision.FaceLandmarkerOptions(
            base_options=BaseOptions(model_asset_buffer=model.read_bytes())
        )
        self._landmarker = vision.FaceLandmarker.create_from_options(options)

    def turn_face(self, image: np.ndarray, degrees: float) -> np.ndarray:
        """Return the image (H, W, 3) uint8 RGB with the face turned to its right."""
        found = self._landmarker.detect(to_mediapipe(self._mediapipe, image)).face_landmarks[0]
        height, width = image.shape[:2]
        points = np.array([(p.x * width, p.y * height, p.z * width) for p in found])
        turned, angle = points[:, :2].copy(), np.radians(degrees)
        middle = points[[234, 454], :].mean(0)  # between the ears
        x, z = points[:, 0] - middle[0], points[:, 2] - middle[2]
        turned[:, 0] = middle[0] + x * np.cos(angle) - z * np.sin(angle)
        reach = np.ptp(points[:, :2], axis=0).max()
        ring = np.linspace(0, 2 * np.pi, 40, endpoint=False)
        centre = points[:, :2].mean(0)
        border = centre + 1.1 * reach * np.stack([np.cos(ring), np.sin(ring)], 1)
        corners = np.array([(0, 0), (width, 0), (0, height), (width, height)], float)
        fixed = np.vstack([border, corners])
        source = LinearNDInterpolator(
            np.vstack([turned, fixed]), np.vstack([points[:, :2], fixed]), fill_value=0
        )
        rows, columns = np.mgrid[:height, :width]
        maps = source(columns, rows).astype(np.float32)
        return cv2.remap(
            image, maps[..., 0], maps[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
