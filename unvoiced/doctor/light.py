"""Brightness, exposure and sharpness of images, around a hand or a face.

Limits: of 690 stills of hands and 34 videos of a face, the darkest has a mean grey of 100 and the
brightest 198; at most 35 % of an image and 16 % of a hand are white; a hand is at least 0.32 times
as bright as its surroundings, and its grey at least 43; in 217 of them, 99 % of the hands keep
at most 0.56 of their fine detail after a blur and all faces 0.47, and at least 0.58 if they were
blurred before by 3 % of their size; never are 2 % of an image dark and 2 % bright at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from unvoiced.doctor.findings import Fault, Finding, judge_faults, skip_check

DARK_GREY, BRIGHT_GREY = 40.0, 225.0  # mean of an image, of 255
WHITE_GREY = 250  # lowest grey of an overexposed pixel, of 255
MAX_WHITE_SHARE, MAX_WHITE_INSIDE = 0.6, 0.35  # of an image; of a hand or face
BACKLIT_RATIO, BACKLIT_GREY = 0.5, 42.0  # a hand or face over its surroundings; its mean grey
SHADOW_GREY, LIGHT_GREY, SILHOUETTE_SHARE = 35, 190, 0.08  # of 255; of an image that has both
MAX_BLUR = 0.58  # share of the fine detail that a blur leaves
BLUR_SIDE = 160  # pixels of the longer side of the examined part
FINE_SIGMA, COARSE_SIGMA = 1.5, 3.0  # pixels; a finer one would show the noise of the sensor
LEAST_SIDE = 24  # smallest part for a measurement of sharpness, pixels


@dataclass(frozen=True)
class Light:
    """The brightness of one image; grey levels of 255.

    Attributes:
        grey: mean.
        white_share: share of overexposed pixels, 0 to 1.
        inside: mean of the hand or face; None without one.
        outside: mean around it.
        white_inside: share of its pixels that are overexposed.
        blur: share of its fine detail that a blur leaves; None if it is too small.
        silhouette_share: the smaller of the shares of dark and of bright pixels of the image.
    """

    grey: float
    white_share: float
    inside: float | None = None
    outside: float | None = None
    white_inside: float = 0.0
    blur: float | None = None
    silhouette_share: float = 0.0


def measure_light(grey: np.ndarray, outline: np.ndarray | None = None) -> Light:
    """Return the brightness of a (H, W) uint8 image.

    Args:
        grey: the image.
        outline: (N, 2) corners of the convex hull of a hand or face, pixels.
    """
    mean, white = float(grey.mean()), float((grey >= WHITE_GREY).mean())
    both = min(float((grey < SHADOW_GREY).mean()), float((grey > LIGHT_GREY).mean()))
    if outline is None:
        return Light(mean, white, silhouette_share=both)
    points = np.rint(np.clip(outline, -(10**4), 10**4)).astype(np.int32)
    mask = np.zeros(grey.shape, np.uint8)
    cv2.fillConvexPoly(mask, cv2.convexHull(points), 1)
    inside, outside = grey[mask > 0], grey[mask == 0]
    if not inside.size or not outside.size:
        return Light(mean, white, silhouette_share=both)
    white_inside = float((inside >= WHITE_GREY).mean())
    blur = measure_blur(grey, points)
    greys = float(inside.mean()), float(outside.mean())
    return Light(mean, white, *greys, white_inside, blur, both)


def measure_blur(grey: np.ndarray, points: np.ndarray) -> float | None:
    """Return how much fine detail a blur leaves around points (N, 2): near 1 if there was none."""
    low = np.maximum(points.min(0), 0)
    high = np.minimum(points.max(0), grey.shape[1::-1])
    part = grey[low[1] : high[1], low[0] : high[0]]
    if min(part.shape) < LEAST_SIDE:
        return None
    factor = BLUR_SIDE / max(part.shape)
    kind = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    fine = cv2.resize(part, None, fx=factor, fy=factor, interpolation=kind).astype(np.float64)
    detail, left = (
        cv2.Laplacian(cv2.GaussianBlur(fine, (0, 0), sigma), cv2.CV_64F).std()
        for sigma in (FINE_SIGMA, COARSE_SIGMA)
    )
    return float(left / max(detail, 1e-6))


def check_light(lights: Sequence[Light], subject: str) -> list[Finding]:
    """Return the findings on brightness, exposure, backlight and sharpness.

    Args:
        lights: of each image, at least one.
        subject: such as ``hand``.
    """
    grey = float(np.median([light.grey for light in lights]))
    dark = Fault(
        grey < DARK_GREY,
        "The image is too dark",
        "switch on a lamp in front of you, or uncover the camera",
    )
    bright = Fault(
        grey > BRIGHT_GREY, "The image is too bright", "dim the lamp, or lower the exposure"
    )
    limits = f"{DARK_GREY:g} to {BRIGHT_GREY:g}"
    return [
        judge_faults("brightness", f"mean grey {grey:.0f} of 255", limits, [dark, bright]),
        _check_exposure(lights, subject),
        _check_backlight(lights, subject),
        _check_sharpness(lights, subject),
    ]


def _check_exposure(lights: Sequence[Light], subject: str) -> Finding:
    whole = float(np.median([light.white_share for light in lights]))
    inside = [light.white_inside for light in lights if light.inside is not None]
    own = float(np.median(inside)) if inside else 0.0
    fault = Fault(
        whole > MAX_WHITE_SHARE or own > MAX_WHITE_INSIDE,
        "The image is overexposed",
        "dim the lamp, close the curtain, or lower the camera's exposure",
    )
    measured = f"{whole:.0%} of the image and {own:.0%} of the {subject} are white"
    limits = f"at most {MAX_WHITE_SHARE:.0%} and {MAX_WHITE_INSIDE:.0%}"
    return judge_faults("exposure", measured, limits, [fault])


def _check_backlight(lights: Sequence[Light], subject: str) -> Finding:
    pairs = [(x.inside, x.outside) for x in lights if x.inside is not None and x.outside]
    if len(pairs) * 2 < len(lights):
        return _check_silhouette(lights, subject)
    inside, outside = (float(np.median(values)) for values in zip(*pairs, strict=True))
    fault = Fault(
        inside < BACKLIT_GREY and inside < BACKLIT_RATIO * outside,
        "The light comes from behind",
        "turn so that the window or lamp is in front of you",
    )
    measured = f"{subject} {inside:.0f}, around it {outside:.0f} of 255"
    limits = f"{subject} {BACKLIT_GREY:g} or more, or {BACKLIT_RATIO:g} times its surroundings"
    return judge_faults("backlight", measured, limits, [fault])


def _check_silhouette(lights: Sequence[Light], subject: str) -> Finding:
    """Return the finding on backlight where the hand or face itself is not found."""
    both = float(np.median([light.silhouette_share for light in lights]))
    if both < SILHOUETTE_SHARE:
        return skip_check("backlight", f"no {subject} was found")
    measured = f"no {subject}; {both:.0%} or more of the image is dark, and as much is bright"
    remedy = "turn so that the window or lamp is in front of you"
    limits = f"less than {SILHOUETTE_SHARE:.0%}"
    return Finding("backlight", False, measured, limits, "The light comes from behind", remedy)


def _check_sharpness(lights: Sequence[Light], subject: str) -> Finding:
    blurs = [light.blur for light in lights if light.blur is not None]
    if not blurs:
        return skip_check("sharpness", f"no {subject} that is large enough was found")
    blur = float(np.median(blurs))
    fault = Fault(
        blur > MAX_BLUR,
        "The image is blurred",
        "clean the lens, focus the camera, and hold the " + subject + " still",
    )
    measured = f"a blur leaves {blur:.2f} of the fine detail"
    return judge_faults("sharpness", measured, f"at most {MAX_BLUR:g}", [fault])
