"""A kinematic hand that fingerspells, seen as MediaPipe Hands would write it.

Hand frame of a right hand, in palm lengths (wrist to middle knuckle): x across the palm towards
the thumb, y down so that straight fingers point to -y, z away from the viewer so that the palm
faces -z. The picture uses the same axes, so a pose without rotation shows its palm to the camera.

Phalanx ratios roughly follow Buryanov and Kotiuk, "Proportions of hand segments", Int. J. Morphol.
28(3), 2010, with the soft tip added to the last phalanx; ranges of motion follow Kapandji, "The
Physiology of the Joints", vol. 1; the hand shapes are those of ASL fingerspelling manuals, with the
signs for "del" and "space" from the Kaggle ASL Alphabet pictures. Angles are rounded by hand.
"""

from __future__ import annotations

import string
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

CLASSES: tuple[str, ...] = (*string.ascii_uppercase, "del", "nothing", "space")
LANDMARKS = 21

Angles = tuple[int, int, int]

# Flexion of knuckle, middle and end joint in degrees, for the shapes a finger often takes.
UP: Angles = (3, 5, 3)
FIST: Angles = (60, 105, 40)
CLAW: Angles = (30, 105, 50)
ARCH: Angles = (45, 45, 25)
RING: Angles = (50, 60, 35)
HOOK: Angles = (20, 75, 45)
OVER: Angles = (50, 90, 40)
HALF: Angles = (60, 65, 35)
CLASP: Angles = (35, 95, 50)
TIGHT: Angles = (66, 100, 20)
SLACK: Angles = (25, 15, 10)
DOWN: Angles = (60, 10, 5)
POINT: Angles = (10, 5, 5)
KNUCKLED: Angles = (85, 20, 10)

TOGETHER = (0, 0, 0, 0)
RELAXED = (5, 1, -4, -9)


@dataclass(frozen=True)
class Pose:
    """How one letter is held.

    ``index`` to ``pinky`` are flexions in degrees (knuckle, middle joint, end joint); ``splay``
    turns each straight finger towards the thumb, in degrees. ``thumb`` is where the thumb tip
    rests: a landmark and an offset from it in palm lengths (towards the thumb side, towards the
    fingertips, out of the palm). ``palm`` turns the hand in degrees: yaw about the forearm
    (positive: palm to the viewer's left), pitch (fingertips to the viewer), roll (fingers to the
    viewer's left). ``turn`` is added to it in the course of the letter, and ``draws`` makes the
    hand trace a Z. ``weight`` is how common the pose is among those of its class.
    """

    index: Angles = FIST
    middle: Angles = FIST
    ring: Angles = FIST
    pinky: Angles = FIST
    splay: tuple[int, int, int, int] = RELAXED
    thumb: tuple[int, float, float, float] = (10, 0.05, -0.1, 0.12)
    palm: Angles = (0, 0, 0)
    turn: Angles = (0, 0, 0)
    draws: bool = False
    weight: float = 1.0


LEFT: Angles = (10, 0, 85)  # pointing to the viewer's left, palm to the viewer
RIGHT: Angles = (-170, 0, -85)  # pointing to the viewer's right, palm to the signer
DOWN_LEFT: Angles = (70, 0, 95)
DOWN_RIGHT: Angles = (-70, 0, -95)
FORWARD: Angles = (0, 20, -8)  # a fist leans to the viewer

# The textbook's shape of each class.
SHAPES: dict[str, Pose] = {
    "A": Pose(TIGHT, TIGHT, TIGHT, TIGHT, RELAXED, (5, 0.18, 0.42, 0.12), FORWARD),
    "B": Pose(UP, UP, UP, UP, TOGETHER, (9, 0.05, -0.2, 0.15)),
    "C": Pose(ARCH, ARCH, ARCH, ARCH, TOGETHER, (8, 0.05, -0.65, 0.05), (-70, 0, -10)),
    "D": Pose(UP, RING, RING, RING, RELAXED, (12, 0, -0.05, 0), (-15, 0, 0)),
    "E": Pose(CLAW, CLAW, CLAW, CLAW, TOGETHER, (12, 0.05, -0.2, 0.1), (0, 10, -5)),
    "F": Pose((55, 65, 30), UP, UP, UP, (0, 6, -6, -16), (8, 0, -0.03, 0)),
    "G": Pose(POINT, thumb=(5, 0.15, 0.4, 0.3), palm=LEFT),
    "H": Pose(POINT, POINT, thumb=(14, 0.1, 0, 0.1), palm=LEFT),
    "I": Pose(pinky=UP, splay=(3, 1, -2, -12), thumb=(10, 0.1, -0.1, 0.12)),
    "J": Pose(pinky=UP, splay=(3, 1, -2, -12), thumb=(10, 0.1, -0.1, 0.12), turn=(-100, 30, -60)),
    "K": Pose(UP, (25, 10, 5), splay=(6, -6, 0, 0), thumb=(10, 0.1, -0.12, 0.08)),
    "L": Pose(UP, thumb=(5, 0.9, -0.4, 0.1)),
    "M": Pose(OVER, OVER, OVER, FIST, TOGETHER, (13, 0.05, 0.25, 0.25), FORWARD),
    "N": Pose(OVER, OVER, TIGHT, FIST, TOGETHER, (9, -0.15, 0.5, 0.3), FORWARD),
    "O": Pose(RING, RING, RING, RING, TOGETHER, (8, 0, -0.05, 0), (-70, 0, -20)),
    "P": Pose((15, 5, 5), (60, 15, 5), thumb=(10, 0.08, 0, 0.05), palm=DOWN_LEFT),
    "Q": Pose((20, 15, 10), HALF, HALF, HALF, RELAXED, (8, 0.1, -0.35, 0.35), (60, 0, 120)),
    "R": Pose(UP, (15, 8, 5), splay=(-8, 13, 0, 0), thumb=(14, -0.05, 0.05, 0.1)),
    "S": Pose(thumb=(10, 0.03, -0.05, 0.18), palm=FORWARD),
    "T": Pose((65, 90, 45), TIGHT, TIGHT, thumb=(5, -0.1, 0.32, 0.25), palm=FORWARD),
    "U": Pose(UP, UP, splay=(-1, 1, 0, 0), thumb=(14, -0.05, 0, 0.1)),
    "V": Pose(UP, UP, splay=(12, -9, 0, 0), thumb=(14, -0.05, 0, 0.1)),
    "W": Pose(UP, UP, UP, splay=(12, 0, -12, -5), thumb=(18, 0.05, 0, 0.08)),
    "X": Pose(HOOK, thumb=(10, 0.1, -0.1, 0.12), palm=(-40, 0, 0)),
    "Y": Pose(pinky=UP, splay=(0, 0, -4, -25), thumb=(5, 0.9, -0.2, 0.05)),
    "Z": Pose(UP, thumb=(10, 0.1, -0.1, 0.12), palm=(0, 0, -25), draws=True),
    "del": Pose(DOWN, DOWN, DOWN, DOWN, TOGETHER, (5, 0.1, 0.3, 0.3), (80, 0, 70)),
    "nothing": Pose(),
    "space": Pose(SLACK, SLACK, SLACK, SLACK, RELAXED, (5, 0.2, -0.7, 0.9), (-75, 0, 70)),
}

FOLDED = Pose(KNUCKLED, KNUCKLED, KNUCKLED, FIST, TOGETHER, (9, 0, 0, 0.3), (0, 60, 0))
PINCHED = Pose((15, 5, 5), (60, 50, 25), HALF, HALF, RELAXED, (11, 0.1, 0.0, 0.1))

# Other ways in which people are known to hold a class: what differs from the textbook's shape.
VARIANTS: dict[str, list[Pose | dict]] = {
    "A": [{"thumb": (5, 0.3, 0.4, 0.12)},
          {"index": FIST, "middle": FIST, "ring": FIST, "pinky": FIST}],
    "B": [{"splay": RELAXED}, {"thumb": (5, 0.1, -0.1, 0.1)}],
    "C": [{"palm": (-35, 0, 0)}, {"palm": (-85, 0, -40)},
          Pose(SLACK, SLACK, SLACK, SLACK, TOGETHER, (8, 0.05, -0.75, 0.05), (-80, 0, -35))],
    "D": [{"palm": (-60, 0, 0)}, Pose(UP, weight=0.3),
          Pose(UP, CLASP, CLASP, CLASP, RELAXED, (12, 0.05, -0.12, 0.08), (-10, 0, 0))],
    "E": [{"thumb": (12, 0.0, -0.15, 0.05)}, {"thumb": (16, 0, -0.2, 0.05)}],
    "F": [{"splay": TOGETHER}, {"palm": (-40, 0, 0)}, {"thumb": (7, 0.05, 0, 0.08)},
          {"index": (35, 40, 20), "thumb": (8, 0.08, -0.15, 0.05)}],
    "G": [{"palm": RIGHT}, {"thumb": (6, 0.1, -0.1, 0.2)}, {"palm": (-45, 0, -60)},
          {"palm": RIGHT, "thumb": (10, 0.1, 0, 0.12)},
          {"palm": (-75, 0, -55), "thumb": (8, 0.1, -0.35, 0.3), "weight": 0.4},
          {"index": (65, 5, 5), "palm": (-75, 0, -15), "thumb": (8, 0.1, -0.4, 0.1)}],
    "H": [{"palm": RIGHT}, {"palm": (10, 0, 60)}, {"palm": (-45, 0, -60)},
          {"thumb": (6, 0.1, -0.2, 0.1)}, {"palm": (-70, 0, -70), "thumb": (10, 0.1, -0.1, 0.1)}],
    "I": [{"thumb": (6, 0.1, -0.1, 0.1)}],
    "J": [{"turn": (0, 0, 75)}, {"turn": (-170, 0, -150)}, {"turn": (0, 0, 40)}],
    "K": [{"thumb": (9, 0.1, 0.3, 0.15)}, {"middle": (45, 10, 5)}, {"palm": (-40, 0, 0)}],
    "L": [{"thumb": (5, 0.8, 0.0, 0.1)}],
    "M": [{"thumb": (9, 0.05, 0.25, 0.25)}, {"palm": (0, 55, 0)}, FOLDED],
    "N": [{"thumb": (10, 0.08, 0.0, 0.1)}, {"palm": (0, 55, 0)}, replace(FOLDED, ring=FIST)],
    "O": [{"palm": (-30, 0, 0)}, {"palm": (-85, 0, -45)}, {"palm": (80, 0, 50)}],
    "P": [{"palm": DOWN_RIGHT}, {"palm": (30, 0, 130)},
          replace(PINCHED, palm=(85, 0, 90)), replace(PINCHED, palm=(-70, 0, -90))],
    "Q": [{"palm": DOWN_RIGHT}, {"palm": (-75, 0, -85)}, {"palm": DOWN_LEFT},
          {"palm": (-50, 0, -120)}],
    "R": [{"splay": (-6, 9, 0, 0)}, {"middle": (8, 25, 10)}],
    "S": [{"thumb": (14, 0.08, -0.15, 0.12)}, {"thumb": (10, 0.0, -0.2, 0.12)}],
    "T": [{"thumb": (6, -0.05, -0.05, 0.1)}, {"thumb": (6, 0.1, 0.05, 0.05)}],
    "U": [{"thumb": (13, 0.1, -0.2, 0.2)}],
    "V": [{"thumb": (13, 0.1, -0.2, 0.2)}],
    "W": [{"splay": (6, 0, -6, -5)}, {"thumb": (19, 0, 0, 0.05)}, {"thumb": (17, 0.1, -0.2, 0.15)}],
    "X": [{"palm": (0, 0, 0)}, {"palm": (-70, 0, 20)},
          {"palm": (-70, 0, 0), "thumb": (6, 0.2, -0.2, 0)},
          {"palm": (60, 0, 25), "thumb": (10, 0.1, -0.4, 0.3)},
          {"index": (10, 50, 30), "palm": (-50, 0, 0)},
          {"index": (10, 50, 30), "palm": (60, 0, 25), "thumb": (8, 0, -0.8, 0.2)}],
    "Y": [{"thumb": (5, 0.45, 0.4, 0.1)}, {"thumb": (5, 0.9, 0.2, 0.05)}],
    "Z": [{"palm": (0, 0, -40)}, {"thumb": (12, 0, -0.05, 0)}],
    "del": [{"palm": (80, 0, 110)}, {"palm": (50, 0, 85)},
            Pose(UP, UP, UP, UP, TOGETHER, (5, 0.9, -0.4, 0.1), (-10, 0, 0))],
    "space": [{"thumb": (5, 0.2, 0.4, 0.1)}, {"palm": (-80, 0, 95)},
              Pose(ARCH, ARCH, ARCH, ARCH, RELAXED, (5, 0.3, -0.4, 0.9), (-60, 0, 60))],
}  # fmt: skip


def _poses(name: str) -> list[Pose]:
    shape = SHAPES[name]
    variants = VARIANTS.get(name, [])
    return [shape, *(v if isinstance(v, Pose) else replace(shape, **v) for v in variants)]


POSES: dict[str, list[Pose]] = {name: _poses(name) for name in CLASSES}

FLEXION_LIMITS = (np.array([-20.0, -5.0, -5.0]), np.array([95.0, 115.0, 85.0]))  # degrees
SPLAY_LIMIT = 30.0  # degrees
THUMB_BEND = np.radians([65.0, 85.0])  # knuckle and end joint, fully bent

KNUCKLES = np.array(
    [[0.24, -0.98, 0.0], [0.02, -1.0, 0.02], [-0.18, -0.93, 0.01], [-0.36, -0.79, -0.02]]
)
PHALANGES = np.array(
    [[0.42, 0.25, 0.22], [0.45, 0.27, 0.24], [0.42, 0.26, 0.23], [0.33, 0.20, 0.19]]
)
THUMB_BASE = np.array([0.3, -0.25, -0.05])
THUMB_BONES = np.array([0.46, 0.37, 0.30])
CURL_TILT = np.array([-0.08, 0.0, 0.1, 0.2])  # curled fingers lean towards the scaphoid
PARENT = np.array([0, 0, 1, 2, 3, 0, 5, 6, 7, 0, 9, 10, 11, 0, 13, 14, 15, 0, 17, 18, 19])
FINGER = np.array([0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5])
HABITUAL_PALM = np.array([-6.0, 6.0, -4.0])  # degrees: forearms lean in from the side and below
ASPECTS = (4 / 3, 16 / 9, 1.0, 5 / 6, 3 / 4, 9 / 16)  # picture width by height


@dataclass(frozen=True)
class Person:
    """One signer: proportions in palm lengths, habits by class, and camera."""

    knuckles: np.ndarray  # (4, 3)
    phalanges: np.ndarray  # (4, 3)
    thumb_base: np.ndarray  # (3,)
    thumb_bones: np.ndarray  # (3,)
    left_handed: bool
    variant: np.ndarray  # (classes,) which of the poses of a class this person uses
    flexion: np.ndarray  # (classes, 4, 3) degrees added
    splay: np.ndarray  # (classes, 4) degrees added
    thumb: np.ndarray  # (classes, 3) palm lengths added
    palm: np.ndarray  # (classes, 3) degrees added
    phase: float  # how far into a moving letter a still picture is taken, 0 to 1
    stroke: float  # seconds a moving letter takes
    aspect: float  # picture width by height
    distance: float  # camera to wrist, palm lengths
    size: float  # palm length by picture height
    depth_gain: float  # MediaPipe's z by true depth
    depth_lean: float  # how much MediaPipe draws points nearer the further they are from the wrist


def make_person(rng: np.random.Generator) -> Person:
    """Draw one signer."""
    count = len(CLASSES)
    scale = 1 + 0.06 * rng.standard_normal()
    weights = [np.array([pose.weight for pose in POSES[name]]) for name in CLASSES]
    return Person(
        knuckles=KNUCKLES * (1 + 0.08 * rng.standard_normal(3))
        + 0.015 * rng.standard_normal((4, 3)),
        phalanges=PHALANGES * scale * (1 + 0.05 * rng.standard_normal((4, 3))),
        thumb_base=THUMB_BASE + 0.03 * rng.standard_normal(3),
        thumb_bones=THUMB_BONES * (1 + 0.06 * rng.standard_normal(3)),
        left_handed=bool(rng.random() < 0.5),
        variant=np.array([rng.choice(len(w), p=w / w.sum()) for w in weights]),
        flexion=_flexion_habits(rng, count),
        splay=3 * rng.standard_normal((count, 4)) + 2 * rng.standard_normal(4),
        thumb=0.07 * rng.standard_normal((count, 3)) + 0.03 * rng.standard_normal(3),
        palm=HABITUAL_PALM + 10 * rng.standard_normal((count, 3)) + 8 * rng.standard_normal(3),
        phase=float(rng.uniform(0.5, 1)),
        stroke=float(rng.uniform(0.5, 1.1)),
        aspect=float(rng.choice(ASPECTS)),
        distance=float(rng.uniform(4, 12)),
        size=float(rng.uniform(0.15, 0.35)),
        depth_gain=float(rng.uniform(0.35, 0.85)),
        depth_lean=float(rng.normal(0.08, 0.08)),
    )


def _flexion_habits(rng: np.random.Generator, count: int) -> np.ndarray:
    """Degrees (count, 4, 3): whole-hand tightness, a finger's share of it, a joint's own."""
    hand = 6 * rng.standard_normal((count, 1, 1)) + [5, 7, 12] * rng.standard_normal((1, 1, 3))
    finger = 8 * rng.standard_normal((count, 4, 1))
    return hand + finger + 4 * rng.standard_normal((count, 4, 3))


def simulate(
    labels: Sequence[str],
    person: Person,
    rng: np.random.Generator,
    frames: int = 1,
    rate: float = 30.0,
    noise: float = 1.0,
) -> np.ndarray:
    """Landmarks (n, frames, 63) float32 of one person as MediaPipe would write them, by label."""
    classes = _class_indices(labels)
    points = hand_points(classes, person, rng, frames, rate, noise)
    picture = _photograph(points, person, rng, noise)
    picture[classes == CLASSES.index("nothing")] = 0
    return picture.reshape(len(classes), frames, LANDMARKS * 3).astype(np.float32)


def hand_points(
    classes: np.ndarray,
    person: Person,
    rng: np.random.Generator,
    frames: int = 1,
    rate: float = 30.0,
    noise: float = 1.0,
) -> np.ndarray:
    """Points (n, frames, 21, 3) in palm lengths before the camera, axes of the picture."""
    poses = [POSES[CLASSES[k]][person.variant[k]] for k in classes]
    count = len(poses)
    flexion, splay = _finger_angles(poses, classes, person, rng, noise)
    fingers = _bend_fingers(person, flexion, splay)
    thumb = _reach_thumb(
        person, fingers, _thumb_targets(poses, classes, person, fingers, rng, noise)
    )
    wrist = np.zeros((count, 1, 3))
    hand = np.concatenate([wrist, thumb, fingers.reshape(count, 16, 3)], axis=1)
    progress = _progress(person, rng, count, frames, rate)
    turned = np.einsum(
        "nfij,nkj->nfki", _rotations(poses, classes, person, progress, rng, noise), hand
    )
    draws = np.array([pose.draws for pose in poses])
    turned += draws[:, None, None, None] * _zigzag(progress)[:, :, None]
    return turned * [-1, 1, 1] if person.left_handed else turned


def _class_indices(labels: Sequence[str]) -> np.ndarray:
    unknown = sorted(set(labels) - set(CLASSES))
    if unknown:
        raise ValueError(f"unknown class names {unknown}; known are {list(CLASSES)}")
    return np.array([CLASSES.index(name) for name in labels], dtype=int)


def _finger_angles(
    poses: list[Pose], classes: np.ndarray, person: Person, rng: np.random.Generator, noise: float
) -> tuple[np.ndarray, np.ndarray]:
    """Flexion (n, 4, 3) and splay (n, 4) in radians, within the joints' limits."""
    count = len(poses)
    flexion = np.array([(p.index, p.middle, p.ring, p.pinky) for p in poses], dtype=float)
    flexion += person.flexion[classes] + noise * 3 * rng.standard_normal((count, 4, 1))
    flexion += noise * 2 * rng.standard_normal((count, 4, 3))
    splay = np.array([p.splay for p in poses], dtype=float)
    splay += person.splay[classes] + noise * 1.5 * rng.standard_normal((count, 4))
    flexion = np.clip(flexion, *FLEXION_LIMITS)
    # The collateral ligaments tighten as a knuckle bends, so that a bent finger hardly spreads.
    splay = np.clip(splay, -SPLAY_LIMIT, SPLAY_LIMIT) * np.cos(np.radians(flexion[..., 0]))
    return np.radians(flexion), np.radians(splay)


def _bend_fingers(person: Person, flexion: np.ndarray, splay: np.ndarray) -> np.ndarray:
    """Joints (n, 4, 4, 3): knuckle, middle joint, end joint and tip of each finger."""
    sine, cosine = np.sin(splay), np.cos(splay)
    straight = np.stack([sine, -cosine, np.zeros_like(sine)], axis=-1)
    curl = np.stack([CURL_TILT * cosine, CURL_TILT * sine, -np.ones_like(sine)], axis=-1)
    curl /= np.linalg.norm(curl, axis=-1, keepdims=True)
    total = np.cumsum(flexion, axis=-1)[..., None]
    bones = np.cos(total) * straight[:, :, None] + np.sin(total) * curl[:, :, None]
    joints = person.knuckles[:, None] + np.cumsum(bones * person.phalanges[..., None], axis=2)
    knuckles = np.broadcast_to(person.knuckles[:, None], (len(joints), 4, 1, 3))
    return np.concatenate([knuckles, joints], axis=2)


def _thumb_targets(
    poses: list[Pose],
    classes: np.ndarray,
    person: Person,
    fingers: np.ndarray,
    rng: np.random.Generator,
    noise: float,
) -> np.ndarray:
    """Where the thumb tips rest, (n, 3) in palm lengths."""
    count = len(poses)
    anchors = np.array([pose.thumb[0] for pose in poses]) - 5  # finger joints start at landmark 5
    offsets = np.array([pose.thumb[1:] for pose in poses]) + person.thumb[classes]
    offsets += noise * 0.03 * rng.standard_normal((count, 3))
    return fingers.reshape(count, 16, 3)[np.arange(count), anchors] + offsets * [1, -1, -1]


def _reach_thumb(person: Person, fingers: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Joints (n, 4, 3) of a thumb whose tip comes as near its target (n, 3) as it can."""
    reach = target - person.thumb_base
    distance = np.linalg.norm(reach, axis=-1, keepdims=True)
    bend = np.linspace(1, 0, 64)  # from fully bent, when the tip is nearest the base, to straight
    spans = np.hypot(*_bent_chain(person.thumb_bones, bend)[:, :, -1])
    bend = np.interp(distance[:, 0], spans, bend)
    along, bulge = _bent_chain(person.thumb_bones, bend)  # (n, 3) each
    angle = np.arctan2(bulge[:, -1:], along[:, -1:])
    forward = along * np.cos(angle) + bulge * np.sin(angle)
    outward = along * np.sin(angle) - bulge * np.cos(angle)
    axis = reach / np.maximum(distance, 1e-6)
    side = _bulge_direction(axis)
    joints = forward[..., None] * axis[:, None] + outward[..., None] * side[:, None]
    base = np.zeros((len(joints), 1, 3))
    return person.thumb_base + np.concatenate([base, joints], axis=1)


def _bent_chain(bones: np.ndarray, bend: np.ndarray) -> np.ndarray:
    """Planar joints (2, n, 3) of the thumb bent by a share (n,) of its range: along and across."""
    first, second = THUMB_BEND[:, None] * bend
    angles = np.stack([np.zeros_like(bend), first, first + second], axis=-1)
    return np.cumsum(np.stack([np.cos(angles), np.sin(angles)]) * bones, axis=-1)


def _bulge_direction(axis: np.ndarray) -> np.ndarray:
    """Unit vectors (n, 3) square to the thumb's axis, to which its bent knuckle points."""
    hint = np.array([0.7, -0.4, -0.4])  # to the thumb side and out of the palm
    side = hint - (axis @ hint)[:, None] * axis
    return side / np.maximum(np.linalg.norm(side, axis=-1, keepdims=True), 1e-6)


def _progress(
    person: Person, rng: np.random.Generator, count: int, frames: int, rate: float
) -> np.ndarray:
    """How far into a moving letter each frame is, (n, frames) from 0 to 1."""
    if frames == 1:  # people hold a moving letter for a still picture, each at a place of his own
        return np.clip(person.phase + 0.1 * rng.standard_normal((count, 1)), 0, 1)
    spare = max(frames / rate - person.stroke, 0.0)
    start = spare * rng.random((count, 1))
    share = np.clip((np.arange(frames) / rate - start) / person.stroke, 0, 1)
    return share * share * (3 - 2 * share)  # starts and ends at rest


def _zigzag(progress: np.ndarray) -> np.ndarray:
    """Place of the hand while it draws a Z, (..., 3) in palm lengths."""
    knots = [0, 0.3, 0.7, 1]
    across = np.interp(progress, knots, [0.6, -0.6, 0.6, -0.6])
    down = np.interp(progress, knots, [-0.5, -0.5, 0.5, 0.5])
    return np.stack([across, down, np.zeros_like(across)], axis=-1)


def _rotations(
    poses: list[Pose],
    classes: np.ndarray,
    person: Person,
    progress: np.ndarray,
    rng: np.random.Generator,
    noise: float,
) -> np.ndarray:
    """Rotation of the hand in each frame, (n, frames, 3, 3)."""
    palm = np.array([pose.palm for pose in poses]) + person.palm[classes]
    palm = palm + noise * 5 * rng.standard_normal((len(poses), 3))
    turn = np.array([pose.turn for pose in poses])
    angles = palm[:, None] + progress[..., None] * turn[:, None]
    angles = angles + noise * 0.5 * rng.standard_normal(angles.shape)  # tremor
    yaw, pitch, roll = np.moveaxis(np.radians(angles), -1, 0)
    return _about(2, roll) @ _about(0, -pitch) @ _about(1, -yaw)


def _about(axis: int, angle: np.ndarray) -> np.ndarray:
    """Rotations (..., 3, 3) by ``angle`` radians that take the second next axis to the next one."""
    first, second = (axis + 1) % 3, (axis + 2) % 3
    matrix = np.zeros((*angle.shape, 3, 3))
    matrix[..., axis, axis] = 1
    matrix[..., first, first] = matrix[..., second, second] = np.cos(angle)
    matrix[..., first, second] = np.sin(angle)
    matrix[..., second, first] = -np.sin(angle)
    return matrix


def _photograph(
    points: np.ndarray, person: Person, rng: np.random.Generator, noise: float
) -> np.ndarray:
    """Points (n, frames, 21, 3) in palm lengths to MediaPipe's normalised landmarks, same shape."""
    count = len(points)
    size = person.size * np.exp(0.1 * rng.standard_normal((count, 1, 1, 1)))
    near = person.distance / (person.distance + points[..., 2:])
    middle = points[..., :2].mean(axis=(1, 2), keepdims=True)  # the camera looks at the hand
    flat = (points[..., :2] - middle) * near
    lean = person.depth_lean * np.linalg.norm(flat - flat[:, :, :1], axis=-1, keepdims=True)
    depth = (points[..., 2:] - points[:, :, :1, 2:]) * person.depth_gain - lean
    seen = np.concatenate([flat, depth], axis=-1)
    seen = size * _estimate(seen, rng, noise)
    centre = 0.5 + 0.05 * rng.standard_normal((count, 1, 1, 2))
    seen[..., :2] -= seen[..., :2].mean(axis=(1, 2), keepdims=True)
    seen /= [person.aspect, 1, person.aspect]
    seen[..., :2] += centre
    seen[..., 2] -= seen[..., :1, 2]
    return seen


def _estimate(seen: np.ndarray, rng: np.random.Generator, noise: float) -> np.ndarray:
    """Points (n, frames, 21, 3) as a landmark network guesses them: worst where hidden."""
    hidden = noise * _hidden(seen)[..., None]
    guess = seen + 0.3 * hidden * (seen[:, :, PARENT] - seen)  # drawn back along the finger
    held = rng.standard_normal((len(seen), 1, LANDMARKS, 3))
    fresh = rng.standard_normal(seen.shape)
    error = 0.8 * held + 0.4 * fresh
    error = 0.8 * error + 0.6 * error[:, :, PARENT]  # neighbours on a finger err together
    return guess + noise * error * [0.025, 0.025, 0.06] * (1 + 2 * hidden)


def _hidden(seen: np.ndarray) -> np.ndarray:
    """How much other fingers cover each point, (n, frames, 21) from 0 to 1."""
    x, y, z = np.moveaxis(seen, -1, 0)
    gap = (x[..., :, None] - x[..., None, :]) ** 2 + (y[..., :, None] - y[..., None, :]) ** 2
    nearer = z[..., :, None] - z[..., None, :] > 0.1
    covers = nearer & (FINGER[:, None] != FINGER[None])
    return np.where(covers, np.exp(-gap / 0.15**2), 0).max(axis=-1)


@dataclass(frozen=True)
class HandSimulator:
    """Simulated signers who spell the ASL alphabet.

    ``signers`` people, each with proportions, habits, a hand and a camera, give
    ``samples_per_class`` samples of every class of ``classes``; a sample is ``frames`` frames at
    ``rate`` Hz. ``noise`` is 1 for about what MediaPipe shows on a webcam and 0 for none, neither
    in the landmarks nor between one person's samples of a letter; size, place and the moment
    within J and Z still vary.
    """

    signers: int = 30
    samples_per_class: int = 20
    frames: int = 1
    rate: float = 30.0
    noise: float = 1.0
    seed: int = 0
    classes: tuple[str, ...] = CLASSES

    def __post_init__(self) -> None:
        _class_indices(self.classes)

    def signer(self, index: int) -> list[tuple[str, np.ndarray]]:
        """Samples of one signer as (label, landmarks (frames, 63) float32).

        The same for the same seed and index, whatever other signers are drawn.
        """
        if not 0 <= index < self.signers:
            raise ValueError(f"signer {index} is not one of the {self.signers} simulated signers")
        rng = np.random.default_rng([self.seed, index])
        labels = [name for name in self.classes for _ in range(self.samples_per_class)]
        person = make_person(rng)
        landmarks = simulate(labels, person, rng, self.frames, self.rate, self.noise)
        return list(zip(labels, landmarks, strict=True))
