"""The files that platforms and assistants read are well formed, agree with the project, and point at what is there."""

import json
import re
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PAGES = [ROOT / name for name in ("AGENTS.md", "CHANGELOG.md", "CONTRIBUTING.md", "README.md")]
PAGES += sorted((ROOT / ".github").glob("*.md"))


def read(name: str):
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


def test_the_citation_is_of_this_release():
    citation = read("CITATION.cff")
    assert {"cff-version", "message", "title", "authors"} <= set(citation)
    assert (citation["version"], citation["license"]) == (PROJECT["version"], PROJECT["license"])
    assert (citation["repository-code"], citation["url"]) == tuple(PROJECT["urls"].values())


@pytest.mark.parametrize("form", sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("[!c]*.yml")),
                         ids=lambda path: path.stem)
def test_an_issue_form_has_what_the_platform_asks_for(form):
    found = yaml.safe_load(form.read_text(encoding="utf-8"))
    assert {"name", "description", "body"} <= set(found)
    names = [field["id"] for field in found["body"]]
    assert len(set(names)) == len(names) > 0
    assert all(field["type"] in ("input", "textarea") and field["attributes"]["label"] for field in found["body"])


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_links_lead_to_files(page):
    for link in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
        assert "://" in link or (page.parent / link).exists(), link


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_commands_are_there(page):
    targets = " ".join(re.findall(r"^([\w ]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)).split()
    assert set(re.findall(r"`make ([a-z]+)", page.read_text(encoding="utf-8"))) <= set(targets)


def test_hooks_and_container_run_what_is_there():
    for hook in read(".pre-commit-config.yaml")["repos"][0]["hooks"]:
        scripts = [word for word in hook["entry"].split() if word.startswith("tools/")]
        assert all((ROOT / script).exists() for script in scripts)
    text = (ROOT / ".devcontainer" / "devcontainer.json").read_text(encoding="utf-8")
    container = json.loads("\n".join(line for line in text.splitlines() if not line.startswith("//")))
    assert (ROOT / ".ci" / "programs").exists() and ".ci/programs" in container["onCreateCommand"]


def test_a_tutor_hints_and_does_not_solve():
    tutor = (ROOT / "book" / "_ext" / "tutor.txt").read_text(encoding="utf-8")
    assert "Hint, never solve." in tutor and "misconception" in tutor and "section" in tutor


def test_the_book_is_published_from_a_commit_that_the_tests_have_passed():
    workflow = read(".github/workflows/book.yml")
    (publish,) = workflow["jobs"].values()
    assert workflow[True] == {"workflow_run": {"workflows": [read(".github/workflows/test.yml")["name"]],
                                               "types": ["completed"], "branches": ["main"]}}
    assert "workflow_run.conclusion == 'success'" in publish["if"] and "event == 'push'" in publish["if"]
    assert publish["steps"][0]["with"]["ref"] == "${{ github.event.workflow_run.head_sha }}"
