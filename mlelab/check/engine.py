"""The one engine of all checks: draws inputs, calls answer and oracle, compares, shrinks, and names the mistake.

An exercise is *inputs + oracle + mistakes*. A `Spec` holds them; `examine` gives one answer's `Finding`. The kept cases
of an exercise (its corpus) run first, so that the verdict does not depend on the seed; seeded draws follow; last comes
the real data, whose figure a right answer unlocks. Needs no IPython, no pooch, no pyarrow.
"""

import functools
import inspect
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from mlelab.check import draw as drawing
from mlelab.check.compare import Difference, difference, plain, shown
from mlelab.check.port import Local, NotAttempted, Notes, Stopped, world
from mlelab.check.source import solution

CORPUS = Path(__file__).parent / "corpus"
DRAWS = 12  # seeded draws after the corpus
TWICE = 4  # so many cases are run a second time, in another world


@dataclass(frozen=True)
class Mistake:
    """A wrong answer as code: its misconception's code, and the sentence that a learner with this mistake reads."""

    function: Callable
    code: str
    says: str | None = None
    part: str | None = None


@dataclass
class Spec:
    """What an exercise's class says. Only `inputs` and `rule` must be there.

    inputs(d): draws one input of the contract, a dict of arguments in the order of the signature; more keys for
    a `run` of its own.
    rule: the property that holds, in one sentence; said where no named mistake fits.
    run(f, **inputs): how the answer is used, by default `f(*inputs)`; what it returns is compared with the oracle's.
    see(got, **inputs): the part of a result that the contract fixes, where it leaves freedom.
    holds(got, **inputs): yields (sentence, bool) or (sentence, bool, code); instead of the comparison with the oracle.
    oracle: our implementation; by default the solution in lab.py.
    raises: the exception that the contract names, if any.
    real(): inputs made of the course's data, or a list of such; figure(got, **inputs): the sentence it unlocks, made
    from the result on the (first) real inputs.
    shows(**inputs): what the card shows as the call and the example, where the default would be long: (call, frame).
    steady: the same input gives the same answer (also in another process).
    words: the fields of a result that are said in words, any words, which a person judges.
    """

    name: str
    number: str
    area: str
    inputs: Callable
    rule: str
    run: Callable
    see: Callable | None = None
    holds: Callable | None = None
    oracle: Callable | None = None
    raises: tuple = ()
    real: Callable | None = None
    figure: Callable | str | None = None
    shows: Callable | None = None
    steady: bool = True
    words: tuple = ()
    rtol: float = 1e-6
    atol: float = 1e-9
    draws: int = DRAWS
    mistakes: list[Mistake] = field(default_factory=list)

    @classmethod
    def of(cls, area: str, number: str, body: type, part: str | None = None) -> "Spec":
        """Read an exercise's class; TypeError for a word that means nothing here. A hook may ask for `part`."""
        given = {name: value for name, value in vars(body).items() if not name.startswith("__")}
        given = {name: value.__func__ if isinstance(value, staticmethod) else value for name, value in given.items()}
        given = {name: functools.partial(value, part=part) if inspect.isfunction(value) and
                 "part" in inspect.signature(value).parameters else value for name, value in given.items()}
        return cls(name=body.__name__, number=number, area=area, **{"run": _call, **given})

    def ours(self) -> Callable:
        return self.oracle or solution(self.area, self.number, self.name)

    @functools.cached_property
    def corpus(self) -> list[list[int]]:
        return kept(self.area).get(self.number, {}).get("cases", [])


def kept(area: str) -> dict[str, dict]:
    """The kept cases of a lab's exercises, each with the key of the `inputs` that they were recorded with."""
    path = CORPUS / f"{area}.json"
    return json.loads(path.read_text()) if path.exists() else {}


def _call(f, **inputs):
    return f(*inputs.values())


@dataclass
class Observation:
    """One run of one function on one input: its result or the exception, and what was seen meanwhile."""

    value: object = None
    stopped: Stopped | None = None
    unusable: str | None = None
    notes: Notes = field(default_factory=Notes)


@dataclass
class Fault:
    """What is wrong on one input. `kind` tells faults apart while the input shrinks."""

    kind: str
    says: str | None = None
    expected: object = None
    got: object = None
    code: str | None = None
    where: str = ""


@dataclass
class Finding:
    """What `examine` found: nothing (`fault` is None), or a fault, on which input, and whose mistake it is."""

    fault: Fault | None = None
    inputs: dict | None = None
    mistake: Mistake | None = None
    printed: str = ""
    figure: str = ""
    on_real_data: bool = False
    kept: bool = False  # the fault is on a kept case, so it is found whatever the seed


class OurFault(RuntimeError):
    """The check itself is broken; never the learner's doing."""


def observe(spec: Spec, function: Callable, inputs: dict, number: int = 0) -> Observation:
    """Run a function on an input, in the world of that number. Raises NotAttempted."""
    notes = Notes()
    try:
        with world(function, number):
            value = spec.run(Local(function, notes), **inputs)
            if spec.see is not None and spec.holds is None:
                value = spec.see(value, **inputs)
        return Observation(value=value, notes=notes)
    except Stopped as stopped:
        return Observation(stopped=stopped, notes=notes)
    except NotAttempted:
        raise
    except Exception as error:  # `run` or `see` could not use what came back
        return Observation(unusable=f"{type(error).__name__}: {error}", notes=notes)


def judge(spec: Spec, inputs: dict, expected: Observation, got: Observation) -> Fault | None:
    """What is wrong with an observation, given ours."""
    if expected.unusable or expected.stopped and not (spec.raises and issubclass(expected.stopped.kind, spec.raises)):
        reason = expected.unusable or expected.stopped.says()
        raise OurFault(f"{spec.area} {spec.number}: our own solution fails on {plain(inputs)}: {reason}")
    if got.notes.changed and not got.stopped:
        return Fault("changed", f"Your function changed its input: {got.notes.changed} is not what it was before the "
                     "call. Work on a copy.", code="M97")
    if expected.stopped:
        name = _contract_error(expected.stopped.kind, spec.raises).__name__
        if got.stopped:
            if issubclass(got.stopped.kind, _contract_error(expected.stopped.kind, spec.raises)):
                return None
            return Fault("raised", f"This input must end in {name}. {got.stopped.says()}")
        return Fault("returned", f"This input must end in {name}, and your function returned something.", name,
                     got.value)
    if got.stopped:
        return Fault("stopped", got.stopped.says())
    if got.unusable:
        return Fault("shape", f"The answer has not the shape that the docstring gives ({got.unusable}).")
    if spec.holds is not None:
        return _held(spec, inputs, got)
    found = difference(expected.value, got.value, spec.rtol, spec.atol)
    return found and _fault(found)


def _held(spec: Spec, inputs: dict, got: Observation) -> Fault | None:
    try:
        for says, holds, *rest in spec.holds(got.value, **inputs):
            if not holds:
                code = next((word for word in rest if isinstance(word, str)), None)
                return Fault(says, says, code=code, **next((word for word in rest if isinstance(word, dict)), {}))
    except NotAttempted:
        raise
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        return Fault("shape", f"The answer has not the shape that the docstring gives ({reason}).")
    return None


def _fault(found: Difference) -> Fault:
    says = found.says() if found.kind == "shape" else None
    return Fault(found.kind, says, found.expected, found.got, where=found.where)


def _contract_error(kind: type, raises) -> type:
    return next(k for k in (raises if isinstance(raises, tuple) else (raises,)) if issubclass(kind, k))


def examine(spec: Spec, answer: Callable, seed: int) -> Finding:
    """Judge an answer: corpus, then seeded draws, then the real data. Raises NotAttempted and OurFault."""
    ours, tried = spec.ours(), []
    for place, (inputs, choices) in enumerate(_cases(spec, seed)):
        expected = _oracle(spec, ours, inputs, place)
        got = observe(spec, answer, inputs)
        fault = judge(spec, inputs, expected, got) or (
            _unsteady(spec, answer, inputs, got) if spec.steady and place < TWICE else None)
        tried.append((inputs, choices, expected, got, fault))
        late = got.stopped and "did not come back" in got.stopped.says()
        if fault and (late or place + 1 >= len(spec.corpus)):
            break
    place = next((place for place, case in enumerate(tried) if case[-1]), None)
    if place is not None:
        kept = place < len(spec.corpus)
        return _explain(spec, ours, answer, tried[place], tried, kept)
    return _real(spec, ours, answer, tried)


def first_fault(spec: Spec, answer: Callable, seed: int) -> bool:
    """Whether `examine` would find a fault; stops at the first, neither shrinks nor names."""
    ours = spec.ours()
    for place, (inputs, _) in enumerate(_cases(spec, seed)):
        got = observe(spec, answer, inputs)
        if judge(spec, inputs, _oracle(spec, ours, inputs, place), got) or (
                spec.steady and place < TWICE and _unsteady(spec, answer, inputs, got)):
            return True
    return _real(spec, ours, answer, []).fault is not None


def _oracle(spec: Spec, ours: Callable, inputs: dict, place: int) -> Observation:
    """What our implementation does; on a kept case the same in each check of this process."""
    if place >= len(spec.corpus):
        return observe(spec, ours, inputs)
    kept_ones = spec.__dict__.setdefault("_observed", {})
    if (known := (place, len(spec.corpus))) not in kept_ones:
        kept_ones[known] = observe(spec, ours, inputs)
    return kept_ones[known]


def _cases(spec: Spec, seed: int) -> Iterator[tuple[dict, list[int]]]:
    for case in spec.corpus:
        yield drawing.draw(spec.inputs, case)
    for number in range(spec.draws):
        yield drawing.draw(spec.inputs, rng=np.random.default_rng([seed, number]))


def _unsteady(spec: Spec, answer: Callable, inputs: dict, first: Observation) -> Fault | None:
    """The same call again in another world: other global generators, other hashes of texts."""
    again = observe(spec, answer, inputs, number=1)
    same = type(first.stopped) is type(again.stopped) and again.unusable is None and (
        first.stopped is not None or difference(first.value, again.value, spec.rtol, spec.atol) is None)
    if same or callable(first.value):
        return None
    return Fault("unsteady", "The same input must give the same answer, however often and wherever it is called: this "
                 "answer depends on a generator without the given seed, on `hash()` of a text, or on an earlier call.",
                 first.value, again.value, code="M98")


def _explain(spec: Spec, ours: Callable, answer: Callable, bad: tuple, tried: list[tuple], kept: bool) -> Finding:
    """The smallest input with this kind of fault, and the mistake that makes exactly this result."""
    inputs, choices, expected, got, fault = bad
    smallest = dict(inputs=inputs, expected=expected, got=got, fault=fault)

    def fails(shorter: list[int]) -> bool:
        try:
            small, used = drawing.draw(spec.inputs, shorter)
            if len(used) > len(shorter):  # it would be padded with zeros: fine, but must not grow
                return False
            theirs = observe(spec, ours, small)
            mine = observe(spec, answer, small)
            found = judge(spec, small, theirs, mine)
        except (drawing.Rejected, NotAttempted, OurFault):
            return False
        if found is None or found.kind != fault.kind:
            return False
        smallest.update(inputs=small, expected=theirs, got=mine, fault=found)
        return True

    slow = got.stopped is not None and "did not come back" in got.stopped.says()
    if fault.kind != "unsteady" and not slow:
        drawing.shrink(choices, fails, *((40, 0.4) if kept else (250, 1.5)))  # most kept cases are small
    mistake = None if slow else _named(spec, smallest, tried)
    fault = smallest["fault"]
    return Finding(fault=fault, inputs=smallest["inputs"], mistake=mistake, printed=smallest["got"].notes.printed,
                   kept=kept)


def _named(spec: Spec, smallest: dict, tried: list[tuple]) -> Mistake | None:
    """The mistake that does what the learner did: on the smallest input, and wherever the learner was right."""
    best, agreed = None, -1
    for mistake in spec.mistakes:
        try:
            theirs = observe(spec, mistake.function, smallest["inputs"])
            if not _alike(spec, theirs, smallest["got"]):
                continue
            unsteady = smallest["fault"].kind == "unsteady"
            if unsteady and not _unsteady(spec, mistake.function, smallest["inputs"], theirs):
                continue
            count = 0
            for inputs, _, _, got, fault in tried:
                alike = _alike(spec, observe(spec, mistake.function, inputs), got)
                if not alike and fault is None:
                    count = -1
                    break
                count += alike
        except NotAttempted:
            continue
        if count > agreed:
            best, agreed = mistake, count
    return best


def _alike(spec: Spec, one: Observation, other: Observation) -> bool:
    if one.stopped or other.stopped:
        return bool(one.stopped and other.stopped) and one.stopped.kind is other.stopped.kind
    if one.unusable or other.unusable:
        return one.unusable == other.unusable
    if bool(one.notes.changed) != bool(other.notes.changed):
        return False
    return difference(one.value, other.value, spec.rtol, spec.atol) is None


def _real(spec: Spec, ours: Callable, answer: Callable, tried: list) -> Finding:
    """The real data: the answer's result is ours, so the figure is the known one."""
    if spec.real is None:
        return Finding(figure=spec.figure() if callable(spec.figure) else spec.figure or "")
    cases = _real_cases(spec)
    for place, inputs in enumerate(cases):
        expected = _ours_on_real(spec, place)
        got = observe(spec, answer, inputs)
        fault = judge(spec, inputs, expected, got)
        if fault:
            mistake = _named(spec, dict(inputs=inputs, got=got, fault=fault), tried[:8])
            return Finding(fault=fault, inputs=inputs, mistake=mistake, printed=got.notes.printed, on_real_data=True)
    return Finding(figure=spec.figure(_ours_on_real(spec, 0).value, **cases[0]))


_REAL: dict[tuple[str, str], list[dict]] = {}
_OURS: dict[tuple[str, str, int], Observation] = {}


def _real_cases(spec: Spec) -> list[dict]:
    """The real inputs, made once a process; a check gets them through `observe`, which calls on copies."""
    key = spec.area, spec.number
    if key not in _REAL:
        made = spec.real()
        _REAL[key] = list(made) if isinstance(made, (list, tuple)) else [made]
    return _REAL[key]


def _ours_on_real(spec: Spec, place: int) -> Observation:
    key = spec.area, spec.number, place
    if key not in _OURS:
        _OURS[key] = observe(spec, spec.ours(), _real_cases(spec)[place])
    return _OURS[key]


def card(spec: Spec, finding: Finding) -> dict:
    """The parts of an `Outcome` that say what is wrong: says, call, example, expected, got, code."""
    fault, mistake = finding.fault, finding.mistake
    says = mistake.says if mistake and mistake.says else fault.says or spec.rule
    call, example = _shown_call(spec, finding)
    expected, got = pair(fault)
    if fault.where and expected is not None:
        says += f" Look at `{fault.where}` of the answer."
    return dict(says=says, call=call, example=example, expected=expected, got=got,
                code=mistake.code if mistake else fault.code, printed=finding.printed or None)


def pair(fault: Fault) -> tuple[object, object]:
    """What was expected and what came, as they are shown; None and None where the shape is wrong."""
    if fault.kind == "shape" or fault.expected is None and fault.got is None:
        return None, None
    one, other = shown(fault.expected), shown(fault.got)
    if isinstance(one, str) and isinstance(other, str) and one == other:  # equal to six digits
        one, other = repr(fault.expected), repr(fault.got)
    return one, other


def _shown_call(spec: Spec, finding: Finding) -> tuple[str, pd.DataFrame | None]:
    if spec.shows is not None and not finding.on_real_data:
        return spec.shows(**finding.inputs)
    if finding.on_real_data:
        return f"{spec.name}(…) on the course's own data", None
    return call_text(spec.name, finding.inputs)


def call_text(name: str, inputs: dict) -> tuple[str, pd.DataFrame | None]:
    """A call that can be read, and copied where it is short: tables by their name, the first one as the example."""
    parts, example = [], None
    for argument, value in inputs.items():
        if isinstance(value, pd.DataFrame) or isinstance(value, pd.Series) and len(value) > 6:
            table = value if isinstance(value, pd.DataFrame) else value.to_frame(argument)
            parts.append(f"{argument}={argument}")
            example = table.head(6) if example is None else example
        elif callable(value):
            parts.append(f"{argument}=…")
        else:
            parts.append(f"{argument}={_argument(value)}")
    return f"{name}({', '.join(parts)})", example


def _argument(value) -> str:
    if isinstance(value, pd.Series):
        index = "" if isinstance(value.index, pd.RangeIndex) else f", index={shown(value.index)}"
        return f"pd.Series({shown(list(value))}{index})"
    if isinstance(value, np.ndarray):
        return f"np.array({shown(value)})"
    return str(shown(value))


def inputs_key(spec: Spec) -> str:
    """What a corpus depends on: if the code of `inputs` changes, recorded choices mean something else."""
    import hashlib

    return hashlib.sha256(inspect.getsource(spec.inputs).encode()).hexdigest()[:12]


def draws(spec: Spec, count: int, seed: int = 0) -> Iterable[tuple[dict, list[int]]]:
    """Fresh cases, for the programs that prove checks."""
    for number in range(count):
        yield drawing.draw(spec.inputs, rng=np.random.default_rng([seed, number, 7]))
