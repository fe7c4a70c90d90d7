"""The load generator counts from the intended time, and the knee is where the tail leaves."""

import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

import pandas as pd
import pytest

from mlelab.serving import load


@pytest.fixture
def slow_server():
    """Answers one request after the other, each in 50 ms; 503 to those whose body asks for it."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_): ...

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            time.sleep(0.05)
            self.send_response(503 if b"fail" in body else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/"
    server.shutdown()


def test_a_queue_shows_in_the_latency(slow_server):
    """40 requests a second to a server that can do 20: the last ones wait for all before them."""
    sent = load.open_loop(slow_server, {}, rate=40, seconds=0.5)
    assert len(sent) == 20 and (sent["status"] == 200).all()
    assert sent["latency"].iloc[-5:].min() > 2 * 50


def test_failures_are_counted_and_not_raised(slow_server):
    assert (load.open_loop(slow_server, {"fail": 1}, rate=10, seconds=0.3)["status"] == 503).all()
    assert (load.open_loop("http://127.0.0.1:9/", {}, rate=10, seconds=0.3)["status"] == 0).all()


@pytest.mark.parametrize(("rate", "seconds"), [(10_000, 1), (0, 1), (1, 0.1)])
def test_the_number_of_requests_is_bounded(rate, seconds):
    with pytest.raises(ValueError, match="this sends 1 to 5,000"):
        load.open_loop("http://127.0.0.1:9/", {}, rate, seconds)


def test_the_knee_is_before_the_first_step_that_fails():
    table = pd.DataFrame({"p99": [5, 6, 30, 7], "failed": [0, 0, 0, 0]}, index=[10, 20, 40, 80])
    assert load.knee(table, limit=10) == 20
    assert load.knee(table.assign(failed=[0, 0.1, 0, 0]), limit=10) == 10
    assert load.knee(table, limit=1) is None
