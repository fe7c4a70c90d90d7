"""The quiz and the reader's progress in a real browser."""

import json
import re

import pytest
from axe_playwright_python.sync_playwright import Axe

from mlelab.exam import read
from tests.book.conftest import ROOT

AREA = "01_lifecycle"
QUESTIONS = {question.id: question for question in read(ROOT / "book" / "quiz" / f"{AREA}.yml").questions}


@pytest.fixture
def context(browser):
    with browser.new_context(viewport={"width": 1280, "height": 900}, reduced_motion="reduce") as context:
        yield context


@pytest.fixture
def tab(context, site):
    tab = context.new_page()
    tab.goto(f"{site}/book/{AREA}.html")
    return tab


def options(tab, question: str) -> list[int]:
    """The numbers of a question's options in the order in which the reader sees them."""
    return [int(box.get_attribute("value")) for box in tab.locator(f"#quiz-{question} .quiz-options input").all()]


def answer(tab, question: str, *, right: bool) -> None:
    asked, box = QUESTIONS[question], tab.locator(f"#quiz-{question}")
    keys = [number for number, option in enumerate(asked.options) if option.key is right][:asked.choose]
    for number in keys:
        box.locator(f"input[value='{number}']").check()
    box.get_by_role("button", name="Check answer").click()


def test_an_answer_gets_its_verdict_and_the_reason_of_every_option(tab):
    first, second = list(QUESTIONS)[:2]
    for question, right, verdict in ((first, True, "is right"), (second, False, "is not right")):
        box = tab.locator(f"#quiz-{question}")
        assert box.locator(".quiz-reason >> visible=true").count() == 0
        answer(tab, question, right=right)
        assert verdict in box.locator(".quiz-verdict").inner_text()
        for number, option in enumerate(QUESTIONS[question].options):
            item = box.locator(f"li[data-option='{number}']")
            reason = item.locator(".quiz-reason").inner_text()
            assert reason.startswith("Right. " if option.key else "Wrong. ")
            assert (option.misconception or "") in reason
            assert len(reason) > len(option.reason)
            assert item.locator("input").is_disabled()
        assert tab.evaluate("document.activeElement.className") == "quiz-verdict"
    assert f"1 of {len(QUESTIONS)} right, {len(QUESTIONS) - 2} to answer." in tab.locator(".quiz-summary").inner_text()


def test_checking_without_a_choice_says_what_to_do(tab):
    question = next(iter(QUESTIONS))
    tab.locator(f"#quiz-{question}").get_by_role("button", name="Check answer").click()
    assert tab.locator(f"#quiz-{question} .quiz-verdict").inner_text() == "Choose an option first."
    assert tab.locator(".quiz-reason >> visible=true").count() == 0


def test_a_quiz_is_answered_by_keyboard_alone(tab):
    question = next(iter(QUESTIONS))
    tab.locator(f"#quiz-{question} input").first.focus()
    tab.keyboard.press("ArrowDown")
    tab.keyboard.press("ArrowDown")
    assert tab.locator(f"#quiz-{question} input").nth(2).is_checked()
    tab.keyboard.press("Enter")
    assert tab.locator(f"#quiz-{question} .quiz-reason >> visible=true").count() == len(options(tab, question))


def test_missed_questions_are_asked_again(tab):
    missed = list(QUESTIONS)[1:3]
    for question in QUESTIONS:
        answer(tab, question, right=question not in missed)
    summary = tab.locator(".quiz-summary")
    assert f"{len(QUESTIONS) - 2} of {len(QUESTIONS)} right." in summary.inner_text()
    links = [link.get_attribute("href") for link in summary.locator("li > a:first-child").all()]
    assert links == [f"#quiz-{question}" for question in missed]
    summary.get_by_role("button", name="Ask the missed questions again").click()
    boxes = tab.locator(".quiz-options input:enabled")
    assert {box.get_attribute("name") for box in boxes.all()} == set(missed)
    assert tab.evaluate("document.activeElement.name") == missed[0]
    for question in missed:
        answer(tab, question, right=True)
    assert f"{len(QUESTIONS)} of {len(QUESTIONS)} right." in summary.inner_text()
    assert not summary.get_by_role("button", name="Ask the missed questions again").is_visible()
    summary.get_by_role("button", name="Start the quiz anew").click()
    assert f"0 of {len(QUESTIONS)} right" in summary.inner_text()


def test_options_are_shuffled_for_each_reader_and_stay_so(browser, site):
    orders = set()
    for _ in range(3):
        with browser.new_context() as context:
            tab = context.new_page()
            tab.goto(f"{site}/book/{AREA}.html")
            order = [options(tab, question) for question in QUESTIONS]
            tab.reload()
            assert [options(tab, question) for question in QUESTIONS] == order
            assert all(sorted(numbers) == list(range(len(numbers))) for numbers in order)
            orders.add(str(order))
    assert len(orders) == 3, "three readers saw the same order of all questions"


def test_keys_stand_in_every_place(tab):
    """Over many readers the right option is first, second, third and fourth about equally often."""
    question = next(iter(QUESTIONS))
    key = next(number for number, option in enumerate(QUESTIONS[question].options) if option.key)
    places = tab.evaluate("""([id, key]) => Array.from({length: 2000}, (_, reader) => [0, 1, 2, 3]
        .sort((one, other) => hash(`${reader} ${id} ${one}`) - hash(`${reader} ${id} ${other}`)).indexOf(key))""",
                          [question, key])
    assert all(400 < places.count(place) < 600 for place in range(4))


@pytest.mark.parametrize("mode", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_an_answered_quiz_breaks_no_rule(browser, site, width, mode):
    with browser.new_context(viewport={"width": width, "height": 900}, color_scheme=mode) as context:
        tab = context.new_page()
        tab.goto(f"{site}/book/{AREA}.html")
        for number, question in enumerate(QUESTIONS):
            answer(tab, question, right=number % 2 == 0)
        violations = Axe().run(tab).response["violations"]
        assert [(found["id"], found["nodes"][0]["html"][:200]) for found in violations] == []
        assert tab.evaluate("document.documentElement.scrollWidth") <= width


def test_progress_shows_on_the_map_and_can_be_saved_added_and_erased(context, tab, site, tmp_path):
    question, *others = QUESTIONS
    answer(tab, question, right=True)
    tab.get_by_label("I have read this page").check()
    tab.get_by_label("I have solved the lab").check()
    tab.reload()
    assert tab.get_by_label("I have read this page").is_checked()
    assert "is right" in tab.locator(f"#quiz-{question} .quiz-verdict").inner_text()

    tab.goto(f"{site}/book/index.html")
    marks = tab.locator("[data-chapters] .progress-marks")
    shown = f"✓ read, lab solved, quiz 1 of {len(QUESTIONS)}"
    assert marks.all_inner_texts() == [shown]
    assert "in this browser only" in tab.locator("section.progress").inner_text()
    with tab.expect_download() as download:
        tab.get_by_role("button", name="Save as a file").click()
    saved = tmp_path / "mlelab-progress.json"
    download.value.save_as(saved)
    assert set(json.loads(saved.read_text())["chapters"]) == {AREA}

    tab.on("dialog", lambda dialog: dialog.accept())
    tab.get_by_role("button", name="Erase").click()
    assert marks.count() == 0
    assert tab.evaluate("Object.keys(localStorage).filter(key => key.startsWith('mlelab.'))") == []

    tab.goto(f"{site}/book/{AREA}.html")
    answer(tab, others[0], right=False)
    tab.goto(f"{site}/book/index.html")
    with tab.expect_file_chooser() as chooser:
        tab.get_by_role("button", name="Add from a file").click()
    chooser.value.set_files(saved)
    tab.get_by_text(re.compile("^Added what")).wait_for()
    assert marks.all_inner_texts() == [shown], "what was here and what was in the file"
    tab.goto(f"{site}/book/{AREA}.html")
    assert "is not right" in tab.locator(f"#quiz-{others[0]} .quiz-verdict").inner_text()


@pytest.mark.parametrize("content", [
    "", "not json", "[]", "null", "{}", '{"course": "mlelab", "version": 2, "chapters": {}}',
    '{"course": "mlelab", "version": 1, "chapters": 3}'])
def test_a_file_that_is_no_progress_changes_nothing(tab, site, tmp_path, content):
    tab.get_by_label("I have read this page").check()
    tab.goto(f"{site}/book/index.html")
    before = tab.evaluate("JSON.stringify(localStorage)")
    file = tmp_path / "other.json"
    file.write_text(content)
    tab.locator("input[type=file]").set_input_files(file)
    tab.get_by_text("other.json is not a progress file of this course").wait_for()
    assert tab.evaluate("JSON.stringify(localStorage)") == before


def test_a_file_with_foreign_content_is_added_as_far_as_it_is_ours(tab, site, tmp_path):
    file = tmp_path / "odd.json"
    chapters = {AREA: {"read": True, "solved": "<b>", "quiz": {"of": 8, "answers": {"<img>": {"chosen": [0]}, "a": 3}}},
                "__proto__": {"read": True}, "<script>": {"read": True}, "00_start": None}
    file.write_text(json.dumps({"course": "mlelab", "version": 1, "chapters": chapters}))
    tab.goto(f"{site}/book/index.html")
    tab.locator("input[type=file]").set_input_files(file)
    tab.get_by_text(re.compile("^Added what")).wait_for()
    kept = json.loads(tab.evaluate("localStorage['mlelab.progress']"))["chapters"]
    assert kept == {AREA: {"read": True, "quiz": {"of": 8, "answers": {}}}}
    assert tab.evaluate("({}).read") is None


def test_a_browser_that_stores_nothing_still_answers_and_says_so(browser, site):
    with browser.new_context() as context:
        context.add_init_script("Object.defineProperty(window, 'localStorage', {get() { throw new Error('refused') }})")
        tab = context.new_page()
        errors = []
        tab.on("pageerror", lambda error: errors.append(str(error)))
        tab.goto(f"{site}/book/{AREA}.html")
        for question in QUESTIONS:
            answer(tab, question, right=True)
        assert f"{len(QUESTIONS)} of {len(QUESTIONS)} right." in tab.locator(".quiz-summary").inner_text()
        assert "stores nothing" in tab.locator("fieldset.progress").inner_text()
        tab.goto(f"{site}/book/index.html")
        assert "stores nothing" in tab.locator("section.progress").inner_text()
        assert [error for error in errors if "refused" not in error] == []


def test_scripts_are_loaded_only_where_they_are_used(context, site):
    tab = context.new_page()
    ours = {path.name for path in (ROOT / "book" / "_static").glob("*.js")}
    used = {f"book/{AREA}": {"progress.js", "quiz.js"}, "book/index": {"progress.js"}, "book/reference/glossary": set(),
            "search": {"search.js"}}
    for page, expected in used.items():
        tab.goto(f"{site}/{page}.html")
        sources = tab.evaluate("[...document.scripts].map(script => script.src.split('/').pop().split('?')[0])")
        assert ours.intersection(sources) == expected
