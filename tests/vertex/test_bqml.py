"""BigQuery ML: models in SQL against the same models in Python, and what is refused by name."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from google.api_core import exceptions
from google.cloud import bigquery
from sklearn import metrics
from sklearn.linear_model import LinearRegression, LogisticRegression


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"x": rng.normal(5, 3, 800), "g": rng.choice(["a", "b", "c"], 800)})
    frame["held"] = [False, True] * 400
    score = frame["x"] / 3 + (frame["g"] == "a") + rng.normal(size=800)
    return frame.assign(late=(score > 2).astype(int), delay=score, kind=np.digitize(score, [1, 2]).astype(str))


@pytest.fixture(scope="module")
def client(cloud, frame) -> bigquery.Client:
    client = bigquery.Client(project="ml")
    client.create_dataset("lab")
    client.load_table_from_dataframe(frame, "ml.lab.t").result()
    custom = "data_split_method='CUSTOM', data_split_col='held'"
    for name, label, kind in [("logistic", "late", "logistic_reg"), ("linear", "delay", "linear_reg"),
                              ("several", "kind", "logistic_reg"), ("trees", "late", "boosted_tree_classifier"),
                              ("tree", "delay", "boosted_tree_regressor")]:  # fmt: skip
        options = f"OPTIONS(model_type='{kind}', input_label_cols=['{label}'], {custom})"
        client.query(f"CREATE MODEL lab.{name} {options} AS SELECT x, g, held, {label} FROM lab.t").result()
    client.query("CREATE MODEL lab.groups OPTIONS(model_type='kmeans', num_clusters=3) AS SELECT x FROM lab.t").result()
    return client


def rows(client: bigquery.Client, text: str) -> list[dict]:
    return [dict(row) for row in client.query(text, retry=None, job_retry=None).result(retry=None, job_retry=None)]


def design(frame: pd.DataFrame) -> pd.DataFrame:
    return pd.get_dummies(frame[["x", "g"]]).astype(float)


def test_logistic_regression_is_pythons(client, frame):
    train, held = frame[~frame["held"]], frame[frame["held"]]
    python = LogisticRegression(C=np.inf, tol=1e-8, max_iter=10_000).fit(design(train), train["late"])
    share = python.predict_proba(design(held))[:, 1]
    (found,) = rows(client, "SELECT * FROM ML.EVALUATE(MODEL lab.logistic)")
    assert list(found) == ["precision", "recall", "accuracy", "f1_score", "log_loss", "roc_auc"]
    assert found["roc_auc"] == pytest.approx(metrics.roc_auc_score(held["late"], share), abs=1e-6)
    assert found["log_loss"] == pytest.approx(metrics.log_loss(held["late"], share), abs=1e-6)
    assert found["precision"] == pytest.approx(metrics.precision_score(held["late"], share >= 0.5))
    predicted = rows(client, "SELECT * FROM ML.PREDICT(MODEL `ml.lab.logistic`, (SELECT * FROM lab.t WHERE held))")
    assert list(predicted[0]) == ["predicted_late", "predicted_late_probs", *frame.columns]
    assert [row["predicted_late_probs"][0]["label"] for row in predicted] == [1] * len(held)
    assert [row["predicted_late_probs"][0]["prob"] for row in predicted] == pytest.approx(list(share), abs=1e-4)


def test_a_threshold_moves_the_prediction(client):
    def late(settings: str) -> int:
        text = f"SELECT SUM(predicted_late) AS n FROM ML.PREDICT(MODEL lab.logistic, TABLE lab.t{settings})"
        return rows(client, text)[0]["n"]

    assert late(", STRUCT(0.9 AS threshold)") < late("") < late(", STRUCT(0.1 AS threshold)")


def test_linear_regression_is_pythons(client, frame):
    train, held = frame[~frame["held"]], frame[frame["held"]]
    python = LinearRegression().fit(design(train), train["delay"])
    (found,) = rows(client, "SELECT * FROM ML.EVALUATE(MODEL lab.linear, (SELECT * FROM lab.t WHERE held))")
    assert list(found) == ["mean_absolute_error", "mean_squared_error", "mean_squared_log_error",
                           "median_absolute_error", "r2_score", "explained_variance"]  # fmt: skip
    assert found["r2_score"] == pytest.approx(python.score(design(held), held["delay"]))
    weights = {row["processed_input"]: row for row in rows(client, "SELECT * FROM ML.WEIGHTS(MODEL lab.linear)")}
    assert weights["x"]["weight"] == pytest.approx(python.coef_[0])
    by_group = {one["category"]: one["weight"] for one in weights["g"]["category_weights"]}
    assert by_group["a"] - by_group["b"] == pytest.approx(python.coef_[1] - python.coef_[2])


def test_other_models(client, frame):
    (several,) = rows(client, "SELECT * FROM ML.EVALUATE(MODEL lab.several)")
    (trees,) = rows(client, "SELECT * FROM ML.EVALUATE(MODEL lab.trees)")
    (tree,) = rows(client, "SELECT * FROM ML.EVALUATE(MODEL lab.tree)")
    assert several["roc_auc"] > 0.75 and trees["roc_auc"] > 0.75 and tree["r2_score"] > 0.3
    probs = rows(client, "SELECT predicted_kind_probs AS p FROM ML.PREDICT(MODEL lab.several, TABLE lab.t) LIMIT 1")
    assert [one["label"] for one in probs[0]["p"]] == ["2", "1", "0"]
    assert sum(one["prob"] for one in probs[0]["p"]) == pytest.approx(1)
    (near,) = rows(client, "SELECT * FROM ML.PREDICT(MODEL lab.groups, (SELECT 5.0 AS x))")
    assert list(near) == ["CENTROID_ID", "NEAREST_CENTROIDS_DISTANCE", "x"]
    assert near["NEAREST_CENTROIDS_DISTANCE"][0]["CENTROID_ID"] == near["CENTROID_ID"]
    (quality,) = rows(client, "SELECT * FROM ML.EVALUATE(MODEL lab.groups)")
    assert list(quality) == ["davies_bouldin_index", "mean_squared_distance"]


def test_transform_keeps_what_the_training_rows_said(client, frame):
    text = """
        CREATE OR REPLACE MODEL lab.transformed
        TRANSFORM(IFNULL(ML.STANDARD_SCALER(x) OVER (), 0.5) AS z, ML.QUANTILE_BUCKETIZE(x, 4) OVER () AS bin, late,
                  held)
        OPTIONS(model_type='logistic_reg', labels=['late'], data_split_method='CUSTOM', data_split_col='held')
        AS SELECT x, held, late FROM lab.t
    """
    client.query(text).result()
    train = frame[~frame["held"]]["x"]
    (one,) = rows(client, "SELECT z, bin FROM ML.TRANSFORM(MODEL lab.transformed, (SELECT 11.0 AS x, FALSE AS held))")
    assert one["z"] == pytest.approx((11 - train.mean()) / train.std()) and one["bin"] == "bin_4"
    info = rows(client, "SELECT * FROM ML.FEATURE_INFO(MODEL lab.transformed)")
    assert [row["input"] for row in info] == ["z", "bin"] and [row["category_count"] for row in info] == [None, 4]
    assert info[0]["mean"] == pytest.approx(0, abs=1e-9)


def test_a_call_sees_the_query_around_it(client):
    text = """
        WITH late AS (SELECT * FROM lab.t WHERE held), scored AS (
            SELECT late, p.prob FROM ML.PREDICT(MODEL lab.logistic, TABLE late), UNNEST(predicted_late_probs) AS p
            WHERE p.label = 1)
        SELECT COUNT(*), AVG(prob) > 0 AS some, (SELECT roc_auc FROM ML.EVALUATE(MODEL lab.trees)) AS other FROM scored
    """
    (found,) = rows(client, text)
    assert list(found.values())[:2] == [400, True] and 0.75 < found["other"] < 1 and "f0_" in found


def test_models_are_listed_read_and_deleted(client):
    client.query("CREATE MODEL lab.gone OPTIONS(model_type='kmeans') AS SELECT x FROM lab.t").result()
    assert {"gone", "logistic"} <= {model.model_id for model in client.list_models("ml.lab")}
    model = client.get_model("ml.lab.logistic")
    assert model.model_type == "LOGISTIC_REGRESSION" and [c.name for c in model.feature_columns] == ["x", "g"]
    client.delete_model("ml.lab.gone")
    with pytest.raises(exceptions.NotFound, match="Model ml:lab.gone"):
        client.get_model("ml.lab.gone")
    client.query("CREATE MODEL lab.gone OPTIONS(model_type='kmeans') AS SELECT x FROM lab.t").result()
    client.query("DROP MODEL lab.gone").result()
    with pytest.raises(exceptions.NotFound, match="Model ml:lab.gone"):
        rows(client, "SELECT * FROM ML.PREDICT(MODEL lab.gone, TABLE lab.t)")


@pytest.mark.parametrize(
    ("text", "error", "sentence"),
    [
        ("CREATE MODEL lab.logistic OPTIONS(model_type='kmeans') AS SELECT 1 AS x", exceptions.Conflict, "Already"),
        ("CREATE MODEL lab.m OPTIONS(model_type='dnn_classifier') AS SELECT 1 AS x", exceptions.ServerError, "DNN_CLA"),
        ("CREATE MODEL lab.m OPTIONS(model_type='kmeans', num_trials=3) AS SELECT 1 AS x", exceptions.ServerError,
         "NUM_TRIALS"),
        ("CREATE MODEL lab.m OPTIONS(model_type='linear_reg') AS SELECT 1 AS x", exceptions.BadRequest, "label"),
        ("CREATE MODEL lab.m TRANSFORM(ML.NGRAMS(x, 2) AS n, late) OPTIONS(model_type='linear_reg', "
         "input_label_cols=['late']) AS SELECT x, late FROM lab.t", exceptions.ServerError, "ML.NGRAMS"),
        ("SELECT * FROM ML.ROC_CURVE(MODEL lab.logistic)", exceptions.ServerError, "ML.ROC_CURVE"),
        ("SELECT * FROM ML.EVALUATE(MODEL lab.nothing)", exceptions.NotFound, "Model ml:lab.nothing"),
        ("SELECT * FROM ML.PREDICT(MODEL lab.logistic, (SELECT 1.0 AS x))", exceptions.BadRequest, "Column g"),
        ("SELECT * FROM ML.EVALUATE(MODEL lab.logistic, (SELECT 1.0 AS x, 'a' AS g))", exceptions.BadRequest, "label"),
    ],
)  # fmt: skip
def test_what_is_refused(client, text, error, sentence):
    with pytest.raises(error, match=sentence):
        rows(client, text)
