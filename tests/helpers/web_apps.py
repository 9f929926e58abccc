"""Web apps of a network that reads where hands point, and a server of their files."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from experiments.export.web.app_files import AppSource
from experiments.export.web.libraries import locate_libraries
from experiments.page.teaching_markup import explain_no_profile, render_teaching
from tests.helpers.hands import paint_hand
from tests.helpers.pages import POINTING_LETTERS
from unvoiced import Recognizer
from unvoiced.networks import FORMAT_KEY, METADATA_FORMAT, PLAIN_TEXT_KEYS
from unvoiced.writing.build import explain_missing_suggestions

FACTS: dict[str, Any] = {
    FORMAT_KEY: METADATA_FORMAT,
    "task": "asl",
    "classes": list(POINTING_LETTERS),
    "frame": {"shape": [63], "dtype": "float32", "rate": None},
    "input": {"frames": 1},
    "simulated": True,
    "training_data_note": "Made for tests: it reads which way a <hand> points.",
}
SHARPNESS = 60.0  # logits of a hand as long as the image
SETTINGS = {"window_s": 0.0, "hold_s": 0.3, "release_s": 0.2, "smooth_s": 0.1, "repeat_s": None}


def skip_without_libraries() -> None:
    """Skip the test where the libraries of the web app can neither be found nor fetched."""
    try:
        locate_libraries()
    except ValueError as error:
        pytest.skip(str(error))


def write_pointing_network(path: Path, **facts: Any) -> Path:
    """Write a network of hands that point up, to their right, down or to their left.

    With a fingerprint it also gives an embedding, the landmarks of the last frame. Of other classes
    than the four, it is never sure.
    """
    classes = facts.get("classes", FACTS["classes"])
    columns = [classes.index(letter) for letter in POINTING_LETTERS]
    weights = np.zeros((63, len(classes)), np.float32)
    for column, (axis, sign) in zip(columns, [(1, -1), (0, -1), (1, 1), (0, 1)], strict=True):
        weights[27 + axis, column], weights[axis, column] = sign * SHARPNESS, -sign * SHARPNESS
    results = {"logits": len(classes)} | ({"frame": 63} if "fingerprint" in facts else {})
    graph = helper.make_graph(
        [
            helper.make_node("Gather", ["frames", "last"], ["frame"], axis=1),
            helper.make_node("MatMul", ["frame", "weights"], ["logits"]),
        ],
        "pointing",
        [helper.make_tensor_value_info("frames", TensorProto.FLOAT, ["batch", "length", 63])],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", size])
            for name, size in results.items()
        ],
        [
            helper.make_tensor("last", TensorProto.INT64, [], [-1]),
            helper.make_tensor("weights", TensorProto.FLOAT, list(weights.shape), weights.ravel()),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    values = {
        key: value if key in PLAIN_TEXT_KEYS else json.dumps(value)
        for key, value in (FACTS | facts).items()
    }
    helper.set_model_props(model, values)
    onnx.save(model, path)
    return path


def make_source(folder: Path, **facts: Any) -> AppSource:
    """Return an app of the pointing network, as ``read_source`` describes it."""
    recognizer = Recognizer(write_pointing_network(folder / "pointing.onnx", **facts))
    teaching = render_teaching(recognizer, explain_no_profile(recognizer))
    return AppSource(
        network=(folder / "pointing.onnx").read_bytes(),
        metadata=recognizer.metadata,
        settings=SETTINGS,
        min_confidence=0.5,
        detector_path=None,
        note="A note with <markup>.",
        has_words=not explain_missing_suggestions(recognizer),
        teaching=teaching if "fingerprint" in facts else "",
    )


def paint_varied_hands(count: int) -> list[np.ndarray]:
    """Return images of hands that are turned, moved, scaled and lit in other ways."""
    generator, images = np.random.default_rng(0), []
    for _ in range(count):
        hand = paint_hand()
        turn, scale = generator.uniform(-180, 180), generator.uniform(0.7, 1.2)
        matrix = cv2.getRotationMatrix2D((160, 160), turn, scale)
        matrix[:, 2] += generator.uniform(20, 120, 2)
        background = tuple(map(float, generator.integers(150, 230, 3)))
        image = cv2.warpAffine(hand, matrix, (480, 440), borderValue=background)
        images.append((image * generator.uniform(0.7, 1.0)).astype(np.uint8))
    return images


class QuietHandler(SimpleHTTPRequestHandler):
    """Sends files and logs nothing."""

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def serve_folder(folder: Path, port: int = 0) -> Iterator[str]:
    """Serve a folder below a path of its own, as project pages of a host do."""
    handler = partial(QuietHandler, directory=str(folder.parent))
    with ThreadingHTTPServer(("127.0.0.1", port), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/{folder.name}/"
        finally:
            server.shutdown()
            thread.join()
