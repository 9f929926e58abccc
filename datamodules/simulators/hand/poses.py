"""Hand shapes of the ASL alphabet, as angles of the joints.

The shapes are those of ASL fingerspelling manuals, with the signs for "del" and "space" from the
Kaggle ASL Alphabet images. Ranges of motion follow Kapandji, "The Physiology of the Joints",
vol. 1. Angles are rounded by hand.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from datamodules.readers.asl.letters import LETTERS

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
    """The hand shape and orientation of a letter.

    Attributes:
        index, middle, ring, pinky: flexion of knuckle, middle joint and end joint, degrees.
        splay: turn of each straight finger towards the thumb, degrees.
        thumb: target of the thumb tip: a landmark and an offset from it in palm lengths (towards
            the thumb side, towards the fingertips, out of the palm).
        palm: orientation of the hand, degrees: yaw about the forearm (positive: palm to the
            viewer's left), pitch (fingertips to the viewer), roll (fingers to the viewer's left).
        turn: rotation that is added to ``palm`` in the course of the letter, degrees.
        draws_z: whether the hand traces a Z.
        weight: frequency of the pose relative to the others of its class.
    """

    index: Angles = FIST
    middle: Angles = FIST
    ring: Angles = FIST
    pinky: Angles = FIST
    splay: tuple[int, int, int, int] = RELAXED
    thumb: tuple[int, float, float, float] = (10, 0.05, -0.1, 0.12)
    palm: Angles = (0, 0, 0)
    turn: Angles = (0, 0, 0)
    draws_z: bool = False
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
    "Z": Pose(UP, thumb=(10, 0.1, -0.1, 0.12), palm=(0, 0, -25), draws_z=True),
    "del": Pose(DOWN, DOWN, DOWN, DOWN, TOGETHER, (5, 0.1, 0.3, 0.3), (80, 0, 70)),
    "nothing": Pose(),
    "space": Pose(SLACK, SLACK, SLACK, SLACK, RELAXED, (5, 0.2, -0.7, 0.9), (-75, 0, 70)),
}

FOLDED = Pose(KNUCKLED, KNUCKLED, KNUCKLED, FIST, TOGETHER, (9, 0, 0, 0.3), (0, 60, 0))
PINCHED = Pose((15, 5, 5), (60, 50, 25), HALF, HALF, RELAXED, (11, 0.1, 0.0, 0.1))

# Other shapes in common use: the fields that differ from the textbook's shape.
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


def _list_poses(name: str) -> list[Pose]:
    shape = SHAPES[name]
    variants = VARIANTS.get(name, [])
    return [shape, *(v if isinstance(v, Pose) else replace(shape, **v) for v in variants)]


POSES: dict[str, list[Pose]] = {name: _list_poses(name) for name in LETTERS}

FLEXION_LIMITS = (np.array([-20.0, -5.0, -5.0]), np.array([95.0, 115.0, 85.0]))  # degrees
SPLAY_LIMIT = 30.0  # degrees
