"""The search in a real browser: what a reader types lands on the right section first."""

import json

import pytest

from tests.claims.test_terms import TERMS, TOOLS

FIRST = {  # what a reader types, and the place that explains it
    "leakage": "book/01_lifecycle.html#what-is-known-when",
    "future information": "book/01_lifecycle.html#what-is-known-when",
    "baseline": "book/01_lifecycle.html#baselines-and-expected-cost",
    "threshold": "book/01_lifecycle.html#expected-cost",
    "expected costs": "book/01_lifecycle.html#expected-cost",
    "stale": "book/01_lifecycle.html#the-lifecycle-as-artefacts",
    "split by time": "book/01_lifecycle.html#split-by-time",
    "AUC": "book/reference/glossary.html#term-AUC",
    "PSI": "book/09_monitoring.html#psi-and-its-friends",
    "TF_CONFIG": "book/reference/glossary.html#term-TF_CONFIG",
    "traffic split": "book/reference/glossary.html#term-traffic-split",
    "watermark": "book/02_data.html#batch-stream-late-data",
    "target encoding": "book/03_features.html#keys-with-many-values",
    "peeking": "book/04_evaluation.html#a-b-tests-and-peeking",
    "eligible": "book/reference/glossary.html#term-eligible",
    "M09": "book/reference/misconceptions.html#m09",
    "Vertex AI": "book/reference/gcp-names.html#gcp-vertex-ai",
    "overfitting": "book/04_evaluation.html#validate-as-you-will-be-used",
    "SMOTE": "book/03_features.html#rare-classes",
    "MLflow": "book/08_mlops.html#where-did-this-come-from",
    "thresold": "book/01_lifecycle.html#expected-cost",  # a letter is missing
    "calibartion": "book/04_evaluation.html#calibration",  # two are swapped
    "exercise 1.4": "book/reference/exercises.html#exercise-1-4",
}


@pytest.fixture(scope="module")
def tab(browser, site):
    tab = browser.new_page()
    tab.goto(f"{site}/search.html")
    yield tab
    tab.close()


@pytest.mark.parametrize("query", FIRST)
def test_the_right_place_comes_first(tab, query):
    tab.locator("main").get_by_role("searchbox").fill(query)
    link = tab.locator("#search-results a").first
    assert link.get_attribute("href") == FIRST[query]


def read_entries(book) -> list[dict]:
    script = (book / "search-entries.js").read_text(encoding="utf-8")
    return json.loads(script.removeprefix("const ENTRIES = ").rstrip(";\n"))


def test_each_term_and_tool_of_the_field_leads_to_its_chapter(book):
    """A section of the chapter has all words of the term, as the search asks for."""
    entries, without = read_entries(book), []
    for page, terms in [*TERMS.items(), *TOOLS.items()]:
        places = [f"{' '.join(entry['titles'])} {entry['stressed']} {entry['text']}".lower() for entry in entries
                  if entry["page"] == f"book/{page}"]
        without += [(page, term) for term in terms
                    if not any(all(word in place for word in term.lower().removesuffix("'s method").split())
                               for place in places)]
    assert without == []


def test_results_lead_to_places_that_exist(browser, site, book):
    entries = read_entries(book)
    with browser.new_context(java_script_enabled=False) as context:
        tab = context.new_page()
        for page in sorted({entry["page"] for entry in entries}):
            tab.goto(f"{site}/{page}.html")
            anchors = {entry["anchor"] for entry in entries if entry["page"] == page and entry["anchor"]}
            assert [anchor for anchor in anchors if not tab.locator(f"[id='{anchor}']").count()] == []


@pytest.mark.parametrize("query", ["TFX", "tuning", "canaries", "retrain"])
def test_words_that_pages_use_or_not_are_found(tab, query):
    tab.locator("main").get_by_role("searchbox").fill(query)
    assert tab.locator("#search-results li").count() > 0


def test_pages_for_instructors_come_last(tab):
    tab.locator("main").get_by_role("searchbox").fill("lab")
    shown = [link.get_attribute("href") for link in tab.locator("#search-results li > a").all()]
    first = next((place for place, href in enumerate(shown) if "/instructors/" in href), len(shown))
    assert len(shown) > 5 and first > 4


def test_quizzes_are_not_given_away(book):
    assert "Question 1 of" not in (book / "search-entries.js").read_text(encoding="utf-8")


def test_a_query_of_the_address_is_answered_from_a_folder(browser, book):
    tab = browser.new_page()
    tab.goto(f"{(book / 'search.html').as_uri()}?q=leakage")
    assert tab.locator("#search-results mark").first.inner_text().lower().startswith("leakage")
    tab.locator("#search-results a").first.click()
    assert tab.url.endswith(FIRST["leakage"])
    tab.close()


def test_nothing_found_says_what_to_do(tab):
    tab.locator("main").get_by_role("searchbox").fill("<b>xylophone</b>")
    assert "Nothing has every word of “<b>xylophone</b>”. Try" in tab.locator("#search-results").inner_text()
