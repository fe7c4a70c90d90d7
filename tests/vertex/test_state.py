"""The state directory: full, damaged, read-only, readable to others; names that no file can have."""

from __future__ import annotations

import errno
import io
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from google.api_core import exceptions
from google.cloud import aiplatform, storage

from mlelab.vertex.__main__ import main
from mlelab.vertex.server import Cloud, StateUnusable
from mlelab.vertex.wire.errors import CloudError

FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.fixture
def full_disk(monkeypatch):
    """Every blob is written by half."""
    whole = Path.write_bytes

    def half(self, data):
        whole(self, data[: len(data) // 2])
        raise FULL

    monkeypatch.setattr(Path, "write_bytes", half)


def test_an_upload_to_a_full_disk_leaves_nothing_and_says_why(cloud, gcs, full_disk):
    blobs = cloud.state / "storage" / "blobs"
    before = set(blobs.iterdir())
    with pytest.raises(exceptions.BadRequest, match="The disk that keeps the local server's state is full"):
        gcs.blob("big").upload_from_string(b"x" * 10000)
    assert set(blobs.iterdir()) == before
    assert not gcs.blob("big").exists()


def test_a_resumable_upload_to_a_full_disk_leaves_nothing(cloud, gcs, monkeypatch):
    import builtins

    blobs, real = cloud.state / "storage" / "blobs", open
    before = set(blobs.iterdir())

    def full(path, mode="r", *args, **kwargs):
        file = real(path, mode, *args, **kwargs)
        if "session-" in str(path) and "w" in mode:
            file.close()
            raise FULL
        return file

    monkeypatch.setattr(builtins, "open", full)
    blob = gcs.blob("big", chunk_size=2**18)
    with pytest.raises(exceptions.BadRequest, match="is full"):
        blob.upload_from_file(io.BytesIO(b"x" * 2**20))
    assert set(blobs.iterdir()) == before


@pytest.mark.parametrize(
    ("failure", "sentence"),
    [
        (sqlite3.OperationalError("database or disk is full"), "is full"),
        (sqlite3.OperationalError("attempt to write a readonly database"), "state directory is read-only"),
        (sqlite3.DatabaseError("database disk image is malformed"), "state is damaged"),
    ],
)
def test_what_the_database_says_becomes_a_sentence(cloud, grpc_sdk, monkeypatch, failure, sentence):
    def fails(*_):
        raise failure

    monkeypatch.setattr(cloud.store, "put", fails)
    with pytest.raises(exceptions.GoogleAPIError, match=sentence) as caught:
        aiplatform.Endpoint.create(display_name="e")
    assert "Error(" not in str(caught.value)


@pytest.mark.parametrize("file", ["resources.db", "feature_values.db", "lock.db", "storage/storage.db"])
def test_a_damaged_state_is_named_and_not_locked(tmp_path, capsys, file):
    Cloud(tmp_path / "s").close()
    good = (tmp_path / "s" / file).read_bytes()
    (tmp_path / "s" / file).write_bytes(b"not a database at all" * 500)
    for _ in range(2):  # the first failure must not keep the lock
        with pytest.raises(StateUnusable, match="cannot be used: file is not a database"):
            Cloud(tmp_path / "s")
    assert main(["--state", str(tmp_path / "s")]) == 1
    assert capsys.readouterr().err.startswith(f"The local server cannot start: The state directory {tmp_path / 's'}")
    (tmp_path / "s" / file).write_bytes(good)
    Cloud(tmp_path / "s").close()


READ_ONLY = "import sys; from mlelab.vertex.__main__ import main; sys.exit(main(['--state', sys.argv[1]]))"
# Root may write everywhere, but for these rights; inside a namespace it cannot become another user.
WITHOUT_RIGHTS = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"]


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() == 0 and not shutil.which("setpriv"),
                    reason="needs users, and setpriv where root runs it")
def test_a_read_only_state_is_no_other_server():
    with tempfile.TemporaryDirectory() as folder:  # another user cannot reach into tmp_path
        state = Path(folder) / "s"
        Cloud(state).close()
        for path in [Path(folder), state, *state.rglob("*")]:
            path.chmod(0o555 if path.is_dir() else 0o444)
        rights = WITHOUT_RIGHTS if os.getuid() == 0 else []
        command = [*rights, sys.executable, "-c", READ_ONLY, str(state)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        for path in (Path(folder), state, *state.rglob("*")):
            path.chmod(0o700)
    assert done.returncode == 1, done.stderr
    assert done.stderr.startswith("The local server cannot start: ")
    assert "Another local server" not in done.stderr
    assert "Traceback" not in done.stderr


def test_a_failed_start_leaves_no_lock_and_no_folder(tmp_path, monkeypatch):
    taken = Cloud(tmp_path / "a")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "t"))
    (tmp_path / "t").mkdir()
    with pytest.raises(OSError, match="in use"):
        Cloud(tmp_path / "b", port=taken.proxy.port)
    with pytest.raises(OSError, match="in use"):
        Cloud(port=taken.proxy.port)
    assert list((tmp_path / "t").iterdir()) == []
    Cloud(tmp_path / "b").close()
    taken.close()


def test_a_state_folder_that_was_there_is_private_all_the_same(tmp_path):
    (tmp_path / "storage").mkdir(mode=0o755)
    tmp_path.chmod(0o755)
    (tmp_path / "resources.db").touch(mode=0o644)
    cloud = Cloud(tmp_path)
    try:
        cloud.storage.ensure_bucket("private-bucket")
        readable = [path for path in tmp_path.iterdir() if path.stat().st_mode & 0o077]
        assert [path.name for path in readable] == ["server.json"]
        assert "secret" not in (tmp_path / "server.json").read_text().lower()
    finally:
        cloud.close()


@pytest.mark.parametrize("names", [["a", "a/b"], ["a/b", "a"], ["x" * 300]])
def test_object_names_that_no_file_can_have_are_said(cloud, gcs, tmp_path, names):
    for name in names:
        gcs.blob(f"folder/{name}").upload_from_string("x")
    with pytest.raises(CloudError, match="cannot become a local file") as caught:
        cloud.storage.download(f"gs://{gcs.name}/folder", tmp_path)
    assert caught.value.code == "FAILED_PRECONDITION"
    assert {f"folder/{name}" for name in names} == {b.name for b in storage.Client().list_blobs(gcs.name)}


def test_a_job_says_which_object_cannot_be_a_file(cloud, gcs):
    gcs.blob("x" * 300).upload_from_string("x")
    job = aiplatform.CustomJob(
        display_name="j",
        worker_pool_specs=[
            {
                "machine_spec": {"machine_type": "n1-standard-4"},
                "replica_count": 1,
                "container_spec": {"image_uri": "any", "command": ["ls", f"/gcs/{gcs.name}/"]},
            }
        ],
    )
    with pytest.raises(RuntimeError, match="cannot become a local file: a part of its name is too long"):
        job.run()
