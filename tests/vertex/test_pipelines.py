"""Compiled KFP pipelines, lineage, schedules."""

import datetime
import json
import time
import uuid

import pytest
from google.api_core import exceptions
from google.cloud import aiplatform
from kfp import compiler, dsl

from mlelab.vertex.compute.pipeline_spec import condition
from mlelab.vertex.compute.scheduler import Cron
from mlelab.vertex.wire.errors import CloudError


@dsl.component(base_image="python:3.11")
def make(n: int, table: dsl.Output[dsl.Dataset]) -> float:
    with open(table.path, "w") as file:
        file.write("x" * n)
    table.metadata["rows"] = n
    return n / 2


@dsl.component(base_image="python:3.11")
def train(
    table: dsl.Input[dsl.Dataset], rate: float, model: dsl.Output[dsl.Model], metrics: dsl.Output[dsl.Metrics]
) -> str:
    with open(table.path) as file, open(model.path, "w") as out:
        out.write(file.read() + str(rate))
    metrics.log_metric("accuracy", 0.5 + rate)
    return "good" if rate > 0.05 else "bad"


@dsl.component(base_image="python:3.11")
def say(text: str) -> str:
    if text == "fail":
        raise ValueError("asked to fail")
    if text == "sleep":
        import time

        time.sleep(1000)
    return text.upper()


@dsl.component(base_image="python:3.11")
def join(parts: list) -> str:
    return "+".join(sorted(parts))


@dsl.component(base_image="python:3.11")
def endless(metrics: dsl.Output[dsl.Metrics]):
    metrics.log_metric("threshold", float("inf"))


def compiled(tmp_path, pipeline) -> str:
    path = str(tmp_path / f"{pipeline.name}.json")
    compiler.Compiler().compile(pipeline, path)
    return path


def submit(path: str, bucket: str, experiment=None, wait=True, **kwargs) -> aiplatform.PipelineJob:
    kwargs.setdefault("job_id", f"run-{uuid.uuid4().hex[:12]}")
    job = aiplatform.PipelineJob(
        display_name="p", template_path=path, pipeline_root=f"gs://{bucket}/root", **kwargs
    )
    job.submit(experiment=experiment)
    if wait:
        job.wait()
    return job


def states(job: aiplatform.PipelineJob) -> dict[str, str]:
    return {t.task_name: t.state.name for t in job.task_details}


@pytest.fixture
def bucket(cloud, gcs):
    """A bucket of the project that owns the storage, which PipelineJob.submit insists on."""
    aiplatform.init(project=cloud.project, location="us-central1", staging_bucket=f"gs://{gcs.name}")
    return gcs


def test_artifacts_caching_lineage(cloud, bucket, tmp_path):
    @dsl.pipeline(name=f"lineage-{bucket.name}")
    def pipeline(n: int = 4, rate: float = 0.25):
        made = make(n=n)
        trained = train(table=made.outputs["table"], rate=rate)
        with dsl.If(trained.outputs["Output"] == "good"):
            say(text="yes")
        with dsl.Else():
            say(text="no")

    path = compiled(tmp_path, pipeline)
    first = submit(path, bucket.name, experiment="lineage-experiment")
    assert states(first) == {"make": "SUCCEEDED", "train": "SUCCEEDED", "say": "SUCCEEDED"}
    stored = {b.name.split("/", 2)[2]: b.download_as_text() for b in bucket.list_blobs(prefix="root/")}
    assert stored == {"make/table": "xxxx", "train/model": "xxxx0.25"}
    again = submit(path, bucket.name)
    assert set(states(again).values()) == {"SKIPPED"}
    fresh = submit(path, bucket.name, enable_caching=False)
    assert set(states(fresh).values()) == {"SUCCEEDED"}
    other = submit(path, bucket.name, parameter_values={"rate": 0.01})
    assert states(other)["make"] == "SKIPPED" and states(other)["train"] == "SUCCEEDED"
    row = aiplatform.get_experiment_df("lineage-experiment").iloc[0]
    assert (row["run_type"], row["param.n"], row["metric.accuracy"]) == ("system.PipelineRun", 4, 0.75)
    assert len(aiplatform.get_pipeline_df(pipeline.name)) == 4
    model = aiplatform.Artifact.list(filter=f'schema_title="system.Model" AND uri="{train_uri(bucket, first)}"')
    assert len(model) == 1


def train_uri(bucket, job) -> str:
    return f"gs://{bucket.name}/root/{job.name}/train/model"


def test_jobs_that_the_library_names_by_the_second_do_not_collide(bucket, tmp_path):
    @dsl.pipeline(name=f"seconds-{bucket.name}")
    def pipeline():
        say(text="now")

    path = compiled(tmp_path, pipeline)
    names = {submit(path, bucket.name, wait=False, job_id=None).name for _ in range(3)}
    assert len(names) == 3 and all(name.startswith(pipeline.name) for name in names)


def test_loops_exit_handlers_and_collected_outputs(bucket, tmp_path):
    @dsl.pipeline(name="loops")
    def pipeline(words: list = ["b", "a"]):  # noqa: B006 - KFP's way to give a default
        done = say(text="at the end")
        with dsl.ExitHandler(done):
            with dsl.ParallelFor(words, parallelism=2) as word:
                said = say(text=word)
            join(parts=dsl.Collected(said.output))

    job = submit(compiled(tmp_path, pipeline), bucket.name)
    outputs = {}
    for task in job.task_details:
        outputs.setdefault(task.task_name, []).append(task.execution.metadata.get("output:Output"))
    assert outputs["join"] == ["A+B"]
    assert "AT THE END" in outputs["say"]


def test_failure_says_which_task_and_why_and_the_exit_handler_runs(bucket, tmp_path):
    @dsl.pipeline(name="failing")
    def pipeline():
        done = say(text="cleanup")
        with dsl.ExitHandler(done):
            failed = say(text="fail").set_caching_options(False)
            say(text="never").after(failed)

    job = submit(compiled(tmp_path, pipeline), bucket.name, wait=False)
    with pytest.raises(RuntimeError, match="(?s)say.*asked to fail"):
        job.wait()
    found = [(t.task_name, t.state.name) for t in job.task_details]
    assert ("say", "FAILED") in [(n.split("-")[0], s) for n, s in found]
    assert [s for _, s in found].count("SUCCEEDED") == 1  # the clean-up, and not what came after the failure


def test_a_metric_that_json_cannot_hold_fails_the_run_in_a_sentence(bucket, tmp_path):
    @dsl.pipeline(name="endless")
    def pipeline():
        endless()

    with pytest.raises(RuntimeError, match="metadata of the artifact metrics cannot be kept"):
        submit(compiled(tmp_path, pipeline), bucket.name)


def test_cancel(bucket, tmp_path):
    @dsl.pipeline(name="sleeping")
    def pipeline():
        say(text="sleep")

    job = submit(compiled(tmp_path, pipeline), bucket.name, wait=False)
    deadline = time.monotonic() + 20
    while not job.task_details:
        assert time.monotonic() < deadline
        time.sleep(0.1)
        job._sync_gca_resource()
    job.cancel()
    while job.state.name != "PIPELINE_STATE_CANCELLED":
        assert time.monotonic() < deadline
        time.sleep(0.1)
    job.delete()


def test_retry_and_importer(bucket, tmp_path):
    @dsl.component(base_image="python:3.11")
    def flaky(marker: str) -> str:
        import os

        if not os.path.exists(marker):
            open(marker, "w").close()
            raise RuntimeError("first time")
        return "second time"

    @dsl.component(base_image="python:3.11")
    def read(data: dsl.Input[dsl.Dataset]) -> str:
        with open(data.path) as file:
            return file.read()

    @dsl.pipeline(name="retrying")
    def pipeline(marker: str):
        flaky(marker=marker).set_retry(num_retries=2).set_caching_options(False)
        imported = dsl.importer(artifact_uri=f"gs://{bucket.name}/given.txt", artifact_class=dsl.Dataset)
        read(data=imported.output)

    bucket.blob("given.txt").upload_from_string("given")
    job = submit(compiled(tmp_path, pipeline), bucket.name, parameter_values={"marker": str(tmp_path / "marker")})
    outputs = {t.task_name: t.execution.metadata.get("output:Output") for t in job.task_details}
    assert (outputs["flaky"], outputs["read"]) == ("second time", "given")


@pytest.mark.parametrize(("values", "words"), [({"unknown": 1}, "unknown"), ({"n": "text"}, "not a NUMBER_INTEGER")])
def test_bad_parameters(bucket, tmp_path, values, words):
    @dsl.pipeline(name="typed")
    def pipeline(n: int = 1):
        make(n=n)

    path = compiled(tmp_path, pipeline)
    with pytest.raises((exceptions.BadRequest, ValueError), match=words):
        submit(path, bucket.name, parameter_values=values)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("inputs.parameter_values['a'] == 'x'", True),
        ("inputs.parameter_values['a'] != 'x'", False),
        ("int(inputs.parameter_values['n']) > 2 && double(inputs.parameter_values['n']) < 3.5", True),
        ("!(inputs.parameter_values['a'] == 'x') || true", True),
        ("inputs.parameter_values['a'] == 'x && y'", False),
    ],
)
def test_conditions(text, expected):
    assert condition(text, {"a": "x", "n": 3}) is expected


@pytest.mark.parametrize("text", ["__import__('os')", "().__class__", "inputs.parameter_values['gone'] == 1", "1 +"])
def test_conditions_run_no_code(text):
    with pytest.raises(CloudError):
        condition(text, {})


@pytest.mark.parametrize(
    ("cron", "expected"),
    [
        ("* * * * *", "2024-02-28 10:31"),
        ("0 9 * * *", "2024-02-29 09:00"),
        ("*/20 * * * *", "2024-02-28 10:40"),
        ("0 0 29 2 *", "2024-02-29 00:00"),
        ("0 0 1 * mon", "2024-03-01 00:00"),
        ("15 8 * * 1-5", "2024-02-29 08:15"),
        ("TZ=America/New_York 0 9 * * *", "2024-02-28 14:00"),
        ("0 0 * * 7", "2024-03-03 00:00"),
    ],
)
def test_cron(cron, expected):
    start = datetime.datetime(2024, 2, 28, 10, 30, 5, tzinfo=datetime.UTC)
    assert f"{Cron(cron).after(start):%Y-%m-%d %H:%M}" == expected


@pytest.mark.parametrize(
    "cron", ["", "* * * *", "61 * * * *", "* * * * funday", "TZ=Nowhere/City * * * * *", "*/0 * * * *"]
)
def test_bad_cron(cron):
    with pytest.raises(CloudError):
        Cron(cron)


def test_schedule_with_a_fake_clock(cloud, bucket, tmp_path):
    @dsl.pipeline(name="nightly")
    def pipeline():
        say(text="good night")

    job = aiplatform.PipelineJob(
        display_name="p", template_path=compiled(tmp_path, pipeline), pipeline_root=f"gs://{bucket.name}/root"
    )
    schedule = job.create_schedule(display_name="s", cron="0 3 * * *", max_run_count=2, max_concurrent_run_count=2)
    assert schedule.list_jobs() == []

    def jobs_after(count: int) -> list:
        deadline = time.monotonic() + 30
        while len(found := schedule.list_jobs()) < count or not all(j.done() for j in found):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        return found

    cloud.clock.advance(86400)
    assert [j.state.name for j in jobs_after(1)] == ["PIPELINE_STATE_SUCCEEDED"]
    schedule.pause()
    cloud.clock.advance(86400)
    time.sleep(0.2)
    assert len(schedule.list_jobs()) == 1
    schedule.resume(catch_up=False)
    cloud.clock.advance(86400)
    jobs_after(2)
    schedule._sync_gca_resource()
    assert schedule.gca_resource.state.name == "COMPLETED"
    schedule.delete()


def _spec(tasks: dict, components: dict | None = None) -> dict:
    """A specification whose components do nothing, with the given tasks in its root."""
    return {
        "pipelineInfo": {"name": "p"},
        "schemaVersion": "2.1.0",
        "root": {"dag": {"tasks": tasks}},
        "components": components or {"comp": {"executorLabel": "e"}},
        "deploymentSpec": {"executors": {"e": {"container": {"image": "i", "command": ["true"]}}}},
    }


def _task(*before: str, component: str = "comp") -> dict:
    return {"componentRef": {"name": component}, "dependentTasks": list(before)}


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (_spec({"a": _task("b"), "b": _task("a")}), "tasks wait for one another in a circle: "),
        (_spec({"a": _task("a")}), "tasks wait for one another in a circle: a → a"),
        (_spec({"a": _task("gone")}), "depends on 'gone', which root does not have"),
        (_spec({"a": _task(component="gone")}), "uses the component 'gone'"),
        (
            _spec({"a": _task(component="loop")}, {"loop": {"dag": {"tasks": {"b": _task(component="loop")}}}}),
            "components wait for one another in a circle: loop → loop",
        ),
        (_spec({"a": {"dependentTasks": []}}), "not a compiled KFP pipeline"),
    ],
)
def test_a_specification_that_cannot_end_is_refused(bucket, tmp_path, spec, message):
    path = tmp_path / "p.json"
    path.write_text(json.dumps(spec))
    with pytest.raises(exceptions.InvalidArgument, match=message):
        submit(str(path), bucket.name)
