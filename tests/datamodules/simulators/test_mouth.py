"""The mouth simulator: articulation, determinism, distinguishable words."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datamodules.simulators.mouth import MouthSimulator
from datamodules.simulators.mouth.articulation import articulate_word, lip_gap
from datamodules.simulators.mouth.canvas import Canvas
from datamodules.simulators.mouth.drawing import draw_faces, lip_edges
from datamodules.simulators.mouth.speakers import make_speaker
from datamodules.simulators.mouth.visemes import (
    ALL_WORDS,
    DEFAULT_WORDS,
    LIP_CHANNELS,
    VISEME_OF,
    VISEME_SECONDS,
    first_words,
    visemes_of,
)
from datamodules.simulators.phonemes import DIPHTHONGS, PRONUNCIATIONS

FAST = 200.0  # Hz: enough to see short closures
GRID = """bin lay place set blue green red white at by in with again now please soon
zero one two three four five six seven eight nine a b c d e f g h i j k l m n o p q r s t u v x y z
"""
MIRACL = """begin choose connection navigation next previous start stop hello web stop_navigation
excuse_me i_am_sorry thank_you good_bye i_love_this_game nice_to_meet_you you_are_welcome
how_are_you have_a_good_time"""
SEEDS = st.integers(0, 2**32 - 1)


def simulate_gaps(phones: str, seed: int) -> np.ndarray:
    """Return the opening between the lips in each frame of artificial phonemes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(PRONUNCIATIONS, "test", tuple(phones.split()))
        rng = np.random.default_rng(seed)
        person = make_speaker(rng)
        return lip_gap(articulate_word("test", person, rng, FAST), person).sum(axis=1)


def cut_between_vowels(gap: np.ndarray) -> np.ndarray:
    """Return the frames from the first to the last wide opening."""
    assert gap.max() > 0.1
    wide = np.flatnonzero(gap > 0.4 * gap.max())
    return gap[wide[0] : wide[-1] + 1]


def compute_features(clips: list[np.ndarray]) -> np.ndarray:
    """Return twelve small normalized frames of each clip, (n, features)."""
    rows = []
    for clip in clips:
        moments = clip[np.linspace(0, len(clip) - 1, 12).round().astype(int)]
        small = np.array([cv2.resize(m, (12, 8), interpolation=cv2.INTER_AREA) for m in moments])
        moving = small.astype(float) - small.mean(axis=0)
        rows.append((moving / moving.std()).ravel())
    return np.array(rows)


def test_the_table_knows_the_words_of_the_data_sets():
    assert len(ALL_WORDS) == len(set(ALL_WORDS)) == len(PRONUNCIATIONS) >= 130
    assert {*DEFAULT_WORDS, *GRID.split(), *MIRACL.split()} <= set(ALL_WORDS)
    assert ALL_WORDS[:4] == DEFAULT_WORDS
    assert all(len(visemes_of(word)) > 2 for word in ALL_WORDS)


def test_the_phonemes_of_a_phrase_are_those_of_its_words():
    assert PRONUNCIATIONS["thank_you"] == (*PRONUNCIATIONS["thank"], *PRONUNCIATIONS["you"])
    assert PRONUNCIATIONS["have_a_good_time"][3] == "ah"


def test_every_phoneme_has_a_viseme_and_every_viseme_lasts():
    phones = {phone for phones in PRONUNCIATIONS.values() for phone in phones}
    assert phones <= set(VISEME_OF) | set(DIPHTHONGS)
    assert VISEME_SECONDS.min() > 0


def test_vocabularies_by_size():
    assert first_words(4) == DEFAULT_WORDS
    assert len(set(first_words(100))) == 100
    for count in (0, len(ALL_WORDS) + 1):
        with pytest.raises(ValueError, match=f"no vocabulary of {count} words"):
            first_words(count)


def test_unknown_words_are_refused():
    with pytest.raises(ValueError, match=rf"'xyzzy'.* knows {len(ALL_WORDS)} words.*phonemes\.py"):
        MouthSimulator(vocabulary=("pillow", "xyzzy"))


def test_speakers_out_of_range_are_refused():
    with pytest.raises(ValueError, match="speaker 5"):
        MouthSimulator(speakers=5).simulate_speaker(5)


@settings(max_examples=25)
@given(seed=SEEDS, consonant=st.sampled_from("pbm"))
def test_lips_close_for_bilabials_and_open_for_vowels(seed, consonant):
    assert cut_between_vowels(simulate_gaps(f"aa {consonant} aa", seed)).min() < 0.02


@settings(max_examples=25)
@given(seed=SEEDS, consonant=st.sampled_from(["t", "k", "s", "l", "th"]))
def test_lips_stay_apart_for_other_consonants(seed, consonant):
    assert cut_between_vowels(simulate_gaps(f"aa {consonant} aa", seed)).min() > 0.02


@settings(max_examples=25)
@given(seed=SEEDS, word=st.sampled_from(ALL_WORDS))
def test_tracks_are_smooth_and_lips_in_order(seed, word):
    rng = np.random.default_rng(seed)
    canvas = Canvas(make_speaker(rng), 32, 48)
    track = articulate_word(word, canvas.speaker, rng, FAST)
    assert track.shape[1] == len(LIP_CHANNELS)
    assert np.isfinite(track).all()
    assert np.abs(np.diff(track, axis=0)).max() < 0.35  # a movement takes at least some 15 ms
    lips = lip_edges(track, canvas)
    for above, below in ((lips.top, lips.upper), (lips.upper, lips.lower)):
        assert np.all(below - above > -1e-4)


@pytest.mark.parametrize("phone", ["uw", "w"])
def test_rounding_narrows_the_mouth_and_spreading_widens_it(phone):
    person = make_speaker(np.random.default_rng(0))
    tracks = {}
    with pytest.MonkeyPatch.context() as patch:
        for name in (phone, "iy"):
            patch.setitem(PRONUNCIATIONS, "test", (name,))
            tracks[name] = articulate_word("test", person, np.random.default_rng(1), FAST)
    widths = {
        name: lip_edges(track, Canvas(person, 64, 96)).within.sum(axis=(1, 2))
        for name, track in tracks.items()
    }
    assert widths[phone].min() < 0.85 * widths["iy"].max()


def test_an_open_mouth_is_dark_inside():
    canvas = Canvas(make_speaker(np.random.default_rng(0)), 64, 96)
    track = articulate_word("arm", canvas.speaker, np.random.default_rng(0), FAST)
    faces = draw_faces(track, canvas)
    widest = int(lip_gap(track, canvas.speaker).sum(axis=1).argmax())
    mouth = np.ix_(np.abs(canvas.y[:, 0]) < 0.4, np.abs(canvas.x) < 0.3)
    assert faces[widest][mouth].min() < 0.6 * faces[0][mouth].min()


@pytest.mark.parametrize(("height", "width"), [(64, 96), (40, 40)])
def test_clips_are_gray_and_have_the_requested_size(height, width):
    simulator = MouthSimulator(samples_per_class=1, height=height, width=width)
    clips = [clip for index in range(3) for _, clip in simulator.simulate_speaker(index)]
    assert all(clip.shape[1:] == (height, width) for clip in clips)
    assert all(clip.dtype == np.uint8 for clip in clips)
    assert len({len(clip) for clip in clips}) > 3
    assert all(clip.std() > 3 for clip in clips)
    assert np.ptp([clip.mean() for clip in clips]) > 10  # people and lamps differ


def test_clips_last_as_long_as_words_do():
    slow, fast = (
        [len(clip) for _, clip in MouthSimulator(fps=rate, height=16, width=24).simulate_speaker(0)]
        for rate in (25.0, 50.0)
    )
    np.testing.assert_allclose(fast, 2 * np.array(slow), atol=1)
    assert 0.3 < min(slow) / 25 < max(slow) / 25 < 2.5
    assert np.mean(slow[5:10]) > np.mean(slow[:5])  # a phrase and a word


def test_a_clip_depends_only_on_seed_speaker_word_and_number():
    few = MouthSimulator(speakers=3, samples_per_class=1, vocabulary=("pillow",))
    many = MouthSimulator(speakers=9, samples_per_class=2, vocabulary=("doctor", "pillow"))
    many.simulate_speaker(0)
    (label, clip), (other_label, other) = few.simulate_speaker(2)[0], many.simulate_speaker(2)[2]
    assert label == other_label == "pillow"
    np.testing.assert_array_equal(clip, other)
    assert not np.array_equal(clip, many.simulate_speaker(2)[3][1])
    assert not np.array_equal(clip, few.simulate_speaker(1)[0][1])
    reseeded = MouthSimulator(speakers=3, samples_per_class=1, vocabulary=("pillow",), seed=1)
    assert not np.array_equal(clip, reseeded.simulate_speaker(2)[0][1])


def test_a_speaker_says_every_word_equally_often():
    simulator = MouthSimulator(samples_per_class=2, vocabulary=["yes", "no"], height=16, width=24)
    assert [label for label, _ in simulator.simulate_speaker(0)] == ["yes", "yes", "no", "no"]


def test_without_noise_a_speaker_always_says_a_word_the_same_way():
    simulator = MouthSimulator(samples_per_class=2, vocabulary=("nurse", "water"), noise=0)
    first, second, other, _ = (clip for _, clip in simulator.simulate_speaker(0))
    np.testing.assert_array_equal(first, second)
    assert first.shape != other.shape or not np.array_equal(first, other)
    assert not np.array_equal(first[0], simulator.simulate_speaker(1)[0][1][0])


@settings(max_examples=10)
@given(seed=SEEDS, pair=st.sampled_from([("by", "my"), ("b", "p"), ("bad", "mat"), ("t", "d")]))
def test_homophenes_have_the_same_movements(seed, pair):
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(PRONUNCIATIONS, "mat", ("m", "ae", "t"))
        person = make_speaker(np.random.default_rng(seed))
        first, second = (
            articulate_word(word, person, np.random.default_rng(seed)) for word in pair
        )
    np.testing.assert_array_equal(first, second)


def test_homophenes_have_the_same_images():
    simulator = MouthSimulator(samples_per_class=1, vocabulary=("by", "my", "bye"), noise=0)
    first, *others = (clip for _, clip in simulator.simulate_speaker(0))
    for clip in others:
        np.testing.assert_array_equal(first, clip)


def test_words_can_be_told_apart_on_unseen_speakers():
    """A ridge classifier, asked about people it has not seen, does far better than chance."""
    simulator = MouthSimulator(samples_per_class=2, height=32, width=48)
    groups = [simulator.simulate_speaker(index) for index in range(32)]
    x = compute_features([clip for group in groups for _, clip in group])
    y = np.array([DEFAULT_WORDS.index(label) for group in groups for label, _ in group])
    known = np.arange(len(y)) < 24 * 8
    kernel = x @ x[known].T / x.shape[1]
    weights = np.linalg.solve(kernel[known] + np.eye(known.sum()), np.eye(4)[y[known]] - 0.25)
    guesses = (kernel[~known] @ weights).argmax(axis=1)
    assert np.mean(guesses == y[~known]) > 0.6  # chance is 0.25
