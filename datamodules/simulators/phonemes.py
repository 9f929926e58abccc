"""The pronouncing table: words and phrases as phonemes.

General American in ARPAbet without stress, as in the CMU Pronouncing Dictionary; written by hand.
"""

from __future__ import annotations

# One entry per word: the word and its phonemes. Words at the bedside, commands, digits, those of
# GRID and function words; letters come last, as many of their names look alike.
PRONUNCIATION_TABLE = """
doctor d aa k t er, pillow p ih l ow, water w ao t er, pain p ey n, nurse n er s, help hh eh l p,
yes y eh s, no n ow, more m ao r, hot hh aa t, cold k ow l d, tired t ay er d,
thirsty th er s t iy, hungry hh ah ng g r iy, sleep s l iy p, cough k ao f, breathe b r iy dh,
chest ch eh s t, head hh eh d, leg l eh g, arm aa r m, stomach s t ah m ah k, hurt hh er t,
family f ae m ah l iy, home hh ow m, mother m ah dh er, father f aa dh er,
toilet t oy l ah t, bathroom b ae th r uw m, blanket b l ae ng k ah t, light l ay t,
music m y uw z ih k, window w ih n d ow, open ow p ah n, close k l ow z, door d ao r,
medicine m eh d ah s ah n, drink d r ih ng k, food f uw d, glasses g l ae s ah z, phone f ow n,
today t ah d ey, tomorrow t ah m aa r ow, morning m ao r n ih ng, night n ay t, turn t er n,
left l eh f t, right r ay t, sit s ih t, bad b ae d, thanks th ae ng k s, feel f iy l,
visitor v ih z ah t er, radio r ey d iy ow, wash w aa sh, sick s ih k, worse w er s,
better b eh t er, finished f ih n ih sh t, suction s ah k sh ah n,
begin b ih g ih n, choose ch uw z, connection k ah n eh k sh ah n,
navigation n ae v ah g ey sh ah n, next n eh k s t, previous p r iy v iy ah s, start s t aa r t,
stop s t aa p, hello hh ah l ow, web w eh b,
zero z ih r ow, one w ah n, two t uw, three th r iy, four f ao r, five f ay v, six s ih k s,
seven s eh v ah n, eight ey t, nine n ay n,
bin b ih n, lay l ey, place p l ey s, set s eh t, blue b l uw, green g r iy n, red r eh d,
white w ay t, by b ay, at ae t, in ih n, with w ih dh, again ah g eh n, now n aw,
please p l iy z, soon s uw n,
need n iy d, to t ah, move m uw v, my m ay, mouth m aw th, is ih z, dry d r ay,
excuse ih k s k y uw z, me m iy, am ae m, sorry s aa r iy, thank th ae ng k, you y uw,
good g uh d, bye b ay, love l ah v, this dh ih s, game g ey m, nice n ay s, meet m iy t,
are aa r, welcome w eh l k ah m, how hh aw, have hh ae v, time t ay m, the dh ah, call k ao l,
over ow v er, cannot k ae n aa t,
a ey, b b iy, c s iy, d d iy, e iy, f eh f, g jh iy, h ey ch, i ay, j jh ey, k k ey, l eh l,
m eh m, n eh n, o ow, p p iy, q k y uw, r aa r, s eh s, t t iy, u y uw, v v iy, w d ah b l y uw,
x eh k s, y w ay, z z iy
"""
PHRASES = (
    *("i_need_to_move", "my_mouth_is_dry", "i_am_cold", "i_am_in_pain", "call_the_nurse"),
    *("turn_me_over", "i_cannot_breathe", "stop_navigation", "excuse_me", "i_am_sorry"),
    *("thank_you", "good_bye", "i_love_this_game", "nice_to_meet_you", "you_are_welcome"),
    *("how_are_you", "have_a_good_time"),
)
WEAK_FORMS = {"a": ("ah",)}  # within a phrase "a" is the article, not the letter
PRONUNCIATIONS = {
    entry.split()[0]: tuple(entry.split()[1:]) for entry in PRONUNCIATION_TABLE.split(",")
}
for _phrase in PHRASES:
    PRONUNCIATIONS[_phrase] = tuple(
        phone
        for part in _phrase.split("_")
        for phone in WEAK_FORMS.get(part) or PRONUNCIATIONS[part]
    )

DIPHTHONGS = {  # and the vowels that they run through
    **{"ay": ("aa", "iy"), "aw": ("aa", "uw"), "oy": ("ao", "iy")},
    **{"ey": ("eh", "iy"), "ow": ("ao", "uw")},
}


def split_phonemes(word: str) -> tuple[list[str], list[float]]:
    """Return the phonemes of a word, diphthongs as two vowels, and their relative durations.

    A duration of 1 is the phoneme's usual one; each half of a diphthong takes 0.7 of its own.

    Raises:
        ValueError: the pronouncing table lacks the word.
    """
    if word not in PRONUNCIATIONS:
        raise ValueError(
            f"cannot pronounce {word!r}: the pronouncing table knows {len(PRONUNCIATIONS)} words. "
            "Add its phonemes to a table in datamodules/simulators/phonemes.py"
        )
    phones, durations = [], []
    for phone in PRONUNCIATIONS[word]:
        phones += DIPHTHONGS.get(phone, (phone,))
        durations += [0.7, 0.7] if phone in DIPHTHONGS else [1.0]
    return phones, durations
