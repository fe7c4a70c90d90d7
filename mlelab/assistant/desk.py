"""The desk's assistant: retrieval, prompts, and one answer of the model. The record holds the hash of this file."""

from __future__ import annotations

from collections.abc import Sequence

import bm25s
import pandas as pd

from mlelab import llm

TOP, MAX_TOKENS = 2, 30
SYSTEM = "You work at the desk of the airline Blue Heron Air. Answer the passenger's question in one short sentence."
READ = "Read this text.\n\n{texts}\n\nFrom the text, answer this question in one short sentence.{refuse}\n{question}"
REFUSE = " If the text does not say it, answer: NOT IN THE POLICY."
_NOT_OURS = "Umbrellas: An umbrella is lent for 4 dollars a day. Return it within 10 days."
EXAMPLES = [(_NOT_OURS, "What does an umbrella cost?", "An umbrella costs 4 dollars a day."),
            (_NOT_OURS, "Which colour do the umbrellas have?", "NOT IN THE POLICY.")]
SETUPS = ("no retrieval", "retrieval", "retrieval, told to refuse", "the same, with examples")


class Search:
    """BM25 over title and text of the policies; the words of each are counted once."""

    def __init__(self, policies: pd.DataFrame) -> None:
        self.policies = policies
        self._index = bm25s.BM25()
        self._index.index(self._words([f"{t}: {x}" for t, x in zip(policies["title"], policies["text"])]),
                          show_progress=False)

    def __call__(self, question: str, k: int = TOP) -> list[str]:
        """The ids of the k best policies for a question, best first."""
        found, _ = self._index.retrieve(self._words([question]), k=k, show_progress=False)
        return self.policies["id"].iloc[found[0]].tolist()

    @staticmethod
    def _words(texts: list[str]):
        return bm25s.tokenize(texts, stopwords="en", show_progress=False)


def messages(setup: str, question: str, texts: Sequence[str]) -> list[tuple[str, str]]:
    """The conversation that asks a question in one of SETUPS; `texts`: those that were retrieved, best first."""
    if setup == "no retrieval":
        return [("system", SYSTEM), ("user", question)]

    def read(text: str, question: str) -> tuple[str, str]:
        return "user", READ.format(texts=text, question=question, refuse="" if setup == "retrieval" else REFUSE)

    shown = EXAMPLES if setup == "the same, with examples" else []
    return [*(turn for text, asked, said in shown for turn in (read(text, asked), ("assistant", said))),
            read("\n".join(texts[::-1]), question)]  # the best stands next to the question


def ask(model: llm.Model, setup: str, question: str, texts: Sequence[str]) -> dict:
    """The model's answer, greedy: text, and how many tokens went in and came out."""
    prompt = model.chat(messages(setup, question, texts))
    said = list(llm.generate(model, prompt, max_tokens=MAX_TOKENS))
    return {"text": model.decode(said).strip(), "in": len(prompt), "out": len(said)}
