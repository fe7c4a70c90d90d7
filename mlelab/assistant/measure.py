"""The real model's answers, verdicts and losses, recorded: `python -m mlelab.assistant.measure --record FOLDER`.

It writes each answer as it comes, and goes on where it stopped; then the trials; then `record.json`, which the page
reads. The record holds the hashes of model, texts and code: where one has changed, `stale()` names it.
"""

from __future__ import annotations

import argparse
import datetime
import hashlib
import json
import platform
import time
from importlib.resources import files
from pathlib import Path

import numpy as np
import pandas as pd

from mlelab import assistant, llm
from mlelab.llm.model import SHA256

from . import desk, trials

FILE = "record.json"
READ = ("assistant/policies.jsonl", "assistant/questions.jsonl", "assistant/desk.py", "llm/model.py", "llm/decoding.py")


def hashes(read: tuple[str, ...] = (*READ, "assistant/trials.py")) -> dict[str, str]:
    """sha256 of the model's file, and of each file that decides what is recorded."""
    ours = files("mlelab")
    return {"model": SHA256} | {
        name: hashlib.sha256(ours.joinpath(name).read_bytes().replace(b"\r\n", b"\n")).hexdigest() for name in read}


def record() -> dict:
    """What was measured: date, machine, hashes; `answers` by set-up and question, with what was retrieved; `judge`,
    two verdicts by question; `compression` by way of rounding."""
    return json.loads(files(__package__).joinpath(FILE).read_text(encoding="utf-8"))


def stale() -> list[str]:
    """What has changed since the record was made; empty where nothing has."""
    now, then = hashes(), record()["hashes"]
    return sorted(name for name in now.keys() | then.keys() if now.get(name) != then.get(name))


def key(question: str, text: str) -> str:
    """The name of an answer in labels.csv, from its question's id and its text."""
    return hashlib.sha256(f"{question}|{text}".encode()).hexdigest()[:8]


def labels() -> pd.DataFrame:
    """"right", "wrong" or "refused" for each different answer of the record, by `key`: the rule's, and two readers'.

    reader_a, reader_b: two large language models ("model readers") that saw the question, a right answer and the
    answer, in an order drawn for each; neither saw the set-up, the rule's label or the other's.
    """
    with files(__package__).joinpath("labels.csv").open(encoding="utf-8") as file:
        return pd.read_csv(file, index_col="key", dtype=str)


def texts(ids: list[str]) -> list[str]:
    """Policies by id, as a prompt holds them: title and text."""
    known = assistant.policies().set_index("id")
    return [f"{known.title[one]}: {known.text[one]}" for one in ids]


def answers(folder: Path, minutes: float) -> list[dict] | None:
    """All answers, of which those in `folder` are kept; None where the time was up."""
    file, key = folder / "answers.jsonl", json.dumps(hashes(READ), sort_keys=True)
    lines = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    done = [one for one in lines if one.pop("hashes") == key]
    known, until = {(one["setup"], one["id"]) for one in done}, time.monotonic() + 60 * minutes
    model, search = llm.load(), desk.Search(assistant.policies())
    with file.open("a") as out:
        for setup in desk.SETUPS:
            for row in assistant.questions().itertuples():
                if (setup, row.id) in known:
                    continue
                if time.monotonic() > until:
                    return None
                found = search(row.question)
                done.append({"setup": setup, "id": row.id, "retrieved": found}
                            | desk.ask(model, setup, row.question, texts(found)))
                print(json.dumps(done[-1] | {"hashes": key}), file=out, flush=True)
    return done


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--record", type=Path, required=True, help="the folder of answers and record")
    parser.add_argument("--minutes", type=float, default=10, help="after these it stops; start it again")
    given = parser.parse_args()
    given.record.mkdir(parents=True, exist_ok=True)
    done = answers(given.record, given.minutes)
    if done is None:
        raise SystemExit("The time is up, and some answers are missing: start it again.")
    rows = {setup: {one["id"]: {name: one[name] for name in ("retrieved", "text", "in", "out")}
                    for one in done if one["setup"] == setup} for setup in desk.SETUPS}
    model, policies = llm.load(), assistant.policies()
    (given.record / FILE).write_text(json.dumps({
        "date": datetime.date.today().isoformat(), "machine": platform.machine(), "numpy": np.__version__,
        "hashes": hashes(), "answers": rows,
        "judge": {pair["id"]: trials.judge(model, pair) for pair in trials.pairs(assistant.questions(), policies)},
        "compression": trials.compression(model, policies["text"].tolist())}, indent=0) + "\n")


if __name__ == "__main__":
    main()
