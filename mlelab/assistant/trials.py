"""Two measurements of the model that take minutes: as a judge of pairs, and with rounded weights."""

from __future__ import annotations

import numpy as np
import pandas as pd

from mlelab import llm

PROMPT = "Text: {text}\n\nQuestion: {question}\nA: {a}\nB: {b}\nWhich answer does the text support, A or B?"


def pairs(questions: pd.DataFrame, policies: pd.DataFrame) -> list[dict]:
    """Pairs to judge: for each question with an answer the right one, and that of the question 20 places on."""
    asked = questions[questions["answerable"]].reset_index(drop=True)
    text = policies.set_index("id")["text"]
    return [{"id": row.id, "text": text[row.policy], "question": row.question, "right": row.answer,
             "wrong": asked["answer"][(row.Index + 20) % len(asked)]} for row in asked.itertuples()]


def judge(model: llm.Model, pair: dict) -> list[str]:
    """The model's verdicts, "A" or "B" by the larger logit: the right answer shown as A, and shown as B."""
    letters = {letter: model.encode(letter)[0] for letter in "AB"}
    verdicts = []
    for a, b in ((pair["right"], pair["wrong"]), (pair["wrong"], pair["right"])):
        prompt = PROMPT.format(text=pair["text"], question=pair["question"], a=a, b=b)
        logits = model.logits(model.chat([("user", prompt)]) + model.encode("The text supports answer "))
        verdicts.append(max(letters, key=lambda letter: logits[letters[letter]]))
    return verdicts


def perplexity(model: llm.Model, texts: list[str]) -> float:
    """The exponential of the model's mean loss per token, each text on its own."""
    losses = []
    for text in texts:
        tokens = model.encode(text)
        rows = model.logits(tokens, every=True)[:-1].astype(np.float64)
        rows -= rows.max(axis=1, keepdims=True)
        losses.extend(np.log(np.exp(rows).sum(axis=1)) - rows[np.arange(len(rows)), tokens[1:]])
    return float(np.exp(np.mean(losses)))


def rounded(weights: np.ndarray, bits: int, by_row: bool) -> np.ndarray:
    """Weights (inputs, outputs) as they come back from integers of `bits` bits, symmetric about 0.

    by_row: a scale for each output, as against one for the whole matrix.
    """
    most = 2 ** (bits - 1) - 1
    scale = np.abs(weights).max(axis=0 if by_row else None, keepdims=True) / most
    return (np.round(weights / np.where(scale > 0, scale, 1)) * scale).astype(np.float32)


def compression(model: llm.Model, texts: list[str]) -> dict[str, dict[str, float]]:
    """Perplexity and megabytes of the layers' matrices: float32, 8 and 4 bits, a scale for each row or one for all."""
    kept, out = model.weights, {}
    names = [name for name, w in kept.items() if w.ndim == 2 and name.startswith("blk.")]
    size, rows = sum(kept[name].size for name in names), sum(kept[name].shape[1] for name in names)
    out["float32"] = {"perplexity": perplexity(model, texts), "megabytes": 4 * size / 1e6}
    try:
        for bits, by_row in ((8, True), (8, False), (4, True), (4, False)):
            model.weights = kept | {name: rounded(kept[name], bits, by_row) for name in names}
            out[f"{bits} bits, {'a scale for each row' if by_row else 'one scale for a matrix'}"] = {
                "perplexity": perplexity(model, texts),
                "megabytes": (size * bits / 8 + 4 * (rows if by_row else len(names))) / 1e6}
    finally:
        model.weights = kept
    return out
