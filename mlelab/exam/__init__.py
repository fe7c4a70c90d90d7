"""The questions of the chapters: read them from YAML, and refuse what is not fit to be asked.

    quiz = read(Path("book/quiz/01_lifecycle.yml"))

A question says which option is right, why each one is right or wrong, and which misconception each wrong one shows.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import yaml
from jsonschema import Draft202012Validator

from mlelab.check.misconceptions import MISCONCEPTIONS

SCHEMA = json.loads((Path(__file__).parent / "quiz.schema.json").read_text(encoding="utf-8"))
STEM_WORDS = range(15, 121)
REASON_WORDS = 8
OPTIONS = {1: 4, 2: 5}  # how many options a question has, by how many of them are right
LENGTH_BALANCE = 0.25  # an option is at most this much longer or shorter than the mean of its question
LONGEST_KEYS = 0.3  # at most this share of a quiz's keys may be the longest option
EVIDENCE_SHARE = 0.5  # at least this share of a quiz reads evidence of the page
SAME_STEM = 0.5  # two stems that share this much of their three-word shingles are one question

_FORBIDDEN = {
    r"(?i)\b(all|none|both|neither) of (the above|these|them)\b": "options that speak about other options",
    r"\b(option|answer) [A-E]\b": "letters of options, because options are shuffled",
    r"(?i)\bbrain ?dumps?\b|\b(actual|real) exam\b|\bexam dumps?\b": "words of the exam-dump trade",
    r"\b(NOT|EXCEPT)\b|(?i:\bwhich of (the following|these) (is|are) not\b)": "negative questions",
}
_ABSOLUTE = r"(?i)\b(always|never|guarantee[sd]?|impossible)\b"


class QuizError(ValueError):
    """What is wrong with a quiz: one sentence for each problem."""

    def __init__(self, problems: list[str]):
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True)
class Option:
    """One answer: its text, whether it is right, why, and the code of the misconception that a wrong one shows."""

    text: str
    reason: str
    key: bool = False
    misconception: str | None = None


@dataclass(frozen=True)
class Question:
    """One question; `evidence` is None, or its title and the glue key or the label of a table or figure."""

    id: str
    stem: str
    section: str
    options: tuple[Option, ...]
    choose: int = 1
    evidence: dict[str, str] | None = None


@dataclass(frozen=True)
class Quiz:
    """The questions of one chapter, in the order of the file. `area` is the file's name, such as "01_lifecycle"."""

    area: str
    questions: tuple[Question, ...]


def read(path: Path, former_names: Iterable[str] = ()) -> Quiz:
    """Read a quiz from its YAML file and validate it.

    former_names: product names that a question must not use because they have changed.
    Raises QuizError with every problem found, FileNotFoundError.
    """
    try:
        source = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        place = getattr(error, "problem_mark", None)
        line = f", see line {place.line + 1}" if place else ""
        raise QuizError([f"{path.name} is not YAML{line}: {getattr(error, 'problem', None) or error}."]) from None
    wrong = [f"{path.name}: {_where(error, source)}: {error.message}."
             for error in sorted(Draft202012Validator(SCHEMA).iter_errors(source), key=lambda error: list(error.path))]
    if wrong:
        raise QuizError(wrong)
    quiz = Quiz(path.stem, tuple(
        Question(**{**item, "options": tuple(Option(**option) for option in item["options"])})
        for item in source["questions"]))
    problems = [f"{path.name}: {problem}" for problem in [*_quiz_problems(quiz), *(
        f"{question.id}: {problem}" for question in quiz.questions for problem in _problems(question, former_names))]]
    if problems:
        raise QuizError(problems)
    return quiz


def repeated(quizzes: Iterable[Quiz]) -> list[str]:
    """One sentence for each pair of questions that share an id or are nearly the same, in one quiz or in two."""
    asked = [(quiz.area, question) for quiz in quizzes for question in quiz.questions]
    found = []
    for (area, one), (other_area, other) in combinations(asked, 2):
        if one.id == other.id:
            found.append(f"{area} and {other_area} both have a question {one.id}.")
        elif _similarity(one.stem, other.stem) >= SAME_STEM:
            found.append(f"{one.id} ({area}) and {other.id} ({other_area}) ask the same.")
    return found


def _quiz_problems(quiz: Quiz) -> list[str]:
    found = repeated([quiz])
    questions = quiz.questions
    evidence = sum(question.evidence is not None for question in questions)
    if evidence < EVIDENCE_SHARE * len(questions):
        found.append(f"{evidence} of {len(questions)} questions read evidence of the page; at least half should.")
    longest = sum(_key_is_longest(question) for question in questions)
    if len(questions) > 3 and longest > LONGEST_KEYS * len(questions):
        found.append(f"in {longest} of {len(questions)} questions the right option is the longest; that gives it away.")
    return found


def _problems(question: Question, former_names: Iterable[str]) -> list[str]:
    found = []
    keys = sum(option.key for option in question.options)
    if keys != question.choose:
        found.append(f"{keys} options are marked as right and the reader chooses {question.choose}.")
    if len(question.options) != OPTIONS[question.choose]:
        found.append(f"it has {len(question.options)} options and needs {OPTIONS[question.choose]}.")
    if len({option.text.casefold() for option in question.options}) < len(question.options):
        found.append("two options are the same.")
    words = len(question.stem.split())
    if words not in STEM_WORDS:
        found.append(f"the stem has {words} words; write {STEM_WORDS.start} to {STEM_WORDS.stop - 1}.")
    mean = sum(len(option.text) for option in question.options) / len(question.options)
    for number, option in enumerate(question.options, start=1):
        off = len(option.text) / mean - 1
        if abs(off) > LENGTH_BALANCE:
            found.append(f"option {number} is {abs(off):.0%} {'longer' if off > 0 else 'shorter'} than the mean of the "
                         f"options; keep it within {LENGTH_BALANCE:.0%}.")
        if len(option.reason.split()) < REASON_WORDS:
            found.append(f"the reason of option {number} has fewer than {REASON_WORDS} words.")
        if option.key and option.misconception:
            found.append(f"option {number} is right, so it shows no misconception.")
        if not option.key and option.misconception not in MISCONCEPTIONS:
            found.append(f"option {number} is wrong and needs a misconception, one of {min(MISCONCEPTIONS)} to "
                         f"{max(MISCONCEPTIONS)}.")
        if absolute := re.search(_ABSOLUTE, option.text):
            found.append(f"option {number} says {absolute[0]!r}; absolute words give wrong options away.")
    asked = " \n ".join([question.stem, *(option.text for option in question.options)])
    told = " \n ".join([asked, *(option.reason for option in question.options)])
    for pattern, kind in _FORBIDDEN.items():
        if phrase := re.search(pattern, told):
            found.append(f"it says {phrase[0]!r}; leave out {kind}.")
    for name in former_names:
        if re.search(rf"\b{re.escape(name)}\b", asked):
            found.append(f"it uses the former product name {name!r}; write the role {{gcp}} instead.")
    return found


def _key_is_longest(question: Question) -> bool:
    right = max((len(option.text) for option in question.options if option.key), default=0)
    return right > max((len(option.text) for option in question.options if not option.key), default=0)


def _similarity(one: str, other: str) -> float:
    """The share of three-word shingles that two texts have in common, 0 to 1."""
    one, other = _shingles(one), _shingles(other)
    return len(one & other) / len(one | other) if one | other else 0.0


def _shingles(text: str) -> set[tuple[str, ...]]:
    words = re.findall(r"\w+", text.casefold())
    return set(zip(words, words[1:], words[2:]))


def _where(error, source) -> str:
    """The place of a schema error, by the question's id where it has one."""
    path = list(error.absolute_path)
    if path[:1] == ["questions"] and len(path) > 1:
        question = source["questions"][path[1]]
        name = question.get("id") if isinstance(question, dict) else None
        path = [name or f"question {path[1] + 1}", *path[2:]]
    return " ".join(f"{part + 1}" if isinstance(part, int) else str(part) for part in path) or "the file"
