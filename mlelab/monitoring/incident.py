"""An incident to find out about: one day of the alert service with hidden faults, and a desk that answers queries.

The day's flights, weather and chances are real; what they pass through is told, on a clock of its own, so that a day
takes no time. `record` writes the day's tables, `Desk` answers SQL about them, `judge` compares findings with what was
planted: each query is asked again of a twin that lacks just this fault, and there its answer must differ.

    python -m mlelab.monitoring.incident BUNDLE --port 8080     a case with faults that only this process knows
"""

import argparse
import itertools
import math
import re
import secrets
import sqlite3
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pandas as pd

CAUSES = ("unit error", "stale feature", "half-deployed version", "slow dependency", "label delay", "bad upstream day")
SETS = [frozenset(some) for count in range(3) for some in itertools.combinations(CAUSES, count)]  # none, one or two
FEED = ["temp", "dewp"]
ROWS, NOW = 150, 24.0
STEPS = 3_000_000  # of SQLite's machine, for one query
ALLOWED = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}
TRAINS = re.compile(r"(?:(?:please|first|now|just|we|you)[,:]?\s+)*(?:re-?train|re-?fit|train (?:the|a|it|again|new))",
                    re.I)


def record(flights: pd.DataFrame, causes: Iterable[str], seed: int,
           score: Callable[[pd.DataFrame], np.ndarray]) -> dict[str, pd.DataFrame]:
    """The tables of one day. With another set of causes and the same seed it is the same day.

    flights: with `date`, `hour`, `origin`, `arr_delay` and the model's columns; score: chances of late for such rows.
    Returns `log` (a row for each predicted flight), `spans` (milliseconds), `metrics` (counters at each full hour),
    `labels` and `station` (the airports' own readings, which pass through no feed of ours). Times are hours of the day.
    """
    unknown = set(causes) - set(CAUSES)
    if unknown:
        raise ValueError(f"There is no fault {unknown.pop()!r}; there are {', '.join(CAUSES)}.")
    rng = [np.random.default_rng([seed, part]) for part in range(9)]  # what one fault draws changes nothing else
    dates = flights["date"].value_counts()
    date = rng[0].choice(dates.index[dates >= min(ROWS, dates.max())].sort_values())
    rows = flights[flights["date"] == date]
    rows = rows.sample(min(ROWS, len(rows)), random_state=seed).assign(
        at=lambda r: np.maximum(r["hour"] - 2 + rng[1].random(len(r)), 0)).sort_values("at", ignore_index=True)
    begun, n = rng[2].uniform(9, 13), len(rows)
    late_part = (rows["at"] >= begun).to_numpy()
    # Three flights a request; on half of the days one request is large.
    request = np.where((rows.index // 30 == 2) & (rng[3].random() < 0.5), 20, rows.index // 3)
    station = rows.assign(hour=rows["at"].astype(int)).groupby(["hour", "origin"], as_index=False)[FEED].mean()
    log = pd.DataFrame({"id": rows.index, "request_id": [f"r{number:03d}" for number in pd.factorize(request)[0]],
                        "at": rows["at"], "origin": rows["origin"], "congestion_at": rows["at"] - rng[4].random(n)})
    served = rows.copy()
    served.loc[rng[4].random(n) < 0.03, FEED] = np.nan  # some readings are always missing
    if "unit error" in causes:
        served.loc[late_part, FEED] = (served.loc[late_part, FEED] - 32) * 5 / 9
    if "stale feature" in causes:
        last = served[~late_part].groupby("origin")[["origin_delay_3h"]].last()
        served.loc[late_part, "origin_delay_3h"] = served.loc[late_part, "origin"].map(last["origin_delay_3h"])
        log.loc[late_part, "congestion_at"] = begun - 0.3
    if "bad upstream day" in causes:
        served.loc[(served["origin"] == rng[5].choice(["EWR", "JFK", "LGA"])) & (rng[5].random(n) < 0.9), FEED] = np.nan
    switched = rng[6].uniform(8, 16) if rng[6].random() < 0.5 else np.inf  # a rollout that went through
    newer = pd.Series(rng[6].random(log["request_id"].nunique()) < rng[6].uniform(0.35, 0.65))
    half = newer.reindex(pd.factorize(log["request_id"])[0]).to_numpy() & late_part
    is_new = half if "half-deployed version" in causes else (rows["at"] >= switched).to_numpy()
    log["version"] = np.where(is_new, "september", "august")
    log[[*FEED, "origin_delay_3h"]] = served[[*FEED, "origin_delay_3h"]]
    log["p"] = score(served)
    spans = _spans(log, begun, "slow dependency" in causes, rng[7])
    landed = rows["hour"] + 2 + rows["arr_delay"] / 60 + rng[8].uniform(0, 3, n)
    delay = rng[8].uniform(0.2, 1.5, n), rng[8].uniform(6, 9, n) * (landed >= begun) * ("label delay" in causes)
    told = landed + sum(delay)
    labels = pd.DataFrame({"id": rows.index, "landed_at": landed.where(landed < NOW),
                           "label_at": told.where(told < NOW)})
    labels["late"] = (rows["arr_delay"] >= 30).astype(float).where(labels["label_at"].notna())
    return {"log": log, "spans": spans, "metrics": _metrics(log, spans), "labels": labels, "station": station}


def _spans(log: pd.DataFrame, begun: float, slow: bool, rng: np.random.Generator) -> pd.DataFrame:
    """A trace for each request: the look-up of features, the model, the log, and around them the whole."""
    requests = log.groupby("request_id")["at"].agg(["min", "size"])
    n = len(requests)
    parts = {"look up features": rng.lognormal(3.5, 0.3, n), "score": 2 + 9 * requests["size"].to_numpy() ** 1.2,
             "count and log": rng.uniform(1, 4, n)}
    hit, waits = rng.random(n) < 0.4, rng.uniform(600, 1500, n)
    parts["look up features"] += waits * (hit & (requests["min"] >= begun).to_numpy() & slow)
    table = pd.DataFrame({"request_id": requests.index, "at": requests["min"].to_numpy(),
                          "predict": sum(parts.values()), **parts})
    return table.melt(["request_id", "at"], var_name="name", value_name="ms")


def _metrics(log: pd.DataFrame, spans: pd.DataFrame) -> pd.DataFrame:
    """The service's counters as a scrape at each full hour would read them."""
    whole, hours = spans[spans["name"] == "predict"].sort_values("at"), np.arange(1, 25)
    asked, seen = (np.searchsorted(table["at"], hours) for table in (whole, log))
    counters = {"alert_requests_total": asked, "alert_chance_count": seen,
                "alert_request_seconds_sum": np.append(0, whole["ms"].cumsum() / 1000)[asked],
                "alert_chance_sum": np.append(0, log["p"].cumsum())[seen]}
    return pd.DataFrame({"hour": hours, **counters}).melt("hour", var_name="name").astype({"value": float})


class Desk:
    """Answers queries about one day's tables, and changes nothing."""

    def __init__(self, tables: dict[str, pd.DataFrame]):
        # A kept statement would go on counting its steps from query to query.
        self._connection = sqlite3.connect(":memory:", check_same_thread=False, cached_statements=0)
        for name, table in tables.items():
            table.to_sql(name, self._connection, index=False)
        self._connection.set_authorizer(lambda action, name, function, *_: sqlite3.SQLITE_DENY if (
            action not in ALLOWED or function in ("random", "randomblob", "load_extension")) else sqlite3.SQLITE_OK)
        self._connection.set_progress_handler(lambda: 1, STEPS)

    def ask(self, query: str) -> list[tuple]:
        """The rows that a query in SQL (SQLite) gives. Raises sqlite3.Error for what is no query that reads."""
        return self._connection.execute(query).fetchall()

    def number(self, query: object) -> float | None:
        """The one number that a query gives; None if it gives anything else."""
        try:
            [[value]] = self.ask(query)
        except (sqlite3.Error, TypeError, ValueError):
            return None
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
        return float(value) if is_number else None


def judge(findings: object, causes: Iterable[str], desk_of: Callable[[frozenset], Desk]) -> dict:
    """What findings are worth. desk_of: the desk of the same day with these causes.

    Returns `causes` (those named, sorted), and for each of them `evidence`, `first_action` and `prevention`: "good", or
    what is wrong. Raises TypeError or KeyError where the findings have not the shape that the exercise asks for.
    """
    planted, told = frozenset(causes), {}
    if not isinstance(findings, (list, tuple)):
        raise TypeError("findings must be a list")
    for finding in findings:
        cause, query, action, prevention = (finding[key] for key in ("cause", "evidence", "first_action", "prevention"))
        told[str(cause)] = {"evidence": _evidence(query, cause, planted, desk_of),
                            "first_action": "trains first" if TRAINS.match(str(action).strip()) else _words(action),
                            "prevention": "as the action" if prevention == action else _words(prevention)}
    return {"causes": sorted(told), "named": len(findings), "each": dict(sorted(told.items()))}


def _words(text: object) -> str:
    return "good" if isinstance(text, str) and len(re.findall(r"[^\W\d_]{2,}", text)) >= 3 else "says nothing"


def _evidence(query: object, cause: object, planted: frozenset, desk_of: Callable[[frozenset], Desk]) -> str:
    """Whether a query tells this fault: its answer moves with it, and with no other fault as much."""
    here = desk_of(planted).number(query)
    if here is None:
        return "no number"
    if cause not in planted:
        return "good"
    twin = desk_of(planted - {cause}).number(query)
    moved = math.inf if twin is None else abs(here - twin)
    if moved <= 0.01 * abs(twin or 0) + 1e-9:
        return "same on the healthy twin"
    healthy = desk_of(frozenset()).number(query) or 0.0
    for other in set(CAUSES) - {cause}:
        answer = desk_of(frozenset({other})).number(query)
        if answer is None or abs(answer - healthy) > moved / 2:
            return "another fault moves it as much"
    return "good"


def open_case(bundle: Path | str):
    """A case in a process of its own: a `process.Server` with `ask(query)` and `hand_in(findings)`. Close it."""
    import sys

    import requests

    from mlelab.serving import process
    from mlelab.vertex.compute.processes import free_port

    port = free_port()
    command = [sys.executable, "-m", "mlelab.monitoring.incident", str(bundle), "--port", str(port)]
    case = process.Server(command, f"http://127.0.0.1:{port}", "/ready", 60)

    def post(path: str, body: dict) -> dict:
        answer = requests.post(f"{case.url}/{path}", json=body, timeout=60)
        if answer.status_code == 400:
            raise ValueError(answer.json()["error"])
        answer.raise_for_status()
        return answer.json()

    case.ask = lambda query: [tuple(row) for row in post("ask", {"query": query})["rows"]]
    case.hand_in = lambda findings: post("hand-in", {"findings": findings})
    return case


def draw_causes(rng: np.random.Generator) -> frozenset:
    """No fault, one, or two at once, each set as likely as any other: a guess is right in one case of 22."""
    return SETS[rng.integers(len(SETS))]


def create_app(flights: pd.DataFrame, score: Callable, causes: frozenset, seed: int):
    """The case over HTTP: POST /ask {"query"}, POST /hand-in {"findings"}, GET /ready."""
    import functools

    from fastapi import Body, FastAPI
    from fastapi.responses import JSONResponse

    app = FastAPI(title="incident")

    @functools.cache
    def desk_of(some: frozenset) -> Desk:
        return Desk(record(flights, some, seed, score))

    @app.get("/ready")
    def ready() -> dict:
        return {}

    @app.post("/ask")
    def ask(query: str = Body(embed=True)):
        try:
            return {"rows": desk_of(causes).ask(query)}
        except sqlite3.Error as error:
            return JSONResponse({"error": str(error)}, 400)

    @app.post("/hand-in")
    def hand_in(findings: list = Body(embed=True)):  # noqa: B008, FastAPI's way to say where it comes from
        try:
            told = judge(findings, causes, desk_of)
        except (KeyError, TypeError) as error:
            return JSONResponse({"error": f"not the shape of the exercise: {error}"}, 400)
        return {"planted": sorted(causes), "named": told["causes"], "right": told["causes"] == sorted(causes) and all(
            state == "good" for one in told["each"].values() for state in one.values()), "each": told["each"]}

    return app


def main() -> None:
    import uvicorn

    from mlelab import data
    from mlelab.serving import bundle

    parser = argparse.ArgumentParser(prog="python -m mlelab.monitoring.incident")
    parser.add_argument("bundle")
    parser.add_argument("--port", type=int, required=True)
    arguments = parser.parse_args()
    model = bundle.load(arguments.bundle)
    flights = data.load("features").dropna(subset="arr_delay").query("month > 8")
    flights = flights.assign(date=pd.to_datetime(flights[["year", "month", "day"]]))

    def score(rows: pd.DataFrame) -> np.ndarray:
        columns = rows[list(model.columns)].astype(object)
        return model.score(columns.where(columns.notna(), None).to_dict("records"))

    seed = secrets.randbits(32)
    app = create_app(flights, score, draw_causes(np.random.default_rng(secrets.randbits(64))), seed)
    uvicorn.run(app, host="127.0.0.1", port=arguments.port, log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
