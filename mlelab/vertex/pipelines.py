"""Runs a compiled KFP pipeline: tasks as processes, artifacts in storage, caching, conditions, loops, exit handlers."""

from __future__ import annotations

import ast
import concurrent.futures
import graphlib
import hashlib
import json
import re
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import CloudError, invalid, precondition
from .jobs import Cancelled, GcsFolder

if TYPE_CHECKING:
    from .server import Cloud

PARALLEL = 4  # tasks of one DAG that may be under way at once


@dataclass
class Outputs:
    """What a task gave: parameter values, and artifacts as `{"name", "uri", "type", "metadata"}` lists."""

    parameters: dict[str, Any] = field(default_factory=dict)
    artifacts: dict[str, list[dict[str, Any]]] = field(default_factory=dict)


@dataclass
class Result:
    """How a task ended: SUCCEEDED, SKIPPED (cached), NOT_TRIGGERED, FAILED or CANCELLED."""

    state: str
    outputs: Outputs = field(default_factory=Outputs)
    error: str = ""


@dataclass(eq=False)  # each is itself, also as a key
class Task:
    """One container task on its way, as the observer sees it."""

    name: str
    parent: str
    inputs: Outputs
    result: Result | None = None


Observer = Callable[[Task], None]


def whole(value: Any) -> Any:
    """A value out of a protobuf Struct, with whole floats as the integers that they were."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    if isinstance(value, dict):
        return {k: whole(v) for k, v in value.items()}
    return [whole(v) for v in value] if isinstance(value, list) else value


def typed(value: Any, definition: dict[str, Any]) -> Any:
    """`value` as the parameter type of its definition; INVALID_ARGUMENT where it does not fit."""
    kind = definition.get("parameterType", "")
    try:
        if kind == "NUMBER_INTEGER":
            if isinstance(value, bool) or float(value) != int(float(value)):
                raise ValueError
            return int(float(value))
        if kind == "NUMBER_DOUBLE":
            return float(value)
        if kind == "BOOLEAN" and isinstance(value, str):
            return {"true": True, "false": False}[value.lower()]
        if kind in ("LIST", "STRUCT") and isinstance(value, str):
            value = json.loads(value)
    except (ValueError, TypeError, KeyError):
        raise invalid(f"{value!r} is not a {kind}.") from None
    expected = {"STRING": str, "BOOLEAN": bool, "LIST": list, "STRUCT": dict}.get(kind)
    if kind == "STRING" and value is not None and not isinstance(value, str):
        return json.dumps(whole(value))
    if expected and value is not None and not isinstance(value, expected):
        raise invalid(f"{value!r} is not a {kind}.")
    return whole(value) if kind in ("LIST", "STRUCT") else value


def root_parameters(spec: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """The pipeline's parameters with their defaults. INVALID_ARGUMENT for unknown or missing ones."""
    defined = spec.get("root", {}).get("inputDefinitions", {}).get("parameters", {})
    if unknown := sorted(set(given) - set(defined)):
        raise invalid(f"The pipeline has no parameter {unknown[0]!r}; it has {sorted(defined)}.")
    values = {}
    for name, definition in defined.items():
        if name in given:
            values[name] = typed(given[name], definition)
        elif "defaultValue" in definition:
            values[name] = typed(definition["defaultValue"], definition)
        elif not definition.get("isOptional"):
            raise invalid(f"The pipeline parameter {name!r} is required.")
    return values


def check_graph(spec: dict[str, Any]) -> None:
    """INVALID_ARGUMENT for a specification that names what it does not have, or that could never end: a circle."""
    uses: dict[str, set[str]] = {}
    for owner, component in [("root", spec["root"]), *spec["components"].items()]:
        tasks = component.get("dag", {}).get("tasks", {})
        before = {name: task.get("dependentTasks", []) for name, task in tasks.items()}
        uses[owner] = {task["componentRef"]["name"] for task in tasks.values()}
        for name, others in before.items():
            if unknown := sorted(set(others) - set(tasks)):
                raise invalid(f"The task {name!r} depends on {unknown[0]!r}, which {owner} does not have.")
        if unknown := sorted(uses[owner] - set(spec["components"])):
            raise invalid(f"{owner} uses the component {unknown[0]!r}, which the pipeline does not have.")
        _no_circle("tasks", before)
    _no_circle("components", uses)


def _no_circle(what: str, graph: Mapping[str, Iterable[str]]) -> None:
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        raise invalid(f"The pipeline's {what} wait for one another in a circle: {' → '.join(error.args[1])}.") from None


_CASTS = {"int": lambda v: int(float(v)), "double": float, "string": str, "bool": bool}


def condition(text: str, parameters: dict[str, Any]) -> bool:
    """Evaluate a trigger condition, a small part of CEL, without running any code."""
    parts = re.split(r"""('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")""", text)
    for index in range(0, len(parts), 2):
        part = parts[index].replace("&&", " and ").replace("||", " or ")
        part = re.sub(r"!(?!=)", " not ", part)
        parts[index] = re.sub(r"\btrue\b", "True", re.sub(r"\bfalse\b", "False", part))
    try:
        return bool(_evaluate(ast.parse("".join(parts).strip(), mode="eval").body, parameters))
    except (SyntaxError, KeyError, TypeError, ValueError) as error:
        raise precondition(f"The condition {text!r} cannot be evaluated: {error}") from None


def _evaluate(node: ast.AST, parameters: dict[str, Any]) -> Any:
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.BoolOp):
        values = (_evaluate(v, parameters) for v in node.values)
        return all(values) if isinstance(node.op, ast.And) else any(values)
    if isinstance(node, ast.UnaryOp):
        value = _evaluate(node.operand, parameters)
        return not value if isinstance(node.op, ast.Not) else -value
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        left, right = _evaluate(node.left, parameters), _evaluate(node.comparators[0], parameters)
        operators = {
            ast.Eq: lambda: left == right,
            ast.NotEq: lambda: left != right,
            ast.Lt: lambda: left < right,
            ast.LtE: lambda: left <= right,
            ast.Gt: lambda: left > right,
            ast.GtE: lambda: left >= right,
        }
        return operators[type(node.ops[0])]()
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and len(node.args) == 1:
        return _CASTS[node.func.id](_evaluate(node.args[0], parameters))
    if isinstance(node, ast.Subscript) and ast.unparse(node.value) == "inputs.parameter_values":
        return parameters[_evaluate(node.slice, parameters)]
    raise ValueError(f"{ast.unparse(node)} is not supported")


class Run:
    """One run of one compiled pipeline."""

    def __init__(
        self,
        cloud: Cloud,
        spec: dict[str, Any],
        job: str,
        root: str,
        cancel: threading.Event,
        observe: Observer,
        load: Callable[[str], dict | None],
        save: Callable[[str, dict], None],
        fail_fast: bool,
    ) -> None:
        self._cloud, self._spec, self._job, self._cancel = cloud, spec, job, cancel
        self._root = root.rstrip("/")
        self._observe, self._load, self._save, self._fail_fast = observe, load, save, fail_fast
        self._failed = threading.Event()

    def run(self, parameters: dict[str, Any]) -> Outputs:
        """Run everything. FAILED_PRECONDITION where a task failed, Cancelled when cancelled."""
        result = self._dag("", self._spec["root"], Outputs(parameters))
        if self._cancel.is_set():
            raise Cancelled
        if result.state == "FAILED":
            raise precondition(f"The DAG failed because some tasks failed. {result.error}")
        return result.outputs

    # A DAG

    def _dag(self, path: str, component: dict[str, Any], inputs: Outputs) -> Result:
        tasks: dict[str, dict] = component["dag"].get("tasks", {})
        results: dict[str, Result] = {}
        with concurrent.futures.ThreadPoolExecutor(PARALLEL) as pool:
            running: dict[concurrent.futures.Future, str] = {}
            while len(results) < len(tasks):
                for name, task in tasks.items():
                    before = set(task.get("dependentTasks", []))
                    if name in results or name in running.values() or not before <= set(results):
                        continue
                    anyway = task.get("triggerPolicy", {}).get("strategy") == "ALL_UPSTREAM_TASKS_COMPLETED"
                    states = {results[b].state for b in before}
                    if self._cancel.is_set() or (self._fail_fast and self._failed.is_set() and not anyway):
                        results[name] = Result("CANCELLED")
                    elif not anyway and states & {"FAILED", "CANCELLED", "NOT_TRIGGERED"}:
                        results[name] = Result("NOT_TRIGGERED")
                    else:
                        running[pool.submit(self._task, f"{path}{name}", name, task, inputs, dict(results))] = name
                if not running:
                    continue
                done, _ = concurrent.futures.wait(running, return_when=concurrent.futures.FIRST_COMPLETED)
                for future in done:
                    results[running.pop(future)] = future.result()
        failed = [r.error for r in results.values() if r.state == "FAILED"]
        if failed:
            return Result("FAILED", error=failed[0])
        if any(r.state == "CANCELLED" for r in results.values()):
            return Result("CANCELLED")
        return Result("SUCCEEDED", self._collect(component["dag"].get("outputs", {}), results))

    @staticmethod
    def _collect(wanted: dict[str, Any], results: dict[str, Result]) -> Outputs:
        """The DAG's own outputs, picked from those of its tasks."""
        outputs = Outputs()
        for name, source in wanted.get("parameters", {}).items():
            choices = (
                [source["valueFromParameter"]]
                if "valueFromParameter" in source
                else source["valueFromOneof"]["parameterSelectors"]
            )
            for choice in choices:
                given = results[choice["producerSubtask"]].outputs.parameters
                if choice["outputParameterKey"] in given:
                    outputs.parameters[name] = given[choice["outputParameterKey"]]
                    break
        for name, source in wanted.get("artifacts", {}).items():
            for choice in source.get("artifactSelectors", []):
                given = results[choice["producerSubtask"]].outputs.artifacts
                if choice["outputArtifactKey"] in given:
                    outputs.artifacts[name] = given[choice["outputArtifactKey"]]
                    break
        return outputs

    # A task

    def _task(self, path: str, name: str, task: dict[str, Any], scope: Outputs, results: dict[str, Result]) -> Result:
        try:
            component = self._spec["components"][task["componentRef"]["name"]]
            inputs = self._inputs(task, scope, results)
            text = task.get("triggerPolicy", {}).get("condition")
            if text and not condition(text, inputs.parameters):
                return Result("NOT_TRIGGERED")
            if "parameterIterator" in task or "artifactIterator" in task:
                result = self._loop(path, task, component, inputs)
            else:
                result = self._component(path, task, component, inputs)
        except CloudError as error:
            result = Result("FAILED", error=f"{name}: {error.message}")
        except (KeyError, TypeError, AttributeError) as error:
            result = Result("FAILED", error=f"{name}: the pipeline's specification cannot be followed: {error!r}")
        if result.state == "FAILED":
            self._failed.set()
        return result

    def _inputs(self, task: dict[str, Any], scope: Outputs, results: dict[str, Result]) -> Outputs:
        inputs = Outputs()
        for name, source in task.get("inputs", {}).get("parameters", {}).items():
            if "componentInputParameter" in source:
                if source["componentInputParameter"] not in scope.parameters:
                    continue
                value = scope.parameters[source["componentInputParameter"]]
            elif "taskOutputParameter" in source:
                given = results[source["taskOutputParameter"]["producerTask"]].outputs.parameters
                key = source["taskOutputParameter"]["outputParameterKey"]
                if key not in given:
                    raise precondition(f"{source['taskOutputParameter']['producerTask']} gave no output {key!r}")
                value = given[key]
            elif "taskFinalStatus" in source:
                producer = source["taskFinalStatus"]["producerTask"]
                ended = results[producer]
                value = {
                    "state": ended.state,
                    "pipelineJobResourceName": self._job,
                    "pipelineTaskName": producer,
                    "error": {"message": ended.error} if ended.error else {},
                }
            else:
                value = source["runtimeValue"]["constant"]
                if isinstance(value, str):  # a constant may quote other inputs
                    value = re.sub(
                        r"{{\$\.inputs\.parameters\['([^']+)'\]}}",
                        lambda m: _text(scope.parameters.get(m.group(1), inputs.parameters.get(m.group(1)))),
                        value,
                    )
            if selector := source.get("parameterExpressionSelector"):
                match = re.fullmatch(r"parseJson\(string_value\)\[\"(.+)\"\]", selector)
                if not match:
                    raise precondition(f"the selector {selector!r} is not supported")
                value = (json.loads(value) if isinstance(value, str) else value)[match.group(1)]
            inputs.parameters[name] = value
        for name, source in task.get("inputs", {}).get("artifacts", {}).items():
            if "componentInputArtifact" in source:
                if source["componentInputArtifact"] in scope.artifacts:
                    inputs.artifacts[name] = scope.artifacts[source["componentInputArtifact"]]
            else:
                chosen = source["taskOutputArtifact"]
                given = results[chosen["producerTask"]].outputs.artifacts
                if chosen["outputArtifactKey"] not in given:
                    raise precondition(f"{chosen['producerTask']} gave no artifact {chosen['outputArtifactKey']!r}")
                inputs.artifacts[name] = given[chosen["outputArtifactKey"]]
        return inputs

    def _loop(self, path: str, task: dict[str, Any], component: dict[str, Any], inputs: Outputs) -> Result:
        if "parameterIterator" in task:
            iterator = task["parameterIterator"]
            items = iterator["items"]
            values = json.loads(items["raw"]) if "raw" in items else inputs.parameters[items["inputParameter"]]
            values = json.loads(values) if isinstance(values, str) else values
            each = [Outputs({**inputs.parameters, iterator["itemInput"]: whole(v)}, inputs.artifacts) for v in values]
        else:
            iterator = task["artifactIterator"]
            each = [
                Outputs(inputs.parameters, {**inputs.artifacts, iterator["itemInput"]: [v]})
                for v in inputs.artifacts[iterator["items"]["inputArtifact"]]
            ]
        limit = int(task.get("iteratorPolicy", {}).get("parallelismLimit", 0)) or PARALLEL
        with concurrent.futures.ThreadPoolExecutor(max(1, min(limit, PARALLEL))) as pool:
            results = list(
                pool.map(lambda pair: self._component(f"{path}-{pair[0]}", task, component, pair[1]), enumerate(each))
            )
        for result in results:
            if result.state in ("FAILED", "CANCELLED"):
                return result
        outputs = Outputs()
        for result in results:
            for name, value in result.outputs.parameters.items():
                outputs.parameters.setdefault(name, []).append(value)
            for name, artifacts in result.outputs.artifacts.items():
                outputs.artifacts.setdefault(name, []).extend(artifacts)
        return Result("SUCCEEDED", outputs)

    def _component(self, path: str, task: dict[str, Any], component: dict[str, Any], inputs: Outputs) -> Result:
        for name, definition in component.get("inputDefinitions", {}).get("parameters", {}).items():
            if name in inputs.parameters:
                inputs.parameters[name] = typed(inputs.parameters[name], definition)
            elif "defaultValue" in definition:
                inputs.parameters[name] = typed(definition["defaultValue"], definition)
            elif not definition.get("isOptional"):
                raise precondition(f"the input {name!r} is missing")
        if "dag" in component:
            return self._dag(f"{path}/", component, inputs)
        executor = self._spec["deploymentSpec"]["executors"][component["executorLabel"]]
        record = Task(path, path.rpartition("/")[0], inputs)
        self._observe(record)
        retries = int(task.get("retryPolicy", {}).get("maxRetryCount", 0))
        for attempt in range(retries + 1):
            try:
                if "importer" in executor:
                    record.result = self._import(executor["importer"], component, inputs)
                elif "container" in executor:
                    record.result = self._cached(path, task, component, executor["container"], inputs)
                else:
                    raise CloudError("UNIMPLEMENTED", f"executor {sorted(executor)} is not implemented")
                break
            except Cancelled:
                record.result = Result("CANCELLED")
                break
            except CloudError as error:
                record.result = Result("FAILED", error=f"{path}: {error.message}")
                if attempt < retries:
                    time.sleep(0.1)
        self._observe(record)
        return record.result

    @staticmethod
    def _import(importer: dict[str, Any], component: dict[str, Any], inputs: Outputs) -> Result:
        source = importer["artifactUri"]
        uri = source["constant"] if "constant" in source else inputs.parameters[source["runtimeParameter"]]
        name = next(iter(component["outputDefinitions"]["artifacts"]))
        artifact = {"name": name, "uri": uri, "type": importer["typeSchema"], "metadata": importer.get("metadata", {})}
        return Result("SUCCEEDED", Outputs(artifacts={name: [artifact]}))

    def _cached(
        self, path: str, task: dict[str, Any], component: dict[str, Any], container: dict[str, Any], inputs: Outputs
    ) -> Result:
        """Run a container, or take what the same container made of the same inputs before."""
        if not task.get("cachingOptions", {}).get("enableCache"):
            return Result("SUCCEEDED", self._container(path, component, container, inputs))
        uris = {name: [a["uri"] for a in artifacts] for name, artifacts in inputs.artifacts.items()}
        key = hashlib.sha256(
            json.dumps(
                [container, component.get("outputDefinitions"), inputs.parameters, uris], sort_keys=True
            ).encode()
        ).hexdigest()
        if found := self._load(key):
            return Result("SKIPPED", Outputs(found["parameters"], found["artifacts"]))
        outputs = self._container(path, component, container, inputs)
        self._save(key, {"parameters": outputs.parameters, "artifacts": outputs.artifacts})
        return Result("SUCCEEDED", outputs)

    # A container

    def _container(self, path: str, component: dict[str, Any], container: dict[str, Any], inputs: Outputs) -> Outputs:
        if not container.get("command") and not container.get("args"):
            raise precondition(
                f"This local stand-in cannot run the image {container.get('image')!r} without a command."
            )
        while not self._cloud.jobs.slots.acquire(timeout=0.1):
            if self._cancel.is_set():
                raise Cancelled
        try:
            return self._execute(path, component, container, inputs)
        finally:
            self._cloud.jobs.slots.release()

    def _execute(self, path: str, component: dict[str, Any], container: dict[str, Any], inputs: Outputs) -> Outputs:
        folder = self._cloud.processes.new_folder()
        definitions = component.get("outputDefinitions", {})
        here: dict[str, Any] = {
            "inputs": {
                "parameterValues": inputs.parameters,
                "parameters": {name: {("stringValue"): _text(value)} for name, value in inputs.parameters.items()},
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
        gcs = GcsFolder(self._cloud, folder / "gcs")
        command = [
            gcs.map(self._fill(part, here, path))
            for part in (*container.get("command", []), *container.get("args", []))
        ]
        environment = self._cloud.environment() | {
            "GOOGLE_CLOUD_PROJECT": self._job.split("/")[1],
            "OMP_NUM_THREADS": "1",
        }
        environment |= {variable["name"]: variable.get("value", "") for variable in container.get("env", [])}
        child = self._cloud.processes.start_job(command, folder, environment)
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
        names = self._cloud.storage.names(uri)
        if not names:
            return str(target / "empty")
        self._cloud.storage.download(uri, target)
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
                return _text(here["inputs"]["parameterValues"].get(keys[2]))
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
                    self._cloud.storage.upload(local, artifact["uri"])
                elif local.is_file():
                    self._cloud.storage.write(artifact["uri"], local.read_bytes())
            outputs.artifacts[name] = [artifact]
        return outputs


def _text(value: Any) -> str:
    """A parameter as it stands in a command."""
    return value if isinstance(value, str) else "" if value is None else json.dumps(whole(value))
