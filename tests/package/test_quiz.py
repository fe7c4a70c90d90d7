"""The quiz validator: the sample passes, and each single fault in it is found and named."""

import copy
from pathlib import Path

import pytest
import yaml

from mlelab import exam

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "tests" / "book" / "sample.yml"
QUIZZES = sorted((ROOT / "book" / "quiz").glob("*.yml"))


@pytest.fixture
def source() -> dict:
    return yaml.safe_load(SAMPLE.read_text(encoding="utf-8"))


@pytest.fixture
def problems(tmp_path):
    """The problems found in a changed source; none if it is fit to be asked."""

    def read(source, former_names=()) -> list[str]:
        path = tmp_path / "sample.yml"
        path.write_text(source if isinstance(source, str) else yaml.safe_dump(source), encoding="utf-8")
        try:
            exam.read(path, former_names)
        except exam.QuizError as error:
            return error.problems
        return []

    return read


def test_the_sample_is_read(source):
    quiz = exam.read(SAMPLE)
    assert quiz.area == "sample"
    assert [question.id for question in quiz.questions] == [item["id"] for item in source["questions"]]
    assert quiz.questions[1].choose == 2
    assert quiz.questions[1].evidence == {"title": "Three parts of the year", "glue": "evidence"}
    assert [option.key for option in quiz.questions[0].options] == [True, False, False, False]


def one(items):
    return items["questions"][0]


def options(items):
    return items["questions"][0]["options"]


FAULTS = {
    "two keys": (lambda s: options(s)[1].update(key=True), "2 options are marked as right"),
    "no key": (lambda s: options(s)[0].pop("key"), "0 options are marked as right"),
    "key false": (lambda s: options(s)[1].update(key=False), "True was expected"),
    "three options": (lambda s: options(s).pop(), "has 3 options and needs 4"),
    "same options": (lambda s: options(s)[1].update(text=options(s)[2]["text"]), "two options are the same"),
    "no reason": (lambda s: options(s)[1].pop("reason"), "'reason' is a required property"),
    "thin reason": (lambda s: options(s)[1].update(reason="It is wrong."), "fewer than 8 words"),
    "short stem": (lambda s: one(s).update(stem="What now?"), "the stem has 2 words"),
    "long stem": (lambda s: one(s).update(stem="word " * 121), "the stem has 121 words"),
    "long option": (lambda s: options(s)[0].update(text="Leave them out, " * 6), "longer than the mean"),
    "short option": (lambda s: options(s)[1].update(text="Count them"), "shorter than the mean"),
    "no misconception": (lambda s: options(s)[1].pop("misconception"), "needs a misconception"),
    "unknown misconception": (lambda s: options(s)[1].update(misconception="M00"), "needs a misconception"),
    "misconception on the key": (lambda s: options(s)[0].update(misconception="M01"), "shows no misconception"),
    "absolute word": (lambda s: options(s)[1].update(text="Always count them as flights that were on time"),
                      "'Always'"),
    "all of the above": (lambda s: options(s)[3].update(text="All of the above, one after the other each time"),
                         "options that speak about other options"),
    "letter": (lambda s: options(s)[1].update(reason="It is worse than option A for a good many reasons."), "shuffled"),
    "dump": (lambda s: one(s).update(stem=one(s)["stem"] + " As in the real exam."), "exam-dump trade"),
    "negative": (lambda s: one(s).update(stem=one(s)["stem"] + " Which of these is not right?"),
                 "negative questions"),
    "shouted negative": (lambda s: one(s).update(stem=one(s)["stem"] + " Which is NOT right?"), "negative questions"),
    "unknown field": (lambda s: one(s).update(difficulty=2), "'difficulty' was unexpected"),
    "bad id": (lambda s: one(s).update(id="Late Label"), "does not match"),
    "no section": (lambda s: one(s).pop("section"), "'section' is a required property"),
    "evidence from nowhere": (lambda s: s["questions"][1].update(evidence={"title": "Table"}),
                              "is not valid under any"),
    "no evidence": (lambda s: (s["questions"][1].pop("evidence"), s["questions"].append(
        {**copy.deepcopy(one(s)), "id": "third", "stem": "x y z " * 6})), "0 of 3 questions read evidence"),
    "same id": (lambda s: s["questions"][1].update(id=one(s)["id"]), "both have a question sample-late-label"),
    "same stem": (lambda s: s["questions"][1].update(stem=one(s)["stem"] + " Choose two."), "ask the same"),
    "former name": (lambda s: one(s).update(stem=one(s)["stem"] + " You use Vertex AI."),
                    "former product name 'Vertex AI'"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_found(source, problems, fault):
    break_it, said = FAULTS[fault]
    assert problems(source, ["Vertex AI"]) == []
    break_it(source)
    found = problems(source, ["Vertex AI"])
    assert any(said in problem for problem in found), found
    assert all(problem.startswith("sample.yml: ") and "\n" not in problem for problem in found)


def test_keys_that_are_longest_too_often(source, problems):
    stems = ["one two three four ", "six seven eight nine ", "red green blue white ", "north south east west "]
    first = {**source["questions"][0], "evidence": {"title": "Table", "glue": "table"}}
    source["questions"] = [copy.deepcopy({**first, "id": f"q{number}", "stem": stem * 4})
                           for number, stem in enumerate(stems)]
    assert problems(source) == []
    for question in source["questions"][:2]:
        question["options"][0]["text"] += ", all of them"
    assert any("in 2 of 4 questions the right option is the longest" in problem for problem in problems(source))


def test_what_is_not_yaml_is_told_with_its_line(problems):
    [problem] = problems("questions:\n  - id: [")
    assert problem.startswith("sample.yml is not YAML, see line 2: ")


@pytest.mark.parametrize("text", ["", "questions: 3", "- a", "questions: [1]", "questions: []"])
def test_other_yaml_is_refused_without_a_crash(problems, text):
    assert problems(text)


def test_one_question_in_two_quizzes_is_noticed():
    quiz = exam.read(SAMPLE)
    assert exam.repeated([quiz]) == []
    assert len(exam.repeated([quiz, exam.Quiz("other", quiz.questions[:1])])) == 1


def test_the_quizzes_of_the_book_are_fit_to_be_asked():
    assert exam.repeated([exam.read(path) for path in QUIZZES]) == []
