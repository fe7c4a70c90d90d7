"""Cloud Storage through google-cloud-storage, pandas and fsspec."""

from __future__ import annotations

import http.client
import json

import pandas as pd
import pytest
from google.api_core import exceptions
from google.cloud import storage
from google.cloud.storage import Blob

from mlelab.vertex.wire.errors import CloudError


@pytest.fixture
def bucket(cloud, request) -> storage.Bucket:
    import uuid

    return storage.Client().create_bucket(f"b-{uuid.uuid4().hex[:10]}", location="europe-west1")


def test_buckets(bucket):
    client = storage.Client()
    assert client.get_bucket(bucket.name).location == "EUROPE-WEST1"
    assert bucket.name in {b.name for b in client.list_buckets()}
    assert client.lookup_bucket("no-such-bucket") is None
    with pytest.raises(exceptions.Conflict):
        client.create_bucket(bucket.name)
    bucket.labels = {"team": "a"}
    bucket.patch()
    assert client.get_bucket(bucket.name).labels == {"team": "a"}
    bucket.blob("x").upload_from_string("x")
    with pytest.raises(exceptions.Conflict, match="not empty"):
        bucket.delete()
    bucket.delete(force=True)
    with pytest.raises(exceptions.NotFound):
        client.get_bucket(bucket.name)


def test_objects_round_trip(bucket, tmp_path):
    blob = bucket.blob("a/b c/ü.txt")
    blob.metadata = {"k": "v"}
    blob.upload_from_string("hello", content_type="text/plain")
    found = bucket.get_blob("a/b c/ü.txt")
    assert (found.download_as_text(), found.content_type, found.metadata, found.size) == (
        "hello",
        "text/plain",
        {"k": "v"},
        5,
    )
    assert found.download_as_bytes(start=1, end=3) == b"ell"
    path = tmp_path / "f"
    found.download_to_filename(path)
    assert path.read_text() == "hello"
    with blob.open("w") as file:
        file.write("through a file")
    assert bucket.blob(blob.name).download_as_text() == "through a file"
    blob = bucket.blob(blob.name)
    blob.delete()
    assert not blob.exists()
    with pytest.raises(exceptions.NotFound):
        blob.delete()


def test_resumable_upload(bucket, tmp_path):
    data = bytes(range(256)) * 5000
    path = tmp_path / "large"
    path.write_bytes(data)
    blob = bucket.blob("large", chunk_size=256 * 1024)
    blob.upload_from_filename(path)
    assert blob.download_as_bytes() == data
    assert blob.size == len(data)


def test_a_resumable_upload_goes_on_where_it_stopped(bucket):
    """The protocol itself: a lost chunk is asked for again, a gap is refused."""
    import requests

    session = storage.Client()._http
    url = bucket.blob("resumed").create_resumable_upload_session(size=6)
    assert (
        session.put(url, data=b"abc", headers={"Content-Range": "bytes 0-2/6"}, allow_redirects=False).status_code
        == 308
    )
    status = session.put(url, headers={"Content-Range": "bytes */6"}, allow_redirects=False)
    assert (status.status_code, status.headers["Range"]) == (308, "bytes=0-2")
    gap = session.put(url, data=b"f", headers={"Content-Range": "bytes 5-5/6"}, allow_redirects=False)
    assert gap.status_code == requests.codes.bad_request
    assert session.put(url, data=b"def", headers={"Content-Range": "bytes 3-5/6"}).status_code == 200
    assert bucket.blob("resumed").download_as_bytes() == b"abcdef"


def test_list_with_prefix_and_delimiter(bucket):
    for name in ("a/1", "a/2", "a/b/3", "c", "d/4"):
        bucket.blob(name).upload_from_string("")
    listing = bucket.list_blobs(delimiter="/")
    assert ([b.name for b in listing], listing.prefixes) == (["c"], {"a/", "d/"})
    assert [b.name for b in bucket.list_blobs(prefix="a/")] == ["a/1", "a/2", "a/b/3"]
    listing = bucket.list_blobs(prefix="a/", delimiter="/")
    assert ([b.name for b in listing], listing.prefixes) == (["a/1", "a/2"], {"a/b/"})
    assert [b.name for b in bucket.list_blobs(page_size=2)] == ["a/1", "a/2", "a/b/3", "c", "d/4"]
    assert [b.name for b in bucket.list_blobs(match_glob="a/*")] == ["a/1", "a/2"]
    assert [b.name for b in bucket.list_blobs(start_offset="a/b", end_offset="d")] == ["a/b/3", "c"]


def test_generation_preconditions(bucket):
    blob = bucket.blob("once")
    blob.upload_from_string("first", if_generation_match=0)
    with pytest.raises(exceptions.PreconditionFailed):
        blob.upload_from_string("second", if_generation_match=0)
    old = bucket.get_blob("once").generation
    blob.upload_from_string("third", if_generation_match=old)
    with pytest.raises(exceptions.PreconditionFailed):
        blob.delete(if_generation_match=old)
    with pytest.raises(exceptions.NotFound):
        Blob("once", bucket, generation=old).download_as_bytes()
    assert bucket.get_blob("once").generation > old


def test_copy_rename_compose_batch(bucket):
    one = bucket.blob("one")
    one.upload_from_string("1", content_type="text/x")
    assert bucket.copy_blob(one, bucket, "two").content_type == "text/x"
    bucket.rename_blob(one, "three")
    assert {b.name for b in bucket.list_blobs()} == {"two", "three"}
    bucket.blob("all").compose([bucket.blob("two"), bucket.blob("three")])
    assert bucket.blob("all").download_as_text() == "11"
    with bucket.client.batch():
        for name in ("two", "three"):
            bucket.blob(name).delete()
    assert {b.name for b in bucket.list_blobs()} == {"all"}


def test_a_corrupt_upload_is_refused(bucket):
    blob = bucket.blob("x")
    blob.md5_hash = "AAAAAAAAAAAAAAAAAAAAAA=="
    with pytest.raises(exceptions.BadRequest, match="md5Hash"):
        blob.upload_from_string("x")


@pytest.mark.parametrize("name", ["../x", "a/../../x", "a/./b", "..", "a\nb", "x" * 1025])
def test_names_that_could_leave_a_folder_are_refused(bucket, name):
    with pytest.raises(exceptions.BadRequest):
        bucket.blob(name).upload_from_string("x")


def test_download_never_leaves_the_folder(cloud, bucket, tmp_path):
    """Even where such an object got into the store some other way."""
    cloud.storage.write(f"gs://{bucket.name}/ok/x", b"x")
    meta = json.dumps({"name": "ok/../../evil", "generation": "1", "metageneration": "1"})
    cloud.storage._db.execute(
        "INSERT INTO objects SELECT bucket, 'ok/../../evil', blob, ? FROM objects WHERE name = 'ok/x' AND bucket = ?",
        (meta, bucket.name),
    )
    with pytest.raises(CloudError):
        cloud.storage.download(f"gs://{bucket.name}/ok", tmp_path / "in")
    assert not (tmp_path.parent / "evil").exists() and not (tmp_path / "evil").exists()


def test_pandas_reads_and_writes_gs(bucket):
    frame = pd.DataFrame({"a": [1, 2], "b": ["x", "y"]})
    frame.to_csv(f"gs://{bucket.name}/t.csv", index=False)
    frame.to_parquet(f"gs://{bucket.name}/t.parquet")
    pd.testing.assert_frame_equal(pd.read_csv(f"gs://{bucket.name}/t.csv"), frame)
    pd.testing.assert_frame_equal(pd.read_parquet(f"gs://{bucket.name}/t.parquet"), frame)


def test_unknown_calls_say_so(cloud, bucket):
    with pytest.raises((exceptions.MethodNotImplemented, exceptions.GoogleAPICallError), match="not implemented"):
        list(bucket.list_notifications(retry=None))


def test_an_access_policy_is_kept(bucket):
    policy = bucket.get_iam_policy()
    policy.bindings.append({"role": "roles/storage.objectViewer", "members": {"allUsers"}})
    bucket.set_iam_policy(policy)
    assert bucket.get_iam_policy().bindings[0]["role"] == "roles/storage.objectViewer"


def test_malformed_requests_do_not_break_the_connection(cloud, bucket):
    token = cloud.identity._secret
    connection = http.client.HTTPConnection("127.0.0.1", cloud.http_port, timeout=5)
    for path, body in (
        (f"/upload/storage/v1/b/{bucket.name}/o?uploadType=multipart", b"nonsense"),
        (f"/upload/storage/v1/b/{bucket.name}/o?uploadType=resumable", b"[1]"),
        (f"/storage/v1/b/{bucket.name}", b"{"),
        ("/storage/v1/b", b'{"name": 5}'),
    ):
        verb = "PATCH" if path == f"/storage/v1/b/{bucket.name}" else "POST"
        connection.request(verb, path, body, {"Authorization": f"Bearer {token}"})
        answer = connection.getresponse()
        assert (answer.status, "error" in json.loads(answer.read())) == (400, True), path
