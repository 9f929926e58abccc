"""The expected outcome of each stage with each model file, recording and export.

``python -m tests.helpers.stage_matrix`` writes these tables to docs/matrix.md.
"""

from __future__ import annotations

from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "matrix.md"
WORKS = "works"
# Sentences that a refusal contains.
NO_STATE = "is an exported network without training state"
PROGRAM = "is a program for PyTorch alone"
NO_WEIGHTS_ALONE = "has the weights alone"
KIND = "is of a kind that is not read here"
FOLDER = "a page takes files"
GROUPED = "Use export.format=pth, or another net="
NOT_QUANTIZED = "ONNX Runtime cannot quantize"

MODELS = (".ckpt", ".pth", ".onnx", ".onnx (int8)", ".pt2")
EXPORTED = dict.fromkeys(MODELS[:4], WORKS) | {".pt2": PROGRAM}
# stage → kind of model file → outcome, for every task.
MODEL_CELLS: dict[str, dict[str, str]] = {
    "validate": EXPORTED,
    "test": EXPORTED,
    "predict": EXPORTED,
    "live": EXPORTED,
    "serve": EXPORTED,
    "export": {
        **{".ckpt": WORKS, ".pth": WORKS, ".onnx": NO_STATE},
        **{".onnx (int8)": NO_STATE, ".pt2": PROGRAM},
    },
    "fit init_from=": {
        **{".ckpt": WORKS, ".pth": WORKS, ".onnx": NO_STATE},
        **{".onnx (int8)": NO_STATE, ".pt2": PROGRAM},
    },
}
# task → kind of recording → outcome of predict, live and the page's upload.
INPUT_STAGES = ("predict", "live", "page")
INPUT_CELLS: dict[str, dict[str, tuple[str, str, str]]] = {
    "asl": {
        "landmarks.csv": (WORKS, WORKS, WORKS),
        "landmarks.npy": (WORKS, WORKS, WORKS),
        "image.png": (WORKS, WORKS, WORKS),
        "video.avi": (WORKS, WORKS, WORKS),
    },
    "lipread": {
        "video.avi": (WORKS, WORKS, WORKS),
        "frames": (WORKS, WORKS, FOLDER),
        "image.png": ("holds nothing to read", "cannot be read", KIND),
    },
    "vsr": {
        "video.avi": (WORKS, WORKS, WORKS),
        "frames": (WORKS, WORKS, FOLDER),
        "image.png": ("holds nothing to read", "cannot be read", KIND),
    },
    "emg": {
        "recording.csv": (WORKS, WORKS, WORKS),
        "recording.npy": (WORKS, WORKS, WORKS),
        "video.avi": ("holds nothing to read", "cannot be read", KIND),
    },
}
# recipe → format of stage=export → outcome.
FORMATS = ("pth", "onnx", "int8", "program")
EXPORT_CELLS: dict[str, tuple[str, str, str, str]] = {
    "task=asl": (WORKS, WORKS, WORKS, WORKS),
    "task=lipread": (WORKS, WORKS, WORKS, WORKS),
    "task=vsr": (WORKS, WORKS, WORKS, WORKS),
    "task=emg": (WORKS, WORKS, WORKS, GROUPED),
}


def render_page() -> str:
    """Return docs/matrix.md as Markdown."""
    models = [(stage, *cells.values()) for stage, cells in MODEL_CELLS.items()]
    inputs = [
        (task, kind, *cells) for task, of in INPUT_CELLS.items() for kind, cells in of.items()
    ]
    exports = [(f"`{recipe}`", *cells) for recipe, cells in EXPORT_CELLS.items()]
    return "\n".join(
        [
            "# What works with what",
            "",
            "Each cell is run by `tests/experiments/stages/test_matrix.py`: it works, or it is",
            "refused with a sentence that contains these words.",
            "",
            "## Model files",
            "",
            "For every task. An exported file gives the answers of its checkpoint (int8: nearly);",
            "its `test/loss` is without the label smoothing of training.",
            "",
            *_table(("stage", *MODELS), models),
            "",
            "## Recordings",
            "",
            "`predict` and `live` take a path as `input=`, the page takes uploads.",
            "",
            *_table(("task", "recording", *INPUT_STAGES), inputs),
            "",
            "## Exports",
            "",
            "`int8` is `export.format=onnx export.quantize=int8`, "
            "`program` is `torch.export`'s `.pt2`.",
            "",
            *_table(("recipe", *FORMATS), exports),
            "",
        ]
    )


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[str]:
    lines = [head, ("---",) * len(head), *rows]
    return [f"| {' | '.join(cell or ' ' for cell in line)} |" for line in lines]


if __name__ == "__main__":
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(render_page(), encoding="utf-8")
