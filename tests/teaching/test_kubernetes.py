"""The Job of `autograde --executor kubernetes`: what it asks of a cluster, its image, and grading again."""

import json

import kubernetes_validate
import pytest
import yaml
from teaching import _kubernetes

from tests.teaching.conftest import AREA

JOB = {"student": "ada", "digest": "d", "limits": {"memory": 2}}


def manifest() -> dict:
    return yaml.safe_load(_kubernetes.manifest(AREA, 3, JOB["limits"]))


def results(course) -> list[dict]:
    return list(_kubernetes.execute([JOB, JOB | {"student": "grace"}], 10, course, AREA))


def graded(course, says: str, only: int = 2) -> None:
    """The pods' work: a result for each job that waits."""
    folder = course / "grading" / AREA
    (folder / "results").mkdir(exist_ok=True)
    for path in sorted(folder.glob("jobs/*.json"))[:only]:
        student = json.loads(path.read_text())["student"]
        (folder / "results" / path.name).write_text(json.dumps({"student": student, "says": says}))


def test_the_pod_may_build_the_sandbox_and_write_its_results():
    job = manifest()
    kubernetes_validate.validate(job, "1.33", strict=True)
    pod = job["spec"]["template"]["spec"]
    rights = pod["containers"][0]["securityContext"]
    assert rights["seccompProfile"] == rights["appArmorProfile"] == {"type": "Unconfined"}
    assert (rights["procMount"], pod["hostUsers"]) == ("Unmasked", False)  # the first is refused without the second
    assert "capabilities" not in rights and "privileged" not in rights
    # An ordinary user, and a volume that belongs to that user's group.
    assert pod["securityContext"]["fsGroup"] == pod["securityContext"]["runAsUser"] == _kubernetes.USER != 0


def test_the_image_is_the_one_that_the_environment_names(monkeypatch, course, capsys):
    monkeypatch.setenv("MLELAB_GRADE_IMAGE", "registry.example.edu/mle-course-grade:7")
    assert results(course) == []
    assert "registry.example.edu/mle-course-grade:7" in capsys.readouterr().out
    assert manifest()["spec"]["template"]["spec"]["containers"][0]["image"] == "registry.example.edu/mle-course-grade:7"


def test_it_is_said_that_the_image_must_be_named(course, capsys):
    assert results(course) == []
    assert "set MLELAB_GRADE_IMAGE to the name it has in your registry" in capsys.readouterr().out


@pytest.mark.parametrize("parts", [(2,), (1, 1)])
def test_to_grade_again_is_to_wait_for_new_results(course, parts):
    for says in ("first", "second", "third"):
        assert results(course) == []
        for part in parts:
            graded(course, says, part)
            found = results(course)
            assert {result["says"] for result in found} == {says}
        assert [result["student"] for result in found] == ["ada", "grace"]
