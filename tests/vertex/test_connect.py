"""The ways in: a notebook, a shell, a test; the real cloud is left alone; state survives, also a kill."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest

from mlelab.vertex.__main__ import main
from mlelab.vertex.server import Cloud, StateInUse, implemented

# Variables of a server that this test run itself started must not reach the processes below.
CLEAN = {
    k: v
    for k, v in os.environ.items()
    if not k.startswith(("GOOGLE_", "MLELAB_", "FSSPEC_")) and k.lower() not in ("https_proxy", "no_proxy")
}

NOTEBOOK = """
    from mlelab import vertex
    vertex.connect({arguments})
    from google.cloud import storage
    {body}
    print("IN", vertex.where())
"""


def notebook(body: str, arguments: str = "") -> str:
    code = textwrap.dedent(NOTEBOOK).format(arguments=arguments, body=body)
    done = subprocess.run([sys.executable, "-c", code], env=CLEAN, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout + done.stderr


def test_state_outlives_the_notebook(tmp_path):
    state = f"state={str(tmp_path / 's')!r}"
    notebook('storage.Client().create_bucket("kept-bucket")', state)
    deadline = time.monotonic() + 60
    while (tmp_path / "s" / "server.json").exists():  # the server ends a few seconds after its last notebook
        assert time.monotonic() < deadline
        time.sleep(0.2)
    out = notebook("print([b.name for b in storage.Client().list_buckets()])", state)
    assert "['kept-bucket']" in out
    assert "IN Local stand-in for Vertex AI" in out


def test_the_real_cloud_is_left_in_place(tmp_path):
    from mlelab.vertex.tls import make_keys

    keys = make_keys(tmp_path, "my-project", "https://oauth2.googleapis.com/token")
    code = "from mlelab import vertex; vertex.connect(); import os; print(os.environ.get('HTTPS_PROXY'))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        env={**CLEAN, "GOOGLE_CLOUD_PROJECT": "my-project", "GOOGLE_APPLICATION_CREDENTIALS": str(keys.account)},
    )
    assert done.stdout.splitlines() == [
        "Google Cloud, project my-project: what you create there is billed until you delete it.",
        "None",
    ]


def test_where_before_anything(monkeypatch):
    from mlelab import vertex

    for name in ("MLELAB_VERTEX", "GOOGLE_CLOUD_PROJECT"):
        monkeypatch.delenv(name, raising=False)
    assert vertex.where().startswith("Nowhere yet")


def test_a_server_that_cannot_start_says_why(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert main(["--state", str(tmp_path / "file")]) == 1
    assert capsys.readouterr().err.startswith("The local server cannot start: ")


def test_one_state_directory_one_server(tmp_path):
    first = Cloud(tmp_path)
    try:
        with pytest.raises(StateInUse, match="choose another state directory"):
            Cloud(tmp_path)
    finally:
        first.close()
    Cloud(tmp_path).close()


def test_command_line(capsys):
    assert main(["--list"]) == 0
    listed = capsys.readouterr().out
    assert all(service in listed for service in implemented())
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "local stand-in" in capsys.readouterr().out


def test_shell_use_and_clean_end(tmp_path):
    server = subprocess.Popen(
        [sys.executable, "-m", "mlelab.vertex", "--ephemeral"], env=CLEAN, stdout=subprocess.PIPE, text=True
    )
    lines = [server.stdout.readline() for _ in range(8)]
    assert "local stand-in" in lines[0]
    assert any(line.startswith("export GOOGLE_APPLICATION_CREDENTIALS=") for line in lines)
    server.send_signal(signal.SIGINT)
    server.stdout.read()
    assert server.wait(20) == 0


KILLER = """
    import base64, http.client, json, os, random, signal, sys, threading
    from pathlib import Path
    from mlelab.vertex.catalog import pb
    from mlelab.vertex.server import Cloud

    state, rounds = Path(sys.argv[1]), int(sys.argv[2])
    acknowledged = set()

    def write(worker, round_, info, stop):
        n = 0
        try:
            connection = http.client.HTTPConnection("127.0.0.1", info["port"], timeout=10)
            headers = {"Authorization": "Bearer " + info["secret"]}
            while not stop.is_set():
                name = f"r{round_}-{worker}-{n}"
                for path in (f"/v1/projects/p/locations/l/endpoints?endpointId={name}",
                             f"/upload/storage/v1/b/kill-bucket/o?uploadType=media&name={name}"):
                    body = name if "upload" in path else json.dumps({"displayName": name})
                    connection.request("POST", path, body, headers)
                    answer = connection.getresponse()
                    data = answer.read()
                    assert answer.status == 200, data
                    acknowledged.add((path.split("/")[1], name))
                n += 1
        except (OSError, http.client.HTTPException):
            pass  # the server was killed

    for round_ in range(rounds):
        read, write_end = os.pipe()
        pid = os.fork()
        if pid == 0:
            cloud = Cloud(state)
            cloud.storage.ensure_bucket("kill-bucket")
            os.write(write_end, json.dumps({"port": cloud.http_port, "secret": cloud.identity._secret}).encode())
            signal.pause()
        info, stop, before = json.loads(os.read(read, 10000)), threading.Event(), len(acknowledged)
        threads = [threading.Thread(target=write, args=(w, round_, info, stop)) for w in range(3)]
        [t.start() for t in threads]
        while len(acknowledged) < before + 5 + round_ % 17:
            stop.wait(0.0005)
        stop.wait(random.random() / 100)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        stop.set()
        [t.join() for t in threads]
    cloud = Cloud(state)
    kept = {("v1", e.display_name) for e in cloud.store.list(pb.Endpoint, "projects/p/locations/l/endpoints")}
    objects = cloud.storage.names("gs://kill-bucket")
    assert all(cloud.storage.read(f"gs://kill-bucket/{n}") == n.encode() for n in objects)
    lost = acknowledged - kept - {("upload", n) for n in objects}
    assert not lost, sorted(lost)[:10]
    cloud.close()
    print(len(acknowledged), flush=True)
    os._exit(0)
"""


def _kills(state, count: int) -> int:
    """Kill the server in the middle of writes `count` times. Returns how many acknowledged resources there are."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(KILLER), str(state), str(count)],
        env=CLEAN,
        capture_output=True,
        text=True,
        timeout=580,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return int(done.stdout)


def test_a_kill_loses_nothing_that_was_acknowledged(tmp_path):
    assert _kills(tmp_path, 5) >= 25


@pytest.mark.long
def test_a_hundred_kills_lose_nothing_that_was_acknowledged(tmp_path, capsys):
    total = _kills(tmp_path, 100)
    with capsys.disabled():
        print(f"\n100 kills, {total} acknowledged resources, none lost")
