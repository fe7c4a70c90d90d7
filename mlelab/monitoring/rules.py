"""The rules of alerts.yml over two scrapes of the service, in Python: what to use where no Prometheus runs.

Prometheus looks at a rate over a window and waits until a rule has held for a while; this looks at the difference of
two scrapes, once, at any hour. Limits are read from the same file, so that there is one place to change them; the
conditions stand here a second time, and the tests compare the two.
"""

import re
from pathlib import Path

import yaml
from prometheus_client.parser import text_string_to_metric_families

FILE = Path(__file__).with_name("alerts.yml")


def limits() -> dict[str, tuple[float, ...]]:
    """For each rule of alerts.yml the numbers that its expression compares with, and the quantile it takes."""
    rules = [rule for group in yaml.safe_load(FILE.read_text())["groups"] for rule in group["rules"]]
    numbers = r"(?:[<>]=? |histogram_quantile\()([0-9.]+)"
    return {rule["alert"]: tuple(map(float, re.findall(numbers, rule["expr"]))) for rule in rules}


def samples(text: str) -> dict[tuple, float]:
    """A scrape as {(name, labels): value}."""
    return {(sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in text_string_to_metric_families(text) for sample in family.samples}


def firing(before: str, after: str) -> list[str]:
    """Names of the rules that the traffic between two scrapes breaks, in the order of the file."""
    first, last = samples(before), samples(after)

    def grown(name: str, **labels) -> float:
        return sum(value - first.get(key, 0) for key, value in last.items()
                   if key[0] == name and labels.items() <= dict(key[1]).items())

    limit, requests = limits(), grown("alert_requests_total")
    failed = sum(value - first.get(key, 0) for key, value in last.items()
                 if key[0] == "alert_requests_total" and dict(key[1])["status"].startswith("5"))
    quantile, seconds = limit["AlertSlow"]
    slow = requests - grown("alert_request_seconds_bucket", le=f"{seconds:g}")
    chances = grown("alert_chance_count")
    mean = grown("alert_chance_sum") / chances if chances else None
    low, high = limit["AlertChanceMoved"]
    broken = {"AlertSilent": requests <= 0,
              "AlertFailing": requests > 0 and failed / requests > limit["AlertFailing"][0],
              "AlertSlow": requests > 0 and slow / requests > 1 - quantile,
              "AlertChanceMoved": mean is not None and not low <= mean <= high}
    return [name for name in limit if broken[name]]
