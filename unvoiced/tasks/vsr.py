"""A large vocabulary of words, from clips of a mouth."""

from dataclasses import replace

from unvoiced.tasks.lipread import LIPREAD
from unvoiced.tasks.spec import register_task

VSR = register_task(replace(LIPREAD, name="vsr", context_s=0.2))
