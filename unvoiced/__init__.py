"""Models in use, without PyTorch: ``Recognizer(path)`` reads, ``Engine`` reads what streams.

Needs NumPy and ONNX Runtime, for pictures OpenCV and MediaPipe, for EMG SciPy. Nothing here may
import torch, lightning or hydra.
"""

from unvoiced.decisions import Event
from unvoiced.engine import Engine
from unvoiced.recognizer import Reading, Recognizer

__all__ = ["Engine", "Event", "Reading", "Recognizer"]
