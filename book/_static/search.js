/* The search page: ranks the places of search-entries.js (BM25; words of titles and stressed words count more) and shows
   each with an excerpt. Nothing is fetched, so it works from a folder too. */
"use strict";

const WEIGHTS = {titles: 6, stressed: 3, in: 1, text: 1};
const REFERENCE = 0.6; // a chapter explains, the reference pages look up
const TEACHING = 0.2; // most readers do not teach
const SHOWN = 30;

/** The words of a text: small letters, without their endings. */
const words = (text) => (text.toLowerCase().match(/[\p{L}\p{N}_]+/gu) ?? []).map(stem);

/** A word without plural, -ing, -ed and last e, roughly: train, trains, training and trained are one, and so is overfit. */
function stem(word) {
  if (/[\d_]/.test(word)) return word;
  const single = word.length > 3 ? word.replace(/ies$/, "y").replace(/([^s])s$/, "$1") : word;
  const root = single.replace(/(ing|ed)$/, "");
  const bare = root.length > 3 && /[aeiouy]/.test(root) ? root.replace(/([bdgmnprt])\1$/, "$1") : single;
  return bare.length > 4 ? bare.replace(/e$/, "") : bare;
}

/** The number of letters to change, add, leave out or swap, to make one word of the other; more than `most` is Infinity. */
function distance(one, other, most) {
  if (Math.abs(one.length - other.length) > most) return Infinity;
  const rows = [Array.from({length: other.length + 1}, (_, i) => i)];
  for (let i = 1; i <= one.length; i++) {
    rows.push([i]);
    for (let j = 1; j <= other.length; j++) {
      let least = Math.min(rows[i - 1][j] + 1, rows[i][j - 1] + 1, rows[i - 1][j - 1] + (one[i - 1] !== other[j - 1]));
      if (i > 1 && j > 1 && one[i - 1] === other[j - 2] && one[i - 2] === other[j - 1]) least = Math.min(least, rows[i - 2][j - 2] + 1);
      rows[i].push(least);
    }
  }
  return rows[one.length][other.length] <= most ? rows[one.length][other.length] : Infinity;
}

/** A word as the book has it: itself or the beginning of one, else the nearest by typing errors, else itself. */
function known(word) {
  if (word.length < 4 || vocabulary.has(word) || [...vocabulary.keys()].some((other) => other.startsWith(word))) return word;
  const most = word.length < 7 ? 1 : 2;
  const near = [...vocabulary].map(([other, times]) => [distance(word, other, most), -times, other])
    .filter(([far]) => far < Infinity);
  return near.sort((a, b) => a[0] - b[0] || a[1] - b[1])[0]?.[2] ?? word;
}

function prepare(entries) {
  return entries.map((entry) => {
    const counts = new Map();
    const fields = {...entry, titles: entry.titles.join(" ")};
    for (const [field, weight] of Object.entries(WEIGHTS)) {
      for (const word of words(fields[field])) counts.set(word, (counts.get(word) ?? 0) + weight);
    }
    return {...entry, counts, length: words(entry.text).length, names: entry.titles.map((title) => words(title).join(" "))};
  });
}

/** The places that have every word of the query, the best first; a word may be the beginning of a longer one. */
function find(places, query) {
  const asked = words(query).map(known);
  const mean = places.reduce((sum, {length}) => sum + length, 0) / places.length;
  const scores = new Map(places.map((place) => [place, 0]));
  for (const word of asked) {
    const hits = new Map();
    for (const place of places) {
      let count = place.counts.get(word) ?? 0;
      if (!count && word.length > 2) {
        for (const [other, times] of place.counts) if (other.startsWith(word)) count += times / 2;
      }
      if (count) hits.set(place, count);
    }
    const rarity = Math.log(1 + (places.length - hits.size + 0.5) / (hits.size + 0.5));
    for (const place of scores.keys()) {
      const count = hits.get(place);
      if (!count) scores.delete(place);
      else scores.set(place, scores.get(place) + rarity * count * 2.2 / (count + 1.2 * (0.6 + 0.4 * place.length / mean)));
    }
  }
  const phrase = asked.join(" ");
  const part = (place) => (place.page.includes("/instructors/") ? TEACHING : place.page.includes("/reference/") ? REFERENCE : 1);
  const worth = ([place, score]) => score * part(place)
    * (place.names.includes(phrase) ? 2 : place.names.some((name) => ` ${name} `.includes(` ${phrase} `)) ? 1.5 : 1);
  return asked.length ? [...scores].sort((one, other) => worth(other) - worth(one)).map(([place]) => place) : [];
}

/** A piece of the text around the first word that was asked for, with such words marked. */
function excerpt(text, query) {
  const asked = words(query).map(known);
  const isAsked = (word) => asked.some((part) => stem(word.toLowerCase()).startsWith(part));
  const parts = text.split(/([\p{L}\p{N}_]+)/u); // every second one is a word
  const first = parts.findIndex((part, place) => place % 2 && isAsked(part));
  const from = Math.max(0, first - 24);
  const shown = parts.slice(from, from + 72).map((part, place) =>
    ((from + place) % 2 && isAsked(part) ? make("mark", part) : part));
  return make("p", from ? "… " : "", ...shown, from + 72 < parts.length ? " …" : "");
}

function make(tag, ...children) {
  const made = document.createElement(tag);
  made.append(...children);
  return made;
}

const places = prepare(ENTRIES);
const vocabulary = new Map(); // each word of the book, and in how many places it is
for (const place of places) for (const word of place.counts.keys()) vocabulary.set(word, (vocabulary.get(word) ?? 0) + 1);
const results = document.getElementById("search-results");
const field = document.querySelector("main input[name=q]");

function show() {
  const found = find(places, field.value);
  const status = make("p", field.value.trim() === "" ? "" : found.length === 0
    ? `Nothing has every word of “${field.value.trim()}”. Try fewer or shorter words.`
    : found.length === 1 ? "1 place." : `${found.length} places${found.length > SHOWN ? `, the first ${SHOWN}` : ""}.`);
  status.setAttribute("role", "status");
  const items = found.slice(0, SHOWN).map((place) => {
    const link = make("a", place.titles[0]);
    link.href = `${place.page}.html${place.anchor ? `#${place.anchor}` : ""}`;
    const where = make("span", place.anchor ? place.in : "");
    where.className = "search-page";
    return make("li", link, " ", where, excerpt(place.text, field.value));
  });
  results.replaceChildren(status, make("ol", ...items));
}

field.value = new URLSearchParams(location.search).get("q") ?? "";
field.addEventListener("input", show);
show();
