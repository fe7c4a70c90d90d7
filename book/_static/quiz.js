/* Makes the questions of a page answerable: shuffles the options for this reader, checks an answer, gives the reason of
   every option, and asks the missed questions again. Needs progress.js. Without scripts, the page's own markup stays. */
"use strict";

/** The reader's number, drawn once; every question's order follows from it. */
function readerSeed() {
  const drawn = crypto.getRandomValues(new Uint32Array(1))[0];
  try {
    if (localStorage.getItem("mlelab.seed") === null) localStorage.setItem("mlelab.seed", drawn);
    return localStorage.getItem("mlelab.seed");
  } catch { // storage refused: a new order on each visit
    return String(drawn);
  }
}

/** FNV-1a, 32 bits: a number that looks random and is the same for the same text. */
function hash(text) {
  let value = 0x811c9dc5;
  for (const character of text) value = Math.imul(value ^ character.codePointAt(0), 0x01000193) >>> 0;
  value = Math.imul(value ^ (value >>> 16), 0x85ebca6b) >>> 0; // mix: the last characters alone differ
  return (value ^ (value >>> 13)) >>> 0;
}

class Question {
  constructor(box, onAnswer) {
    this.box = box;
    this.id = box.dataset.question;
    this.choose = Number(box.dataset.choose);
    this.list = box.querySelector(".quiz-options");
    const details = box.querySelector(".quiz-answer");
    const reasons = [...details.querySelectorAll(".quiz-reasons > li")];
    this.options = [...this.list.children].map((item, position) => this.option(item, reasons[position]));
    this.again = details.lastElementChild;
    this.verdict = make("p", {className: "quiz-verdict", tabIndex: -1});
    this.verdict.setAttribute("role", "status");
    this.button = make("button", {type: "submit", className: "plain-button"}, "Check answer");
    const form = make("form", {}, this.button, this.verdict, this.again);
    this.list.before(form);
    form.prepend(this.list);
    details.remove();
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const chosen = this.chosen();
      if (chosen.length !== this.choose) {
        this.verdict.textContent = this.choose > 1 ? `Choose ${this.choose} options first.` : "Choose an option first.";
      } else {
        this.show(chosen);
        this.verdict.focus();
        onAnswer(this, chosen);
      }
    });
  }

  option(item, reason) {
    const input = make("input", {type: this.choose > 1 ? "checkbox" : "radio", name: this.id, value: item.dataset.option});
    const text = make("span", {}, ...[...item.querySelectorAll(":scope > p")].flatMap((part) => [...part.childNodes]));
    reason.querySelector("strong").textContent = reason.dataset.key === "true" ? "Right. " : "Wrong. ";
    const why = make("div", {className: "quiz-reason"}, ...reason.childNodes);
    item.replaceChildren(make("label", {}, input, text), why);
    return {item, input, why, key: reason.dataset.key === "true"};
  }

  chosen() {
    return this.options.filter(({input}) => input.checked).map(({input}) => Number(input.value));
  }

  isRight(chosen) {
    return this.options.every(({input, key}) => chosen.includes(Number(input.value)) === key);
  }

  /** Ask: options in an order that depends on the reader and the round, nothing chosen, no reasons. */
  ask(seed) {
    const place = ({input}) => hash(`${seed} ${this.id} ${input.value}`);
    this.options.sort((one, other) => place(one) - place(other));
    this.list.append(...this.options.map(({item}) => item));
    for (const {item, input, why} of this.options) {
      Object.assign(input, {checked: false, disabled: false});
      item.className = "";
      why.hidden = true;
    }
    this.again.hidden = true;
    this.button.hidden = false;
    this.verdict.textContent = "";
    this.right = null;
  }

  /** Show what was chosen, what is right, and every reason. */
  show(chosen) {
    for (const {item, input, why, key} of this.options) {
      Object.assign(input, {checked: chosen.includes(Number(input.value)), disabled: true});
      item.className = key ? "quiz-right" : input.checked ? "quiz-wrong" : "";
      why.hidden = false;
    }
    this.right = this.isRight(chosen);
    this.again.hidden = false;
    this.button.hidden = true;
    this.verdict.textContent = this.right ? "Your answer is right." : "Your answer is not right. Each option says why.";
  }
}

function startQuiz(quiz) {
  const area = quiz.dataset.quiz;
  const seed = readerSeed();
  let round = 0;

  const questions = [...quiz.querySelectorAll(".quiz-question")].map((box) => new Question(box, (question, chosen) => {
    progress.update(area, (chapter) => {
      chapter.quiz ??= {answers: {}};
      chapter.quiz.of = questions.length;
      chapter.quiz.answers[question.id] = {chosen, right: question.right};
    });
    sum();
  }));

  const score = make("p", {});
  score.setAttribute("role", "status");
  const missed = make("ul", {});
  const again = make("button", {type: "button", className: "plain-button"}, "Ask the missed questions again");
  const anew = make("button", {type: "button", className: "plain-button"}, "Start the quiz anew");
  const summary = make("div", {className: "quiz-summary"}, score, missed, again, anew);
  quiz.append(summary);

  function sum() {
    const answered = questions.filter(({right}) => right !== null);
    const wrong = answered.filter(({right}) => !right);
    const open = questions.length - answered.length;
    score.textContent = `${answered.length - wrong.length} of ${questions.length} right${open ? `, ${open} to answer` : ""}.`;
    missed.replaceChildren(...(open ? [] : wrong).map(({box, again: section}) => make("li", {},
      make("a", {href: `#${box.id}`}, box.querySelector(".quiz-title strong").textContent), ": ", section.textContent)));
    again.hidden = open > 0 || wrong.length === 0;
    anew.hidden = answered.length === 0;
  }

  function ask(asked) {
    round += 1;
    asked.forEach((question) => question.ask(`${seed} ${round}`));
    sum();
    asked[0].box.scrollIntoView();
    asked[0].options[0].input.focus({preventScroll: true});
  }

  again.addEventListener("click", () => ask(questions.filter(({right}) => !right)));
  anew.addEventListener("click", () => {
    progress.update(area, (chapter) => delete chapter.quiz);
    ask(questions);
  });

  const answers = progress.load().chapters[area]?.quiz?.answers ?? {};
  for (const question of questions) {
    question.ask(seed);
    if (answers[question.id]) question.show(answers[question.id].chosen);
  }
  sum();
}

document.querySelectorAll("[data-quiz]").forEach(startQuiz);
