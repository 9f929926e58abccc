"""Paths below which a reverse proxy serves the page."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

pytest.importorskip("gradio", reason='no Gradio: pip install -e ".[serve]"')

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from experiments.page.proxies import PrefixMiddleware, is_prefix


def describe_request(request: Request) -> JSONResponse:
    return JSONResponse([str(request.url_for("page")), sorted(request.headers)])


def open_client() -> TestClient:
    app = Starlette(routes=[Route("/page", describe_request, name="page")])
    return TestClient(PrefixMiddleware(app), base_url="http://127.0.0.1")


@pytest.mark.parametrize("prefix", ["/a/signs", "/page", "/a/signs/"])
def test_addresses_begin_with_the_path_that_a_proxy_has_removed(prefix: str) -> None:
    answer = open_client().get("/page", headers={"X-Forwarded-Prefix": prefix})
    assert answer.json()[0] == f"http://127.0.0.1{prefix.rstrip('/')}/page"


def test_without_a_proxy_nothing_changes_and_only_the_host_header_is_believed() -> None:
    answer = open_client().get("/page", headers={"X-Forwarded-Host": "evil.example"}).json()
    assert answer[0] == "http://127.0.0.1/page" and "x-forwarded-host" not in answer[1]


@pytest.mark.parametrize("prefix", ["signs", "//evil.example", "/a/../b", "/a?b", '/"<b>', "/ä"])
def test_other_prefixes_are_refused(prefix: str) -> None:
    assert not is_prefix(prefix)
    answer = open_client().get("/page", headers={"X-Forwarded-Prefix": prefix.encode()})
    assert answer.status_code == 400 and "X-Forwarded-Prefix" in answer.json()["error"]
    twice = [("X-Forwarded-Prefix", "/a"), ("X-Forwarded-Prefix", "/b")]
    assert open_client().get("/page", headers=twice).status_code == 400
