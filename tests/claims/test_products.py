"""A product is not taught within six months of its end."""

import datetime
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

import products  # noqa: E402

NAMES = """\
as_of: 2026-11-22
products:
  old:
    name: Old Store
    what: Features.
    ends: 2027-02-17
    calls: [OldStore]
    {leaving}
"""


def course(root: Path, page: str = "", lab: str = "", leaving: str = "") -> Path:
    for name, text in (("book/reference/gcp-names.yml", NAMES.format(leaving=leaving)), ("book/03_features.md", page),
                       ("solutions/03_features/lab.py", lab)):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def test_the_course_teaches_nothing_that_ends_soon():
    assert products.taught() == []


def test_the_names_are_those_of_googles_table():
    """Some of its rows, as they stood on the day that the table names."""
    names = yaml.safe_load((ROOT / "book" / "reference" / "gcp-names.yml").read_text(encoding="utf-8"))
    now = {former: product["name"] for product in names["products"].values() for former in product.get("former", [])}
    assert {
        "Vertex AI Vector Search 2.0": "Agent Retrieval", "Vertex AI Vector Search": "Vector Search",
        "Vertex AI Agent Engine": "Agent Runtime", "Vertex AI Agent Engine Sessions": "Agent Platform Sessions",
        "Vertex AI Agent Engine Memory Bank": "Agent Platform Memory Bank",
        "Vertex AI Model Monitoring": "Model Monitoring on Agent Platform",
        "Vertex AI Prediction": "Agent Platform Inference", "Vertex AI Experiments": "Experiments on Agent Platform",
        "Vertex AI Serverless Training": "Agent Platform Serverless Training",
        "Ray on Vertex AI": "Ray on Agent Platform",
        "Gen AI evaluation service on Vertex AI": "Gen AI evals",
        "Vertex AI Colab Enterprise": "Agent Platform Colab Enterprise",
    }.items() <= now.items()
    assert "name changes" in names["read"] and "ml-metadata" in names["products"]


OTHERWISE = {  # where our table has its own words for a row, or the vendor's later page has others: the product's key
    "Vertex AI Platform": "vertex-ai", "Vertex AI": "vertex-ai", "Vertex AI Generative AI": "generative-ai",
    "Generative AI on Vertex AI": "generative-ai", "Vertex AI API": "api",
    "Vertex AI Models as a Service (MaaS)": "model-as-a-service", "(Gemini/Veo) on Vertex AI": "own-models",
    "(Claude/Llama/DeepSeek/etc.) on Vertex AI": "partner-models",
    "(Provisioned Throughput/Pay-as-you-go/etc.) on Vertex AI": "provisioned-throughput",
    "Vertex AI Search for Commerce": "agent-search-commerce",
    "Recommendations from Vertex AI Search": "recommendations", "Vertex AI Training Clusters (VTC)": "managed-training",
    "Grounding with Google [...] in Vertex AI": "grounding", "Vertex AI Workbench Instances": "workbench",
    "Grounding with Google [...] in Vertex AI Search": "grounding",
    "Grounding with Google [...] in Vertex AI Studio": "grounding",
    "Reinforcement Learning from Human Feedback (RLHF)/Reinforcement Learning (RL) on Vertex AI":
        "reinforcement-learning",
    "Vertex AI Prediction/Vertex AI Inference": "inference",
    "Vertex AI Forecasting/Forecasting with AutoML": "forecasting",
    "Vertex AI AutoML (Vision/Video/Tables)": "automl"}


def test_each_row_of_the_vendors_table_is_in_ours():
    """name-changes.txt: the rows of 22 April 2026, word for word, as a stored copy of the release notes has them."""
    names = yaml.safe_load((ROOT / "book" / "reference" / "gcp-names.yml").read_text(encoding="utf-8"))["products"]
    rows = [row.split(" | ") for row in (ROOT / "book/reference/name-changes.txt").read_text().splitlines()]
    assert len(rows) == 56 and all(len(row) == 2 for row in rows) and set(OTHERWISE) <= {old for old, _ in rows}
    for old, new in rows:
        same = [key for key, product in names.items() if product["name"] == new and old in product.get("former", [])]
        assert OTHERWISE.get(old) in names if old in OTHERWISE else len(same) == 1, (old, new)


@pytest.mark.parametrize("planted", [{"page": "Use {gcp}`old`."}, {"lab": "store = OldStore()"}])
def test_a_page_or_a_lab_that_does_is_named(tmp_path, planted):
    assert len(products.taught(course(tmp_path, **planted))) == 1


@pytest.mark.parametrize("planted", [{"page": "Leave {gcp-ending}`old`."}, {"page": "The gold store."}])
def test_a_page_that_says_goodbye_is_not(tmp_path, planted):
    assert products.taught(course(tmp_path, **planted)) == []


@pytest.mark.parametrize(("day", "count"), [("2026-08-17", 0), ("2026-08-18", 1), ("2028-01-01", 1)])
def test_six_months_before_the_end_it_begins(tmp_path, day, count):
    root = course(tmp_path, page="Use {gcp}`old`.")
    assert len(products.taught(root, datetime.date.fromisoformat(day))) == count


def test_the_list_of_what_is_still_to_be_moved_only_shrinks(tmp_path):
    leaving = "leaving: [book/03_features.md]"
    assert products.taught(course(tmp_path, page="Use {gcp}`old`.", leaving=leaving)) == []
    assert products.taught(course(tmp_path, leaving=leaving)) == [
        "book/03_features.md has left Old Store: take it off the list in gcp-names.yml"]
