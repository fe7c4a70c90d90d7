"""The ways in: a notebook, a shell, a test; the real cloud is left alone; state survives, also a kill."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest

from mlelab.vertex.server import Cloud, StateInUse, implemented

# Variables of a server that this test run itself started must not reach the processes below.
CLEAN = {k: v for k, v in os.environ.items() if not k.startswith(("GOOGLE_", "MLELAB_", "FSSPEC_"))
         and k.lower() not in ("https_proxy", "no_proxy")}

NOTEBOOK = """
    from mlelab import vertex
    vertex.connect({arguments})
    from google.cloud import aiplatform
    aiplatform.init(project="p", location="us-central1")
    {body}
    print("IN", vertex.where())
"""


def notebook(body: str, arguments: str = "", env: dict | None = None, check: bool = True) -> str:
    code = textwrap.dedent(NOTEBOOK).format(arguments=arguments, body=body)
    done = subprocess.run([sys.executable, "-c", code], env={**CLEAN, **(env or {})}, capture_output=True, text=True,
                          timeout=120)
    assert not check or done.returncode == 0, done.stderr[-3000:]
    return done.stdout + done.stderr


def test_state_outlives_the_notebook(tmp_path):
    state = f"state={str(tmp_path / 's')!r}"
    notebook('aiplatform.Endpoint.create(display_name="kept")', state)
    deadline = time.monotonic() + 30
    while (tmp_path / "s" / "server.json").exists():  # the server ends a few seconds after its last notebook
        assert time.monotonic() < deadline
        time.sleep(0.2)
    out = notebook("print([e.display_name for e in aiplatform.Endpoint.list()])", state)
    assert "['kept']" in out
    assert "IN Local stand-in for Vertex AI" in out


def test_the_real_cloud_is_left_in_place(tmp_path):
    from mlelab.vertex.tls import make_keys

    keys = make_keys(tmp_path, "my-project", "https://oauth2.googleapis.com/token")
    code = "from mlelab import vertex; vertex.connect(); import os; print(os.environ.get('HTTPS_PROXY'))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, env={
        **CLEAN, "GOOGLE_CLOUD_PROJECT": "my-project", "GOOGLE_APPLICATION_CREDENTIALS": str(keys.account)})
    assert done.stdout.splitlines() == [
        "Google Cloud, project my-project: what you create there is billed until you delete it.", "None"]


def test_where_before_anything(monkeypatch):
    from mlelab import vertex

    for name in ("MLELAB_VERTEX", "GOOGLE_CLOUD_PROJECT"):
        monkeypatch.delenv(name, raising=False)
    assert vertex.where().startswith("Nowhere yet")


def test_a_server_that_cannot_start_says_why(tmp_path):
    (tmp_path / "file").write_text("")
    out = notebook("", f"state={str(tmp_path / 'file')!r}", check=False)
    assert "RuntimeError: The local server did not start" in out


def test_one_state_directory_one_server(tmp_path):
    first = Cloud(tmp_path)
    try:
        with pytest.raises(StateInUse, match="choose another state directory"):
            Cloud(tmp_path)
    finally:
        first.close()
    Cloud(tmp_path).close()


def run_cli(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-m", "mlelab.vertex", *arguments], env=CLEAN, capture_output=True, text=True,
                          timeout=60)


def test_command_line():
    listed = run_cli("--list").stdout
    assert all(service in listed for service in implemented())
    assert "local stand-in" in run_cli("--help").stdout


def test_shell_use_and_clean_end(tmp_path):
    server = subprocess.Popen([sys.executable, "-m", "mlelab.vertex", "--ephemeral"], env=CLEAN, stdout=subprocess.PIPE,
                              text=True)
    lines = [server.stdout.readline() for _ in range(8)]
    assert "local stand-in" in lines[0]
    assert any(line.startswith("export GOOGLE_APPLICATION_CREDENTIALS=") for line in lines)
    server.send_signal(signal.SIGINT)
    server.stdout.read()
    assert server.wait(20) == 0


def _kills(state, count: int) -> int:
    """Kill the server in the middle of writes `count` times. Returns how many acknowledged resources there are."""
    writer = textwrap.dedent("""
        import sys, threading
        from google.cloud import aiplatform_v1, storage
        client = aiplatform_v1.EndpointServiceClient(client_options={"api_endpoint": "us-central1-aiplatform.googleapis.com"})
        bucket = storage.Client().bucket("kill-bucket")
        if not bucket.exists(): bucket.create()
        def write(worker):
            n = 0
            while True:
                name = f"r{sys.argv[1]}-{worker}-{n}"
                made = client.create_endpoint(parent="projects/p/locations/l", endpoint={"display_name": name}, endpoint_id=name)
                made.result(timeout=10)
                bucket.blob(name).upload_from_string(name, retry=None)
                print(name, flush=True)
                n += 1
        for worker in range(3):
            threading.Thread(target=write, args=(worker,), daemon=True).start()
        threading.Event().wait()
    """)
    acknowledged: set[str] = set()
    for round_ in range(count):
        server = subprocess.Popen([sys.executable, "-m", "mlelab.vertex", "--json", "--offline", "--state", str(state)],
                                  env=CLEAN, stdout=subprocess.PIPE, text=True)
        info = json.loads(server.stdout.readline())
        client = subprocess.Popen([sys.executable, "-c", writer, str(round_)], env={**CLEAN, **info["environment"]},
                                  stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        seen = [client.stdout.readline().strip() for _ in range(5 + round_ % 7)]
        server.kill()
        server.wait()
        time.sleep(0.05)
        client.kill()
        acknowledged |= {line for line in [*seen, *client.stdout.read().split("\n")[:-1]] if line}
    after = Cloud(state)
    try:
        from mlelab.vertex.catalog import pb

        endpoints = {e.display_name for e in after.store.list(pb.Endpoint, "projects/p/locations/l/endpoints")}
        objects = set(after.storage.names("gs://kill-bucket"))
        assert acknowledged <= endpoints, sorted(acknowledged - endpoints)
        assert acknowledged <= objects, sorted(acknowledged - objects)
        assert all(after.storage.read(f"gs://kill-bucket/{name}") == name.encode() for name in objects)
    finally:
        after.close()
    return len(acknowledged)


def test_a_kill_loses_nothing_that_was_acknowledged(tmp_path):
    assert _kills(tmp_path, 1) >= 5


@pytest.mark.long
def test_a_hundred_kills_lose_nothing_that_was_acknowledged(tmp_path, capsys):
    total = _kills(tmp_path, 100)
    with capsys.disabled():
        print(f"\n100 kills, {total} acknowledged resources, none lost")
