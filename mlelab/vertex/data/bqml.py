"""BigQuery ML: models that SQL trains. scikit-learn and XGBoost fit them; what is kept is JSON, never code.

A model is the object `gs://PROJECT-bigquery/DATASET/MODEL.model`. Its TRANSFORM clause is kept as SQL in which the
statistics of the training data stand as numbers.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ..wire.errors import CloudError, invalid
from .bqml_answers import FILLER, TYPES, load_xgboost, matrix, measure
from .bqml_sql import floats

if TYPE_CHECKING:
    import pandas as pd
    from sqlglot import exp

    Compute = Callable[[exp.Query, Mapping[str, pd.DataFrame]], pd.DataFrame]

SPLIT = {"DATA_SPLIT_METHOD": "AUTO_SPLIT", "DATA_SPLIT_EVAL_FRACTION": 0.2, "DATA_SPLIT_COL": None}
LABELS = {"INPUT_LABEL_COLS": ["label"]}
BOOSTED = {"MAX_ITERATIONS": 20, "LEARN_RATE": 0.3, "MAX_TREE_DEPTH": 6, "L1_REG": 0.0, "L2_REG": 1.0, "SUBSAMPLE": 1.0,
           "MIN_TREE_CHILD_WEIGHT": 1, "EARLY_STOP": True, "MIN_REL_PROGRESS": 0.01}  # fmt: skip
OPTIONS: dict[str, dict[str, Any]] = {  # by model type, with the documented defaults
    "LINEAR_REG": LABELS | SPLIT | {"L2_REG": 0.0},
    "LOGISTIC_REG": LABELS | SPLIT | {"L2_REG": 0.0, "AUTO_CLASS_WEIGHTS": False},
    "KMEANS": {"NUM_CLUSTERS": None, "MAX_ITERATIONS": 20, "STANDARDIZE_FEATURES": True},
    "BOOSTED_TREE_CLASSIFIER": LABELS | SPLIT | BOOSTED | {"AUTO_CLASS_WEIGHTS": False},
    "BOOSTED_TREE_REGRESSOR": LABELS | SPLIT | BOOSTED,
}
INPUT = "ml_input"  # the name of the rows in a kept TRANSFORM


def create(given: Mapping[str, Any], transform: list[exp.Expression], frame: pd.DataFrame, compute: Compute) -> bytes:
    """Train a model on the rows of a query.

    given: OPTIONS of CREATE MODEL, names in capitals. transform: the expressions of TRANSFORM, or none.
    INVALID_ARGUMENT where the data do not fit, UNIMPLEMENTED by name for model types and options that are not here.
    """
    given = {"INPUT_LABEL_COLS" if name == "LABELS" else name: value for name, value in given.items()}
    kind = str(given.get("MODEL_TYPE", "")).upper()
    if kind not in TYPES:
        raise CloudError("UNIMPLEMENTED", f"BigQuery ML's model type {kind or '(none)'} is not implemented here.")
    if unknown := sorted(set(given) - set(OPTIONS[kind]) - {"MODEL_TYPE"}):
        raise CloudError("UNIMPLEMENTED", f"BigQuery ML's option {unknown[0]} of {kind} is not implemented here.")
    model: dict[str, Any] = {"type": kind, "options": OPTIONS[kind] | dict(given), "raw": list(frame.columns)}
    labels = model["options"].get("INPUT_LABEL_COLS")
    if labels is not None:
        if len(labels) != 1 or labels[0] not in frame:
            raise invalid(f"Invalid training data: there is no label column {labels}; set input_label_cols.")
        frame = frame[frame[labels[0]].notna()].reset_index(drop=True)  # rows without a label are not trained on
        model["label"] = labels[0]
    training, evaluation = _split(model["options"], frame)
    model["transform"] = _fixed(transform, training, compute) if transform else None
    training, evaluation = (transformed(model, rows, compute) for rows in (training, evaluation))
    features = training.drop(columns=[model.get("label"), model["options"].get("DATA_SPLIT_COL")], errors="ignore")
    model["features"] = [_describe(name, features[name]) for name in features]
    if not len(training) or not model["features"]:
        raise invalid("Invalid training data: no row has a label, or there is no feature.")
    _fit(model, training, evaluation)
    model["metrics"] = measure(model, evaluation if len(evaluation) else training, 0.5)
    return json.dumps(model).encode()


def _split(options: Mapping[str, Any], frame: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows to train on, and rows held out for evaluation: none where the method keeps all."""
    import numpy as np

    method, share, column = (options.get(name) for name in SPLIT)
    method = "NO_SPLIT" if method is None else method.upper()
    if method in ("CUSTOM", "SEQ") and column not in frame:
        raise invalid(f"Data split method {method} needs data_split_col.")
    if method == "CUSTOM":
        held = frame[column].astype(bool).to_numpy()
    elif method == "SEQ":
        held = frame[column].rank(method="first").to_numpy() > round(len(frame) * (1 - share))
    elif method == "NO_SPLIT" or method == "AUTO_SPLIT" and len(frame) < 500:
        held = np.zeros(len(frame), bool)
    elif method in ("RANDOM", "AUTO_SPLIT"):
        share = share if method == "RANDOM" else 0.2 if len(frame) <= 50_000 else 10_000 / len(frame)
        held = np.random.default_rng(0).permutation(len(frame)) < round(share * len(frame))
    else:
        raise invalid(f"Data split method {method} is unknown.")
    return frame[~held].reset_index(drop=True), frame[held].reset_index(drop=True)


def _fixed(transform: list[exp.Expression], frame: pd.DataFrame, compute: Compute) -> str:
    """TRANSFORM as a query on `INPUT`; what its functions learn from the training data stands in it as numbers."""
    from sqlglot import exp, parse_one

    def statistics(*wanted: str) -> list[str]:
        found = compute(parse_one(f"SELECT {', '.join(wanted)} FROM {INPUT}", read="duckdb"), {INPUT: frame})
        return [repr(value.tolist() if hasattr(value, "tolist") else value) for value in found.iloc[0]]

    query = floats(exp.select(*[one.copy() for one in transform]).from_(INPUT))
    for node in list(query.find_all(exp.Dot)):
        if node.this.name.upper() != "ML" or not isinstance(node.expression, exp.Anonymous):
            continue
        name, arguments = node.expression.name.upper(), node.expression.expressions
        x, *rest = [one.sql(dialect="duckdb") for one in arguments]
        if name == "STANDARD_SCALER":
            mean, deviation = statistics(f"AVG({x})", f"STDDEV({x})")
            text = f"({x} - {mean}) / NULLIF({deviation}, 0)"
        elif name == "MIN_MAX_SCALER":
            low, high = statistics(f"MIN({x})", f"MAX({x})")
            text = f"LEAST(1, GREATEST(0, ({x} - {low}) / NULLIF(CAST({high} AS DOUBLE) - {low}, 0)))"
        elif name == "MAX_ABS_SCALER":
            text = f"{x} / CAST({statistics(f'MAX(ABS({x}))')[0]} AS DOUBLE)"
        elif name == "IMPUTER":
            how = {"'mean'": "AVG", "'median'": "MEDIAN", "'most_frequent'": "MODE"}
            text = f"COALESCE({x}, {statistics(f'{how[rest[0]]}({x})')[0]})"
        elif name in ("BUCKETIZE", "QUANTILE_BUCKETIZE") and len(rest) == 1:
            points = [one.sql(dialect="duckdb") for one in getattr(arguments[1], "expressions", [])]
            if name == "QUANTILE_BUCKETIZE":
                count = int(rest[0])
                points = statistics(*[f"QUANTILE_CONT({x}, {i / count})" for i in range(1, count)])
            bins = " + ".join(["1", *[f"({x} >= {point})::INT" for point in points]])
            text = f"'bin_' || ({bins})"
        elif name == "FEATURE_CROSS" and len(arguments[0].expressions) == 2 and not rest:
            text = " || '_' || ".join(f"CAST({one.sql(dialect='duckdb')} AS TEXT)" for one in arguments[0].expressions)
        else:
            raise CloudError("UNIMPLEMENTED", f"BigQuery ML's ML.{name} is not implemented like this here.")
        whole = node.parent if isinstance(node.parent, exp.Window) else node
        whole.replace(exp.paren(parse_one(text, read="duckdb")))
    return query.sql(dialect="duckdb")


def transformed(model: Mapping[str, Any], frame: pd.DataFrame, compute: Compute) -> pd.DataFrame:
    """The rows that the model sees. A label that the rows do not have is left out of the TRANSFORM."""
    from sqlglot import parse_one

    if not model["transform"]:
        return frame
    query = parse_one(model["transform"], read="duckdb")
    if model.get("label") not in frame:
        query.set("expressions", [one for one in query.expressions if one.alias_or_name != model.get("label")])
    return compute(query, {INPUT: frame})


def _describe(name: str, values: pd.Series) -> dict[str, Any]:
    """A feature: its name, and the row of ML.FEATURE_INFO, from which predictions take mean and categories."""
    from pandas.api import types

    found: dict[str, Any] = dict.fromkeys(
        ("min", "max", "mean", "median", "stddev", "category_count", "null_count", "dimension")
    )
    found = {"input": name} | found | {"null_count": int(values.isna().sum())}
    known = values.dropna()
    if not len(known):
        raise invalid(f"Invalid training data: column {name} has no value.")
    if types.is_numeric_dtype(values) and not types.is_bool_dtype(values):
        known = known.astype(float)
        return (
            found
            | {key: float(getattr(known, key)()) for key in ("min", "max", "mean", "median")}
            | {"stddev": float(known.std())}
        )
    if not isinstance(known.iloc[0], (str, bool)) and not types.is_bool_dtype(known):
        raise CloudError("UNIMPLEMENTED", f"BigQuery ML's features of the type of {name} are not implemented here.")
    categories = sorted({str(value) for value in known}) + ([FILLER] if found["null_count"] else [])
    return found | {"category_count": len(categories), "categories": categories}


def _fit(model: dict[str, Any], training: pd.DataFrame, evaluation: pd.DataFrame) -> None:
    """Put the parameters that the training found into `model`."""
    import numpy as np

    options, kind, x = model["options"], model["type"], matrix(model, training)
    if kind == "KMEANS":
        from sklearn.cluster import KMeans

        count = options["NUM_CLUSTERS"] or max(2, round(np.log10(len(x))))
        fitted = KMeans(int(count), max_iter=int(options["MAX_ITERATIONS"]), n_init=10, random_state=0).fit(x)
        model["centroids"] = fitted.cluster_centers_.tolist()
        return
    y, weights = training[model["label"]], None
    if kind.endswith(("CLASSIFIER", "LOGISTIC_REG")):
        model["classes"] = sorted({value.item() if hasattr(value, "item") else value for value in y}, reverse=True)
        if len(model["classes"]) < 2:
            raise invalid("Invalid training data: a classifier needs two classes or more.")
        y = y.map({label: code for code, label in enumerate(model["classes"])}).to_numpy(int)
        if options["AUTO_CLASS_WEIGHTS"]:
            weights = (len(y) / len(model["classes"]) / np.bincount(y))[y]
    else:
        y = y.to_numpy(float)
    if kind.startswith("BOOSTED"):
        _boost(model, (x, y, weights), evaluation)
        return
    from sklearn.linear_model import LogisticRegression, Ridge

    if kind == "LINEAR_REG":
        fitted = Ridge(alpha=options["L2_REG"] or 1e-9).fit(x, y)
    else:
        strength = 1 / options["L2_REG"] if options["L2_REG"] else np.inf
        fitted = LogisticRegression(C=strength, max_iter=10_000, tol=1e-8).fit(x, y, sample_weight=weights)
    model["weights"], model["intercept"] = np.atleast_2d(fitted.coef_).tolist(), np.ravel(fitted.intercept_).tolist()


def _boost(model: dict[str, Any], data: tuple, evaluation: pd.DataFrame) -> None:
    """Boosted trees, which stop early where another tree gains too little."""
    xgb = load_xgboost()
    options, (x, y, weights), classes = model["options"], data, model.get("classes", [])
    loss = "logloss" if len(classes) == 2 else "mlogloss" if classes else "rmse"
    parameters: dict[str, Any] = {
        "objective": {"logloss": "binary:logistic", "mlogloss": "multi:softprob", "rmse": "reg:squarederror"}[loss],
        "eval_metric": loss, "eta": options["LEARN_RATE"], "max_depth": int(options["MAX_TREE_DEPTH"]), "seed": 0,
        "alpha": options["L1_REG"], "lambda": options["L2_REG"], "subsample": options["SUBSAMPLE"], "nthread": 1,
        "min_child_weight": options["MIN_TREE_CHILD_WEIGHT"],
    }  # fmt: skip
    if loss == "mlogloss":
        parameters["num_class"] = len(classes)
    watched = xgb.DMatrix(x, y, weight=weights)
    if len(evaluation):
        held = evaluation[model["label"]]
        held = held.map({label: code for code, label in enumerate(classes)}) if classes else held
        checked = xgb.DMatrix(matrix(model, evaluation), held.to_numpy(float))
    else:
        checked = watched
    history: dict[str, Any] = {}
    booster = xgb.train(parameters, watched, int(options["MAX_ITERATIONS"]), evals=[(checked, "held")],
                            evals_result=history, verbose_eval=False)  # fmt: skip
    losses = history["held"][loss]
    if options["EARLY_STOP"]:
        for count, (before, after) in enumerate(zip(losses, losses[1:]), start=1):
            if before - after < options["MIN_REL_PROGRESS"] * before:
                booster = booster[: count + 1]
                break
    model["booster"] = bytes(booster.save_raw("json")).decode()
