"""Cards made from the artefacts: what can be computed is computed, what a person must say is asked for.

`model_card` and `data_card` return plain dicts, `markdown` makes a page of either. A changed artefact changes its card,
and a card with a gap is refused: nobody notices the gap in a finished page.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from sklearn.metrics import brier_score_loss, roc_auc_score

from mlelab import case, data
from mlelab.serving import bundle

# What no artefact knows: each a text, or a list of texts.
SAID = ("purpose", "owner", "contact", "limits", "not_for", "decisions")


class Incomplete(ValueError):
    """Which fields a card lacks, in one sentence."""


def model_card(folder: Path, train: pd.DataFrame, test: pd.DataFrame, threshold: float, group: str,
               said: Mapping[str, object], least: int = 0, draws: int = 200) -> dict:
    """The card of a bundle of the alert model.

    folder: as `bundle.save` wrote it; version, digest, inputs and predictions come from there. train: the rows that the
    model was fitted on, and test: those that judge it, with `date`, `late` (0 or 1) and the bundle's columns.
    threshold: alert from this chance on. group: the column to report by, in groups of at least `least` rows.
    said: SAID, from a person. Raises Incomplete if any of it is missing, bundle.Refused as `bundle.load`.
    """
    loaded = bundle.load(folder)
    p = loaded.score(test)
    low, high = np.quantile(case.auc_by_days(test["late"], {"AUC": p}, test["date"], draws)["AUC"], [0.025, 0.975])
    return {"name": "Alert model", "version": loaded.version} | _said(said) | {
            "inputs": ", ".join(loaded.columns), "sha256": loaded.digest, "threshold": f"{threshold:.3f}",
            "trained on": _span(train), "tested on": _span(test),
            "metrics": {"AUC": f"{roc_auc_score(test['late'], p):.3f} ({low:.3f} to {high:.3f}, days resampled)",
                        "Brier score": f"{brier_score_loss(test['late'], p):.3f}"},
            f"by {group}": by_group(test["late"], p >= threshold, test[group], test["date"], least, draws)}


def data_card(name: str, said: Mapping[str, object], group: str, label: str) -> dict:
    """The card of a table of the course. label: a column of 0 and 1; group: the column to report it by.

    The facts come from the table's own file. said: as in `model_card`.
    """
    file, table = data.path(name), data.load(name)
    entry = data.tables().set_index("table").loc[name]
    gaps = table.isna().mean()
    counted = table.groupby(group)[label].agg(rows="size", share="mean")
    return {"name": name, "licence": entry["licence"], "source": entry["source"]} | _said(said) | {
            "rows": f"{len(table):,}", "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
            "columns": {field.name: field.metadata[b"meaning"].decode() for field in pq.read_schema(file)},
            "missing": {column: f"{share:.1%}" for column, share in gaps[gaps > 0].items()},
            f"{label} by {group}": counted.round(3)}


def by_group(label: pd.Series, chosen: np.ndarray, group: pd.Series, days: pd.Series | None = None, least: int = 0,
             draws: int = 200) -> pd.DataFrame:
    """A row for each group: rows, the share of positives, of chosen, and both rates of the chosen (TPR, FPR).

    days: the day of each row; then with the 95 % interval of TPR, days resampled. least: groups with fewer rows are
    counted together, as `smaller`, in the last row.
    """
    group = group.where(group.groupby(group).transform("size") >= least, "smaller")
    rows = pd.DataFrame({"label": label.to_numpy(), "chosen": np.asarray(chosen), "group": group.to_numpy()})
    rates = {name: {"rows": len(part), "positive": part["label"].mean(), "chosen": part["chosen"].mean(),
                    "TPR": part.loc[part["label"] == 1, "chosen"].mean(),
                    "FPR": part.loc[part["label"] == 0, "chosen"].mean()} for name, part in rows.groupby("group")}
    table = pd.DataFrame(rates).T.rename_axis(group.name).astype({"rows": int}).round(3)
    if days is not None:
        table.insert(4, "TPR, 95 %", _tpr_intervals(rows, days, draws).reindex(table.index))
    return table.loc[sorted(table.index, key=lambda name: (name == "smaller", name))]


def _tpr_intervals(rows: pd.DataFrame, days: pd.Series, draws: int) -> pd.Series:
    """For each group the interval of its TPR; the same days are drawn for all, as flights of one day move together."""
    day = pd.factorize(days)[0]
    count = day.max() + 1
    drawn = np.random.default_rng(0).multinomial(count, np.full(count, 1 / count), size=draws)
    said = {}
    for name, part in rows.assign(day=day)[rows["label"].to_numpy() == 1].groupby("group"):
        late = drawn @ np.bincount(part["day"], minlength=count)
        hits = drawn @ np.bincount(part["day"], part["chosen"], minlength=count)
        low, high = np.quantile(hits[late > 0] / late[late > 0], [0.025, 0.975])
        said[name] = f"{low:.2f} to {high:.2f}"
    return pd.Series(said, dtype=object)


def markdown(card: Mapping[str, object]) -> str:
    """The card as Markdown: one heading, then a line, a list or a table for each field."""
    parts = [f"**{card['name']}**"]
    for field, value in card.items():
        title = f"**{field[0].upper() + field[1:].replace('_', ' ')}.**"
        if isinstance(value, pd.DataFrame):
            parts.append(f"{title}\n\n{_table(value)}")
        elif isinstance(value, Mapping):
            parts.append(f"{title}\n\n" + "\n".join(f"* {key}: {said}" for key, said in value.items()))
        elif isinstance(value, list):
            parts.append(f"{title}\n\n" + "\n".join(f"* {said}" for said in value))
        elif field != "name":
            parts.append(f"{title} {value}")
    return "\n\n".join(parts) + "\n"


def _said(said: Mapping[str, object]) -> dict:
    missing = [name for name in SAID if not said.get(name)]
    if missing:
        raise Incomplete(f"The card is not made, since nobody said: {', '.join(missing)}.")
    return {name: said[name] for name in SAID}


def _span(rows: pd.DataFrame) -> str:
    return f"{len(rows):,} flights, {rows['date'].min():%Y-%m-%d} to {rows['date'].max():%Y-%m-%d}"


def _table(frame: pd.DataFrame) -> str:
    head = [frame.index.name, *frame.columns]
    rows = [[index, *map(_short, row)] for index, *row in frame.itertuples()]
    return "\n".join("| " + " | ".join(map(str, row)) + " |" for row in [head, ["---"] * len(head), *rows])


def _short(value: float | str) -> str:
    if isinstance(value, str):
        return value
    return f"{value:,.0f}" if float(value).is_integer() and value > 1 else f"{value:.3f}"
