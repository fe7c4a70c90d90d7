"""Grade one submission: run it in the sandbox, believe signed evidence and nothing else, say what happened.

    result = grade(job)     # both are plain data

Points need evidence that the student's kernel signed with this run's key: see teaching/guard.py. What goes wrong before
the student's first cell, or in our own code, is a Fault and no result: nothing of it is stored.
"""

import ast
import base64
import hashlib
import hmac
import json
import os
import re
import secrets
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MIME = re.compile(r"[\w.+-]+/[\w.+-]+")
DECIDE = ("grading", "guard", "judge", "repair", "results", "runner", "sandbox", "suspect")  # what we give points by
AGAIN = "When that is repaired, the same command grades what is left."


_mine = threading.local()  # of each thread that grades


class Fault(Exception):
    """Why a submission could not be graded, which is no fault of its student: one sentence without its full stop."""


def batch(jobs: list[dict], workers: int):
    """The results of all jobs in the order in which they are done. Threads are enough: each waits for a sandbox."""
    from concurrent.futures import ThreadPoolExecutor, as_completed

    pool = ThreadPoolExecutor(workers)
    try:
        for done in as_completed([pool.submit(safely, job) for job in jobs]):
            yield done.result()
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
    functions (by exercise), files (helpers by name, in base64), repairs, limits, unsafe, trusted. The result has
    checks, says, held, remarks, notebook.
    """
    import nbformat

    from teaching import judge, sandbox

    begun = time.monotonic()
    notebook = nbformat.reads(job["notebook"], as_version=4)
    cells, expected, asked = _cells(notebook, job)
    limits = sandbox.Limits(**job["limits"])
    key = secrets.token_hex(32)
    decides = vars(_mine).setdefault("judge", judge.Judge())
    decides.outcomes = {}
    if asked and not decides.begin(job["area"]):
        raise Fault("the checking process did not start")
    with tempfile.TemporaryDirectory(prefix="mlelab-ports-") as ports:
        os.chmod(ports, 0o755)
        _lend_oracles(job, Path(ports))
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

        said = sandbox.run({"cells": cells, "key": key, "word": f"_{secrets.token_hex(16)}", "area": job["area"],
                            "files": job["files"], "imports": _imports(job["released"]),
                            "wrong_answers": _wrong_answers(job["area"])}, limits, Path(ports), hear, job["unsafe"])
    if fault := _fault(said) or next((what["fault"] for what in decides.outcomes.values() if "fault" in what), None):
        raise Fault(fault)
    happened = _put_outputs(notebook, said, limits)
    evidence = _evidence(said, key, notebook)
    suspect = _suspects(notebook, job)
    held = bool(suspect) and not job["trusted"]
    checks = [_decided(cell, decides.outcomes.get(cell.metadata.nbgrader.grade_id))
              if cell.metadata.nbgrader.grade_id in asked else _check(cell, expected, evidence, held)
              for cell in _graded(notebook)]
    tampered = [f"{check.pop('tampered')}, so {check['title']} earns nothing" for check in checks if check["tampered"]]
    would = any(check["held"] for check in checks)
    if would:
        happened.append(f"points are held back until you have looked at {_few(suspect)}; if it is honest, run "
                        f"`autograde {job['area']} --trust {job['student']}`")
    for check in checks:
        check.pop("tampered", None), check.pop("title", None)
    score, points = sum(check["score"] for check in checks), sum(check["points"] for check in checks)
    repaired = [f"repaired: {_few([repair.rstrip('.') for repair in job['repairs']])}"] if job["repairs"] else []
    says = f"{score:g} of {points:g} points" + "".join(f"; {what}" for what in [*tampered, *happened, *repaired])
    return {"student": job["student"], "area": job["area"], "problem": None, "says": says + ".", "held": would,
            "remarks": suspect, "checks": checks, "seconds": round(time.monotonic() - begun, 1),
            "notebook": nbformat.writes(notebook)}


def _lend_oracles(job: dict, ports: Path) -> None:
    """For the checks that must run beside the answer all the same: what they compare with, and no other."""
    packed = ROOT / "mlelab" / "check" / "oracles" / f"{job['area']}.json"
    calls = [called(job["graded"][name]["source"], job["area"]) for name in job.get("beside", ())]
    numbers = {call[0] for call in calls if call}
    if numbers and packed.exists():
        oracles = {number: text for number, text in json.loads(packed.read_text()).items() if number in numbers}
        (ports / packed.name).write_text(json.dumps(oracles))
        os.chmod(ports / packed.name, 0o644)


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


def _cells(notebook, job: dict) -> tuple[list[dict | None], dict[str, dict], dict[str, dict]]:
    """What the runner gets for each cell; by name of a graded cell what its evidence must say, or what we ask it."""
    from teaching import judge

    outside = judge.outside(job["area"])
    cells, expected, asked = [], {}, {}
    for cell in notebook.cells:
        if cell.cell_type != "code":
            cells.append(None)
            continue
        name = cell.metadata.get("nbgrader", {}).get("grade_id")
        graded = job["graded"].get(name) if cell.metadata.get("nbgrader", {}).get("grade") else None
        run = {"name": name, "source": cell.source, "hidden": None, "asked": None}
        if graded:
            cell.source = run["source"] = graded["source"]
            cell.metadata.nbgrader["points"] = graded["points"]
            call = called(cell.source, job["area"])
            if call and call[:2] in outside and name not in job.get("beside", ()):
                run["asked"] = call[2]
                asked[name] = {"exercise": call[0], "part": call[1]}
            elif call:
                expected[name] = {"exercise": call[0], "part": call[1], "right": True}
            else:
                code = hashlib.sha256(cell.source.encode()).hexdigest()
                expected[name] = {"hidden": name, "code": code, "right": True}
                exercise = ".".join(name.split("-")[1:3])
                everything = sum(job["functions"].values(), [])
                run["hidden"] = job["functions"].get(exercise) or everything
        cells.append(run)
    return cells, expected, asked


def called(source: str, area: str) -> tuple[str, str | None, str] | None:
    """("0.2", None, "late_share"), exercise, part and answer, of a cell that is only `check.late_share(late_share)`."""
    from mlelab.check import open_lab

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


def _imports(released: list[str]) -> list[tuple[str, str, str | None]]:
    """(name, module, attribute or None) of what the cells of a lab import at their top level."""
    found = []
    for source in released:
        for node in ast.parse(source).body if "%pip" not in source else []:
            if isinstance(node, ast.Import):
                found += [(alias.asname or alias.name.split(".")[0],
                           alias.name if alias.asname else alias.name.split(".")[0], None) for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level:
                found += [(alias.asname or alias.name, node.module, alias.name) for alias in node.names]
    return found


def _wrong_answers(area: str) -> str:
    path = ROOT / "tests" / "wrong_answers" / f"{area}.py"
    return path.read_text(encoding="utf-8") if path.exists() else ""


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
    import nbformat

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


def _evidence(said: list[dict], key: str, notebook) -> dict[str, dict]:
    """By name of a graded cell, what its own signed evidence says."""
    found = {}
    for line in said:
        number = line.get("cell")
        if not isinstance(number, int) or not 0 <= number < len(notebook.cells):
            continue
        name = notebook.cells[number].metadata.get("nbgrader", {}).get("grade_id")
        for piece in line.get("said", []) if name else []:
            if not isinstance(piece, dict) or not all(isinstance(piece.get(k), str) for k in ("said", "signed")):
                continue
            right = hmac.new(key.encode(), piece["said"].encode(), hashlib.sha256).hexdigest()
            if hmac.compare_digest(right, piece["signed"]):
                what = json.loads(piece["said"])
                if name not in found or what.get("right") is not True:  # one that speaks against it counts
                    found[name] = what
    return found


def _suspects(notebook, job: dict) -> list[str]:
    from teaching.suspect import suspects

    cells = [(f"cell {number}", cell.source) for number, cell in enumerate(notebook.cells, start=1)
             if cell.cell_type == "code" and not cell.metadata.get("nbgrader", {}).get("grade")]
    cells += [(name, base64.b64decode(data).decode(errors="replace")) for name, data in job["files"].items()
              if name.endswith(".py")]
    return [_plain(what) for what in suspects(cells, job["released"])]


def _few(things: list[str]) -> str:
    return ", ".join(things[:3]) + (f" and {len(things) - 3} more" if len(things) > 3 else "")


def _check(cell, expected: dict, evidence: dict, held: bool) -> dict:
    """What one graded cell earned and why; its outputs are made to say the same to nbgrader."""
    import nbformat

    from mlelab.check.outcome import RIGHT
    from teaching.results import STOPPED, Check, verdict_of

    name, points = cell.metadata.nbgrader.grade_id, float(cell.metadata.nbgrader.points)
    verdict, misconception, says = verdict_of(cell)
    proof = evidence.get(name, {})
    earned = proof == expected.get(name)
    tampered = ""
    if "changed" in proof:
        tampered = f"{_plain(proof['changed'])} is not what it was before the first cell"
    elif "fooled" in proof:
        tampered = f"the check also takes a wrong answer for right ({_plain(proof['fooled'])})"
    elif not earned and verdict == RIGHT:
        tampered = "it says right and there is no evidence that the check ran"
    if earned:
        verdict, misconception = RIGHT, None
        cell.outputs = [output for output in cell.outputs if output.output_type == "display_data"
                        or output.output_type == "stream" and output.name == "stdout"]
        if held:
            says = "Held back until somebody has looked at the code."
    elif verdict == RIGHT:
        verdict, misconception, says = STOPPED, None, f"No points: {tampered}."
    if (not earned or held) and not any(output.output_type == "error" for output in cell.outputs):
        says = says or "No points: it was not run."
        cell.outputs.append(nbformat.v4.new_output("error", ename="NoPoints", evalue=says, traceback=[says]))
    check = Check(name, points, points if earned and not held else 0, verdict, misconception, says)
    return {"name": name, "points": points, "score": check.score, "verdict": verdict, "misconception": misconception,
            "says": says, "held": held and earned, "tampered": tampered, "title": check.title}


def _decided(cell, outcome: dict | None) -> dict:
    """What one graded cell earned that was decided outside of the student's process, and why."""
    import nbformat

    from mlelab.check.outcome import RIGHT
    from teaching.results import STOPPED, Check

    name, points = cell.metadata.nbgrader.grade_id, float(cell.metadata.nbgrader.points)
    says = next((_plain(f"{output.ename}: {output.evalue}") for output in cell.outputs
                 if output.output_type == "error"), "No points: it was not run to its end.")
    outcome = outcome or {"verdict": STOPPED, "says": says}
    text = outcome.get("text") or outcome["says"]
    cell.outputs = [nbformat.v4.new_output("display_data", data={"text/plain": text} | (
        {"text/html": outcome["html"]} if "html" in outcome else {}))]
    if outcome["verdict"] != RIGHT:
        cell.outputs.append(nbformat.v4.new_output("error", ename="NotRight", evalue=text, traceback=[outcome["says"]]))
    check = Check(name, points, points if outcome["verdict"] == RIGHT else 0, outcome["verdict"])
    return {"name": name, "points": points, "score": check.score, "verdict": check.verdict, "says": outcome["says"],
            "misconception": outcome.get("misconception"), "held": False, "tampered": "", "title": check.title,
            "outside": True}


def digest(job: dict) -> str:
    """What a result depends on: the submission, the lab as released, the checks, and how we grade."""
    words = hashlib.sha256()
    rest = [job[name] for name in ("graded", "released", "trusted", "limits", "files")]
    for part in (job["notebook"], json.dumps(rest, sort_keys=True), _code_digest(job["area"])):
        words.update(part.encode())
    return words.hexdigest()


def _code_digest(area: str) -> str:
    words = hashlib.sha256()
    checks = ROOT / "mlelab" / "check"
    files = [*sorted(checks.glob("*.py")), *sorted((checks / area).glob("*.py")), checks / "corpus" / f"{area}.json",
             ROOT / "tests" / "wrong_answers" / f"{area}.py",
             *(Path(__file__).with_name(f"{name}.py") for name in DECIDE)]
    for path in files:
        if path.exists() and (not path.name[0].isdigit() or path.stem == area):
            words.update(path.name.encode() + path.read_bytes())
    return words.hexdigest()
