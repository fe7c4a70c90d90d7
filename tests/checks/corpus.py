"""The kept cases of an exercise: a few inputs, as recorded draws, that kill every named mistake and every mutant.

They run first in each check, so that a verdict does not depend on its seed. Some broad cases, drawn and kept, follow
them, for mistakes that nobody named.
"""

import functools
import itertools
import json

from mlelab.check import draw as drawing
from mlelab.check import engine
from mlelab.check.lab import Exercise
from tests.checks.adversary import _patience, victims

POOL, BROAD = 200, 16


def write(exercise: Exercise, pool: int = POOL) -> str:
    """Make the cases of an exercise and write them; says how many, and what no case kills."""
    if exercise.spec(exercise.parts[0] if exercise.parts else None) is None:
        return f"{exercise.number}: a check with a body of its own keeps no cases"
    spec = exercise.spec(exercise.parts[0] if exercise.parts else None)
    cases, alive = make(exercise, spec, pool)
    path = engine.CORPUS / f"{exercise.lab.area}.json"
    path.parent.mkdir(exist_ok=True)
    kept = json.loads(path.read_text()) if path.exists() else {}
    kept[exercise.number] = {"inputs": engine.inputs_key(spec), "cases": cases}
    order = sorted(kept, key=lambda number: [*map(int, number.split("."))])
    body = ",\n".join(f' "{number}": {{"inputs": "{kept[number]["inputs"]}", "cases": [\n' + ",\n".join(
        "  " + json.dumps(case) for case in kept[number]["cases"]) + "]}" for number in order)
    path.write_text("{\n" + body + "\n}\n")
    spec.__dict__.pop("corpus", None)
    spec.__dict__.pop("_observed", None)
    told = f"draw inputs on which these differ: {', '.join(alive)}" if alive else "they reject every mistake and mutant"
    return f"{exercise.number}: {len(cases)} kept cases; {told}"


def make(exercise: Exercise, spec: engine.Spec, pool: int) -> tuple[list[list[int]], list[str]]:
    """The cases, smallest first, and the victims that none of them kills."""
    drawn = sorted((choices for _, choices in engine.draws(spec, pool)), key=lambda case: (len(case), sum(case)))
    drawn = [choices for place, choices in enumerate(drawn) if choices not in drawn[:place]]
    ours, expected = spec.ours(), {}

    def kills(case: list[int], victim) -> bool:
        known = tuple(case)
        try:
            if known not in expected:
                inputs, used = drawing.draw(spec.inputs, case)
                expected[known] = inputs, engine.observe(spec, ours, inputs)
            inputs, theirs = expected[known]
            return engine.judge(spec, inputs, theirs, engine.observe(spec, victim, inputs)) is not None
        except drawing.Rejected:
            return False
        except engine.NotAttempted:
            return True

    chosen, alive = [], []
    named = [(mistake.function.__name__, mistake.function) for mistake in exercise.mistakes]
    with _patience():
        for what, victim in named + victims(exercise):
            if any(kills(case, victim) for case in chosen):
                continue
            found = next((case for case in drawn if kills(case, victim)), None)
            if found is None:
                alive.append(what)
                continue
            small = drawing.shrink(found, lambda case, victim=victim: kills(case, victim), attempts=60, seconds=1.0)
            chosen.append(drawing.draw(spec.inputs, small)[1])
    step = max(1, len(drawn) // BROAD)
    broad = [case for case in drawn[step // 2::step] if case not in chosen]
    chosen += _telling_apart(spec, chosen + broad, drawn)
    return sorted(chosen, key=lambda case: (len(case), sum(case))) + broad, alive


def _telling_apart(spec: engine.Spec, cases: list[list[int]], drawn: list[list[int]]) -> list[list[int]]:
    """More cases, so that no two named mistakes of different codes do the same on all of them."""
    more = []

    @functools.cache
    def seen(place: int, case: tuple[int, ...]):
        return engine.observe(spec, spec.mistakes[place].function, drawing.draw(spec.inputs, case)[0])

    def differ(one: int, other: int, case: list[int]) -> bool:
        return not engine._alike(spec, seen(one, tuple(case)), seen(other, tuple(case)))

    for one, other in itertools.combinations(range(len(spec.mistakes)), 2):
        if spec.mistakes[one].code != spec.mistakes[other].code and not any(
                differ(one, other, case) for case in cases + more):
            more += [case for case in drawn if differ(one, other, case)][:1]
    return more
