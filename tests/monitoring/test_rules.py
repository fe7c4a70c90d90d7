"""The alert rules: by promtool, by a real Prometheus, and by the reader in Python, on the same service."""

import json
import re
import shutil
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest
import yaml

import mlelab.monitoring
from mlelab.monitoring import replay, rules
from mlelab.serving import process
from mlelab.vertex.compute.processes import free_port
from tests import missing

FOLDER = Path(mlelab.monitoring.__file__).parent
RULES = {rule["alert"]: rule for group in yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"]
         for rule in group["rules"]}


@pytest.fixture
def prometheus() -> None:
    if not (shutil.which("prometheus") and shutil.which("promtool")):
        missing("Debian's package prometheus is not installed")



def get(url):
    with urllib.request.urlopen(url, timeout=10) as answer:
        return answer.read().decode()


def cold(flights):
    """A fault: degrees Celsius where Fahrenheit is expected, and no wind or rain, so that chances surely fall."""
    return flights.assign(temp=(flights["temp"] - 32) * 5 / 9, dewp=(flights["dewp"] - 32) * 5 / 9, hour=5)


@pytest.mark.usefixtures("prometheus")
@pytest.mark.parametrize("command", [["check", "rules", "alerts.yml"], ["test", "rules", "alerts_test.yml"],
                                     ["check", "config", "prometheus.yml"]])
def test_promtool_accepts(command):
    done = subprocess.run(["promtool", *command], cwd=FOLDER, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.usefixtures("prometheus")
def test_promtool_notices_a_changed_limit(tmp_path):
    shutil.copy(FOLDER / "alerts_test.yml", tmp_path)
    (tmp_path / "alerts.yml").write_text((FOLDER / "alerts.yml").read_text().replace("< 0.11", "< 0.01"))
    done = subprocess.run(["promtool", "test", "rules", "alerts_test.yml"], cwd=tmp_path, capture_output=True)
    assert done.returncode != 0


def test_every_metric_that_is_named_is_one_that_the_service_has(service):
    exposed = {name for name, _ in rules.samples(get(f"{service.url}/metrics"))}
    texts = [rule["expr"] for rule in RULES.values()]
    texts += [target["expr"] for panel in json.loads((FOLDER / "dashboard.json").read_text())["panels"]
              for target in panel["targets"]]
    named = set(re.findall(r"\balert_\w+", " ".join(texts)))
    assert named and named - exposed <= {"alert_requests_total"}  # no request yet, no status to count


def test_every_rule_says_what_to_look_at_first():
    for rule in RULES.values():
        assert rule["annotations"]["summary"] and rule["annotations"]["first_look"] and rule["for"]


def test_the_reader_in_python(service, flights, columns):
    start = get(f"{service.url}/metrics")
    replay.replay(service.url, flights[flights["month"] == 10], list(columns))
    ordinary = get(f"{service.url}/metrics")
    replay.replay(service.url, cold(flights[flights["month"] == 10]), list(columns))
    fault = get(f"{service.url}/metrics")
    assert "AlertChanceMoved" not in rules.firing(start, ordinary)
    assert "AlertChanceMoved" in rules.firing(ordinary, fault)
    assert rules.firing(fault, fault) == ["AlertSilent"]


def test_a_real_prometheus_scrapes_and_fires_the_same_rule(prometheus, service, flights, columns, tmp_path):
    """The same file, with seconds for minutes, so that a test can wait for it."""
    quick = re.sub(r"\[\w+\]", "[8s]", re.sub(r"for: \w+", "for: 1s", (FOLDER / "alerts.yml").read_text()))
    (tmp_path / "alerts.yml").write_text(quick)
    config = yaml.safe_load((FOLDER / "prometheus.yml").read_text())
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    config["scrape_configs"][0]["static_configs"][0]["targets"] = [service.url.removeprefix("http://")]
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(config))
    port = free_port()
    command = [shutil.which("prometheus"), f"--config.file={tmp_path / 'prometheus.yml'}",
               f"--storage.tsdb.path={tmp_path / 'data'}", f"--web.listen-address=127.0.0.1:{port}"]
    with process.Server(command, f"http://127.0.0.1:{port}", "/-/ready") as prometheus:
        deadline, fired = time.monotonic() + 60, set()
        while "AlertChanceMoved" not in fired:
            assert time.monotonic() < deadline, prometheus.log()[-2_000:]
            replay.replay(service.url, cold(flights[flights["month"] == 10]), list(columns))
            time.sleep(0.5)
            alerts = json.loads(get(f"{prometheus.url}/api/v1/alerts"))["data"]["alerts"]
            fired = {alert["labels"]["alertname"] for alert in alerts if alert["state"] == "firing"}
    assert "AlertFailing" not in fired


def test_a_replay_names_the_day_and_what_was_said(service, flights, columns):
    with pytest.raises(RuntimeError, match=r"answered 422 for .*'hour'"):
        replay.replay(service.url, flights[flights["month"] == 9].assign(hour=None), list(columns))
    served = replay.replay(service.url, flights[flights["month"] == 9], list(columns), per_day=5)
    assert (served["model_version"] == "august").all() and served["p"].between(0, 1).all()


def test_each_replay_of_a_day_has_an_id_of_its_own(service, flights, columns):
    day = flights[flights["date"] == "2013-09-02"]
    one, other = (replay.replay(service.url, day, list(columns), per_day=5)["request_id"] for _ in range(2))
    assert one.nunique() == other.nunique() == 1 and set(one).isdisjoint(other)


def test_a_replay_of_nothing_says_so(service, flights, columns):
    with pytest.raises(ValueError, match="no flights to send"):
        replay.replay(service.url, flights[:0], list(columns))
