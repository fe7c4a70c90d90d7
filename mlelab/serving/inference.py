"""The Open Inference Protocol: the body of a request, and a small server for where MLServer does not run.

MLServer has no release for Python 3.13. There this module answers `GET /v2/models/alert/ready` and
`POST /v2/models/alert/infer` in its place: the same protocol, no batching and no codecs.
"""

import json
import os

import pandas as pd
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from mlelab.serving import bundle


def request(rows: pd.DataFrame, columns: dict[str, dict]) -> dict:
    """Rows as the body of an Open Inference Protocol request."""
    return {"inputs": [{"name": name, "shape": [len(rows), 1],
                        "datatype": "FP64" if column["kind"] == "number" else "BYTES",
                        "parameters": {"content_type": "np" if column["kind"] == "number" else "str"},
                        "data": [None if pd.isna(value) else value for value in rows[name].tolist()]}
                       for name, column in columns.items()]}


def create_app(loaded: bundle.Bundle) -> FastAPI:
    """The server for one bundle."""
    app = FastAPI(title="alert, Open Inference Protocol", version=loaded.version)

    def infer(raw: bytes) -> tuple[int, dict]:
        try:
            tensors = {tensor["name"]: tensor["data"] for tensor in json.loads(raw)["inputs"]}
            instances = [dict(zip(tensors, row)) for row in zip(*tensors.values(), strict=True)]
        except (ValueError, TypeError, KeyError):
            return 400, {"error": "The body must have `inputs`: tensors of one length, each with `name` and `data`."}
        if problems := loaded.problems(instances):
            return 400, {"error": " ".join(problems[:5])}
        chances = loaded.score(instances).tolist()
        return 200, {"model_name": "alert", "model_version": loaded.version, "outputs": [
            {"name": "p", "shape": [len(chances), 1], "datatype": "FP64", "data": chances}]}

    @app.get("/v2/models/alert/ready")
    def ready() -> dict:
        return {}

    @app.post("/v2/models/alert/infer")
    async def answer(body: Request) -> JSONResponse:
        status, content = await run_in_threadpool(infer, await body.body())
        return JSONResponse(content, status)

    return app


if __name__ == "__main__":
    uvicorn.run(create_app(bundle.load(os.environ["MLSERVER_MODEL_URI"])), host="127.0.0.1",
                port=int(os.environ["MLSERVER_HTTP_PORT"]), log_level="warning")
