"""The dashboard is code: its form is Grafana's, its panels do not overlap, Prometheus can read its queries, and the
files that tell Grafana of it fit to it and to prometheus.yml."""

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

FOLDER = Path(mlelab.monitoring.__file__).parent
DASHBOARD = json.loads((FOLDER / "dashboard.json").read_text())
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


SOURCES = {  # what Grafana's provisioning (apiVersion 1) needs of a data source and of a folder of dashboards
    "type": "object", "required": ["apiVersion", "datasources"], "additionalProperties": False,
    "properties": {"apiVersion": {"const": 1}, "datasources": {"type": "array", "minItems": 1, "items": {
        "type": "object", "required": ["name", "type", "url", "access"],
        "properties": {"type": {"const": "prometheus"}, "access": {"enum": ["proxy", "direct"]},
                       "uid": {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,40}$"},
                       "url": {"type": "string", "pattern": r"^http://127\.0\.0\.1:\d+$"},
                       "isDefault": {"const": True}, "editable": {"type": "boolean"}}}}}}
PROVIDERS = {
    "type": "object", "required": ["apiVersion", "providers"], "additionalProperties": False,
    "properties": {"apiVersion": {"const": 1}, "providers": {"type": "array", "minItems": 1, "items": {
        "type": "object", "required": ["name", "type", "options"],
        "properties": {"type": {"const": "file"}, "folder": {"type": "string"}, "allowUiUpdates": {"const": False},
                       "options": {"type": "object", "required": ["path"],
                                   "properties": {"path": {"const": "${ALERT_DASHBOARDS}"}}}}}}}}


def provisioned(sources: str, providers: str, dashboards: Path) -> list[str]:
    """What keeps Grafana from showing the dashboard. dashboards: the folder that the variable names."""
    found = []
    for form, text in ((SOURCES, sources), (PROVIDERS, providers)):
        found += [error.message for error in jsonschema.Draft202012Validator(form).iter_errors(yaml.safe_load(text))]
    kinds = {one.get("type") for one in yaml.safe_load(sources).get("datasources", [])}
    shown = [json.loads(path.read_text()) for path in dashboards.glob("*.json")]
    found += [] if shown else ["no dashboard in the folder"]
    return found + [f"{one['title']} asks for another data source" for one in shown for variable in
                    one["templating"]["list"] if variable["type"] == "datasource" and variable["query"] not in kinds]


SAID = [(FOLDER / "grafana" / name).read_text() for name in ("datasources/prometheus.yml", "dashboards/alert.yml")]


def test_grafana_is_told_of_the_dashboard_and_of_prometheus():
    assert provisioned(*SAID, FOLDER) == []
    address = yaml.safe_load(SAID[0])["datasources"][0]["url"].removeprefix("http://")
    assert f"--web.listen-address={address}" in (FOLDER / "prometheus.yml").read_text()
    assert all(word in SAID[0] for word in ("GF_PATHS_PROVISIONING", "ALERT_DASHBOARDS"))


@pytest.mark.parametrize(("old", "new"), [
    ("apiVersion: 1", "apiVersion: 2"), ("type: prometheus", "type: loki"), ("127.0.0.1", "0.0.0.0"),
    ("url:", "uri:"), ("type: file", "type: folder"), ("path:", "paths:"), ("providers:", "dashboards:")])
def test_a_slip_in_what_grafana_is_told_is_noticed(old, new):
    assert any(old in text for text in SAID)
    assert provisioned(*(text.replace(old, new) for text in SAID), FOLDER)


def test_a_folder_without_the_dashboard_is_noticed(tmp_path):
    assert provisioned(*SAID, tmp_path) == ["no dashboard in the folder"]
