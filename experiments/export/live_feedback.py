"""Feedback of stage=live: keys of a window, or of the terminal for signals."""

from __future__ import annotations

from omegaconf import DictConfig

from datamodules.store.feedback import FeedbackSet
from experiments.launch.console import logger
from unvoiced import Engine
from unvoiced.live.feedback import FeedbackKeys
from unvoiced.live.terminal_keys import KeyThread, TerminalKeys


def prepare_feedback(config: DictConfig, engine: Engine, wrong: FeedbackSet) -> FeedbackKeys | None:
    """Return the keys of ``live.feedback``; None without it.

    Raises:
        ValueError: there is no window for them, or the set holds the answers of another model.
    """
    if not config.live.feedback:
        return None
    if config.live.output:
        raise ValueError(
            f"live.feedback=true needs a window, and live.output={config.live.output} shows none. "
            "Leave out one of them."
        )
    wrong.require_usable()
    return FeedbackKeys(engine, wrong.add)


def start_keys(engine: Engine, wrong: FeedbackSet) -> KeyThread:
    """Return the reader of the terminal's keys; it prints the typed label.

    Raises:
        ValueError: the set holds the answers of another model.
    """
    wrong.require_usable()
    feedback = FeedbackKeys(engine, wrong.add)

    def take_key(key: str) -> None:
        try:
            if feedback.press(ord(key)):
                logger.info(feedback.prompt or "kept")
        except OSError as error:  # such as a full disk: reading continues
            logger.warning(f"warning: {error}")

    logger.info("w: the last text is wrong; type the right one, then Enter")
    return KeyThread(TerminalKeys(), take_key)
