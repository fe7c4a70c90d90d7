"""What machines cost and what they did. Every price and every line here is invented: no provider charges this.

The currency is the crown, which no provider takes, so that nobody mistakes a number for an offer.
"""

import numpy as np
import pandas as pd

# Crowns: for an hour of one replica, a started batch machine, a second of a replica that scales to zero, and tokens.
PRICES = {"replica_hour": 0.50, "batch_hour": 0.40, "batch_start_hours": 0.1, "on_demand_second": 0.00035,
          "request": 0.0000004, "gpu_hour": 9.0, "thousand_tokens_in": 0.002, "thousand_tokens_out": 0.008}
HOURS = 730  # of a month
_STEPS = (  # step, machine, crowns an hour, cores, hours of a day that it is up, share of the cores in use meanwhile
    ("alert service", "4 cores", 0.50, 4, 24.0, 0.31), ("alert service, spare zone", "4 cores", 0.50, 4, 24.0, 0.02),
    ("features, nightly", "16 cores", 1.90, 16, 1.2, 0.71), ("training, weekly", "16 cores", 1.90, 16, 0.4, 0.82),
    ("notebook of the team", "1 GPU", 9.00, 8, 24.0, 0.03), ("dashboard", "2 cores", 0.25, 2, 24.0, 0.22),
    ("old alert service", "4 cores", 0.50, 4, 24.0, 0.00))


def log(days: int = 28, seed: int = 0) -> pd.DataFrame:
    """An invented usage log, a row for each step and hour that a machine is up.

    Columns: day, hour, step, machine, price (crowns an hour), cores, busy (core hours used), up (hours, at most 1).
    """
    rng, rows = np.random.default_rng(seed), []
    for step, machine, price, cores, up, share in _STEPS:
        for day in range(days):
            left, hour = up, 0
            while left > 1e-9:
                part = min(1.0, left)
                busy = min(1.0, max(0.0, share * rng.lognormal(-0.02, 0.2))) * cores * part
                rows.append((day, hour, step, machine, price, cores, busy, part))
                left, hour = left - part, hour + 1
    return pd.DataFrame(rows, columns=["day", "hour", "step", "machine", "price", "cores", "busy", "up"])


def monthly(predictions: float, seconds: float, *, plan: str, replicas: int = 2, rows_a_second: float = 5_000,
            prices: dict[str, float] = PRICES) -> float:
    """Crowns a month for `predictions` a month under a plan: batch, always on, or to zero.

    seconds: machine time of one request where they come one by one. Batch: one run a night, which pays for its start;
    always on: `replicas` all month, and more where the load needs them at 60 % use; to zero: seconds and requests.
    Raises ValueError on another plan.
    """
    if plan == "batch":
        return (30 * prices["batch_start_hours"] + predictions / rows_a_second / 3600) * prices["batch_hour"]
    if plan == "always on":
        needed = max(replicas, int(np.ceil(predictions * seconds / (HOURS * 3600) / 0.6)))
        return needed * HOURS * prices["replica_hour"]
    if plan == "to zero":
        return predictions * (seconds * prices["on_demand_second"] + prices["request"])
    raise ValueError(f"{plan!r} is none of batch, always on, to zero.")
