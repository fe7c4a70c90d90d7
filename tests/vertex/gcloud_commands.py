"""What the official notebooks ask of `gcloud`, `gsutil` and `bq`, done with Google's own Python libraries.

Storage: make a bucket, cp, ls, cat, rm. `gcloud auth print-access-token` for cells that call curl. Datasets of
BigQuery: make, remove. Policies and settings are accepted and have no effect. All else fails, by name.
"""

from __future__ import annotations

import fnmatch
import glob
import os
import sys
from pathlib import Path

from google.cloud import bigquery, storage


def split(uri: str) -> tuple[str, str]:
    """gs://bucket/name → (bucket, name)."""
    bucket, _, name = uri.removeprefix("gs://").partition("/")
    return bucket, name


def matching(client: storage.Client, uri: str) -> list[storage.Blob]:
    """The objects of a name, a pattern or a folder."""
    bucket, name = split(uri)
    blobs = list(client.list_blobs(bucket, prefix=name.split("*")[0]))
    if "*" in name:
        return [blob for blob in blobs if fnmatch.fnmatchcase(blob.name, name)]
    inside = name.rstrip("/") + "/" if name else ""
    return [blob for blob in blobs if blob.name == name or blob.name.startswith(inside)]


def copy(client: storage.Client, sources: list[str], target: str) -> None:
    """Files and objects, one or many, to an object, a folder in a bucket or a file."""
    for source in sources:
        if source.startswith("gs://"):
            found = [(blob.name, blob.download_as_bytes()) for blob in matching(client, source)]
            base = split(source)[1].split("*")[0].rstrip("/").rpartition("/")[0]
        else:
            files = [one for path in glob.glob(source) for one in ([Path(path)] if os.path.isfile(path)
                     else sorted(Path(path).rglob("*"))) if one.is_file()]  # fmt: skip
            found = [(one.as_posix(), one.read_bytes()) for one in files]
            base = os.path.dirname(source.split("*")[0].rstrip("/"))
        if not found:
            sys.exit(f"The following URLs matched no objects or files: {source}")
        for name, data in found:
            inside = name.removeprefix(base).lstrip("/")
            whole = len(found) == 1 and name in (split(source)[1], source)
            if target.startswith("gs://"):
                bucket, place = split(target)
                place = f"{place.rstrip('/')}/{inside}".lstrip("/") if not whole or target.endswith("/") or not place \
                    else place  # fmt: skip
                client.bucket(bucket).blob(place).upload_from_string(data)
            else:
                path = Path(target) / inside if not whole or Path(target).is_dir() else Path(target)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)


def main(tool: str, *given: str) -> None:
    """Run one command."""
    words = [word for word in given if not word.startswith("-")]
    uris = [word for word in words if word.startswith("gs://")]
    if tool == "gcloud" and words[:2] == ["auth", "print-access-token"]:
        import google.auth
        from google.auth.transport.requests import Request

        credentials, _ = google.auth.default(scopes=["https://www.googleapis.com/auth/cloud-platform"])
        credentials.refresh(Request())
        print(credentials.token)
        return
    if "iam" in words or "add-iam-policy-binding" in words or words[:1] in (["config"], ["services"]):
        return
    if tool == "bq" and words[:1] in (["mk"], ["rm"]):
        name = words[-1].replace(":", ".")
        client = bigquery.Client()
        client.create_dataset(name, exists_ok=True) if words[0] == "mk" else client.delete_dataset(
            name, delete_contents=True, not_found_ok=True)  # fmt: skip
        return
    client = storage.Client()
    what = words[1:] if tool == "gcloud" and words[:1] == ["storage"] else words
    if what[:1] == ["mb"] or what[:2] == ["buckets", "create"]:
        client.create_bucket(split(uris[0])[0], location="us-central1")
    elif what[:1] == ["cp"]:
        copy(client, what[1:-1], what[-1])
    elif what[:1] == ["ls"]:
        print("\n".join(f"gs://{blob.bucket.name}/{blob.name}" for uri in uris for blob in matching(client, uri)))
    elif what[:1] == ["cat"]:
        print("".join(blob.download_as_bytes().decode() for uri in uris for blob in matching(client, uri)))
    elif what[:1] == ["rm"]:
        for blob in [blob for uri in uris for blob in matching(client, uri)]:
            blob.delete()
    else:
        sys.exit(f"{tool} {' '.join(given)} is not one of the commands here")


if __name__ == "__main__":
    main(*sys.argv[1:])
