"""The ways in: a notebook, a shell, a test; the real cloud only when asked for; state survives, also a kill."""

from __future__ import annotations

import ast
import json
import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from mlelab import vertex
from mlelab.vertex import environment
from mlelab.vertex.__main__ import main
from mlelab.vertex.resources.registry import BEHAVIOURS
from mlelab.vertex.server import Cloud, StateInUse

# Variables of a server that this test run itself started must not reach the processes below.
CLEAN = {
    k: v for k, v in os.environ.items() if not k.startswith(("GOOGLE_", "MLELAB_")) and k not in environment.NAMES
}

NOTEBOOK = """
    from mlelab import vertex
    vertex.connect({arguments})
    from google.cloud import storage
    {body}
    print("IN", vertex.where())
"""


def run(code: str, **variables: str) -> str:
    code = textwrap.dedent(code)
    done = subprocess.run(
        [sys.executable, "-c", code], env=CLEAN | variables, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout + done.stderr


def notebook(body: str, arguments: str = "", **variables: str) -> str:
    return run(textwrap.dedent(NOTEBOOK).format(arguments=arguments, body=body), **variables)


@pytest.fixture
def signed_in(tmp_path) -> dict[str, str]:
    """The variables of a hosted notebook: a project, and a key of Google Cloud."""
    from mlelab.vertex.wire.tls import make_keys

    keys = make_keys(tmp_path / "real", "my-project", "https://oauth2.googleapis.com/token")
    return {"GOOGLE_CLOUD_PROJECT": "my-project", "GOOGLE_APPLICATION_CREDENTIALS": str(keys.account)}


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


@pytest.mark.parametrize("arguments", ["", "ephemeral=True, offline=True"])
def test_credentials_in_the_environment_do_not_lead_to_the_real_cloud(signed_in, tmp_path, arguments):
    out = notebook(
        'storage.Client().create_bucket("mine"); import os; print(os.environ["GOOGLE_APPLICATION_CREDENTIALS"])',
        arguments,
        **signed_in | {"MLELAB_VERTEX_STATE": str(tmp_path / "s"), "grpc_proxy": "http://127.0.0.1:9"},
    )
    assert "Google Cloud" not in out
    assert "IN Local stand-in" in out
    assert signed_in["GOOGLE_APPLICATION_CREDENTIALS"] not in out


def test_the_real_cloud_is_asked_for_and_says_project_and_account(signed_in, tmp_path):
    code = """
        from mlelab import vertex
        import os
        before = dict(os.environ)
        vertex.connect({state!r})
        vertex.connect(real=True)
        assert dict(os.environ) == before
    """.format(state=str(tmp_path / "s"))
    assert run(code, **signed_in).splitlines()[-1] == (
        "Google Cloud, project my-project, as local@my-project.iam.gserviceaccount.com: "
        "what you create there is billed until you delete it."
    )
    with pytest.raises(AssertionError, match="RuntimeError: No Google Cloud: set GOOGLE_CLOUD_PROJECT"):
        run("from mlelab import vertex; vertex.connect(real=True)")
    with pytest.raises(ValueError, match="takes no state, ephemeral or offline"):
        vertex.connect(real=True, offline=True)


def test_a_server_that_died_is_replaced_and_nothing_is_taken_for_the_users(signed_in, tmp_path):
    code = f"""
        import json, os, signal
        from pathlib import Path
        from mlelab import vertex
        state = Path({str(tmp_path / "s")!r})
        vertex.connect(state)
        first = os.environ["HTTPS_PROXY"]
        os.environ["NO_GCE_CHECK"] = "changed by the user"
        os.kill(json.loads((state / "server.json").read_text())["pid"], signal.SIGKILL)
        while vertex._alive():
            pass
        print("DEAD", vertex.where())
        vertex.connect(state)
        assert os.environ["HTTPS_PROXY"] != first
        from google.cloud import storage
        list(storage.Client().list_buckets())
        vertex.environment.undo()
        print("LEFT", {{k: v for k, v in os.environ.items() if k in vertex.environment.NAMES}})
    """
    for variables in ({}, signed_in, {"HTTPS_PROXY": "http://proxy.example:3128"}):
        lines = run(code, **variables).splitlines()
        assert lines[1] == "DEAD Nowhere: the local stand-in has ended. Call mlelab.vertex.connect() again."
        assert lines[2] == "The local server that this process used has ended. Connecting again."
        assert lines[3].startswith("Local stand-in")
        assert lines[4] == f"LEFT {variables | {'NO_GCE_CHECK': 'changed by the user'}}"


def test_our_own_key_is_never_the_users(cloud, monkeypatch):
    """A shell that keeps the variables of a server that has ended, all but the mark."""
    for name, value in cloud.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("MLELAB_VERTEX")
    assert vertex.where().startswith("Nowhere yet")


def test_after_a_failed_start_the_sdk_reaches_nothing(signed_in, tmp_path):
    (tmp_path / "file").write_text("")
    code = f"""
        from mlelab import vertex
        try:
            vertex.connect({str(tmp_path / "file")!r})
        except RuntimeError as error:
            print(error)
        print(vertex.where())
    """
    lines = run(code, **signed_in).splitlines()
    assert lines[0].startswith("The local server did not start")
    assert lines[-1].startswith("Nowhere yet")


def test_where_before_anything(monkeypatch):
    for name in environment.NAMES:
        monkeypatch.delenv(name, raising=False)
    assert vertex.where().startswith("Nowhere yet")


def test_fsspec_that_was_loaded_before_follows(cloud):
    """`cloud` is there already: the variables are set anew, and undone."""
    import fsspec.config

    ours = json.loads(os.environ["FSSPEC_GCS"])["endpoint_url"]
    fsspec.config.conf.pop("gcs", None)
    environment.apply({"FSSPEC_GCS": json.dumps({"endpoint_url": "http://127.0.0.1:1"})})
    assert fsspec.config.conf["gcs"]["endpoint_url"] == "http://127.0.0.1:1"
    environment.undo()
    assert "endpoint_url" not in fsspec.config.conf["gcs"]
    environment.apply(cloud.environment())
    assert fsspec.config.conf["gcs"]["endpoint_url"] == ours


def test_the_names_that_are_undone_are_those_that_a_server_sets(cloud):
    assert set(environment.NAMES) == set(cloud.environment())


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
    states = dict(line.split(": ", 1) for line in listed.splitlines())
    assert {name for name, state in states.items() if state != "unimplemented"} == set(BEHAVIOURS)
    assert states["DatasetService.ExportData"] == "partial (CSV)"
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
    from mlelab.vertex.wire.catalog import pb
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


LABS = sorted(Path(__file__).parents[2].glob("solutions/*/lab.py"))


@pytest.mark.parametrize("lab", LABS, ids=lambda path: path.parent.name)
def test_no_lab_goes_to_the_real_cloud(lab):
    calls = [node for node in ast.walk(ast.parse(re.sub(r"(?m)^\s*[%!].*$", "", lab.read_text())))
             if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "connect"]  # fmt: skip
    assert not [keyword.arg for call in calls for keyword in call.keywords if keyword.arg == "real"]
