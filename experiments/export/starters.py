"""``stage=export`` of the model that comes with the library, which is exported already."""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig

from unvoiced.networks import OnnxNetwork


def refuse_starter_settings(config: DictConfig, format_name: str) -> None:
    """Refuse settings that need a checkpoint.

    Raises:
        ValueError: another format than onnx, web and html, no output, or a setting that changes
            the network.
    """
    train = f"train a model with python run.py task={config.task} and name it with ckpt_path="
    if format_name not in ("onnx", "web", "html"):
        raise ValueError(
            f"export.format={format_name} needs a checkpoint, and the model to start with is an "
            f"exported network. Use export.format=onnx, web or html, or {train}"
        )
    if not config.export.output:
        raise ValueError(
            "export.output= is missing: the model to start with is exported to a place of your "
            "choice, such as export.output=letters.onnx"
        )
    for key, value in {
        "export.quantize": config.export.quantize,
        "profile": config.profile,
    }.items():
        if value:
            raise ValueError(
                f"{key}={value} changes a network while it is exported, and the model to start "
                f"with is exported already. Leave it out, or {train}"
            )


def copy_starter(source: Path, path: Path) -> int:
    """Copy the model to a file that is read back, and return its bytes."""
    content = source.read_bytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    OnnxNetwork(path)
    return len(content)
