"""A large vocabulary of words, from clips of a mouth."""

from dataclasses import replace

from unvoiced.tasks.lipread import LIPREAD
from unvoiced.tasks.spec import register_task

VSR = register_task(
    replace(
        LIPREAD,
        name="vsr",
        fine_tuning_note="it has not been measured with large vocabularies, and of ten words it "
        "read less than a profile.",
        context_s=0.2,
        starter=None,
        result_sets=("grid_sentences",),
    )
)
