"""The muscle simulator: gestures, recordings, sessions, splits without leakage."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datamodules.simulators.muscle import MuscleSimulator
from datamodules.simulators.muscle.activation import activate_muscles
from datamodules.simulators.muscle.gestures import (
    ARTICULATORS,
    GESTURE_OF,
    TARGETS_OF,
    time_phonemes,
)
from datamodules.simulators.muscle.potentials import fire_motor_units, simulate_noise
from datamodules.simulators.muscle.sentences import (
    ALL_SENTENCES,
    list_sentences,
    split_of_session,
)
from datamodules.simulators.muscle.sessions import (
    MUSCLE_WEIGHTS,
    MUSCLES,
    make_session,
    place_electrodes,
)
from datamodules.simulators.phonemes import DIPHTHONGS, PRONUNCIATIONS

VOCABULARY = {word for text in ALL_SENTENCES for word in text.split()}
SEEDS = st.integers(0, 2**32 - 1)


def simulate_drives(phones: str, seed: int, noise: float = 1.0) -> dict[str, float]:
    """Return the greatest drive of each muscle during artificial phonemes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(PRONUNCIATIONS, "test", tuple(phones.split()))
        drive = activate_muscles(
            "test", make_session([seed]), np.random.default_rng(seed), noise=noise
        )
    return dict(zip(MUSCLES, drive.max(axis=0), strict=True))


def compute_power(emg: np.ndarray, rate: float) -> tuple[np.ndarray, np.ndarray]:
    """Return frequencies in Hz and the power of all channels."""
    spectrum = np.abs(np.fft.rfft(emg - emg.mean(axis=0), axis=0)) ** 2
    return np.fft.rfftfreq(len(emg), 1 / rate), spectrum.sum(axis=1)


def compute_levels(simulator: MuscleSimulator, index: int) -> np.ndarray:
    """Return the standard deviation of each channel over a session in µV."""
    return np.mean([emg.std(axis=0) for *_, emg in simulator.simulate_session(index)], axis=0)


def test_sentences_are_many_short_and_in_the_pronouncing_table():
    assert len(ALL_SENTENCES) == len(set(ALL_SENTENCES)) > 300
    assert all(2 <= len(text.split()) <= 5 for text in ALL_SENTENCES)
    assert 25 <= len(VOCABULARY) <= 35
    assert set(PRONUNCIATIONS) >= VOCABULARY


def test_splits_share_no_sentence_and_training_says_every_word():
    pools = {split: set(list_sentences(split)) for split in ("train", "val", "test")}
    assert set.union(*pools.values()) == set(ALL_SENTENCES)
    assert sum(map(len, pools.values())) == len(ALL_SENTENCES)
    assert {word for text in pools["train"] for word in text.split()} == VOCABULARY
    assert all(len(pool) > 40 for pool in pools.values())


def test_the_split_of_a_sentence_never_changes():
    assert "i need water now" in list_sentences("train")
    assert "open the window" in list_sentences("train")


def test_sessions_say_sentences_of_their_own_split():
    simulator = MuscleSimulator(sessions=6, utterances=4, sample_rate=250)
    splits = [split_of_session(index) for index in range(6)]
    assert splits == ["train", "test", "val", "train", "train", "train"]
    for index, expected in enumerate(splits):
        for text, split, _ in simulator.simulate_session(index):
            assert split == expected
            assert text in list_sentences(split)


def test_a_session_repeats_no_sentence_before_its_pool_is_used_up():
    count = len(list_sentences("val")) + 1
    simulator = MuscleSimulator(utterances=count, sample_rate=100, mains_hz=40)
    texts = [text for text, _, _ in simulator.simulate_session(2)]
    assert set(texts[:-1]) == set(list_sentences("val"))
    assert texts[-1] == texts[0]


def test_every_phoneme_has_a_gesture():
    phones = {
        part
        for message in PRONUNCIATIONS.values()
        for p in message
        for part in DIPHTHONGS.get(p, (p,))
    }
    assert phones <= set(TARGETS_OF)
    assert all(row.shape == (len(ARTICULATORS),) for row in TARGETS_OF.values())
    assert all(TARGETS_OF[phone].max() > 0 for phone in phones)
    assert all(gesture.seconds > 0 for gesture in GESTURE_OF.values())
    assert {name for g in GESTURE_OF.values() for name in g.targets} <= set(ARTICULATORS)
    assert len({tuple(TARGETS_OF[phone]) for phone in ("p", "m", "f", "t", "n", "s", "k")}) == 7


def test_every_articulator_drives_a_muscle_and_every_muscle_serves():
    assert MUSCLE_WEIGHTS.shape == (len(ARTICULATORS), len(MUSCLES))
    assert len(MUSCLES) == 8
    assert np.all(MUSCLE_WEIGHTS.max(axis=1) > 0.1)
    assert np.all(MUSCLE_WEIGHTS.max(axis=0) > 0.3)


@pytest.mark.parametrize(("bilabial", "velar"), [("p", "k"), ("b", "g"), ("m", "k")])
def test_bilabials_move_the_lips_more_than_velars_do(bilabial, velar):
    """Of most speakers: a session may have weak lips, and the vowel moves the tongue too."""
    pairs = [
        tuple(simulate_drives(f"{phone} ah {phone}", seed) for phone in (bilabial, velar))
        for seed in range(40)
    ]
    ratios = {
        muscle: np.median([lips[muscle] / tongue[muscle] for lips, tongue in pairs])
        for muscle in ("orbicularis oris", "mylohyoid")
    }
    assert ratios["orbicularis oris"] > 2 and ratios["mylohyoid"] < 0.8


@pytest.mark.parametrize(
    ("phone", "other", "muscle"),
    [
        ("iy", "uw", "zygomaticus major"),
        ("uw", "iy", "orbicularis oris"),
        ("aa", "iy", "anterior digastric"),
        ("k", "p", "mylohyoid"),
        ("sh", "k", "levator labii superioris"),
        ("s", "k", "depressor anguli oris"),
        ("aa", "p", "sternohyoid"),
        ("ae", "k", "platysma"),
    ],
)
def test_each_muscle_serves_its_phonemes(phone, other, muscle):
    serves, rests = (
        np.mean([simulate_drives(p, s)[muscle] for s in range(12)]) for p in (phone, other)
    )
    assert serves > 1.4 * rests


@settings(max_examples=20)
@given(seed=SEEDS, text=st.sampled_from(ALL_SENTENCES))
def test_drives_are_smooth_within_bounds_and_low_at_rest(seed, text):
    drive = activate_muscles(text, make_session([seed]), np.random.default_rng(seed))
    assert drive.shape[1] == len(MUSCLES)
    assert np.all((drive >= 0) & (drive <= 1))
    assert np.abs(np.diff(drive, axis=0)).max() < 0.08  # no movement within a few milliseconds
    assert drive[-1].max() < 0.3 < drive.max()


def test_a_phoneme_colours_its_neighbours():
    """The lips already round in the vowel before a rounded one."""
    session = make_session([0])
    tracks = {}
    with pytest.MonkeyPatch.context() as patch:
        for last in ("uw", "iy"):
            patch.setitem(PRONUNCIATIONS, "test", ("ah", "t", last))
            tracks[last] = activate_muscles("test", session, np.random.default_rng(0), noise=0)
    before = slice(150, 290)  # of 200 ms of rest and 90 of the first vowel, 50 ms ahead
    lips = MUSCLES.index("orbicularis oris")
    assert tracks["uw"][before, lips].max() > 1.2 * tracks["iy"][before, lips].max()


def test_muscles_act_before_the_rest_is_over():
    session = make_session([0])
    drive = activate_muscles("please", session, np.random.default_rng(0), noise=0)
    lips = drive[:, MUSCLES.index("orbicularis oris")]
    start, peak = 200 * session.pace, 247 * session.pace  # ms: the p begins, and its middle
    assert start - 50 < lips.argmax() < peak


@given(drive=st.floats(0.1, 0.9), seed=SEEDS)
@settings(max_examples=15)
def test_motor_units_fire_more_the_more_they_are_driven(drive, seed):
    weak, strong = (
        fire_motor_units(np.full((1000, len(MUSCLES)), level), np.random.default_rng(seed)).sum(
            axis=1
        )
        for level in (0.8 * drive, drive)
    )
    assert weak.sum() < strong.sum()
    assert strong.max() < 60  # a second
    rest = fire_motor_units(np.zeros((1000, len(MUSCLES))), np.random.default_rng(seed))
    assert rest.sum() == 0


@pytest.mark.parametrize("rate", [250.0, 1000.0])
def test_recordings_are_microvolts_as_long_as_sentences(rate):
    simulator = MuscleSimulator(utterances=12, sample_rate=rate)
    recordings = [emg for *_, emg in simulator.simulate_session(0)]
    assert all(emg.dtype == np.float32 and emg.shape[1] == 8 for emg in recordings)
    assert all(np.isfinite(emg).all() for emg in recordings)
    lengths = np.array([len(emg) for emg in recordings]) / rate
    assert 0.5 < lengths.min() < lengths.max() < 4
    assert 1.2 < lengths.mean() < 2.4
    spread = np.median([emg.std(axis=0) for emg in recordings])
    assert 8 < spread < 100
    offsets = np.abs([emg.mean(axis=0) for emg in recordings])
    assert 20 < np.median(offsets) < 600


def test_muscles_are_seen_between_20_and_450_hz():
    for index in range(3):
        for *_, emg in MuscleSimulator(utterances=3, noise=0).simulate_session(index):
            frequencies, strength = compute_power(emg, 1000)
            band = (frequencies >= 20) & (frequencies <= 450)
            assert strength[band].sum() > 0.95 * strength.sum()
            assert 60 < np.average(frequencies, weights=strength) < 200


@pytest.mark.parametrize("mains", [50.0, 60.0])
def test_the_mains_stands_out_of_the_spectrum(mains):
    noise = simulate_noise(10_000, make_session([3]), np.random.default_rng(0), mains_hz=mains)
    frequencies, strength = compute_power(noise, 1000)
    at = {f: strength[np.abs(frequencies - f) < 0.5].max() for f in (mains, 3 * mains)}
    near = np.median(strength[np.abs(frequencies - mains) < 10])
    assert at[mains] > 100 * near
    assert at[mains] > at[3 * mains] > 10 * near


def test_harmonics_of_the_mains_do_not_fold_back():
    noise = simulate_noise(
        10_000, make_session([3]), np.random.default_rng(0), sample_rate=250, mains_hz=60
    )
    frequencies, strength = compute_power(noise, 250)
    near = np.median(strength[frequencies > 20])
    at = {f: strength[np.abs(frequencies - f) < 0.5].max() for f in (60, 120, 250 - 180, 300 - 250)}
    assert min(at[60], at[120]) > 50 * near
    assert max(at[70], at[50]) < 20 * near


def test_utterances_can_be_told_from_the_rest_around_them():
    for *_, emg in MuscleSimulator(utterances=4).simulate_session(0):
        moving = np.diff(emg, axis=0)  # without the offset and the drift
        assert moving[300:-400].std() > 1.5 * moving[-100:].std()


def test_simulated_sessions_differ():
    simulator = MuscleSimulator(utterances=5, noise=0)
    first, second = (compute_levels(simulator, index) for index in (0, 3))
    assert np.abs(np.log(first / second)).max() > 0.5
    paces = [make_session([0, index]).pace for index in range(24)]
    assert np.ptp(paces) > 0.2
    hums = [make_session([0, index]).hum[0].mean() for index in range(8)]
    assert max(hums) > 2 * min(hums)


@pytest.mark.parametrize("channels", [1, 3, 8, 13, 20])
def test_any_number_of_channels_is_simulated(channels):
    simulator = MuscleSimulator(utterances=1, channels=channels)
    [(_, _, emg)] = simulator.simulate_session(0)
    [(_, _, usual)] = MuscleSimulator(utterances=1).simulate_session(0)
    assert emg.shape == (len(usual), channels)
    assert np.all(emg.std(axis=0) > 0)
    sites = place_electrodes(channels)
    assert len(np.unique(sites, axis=0)) == channels


def test_a_recording_depends_only_on_seed_session_and_number():
    few = MuscleSimulator(sessions=3, utterances=2)
    many = MuscleSimulator(sessions=9, utterances=4)
    list(many.simulate_session(0))
    recordings = list(many.simulate_session(2))
    for (text, _, emg), (other_text, _, other) in zip(
        few.simulate_session(2), recordings, strict=False
    ):
        assert text == other_text
        np.testing.assert_array_equal(emg, other)
    reseeded = list(MuscleSimulator(sessions=3, utterances=2, seed=1).simulate_session(2))
    assert not np.array_equal(reseeded[0][2][:500], recordings[0][2][:500])
    assert not np.array_equal(recordings[0][2][:500], recordings[1][2][:500])


def test_without_noise_a_sentence_always_takes_the_same_drive():
    session = make_session([0])
    first, second = (
        activate_muscles("open the door", session, np.random.default_rng(seed), noise=0)
        for seed in (0, 1)
    )
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"sessions": 0}, "sessions=0"),
        ({"utterances": 0}, "utterances=0"),
        ({"channels": -1}, "channels=-1"),
        ({"sample_rate": 20.0}, "sample_rate=20.0"),
        ({"sample_rate": float("nan")}, "sample_rate=nan"),
        ({"noise": -0.5}, "noise=-0.5"),
        ({"sample_rate": 100.0}, "mains_hz=50.0"),
        ({"seed": -1}, "seed=-1"),
    ],
    ids=["sessions", "utterances", "channels", "rate", "nan", "noise", "mains", "seed"],
)
def test_bad_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        MuscleSimulator(**settings)


def test_sessions_out_of_range_and_unknown_words_are_refused():
    for index in (-1, 5):
        with pytest.raises(ValueError, match=f"session {index} is not one of the 5"):
            MuscleSimulator(sessions=5).simulate_session(index)
    with pytest.raises(ValueError, match=r"'xyzzy'.* knows \d+ words.*phonemes\.py"):
        time_phonemes("open xyzzy")
    with pytest.raises(ValueError, match="at least one word"):
        time_phonemes(" ")
