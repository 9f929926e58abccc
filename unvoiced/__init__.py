"""Trained models in use, without PyTorch.

``Recognizer`` reads files, ``Engine`` reads streams, ``TextComposer`` finds the words that were
spelled, and ``WordComposer`` distinguishes words by their neighbours.

Needs NumPy and ONNX Runtime; images need OpenCV and MediaPipe, EMG needs SciPy. See
requirements.txt in this folder. torch, lightning and hydra must not be imported here.
"""

from unvoiced.composer import TextComposer
from unvoiced.engine import Engine
from unvoiced.readings import Reading
from unvoiced.recognizer import Recognizer
from unvoiced.streams.decisions import Event
from unvoiced.writing.word_composer import WordComposer

__all__ = ["Engine", "Event", "Reading", "Recognizer", "TextComposer", "WordComposer"]
