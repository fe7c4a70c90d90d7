"""Write a feedback page for each student: verdict and points of each check, why, and the graded notebook below.

feedback/STUDENT/AREA/lab.html is one file that opens anywhere, and feedback/AREA-SYSTEM.zip has all pages under the
names that Moodle and Canvas take back. Hidden checks show as passed or not passed, never their code; our solutions are
left out; what a student's code printed is cut at 20,000
characters and loses its scripts.
"""

import copy
import re
import warnings
from html import escape
from pathlib import Path

import nbformat
from nbconvert.exporters import HTMLExporter
from nbconvert.preprocessors.sanitize import SanitizeHTML

from mlelab.check.misconceptions import MISCONCEPTIONS
from teaching import classroom, results
from teaching.grading import HIDDEN
from teaching.release import STUB
from teaching.report import STYLE, table

UPLOAD = {"moodle": 'for "Upload multiple feedback files in a zip"', "canvas": 'for "Upload Submissions"',
          "others": "named as the students are here"}
LONGEST = 20_000  # characters of one output
GONE = "(left out)"
# What stays of HTML that a cell printed: tables and the boxes of the checks.
ALLOWED = ["a", "b", "br", "caption", "code", "dd", "div", "dl", "dt", "em", "h1", "h2", "h3", "h4", "hr", "li", "ol",
           "p", "pre", "span", "strong", "table", "tbody", "td", "th", "thead", "tr", "ul"]
KEPT = {"a": ["href"], "td": ["colspan", "rowspan"], "th": ["colspan", "rowspan", "scope"]}


def arguments(parser) -> None:
    parser.add_argument("area", help="the lab, such as 01_lifecycle")
    parser.add_argument("students", nargs="*", metavar="STUDENT", help="only these (default: all that are graded)")
    parser.add_argument("--output", type=Path, help="default: feedback/ in the course's folder")


def run(arguments) -> int:
    course, area = classroom.course(arguments), arguments.area
    found = results.needed(course, area)
    graded = {submission.student: submission for submission in found if submission.graded}
    for student in arguments.students:
        if student not in graded:
            classroom.refuse(f"{area} of {student!r} is not graded.")
    chosen, target = arguments.students or list(graded), arguments.output or course / "feedback"
    for number, student in enumerate(chosen, start=1):
        classroom.progress(number, len(chosen), student)
        notebook = course / "autograded" / student / area / "lab.ipynb"
        body = ""
        if notebook.exists():
            body = body_of(nbformat.read(notebook, as_version=4))
        classroom.save(target / student / area / "lab.html", page(graded[student], body))
    print(f"{len(chosen)} feedback pages of {area} are in {target}.")
    for system, files in sorted(archives(course, area, target, list(graded)).items()):
        path = classroom.save(target / f"{area}-{system}.zip", classroom.zipped(files))
        print(f"{path}: {len(files)} pages, {UPLOAD[system]}.")
    left = [submission.student for submission in found if not submission.graded]
    if left and not arguments.students:
        print(f"Handed in and not graded, so without a page: {', '.join(left)}.")
    return 1 if left and not arguments.students else 0


def archives(course: Path, area: str, target: Path, students: list[str]) -> dict[str, dict[str, bytes]]:
    """By system, the pages under the names that it takes back; by student for those who came from nowhere else."""
    made: dict[str, dict[str, bytes]] = {}
    for student in students:
        page = target / student / area / "lab.html"
        came = course / "submitted" / student / area / "came.txt"
        name = came.read_text(encoding="utf-8").strip() if came.exists() else ""
        system, path = classroom.way_back(name, f"feedback-{area}.html") or ("others", f"{student}.html")
        if page.exists():
            made.setdefault(system, {})[path] = page.read_bytes()
    return made


def page(submission, body: str) -> str:
    rows, comments = [], dict(submission.comments)
    for check in submission.checks:
        named = MISCONCEPTIONS.get(check.misconception)
        lost = check.verdict != "right" or check.score < check.points
        why = check.says if lost and not check.hidden else ""
        if named:
            why = f"{why} {named.code} {named.name}: {named.why}".strip()
        if comment := comments.pop(check.exercise, ""):
            why = f"{why} Comment: {comment}".strip()
        verdict = check.verdict
        if check.hidden:
            verdict = "passed" if check.score else "not passed"
        rows.append([check.title, verdict, f"{check.score:g} of {check.points:g}{', given by hand' * check.by_hand}",
                     why])
    said = f"<p>It could not be graded: {escape(submission.problem)}</p>" if submission.problem else ""
    if not submission.problem or submission.score:  # a person may have given points all the same
        said += f"<p><strong>{submission.total:g} of {submission.points:g} points.</strong></p>"
    if submission.late:
        taken = f": {submission.penalty:g} points are taken from {submission.score:g}" if submission.penalty else ""
        said += f"<p>It came {escape(submission.late)}{taken}.</p>"
    summary = table("Checks", ["Check", "Verdict", "Points", "Why"], rows) if rows else ""
    title = f"Feedback on {escape(submission.area)} for {escape(submission.student)}"
    more = "<h2>Your notebook, as it was graded</h2>" + body if body else ""
    return (f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
            f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{STYLE}'
            "pre { overflow-x: auto; padding: .5rem; border: 1px solid #ccc } img { max-width: 100% }</style></head>"
            f"<body><main><h1>{title}</h1>{said}{summary}{more}</main></body></html>\n")


def body_of(notebook) -> str:
    """The notebook as HTML: no hidden check, no solution of ours, no script."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        shown = without_secrets(notebook)
        shown = SanitizeHTML(enabled=True, strip=True, tags=ALLOWED, attributes=KEPT).preprocess(shown, {})[0]
        html = HTMLExporter(template_name="basic", exclude_input_prompt=True, exclude_output_prompt=True,
                            exclude_anchor_links=True).from_notebook_node(shown)[0]
    html = re.sub(r"<th\b([^>]*)>(?:\s|&nbsp;)*</th>", r"<td\1></td>", html)  # tables of pandas
    html = re.sub(r"\b(href|src)\s*=\s*(\"[^\"]*\"|'[^']*'|[^\s>]+)", _safe, html)  # links of Markdown, too
    html = html.replace("<pre>", '<pre tabindex="0">')  # so that keys scroll it
    # Our headings stand above those of the notebook.
    return re.sub(r"<(/?)h([1-4])\b", lambda found: f"<{found[1]}h{int(found[2]) + 2}", html)


def _safe(found: re.Match) -> str:
    address = found[2].strip("\"'")
    return found[0] if re.match(r"https?://|mailto:|#|data:image/png", address) else f'{found[1]}="#"'


def without_secrets(notebook):
    """A copy of the notebook that can be shown to its student. What a hidden check said is for the instructor."""
    shown = copy.deepcopy(notebook)
    for cell in shown.cells:
        if cell.cell_type == "code":
            hidden = cell.metadata.get("nbgrader", {}).get("grade_id", "").startswith("hidden-")
            cell.source = STUB if hidden else HIDDEN.sub("", cell.source)
            cell.outputs = [_clean(output) for output in (cell.outputs[:1] if hidden else cell.outputs)]
    return shown


def _clean(output):
    """An output without our solutions, and not longer than is read."""
    data = output.get("data", {})
    if "**Our solution of" in "".join(data.get("text/markdown", "")):
        return _text(GONE)
    made = {}
    for key in ("text", "evalue"):
        if key in output:
            made[key] = _short("".join(output[key]))
    if "traceback" in output:
        made["traceback"] = [_short(line) for line in output["traceback"]]
    if data:
        made["data"] = {kind: value if kind == "image/png" else _short(_described("".join(value)))
                        for kind, value in data.items() if isinstance(value, (str, list))}
    return nbformat.from_dict({**output, **made})


def _described(html: str) -> str:
    """HTML with the description of each drawing in its place, and without scripts and styles."""
    html = re.sub(r"<(script|style)\b.*?(</\1\s*>|\Z)", "", html, flags=re.S | re.I)
    return re.sub(r"<svg\b(?:[^>]*?aria-label=\"([^\"]*)\")?.*?</svg>",
                  lambda found: f"<p>Figure. {found[1] or ''}</p>", html, flags=re.S)


def _short(text: str) -> str:
    if len(text) > LONGEST and not text.startswith("<"):
        return text[:LONGEST] + f"\n… ({len(text) - LONGEST:,} characters left out)"
    return GONE if len(text) > 20 * LONGEST else text


def _text(text: str):
    return nbformat.v4.new_output("stream", name="stdout", text=text + "\n")
