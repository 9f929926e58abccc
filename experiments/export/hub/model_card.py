"""The README.md of a model: metadata for a hub, data, people, intended use, limits, failures.

docs/models/ holds the cards of the recommended models in the same form.
"""

from __future__ import annotations

from typing import Any

import yaml

from experiments.checkpoints.card import ModelCard
from experiments.export.hub.scores import ModelScores
from experiments.export.inference_module import describe_training_data
from experiments.reports.markdown import format_list
from experiments.reports.results import count_parameters
from modules.base import TaskModule
from unvoiced.tasks import TaskSpec, get_task
from unvoiced.text import count_noun, markdown_text, shorten

SHOWN_CLASSES, CLASS_LENGTH = 60, 60
NOT_MEASURED = "Its accuracy on people outside of its training set was not measured."
USE = (
    "To help a person who communicates without a voice, with that person's consent, where "
    "the person sees the text and can correct it."
)
MISUSE = (
    "Not for reading people who have not agreed, not for alarms or medical decisions, and not "
    "alone where a wrong word does harm."
)
TEMPLATE = """\
---
{metadata}---

# {title}

{summary}

## Use

```
pip install -c constraints.txt -e ".[hub]"  # in a checkout of Unvoiced
python run.py stage=predict ckpt_path=hf://OWNER/{name}@REVISION input=RECORDING
```

`ckpt_path=` also takes this folder. Without PyTorch, `unvoiced.Recognizer("model.onnx")` reads the
ONNX file, which holds the whole preprocessing. A few recordings of a person correct the model for
that person: `stage=adapt`.

## Data and people

{data}
## Results

{results}
## Intended use

{use}
## Limits and failures

{limits}"""


def render_model_card(module: TaskModule, scores: ModelScores | None, name: str) -> str:
    """Return the text of README.md.

    Args:
        module: the model.
        scores: of the test of its run; None where there was none.
        name: of the model, such as that of the folder.
    """
    card, spec = module.card, get_task(module.card.task)
    safe_name = _show(name)
    return TEMPLATE.format(
        metadata=yaml.safe_dump(
            list_metadata(card, scores, name), sort_keys=False, allow_unicode=True
        ),
        title=f"{safe_name}: {spec.title.partition(',')[0]}",
        summary=f"{spec.title}. {card.net_name}, {count_parameters(module):,} parameters.",
        name=safe_name,
        data=format_list(_describe_data(card)),
        results=format_list(_describe_results(scores, spec)),
        use=format_list([USE, MISUSE]),
        limits=format_list(_describe_limits(card, scores, spec)),
    )


def list_metadata(card: ModelCard, scores: ModelScores | None, name: str) -> dict[str, Any]:
    """Return the metadata that a hub reads at the beginning of README.md.

    Only a model of simulated people has a licence; the owners of recordings choose theirs.
    """
    spec = get_task(card.task)
    metadata: dict[str, Any] = {"library_name": "unvoiced"}
    if card.simulated:
        metadata["license"] = "apache-2.0"
    kind = "video-classification" if spec.has_camera else ""
    kind = "image-classification" if spec.has_single_images else kind
    if kind:
        metadata["pipeline_tag"] = kind
    metadata["tags"] = ["unvoiced", "assistive-technology", card.task, "onnx", "safetensors"]
    if scores is not None and scores.accuracy is not None:
        metadata["model-index"] = [_list_result(scores, kind or "other", name)]
    return metadata


def _list_result(scores: ModelScores, kind: str, name: str) -> dict[str, Any]:
    source = "simulated people" if scores.is_simulated else "the test split of its own recordings"
    result = {
        "task": {"type": kind},
        "dataset": {"type": "private", "name": source},
        "metrics": [{"type": "accuracy", "value": round(scores.accuracy or 0.0, 4)}],
    }
    return {"name": name, "results": [result]}


def _describe_data(card: ModelCard) -> list[str]:
    lines = [describe_training_data(card)]
    if card.split and not card.simulated:
        lines.append(f"Split: {markdown_text(card.split)}.")
    if card.leaks:
        lines.append("The same people were trained on and tested: expect less of others.")
    if card.classes:
        names = [_show(one) for one in card.classes[:SHOWN_CLASSES]]
        more = f" and {len(card.classes) - SHOWN_CLASSES:,} more" * (
            len(card.classes) > SHOWN_CLASSES
        )
        lines.append(f"{count_noun(len(card.classes), 'class')}: {', '.join(names)}{more}.")
    shape = card.frame.get("shape")
    if shape:
        rate = card.frame.get("rate")
        hertz = f" at {rate:g} Hz" if rate else ""
        lines.append(f"Input: frames of shape {' x '.join(map(str, shape))}{hertz}.")
    return lines


def _describe_results(scores: ModelScores | None, spec: TaskSpec) -> list[str]:
    if scores is None or scores.accuracy is None:
        return [NOT_MEASURED]
    source = "simulated recordings" if scores.is_simulated else "recordings"
    interval = ""
    if scores.low is not None and scores.high is not None:
        interval = f" (95 % interval {scores.low:.3f} to {scores.high:.3f})"
    lines = [
        f"In its test it read {scores.accuracy:.3f} of the {spec.unit} of {scores.count:,} "
        f"{source}{interval}."
    ]
    if len(scores.people) > 1:
        lines.append(
            f"Worst of {len(scores.people)} tested people: {scores.people[0]:.3f}; "
            f"best: {scores.people[-1]:.3f}."
        )
    if scores.is_simulated:
        lines.append("Simulated people are alike; of real ones it reads less.")
    return lines


def _describe_limits(card: ModelCard, scores: ModelScores | None, spec: TaskSpec) -> list[str]:
    lines = []
    if scores is not None and scores.weakest:
        named = ", ".join(f"{_show(k)} {v:.2f}" for k, v in scores.weakest)
        lines.append(f"Read worst: {named}.")
    if scores is not None and scores.confusions:
        pairs = ", ".join(
            f"{_show(a)} as {_show(b)} ({share:.2f})" for a, b, share in scores.confusions
        )
        lines.append(f"Most often taken for another: {pairs}.")
    missing = sorted({*card.classes} - {*card.trained_classes})
    if missing:
        names = ", ".join(_show(one) for one in missing[:20])
        lines.append(f"Classes without training recordings, which it cannot read: {names}.")
    if spec.drawn_labels and {*spec.drawn_labels} & {*card.classes}:
        lines.append(
            f"{' and '.join(spec.drawn_labels)} are movements; a model of single images takes them "
            "for letters of the same shape."
        )
    if spec.has_lips:
        lines.append("The model cannot distinguish words that look the same on the lips.")
    lines.append(
        "Other cameras, light, distances and ways of speaking or signing lower the figures."
    )
    return lines


def _show(name: str) -> str:
    """Return a name from a file without markup, and not too long."""
    return shorten(markdown_text(name), CLASS_LENGTH)
