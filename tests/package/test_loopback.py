"""Behind a company's proxy, what talks to our own servers does not go through it."""

import functools
import http.server
import os
import sys
import threading
import urllib.request

import pytest
import requests

import mlelab
from mlelab import loopback
from mlelab.serving import load, process

NOBODY = "http://127.0.0.1:9"  # a proxy that answers nothing
SERVER = "import http.server, sys; http.server.test(http.server.SimpleHTTPRequestHandler, port=int(sys.argv[1]), " \
         "bind='127.0.0.1')"


@pytest.fixture(autouse=True)
def behind_a_proxy(monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, NOBODY)
    monkeypatch.setattr(urllib.request, "_opener", None)  # it keeps the proxies of its first use
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "")  # so that what a test adds is undone
        monkeypatch.delenv(name)


@pytest.fixture
def url(tmp_path):
    (tmp_path / "index.html").write_text("here")
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def test_the_proxy_of_this_test_is_in_the_way(url):
    with pytest.raises(requests.exceptions.ProxyError):
        requests.get(url, timeout=5)


def test_every_client_reaches_loopback_after_the_first_cell(url, capsys):
    mlelab.start("00_start")
    assert requests.get(url, timeout=5).text == "here"
    assert urllib.request.urlopen(url, timeout=5).read() == b"here"
    assert set(load.open_loop(url, {}, rate=20, seconds=0.1)["status"]) == {501}  # a file server refuses POST


def test_every_client_reaches_a_server_of_ours_without_the_first_cell(tmp_path):
    port = process.free_port()
    command = [sys.executable, "-c", SERVER, str(port)]
    with process.Server(command, f"http://127.0.0.1:{port}", "/", deadline=20) as server:
        assert requests.get(server.url, timeout=5).status_code == 200


def test_what_the_reader_excepted_stays_excepted(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "intranet.example.edu, localhost")
    loopback.reach_directly()
    once = os.environ["NO_PROXY"]
    loopback.reach_directly()
    assert os.environ["no_proxy"] == os.environ["NO_PROXY"] == once
    assert once.split(",") == ["intranet.example.edu", "localhost", "127.0.0.1", "::1"]
