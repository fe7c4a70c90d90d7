"""Write the quizzes of the book for a learning management system: QTI 2.1, or Common Cartridge 1.1 with QTI 1.2.

Each option's reason becomes its feedback. Half of the questions read a table of the chapter's page. With --execute
the pages are run, up to half a minute each, and the tables stand in the questions; without it a question links to
where its table stands in the published book.
"""

from pathlib import Path

import yaml

from mlelab import exam
from teaching import classroom, qti


def arguments(parser) -> None:
    parser.add_argument("areas", nargs="*", metavar="AREA", help="only these chapters (default: all that have a quiz)")
    parser.add_argument("--format", choices=["qti21", "cc"], default="qti21",
                        help="qti21: a .zip with one item a question; cc: an .imscc with one assessment a quiz")
    parser.add_argument("--order", choices=["shuffle", "file"], default="shuffle",
                        help="of the options; in the file the right one often stands first")
    parser.add_argument("--seed", type=int, default=0, help="another order of shuffled options")
    parser.add_argument("--execute", action="store_true", help="run the pages and paste their tables")
    parser.add_argument("--output", type=Path, help="default: exports/quizzes.zip or .imscc in the course's folder")


def run(arguments) -> int:
    course = classroom.course(arguments)
    root = course if (course / "book" / "quiz").exists() else Path(__file__).resolve().parents[2]
    there = {path.stem: path for path in sorted((root / "book" / "quiz").glob("*.yml"))}
    for area in arguments.areas:
        if area not in there:
            classroom.refuse(f"There is no quiz {area!r}; there are {', '.join(there) or 'none'}.")
    chapters = yaml.safe_load((root / "book" / "chapters.yml").read_text(encoding="utf-8"))
    titles = {chapter["area"]: f"{number} {chapter['title']}" for number, chapter in enumerate(chapters)}
    chosen = arguments.areas or list(there)
    quizzes, evidence = [], {}
    for number, area in enumerate(chosen, start=1):
        classroom.progress(number, len(chosen), f"{area}: running its page …" if arguments.execute else area)
        try:
            quizzes.append(exam.read(there[area]))
        except exam.QuizError as error:
            classroom.refuse(error.problems[0])
        titles.setdefault(area, area)
        if arguments.execute:
            evidence |= qti.tables(root / "book" / f"{area}.md")
    make, ending = (qti.qti21, "zip") if arguments.format == "qti21" else (qti.cartridge, "imscc")
    package = make(quizzes, titles, qti.in_order(arguments.order, arguments.seed), evidence)
    path = arguments.output or course / "exports" / f"quizzes.{ending}"
    classroom.save(path, package)
    questions = [question for quiz in quizzes for question in quiz.questions]
    linked = sum(bool(question.evidence) and question.evidence.get("glue") not in evidence for question in questions)
    print(f"{path}: {len(questions)} questions of {len(quizzes)} quizzes, {linked} of them link to their evidence.")
    return 0
