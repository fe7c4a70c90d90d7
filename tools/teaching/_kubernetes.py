"""Grading on Kubernetes: one indexed Job, whose pods share out the submissions.

`autograde AREA --executor kubernetes` writes grading/AREA/ in the course's folder: jobs/ with a file for each
submission, and job.yaml. Put that folder on the volume that the Job names, `kubectl apply -f job.yaml`, bring results/
back, and run the same command again: it enters what is there. Pods see neither gradebook nor course.
"""

import hashlib
import json
from pathlib import Path

CLAIM, IMAGE = "mlelab-grading", "mle-course:0.1.0"  # made from tools/hub/Dockerfile


def execute(jobs: list[dict], pods: int, course: Path, area: str):
    """The results that came back; the rest is written out for the pods."""
    from teaching import _class

    folder = course / "grading" / area
    waiting = []
    for job in jobs:
        path = folder / "results" / f"{name_of(job)}.json"
        if path.exists():
            yield json.loads(path.read_text(encoding="utf-8"))
        else:
            waiting.append(job)
    for old in folder.glob("jobs/*.json"):
        old.unlink()
    for job in waiting:
        _class.save(folder / "jobs" / f"{name_of(job)}.json", json.dumps(job))
    if waiting:
        _class.save(folder / "job.yaml", manifest(area, min(pods, len(waiting)), waiting[0]["limits"]))
        print(f"{len(waiting)} submissions wait in {folder}: put it on the volume {CLAIM}, run `kubectl apply -f "
              "job.yaml`, bring results/ back, and run this command again.")


def name_of(job: dict) -> str:
    """A name that changes with what is graded."""
    return hashlib.sha256(f"{job['student']} {job['digest']}".encode()).hexdigest()[:24]


def manifest(area: str, pods: int, limits: dict) -> str:
    """The Job as YAML. In a pod, bubblewrap needs namespaces of its own and an unmasked /proc."""
    import yaml

    memory = f"{int(1024 * (limits['memory'] + 1))}Mi"
    command = ["python", "tools/teaching/_executors.py", "/grading"]
    container = {
        "name": "grade", "image": IMAGE, "imagePullPolicy": "IfNotPresent", "workingDir": "/opt/course",
        "command": ["sh", "-c", f"exec {' '.join(command)} \"$JOB_COMPLETION_INDEX\" {pods}"],
        "resources": {"requests": {"cpu": "1", "memory": memory}, "limits": {"cpu": "2", "memory": memory}},
        "securityContext": {"procMount": "Unmasked", "allowPrivilegeEscalation": False,
                            "seccompProfile": {"type": "Unconfined"}},
        "volumeMounts": [{"name": "grading", "mountPath": "/grading", "subPath": area}],
    }
    pod = {"restartPolicy": "Never", "automountServiceAccountToken": False, "enableServiceLinks": False,
           "hostUsers": False, "containers": [container],
           "volumes": [{"name": "grading", "persistentVolumeClaim": {"claimName": CLAIM}}]}
    job = {"apiVersion": "batch/v1", "kind": "Job",
           "metadata": {"name": f"grade-{area.replace('_', '-')}", "labels": {"app": "mlelab-grading"}},
           "spec": {"completionMode": "Indexed", "completions": pods, "parallelism": pods, "backoffLimit": 3,
                    "ttlSecondsAfterFinished": 86_400, "template": {
                        "metadata": {"labels": {"app": "mlelab-grading"}}, "spec": pod}}}
    head = ("# Not run by the course's tests, which have no cluster; it is checked against the schema of Kubernetes.\n"
            "# Students' code runs in a sandbox inside the pod: it needs user namespaces (hostUsers, seccomp) and an\n"
            "# unmasked /proc, and no other privilege.\n")
    return head + yaml.safe_dump(job, sort_keys=False)
