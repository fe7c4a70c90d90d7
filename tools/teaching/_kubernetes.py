"""Grading on Kubernetes: one indexed Job, whose pods share out the submissions.

`autograde AREA --executor kubernetes` writes grading/AREA/ in the course's folder: jobs/ with a file for each
submission, and job.yaml. Put that folder on the volume that the Job names, start the Job, bring results/ back, and run
the same command again: it enters what is there. Pods see neither gradebook nor course. The environment variable
MLELAB_GRADE_IMAGE says where your registry has the image.
"""

import hashlib
import json
import os
from pathlib import Path

CLAIM, USER = "mlelab-grading", 1000  # the volume; whom the image made from tools/hub/Dockerfile runs as
IMAGE = "mle-course-grade:0.1.0"


def execute(jobs: list[dict], pods: int, course: Path, area: str):
    """The results that came back; the rest is written out for the pods."""
    from teaching import _class

    folder = course / "grading" / area
    waiting = []
    for job in jobs:
        name = name_of(job, folder)
        path = folder / "results" / name
        if path.exists():
            yield json.loads(path.read_text(encoding="utf-8"))
        else:
            waiting.append((name, job))
    for old in folder.glob("jobs/*.json"):
        old.unlink()
    for name, job in waiting:
        _class.save(folder / "jobs" / name, json.dumps(job))
    if waiting:
        _class.save(folder / "job.yaml", manifest(area, min(pods, len(waiting)), waiting[0][1]["limits"]))
        print(f"{len(waiting)} submissions wait in {folder}: put it on the volume {CLAIM}, run `kubectl replace "
              "--force -f job.yaml`, bring results/ back, and run this command again.\n"
              f"The pods run the image {image()}; set MLELAB_GRADE_IMAGE to the name it has in your registry.")
    else:  # the round is over: --again asks for new results, under the next names
        for path in folder.glob("results/*.json"):
            _class.save(folder / "entered" / path.name, "")


def image() -> str:
    return os.environ.get("MLELAB_GRADE_IMAGE", IMAGE)


def name_of(job: dict, folder: Path) -> str:
    """A name that changes with what is graded, and with how often it was."""
    stem = hashlib.sha256(f"{job['student']} {job['digest']}".encode()).hexdigest()[:24]
    return f"{stem}-{len(list(folder.glob(f'entered/{stem}-*.json'))) + 1}.json"


def manifest(area: str, pods: int, limits: dict) -> str:
    """The Job as YAML. In a pod, bubblewrap needs namespaces of its own, mounts, and an unmasked /proc."""
    import yaml

    memory = f"{int(1024 * (limits['memory'] + 1))}Mi"
    command = ["python", "tools/teaching/_executors.py", "/grading"]
    container = {
        "name": "grade", "image": image(), "imagePullPolicy": "IfNotPresent", "workingDir": "/opt/course",
        "command": ["sh", "-c", f"exec {' '.join(command)} \"$JOB_COMPLETION_INDEX\" {pods}"],
        "resources": {"requests": {"cpu": "1", "memory": memory}, "limits": {"cpu": "2", "memory": memory}},
        "securityContext": {"procMount": "Unmasked", "allowPrivilegeEscalation": False,
                            "seccompProfile": {"type": "Unconfined"}, "appArmorProfile": {"type": "Unconfined"}},
        "volumeMounts": [{"name": "grading", "mountPath": "/grading", "subPath": area}],
    }
    pod = {"restartPolicy": "Never", "automountServiceAccountToken": False, "enableServiceLinks": False,
           "hostUsers": False, "containers": [container],
           "securityContext": {"runAsUser": USER, "runAsGroup": USER, "fsGroup": USER},
           "volumes": [{"name": "grading", "persistentVolumeClaim": {"claimName": CLAIM}}]}
    job = {"apiVersion": "batch/v1", "kind": "Job",
           "metadata": {"name": f"grade-{area.replace('_', '-')}", "labels": {"app": "mlelab-grading"}},
           "spec": {"completionMode": "Indexed", "completions": pods, "parallelism": pods, "backoffLimit": 3,
                    "ttlSecondsAfterFinished": 86_400, "template": {
                        "metadata": {"labels": {"app": "mlelab-grading"}}, "spec": pod}}}
    head = ("# Not run by the course's tests, which have no cluster; it is checked against the schema of\n"
            "# Kubernetes. Students' code runs in a sandbox inside the pod, started by an ordinary user without\n"
            "# capabilities. To build it, that user needs what most clusters deny: user namespaces and mounts\n"
            "# (hostUsers: false, no profile of seccomp and AppArmor) and an unmasked /proc. So take Kubernetes\n"
            "# 1.33 or newer, in a namespace whose pod-security.kubernetes.io/enforce is `privileged`. Nodes with\n"
            "# Ubuntu 23.10 or newer may also need kernel.apparmor_restrict_unprivileged_userns=0. The volume\n"
            "# must allow ID-mapped mounts, which NFS does not; if it ignores fsGroup, make its folder writable\n"
            f"# for the group {USER} yourself.\n")
    return head + yaml.safe_dump(job, sort_keys=False)
