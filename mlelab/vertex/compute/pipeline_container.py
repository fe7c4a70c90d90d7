"""Runs one container of a pipeline as a process: placeholders, inputs, and what it left."""

from __future__ import annotations

import json
import re
import threading
from pathlib import Path
from typing import Any

from ..data.gcs_folder import GcsFolder
from ..wire.errors import precondition
from .jobs import Cancelled
from .machine import Machine
from .pipeline_spec import Outputs, text_of, typed


class Containers:
    """The containers of one run: `job` is its name, `root` where its artifacts go."""

    def __init__(self, machine: Machine, job: str, root: str, cancel: threading.Event) -> None:
        self._machine, self._job, self._cancel = machine, job, cancel
        self._root = root.rstrip("/")

    def run(self, path: str, component: dict[str, Any], container: dict[str, Any], inputs: Outputs) -> Outputs:
        """Run one container of a task and collect what it made. Raises Cancelled, FAILED_PRECONDITION."""
        if not container.get("command") and not container.get("args"):
            raise precondition(
                f"This local stand-in cannot run the image {container.get('image')!r} without a command."
            )
        while not self._machine.jobs.slots.acquire(timeout=0.1):
            if self._cancel.is_set():
                raise Cancelled
        try:
            return self._execute(path, component, container, inputs)
        finally:
            self._machine.jobs.slots.release()

    def _execute(self, path: str, component: dict[str, Any], container: dict[str, Any], inputs: Outputs) -> Outputs:
        folder = self._machine.processes.new_folder()
        definitions = component.get("outputDefinitions", {})
        here: dict[str, Any] = {
            "inputs": {
                "parameterValues": inputs.parameters,
                "parameters": {name: {("stringValue"): text_of(value)} for name, value in inputs.parameters.items()},
                "artifacts": {},
            },
            "outputs": {"parameters": {}, "artifacts": {}, "outputFile": str(folder / "executor_output.json")},
        }
        for name, artifacts in inputs.artifacts.items():
            here["inputs"]["artifacts"][name] = {
                "artifacts": [
                    {**a, "uri": self._fetch(a["uri"], folder / "inputs" / name / str(i))}
                    for i, a in enumerate(artifacts)
                ]
            }
        for name in definitions.get("parameters", {}):
            (folder / "outputs").mkdir(exist_ok=True)
            here["outputs"]["parameters"][name] = {"outputFile": str(folder / "outputs" / name)}
        for name, definition in definitions.get("artifacts", {}).items():
            (folder / "artifacts").mkdir(exist_ok=True)
            here["outputs"]["artifacts"][name] = {
                "artifacts": [
                    {
                        "name": name,
                        "uri": str(folder / "artifacts" / name),
                        "type": definition["artifactType"],
                        "metadata": {},
                    }
                ]
            }
        gcs = GcsFolder(self._machine.storage, folder / "gcs")
        command = [
            gcs.map(self._fill(part, here, path))
            for part in (*container.get("command", []), *container.get("args", []))
        ]
        environment = self._machine.environment() | {
            "GOOGLE_CLOUD_PROJECT": self._job.split("/")[1],
            "OMP_NUM_THREADS": "1",
        }
        environment |= {variable["name"]: variable.get("value", "") for variable in container.get("env", [])}
        if any("/gcs/" in part for part in command):
            command = gcs.mount(command, (*command, *environment.values()))
        child = self._machine.processes.start_job(command, folder, environment)
        while (code := child.poll()) is None:
            if self._cancel.wait(0.02):
                child.kill()
                raise Cancelled
        if code:
            raise precondition(
                f"exited with a non-zero status of {code}. The end of its log:\n{child.tail(1500).strip()}"
            )
        gcs.upload()
        return self._gather(path, folder, definitions, here)

    def _fetch(self, uri: str, target: Path) -> str:
        """A local copy of an artifact: a file or a folder."""
        if not uri.startswith("gs://"):
            return uri
        target.mkdir(parents=True, exist_ok=True)
        names = self._machine.storage.names(uri)
        if not names:
            return str(target / "empty")
        self._machine.storage.download(uri, target)
        single = uri.split("/", 3)[3].rstrip("/")
        return str(target / single.rsplit("/", 1)[-1]) if names == [single] else str(target)

    def _fill(self, text: str, here: dict[str, Any], path: str) -> str:
        """Replace the `{{$...}}` placeholders of a command."""

        def value(match: re.Match[str]) -> str:
            parts = re.findall(r"\['([^']+)'\]|\.(\w+)|\$", match.group(1))
            keys = [a or b for a, b in parts if a or b]
            if not keys:
                return json.dumps(here)
            fixed = {
                "pipeline_job_name": self._job.rsplit("/", 1)[1],
                "pipeline_job_resource_name": self._job,
                "pipeline_job_uuid": self._job.rsplit("/", 1)[1],
                "pipeline_task_name": path.rsplit("/", 1)[-1],
                "pipeline_task_uuid": path.replace("/", "-"),
                "pipeline_root": self._root,
            }
            if keys[0] in fixed:
                return fixed[keys[0]]
            if len(keys) >= 3 and keys[:2] == ["inputs", "parameters"]:
                return text_of(here["inputs"]["parameterValues"].get(keys[2]))
            if len(keys) == 4 and keys[1] == "artifacts" and keys[3] in ("path", "uri"):
                found = here[keys[0]]["artifacts"].get(keys[2])
                return found["artifacts"][0]["uri"] if found else ""
            if len(keys) == 4 and keys[:2] == ["outputs", "parameters"] and keys[3] == "output_file":
                return here["outputs"]["parameters"][keys[2]]["outputFile"]
            raise precondition(f"the placeholder {match.group()!r} is not supported")

        return re.sub(r"{{(\$[^{}]*)}}", value, text)

    def _gather(self, path: str, folder: Path, definitions: dict[str, Any], here: dict[str, Any]) -> Outputs:
        """What the container left: parameters, and artifacts, which go to storage."""
        outputs = Outputs()
        file = folder / "executor_output.json"
        try:
            said = json.loads(file.read_text()) if file.exists() else {}
        except ValueError as error:
            raise precondition(f"wrote an executor output that is not JSON: {error}") from None
        for name, definition in definitions.get("parameters", {}).items():
            written = folder / "outputs" / name
            if name in said.get("parameterValues", {}):
                outputs.parameters[name] = typed(said["parameterValues"][name], definition)
            elif written.exists():
                outputs.parameters[name] = typed(written.read_text(), definition)
        for name, slot in here["outputs"]["artifacts"].items():
            artifact = dict(slot["artifacts"][0])
            for told in said.get("artifacts", {}).get(name, {}).get("artifacts", []):
                artifact |= {k: told[k] for k in ("uri", "metadata") if k in told}
            local = Path(artifact["uri"])
            if local.is_relative_to(folder):
                artifact["uri"] = f"{self._root}/{self._job.rsplit('/', 1)[1]}/{path}/{name}"
                if local.is_dir():
                    self._machine.storage.upload(local, artifact["uri"])
                elif local.is_file():
                    self._machine.storage.write(artifact["uri"], local.read_bytes())
            outputs.artifacts[name] = [artifact]
        return outputs
