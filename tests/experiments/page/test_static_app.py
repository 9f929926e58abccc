"""serve.engine=browser: the files of the app, to those who may use the page, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from starlette.testclient import TestClient

pytest.importorskip("gradio", reason='no Gradio: pip install -e ".[serve]"')

from experiments.page.hosts import AllowedHosts
from experiments.page.static_app import create_static_app

HERE = "http://127.0.0.1"


def open_client(folder: Path, auth: str | None = None) -> TestClient:
    (folder / "app/model").mkdir(parents=True)
    (folder / "app/index.html").write_text("<p>app</p>")
    (folder / "app/hands.js").write_text("// hands")
    (folder / "app/model/network.wasm").write_bytes(b"\0asm")
    (folder / "secret.txt").write_text("secret")
    hosts = AllowedHosts("127.0.0.1")
    app = create_static_app(folder / "app", auth, hosts, "default-src 'none'; script-src 'self'")
    return TestClient(app, base_url=HERE)


def test_files_of_the_app_are_sent_with_their_types(tmp_path: Path) -> None:
    client = open_client(tmp_path)
    assert client.get("/").text == "<p>app</p>"
    assert client.get("/hands.js").headers["content-type"].startswith("text/javascript")
    answer = client.get("/model/network.wasm")
    assert answer.headers["content-type"] == "application/wasm"
    policy = answer.headers["content-security-policy"]
    assert policy == "default-src 'none'; script-src 'self'; frame-ancestors 'self'"
    assert answer.headers["cache-control"] == "no-cache"  # the next model has the same names
    assert client.head("/hands.js").headers["content-length"] == "8"
    part = client.get("/hands.js", headers={"range": "bytes=0-1"})
    assert (part.status_code, part.text) == (206, "//")


@pytest.mark.parametrize(
    "path",
    [
        "/model",
        "/model/",
        "/nothing",
        "/..%2fsecret.txt",
        "/..%5csecret.txt",
        "/hands.js%00",
        "/camera/enter",
    ],
)
def test_nothing_else_is_sent(path: str, tmp_path: Path) -> None:
    client = open_client(tmp_path)
    assert client.get(path, follow_redirects=False).status_code == 404
    assert client.post(path).status_code == 405


def test_passwords_hosts_and_other_sites_are_checked(tmp_path: Path) -> None:
    client = open_client(tmp_path, "ann:secret")
    assert client.get("/hands.js").status_code == 401
    assert client.get("/hands.js", auth=("ann", "secret")).status_code == 200
    for header in ({"host": "evil.example"}, {"origin": "http://evil.example"}):
        assert client.get("/hands.js", auth=("ann", "secret"), headers=header).status_code == 403
