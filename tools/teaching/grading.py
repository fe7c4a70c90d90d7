"""Grade one submission: run it in the sandbox, have each check decided outside of it, say what happened.

    result = grade(job)     # both are plain data

Nothing that the notebook shows earns a point: see teaching/judge.py. What goes wrong before the student's first cell,
or in our own code, is a Fault and no result: nothing of it is stored.
"""

import ast
import contextlib
import hashlib
import json
import os
import re
import tempfile
import time
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from itertools import islice
from pathlib import Path

import nbformat

from mlelab.check import open_lab
from mlelab.check.outcome import RIGHT
from teaching import judge, sandbox
from teaching.results import STOPPED

ROOT = Path(__file__).resolve().parents[2]
MIME = re.compile(r"[\w.+-]+/[\w.+-]+")
HIDDEN = re.compile(r"\n*### BEGIN HIDDEN TESTS.*?(?:### END HIDDEN TESTS|\Z)", re.S)
DECIDE = ("grading", "judge", "repair", "results", "runner", "sandbox")  # what we give points by
AGAIN = "When that is repaired, the same command grades what is left."


_idle: list = []  # checking processes that wait for the next submission: one starts in seconds


class Fault(Exception):
    """Why a submission could not be graded, which is no fault of its student: one sentence without its full stop."""


def batch(jobs: list[dict], workers: int):
    """The results of all jobs in the order in which they are done; no other begins before one is taken.

    Threads are enough: each waits for a sandbox.
    """
    pool, left = ThreadPoolExecutor(workers), iter(jobs)
    running = {pool.submit(safely, job) for job in islice(left, workers)}
    try:
        while running:
            done = wait(running, return_when=FIRST_COMPLETED).done.pop()
            running.remove(done)
            yield done.result()
            running |= {pool.submit(safely, job) for job in islice(left, 1)}
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def safely(job: dict) -> dict:
    """The result of a job; `fault` says why there is none, so that one submission does not stop the others."""
    try:
        return grade(job) | {"digest": job["digest"], "handed_in": job.get("handed_in"), "fault": None}
    except Fault as fault:
        why = str(fault)
    except OSError as error:
        why = f"{error.strerror or type(error).__name__} on this machine"
    except Exception as error:  # whatever it is, it is ours: grade() never raises for what a submission holds
        why = f"the grader itself failed on it ({type(error).__name__}: {_plain(error)})"
    return {"student": job["student"], "fault": why}


def grade(job: dict) -> dict:
    """The result of one submission; it never raises for anything that a submission holds, and Fault for our faults.

    job: student, area, notebook (text, repaired), graded (by name: source, points), released (code of the lab),
    functions (by exercise), files (helpers by name, in base64), repairs, limits, unsafe. The result has checks, says,
    notebook.
    """
    begun = time.monotonic()
    notebook = nbformat.reads(job["notebook"], as_version=4)
    cells, asked = _cells(notebook, job)
    limits = sandbox.Limits(**job["limits"])
    with _judge() as decides, tempfile.TemporaryDirectory(prefix="mlelab-ports-") as ports:
        if asked and not decides.begin(job["area"]):
            raise Fault("the checking process did not start")
        os.chmod(ports, 0o755)
        for name in asked:
            for end in ("ask", "say"):
                os.mkfifo(Path(ports) / f"{name}.{end}")
                os.chmod(Path(ports) / f"{name}.{end}", 0o666)

        def hear(line: dict) -> None:
            if line.get("asked") in asked:
                decides.ask(job["area"], Path(ports), line["asked"], asked[line["asked"]])
            elif isinstance(line.get("cell"), int) and "outputs" in line:
                name = cells[line["cell"]]["name"]
                if name in asked:
                    decides.hear(name, failed=any(output.get("output_type") == "error" for output in line["outputs"]))

        said = sandbox.run({"cells": cells, "area": job["area"], "files": job["files"]}, limits, Path(ports), hear,
                           job["unsafe"])
    if fault := _fault(said) or next((what["fault"] for what in decides.outcomes.values() if "fault" in what), None):
        raise Fault(fault)
    happened = _put_outputs(notebook, said, limits)
    checks = [_decided(cell, decides.outcomes.get(cell.metadata.nbgrader.grade_id)) for cell in _graded(notebook)]
    score, points = sum(check["score"] for check in checks), sum(check["points"] for check in checks)
    repaired = [f"repaired: {_few([repair.rstrip('.') for repair in job['repairs']])}"] if job["repairs"] else []
    says = f"{score:g} of {points:g} points" + "".join(f"; {what}" for what in [*happened, *repaired])
    return {"student": job["student"], "area": job["area"], "problem": None, "says": says + ".", "checks": checks,
            "seconds": round(time.monotonic() - begun, 1), "notebook": nbformat.writes(notebook)}


@contextlib.contextmanager
def _judge():
    try:
        decides = _idle.pop()
    except IndexError:
        decides = judge.Judge()
    decides.outcomes = {}
    try:
        yield decides
    finally:
        _idle.append(decides)


def _fault(said: list[dict]) -> str | None:
    """Why this run says nothing about the student's work, or None: before the first cell all that fails is ours."""
    last = said[-1]
    why = f" ({_plain(last['why'])})" if last.get("why") else ""
    if last["ended"] == "killed":
        return f"the sandbox was ended from outside{why}"
    if last["ended"] == "machine":
        return "this machine ran out of memory while it ran; give it more, or take fewer --jobs"
    if not any("started" in line for line in said):
        return {"start": "the kernel did not start"}.get(last["ended"], "the sandbox ended before the kernel was "
                                                         "there") + why
    return None


def _cells(notebook, job: dict) -> tuple[list[dict | None], dict[str, dict]]:
    """What the runner gets for each cell; by name of a graded cell what the checking process is asked."""
    imports = "\n".join(_imports(job["released"]))
    cells, asked = [], {}
    for cell in notebook.cells:
        if cell.cell_type != "code":
            cells.append(None)
            continue
        name = cell.metadata.get("nbgrader", {}).get("grade_id")
        run = {"name": name, "source": cell.source, "asked": None}
        if cell.metadata.get("nbgrader", {}).get("grade") and (graded := job["graded"].get(name)):
            cell.source, cell.metadata.nbgrader["points"] = HIDDEN.sub("", graded["source"]), graded["points"]
            call = called(graded["source"], job["area"])
            functions, check = ([call[2]], call[:2]) if call else (sum(job["functions"].values(), []), None)
            run["asked"] = functions, check
            asked[name] = {"functions": functions, "check": check, "code": f"{imports}\n{graded['source']}"}
        cells.append(run)
    return cells, asked


def called(source: str, area: str) -> tuple[str, str | None, str] | None:
    """("0.2", None, "late_share"), exercise, part and answer, of a cell that is only `check.late_share(late_share)`."""
    body = ast.parse(source).body if "HIDDEN TESTS" not in source else []
    call = body[0].value if len(body) == 1 and isinstance(body[0], ast.Expr) else None
    if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and not call.keywords
            and isinstance(call.func.value, ast.Name) and call.func.value.id == "check"):
        return None
    numbers = {exercise.name: number for number, exercise in open_lab(area).exercises.items()}
    part = call.args[1] if len(call.args) > 1 else ast.Constant(None)
    answer = call.args[0].id if call.args and isinstance(call.args[0], ast.Name) else ""
    known = call.func.attr in numbers and isinstance(part, ast.Constant)
    return (numbers[call.func.attr], part.value, answer) if known else None


def _imports(released: list[str]) -> list[str]:
    """What the cells of a lab import at their top level: code of yours knows these names, too."""
    return [ast.unparse(node) for source in released if "%pip" not in source for node in ast.parse(source).body
            if isinstance(node, (ast.Import, ast.ImportFrom))]


def _graded(notebook) -> list:
    return [cell for cell in notebook.cells if cell.metadata.get("nbgrader", {}).get("grade")]


def _put_outputs(notebook, said: list[dict], limits) -> list[str]:
    """Put what the runner said into the notebook, and say what went wrong."""
    happened, errors, cut = [], [], False
    for line in said:
        number = line.get("cell")
        if not isinstance(number, int) or not 0 <= number < len(notebook.cells) or "outputs" not in line:
            continue
        cell = notebook.cells[number]
        cell.outputs = [output for output in map(_sound, line["outputs"]) if output and not (
            output.output_type == "error" and "This copy of the course cannot check" in output.evalue)]  # nor must it
        cell.execution_count = line["count"] if isinstance(line["count"], int) else None
        cut = cut or line["cut"]
        if line["loud"]:
            happened.append(f"cell {number + 1} was interrupted for putting out too much")
        if line["late"]:
            happened.append(f"cell {number + 1} did not end within {limits.cell:g} s")
        error = next((output for output in cell.outputs if output.output_type == "error"), None)
        graded = cell.metadata.get("nbgrader", {}).get("grade")
        if error and not graded and error.ename not in ("NotImplementedError", "NotRight", "KeyboardInterrupt"):
            named = f"{_plain(error.ename)}: {_plain(error.evalue)}".strip(": ")
            errors.append(f"cell {number + 1} ended with {named}")
    if cut:
        happened.append(f"more than {limits.output:g} MB of output was cut off")
    last = said[-1]
    where = f" in cell {last['cell'] + 1}" if isinstance(last.get("cell"), int) else ""
    more = {
        "late": f"the kernel did not heed the interrupt{where} and was ended",
        "died": f"the kernel died{where}; what stands below was not run",
        "wall": f"the notebook was ended after {limits.wall:g} s",
        "memory": f"it was ended for using more than {limits.memory:g} GiB of memory",
        "processes": f"it was ended for starting more than {limits.processes} processes",
        "said too much": "it was ended for putting out too much",
        "end": "",
    }.get(last["ended"], f"the sandbox ended early ({_plain(last.get('why', '')) or 'it does not say why'})")
    others = len(errors) - 2
    few = [*errors[:2], *([f"{others} more cells ended with an error"] if others > 0 else [])]
    return [*happened[:4], *([more] if more else []), *few]


def _sound(output: dict):
    """An output as nbformat knows it, or None: a student's process may have said anything."""
    kind = output["output_type"]
    made = {"output_type": kind}
    if kind == "stream":
        made |= {"name": "stderr" if output.get("name") == "stderr" else "stdout", "text": str(output.get("text", ""))}
    elif kind == "error":
        made |= {"ename": str(output.get("ename", "")), "evalue": str(output.get("evalue", "")),
                 "traceback": [str(line) for line in output.get("traceback") or []]}
    else:
        data = output.get("data") if isinstance(output.get("data"), dict) else {}
        made |= {"data": {kind: value for kind, value in data.items() if MIME.fullmatch(kind)}, "metadata": {}}
        if kind == "execute_result":
            made["execution_count"] = None
    node = nbformat.from_dict(made)
    try:
        nbformat.v4.nbbase.validate(node, ref="output")
    except Exception:  # jsonschema's or fastjsonschema's
        return None
    return node


def _plain(text: str) -> str:
    """One short line without colours."""
    line = re.sub(r"\x1b\[[\d;]*m", "", str(text)).strip().split("\n")[0]
    return "".join(letter if letter.isprintable() else "?" for letter in line)[:120].rstrip(".")


def _few(things: list[str]) -> str:
    return ", ".join(things[:3]) + (f" and {len(things) - 3} more" if len(things) > 3 else "")


def _decided(cell, outcome: dict | None) -> dict:
    """What one graded cell earned, and why; its outputs say the same, whatever the notebook has shown there."""
    name, points = cell.metadata.nbgrader.grade_id, float(cell.metadata.nbgrader.points)
    says = next((_plain(f"{output.ename}: {output.evalue}") for output in cell.outputs
                 if output.output_type == "error"), "No points: it was not run to its end.")
    outcome = outcome or {"verdict": STOPPED, "says": says}
    text = outcome.get("text") or outcome["says"]
    cell.outputs = [nbformat.v4.new_output("display_data", data={"text/plain": text} | (
        {"text/html": outcome["html"]} if "html" in outcome else {}))]
    if outcome["verdict"] != RIGHT:
        cell.outputs.append(nbformat.v4.new_output("error", ename="NotRight", evalue=text, traceback=[outcome["says"]]))
    return {"name": name, "points": points, "score": points if outcome["verdict"] == RIGHT else 0,
            "verdict": outcome["verdict"], "says": outcome["says"], "misconception": outcome.get("misconception"),
            "why": outcome.get("why")}


def digest(job: dict) -> str:
    """What a result depends on: the submission, the lab as released, the checks, and how we grade."""
    words = hashlib.sha256()
    rest = [job[name] for name in ("graded", "released", "limits", "files")]
    for part in (job["notebook"], json.dumps(rest, sort_keys=True), _code_digest(job["area"])):
        words.update(part.encode())
    return words.hexdigest()


def _code_digest(area: str) -> str:
    words = hashlib.sha256()
    checks = ROOT / "mlelab" / "check"
    files = [*sorted(checks.glob("*.py")), *sorted((checks / area).glob("*.py")), checks / "corpus" / f"{area}.json",
             *(Path(__file__).with_name(f"{name}.py") for name in DECIDE)]
    for path in files:
        if path.exists() and (not path.name[0].isdigit() or path.stem == area):
            words.update(path.name.encode() + path.read_bytes())
    return words.hexdigest()
