"""Runs a compiled KFP pipeline: tasks as processes, artifacts in storage, caching, conditions, loops, exit handlers."""

from __future__ import annotations

import concurrent.futures
import hashlib
import json
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ..wire.errors import CloudError, precondition
from .jobs import Cancelled
from .machine import Machine
from .pipeline_container import Containers
from .pipeline_spec import Outputs, condition, text_of, typed, whole

PARALLEL = 4  # tasks of one DAG that may be under way at once


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


class Run:
    """One run of one compiled pipeline."""

    def __init__(
        self,
        machine: Machine,
        spec: dict[str, Any],
        job: str,
        root: str,
        cancel: threading.Event,
        observe: Observer,
        load: Callable[[str], dict | None],
        save: Callable[[str, dict], None],
        fail_fast: bool,
    ) -> None:
        self._spec, self._job, self._cancel = spec, job, cancel
        self._containers = Containers(machine, job, root, cancel)
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
                        lambda m: text_of(scope.parameters.get(m.group(1), inputs.parameters.get(m.group(1)))),
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
            return Result("SUCCEEDED", self._containers.run(path, component, container, inputs))
        uris = {name: [a["uri"] for a in artifacts] for name, artifacts in inputs.artifacts.items()}
        key = hashlib.sha256(
            json.dumps(
                [
                    self._spec.get("pipelineInfo", {}).get("name"),  # pipelines of other names share nothing
                    container,
                    component.get("outputDefinitions"),
                    inputs.parameters,
                    uris,
                ],
                sort_keys=True,
            ).encode()
        ).hexdigest()
        if found := self._load(key):
            return Result("SKIPPED", Outputs(found["parameters"], found["artifacts"]))
        outputs = self._containers.run(path, component, container, inputs)
        self._save(key, {"parameters": outputs.parameters, "artifacts": outputs.artifacts})
        return Result("SUCCEEDED", outputs)
