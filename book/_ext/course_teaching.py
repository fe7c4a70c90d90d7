"""What instructors read, made from what is there: minutes of book/chapters.yml, points and wrong answers of the labs.

  {syllabus}    a plan of the term: `:slots: 14`, `:unit: Week`, `:chapters: all` or `core`
  {capacity}    what the labs take of a hub, and how many students fit on a machine, from tools/hub/memory.csv
  {who-decides} for each lab the points that are decided outside of a notebook, and what is watched in it
  {lab-length}  the minutes and points of a lab's exercises, and its core path: `{lab-length} 01_lifecycle`; without a
                lab, a table of all labs. tools/minutes.py has the formula
  {lab-notes}   for each lab its points, its typical errors, the rubric and the questions of its page
"""

import importlib.util
import re
import sys
from itertools import accumulate

import yaml
from course_index import HEADING, wrong_answers
from course_site import CourseDirective, misconception, table, to_label
from docutils import nodes
from docutils.parsers.rst import directives
from sphinx import addnodes

NOTE = re.compile(r"^```\{admonition\} Instructor note\n(?::[^\n]*\n)*(.*?)^```$", re.M | re.S)


class TeachingDirective(CourseDirective):
    def text(self, *parts: str) -> str:
        """The text of a file of the repository, or nothing where there is none."""
        there = self.root.joinpath(*parts).exists()  # a page that depends on a missing file is built every time
        return self.file(*parts).read_text(encoding="utf-8") if there else ""

    def chapters(self) -> list[dict]:
        """The chapters with their number, the exercises of their lab (none if it is planned), and their points."""
        chapters = yaml.safe_load(self.file("book", "chapters.yml").read_text(encoding="utf-8"))
        for number, chapter in enumerate(chapters):
            found = HEADING.findall(self.text("solutions", chapter["area"], "lab.py"))
            chapter.update(number=number, labs=[(name, title, int(points)) for name, title, points in found],
                           points=sum(int(points) for *_, points in found),
                           written=f"book/{chapter['area']}" in self.env.found_docs)
        return chapters

    def chapter_link(self, chapter: dict) -> nodes.Node:
        text = f"{chapter['number']} {chapter['title']}"
        if not chapter["written"]:
            return nodes.Text(f"{text} (planned)")
        return addnodes.pending_xref("", nodes.inline("", text), refdomain="std", reftype="doc", refexplicit=True,
                                     reftarget=f"/book/{chapter['area']}", refwarn=True)


class SyllabusDirective(TeachingDirective):
    """The chapters, in their order, over so many slots that the longest slot is as short as it can be."""

    option_spec = {"slots": directives.positive_int, "unit": directives.unchanged,
                   "chapters": lambda value: directives.choice(value, ("all", "core"))}

    def run(self) -> list[nodes.Node]:
        unit, count = self.options.get("unit", "Week"), self.options["slots"]
        chapters = [chapter for chapter in self.chapters()
                    if chapter["core"] or self.options.get("chapters", "all") == "all"]
        rows, pages, labs, points = [], 0, 0, 0
        for number, slot in enumerate(spread(chapters, count), start=1):
            names, read, lab, due = nodes.paragraph(), 0, 0, []
            for position, (chapter, part, parts) in enumerate(slot):
                names += [*([nodes.Text("; ")] if position else []), self.chapter_link(chapter)]
                names += nodes.Text(f", part {part} of {parts}") if parts > 1 else nodes.Text("")
                read += chapter["page_minutes"] if part == 1 else 0
                lab += round(chapter["lab_minutes"] / parts)
                if part == parts and chapter["labs"]:
                    due.append(f"{chapter['points']}" + (" for practice" if chapter["number"] == 0 else ""))
                    points += chapter["points"] if chapter["number"] else 0
            rows.append((str(number), [names], str(read), str(lab), " + ".join(due) or "–"))
            pages, labs = pages + read, labs + lab
        rows.append(("Total", "", str(pages), str(labs), str(points)))
        return [table((unit, "Chapters", "Page, minutes", "Lab, minutes", "Points"), rows, ["syllabus"])]


def spread(chapters: list[dict], slots: int) -> list[list[tuple[dict, int, int]]]:
    """(chapter, part, parts) for each slot. With slots to spare, the longest chapters take more than one."""
    parts = [1] * len(chapters)
    minutes = [chapter["page_minutes"] + chapter["lab_minutes"] for chapter in chapters]
    while sum(parts) < slots:
        longest = max(range(len(chapters)), key=lambda i: minutes[i] / parts[i])
        parts[longest] += 1
    pieces = [(chapter, part, whole) for chapter, whole in zip(chapters, parts) for part in range(1, whole + 1)]
    weights = [(chapter["page_minutes"] + chapter["lab_minutes"]) / whole for chapter, _, whole in pieces]
    sums = [0, *accumulate(weights)]
    # best[k][n]: the longest slot when the first n pieces fill k slots, and where the last of them begins
    best = {0: {0: (0.0, 0)}}
    for k in range(1, slots + 1):
        best[k] = {n: min((max(best[k - 1][start][0], sums[n] - sums[start]), start)
                          for start in range(n) if start in best[k - 1])
                   for n in range(k, len(pieces) + 1)}
    ends, n = [], len(pieces)
    for k in range(slots, 0, -1):
        ends.append(n)
        n = best[k][n][1]
    ends = [0, *reversed(ends)]
    return [pieces[start:end] for start, end in zip(ends, ends[1:])]


class CapacityDirective(TeachingDirective):
    """Two tables: what each lab takes, and what a machine holds, as tools/hub/capacity.py computes it."""

    def run(self) -> list[nodes.Node]:
        self.file("tools", "hub", "memory.csv")
        spec = importlib.util.spec_from_file_location("capacity", self.file("tools", "hub", "capacity.py"))
        capacity = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(capacity)
        labs = [(to_label(f"lab-{int(area[:2])}"), f"{seconds:.0f}", f"{memory:,.0f}")
                for area, (seconds, memory) in capacity.labs().items()]
        machines = []
        for cpus, memory in capacity.NODES:
            fit = capacity.students(cpus, memory)
            machines.append((f"{cpus} vCPU, {memory} GiB", str(fit["usual"]), str(fit["all at once"]),
                             str(fit["minutes"])))
        return [table(("Lab, solved", "Seconds", "Peak, MiB"), labs, ["capacity"]),
                table(("Machine", "Students", "All in the largest lab at once",
                       "Minutes at most if all run the longest lab"), machines, ["capacity"])]


class WhoDecidesDirective(TeachingDirective):
    """A row for each lab: its points, the exercises that are watched in the notebook, and what that leaves open."""

    def run(self) -> list[nodes.Node]:
        spec = importlib.util.spec_from_file_location("judge", self.file("tools", "teaching", "judge.py"))
        judge = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(judge)
        rows = []
        for chapter in self.chapters():
            watched = {number: points for number, _, points in chapter["labs"]
                       if judge.THERE.get((chapter["area"], number))}
            if chapter["labs"]:
                left = nodes.paragraph()
                for position, number in enumerate(watched):
                    left += nodes.Text(f"{'; ' * bool(position)}{number}: {judge.THERE[chapter['area'], number]}")
                rows.append(([nodes.paragraph("", "", self.chapter_link(chapter))], str(chapter["points"]),
                             str(chapter["points"] - sum(watched.values())), str(sum(watched.values())), [left]))
        return [table(("Lab", "Points, all decided outside", "Of them with nothing watched", "With a watcher",
                       "What replacing the watcher allows"), rows, ["who-decides"])]


class LabLengthDirective(TeachingDirective):
    """Minutes, as tools/minutes.py estimates them."""

    optional_arguments = 1

    def run(self) -> list[nodes.Node]:
        if not self.arguments:
            return [table(("Lab", "Minutes", "Core path, minutes", "Core path", "Points"), [
                (to_label(f"lab-{int(area[:2])}"), str(length.total), str(length.core), ", ".join(length.path),
                 str(length.points)) for area, length in self.lengths()], ["lab-lengths"])]
        (area, length), = self.lengths(self.arguments[0])
        says = nodes.paragraph("", "", to_label(f"lab-{int(area[:2])}"), nodes.Text(
            f" takes about {length.total} minutes. Short of time? The core path takes about {length.core}, and leaves "
            "a working whole; the rest goes deeper. Minutes are estimates."))
        rows = [(to_label(f"exercise-{one.number.replace('.', '-')}", nodes.Text(one.number)),
                 str(length.exercises[one.number]), "core" if one.number in length.path else "deeper", str(one.points))
                for one in length.stretches if one.number]
        return [says, table(("Exercise", "Minutes", "Path", "Points"), rows, ["lab-length"])]

    def lengths(self, only: str | None = None):
        """(area, length) of each lab that is there."""
        sys.path.insert(0, str(self.root / "tools"))
        import minutes

        for parts in (("tools", "minutes.py"), ("tools", "hub", "memory.csv"), ("book", "chapters.yml")):
            self.file(*parts)
        for source in sorted(self.root.glob(f"solutions/{only or '*'}/lab.py")):
            area = source.parent.name
            self.file("solutions", area, "lab.py")
            yield area, minutes.lab(area, self.root)


class LabNotesDirective(TeachingDirective):
    """A section for each lab."""

    def run(self) -> list[nodes.Node]:
        return [self.lab(chapter) for chapter in self.chapters() if chapter["labs"] and chapter["written"]]

    def lab(self, chapter: dict) -> nodes.section:
        area, title = chapter["area"], f"Lab {chapter['number']}: {chapter['title']}"
        section = nodes.section("", nodes.title("", title), ids=[f"teach-{chapter['number']}"], names=[])
        section += nodes.paragraph("", "", nodes.Text(
            f"{chapter['lab_minutes']} minutes, {chapter['points']} points"
            + (" outside the total" if chapter["number"] == 0 else "") + ". Its page: "), self.chapter_link(chapter),
            nodes.Text("."))
        wrong: dict[str, list[str]] = {}
        for number, code in wrong_answers(self, area):
            wrong.setdefault(number, []).append(code)
        rows = []
        for number, asks, points in chapter["labs"]:
            met = nodes.paragraph()
            for position, code in enumerate(dict.fromkeys(wrong.get(number, []))):
                met += [*([nodes.Text(", ")] if position else []), misconception(code)]
            there = to_label(f"exercise-{number.replace('.', '-')}", nodes.Text(number))
            rows.append(([nodes.paragraph("", "", there, nodes.Text(f" {asks[0].upper()}{asks[1:]}"))], str(points),
                         str(len(wrong.get(number, []))), [met]))
        section += table(("Exercise", "Points", "Wrong answers known", "They show"), rows, ["lab-notes"])
        note = NOTE.search(self.text("book", f"{area}.md"))
        for paragraph in note[1].strip().split("\n\n") if note else []:
            if not paragraph.startswith("**Minutes"):
                section += self.prose(paragraph)
        return section


def setup(app):
    app.add_directive("syllabus", SyllabusDirective)
    app.add_directive("capacity", CapacityDirective)
    app.add_directive("who-decides", WhoDecidesDirective)
    app.add_directive("lab-length", LabLengthDirective)
    app.add_directive("lab-notes", LabNotesDirective)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
