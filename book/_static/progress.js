/* What the reader has done, kept in this browser and nowhere else: localStorage["mlelab.progress"] holds
   {"course": "mlelab", "version": 1, "chapters": {"01_lifecycle": {"read": true, "solved": true,
    "quiz": {"of": 8, "answers": {"lifecycle-split": {"chosen": [0], "right": true}}}}}}
   A chapter's page gets two boxes to tick, the map of the chapters gets marks and buttons. */
"use strict";

const progress = (() => {
  const KEY = "mlelab.progress";
  const AREA = /^\d\d_[a-z_]+$/;
  const QUESTION = /^[a-z0-9]+(-[a-z0-9]+)*$/;
  let memory = null; // where the browser refuses to store, progress lasts as long as the page

  /** Only what is ours and well-formed; an Error where it is not a progress file at all. */
  function clean(source) {
    if (source?.course !== "mlelab" || source.version !== 1 || typeof source.chapters !== "object") {
      throw new Error("no progress");
    }
    const chapters = {};
    for (const [area, chapter] of Object.entries(source.chapters ?? {})) {
      if (!AREA.test(area) || typeof chapter !== "object" || chapter === null) continue;
      const kept = chapters[area] = {};
      if (chapter.read === true) kept.read = true;
      if (chapter.solved === true) kept.solved = true;
      if (!Number.isInteger(chapter.quiz?.of)) continue;
      kept.quiz = {of: chapter.quiz.of, answers: {}};
      for (const [id, answer] of Object.entries(chapter.quiz.answers ?? {})) {
        const chosen = answer?.chosen;
        if (QUESTION.test(id) && Array.isArray(chosen) && chosen.every((option) => Number.isInteger(option))) {
          kept.quiz.answers[id] = {chosen, right: answer.right === true};
        }
      }
    }
    return {course: "mlelab", version: 1, chapters};
  }

  function load() {
    try {
      return clean(JSON.parse(localStorage.getItem(KEY)));
    } catch { // nothing stored yet, storage refused, or not ours
      return memory ?? clean({course: "mlelab", version: 1, chapters: {}});
    }
  }

  function store(state) {
    memory = state;
    try {
      localStorage.setItem(KEY, JSON.stringify(state));
    } catch { /* storage refused: `keeps` says so to the reader */ }
  }

  function keeps() {
    try {
      localStorage.setItem(`${KEY}.test`, "");
      localStorage.removeItem(`${KEY}.test`);
      return true;
    } catch {
      return false;
    }
  }

  /** Change one chapter: `change` gets its record. Other tabs may have written, so it is read anew. */
  function update(area, change) {
    const state = load();
    change(state.chapters[area] ??= {});
    store(state);
  }

  /** Add what another file has and this browser has not; nothing here is lost. */
  function merge(text) {
    const other = clean(JSON.parse(text));
    const state = load();
    for (const [area, theirs] of Object.entries(other.chapters)) {
      const ours = state.chapters[area] ??= {};
      state.chapters[area] = {...theirs, ...ours};
      if (theirs.quiz && ours.quiz) ours.quiz.answers = {...theirs.quiz.answers, ...ours.quiz.answers};
    }
    store(state);
  }

  function erase() {
    memory = null;
    try {
      Object.keys(localStorage).filter((key) => key.startsWith("mlelab.")).forEach((key) => localStorage.removeItem(key));
    } catch { /* storage refused: there is nothing to erase */ }
  }

  return {load, update, merge, erase, keeps};
})();

/** An element with properties and children: make("p", {className: "x"}, "text", node). */
function make(tag, properties, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

/** The two boxes at the end of a chapter. */
function showBoxes(area) {
  const boxes = [["read", "I have read this page"], ["solved", "I have solved the lab"]].map(([mark, text]) => {
    const box = make("input", {type: "checkbox", checked: progress.load().chapters[area]?.[mark] === true});
    box.addEventListener("change", () => progress.update(area, (chapter) => {
      if (box.checked) chapter[mark] = true;
      else delete chapter[mark];
    }));
    return make("label", {}, box, ` ${text}`);
  });
  const note = make("p", {}, progress.keeps() ? "Kept in this browser only. The map of the chapters shows it."
    : "This browser stores nothing, so this is forgotten when you leave the page.");
  document.querySelector("article").append(
    make("fieldset", {className: "progress"}, make("legend", {}, "Your progress"), ...boxes, note));
}

/** The marks in the map of the chapters, and the buttons below it. */
function showMap(map) {
  const status = make("p", {className: "progress-status"});
  status.setAttribute("role", "status");

  function draw() {
    const {chapters} = progress.load();
    map.querySelectorAll(".progress-marks").forEach((marks) => marks.remove());
    for (const link of map.querySelectorAll("td a")) {
      const chapter = chapters[link.pathname.split("/").pop().replace(/\.html$/, "")] ?? {};
      const answers = Object.values(chapter.quiz?.answers ?? {});
      const marks = [chapter.read && "read", chapter.solved && "lab solved", answers.length > 0
        && `quiz ${answers.filter((answer) => answer.right).length} of ${chapter.quiz.of}`].filter(Boolean);
      if (marks.length) link.closest("td").append(make("p", {className: "progress-marks"}, `✓ ${marks.join(", ")}`));
    }
  }

  const file = make("input", {type: "file", accept: "application/json,.json", className: "visually-hidden", tabIndex: -1});
  file.setAttribute("aria-hidden", "true");
  file.addEventListener("change", async () => {
    const [chosen] = file.files;
    if (!chosen) return;
    try {
      if (chosen.size > 1e6) throw new Error("too large");
      progress.merge(await chosen.text());
      status.textContent = `Added what ${chosen.name} has and this browser had not.`;
      draw();
    } catch {
      status.textContent = `${chosen.name} is not a progress file of this course: choose one saved here. Nothing was changed.`;
    }
    file.value = "";
  });
  const button = (text, act) => {
    const made = make("button", {type: "button", className: "plain-button"}, text);
    made.addEventListener("click", act);
    return made;
  };
  const save = button("Save as a file", () => {
    const address = URL.createObjectURL(new Blob([JSON.stringify(progress.load(), null, 1)], {type: "application/json"}));
    make("a", {href: address, download: "mlelab-progress.json"}).click();
    setTimeout(() => URL.revokeObjectURL(address), 1000);
    status.textContent = "Saved as mlelab-progress.json.";
  });
  const add = button("Add from a file", () => file.click());
  const erase = button("Erase", () => {
    if (!confirm("Erase your progress and your quiz answers from this browser?")) return;
    progress.erase();
    status.textContent = "Erased.";
    draw();
  });
  const where = progress.keeps()
    ? "The map shows what you tick and answer. It is kept in this browser only: no account, and nothing is sent anywhere."
    : "This browser stores nothing, so the map cannot show what you have done.";
  const panel = make("section", {className: "progress"}, make("p", {}, where), save, add, erase, file, status);
  panel.setAttribute("aria-label", "Your progress");
  map.append(panel);
  draw();
}

const lab = document.querySelector("[data-lab]");
const map = document.querySelector("[data-chapters]");
if (lab) showBoxes(lab.dataset.lab);
if (map) showMap(map);
