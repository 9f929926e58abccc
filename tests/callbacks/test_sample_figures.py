"""Images of samples with their predictions."""

import numpy as np
import pytest

from callbacks.outputs.figure_fonts import save_figure
from callbacks.outputs.sample_figures import MAX_TITLE, draw_samples

NAMES = ["$x^2$ & <b>", "a\x1b[31m\u202eb\n", "\U0001f44b" * 500, ""]


@pytest.mark.parametrize("shape", [(3, 63), (3, 126), (8, 12, 20), (1, 12, 20), (50, 4), (1, 4)])
def test_samples_of_each_kind_are_drawn_with_any_name(shape: tuple[int, ...], tmp_path) -> None:
    values = np.arange(np.prod(shape), dtype=np.float32).reshape(shape) % 7
    recordings = [values, np.zeros_like(values), values, values]
    figure = draw_samples(recordings, NAMES, [True, False, True, False])
    save_figure(figure, tmp_path / "image.png", dpi=40)
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert texts[0] == NAMES[0] and "\x1b" not in texts[1] and "\n" not in texts[1]
    assert all(len(text) <= MAX_TITLE for text in texts)
    assert (tmp_path / "image.png").stat().st_size > 500
