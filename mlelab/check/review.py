"""Review exercises: functions of a colleague that look right, and for each an input that exposes it, or None.

A review stands on another exercise, whose inputs, oracle and comparison it uses: the answer names an input for each
function, and the check runs function and oracle on it. Is the input valid by the contract, and do the two differ? How
small the input is earns a word, and no point.
"""

import inspect
from collections.abc import Callable, Iterator, Mapping, Set

import numpy as np
import pandas as pd

from mlelab.check import engine
from mlelab.check.lab import Exercise, Trial
from mlelab.check.source import solution

MOST = 2_000  # values in an input: nobody reads a larger one


class Invalid(Exception):
    """An input that is none of the contract; the text says why not."""


class Review:
    """The body of a review exercise: a generator of what makes an input valid, and the functions under review.

    `valid(**arguments)` yields (sentence, bool), in the order in which they can be asked; its signature names the
    arguments and their defaults, in the order in which `of` draws them. `functions` gives for each function the name of
    the wrong answer of `of` that does the same, None for a function that is right. `beside` are parts on something else
    than a function, a printed report for example: each a body(trial, what the answer says of it).
    """

    def __init__(self, of: Exercise, functions: dict[Callable, str | None], valid: Callable,
                 beside: dict[str, Callable] | None = None):
        self.of, self.valid, self.beside = of, valid, beside or {}
        self.functions = {function.__name__: function for function in functions}
        self.named = {function.__name__: mistake for function, mistake in functions.items()}
        self.parts = (*self.functions, *self.beside)
        self.__name__, self.__doc__, self.__module__ = valid.__name__, valid.__doc__, valid.__module__

    def __call__(self, trial: Trial, answer, part: str) -> str:
        given = trial.call(answer)
        trial.require(isinstance(given, Mapping) and set(given) == set(self.parts),
                      f"The answer is a dict with the keys {', '.join(map(repr, self.parts))}.", mistake="M99",
                      got=list(given) if isinstance(given, Mapping) else type(given).__name__)
        if part in self.beside:
            return self.beside[part](trial, given[part])
        if given[part] is None:
            return self._nothing_to_expose(trial, given, part)
        try:
            inputs, got, fault = self.tried(part, given[part])
        except Invalid as invalid:
            trial.wrong(f"The input for `{part}` is not valid. {invalid}", mistake="M99", got=engine.shown(given[part]))
        if fault is None:
            call, table = engine.call_text(part, inputs)
            trial.wrong(f"On this input `{part}` does what the docstring says: it exposes nothing.", mistake="M99",
                        call=call if table is None else f"{call}\n{table}", got=engine.shown(got))
        return f"`{part}` is exposed. {self.says(part, fault)} {self._word(part, inputs)}"

    def _nothing_to_expose(self, trial: Trial, given: Mapping, part: str) -> str:
        """None is judged last, so that it cannot be found by trying."""
        others = [name for name in self.functions if name != part and self.named[name]]
        trial.require(all(self._exposes(name, given[name]) for name in others), f"Whether None is right for `{part}` "
                      "is said when the inputs for the other functions expose what there is to expose.")
        trial.require(self.named[part] is None, f"`{part}` is not right: on some valid input it does not do what the "
                      "docstring says.", mistake="M99")
        return f"`{part}` is right, however it looks: nothing exposes it."

    def _exposes(self, part: str, given) -> bool:
        try:
            return self.tried(part, given)[-1] is not None
        except Invalid:
            return False

    def tried(self, part: str, given) -> tuple[dict, object, engine.Fault | None]:
        """(arguments, what a function under review returns, what is wrong with that or None). Raises Invalid."""
        inputs, spec = self._arguments(given), self.of.spec()
        expected = engine.observe(spec, spec.ours(), inputs)
        got = engine.observe(spec, self.functions[part], inputs)
        try:
            fault = engine.judge(spec, inputs, expected, got)
        except engine.OurFault:
            raise Invalid(f"The docstring does not say what `{self.of.name}` does with it.") from None
        return inputs, got.value, fault

    def _arguments(self, given) -> dict:
        """The arguments of a valid input, in their order, with the defaults. Raises Invalid."""
        names = ", ".join(inspect.signature(self.valid).parameters)
        try:
            bound = inspect.signature(self.valid).bind(**given)
        except TypeError:
            raise Invalid(f"It is a dict with the arguments {names}, and no others.") from None
        bound.apply_defaults()
        if size(bound.arguments) > MOST:
            raise Invalid(f"It has more than {MOST:,} values: nobody can read it.")
        for says, holds in self._sentences(bound.arguments):
            if not holds:
                raise Invalid(says)
        return dict(bound.arguments)

    def _sentences(self, arguments: dict) -> Iterator[tuple[str, bool]]:
        said = "It is what the docstring asks for."
        try:
            for said, holds in self.valid(**arguments):
                yield said, bool(holds)
        except Exception as error:  # values of a kind that cannot even be asked
            yield f"It cannot be read: {type(error).__name__}, {error}.", False

    def says(self, part: str, fault: engine.Fault) -> str:
        """What an input has exposed: the sentence of the named mistake, and where it shows."""
        mistake = next(one for one in self.of.mistakes if one.function.__name__ == self.named[part])
        one, other = engine.pair(fault)
        seen = f" Expected {one}, got {other}." if one is not None and fault.kind == "value" else ""
        return f"{mistake.says or ''}{seen}".strip()

    def _word(self, part: str, inputs: dict) -> str:
        number = next(exercise.number for exercise in self.of.lab.exercises.values() if exercise.body is self)
        ours = size(self._arguments(solution(self.of.lab.area, number, self.__name__)()[part]))
        return "And the input is small." if size(inputs) <= ours else \
            f"Your input has {size(inputs)} values; {ours} would do."


def of(exercise: Exercise, functions: dict[Callable, str | None],
       beside: dict[str, Callable] | None = None) -> Callable[[Callable], Review]:
    """Make a review of `exercise` from the decorated generator of what makes an input valid."""
    return lambda valid: Review(exercise, functions, valid, beside)


def size(value) -> int:
    """How many values an input has, those of tables, lists and dicts counted one by one."""
    if isinstance(value, (pd.DataFrame, pd.Series, np.ndarray)):
        return int(value.size)
    if isinstance(value, Mapping):
        return sum(map(size, value.values()))
    if isinstance(value, (list, tuple, Set)):
        return sum(map(size, value))
    return 1


def wrong(review: Exercise, part: str, **inputs) -> None:
    """Register named wrong answers of a review: our own, with another input for one of its functions."""
    for name, given in inputs.items():
        def answer(given=given):
            ours = solution(review.lab.area, review.number, review.name)()
            return ours | {part: given}

        answer.__name__ = name
        review.mistake("M99", part=part)(answer)
