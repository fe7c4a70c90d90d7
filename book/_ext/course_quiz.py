"""The directive {quiz}: the questions of a chapter, readable and answerable without a script.

Answers and reasons stand in a `<details>` element. Where scripts run, book/_static/quiz.js makes more of it, by
`data-quiz` on the list, `data-question` and `data-choose` on each question, `data-option` and `data-key` on an option.
"""

import hashlib

from course_site import CourseDirective, element, misconception, product_names, to_label
from docutils import nodes

from mlelab.exam import Option, Question, QuizError, read

LETTERS = "ABCDE"


class QuizDirective(CourseDirective):
    """The questions of book/quiz/AREA.yml."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        area = self.arguments[0]
        path = self.file("book", "quiz", f"{area}.yml")
        products = product_names(self.root)["products"].values()
        former = [name for product in products for name in product.get("former", [])]
        try:
            quiz = read(path, former)
        except FileNotFoundError:
            return self.warn(f"there is no book/quiz/{area}.yml for this {{quiz}}")
        except QuizError as error:
            return [node for problem in error.problems for node in self.warn(problem)]
        total = len(quiz.questions)
        questions = [self.question(question, number, total) for number, question in enumerate(quiz.questions, start=1)]
        return [element("", *questions, tag="div", html={"data-quiz": area}, classes=["quiz"])]

    def question(self, question: Question, number: int, total: int) -> nodes.Node:
        name = f"quiz-{question.id}"
        options = shuffled(question)
        title = nodes.paragraph("", "", nodes.strong("", f"Question {number} of {total}"), ids=[f"{name}-title"],
                                classes=["quiz-title"])
        if question.choose > 1:
            title += nodes.Text(f" Choose {question.choose}.")
        choices = element("", *(
            element("", *self.prose(option.text), tag="li", html={"data-option": str(question.options.index(option))})
            for option in options), tag="ol", html={"type": "A"}, classes=["quiz-options"])
        stem = element("", *self.prose(question.stem), tag="div", ids=[f"{name}-stem"])
        asked = element("", title, stem, *self.evidence(question), choices,
                        self.answer(question, options), tag="div", classes=["quiz-question"],
                        html={"role": "group", "aria-labelledby": f"{name}-title",
                              "aria-describedby": f"{name}-stem", "data-question": question.id,
                              "data-choose": str(question.choose)})
        self.label(asked, name, f"Question {number}")
        return asked

    def evidence(self, question: Question) -> list[nodes.Node]:
        """The table or figure that the question is about: pasted, or a link to where it stands on the page."""
        if question.evidence is None:
            return []
        title = question.evidence["title"]
        if "label" in question.evidence:
            there = to_label(question.evidence["label"], nodes.Text(title))
            return [nodes.paragraph("", "", nodes.Text("Evidence: "), there, classes=["quiz-evidence"])]
        pasted = self.prose(f"```{{glue}} {question.evidence['glue']}\n```")
        return [element("", nodes.paragraph("", title, classes=["quiz-evidence-title"]), *pasted, tag="div",
                        html={"role": "group", "aria-label": f"Evidence: {title}"}, classes=["quiz-evidence"])]

    def answer(self, question: Question, options: list[Option]) -> nodes.Node:
        right = " and ".join(letter for letter, option in zip(LETTERS, options) if option.key)
        reasons = []
        for letter, option in zip(LETTERS, options):
            verdict = f"{letter} is {'right' if option.key else 'wrong'}. "
            reason = nodes.paragraph("", "", nodes.strong("", verdict), *self.prose(option.reason, inline=True))
            if option.misconception:
                reason += [nodes.Text(" Misconception: "), misconception(option.misconception), nodes.Text(".")]
            reasons.append(element("", reason, tag="li", html={"data-key": "true" if option.key else "false"}))
        again = nodes.paragraph("", "", nodes.Text("Read again: "), to_label(question.section), nodes.Text("."))
        return element("", element("", nodes.Text("Answer and reasons"), tag="summary"),
                       nodes.paragraph("", f"The answer is {right}."),
                       element("", *reasons, tag="ul", classes=["quiz-reasons"]), again,
                       tag="details", classes=["quiz-answer"])


def shuffled(question: Question) -> list[Option]:
    """The options in an order that depends on their texts alone, so that authors need not think about it."""
    return sorted(question.options, key=lambda option: hashlib.sha256(f"{question.id} {option.text}".encode()).digest())


def setup(app):
    app.add_directive("quiz", QuizDirective)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
