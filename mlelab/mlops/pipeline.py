"""The four steps as a KFP pipeline. `compile_to("case.json")` writes what a runner or Vertex AI takes.

Components are thin: each imports a step of `mlelab.mlops.steps` and hands it the paths that the platform gives. On a
cluster the image must have `mlelab` in it: MLELAB_IMAGE names it when this module is imported. Here the runner's own
environment has.
"""

import os
from pathlib import Path

from kfp import compiler, dsl

IMAGE = os.environ.get("MLELAB_IMAGE", "python:3.11")


@dsl.component(base_image=IMAGE)
def features(rows: int, table: dsl.Output[dsl.Dataset]):
    from mlelab.mlops import steps

    steps.features(table.path, rows)


@dsl.component(base_image=IMAGE)
def model(table: dsl.Input[dsl.Dataset], c: float, fitted: dsl.Output[dsl.Model]):
    from mlelab.mlops import steps

    steps.model(table.path, fitted.path, c)


@dsl.component(base_image=IMAGE)
def report(table: dsl.Input[dsl.Dataset], fitted: dsl.Input[dsl.Model], found: dsl.Output[dsl.Artifact]) -> float:
    import json

    from mlelab.mlops import steps

    steps.report(table.path, fitted.path, found.path)
    with open(found.path) as file:
        return json.load(file)["auc"]


@dsl.component(base_image=IMAGE)
def verdict(found: dsl.Input[dsl.Artifact], said: dsl.Output[dsl.Artifact]) -> bool:
    import json

    from mlelab.mlops import steps

    steps.verdict(found.path, said.path)
    with open(said.path) as file:
        return json.load(file)["promote"]


@dsl.pipeline(name="missed-connections")
def case_pipeline(rows: int = 20_000, c: float = 1.0):
    table = features(rows=rows)
    fitted = model(table=table.outputs["table"], c=c)
    found = report(table=table.outputs["table"], fitted=fitted.outputs["fitted"])
    verdict(found=found.outputs["found"])


def compile_to(path: Path | str) -> str:
    """Write the pipeline as KFP's own format; return the path."""
    compiler.Compiler().compile(case_pipeline, str(path))
    return str(path)
