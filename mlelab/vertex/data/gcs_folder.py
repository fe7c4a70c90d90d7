"""`/gcs/BUCKET/...`, which the cloud mounts into every job."""

from __future__ import annotations

import functools
import re
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

from ..wire.errors import CloudError
from .blobs import Blobs, save


class GcsFolder:
    """`/gcs/BUCKET/...` in jobs: copies of objects before the job, uploads of what changed after it.

    A path that stands in the command is replaced by a local one. A path that the job's own code makes up needs the
    mount, which bubblewrap makes: it holds what the job was told of as `gs://...`, and takes what the job writes.
    """

    def __init__(self, blobs: Blobs, folder: Path) -> None:
        self._blobs, self._folder = blobs, folder
        self._known: dict[Path, bytes] = {}

    def map(self, text: str) -> str:
        """`text` with every `/gcs/...` path replaced by a local one."""

        def local(match: re.Match[str]) -> str:
            bucket, path = match.group(1), match.group(2) or ""
            target = self._folder / bucket
            try:
                names = self._blobs.names(f"gs://{bucket}/{path}")
            except CloudError:
                return match.group()
            for name in names:
                place = target.joinpath(*name.split("/"))
                if not name.endswith("/") and ".." not in name.split("/") and not place.exists():
                    data = self._blobs.read(f"gs://{bucket}/{name}")
                    save(place, data, f"gs://{bucket}/{name}")
                    self._known[place] = data
            place = target.joinpath(*path.split("/"))
            (place if path.endswith("/") else place.parent).mkdir(parents=True, exist_ok=True)
            return str(place)

        return re.sub(r"(?<![\w/.-])/gcs/([a-z0-9._-]+)(?:/([^\s'\";&|)]*))?", local, text)

    def mount(self, command: Sequence[str], told: Iterable[str]) -> list[str]:
        """`command` with this folder mounted at `/gcs`; as it is where bubblewrap does not work.

        told: texts that the job gets. Objects that they name as `gs://BUCKET/PATH` are there.
        """
        roots = _roots()
        if not roots:
            return list(command)
        self._folder.mkdir(exist_ok=True)
        for text in told:
            for uri in re.findall(r"gs:/(/[a-z0-9._-]+(?:/[^\s'\";&|)\\,]*)?)", text):
                self.map(f"/gcs{uri}")
        return [*roots, "--bind", str(self._folder), "/gcs", "--", *command]

    def upload(self) -> None:
        """Store files that the job made or changed."""
        for path in self._folder.rglob("*") if self._folder.exists() else ():
            if path.is_file() and not path.is_symlink() and self._known.get(path) != (data := path.read_bytes()):
                relative = path.relative_to(self._folder)
                self._blobs.write(f"gs://{relative.as_posix()}", data)


@functools.cache
def _roots() -> tuple[str, ...]:
    """bubblewrap's words for the machine as it is, to which a mount can be added; () where it does not work."""
    if not (program := shutil.which("bwrap")):
        return ()
    places = (place for path in sorted(Path("/").iterdir()) for place in ("--dev-bind", str(path), str(path)))
    words = (program, "--die-with-parent", "--tmpfs", "/", *places)
    return words if subprocess.run([*words, "--", "true"], capture_output=True).returncode == 0 else ()
