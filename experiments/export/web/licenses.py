"""LICENSES.txt: the licences of all parts of an app, with their texts."""

from __future__ import annotations

from importlib.metadata import distribution

from experiments.export.web.libraries import RUNTIME_PACKAGE, VISION_PACKAGE

# Of the Python packages of the same libraries: those of npm hold no texts.
LICENSE_PLACES = {
    "mediapipe": "licenses/LICENSE",
    "onnxruntime": "../onnxruntime/LICENSE",
    "symspellpy": "licenses/LICENSE",
}
NOTICE_PLACES = {
    "mediapipe": "licenses/NOTICE",
    "onnxruntime": "../onnxruntime/ThirdPartyNotices.txt",
}
LICENSE_FILE = "LICENSES.txt"
RULE = "=" * 80


def write_licenses(model_name: str) -> str:
    """Return the text of LICENSES.txt.

    Args:
        model_name: the detector's file in ``model/``.
    """
    apache, mit, words = (_read_license(name) for name in LICENSE_PLACES)
    notices = "\n".join(_describe_notices(name) for name in NOTICE_PLACES)
    return f"""The app itself: Unvoiced, Apache License 2.0 (text below).

vendor/vision_*: {VISION_PACKAGE}, Copyright The MediaPipe Authors,
Apache License 2.0 (text below).
model/{model_name}: a model of MediaPipe, Copyright Google LLC, Apache License 2.0 (text below).

vendor/ort*: {RUNTIME_PACKAGE}, Copyright Microsoft Corporation, MIT License (text below).

model/words.bin, where it is there: frequencies of English words from symspellpy, MIT License (third
text below), which are W. Garbe's SymSpell, of Google Books Ngram data (CC BY 3.0) and SCOWL.

model/network.onnx: trained with Unvoiced; its licence is its owner's choice.

The notices of the parts of both libraries come last, as their Python packages carry them.
Their statements on figures of use concern later versions of MediaPipe: {VISION_PACKAGE}
sends none.

{RULE}
{apache}
{RULE}
{mit}
{RULE}
{words}
{notices}"""


def _read_license(package: str) -> str:
    """Return the text of the licence of an installed package.

    Raises:
        ValueError: the installation lacks it.
    """
    text = distribution(package).read_text(LICENSE_PLACES[package])
    if text is None:
        raise ValueError(f"{package} is installed without its licence. Install it again with pip")
    return text


def _describe_notices(package: str) -> str:
    """Return the notices of third parties in an installed package, which some versions lack."""
    found = distribution(package)
    text = found.read_text(NOTICE_PLACES[package]) or "This version carries no notices."
    return f"{RULE}\nNotices of third parties in {package} {found.version}\n{RULE}\n{text}"
