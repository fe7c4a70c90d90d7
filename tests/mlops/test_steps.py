"""The four steps by themselves, in KFP's runner and on the local cloud: the same bytes, and a verdict with reasons."""

import hashlib
import json
import runpy
import subprocess
import sys
import uuid
from pathlib import Path

import pytest
from google.cloud import aiplatform, storage
from kfp import local

from mlelab import vertex
from mlelab.mlops import pipeline, steps

FILES = {"features": "table", "model": "fitted", "report": "found", "verdict": "said"}


def digest(content):
    return hashlib.sha256(content).hexdigest()


@pytest.fixture(scope="module")
def by_hand(tmp_path_factory):
    folder = tmp_path_factory.mktemp("steps")
    subprocess.run([sys.executable, "-W", "ignore", "-m", "mlelab.mlops", folder], check=True, capture_output=True)
    return folder


def test_a_second_run_gives_the_same_bytes(by_hand, tmp_path):
    for name, needed in steps.NEEDS.items():
        steps.STEPS[name](*(str(tmp_path / before) for before in needed), str(tmp_path / name))
        assert (tmp_path / name).read_bytes() == (by_hand / name).read_bytes()


def test_the_report_is_about_the_months_after_training(by_hand):
    found = json.loads((by_hand / "report").read_text())
    assert set(found["slices"]) == {"EWR", "JFK", "LGA"} and 0.65 < found["auc"] < 0.75


@pytest.mark.parametrize(("change", "reason"), [({"auc": 0.6}, "AUC 0.6 is below"), ({"slices": {"JFK": 0.5}}, "JFK")])
def test_the_verdict_names_its_reasons(by_hand, tmp_path, change, reason):
    found = json.loads((by_hand / "report").read_text())
    (tmp_path / "report").write_text(json.dumps(found | change))
    steps.verdict(str(tmp_path / "report"), str(tmp_path / "verdict"))
    said = json.loads((tmp_path / "verdict").read_text())
    assert not said["promote"] and any(reason in why for why in said["reasons"])
    assert json.loads((by_hand / "verdict").read_text()) == {"promote": True, "reasons": []}


def test_kfp_makes_the_same_bytes(by_hand, tmp_path):
    local.init(runner=local.SubprocessRunner(use_venv=False), pipeline_root=str(tmp_path))
    pipeline.case_pipeline(rows=20_000, c=1.0)
    for name, file in FILES.items():
        made = [path for path in tmp_path.rglob(file) if path.is_file()]
        assert [digest(path.read_bytes()) for path in made] == [digest((by_hand / name).read_bytes())]


@pytest.mark.parametrize("image", [None, "registry.example/mlelab:8"])
def test_the_image_of_the_components_has_a_setting(tmp_path, monkeypatch, image):
    monkeypatch.setenv("MLELAB_IMAGE", image) if image else monkeypatch.delenv("MLELAB_IMAGE", raising=False)
    compiled = runpy.run_path(pipeline.__file__)["compile_to"](tmp_path / "case.json")
    executors = json.loads(Path(compiled).read_text())["deploymentSpec"]["executors"].values()
    assert {executor["container"]["image"] for executor in executors} == {image or "python:3.11"}


def test_the_cloud_makes_the_same_bytes_and_runs_only_what_changed(by_hand, tmp_path):
    with vertex.local():
        client = storage.Client()
        bucket = client.create_bucket(f"mlops-{uuid.uuid4().hex[:8]}", location="us-central1")
        aiplatform.init(project=client.project, location="us-central1", staging_bucket=f"gs://{bucket.name}")
        template = pipeline.compile_to(tmp_path / "case.json")

        def run(name, **values):
            job = aiplatform.PipelineJob(display_name=name, job_id=name, template_path=template, enable_caching=True,
                                         pipeline_root=f"gs://{bucket.name}/runs", parameter_values=values)
            job.submit()
            job.wait()
            details = job.gca_resource.job_detail.task_details
            return {task.task_name: task.state.name for task in details if task.task_name in FILES}

        assert set(run("first").values()) == {"SUCCEEDED"}
        stored = {Path(blob.name).name: digest(blob.download_as_bytes()) for blob in bucket.list_blobs(prefix="runs/")}
        assert stored == {file: digest((by_hand / name).read_bytes()) for name, file in FILES.items()}
        assert set(run("again").values()) == {"SKIPPED"}
        below = dict.fromkeys(["model", "report", "verdict"], "SUCCEEDED")
        assert run("other", c=0.1) == {"features": "SKIPPED"} | below
