"""serve.certificate= and serve.key=: https://, or a sentence before anything starts."""

from __future__ import annotations

import shutil
import ssl
import subprocess
import threading
import time
import urllib.request
from pathlib import Path

import pytest

pytest.importorskip("uvicorn", reason='no Uvicorn: pip install -e ".[serve]"')

from starlette.responses import PlainTextResponse

from experiments.page.certificates import read_certificate
from experiments.page.server import make_server, open_socket

EC = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-x509", "-days", "2")
NAMES = ("-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with two certificates, their keys, and an encrypted one."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl")
    folder = tmp_path_factory.mktemp("certificates")
    for name in ("a", "b"):
        files = ("-keyout", f"{name}.key", "-out", f"{name}.pem")
        run_openssl(folder, "req", *EC, *NAMES, "-noenc", *files)
    secret = ("-aes256", "-passout", "pass:secret", "-out", "encrypted.key")
    run_openssl(folder, "pkey", "-in", "a.key", *secret)
    (folder / "junk.pem").write_bytes(b"junk")
    return folder


def run_openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


@pytest.mark.parametrize(
    ("certificate", "key", "message"),
    [
        ("missing.pem", "a.key", r"serve\.certificate=.*cannot be read \(No such file"),
        ("a.pem", "missing.key", r"serve\.key=.*cannot be read"),
        ("a.pem", "b.key", "do not belong together"),
        ("a.pem", "encrypted.key", r"serve\.key= is encrypted"),
        ("junk.pem", "a.key", "expected a certificate and its key in PEM format"),
        ("a.pem", None, r"name it with serve\.key="),
    ],
)
def test_wrong_files_are_one_sentence(
    folder: Path, certificate: str, key: str | None, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        read_certificate(str(folder / certificate), key and str(folder / key))


def test_without_a_certificate_there_is_no_https() -> None:
    assert read_certificate(None, None) == {}


def test_the_page_is_served_as_https(folder: Path) -> None:
    tls = read_certificate(str(folder / "a.pem"), str(folder / "a.key"))
    sock = open_socket("127.0.0.1", 0)
    server = make_server(PlainTextResponse("page"), sock, **tls)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]})
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        trusted = ssl.create_default_context(cafile=str(folder / "a.pem"))
        address = f"https://127.0.0.1:{sock.getsockname()[1]}"
        with urllib.request.urlopen(address, context=trusted, timeout=60) as answer:
            assert answer.read() == b"page"
    finally:
        server.should_exit = True
        thread.join()
