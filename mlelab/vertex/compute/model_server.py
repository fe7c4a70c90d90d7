"""Serves one model artifact over HTTP, as the cloud's prebuilt prediction containers do.

    python model_server.py sklearn|xgboost|tf FOLDER

Runs as a script in a process of its own, because loading a pickle runs whatever is in it. Port and routes come
from the documented AIP_* variables. Answers only who sends the key of MLELAB_REPLICA_KEY: the port is open to every
user and every web page of the machine.
"""

from __future__ import annotations

import base64
import hmac
import json
import os
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

Predict = Callable[[list[Any]], list[Any]]


class BadInstances(ValueError):
    """What the client sent does not fit the model."""


def _find(folder: Path, *names: str) -> Path:
    for name in names:
        if (folder / name).exists():
            return folder / name
    raise SystemExit(
        f"The artifact holds none of {', '.join(names)}; it holds "
        f"{', '.join(sorted(p.name for p in folder.iterdir())) or 'nothing'}."
    )


def _unpickle(path: Path) -> Any:
    if path.suffix == ".joblib":
        import joblib

        return joblib.load(path)
    import pickle

    return pickle.loads(path.read_bytes())


def _predict_array(model: Any) -> Predict:
    """`predict` of an estimator on an array, as the cloud's container and the SDK's SklearnPredictor have it.

    So an instance is a list in the order of the training columns; one with names is refused.
    """
    import numpy as np

    return lambda instances: model.predict(np.asarray(instances)).tolist()


def load_sklearn(folder: Path) -> Predict:
    """model.joblib or model.pkl."""
    return _predict_array(_unpickle(_find(folder, "model.joblib", "model.pkl")))


def load_xgboost(folder: Path) -> Predict:
    """model.bst, or an estimator in model.joblib or model.pkl."""
    import numpy as np
    import xgboost

    path = _find(folder, "model.bst", "model.joblib", "model.pkl")
    model = xgboost.Booster(model_file=str(path)) if path.suffix == ".bst" else _unpickle(path)
    if not isinstance(model, xgboost.Booster):
        return _predict_array(model)

    def predict(instances: list[Any]) -> list[Any]:
        matrix = xgboost.DMatrix(np.asarray(instances, dtype=float), feature_names=model.feature_names)
        return model.predict(matrix).tolist()

    return predict


def load_tf(folder: Path) -> Predict:
    """A SavedModel: its `serving_default` signature, in TensorFlow Serving's row format."""
    import tensorflow as tf

    if not (folder / "saved_model.pb").exists():
        folder = _find(folder, *(p.name for p in folder.iterdir() if (p / "saved_model.pb").exists()), "saved_model.pb")
    loaded = tf.saved_model.load(str(folder))
    signature = loaded.signatures["serving_default"]
    inputs = signature.structured_input_signature[1]

    def plain(value: Any) -> Any:
        if isinstance(value, dict) and set(value) == {"b64"}:
            return base64.b64decode(value["b64"])
        return [plain(v) for v in value] if isinstance(value, list) else value

    def predict(instances: list[Any]) -> list[Any]:
        named = all(isinstance(i, dict) and set(i) != {"b64"} for i in instances)
        if not named and len(inputs) != 1:
            raise BadInstances(f"instances must be objects with the inputs {sorted(inputs)}")
        feed = {}
        for name, spec in inputs.items():
            if named and any(name not in i for i in instances):
                raise BadInstances(f"instances lack the input {name!r}")
            values = [plain(i[name] if named else i) for i in instances]
            feed[name] = tf.constant(values, dtype=spec.dtype)
        outputs = {}
        for name, tensor in signature(**feed).items():
            array = tensor.numpy()
            outputs[name] = [v.decode() if isinstance(v, bytes) else v for v in array.tolist()]
        if len(outputs) == 1:
            return next(iter(outputs.values()))
        return [dict(zip(outputs, row, strict=True)) for row in zip(*outputs.values(), strict=True)]

    return predict


LOADERS = {"sklearn": load_sklearn, "xgboost": load_xgboost, "tf": load_tf}


def serve(predict: Predict) -> None:
    """Answer health and predict routes until the process ends."""
    lock, key = threading.Lock(), os.environ.pop("MLELAB_REPLICA_KEY")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = 65536

        def log_message(self, *args: Any) -> None: ...

        def answer(self, status: int, body: Any) -> None:
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)
            self.wfile.flush()

        def parse_request(self) -> bool:
            if not super().parse_request():
                return False
            if hmac.compare_digest(self.headers.get("X-Replica-Key", "").encode(), key.encode()):
                return True
            self.close_connection = True
            self.answer(403, {"error": "This port answers the local server that started it."})
            return False

        def do_GET(self) -> None:
            self.answer(200 if self.path == os.environ["AIP_HEALTH_ROUTE"] else 404, {})

        def do_POST(self) -> None:
            data = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            try:
                body = json.loads(data)
                instances = body["instances"]
                if not isinstance(instances, list) or not instances:
                    raise BadInstances("instances must be a non-empty list")
                with lock:
                    self.answer(200, {"predictions": predict(instances)})
            except (BadInstances, ValueError, KeyError, TypeError) as error:
                self.answer(400, {"error": f"{type(error).__name__}: {error}"})
            except Exception as error:
                self.answer(500, {"error": f"{type(error).__name__}: {error}"})

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128  # of 5, the default, a hundred callers at once meet resets

    Server(("127.0.0.1", int(os.environ["AIP_HTTP_PORT"])), Handler).serve_forever()


if __name__ == "__main__":
    serve(LOADERS[sys.argv[1]](Path(sys.argv[2])))
