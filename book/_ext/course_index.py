"""The indexes of the book, all of them made from what is there.

  {exercises}        every exercise: what it asks, its points, where to read first, its lab
  {proof}            what was tried against each check, and what it rejected
  {misconceptions}   every code of mlelab.check.misconceptions, and where each one bites
  {figures}          every figure of the pages, in their order
  {status}           when each lab was last green elsewhere, from the records of tools/run_elsewhere.py
  {nightly}          when each step of tools/nightly.yml was last green
  {claims}           how many sentences of each chapter are held by an assertion, from tools/claims.py
"""

import hashlib
import json
import re
import sys
from html import unescape

import yaml
from course_site import CourseDirective, link, table, to_label
from docutils import nodes
from sphinx.transforms import SphinxTransform

from mlelab.check import open_lab
from mlelab.check.misconceptions import MISCONCEPTIONS
from mlelab.exam import QuizError, read

HEADING = re.compile(r"^# ### Exercise (\S+): (.+?) \((\d+) points?\b", re.M)
WRONG_ANSWER = re.compile(r'^@wrong\("([^"]+)", "(M\d\d)"', re.M)
FIGURE = re.compile(r'<figure class="mlelab-figure"')
ALT = re.compile(r'aria-label="([^"]*)"')


def wrong_answers(page: CourseDirective, area: str) -> list[tuple[str, str]]:
    """Exercise and misconception of each wrong answer that a lab's checks know by name."""
    known = [(number, mistake.code) for number, exercise in open_lab(area).exercises.items()
             for mistake in exercise.mistakes]
    for source in sorted(page.root.glob(f"mlelab/check/{area}/*.py")):
        page.file(*source.relative_to(page.root).parts)
    beside = page.file("tests", "wrong_answers", f"{area}.py")
    return known + (WRONG_ANSWER.findall(beside.read_text(encoding="utf-8")) if beside.exists() else [])


class ExercisesDirective(CourseDirective):
    """A table of the exercises of all labs, from the headings of their sources."""

    def run(self) -> list[nodes.Node]:
        rows = []
        for source in sorted(self.root.glob("solutions/*/lab.py")):
            area = source.parent.name
            headings = HEADING.findall(self.file("solutions", area, "lab.py").read_text(encoding="utf-8"))
            registered = open_lab(area).exercises
            if [number for number, *_ in headings] != list(registered):
                self.warn(f"solutions/{area}/lab.py needs a heading `### Exercise N.M: title (k points)` for each of "
                          f"{', '.join(registered)}, in this order")
            for number, title, points in headings:
                term = nodes.paragraph("", "", nodes.strong("", number), nodes.Text(f" {title[0].upper()}{title[1:]}"))
                self.label(term, f"exercise-{number.replace('.', '-')}", f"Exercise {number}")
                section = to_label(registered[number].section) if number in registered else nodes.Text("")
                rows.append(([term], section, points, to_label(f"lab-{int(area[:2])}")))
        return [table(("Exercise", "Read first", "Points", "Lab"), rows, ["exercises"])]


class MisconceptionsDirective(CourseDirective):
    """Every misconception, in the order of its code, with links to the exercises and questions that recognise it."""

    def run(self) -> list[nodes.Node]:
        self.file("mlelab", "check", "misconceptions.py")
        bites = self.bites()
        entries = nodes.definition_list(classes=["misconceptions"])
        for known in MISCONCEPTIONS.values():
            term = nodes.term("", "", nodes.strong("", known.code), nodes.Text(f" {known.name}"))
            self.label(term, known.code.lower(), f"{known.code} {known.name}")
            explained = nodes.definition("", nodes.paragraph("", known.why))
            if known.code in bites:
                where = nodes.paragraph("", "Where it bites: ", classes=["bites"])
                for number, (label, text) in enumerate(bites[known.code].items()):
                    where += [*([nodes.Text(", ")] if number else []), to_label(label, nodes.Text(text))]
                where += nodes.Text(".")
                explained += where
            entries += nodes.definition_list_item("", term, explained)
        return [entries]

    def bites(self) -> dict[str, dict[str, str]]:
        """For each code the labels and names of the exercises with a wrong answer of its kind, and of the questions."""
        found: dict[str, dict[str, str]] = {}
        for source in sorted(self.root.glob("solutions/*/lab.py")):
            for number, code in wrong_answers(self, source.parent.name):
                found.setdefault(code, {})[f"exercise-{number.replace('.', '-')}"] = f"exercise {number}"
        for path in sorted(self.root.glob("book/quiz/[0-9]*.yml")):
            try:
                questions = read(self.file("book", "quiz", path.name)).questions
            except QuizError:
                continue  # {quiz} says what is wrong with it
            for number, question in enumerate(questions, start=1):
                text = f"question {number} of chapter {int(path.stem[:2])}"
                for code in {option.misconception for option in question.options} - {None}:
                    found.setdefault(code, {})[f"quiz-{question.id}"] = text
        return found


class ProofDirective(CourseDirective):
    """A table of what was tried against each check, from the ledger that the adversary writes."""

    def run(self) -> list[nodes.Node]:
        rows, total = [], [0] * 4
        for source in sorted(self.root.glob("solutions/*/lab.py")):
            area = source.parent.name
            ledger = self.file("tests", "checks", "ledger", f"{area}.json")
            entries = json.loads(ledger.read_text(encoding="utf-8")) if ledger.exists() else {}
            for number, exercise in open_lab(area).exercises.items():
                entry = entries.get(number, dict.fromkeys(("named", "tried", "killed", "equivalent"), 0))
                counts = [entry[name] for name in ("named", "tried", "killed", "equivalent")]
                total = [a + b for a, b in zip(total, counts)]
                link = to_label(f"exercise-{number.replace('.', '-')}", nodes.Text(f"{number} {exercise.name}"))
                rows.append((link, *map(str, counts)))
        heads = ("Exercise", "Named mistakes", "Mutants tried", "Rejected", "Equivalent, with a reason")
        return [table(heads, [*rows, ("Together", *(f"{count:,}" for count in total))], ["proof"])]


class figures(nodes.General, nodes.Element):  # noqa: N801
    """Where the list of figures will stand: all pages must be read before it can be made."""


class FiguresDirective(CourseDirective):
    """The list of all figures."""

    def run(self) -> list[nodes.Node]:
        self.env.note_reread()
        return [figures()]


class NameFigures(SphinxTransform):
    """An anchor for each figure, after its section: `figure-expected-cost`, and `…-2` for a second one there."""

    default_priority = 710  # after NameSections

    def apply(self) -> None:
        seen: dict[str, int] = {}
        for raw in self.document.findall(nodes.raw):
            if FIGURE.search(raw.astext()):
                section = raw.parent
                while not isinstance(section, nodes.section):
                    section = section.parent
                name = f"figure-{section['ids'][0]}"
                seen[name] = seen.get(name, 0) + 1
                name += f"-{seen[name]}" if seen[name] > 1 else ""
                html = FIGURE.sub(f'<figure class="mlelab-figure" id="{name}"', raw.astext(), count=1)
                raw.replace_self(nodes.raw("", html, format="html", figure=(name, section[0].astext())))


def list_figures(app, doctree, docname) -> None:
    for place in list(doctree.findall(figures)):
        items = nodes.definition_list(classes=["figures"])
        for page in sorted(app.env.found_docs - {docname}):
            tree = app.env.get_doctree(page)
            for raw in (raw for raw in tree.findall(nodes.raw) if "figure" in raw):
                anchor, section = raw["figure"]
                there = link(section, f"{app.builder.get_relative_uri(docname, page)}#{anchor}")
                title = nodes.term("", "", there, nodes.Text(f", {tree.next_node(nodes.title).astext()}"))
                shows = unescape(ALT.search(raw.astext())[1])
                items += nodes.definition_list_item("", title, nodes.definition("", nodes.paragraph("", shows)))
        place.replace_self(items)


class StatusDirective(CourseDirective):
    """A table of labs and environments: green and when, or what happened. Another state of the lab is not the same."""

    def run(self) -> list[nodes.Node]:
        records = {path.stem: json.loads(self.file("book", "status", path.name).read_text(encoding="utf-8"))
                   for path in sorted(self.root.glob("book/status/*.json"))}
        rows = []
        for source in sorted(self.root.glob("solutions/*/lab.py")):
            area = source.parent.name
            digest = hashlib.sha256(self.file("solutions", area, "lab.py").read_bytes()).hexdigest()[:12]
            rows.append((to_label(f"lab-{int(area[:2])}"),
                         *(self.cell(record.get(area), digest) for record in records.values())))
        return [table(("Lab", *records), rows, ["status"])]

    @staticmethod
    def cell(entry: dict | None, digest: str) -> str:
        if not entry:
            return "not run"
        if entry["says"]:
            return f"failed on {entry['ran']}: {entry['says']}"
        return f"green on {entry['green']}" if entry["source"] == digest else f"changed since {entry['green']}"


class NightlyDirective(CourseDirective):
    """A table of the nightly steps: what each shows, and when it was last green."""

    def run(self) -> list[nodes.Node]:
        rows = []
        for step in yaml.safe_load(self.file("tools", "nightly.yml").read_text(encoding="utf-8")):
            path = self.file("book", "status", "nightly", f"{step['name']}.json")
            entry = json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
            rows.append((step["name"], step["shows"], self.cell(entry), f"{entry['minutes']:.0f}" if entry else "–"))
        return [table(("Step", "What it shows", "Result", "Minutes"), rows, ["nightly"])]

    @staticmethod
    def cell(entry: dict | None) -> str:
        if not entry:
            return "not run"
        if entry["ran"] != entry["green"]:
            return f"failed on {entry['ran']}" + (f", green on {entry['green']}" if entry["green"] else "")
        return f"green on {entry['green']}"


class ClaimsDirective(CourseDirective):
    """A table of chapters: claims of the page and its quiz, claims of the lab, and sentences that nothing covers."""

    def run(self) -> list[nodes.Node]:
        sys.path.insert(0, str(self.root / "tools"))
        import claims

        rows: dict[str, list[int]] = {}
        for text in claims.texts():
            self.file(*text.path.relative_to(self.root).parts)
            chapter = rows.setdefault(text.area[:2], [0, 0, 0, 0])
            said = text.claimed
            chapter[3] += len(text.uncovered())
            if text.path.name == "lab.py":
                chapter[2] += len(said)
            else:
                quiz = sum(words.startswith("quiz ") for words in said)
                chapter[0], chapter[1] = chapter[0] + len(said) - quiz, chapter[1] + quiz
        counted = [(str(int(number)), *map(str, row)) for number, row in sorted(rows.items())]
        counted.append(("All", *(str(sum(column)) for column in zip(*rows.values()))))
        return [table(("Chapter", "Page", "Quiz", "Lab", "Not covered"), counted, ["claims"])]


def setup(app):
    app.add_directive("claims", ClaimsDirective)
    app.add_node(figures)
    app.add_directive("status", StatusDirective)
    app.add_directive("nightly", NightlyDirective)
    app.add_directive("exercises", ExercisesDirective)
    app.add_directive("proof", ProofDirective)
    app.add_directive("misconceptions", MisconceptionsDirective)
    app.add_directive("figures", FiguresDirective)
    app.add_transform(NameFigures)
    app.connect("doctree-resolved", list_figures, priority=400)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
