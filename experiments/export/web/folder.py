"""``export.format=web``: a folder that any host of static files serves."""

from __future__ import annotations

import tempfile
from pathlib import Path

from experiments.export.web.app_files import (
    AppSource,
    collect_extras,
    collect_parts,
    hash_content,
    read_styles,
    write_files,
    write_worker_list,
)
from experiments.export.web.markup import (
    FOLDER_HEAD,
    FOLDER_POLICY,
    render_folder_scripts,
    render_index,
)

NOT_CACHED = ("README.txt",)  # not needed by the running app
SIGN_FILES = ("sw.js", "model/about.json")  # of a folder that an export wrote


def write_folder(source: AppSource, folder: Path) -> str:
    """Write the app, in place of an earlier one, and return its size in words.

    Raises:
        ValueError: the folder holds something else, or a library cannot be fetched.
    """
    require_replaceable(folder)
    contents = collect_folder(source)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as temporary:
        write_files(Path(temporary), contents)  # a full disk is then found before
        for path in contents:  # other files of the folder, such as those of git, stay
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            Path(temporary, path).replace(folder / path)
    return describe_size(contents)


def collect_folder(source: AppSource) -> dict[str, bytes]:
    """Return all files of the app by path."""
    contents = collect_parts(source) | read_styles() | collect_extras(source)
    index = render_index(
        source.metadata,
        source.note,
        source.has_words,
        source.teaching,
        describe_size(contents),
        FOLDER_POLICY,
        FOLDER_HEAD,
        render_folder_scripts(),
    )
    contents["index.html"] = index.encode()
    paths = ["./", *(path for path in contents if path not in (*NOT_CACHED, "index.html"))]
    contents["sw.js"] = write_worker_list(hash_content(contents), paths)
    return contents


def describe_size(contents: dict[str, bytes]) -> str:
    """Return the size of the app in words."""
    total_mb = sum(map(len, contents.values())) / 1e6
    return (
        f"{total_mb:.1f} MB of files, which a host that compresses them sends as about a third; "
        "they are fetched once."
    )


def require_replaceable(folder: Path) -> None:
    """Refuse a folder that holds other files than an earlier app.

    Raises:
        ValueError: it does, or it is a file.
    """
    if folder.is_file():
        raise ValueError(f"export.output={folder} is a file; expected a folder for the app")
    if not folder.is_dir() or not any(folder.iterdir()):
        return
    if not all((folder / name).is_file() for name in SIGN_FILES):
        raise ValueError(
            f"export.output={folder} holds other files, which an app would replace. Name another "
            "folder"
        )
