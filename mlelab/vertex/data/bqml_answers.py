"""BigQuery ML: what a trained model answers. `bqml` trains it and says what it holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..wire.errors import CloudError, invalid

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import pyarrow as pa

TYPES = {  # as SQL has them → as the models API has them
    "LINEAR_REG": "LINEAR_REGRESSION", "LOGISTIC_REG": "LOGISTIC_REGRESSION", "KMEANS": "KMEANS",
    "BOOSTED_TREE_CLASSIFIER": "BOOSTED_TREE_CLASSIFIER", "BOOSTED_TREE_REGRESSOR": "BOOSTED_TREE_REGRESSOR",
}  # fmt: skip
FILLER = "_null_filler"  # the category of what is missing


def matrix(model: Mapping[str, Any], frame: pd.DataFrame) -> np.ndarray:
    """Numbers standardized and filled with their mean, categories one-hot: shape (rows, columns)."""
    import numpy as np

    boosted = model["type"].startswith("BOOSTED")
    scaled = not boosted and model["options"].get("STANDARDIZE_FEATURES", True)
    columns = []
    for feature in model["features"]:
        if feature["input"] not in frame:
            raise invalid(f"Column {feature['input']} is missing in the input of the model.")
        values = frame[feature["input"]]
        if "categories" in feature:
            text = values.astype(object).where(values.notna(), FILLER).astype(str)
            columns += [(text == category).to_numpy(float) for category in feature["categories"]]
        else:
            number = values.astype(float).fillna(feature["mean"]).to_numpy(float)
            spread = feature["stddev"]
            columns.append((number - feature["mean"]) / (spread if spread > 0 else 1.0) if scaled else number)
    return np.column_stack(columns)


def load_xgboost() -> Any:
    """The library, or UNIMPLEMENTED where it is not installed."""
    try:
        import xgboost
    except ImportError:
        raise CloudError(
            "UNIMPLEMENTED", "BigQuery ML's boosted trees are not implemented where XGBoost is not installed."
        ) from None
    return xgboost


def _scores(model: Mapping[str, Any], frame: pd.DataFrame) -> np.ndarray:
    """Probabilities (rows, classes), distances (rows, centroids), or values (rows,)."""
    import numpy as np

    x = matrix(model, frame)
    if "centroids" in model:
        return np.linalg.norm(x[:, None, :] - np.array(model["centroids"]), axis=2)
    if "booster" in model:
        xgb = load_xgboost()
        booster = xgb.Booster()
        booster.load_model(bytearray(model["booster"].encode()))
        found = booster.predict(xgb.DMatrix(x)).astype(float)
        return np.column_stack([1 - found, found]) if len(model.get("classes", [])) == 2 else found
    found = x @ np.array(model["weights"]).T + np.array(model["intercept"])
    if "classes" not in model:
        return found[:, 0]
    found = np.column_stack([np.zeros(len(found)), found]) if found.shape[1] == 1 else found
    found = np.exp(found - found.max(axis=1, keepdims=True))
    return found / found.sum(axis=1, keepdims=True)


def _chosen(scores: np.ndarray, threshold: float) -> np.ndarray:
    """Codes of the predicted classes; with two of them, the first, which is the positive one, from the threshold on."""
    import numpy as np

    return np.where(scores[:, 0] >= threshold, 0, 1) if scores.shape[1] == 2 else scores.argmax(axis=1)


def measure(model: Mapping[str, Any], frame: pd.DataFrame, threshold: float) -> dict[str, float]:
    """The row of ML.EVALUATE for rows that the model sees."""
    import numpy as np
    from sklearn import metrics

    scores = _scores(model, frame)
    if "centroids" in model:
        nearest = scores.argmin(axis=1)
        several = 1 < len(set(nearest)) < len(frame)
        return {
            "davies_bouldin_index": float(metrics.davies_bouldin_score(matrix(model, frame), nearest))
            if several else 0.0,
            "mean_squared_distance": float((scores.min(axis=1) ** 2).mean()),
        }  # fmt: skip
    if model["label"] not in frame:
        raise invalid(f"Column {model['label']} is missing in the input: an evaluation needs the label.")
    labels = frame[model["label"]]
    if "classes" not in model:
        truth, positive = labels.to_numpy(float), np.maximum(labels.to_numpy(float), 0)
        return {
            "mean_absolute_error": metrics.mean_absolute_error(truth, scores),
            "mean_squared_error": metrics.mean_squared_error(truth, scores),
            "mean_squared_log_error": metrics.mean_squared_log_error(positive, np.maximum(scores, 0)),
            "median_absolute_error": metrics.median_absolute_error(truth, scores),
            "r2_score": metrics.r2_score(truth, scores),
            "explained_variance": metrics.explained_variance_score(truth, scores),
        }
    codes = {label: code for code, label in enumerate(model["classes"])}
    truth = labels.map(codes)
    if truth.isna().any():
        raise invalid("The label of the input has a value that the training did not have.")
    truth, chosen = truth.to_numpy(int), _chosen(scores, threshold)
    two = len(codes) == 2
    how = {"pos_label": 0, "average": "binary"} if two else {"average": "macro"}
    sure = np.eye(len(codes))[truth]
    auc = [metrics.roc_auc_score(sure[:, k], scores[:, k]) for k in range(1 if two else len(codes))
           if 0 < sure[:, k].sum() < len(truth)]  # fmt: skip
    return {
        "precision": metrics.precision_score(truth, chosen, zero_division=0, **how),
        "recall": metrics.recall_score(truth, chosen, zero_division=0, **how),
        "accuracy": float((truth == chosen).mean()),
        "f1_score": metrics.f1_score(truth, chosen, zero_division=0, **how),
        "log_loss": metrics.log_loss(truth, scores, labels=range(len(codes))),
        "roc_auc": float(np.mean(auc)) if auc else 0.0,
    }


def predict(model: Mapping[str, Any], frame: pd.DataFrame, seen: pd.DataFrame, settings: Mapping[str, Any]) -> pa.Table:
    """ML.PREDICT: the columns of the prediction, then those of the input. seen: the input as the model sees it."""
    import pyarrow as pa

    threshold, scores = _threshold(settings, "PREDICT"), _scores(model, seen)
    if "centroids" in model:
        order = scores.argsort(axis=1)
        near = [[{"CENTROID_ID": int(k) + 1, "DISTANCE": float(row[k])} for k in ids[:5]]
                for row, ids in zip(scores, order)]  # fmt: skip
        found = {"CENTROID_ID": (order[:, 0] + 1).tolist(), "NEAREST_CENTROIDS_DISTANCE": near}
    elif "classes" in model:
        name, classes = f"predicted_{model['label']}", model["classes"]
        shares = [[{"label": label, "prob": float(prob)} for label, prob in zip(classes, row)] for row in scores]
        found = {name: [classes[k] for k in _chosen(scores, threshold)], f"{name}_probs": shares}
    else:
        found = {f"predicted_{model['label']}": scores.tolist()}
    table = pa.Table.from_pandas(frame, preserve_index=False)
    for index, (name, values) in enumerate(found.items()):
        table = table.add_column(index, name, pa.array(values))
    return table.replace_schema_metadata()


def evaluate(model: Mapping[str, Any], seen: pd.DataFrame | None, settings: Mapping[str, Any]) -> pa.Table:
    """ML.EVALUATE: one row. Without data it is of the rows that the training held out, or of all where it held none."""
    import pyarrow as pa

    threshold = _threshold(settings, "EVALUATE")
    if seen is None and settings:
        raise invalid("ML.EVALUATE takes a threshold with data only.")
    return pa.Table.from_pylist([model["metrics"] if seen is None else measure(model, seen, threshold)])


def _threshold(settings: Mapping[str, Any], function: str) -> float:
    """The one setting that is here."""
    if unknown := sorted(set(settings) - {"threshold"}):
        raise CloudError("UNIMPLEMENTED", f"ML.{function}'s {unknown[0]} is not implemented here.")
    return float(settings.get("threshold", 0.5))


def feature_info(model: Mapping[str, Any]) -> pa.Table:
    """ML.FEATURE_INFO: a row for each feature."""
    import pyarrow as pa

    numbers = dict.fromkeys(("min", "max", "mean", "median", "stddev"), pa.float64())
    columns = {"input": pa.string()} | numbers
    columns |= dict.fromkeys(("category_count", "null_count", "dimension"), pa.int64())
    return pa.Table.from_pylist(model["features"], schema=pa.schema(list(columns.items())))


def weights(model: Mapping[str, Any]) -> pa.Table:
    """ML.WEIGHTS of a linear model, or of a logistic one with two classes: per feature in its own unit."""
    import pyarrow as pa

    if len(model.get("weights", [])) != 1:
        raise CloudError("UNIMPLEMENTED", f"ML.WEIGHTS of this {model['type']} is not implemented here.")
    # the classes stand in descending order, and the weights are those of the second
    sign = -1.0 if "classes" in model else 1.0
    values = iter(sign * value for value in model["weights"][0])
    rows: list[dict[str, Any]] = []
    intercept = sign * model["intercept"][0]
    for feature in model["features"]:
        if "categories" in feature:
            each = [{"category": category, "weight": next(values)} for category in feature["categories"]]
            rows.append({"processed_input": feature["input"], "weight": None, "category_weights": each})
            continue
        weight = next(values) / (feature["stddev"] if feature["stddev"] > 0 else 1.0)
        intercept -= weight * feature["mean"]
        rows.append({"processed_input": feature["input"], "weight": weight, "category_weights": []})
    rows.append({"processed_input": "__INTERCEPT__", "weight": intercept, "category_weights": []})
    category = pa.struct([("category", pa.string()), ("weight", pa.float64())])
    columns = [("processed_input", pa.string()), ("weight", pa.float64()), ("category_weights", pa.list_(category))]
    return pa.Table.from_pylist(rows, schema=pa.schema(columns))


def resource(model: Mapping[str, Any], project: str, dataset: str, name: str) -> dict[str, Any]:
    """The model as the API for models has it."""
    features = [
        {"name": feature["input"], "type": {"typeKind": "STRING" if "categories" in feature else "FLOAT64"}}
        for feature in model["features"]
    ]
    label = [{"name": model["label"]}] if "label" in model else []
    return {
        "modelReference": {"projectId": project, "datasetId": dataset, "modelId": name},
        "modelType": TYPES[model["type"]],
        "featureColumns": features,
        "labelColumns": label,
        "location": "US",
    }
