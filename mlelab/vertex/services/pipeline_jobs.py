"""Pipeline jobs: a compiled KFP pipeline, with lineage in the metadata store."""

from __future__ import annotations

import hashlib
import threading
import time
from typing import Any

from google.protobuf import json_format, struct_pb2
from google.protobuf.message import Message
from google.rpc import code_pb2

from ..compute.pipeline_run import Run, Task
from ..compute.pipeline_spec import Outputs, check_graph, root_parameters
from ..resources.generic import new_resource
from ..resources.names import project_number
from ..resources.registry import Call, implements
from ..resources.store import Store, new_id
from ..resources.times import now, stamp
from ..wire.catalog import pb, types
from ..wire.errors import CloudError, invalid
from .context import Context
from .job_kinds import job_kind
from .metadata import add_event, add_members, ensure_store, get_or_create, set_parent

job_kind("PipelineService", "PipelineJob")


def submit(cloud: Context, job: Any) -> Message:
    """Check, store and start a pipeline job that has a name. INVALID_ARGUMENT for one that cannot run."""
    if job.template_uri and not job.pipeline_spec.fields:
        raise CloudError(
            "UNIMPLEMENTED", "PipelineService.CreatePipelineJob from a template_uri alone is not implemented."
        )
    spec = json_format.MessageToDict(job.pipeline_spec)
    try:
        spec["root"]["dag"], spec["deploymentSpec"]["executors"]
        check_graph(spec)
    except (KeyError, TypeError, AttributeError):
        raise invalid("pipeline_spec is not a compiled KFP pipeline (IR 2.1).") from None
    if not job.runtime_config.gcs_output_directory.startswith("gs://"):
        raise invalid("runtime_config.gcs_output_directory must begin with gs://.")
    given = {name: json_format.MessageToDict(value) for name, value in job.runtime_config.parameter_values.items()}
    parameters = root_parameters(spec, given)
    lineage = _Lineage(cloud.store, job, spec, parameters)
    if not job.display_name:
        job.display_name = spec.get("pipelineInfo", {}).get("name", job.name.rsplit("/", 1)[1])
    job.service_account = (
        job.service_account or f"{project_number(job.name.split('/')[1])}-compute@developer.gserviceaccount.com"
    )
    job.job_detail.pipeline_context.CopyFrom(lineage.pipeline)
    job.job_detail.pipeline_run_context.CopyFrom(lineage.run)
    fail_fast = types().PipelineFailurePolicy(job.runtime_config.failure_policy).name.endswith("FAIL_FAST")
    location = job.name.split("/pipelineJobs/")[0]

    def load(key: str) -> dict[str, Any] | None:
        found = cloud.store.find(struct_pb2.Struct, f"{location}/pipelineCache/{key}")
        return json_format.MessageToDict(found) if found else None

    def save(key: str, value: dict[str, Any]) -> None:
        cloud.store.put(json_format.ParseDict(value, struct_pb2.Struct()), f"{location}/pipelineCache/{key}")

    def work(cancel: threading.Event) -> None:
        run = Run(
            cloud,
            spec,
            job.name,
            job.runtime_config.gcs_output_directory,
            cancel,
            lineage.observe,
            load,
            save,
            fail_fast,
        )
        try:
            run.run(parameters)
            lineage.finish("COMPLETE")
        except BaseException:
            lineage.finish("FAILED")
            raise

    return cloud.jobs.submit(job, work)


class _Lineage:
    """Writes what a run does into the metadata store and into the job's task details."""

    def __init__(self, store: Store, job: Any, spec: dict[str, Any], parameters: dict[str, Any]) -> None:
        self._store, self._job = store, job.name
        self._root = ensure_store(store, job.name.split("/pipelineJobs/")[0])
        self._lock = threading.Lock()
        self._ids: dict[Task, tuple[int, str]] = {}
        name, run_id = spec.get("pipelineInfo", {}).get("name", "pipeline"), job.name.rsplit("/", 1)[1]
        self.pipeline = get_or_create(store, self._context(name, "system.Pipeline"))
        self.run = get_or_create(store, self._context(run_id, "system.PipelineRun"))
        with store:
            set_parent(store, self.pipeline.name, self.run.name)
        self._execution = get_or_create(
            store, self._new_execution(run_id, "system.Run", run_id, {f"input:{k}": v for k, v in parameters.items()})
        )
        for context in (self.pipeline, self.run):
            add_members(store, context.name, executions=[self._execution.name])

    def _context(self, name: str, schema: str) -> Any:
        return pb.Context(
            name=f"{self._root}/contexts/{name}", display_name=name, schema_title=schema, schema_version="0.0.1"
        )

    def _new_execution(self, key: str, schema: str, title: str, metadata: dict[str, Any]) -> Any:
        return pb.Execution(
            name=f"{self._root}/executions/{key}",
            display_name=title,
            schema_title=schema,
            schema_version="0.0.1",
            state=types().Execution.State.RUNNING,
            metadata=json_format.ParseDict(metadata, struct_pb2.Struct()),
        )

    def finish(self, state: str) -> None:
        """Close the execution of the whole run."""
        with self._store.edit(pb.Execution, self._execution.name) as execution:
            execution.state = types().Execution.State[state]
            stamp(execution, "update_time")

    def _artifact(self, given: dict[str, Any]) -> str:
        """The metadata artifact of a pipeline artifact, made where there is none of its URI yet. Returns its name."""
        key = hashlib.sha256(given["uri"].encode()).hexdigest()[:20]
        given["resource"] = f"{self._root}/artifacts/{key}"
        if self._store.exists(given["resource"]):
            return given["resource"]
        try:
            metadata = json_format.ParseDict(given.get("metadata") or {}, struct_pb2.Struct())
            json_format.MessageToJson(metadata)
        except ValueError as error:  # an infinite number, which JSON does not have: a ROC curve's first threshold
            raise invalid(f"The metadata of the artifact {given['name']} cannot be kept: {error}") from None
        artifact = pb.Artifact(
            name=given["resource"],
            display_name=given["name"],
            uri=given["uri"],
            schema_title=given["type"].get("schemaTitle", ""),
            schema_version=given["type"].get("schemaVersion", "0.0.1"),
            metadata=metadata,
            state=types().Artifact.State.LIVE,
        )
        stamp(artifact, "create_time", "update_time")
        self._store.insert(artifact)
        return artifact.name

    def observe(self, task: Task) -> None:
        """A task has started (no result yet) or ended."""
        with self._lock, self._store:
            number, execution_name = self._ids.setdefault(task, (len(self._ids) + 1, ""))
            if not execution_name:
                execution = self._new_execution(
                    new_id(),
                    "system.ContainerExecution",
                    task.name,
                    {f"input:{k}": v for k, v in task.inputs.parameters.items()},
                )
                execution.create_time.CopyFrom(now())
                self._store.insert(execution)
                add_members(self._store, self.run.name, executions=[execution.name])
                self._ids[task] = (number, execution.name)
                self._events(execution.name, task.inputs, types().Event.Type.INPUT)
            else:
                execution = self._store.get(pb.Execution, execution_name)
            if task.result:
                state = {"SUCCEEDED": "COMPLETE", "SKIPPED": "CACHED"}.get(task.result.state, task.result.state)
                execution.state = types().Execution.State[state]
                json_format.ParseDict(
                    {f"output:{k}": v for k, v in task.result.outputs.parameters.items()}, execution.metadata
                )
                stamp(execution, "update_time")
                self._store.put(execution)
                self._events(execution.name, task.result.outputs, types().Event.Type.OUTPUT)
            self._detail(number, task, execution)

    def _events(self, execution: str, outputs: Outputs, kind: int) -> None:
        for artifacts in outputs.artifacts.values():
            names = [self._artifact(artifact) for artifact in artifacts]
            add_members(self._store, self.run.name, artifacts=names)
            for name, artifact in zip(names, artifacts, strict=True):
                add_event(self._store, execution, pb.Event(artifact=name, type_=kind))
                if "Metrics" in artifact["type"].get("schemaTitle", "") and kind == types().Event.Type.OUTPUT:
                    add_event(self._store, self._execution.name, pb.Event(artifact=name, type_=kind))

    def _detail(self, number: int, task: Task, execution: Any) -> None:
        with self._store.edit(pb.PipelineJob, self._job) as job:
            detail = next((d for d in job.job_detail.task_details if d.task_id == number), None)
            if detail is None:
                detail = job.job_detail.task_details.add(task_id=number, task_name=task.name.rsplit("/", 1)[-1])
                detail.create_time.CopyFrom(now())
                detail.start_time.CopyFrom(now())
            detail.execution.CopyFrom(execution)
            state = task.result.state if task.result else "RUNNING"
            detail.state = types().PipelineTaskDetail.State[state]
            for field, outputs in (
                ("inputs", task.inputs),
                ("outputs", task.result.outputs if task.result else Outputs()),
            ):
                for name, artifacts in outputs.artifacts.items():
                    found = [self._store.get(pb.Artifact, a["resource"]) for a in artifacts if a.get("resource")]
                    getattr(detail, field)[name].CopyFrom(pb.PipelineTaskDetail.ArtifactList(artifacts=found))
            if task.result:
                detail.end_time.CopyFrom(now())
                if task.result.error:
                    detail.error.code, detail.error.message = code_pb2.FAILED_PRECONDITION, task.result.error


@implements(
    "PipelineService.CreatePipelineJob", differs="no template_uri alone; processes instead of images"
)
def create_pipeline_job(call: Call, request: Any) -> Message:
    """Start a compiled pipeline."""
    job = new_resource(call, request)
    if call.store.exists(job.name):
        raise CloudError("ALREADY_EXISTS", f"{job.name} already exists.")
    made = submit(call.cloud, job)
    if job.name.endswith(time.strftime("%Y%m%d%H%M%S")):
        # The library names jobs by the second, and Google takes longer than one to accept a job: two never collide.
        time.sleep(1 - time.time() % 1)
    return made


@implements("PipelineService.GetPipelineJob")
def get_pipeline_job(call: Call, request: Any) -> Message:
    """Read one pipeline job, with its run context as it is now: an experiment may have become its parent."""
    job = call.store.get(pb.PipelineJob, request.name)
    if context := call.store.find(pb.Context, job.job_detail.pipeline_run_context.name):
        job.job_detail.pipeline_run_context.CopyFrom(context)
    return job
