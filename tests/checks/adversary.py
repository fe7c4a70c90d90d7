"""An adversary that needs no imagination: mutants, frozen arguments, spoilt inputs and junk against one exercise.

The ledger says for each exercise what was tried and what survived, and which of its other pieces came out wrong, under
the hash of solution and check. A survivor is killed by a better check, or declared in equivalent/:
{"1.2": {"what": "reason"}}.
"""

import ast
import contextlib
import copy
import functools
import hashlib
import inspect
import json
import math
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from mlelab.check import draw as drawing
from mlelab.check import engine, port
from mlelab.check.engine import OurFault
from mlelab.check.lab import Exercise
from mlelab.check.outcome import RIGHT
from mlelab.check.review import Review
from mlelab.check.source import lab_source, self_contained
from tests.checks.mutants import mutants
from tests.checks.pieces import learner_function, verdict

HERE = Path(__file__).parent
JUNK = (None, [], {}, math.nan, -1, "junk", (), object(), np.zeros(3), pd.DataFrame({"a": [1]}), True)
PATIENCE = 3.0  # seconds for one call of a mutant


def victims(exercise: Exercise) -> list[tuple[str, Callable]]:
    """(what, function) of everything that a check must reject, beside the named mistakes."""
    if isinstance(exercise.body, Review):
        return list(_of_a_review(exercise))
    made = []
    written = not inspect.signature(learner_function(exercise)).parameters
    words = getattr(exercise.spec(exercise.parts[0] if exercise.parts else None), "words", ())
    for mutant in mutants(self_contained(lab_source(exercise.lab.area), exercise.number), written, words):
        with contextlib.suppress(Exception):  # a mutant that cannot even be defined is dead
            made.append((mutant.what, mutant.function(exercise.name)))
    return made + list(_frozen(exercise))


def _of_a_review(exercise: Exercise) -> Iterator[tuple[str, Callable]]:
    """Our answer with another input for one function: one that exposes nothing, ours for another function, None.

    A review's answer is data, and many inputs are right, so mutants of ours say nothing; drawn inputs do.
    """
    review, ours = exercise.body, learner_function(exercise)()
    spec, parameters = review.of.spec(), inspect.signature(review.valid).parameters
    drawn = [{name: inputs[name] for name in parameters if name in inputs} for inputs, _ in engine.draws(spec, 60)]
    for part in review.functions:
        others = [ours[name] for name in review.functions if name != part and ours[name] is not None]
        tame = [given for given in others + drawn if review.tried(part, given)[-1] is None][:6]
        for given in tame + [None] * (review.named[part] is not None):
            yield f"{part}: {given}"[:90], lambda part=part, given=given: ours | {part: given}


def _frozen(exercise: Exercise) -> Iterator[tuple[str, Callable]]:
    """The solution with one argument held at a value that it has had: two such for each argument that ever varies."""
    ours = learner_function(exercise)
    signature = inspect.signature(ours)
    spec = exercise.spec(exercise.parts[0] if exercise.parts else None)
    seen: dict[str, list] = {name: [] for name in signature.parameters}

    def recorded(*args, **kwargs):
        for name, value in signature.bind(*args, **kwargs).arguments.items():
            if len(seen[name]) < 2 and all(not _equal(value, other) for other in seen[name]):
                seen[name].append(value)
        return ours(*args, **kwargs)

    for seed in range(40 if spec else 0):
        inputs, _ = drawing.draw(spec.inputs, rng=np.random.default_rng(seed))
        engine.observe(spec, recorded, inputs)
        if all(len(values) == 2 for values in seen.values()):
            break
    for name, values in seen.items():
        for number, value in enumerate(values if len(values) == 2 else []):
            yield f"argument `{name}` is frozen #{number + 1}", _with_frozen(ours, name, value)


def _with_frozen(function, name, value):
    signature = inspect.signature(function)

    def frozen(*args, **kwargs):
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        bound.arguments[name] = copy.deepcopy(value)
        return function(*bound.args, **bound.kwargs)

    return frozen


def _equal(one, other) -> bool:
    with contextlib.suppress(Exception):
        return engine.difference(one, other) is None
    return False


def dies(exercise: Exercise, function: Callable, part: str | None = None, seed: int = 0) -> bool:
    """Whether the check rejects a function; the engine's short way, without shrinking and naming."""
    spec = exercise.spec(part)
    if spec is None:
        outcome = verdict(exercise, function, part, seed)
        if isinstance(outcome, str):
            raise OurFault(outcome)
        return outcome.verdict != RIGHT
    try:
        return engine.first_fault(spec, function, seed)
    except port.NotAttempted:
        return True


def attack(exercise: Exercise) -> dict:
    """The ledger's entry: what was tried, what died, what survived, and tracebacks of ours."""
    declared = equivalents().get(exercise.number, {})
    survivors, broken, tried = [], [], 0
    parts = exercise.parts or (None,)
    with _patience():
        for what, function in victims(exercise):
            tried += 1
            try:
                if not any(dies(exercise, function, part) for part in parts):
                    survivors.append(what)
            except Exception as error:
                broken.append(f"{what}: {type(error).__name__}: {error}")
        passed = []
        for what, function, seen in junk(exercise):
            outcome = [verdict(exercise, function, part, 0) for part in parts]
            broken += [f"{what}: {text}" for text in outcome if isinstance(text, str)]
            if seen and all(getattr(one, "verdict", None) == RIGHT for one in outcome):
                passed.append(what)
    equivalent = [what for what in survivors if what in declared]
    left = [what for what in survivors if what not in declared]
    stale = [what for what in declared if what not in survivors]
    problems = [f"survives: {what}" for what in left] + [f"junk passes: {what}" for what in passed] + broken + [
        f"declared equivalent, and dies: {what}" for what in stale]
    return {"key": key(exercise), "named": len(exercise.mistakes), "tried": tried, "killed": tried - len(survivors),
            "equivalent": len(equivalent), "problems": problems}


def junk(exercise: Exercise) -> Iterator[tuple[str, Callable, list]]:
    """(what, the solution that returns junk always or in one call, what it returned so that was not the answer)."""
    ours = learner_function(exercise)
    for value in JUNK:
        for when in (None, 0, 1):
            seen: list = []
            yield (f"{type(value).__name__} {value!r:.20} in {'every call' if when is None else f'call {when}'}",
                   _junk(ours, value, when, seen), seen)


def _junk(ours, value, when, seen):
    calls = iter(range(10**9))

    @functools.wraps(ours)
    def function(*args, **kwargs):
        result = ours(*args, **kwargs)
        if when not in (None, next(calls)):
            return result
        if not _equal(result, value):
            seen.append(value)
        return value

    return function


@contextlib.contextmanager
def _patience():
    before, port.DEADLINE = port.DEADLINE, PATIENCE
    try:
        yield
    finally:
        port.DEADLINE = before


def unproven(exercise: Exercise, draws: int) -> list[str]:
    """Declared equivalents that differ from the solution on one of so many fresh inputs, a line each."""
    declared = equivalents().get(exercise.number, {})
    spec = exercise.spec(exercise.parts[0] if exercise.parts else None)
    left = [(what, function) for what, function in victims(exercise) if spec and what in declared]
    found = []
    for inputs, choices in engine.draws(spec, draws, seed=11) if left else ():
        expected = engine.observe(spec, spec.ours(), inputs)
        for what, function in left[:]:
            if engine.judge(spec, inputs, expected, engine.observe(spec, function, inputs)):
                found.append(f"not equivalent, on {choices}: {what}")
                left.remove((what, function))
    return found


def equivalents() -> dict[str, dict[str, str]]:
    """Survivors that change nothing, by exercise, each with its reason: {"1.2": {"what": "reason"}}."""
    found = {}
    for path in sorted((HERE / "equivalent").glob("*.json")):
        found |= json.loads(path.read_text())
    return found


def key(exercise: Exercise) -> str:
    """The hash of what a result depends on: the solution, the check's file, its kept cases."""
    spec = exercise.spec(exercise.parts[0] if exercise.parts else None)
    check = Path(sys.modules[exercise.body.__module__].__file__).read_text()
    parts = [_without_docstrings(self_contained(lab_source(exercise.lab.area), exercise.number)), check,
             json.dumps(spec.corpus if spec else None)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _without_docstrings(program: str) -> str:
    tree = ast.parse(program)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return ast.unparse(tree)


def ledger(area: str) -> dict[str, dict]:
    path = HERE / "ledger" / f"{area}.json"
    return json.loads(path.read_text()) if path.exists() else {}


def write(exercise: Exercise, problems: list[str]) -> dict:
    """Attack an exercise and write its entry, with what its other pieces have shown before."""
    entry = attack(exercise)
    entry["problems"] = problems + entry["problems"]
    entries = ledger(exercise.lab.area) | {exercise.number: entry}
    (HERE / "ledger").mkdir(exist_ok=True)
    (HERE / "ledger" / f"{exercise.lab.area}.json").write_text(json.dumps(entries, indent=1, ensure_ascii=False) + "\n")
    return entry
