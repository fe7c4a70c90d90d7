"""The days after training, sent to a running service one by one, as the desk would have."""

import json
import uuid

import pandas as pd
import requests


def replay(url: str, flights: pd.DataFrame, columns: list[str], per_day: int = 60, seed: int = 0) -> pd.DataFrame:
    """Send a sample of each day's flights to `url`/predict, a request a day, in the order of the days.

    flights: with `date` and the columns of the service's contract. Returns the sampled rows with `request_id` (of the
    day's request in this replay), `model_version` and `p`. Raises RuntimeError if the service refuses a day, with what
    it said, and ValueError if there is nothing to send.
    """
    answered = []
    for date, rows in flights.groupby("date"):
        some = rows.sample(min(per_day, len(rows)), random_state=seed).sort_values("decision_time")
        body = {"request_id": uuid.uuid4().hex, "instances": json.loads(some[columns].to_json(orient="records"))}
        answer = requests.post(f"{url}/predict", json=body, timeout=30)
        if answer.status_code != 200:
            raise RuntimeError(f"The service answered {answer.status_code} for {date:%d %B}: {answer.text[:200]}")
        said = answer.json()
        answered.append(some.assign(request_id=said["request_id"], model_version=said["model_version"],
                                    p=[row["p"] for row in said["predictions"]]))
    if not answered:
        raise ValueError("There are no flights to send.")
    return pd.concat(answered)
