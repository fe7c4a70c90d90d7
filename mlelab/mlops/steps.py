"""Four steps from the course's table to a verdict. Each reads files, writes one file, and says nothing else.

The same inputs give the same bytes, so that a digest of a file tells whether anything changed. Orchestrators call
these functions; what they add is order, retries, a cache and a record.
"""

import json
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from mlelab import case, data
from mlelab.serving import bundle

NUMBERS = case.SCHEDULE + case.WEATHER + case.CONGESTION
# For each step what it needs from others, and the name of its file.
NEEDS = {"features": [], "model": ["features"], "report": ["features", "model"], "verdict": ["report"]}


def features(out: str, rows: int = 20_000, seed: int = 0) -> None:
    """A sample of the labelled flights up to October, with their month, as Parquet."""
    flights = data.load("features").dropna(subset="arr_delay")
    flights = flights[flights["decision_time"] < case.TEST_START].sample(rows, random_state=seed)
    flights["late"] = (flights["arr_delay"] >= case.LATE_MINUTES).astype(int)
    flights[["month", "late", *NUMBERS, *case.CATEGORIES]].to_parquet(out, index=False)


def model(table: str, out: str, c: float = 1.0) -> None:
    """The linear model, trained on January to August; c is the inverse strength of its penalty."""
    flights = pd.read_parquet(table)
    train = flights[flights["month"] <= 8]
    fitted = case.linear_model().set_params(logisticregression__C=c).fit(train, train["late"])
    columns = bundle.contract(train, NUMBERS, case.CATEGORIES)
    with tempfile.TemporaryDirectory() as folder:
        bundle.save(fitted, folder, version="candidate", columns=columns)
        shutil.copy(Path(folder) / bundle.MODEL, out)


def report(table: str, model: str, out: str) -> None:
    """AUC, AUC by origin and calibration error on September and October, as JSON."""
    flights = pd.read_parquet(table)
    columns = bundle.contract(flights, NUMBERS, case.CATEGORIES)
    held_out = flights[flights["month"] > 8]
    scorer = bundle.Bundle("candidate", columns, {}, "", Path(model).read_bytes())
    late, p = held_out["late"].to_numpy(), scorer.score(held_out)
    tenth = np.minimum((p * 10).astype(int), 9)
    gaps = [abs((late - p)[tenth == k].sum()) for k in range(10)]
    found = {"auc": round(roc_auc_score(late, p), 4), "calibration_error": round(sum(gaps) / len(p), 4),
             "slices": {origin: round(roc_auc_score(late[rows], p[rows]), 4)
                        for origin, rows in held_out.reset_index(drop=True).groupby("origin").groups.items()}}
    Path(out).write_text(json.dumps(found, indent=1, sort_keys=True))


def verdict(report: str, out: str, min_auc: float = 0.65, max_gap: float = 0.1) -> None:
    """Whether the candidate may go on, and every reason why not, as JSON.

    Less than the gate of chapter 8: there is no champion to compare with, and the calibration error is not asked.
    """
    found = json.loads(Path(report).read_text())
    reasons = [f"AUC {found['auc']} is below {min_auc}"] if found["auc"] < min_auc else []
    reasons += [f"AUC at {name} {auc} is more than {max_gap} below that of all"
                for name, auc in found["slices"].items() if auc < found["auc"] - max_gap]
    Path(out).write_text(json.dumps({"promote": not reasons, "reasons": reasons}, indent=1))


STEPS = {"features": features, "model": model, "report": report, "verdict": verdict}
