"""stage=serve against hostile requests: names, origins, routes, bodies and uploads."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("gradio", reason='no Gradio: pip install -e ".[serve]"')

from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from experiments.launch.secret_options import AUTH_VARIABLE, hide_auth
from experiments.page.hosts import AllowedHosts
from experiments.page.storage import (
    FOLDER_PREFIX,
    Quota,
    TooManyError,
    make_safe_name,
    temporary_folder,
)
from experiments.stages import serve
from tests.helpers.pages import PointingNetwork, open_client
from tests.helpers.paths import ROOT
from unvoiced import Recognizer

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:gradio")
JOIN = "/gradio_api/queue/join"
UPLOAD = "/gradio_api/upload"
WRITES = ("/camera/leave/x", "/camera/enter", UPLOAD, JOIN, "/gradio_api/cancel")


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    with open_client(Recognizer(PointingNetwork())) as client:
        yield client


# ---- names and origins


@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "evil.example:7860", "127.0.0.1.evil.example", "localhost.evil.example"),
        *("192.168.1.5", "0.0.0.0", "[::2]", "127.0.0.1@evil.example", "127.0.0.1:99999"),
        *("", "[", "[::1", "127.0.0.1 ", "a b", "127.0.0.1, evil.example", "127.0.0.1/x", "é"),
    ],
)
def test_other_host_names_are_refused(client: TestClient, host: str) -> None:
    for path in ("/", "/config", "/gradio_api/queue/data?session_hash=x"):
        answer = client.get(path, headers={"host": host.encode("latin-1")})
        assert answer.status_code == 403 and "allowed_hosts" in answer.text


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:7860", "localhost:80", "[::1]:7860"])
def test_own_host_names_are_accepted(client: TestClient, host: str) -> None:
    assert client.get("/", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "origin",
    [
        *("null", "file://", "file:///tmp/x.html", "garbage", "", " ", "http://", "http://["),
        *("http://[::1", "http://127.0.0.1.evil.example", "http://evil.example", "//127.0.0.1"),
        *("http://127.0.0.1:1", "https://127.0.0.1:8443", "http://user@127.0.0.1", "é", "http://é"),
        *("http://127.0.0.1:99999999999", "http://127.0.0.1/x", "chrome-extension://abc"),
        *("http://evil.example#http://127.0.0.1", "http://127.0.0.1, http://evil.example"),
        "ftp://127.0.0.1",
    ],
)
def test_other_origins_are_refused_on_every_route_that_changes_something(
    client: TestClient, origin: str
) -> None:
    for path in WRITES:
        answer = client.post(path, headers={"origin": origin.encode("latin-1")})
        assert answer.status_code == 403 and "Pages of other sites" in answer.text


def test_two_hosts_and_two_origins_are_refused(client: TestClient) -> None:
    for name, values in (
        ("host", ("127.0.0.1", "evil.example")),
        ("origin", ("http://127.0.0.1", "http://evil.example")),
    ):
        headers = [(name, value) for value in values]
        assert client.post("/camera/leave/x", headers=headers).status_code == 403


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_embedding_by_other_sites_is_refused(client: TestClient, site: str) -> None:
    headers = {"sec-fetch-site": site}
    for path in ("/config", "/gradio_api/queue/data?session_hash=x", "/gradio_api/heartbeat/x"):
        assert client.get(path, headers=headers).status_code == 403
    assert client.post("/camera/enter", headers=headers).status_code == 403
    assert client.get("/", headers=headers).status_code == 200  # a link that somebody follows


def test_own_pages_are_accepted(client: TestClient) -> None:
    for origin in ("http://127.0.0.1", "http://127.0.0.1:80"):
        headers = {"origin": origin, "sec-fetch-site": "same-origin"}
        assert client.post("/camera/leave/x", headers=headers).status_code == 200


def test_websockets_are_refused(client: TestClient) -> None:
    for path in ("/queue/join", "/", "/camera/enter"):
        with pytest.raises(WebSocketDisconnect), client.websocket_connect(path):
            pass


def test_allowed_hosts_are_accepted() -> None:
    proxied = {"host": "page.example.org", "origin": "https://page.example.org"}
    plain = {"origin": "https://page.example.org"}  # a proxy that sets Host to 127.0.0.1
    with open_client(Recognizer(PointingNetwork()), allowed_hosts=["page.example.org"]) as client:
        for headers in (proxied, plain):
            assert client.post("/camera/leave/x", headers=headers).status_code == 200
        assert client.get("/", headers={"host": "evil.example"}).status_code == 403


@pytest.mark.parametrize("name", ["https://page.example.org", "*", "a/b", "", 7, None])
def test_allowed_hosts_that_are_no_names_are_refused(name: Any) -> None:
    with pytest.raises(ValueError, match=r"serve\.allowed_hosts holds .*; expected names"):
        AllowedHosts("127.0.0.1", [name])


def test_a_page_for_all_addresses_accepts_ip_addresses_and_its_name() -> None:
    hosts = AllowedHosts("0.0.0.0", ["page.example.org"])
    for name in ("192.168.1.5:7860", "[fe80::1]", "127.0.0.1", "PAGE.example.org:443"):
        assert hosts.allows_host(name)
    assert not hosts.allows_host("evil.example")


# ---- routes and bodies


@pytest.mark.parametrize(
    "path",
    [
        *("/gradio_api/file=/etc/passwd", "/gradio_api/file/etc/passwd", "/monitoring"),
        *("/gradio_api/proxy=http://evil.example", "/gradio_api/deep_link", "/openapi.json"),
        *("/gradio_api/dev/reload", "/gradio_api/vibe-code", "/docs", "/logout", "/../etc"),
    ],
)
def test_unused_routes_do_not_exist(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 404


def test_other_methods_are_refused(client: TestClient) -> None:
    for method in ("PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND"):
        assert client.request(method, "/camera/enter").status_code == 405


def make_join_request(path: Any, **more: Any) -> dict[str, Any]:
    data = {"path": path, "meta": {"_type": "gradio.FileData"}} | more
    return {"data": [data], "fn_index": 0, "session_hash": "x"}


@pytest.mark.parametrize(
    "path",
    [
        *("/etc/passwd", "http://127.0.0.1:1/x.jpg", "https://evil.example/x.jpg", "../x.jpg"),
        *("file:///etc/passwd", "x.jpg", "/proc/self/environ", "a\0b", 7, ["/etc/passwd"]),
    ],
)
def test_only_files_that_were_uploaded_are_read(client: TestClient, path: Any) -> None:
    answer = client.post(JOIN, json=make_join_request(path))
    assert answer.status_code == 422 and "not uploaded" in answer.text


@pytest.mark.parametrize(
    "body", [b"[" * 60_000, b'{"data":' * 2000, b"\xff", b"{", b'{"data": ' + b"[" * 17 + b"]" * 17]
)
def test_damaged_requests_get_a_sentence(client: TestClient, body: bytes) -> None:
    assert client.post(JOIN, content=body).status_code == 422


@pytest.mark.parametrize("number", [99, -1, "0", 1.5, None, True])
def test_functions_that_the_page_lacks_are_refused(client: TestClient, number: Any) -> None:
    body = {"data": [None], "fn_index": number, "session_hash": "x"}
    answer = client.post(JOIN, json=body)
    assert answer.status_code == 422 and "no such function" in answer.text


def test_long_requests_are_refused(client: TestClient) -> None:
    answer = client.post(JOIN, content=b'{"data": ["' + b"x" * 70_000 + b'"]}')
    assert answer.status_code == 422 and "larger than 64 kB" in answer.text


# ---- uploads


def send_upload(client: TestClient, *sizes: int, name: str = "a.mp4") -> Any:
    return client.post(UPLOAD, files=[("files", (name, bytes(size))) for size in sizes])


def list_stored(client: TestClient) -> list[Path]:
    folder = Path(client.app.app.folder)
    return [path for path in folder.rglob("*") if path.is_file() and path.name != "lock"]


def test_a_request_takes_one_file_of_bounded_size() -> None:
    with open_client(Recognizer(PointingNetwork())) as client:
        assert send_upload(client, *[10] * 60).status_code == 400
        for size in (2**20 + 1, 2**20 + 70_000, 5 * 2**20):
            answer = send_upload(client, size)
            assert answer.status_code == 413 and "maximum allowed size of 1 MB" in answer.text
        parts = (b"x" * 65536 for _ in range(40))  # of no announced length
        headers = {"content-type": "multipart/form-data; boundary=x"}
        assert client.post(UPLOAD, content=parts, headers=headers).status_code in (400, 413)
        for wrong in ({}, headers, {"content-type": "multipart/form-data"}):
            assert client.post(UPLOAD, content=b"x", headers=wrong).status_code == 400
        assert list_stored(client) == []
        assert send_upload(client, 2**20).status_code == 200


def test_a_visitor_stores_few_files_and_all_together_not_many() -> None:
    with open_client(Recognizer(PointingNetwork())) as client:
        first, second, third = (send_upload(client, 2**19) for _ in range(3))
        assert [first.status_code, second.status_code] == [200, 200]
        assert third.status_code == 429 and "Try again" in third.text
        Path(first.json()[0]).unlink()  # it was read
        assert send_upload(client, 10).status_code == 200
        assert len(list_stored(client)) == 2
    quota = Quota(100, files=4)
    for visitor in "aabb":
        quota.reserve(visitor, 100)
    with pytest.raises(TooManyError, match="Try again"):
        quota.reserve("c", 1)


def test_many_uploads_at_once_stay_within_the_limits() -> None:
    import httpx

    async def flood(app: Any) -> list[int]:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            files = {"files": ("a.mp4", bytes(2**20))}
            jobs = [client.post(UPLOAD, files=files) for _ in range(30)]
            return [answer.status_code for answer in await asyncio.gather(*jobs)]

    with open_client(Recognizer(PointingNetwork())) as client:
        codes = asyncio.run(flood(client.app))
        assert codes.count(200) == 2 == len(list_stored(client)) and codes.count(429) == 28


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("../../etc/passwd.mp4", "passwd.mp4"),
        ("..\\..\\x.jpg", "x.jpg"),
        ("\x1b[2J\r\n.png", "upload.png"),
        ("=cmd|x.csv", "_cmd_x.csv"),
        ("a" * 300 + ".mp4", "a" * 80 + ".mp4"),
        ("", "upload"),
        ("..", "upload"),
        ("Ж水.mp4", "Ж水.mp4"),
    ],
)
def test_names_of_uploads_are_harmless(name: str, kept: str) -> None:
    made = make_safe_name(name)
    assert "/" not in made and made.isprintable()
    assert made == kept or "[2J" in name


# ---- what is left behind


STARTED = """
import sys, time
from experiments.page.storage import temporary_folder
with temporary_folder() as folder:
    (folder / "clip.mp4").write_bytes(b"x")
    print(folder, flush=True)
    time.sleep(60)
"""


def test_a_killed_programs_uploads_are_removed_at_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    (tmp_path / f"{FOLDER_PREFIX}someone").mkdir()  # has no lock: is not touched
    (tmp_path / f"{FOLDER_PREFIX}link").symlink_to(ROOT)
    command = [sys.executable, "-c", STARTED]
    environment = os.environ | {"TMPDIR": str(tmp_path), "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as running:
        folder = Path(running.stdout.readline().strip())
        with temporary_folder() as mine:
            assert (folder / "clip.mp4").exists() and mine.exists()  # that one still runs
        running.kill()
        running.wait()
    assert (folder / "clip.mp4").exists()
    with temporary_folder():
        assert not folder.exists()
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == [f"{FOLDER_PREFIX}link", f"{FOLDER_PREFIX}someone"]


def restore_hangup() -> None:
    """Undo nohup, under which a page runs on after its terminal's end."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.mark.slow
def test_a_page_that_is_ended_leaves_no_uploads_and_no_password(
    checkpoint: Path, tmp_path: Path
) -> None:
    command = [sys.executable, "run.py", "stage=serve", "serve.port=0", "serve.auth=ann:sesame"]
    command += [f"ckpt_path={checkpoint}", f"hydra.run.dir={tmp_path / 'served'}"]
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    environment = os.environ | {"TMPDIR": str(temporary)}
    with subprocess.Popen(
        **{"args": command, "cwd": ROOT, "env": environment, "preexec_fn": restore_hangup},
        **{"stdout": subprocess.PIPE, "text": True},
    ) as running:
        lines = [next(running.stdout)]
        while not lines[-1].startswith("Open "):
            lines.append(next(running.stdout))
        assert list(temporary.glob(f"{FOLDER_PREFIX}*"))
        running.send_signal(signal.SIGHUP)
        try:
            lines.append(running.communicate(timeout=30)[0])
        finally:
            running.kill()
    assert running.returncode == 0 and "The page is closed." in lines[-1]
    assert not list(temporary.glob(f"{FOLDER_PREFIX}*"))
    files = [path for path in (tmp_path / "served").rglob("*") if path.is_file()]
    assert files and not [path for path in files if b"sesame" in path.read_bytes()]
    assert "sesame" not in "".join(lines)


# ---- the password


@pytest.fixture
def no_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(AUTH_VARIABLE, "")


@pytest.mark.parametrize(
    "argument",
    [
        "serve.auth=ann:sesame",
        "+auth=ann:sesame",
        "++auth='ann:sesame'",
        "serve.auth=${oc.env:PAGE_AUTH}",
    ],
)
def test_the_password_is_taken_off_the_command_line(
    no_password, monkeypatch: pytest.MonkeyPatch, argument: str
) -> None:
    monkeypatch.setenv("PAGE_AUTH", "ann:sesame")
    assert hide_auth(["stage=serve", argument, "serve.port=0"]) == ["stage=serve", "serve.port=0"]
    assert serve.read_auth(None, None) == "ann:sesame"


def test_the_password_may_stand_in_a_file(no_password, tmp_path: Path) -> None:
    path = tmp_path / "auth"
    path.write_text("ann:sesame\n")
    assert serve.read_auth(None, str(path)) == "ann:sesame"
    with pytest.raises(ValueError, match="both given"):
        serve.read_auth("ann:other", str(path))
    with pytest.raises(ValueError, match=r"serve\.auth_file=.* cannot be read"):
        serve.read_auth(None, str(tmp_path / "missing"))
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match="cannot be read") as error:
        serve.read_auth(None, str(path))
    assert "xff" not in str(error.value)


def test_wrong_passwords_are_refused() -> None:
    with open_client(Recognizer(PointingNetwork()), auth="ann:sesame") as client:
        for given in ("x", "Basic", "Basic ", "Basic !!!", "Bearer YW5uOnNlc2FtZQ=="):
            for method, path in (("GET", "/"), ("POST", UPLOAD), ("POST", JOIN)):
                answer = client.request(method, path, headers={"authorization": given})
                assert answer.status_code == 401
