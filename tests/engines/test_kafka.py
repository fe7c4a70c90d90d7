"""A real broker and real consumers that die, leave and begin again; each message counts once in the end."""

import json
import signal
import time
from collections import Counter

import psutil
import pytest

from mlelab import data, engines
from mlelab.engines.content import digest
from mlelab.pipelines import kafka, stream
from tests.package.test_pipelines import beam_windows, tumbling

ENGINE = "kafka"


@pytest.fixture(scope="module")
def reports():
    return stream.reports(data.load("flights"), kafka.DAY)


@pytest.fixture
def broker(engine, reports, tmp_path):
    """The address of a broker that holds the day."""
    with kafka.broker() as address:
        kafka.ask("create", address)
        kafka.ask("produce", address, kafka.write(reports, tmp_path / "reports.jsonl"))
        yield address


def lag(address, group):
    said = kafka.ask("lag", address, "--group", group)
    assert said.startswith("# TYPE kafka_consumergroup_lag gauge\n")
    return sum(int(line.rpartition(" ")[2]) for line in said.splitlines()[1:])


def count(messages):
    return Counter((message["id"], message["arrival"]) for message in messages)


def eventually(holds, seconds=30):
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.whole
def test_a_consumer_that_is_told_to_stop_commits_what_it_did_and_leaves(broker, reports, tmp_path):
    assert lag(broker, "counter") == len(reports)
    first = kafka.Member(broker, tmp_path / "first.jsonl", "--cost", 0.01, "--session", 1)
    eventually(lambda: len(first.processed()) > 25)
    consumer, = psutil.Process(first._process.pid).children()
    consumer.send_signal(signal.SIGTERM)
    assert first.wait() == 0
    done = len(first.processed())
    assert 25 < done < len(reports) and lag(broker, "counter") == len(reports) - done
    second = kafka.Member(broker, tmp_path / "second.jsonl", "--idle", 1, "--session", 1)
    assert second.wait() == 0
    assert count(first.processed() + second.processed()) == count(reports.to_dict("records"))


def test_a_crash_loses_before_and_doubles_after_and_an_id_counts_once(broker, reports, tmp_path):
    assert kafka.crashes(broker, tmp_path, len(reports), session=1) == {"before": {"lost": 40, "twice": 0},
                                                                         "after": {"lost": 0, "twice": 10}}
    received = [json.loads(line) for line in (tmp_path / "after.jsonl").read_text().splitlines()]
    assert kafka.windows(received) == kafka.windows(reports.to_dict("records"))
    # In the order of arrival, with two hours of patience: what Beam's runner for streams counts of the same day.
    events = [(m["id"], m["time"], m["arrival"]) for m in sorted(received, key=lambda m: (m["arrival"], m["id"]))]
    counts, too_late = tumbling(events, 3600, 7200)
    assert too_late > 0 and counts == beam_windows(stream.events(reports), 3600, 7200, tmp_path)


@pytest.mark.whole
def test_a_group_grows_loses_a_member_and_catches_up(engine, reports, tmp_path):
    with kafka.broker() as address:
        found = kafka.run(address, reports, tmp_path)
    assert len(found["by_member"]) == 3 and min(found["by_member"]) > 0
    assert len(reports) <= found["received"] <= len(reports) + 20  # the batch that the dead one had in hand
    killed = found["happened"]["one is killed"]
    assert found["lag"][-1][1] == 0 < max(behind for second, behind in found["lag"] if second > killed)


def test_the_committed_run_is_of_these_reports_and_beam_and_the_log_still_agree(reports, tmp_path):
    measured = engines.measured("kafka")
    lines = kafka.write(reports, tmp_path / "reports.jsonl")
    today = digest(kafka.by_beam(lines, tmp_path)), digest(kafka.by_broker(reports, "here"))
    assert {*today} == {*measured["digests"].values()} and len(measured["digests"]) == 5
    assert measured["reports"] == len(reports) and measured["date"] and measured["machine"]


def test_two_orders_have_one_digest_and_a_doubled_row_another():
    rows = [("JFK", 1, 2.0), ("EWR", None, 0.1 + 0.2)]
    assert digest(rows) == digest([["EWR", None, 0.3], ["JFK", 1.0, 2]])
    assert digest(rows) != digest([*rows, rows[0]]) != digest(rows[:1])
