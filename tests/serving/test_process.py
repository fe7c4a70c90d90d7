"""Real servers: they come up, answer alike, and never outlive who started them."""

import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest
from jupyter_client.manager import start_new_kernel

from mlelab import engines
from mlelab.serving import bundle, inference, process

sys.path.insert(0, str(engines.ROOT / "tools"))

import rolling  # noqa: E402


def post(url, body):
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def port_is_free(url):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", int(url.rpartition(":")[2]))) != 0


def eventually(holds, seconds=15):
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def test_the_service_answers_and_is_gone_afterwards(folder, rows, tmp_path):
    with process.serve(folder, log=tmp_path / "log.jsonl") as server:
        answer = post(f"{server.url}/predict", {"instances": rows, "request_id": "r"})
        family = psutil.Process(server.pid).children(recursive=True)
    assert len(answer["predictions"]) == len((tmp_path / "log.jsonl").read_text().splitlines()) == 10
    assert family and eventually(lambda: not any(child.is_running() for child in family))
    assert port_is_free(server.url)


@pytest.mark.parametrize("there", [True, False], ids=["MLServer", "ours"])
def test_the_open_inference_protocol_gives_the_same_scores(folder, flights, there, monkeypatch):
    loaded, some = bundle.load(folder), flights.head(5)
    if not there:
        monkeypatch.setattr(process, "find_spec", lambda name: None)
    with process.serve_mlserver(folder) as server:
        answer = post(f"{server.url}/v2/models/alert/infer", inference.request(some, loaded.columns))
    assert answer["outputs"][0]["data"] == pytest.approx(loaded.score(some).tolist(), abs=1e-6)


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="Windows has no process groups")
@pytest.mark.parametrize("start", ["serve", "serve_mlserver"])
def test_nothing_is_left_when_the_parent_is_killed(folder, start):
    """A killed kernel: no clean-up code runs in it."""
    code = f"""
        import psutil, sys, time
        from mlelab.serving import process
        server = process.{start}({str(folder)!r})
        print(server.url, *[child.pid for child in psutil.Process().children(recursive=True)], flush=True)
        time.sleep(60)
    """
    parent = subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, text=True)
    url, *pids = parent.stdout.readline().split()
    assert len(pids) >= 2 and not port_is_free(url)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    assert eventually(lambda: not any(psutil.pid_exists(int(pid)) for pid in pids))
    assert port_is_free(url)


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="Windows has no process groups")
def test_nothing_is_left_when_a_notebooks_kernel_is_killed(folder):
    """As JupyterLab does it to a kernel that does not answer."""
    manager, client = start_new_kernel(kernel_name="python3")
    said = []
    code = f"""
from mlelab.serving import process
import psutil
server = process.serve({str(folder)!r})
print(server.url, *[child.pid for child in psutil.Process().children(recursive=True)])
"""
    client.execute_interactive(code, timeout=60,
                               output_hook=lambda message: said.append(message["content"].get("text", "")))
    url, *pids = "".join(said).split()
    assert pids and not port_is_free(url)
    client.stop_channels()
    manager.shutdown_kernel(now=True)
    assert eventually(lambda: not any(psutil.pid_exists(int(pid)) for pid in pids))
    assert port_is_free(url)


def test_a_bundle_that_is_none_is_said_in_one_sentence(tmp_path):
    with pytest.raises(process.NotStarted, match=r"ended at once: Not started: .*cannot be read"):
        process.serve(tmp_path)


def test_a_server_that_never_answers_is_given_up_and_ended():
    command = [sys.executable, "-c", "import time; time.sleep(60)"]
    with pytest.raises(process.NotStarted, match="did not answer within 1 s"):
        process.Server(command, "http://127.0.0.1:9", "/", deadline=1)


# A rolling change

needs_sigterm = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM: a server ends at once")


@needs_sigterm
def test_a_rolling_change_under_load_loses_no_request(folder, rows, tmp_path):
    counts = rolling.under_load(process.roll, folder, rows, tmp_path)
    assert counts["failed"] == 0 and counts["by_old"] + counts["by_new"] == counts["requests"]
    assert min(counts["by_old"], counts["by_new"]) > 20


def test_a_change_that_stops_before_it_starts_loses_requests(folder, rows, tmp_path):
    assert rolling.under_load(rolling.stop_then_start, folder, rows, tmp_path)["failed"] > 0


def test_the_record_on_the_page_is_of_these_two_orders():
    orders = engines.measured("rolling")["orders"]
    assert list(orders) == list(rolling.ORDERS)
    assert orders["start, then drain"]["failed"] == 0 < orders["stop, then start"]["failed"]


@needs_sigterm
def test_a_drained_server_answers_what_it_has_begun():
    code = """
import asyncio, sys, uvicorn
from fastapi import FastAPI
app = FastAPI()
@app.get("/")
def ready(): return {}
@app.get("/slow")
async def slow():
    await asyncio.sleep(1)
    return {"done": True}
uvicorn.run(app, port=int(sys.argv[1]), log_level="warning")
"""
    port = process.free_port()
    with process.Server([sys.executable, "-c", code, str(port)], f"http://127.0.0.1:{port}", "/") as server:
        with ThreadPoolExecutor(1) as thread:
            asked = thread.submit(lambda: json.load(urllib.request.urlopen(f"{server.url}/slow", timeout=10)))
            time.sleep(0.4)
            server.drain()
            assert asked.result() == {"done": True}
        assert port_is_free(server.url)
