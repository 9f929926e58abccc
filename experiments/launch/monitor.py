"""The monitored metric of a run, and its direction."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from typing import Any

from omegaconf import DictConfig, OmegaConf

LESS_IS_BETTER = {"loss", "wer", "cer", "per", "ter", "error", "errors", "mae", "mse", "rmse"}
MORE_IS_BETTER = {"acc", "accuracy", "exact", "f1", "precision", "recall", "auc", "iou", "bleu"}
NOT_OF_AN_EPOCH = ("step", "epoch")  # counters that a checkpoint may go by


def infer_mode(metric: str) -> str | None:
    """Return min or max by a metric's name; None if the name is not known.

    >>> infer_mode("val/token_acc"), infer_mode("val/wer"), infer_mode("val/tempo")
    ('max', 'min', None)
    """
    words = set(re.split(r"[/_\W]+", metric.lower()))
    if words & LESS_IS_BETTER:
        return "min"
    return "max" if words & MORE_IS_BETTER else None


def metric_mode(metric: str | None) -> str:
    """Return ``infer_mode``, or max, which ``check_monitor`` refuses for unknown names."""
    return infer_mode(str(metric)) or "max"


def check_monitor(config: DictConfig, metrics: Iterable[str], callbacks: Iterable[Any]) -> None:
    """Refuse a monitored metric that does not exist, or the wrong direction of one.

    Args:
        config: of the run.
        metrics: the names of all metrics of an epoch of training.
        callbacks: of the trainer; those that monitor a metric are checked too.

    Raises:
        ValueError: such a metric or direction.
    """
    known = sorted(metrics)
    for key, metric, mode in _list_monitored(config, callbacks):
        _refuse_unknown(key, metric, known)
        right = infer_mode(metric)
        if right is not None and mode not in (None, right):
            raise ValueError(
                f"{_mode_key(key)}={mode}: {metric} is better the "
                f"{'lower' if right == 'min' else 'higher'} it is; expected "
                f"{right}. Leave the mode out, it follows from the metric"
            )
    if infer_mode(config.monitor.metric) is None and OmegaConf.is_interpolation(
        config.monitor, "mode"
    ):
        raise ValueError(
            f"monitor.metric={config.monitor.metric}: the name does not say whether less or more "
            "is better. Add monitor.mode=min or monitor.mode=max"
        )


def _list_monitored(
    config: DictConfig, callbacks: Iterable[Any]
) -> Iterator[tuple[str, str, str | None]]:
    """Yield key, metric and mode (None if not set) of all monitored metrics."""
    yield "monitor.metric", str(config.monitor.metric), config.monitor.mode
    schedule = config.scheduler
    if schedule and schedule.get("monitor"):
        yield "scheduler.monitor", str(schedule.monitor), schedule.get("build", {}).get("mode")
    for callback in callbacks:
        metric = getattr(callback, "monitor", None)
        if metric is not None and metric not in NOT_OF_AN_EPOCH:
            mode = getattr(callback, "mode", None)
            yield f"callbacks: monitor of {type(callback).__name__}", str(metric), mode


def _mode_key(key: str) -> str:
    """Return the key of the direction next to the key of a metric."""
    if key == "scheduler.monitor":
        return "scheduler.build.mode"
    return key.replace("monitor.metric", "monitor.mode").replace("monitor of", "mode of")


def _refuse_unknown(key: str, metric: str, known: list[str]) -> None:
    if metric in known:
        return
    near = get_close_matches(metric, known, 1)
    raise ValueError(
        f"{key}={metric} does not exist in this task; expected one of {', '.join(known)}."
        + (f" Did you mean {near[0]}?" if near else "")
    )
