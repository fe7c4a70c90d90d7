"""The dashboard is code: its form is Grafana's, its panels do not overlap, and Prometheus can read its queries."""

import itertools
import json
import shutil
import subprocess
from pathlib import Path

import jsonschema
import pytest
import yaml

import mlelab.monitoring
from tests import missing

DASHBOARD = json.loads((Path(mlelab.monitoring.__file__).parent / "dashboard.json").read_text())
FORM = {  # what Grafana's dashboard model (schemaVersion 39) needs of a dashboard like ours
    "type": "object", "required": ["title", "uid", "schemaVersion", "panels", "time", "templating"],
    "properties": {
        "uid": {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,40}$"}, "title": {"type": "string", "minLength": 1},
        "schemaVersion": {"type": "integer", "minimum": 36},
        "panels": {"type": "array", "minItems": 1, "items": {
            "type": "object", "required": ["id", "title", "type", "gridPos", "targets", "datasource"],
            "properties": {
                "id": {"type": "integer", "minimum": 1},
                "type": {"enum": ["timeseries", "table", "gauge", "stat", "heatmap"]},
                "datasource": {"const": {"type": "prometheus", "uid": "${source}"}},
                "gridPos": {"type": "object", "required": ["x", "y", "w", "h"], "properties": {
                    "x": {"type": "integer", "minimum": 0, "maximum": 23}, "y": {"type": "integer", "minimum": 0},
                    "w": {"type": "integer", "minimum": 1, "maximum": 24}, "h": {"type": "integer", "minimum": 1}}},
                "targets": {"type": "array", "minItems": 1, "items": {
                    "type": "object", "required": ["refId", "expr"],
                    "properties": {"refId": {"pattern": "^[A-Z]$"}, "expr": {"type": "string", "minLength": 1}}}},
            }}}}}


def faults(dashboard: dict) -> list[str]:
    found = [error.message for error in jsonschema.Draft202012Validator(FORM).iter_errors(dashboard)]
    panels = dashboard["panels"]
    if len({panel["id"] for panel in panels}) < len(panels):
        found.append("two panels have one id")
    if {"source"} - {variable["name"] for variable in dashboard["templating"]["list"]}:
        found.append("no variable for the data source")
    for one, other in itertools.combinations([panel["gridPos"] for panel in panels], 2):
        if all(one[at] < other[at] + other[size] and other[at] < one[at] + one[size] for at, size in ("xw", "yh")):
            found.append("two panels overlap")
    return found + ["a panel is too wide" for panel in panels if panel["gridPos"]["x"] + panel["gridPos"]["w"] > 24]


def test_the_dashboard_is_one():
    assert faults(DASHBOARD) == []


@pytest.mark.parametrize("change", [
    {"uid": "with space"}, {"id": 2}, {"gridPos": {"x": 6, "y": 0, "w": 12, "h": 8}}, {"targets": [{"expr": "up"}]},
    {"gridPos": {"x": 20, "y": 40, "w": 12, "h": 8}}, {"datasource": None}])
def test_what_is_none_is_noticed(change):
    first = DASHBOARD["panels"][0] | {key: value for key, value in change.items() if key != "uid"}
    assert faults(DASHBOARD | {"uid": change.get("uid", "a"), "panels": [first, *DASHBOARD["panels"][1:]]})


@pytest.mark.parametrize("spoil", [str, lambda expr: expr + ")"])
def test_prometheus_can_read_every_query(tmp_path, spoil):
    if not shutil.which("promtool"):
        missing("Debian's package prometheus is not installed")
    queries = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
    rules = [{"record": f"panel:{number}", "expr": spoil(query)} for number, query in enumerate(queries)]
    (tmp_path / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    done = subprocess.run(["promtool", "check", "rules", "rules.yml"], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode == 0) is (spoil is str), done.stdout + done.stderr
