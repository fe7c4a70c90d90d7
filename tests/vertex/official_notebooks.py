"""Google's official notebooks against the local stand-in, unmodified but for what stands in `prepare`.

    git clone --depth 1 https://github.com/GoogleCloudPlatform/vertex-ai-samples
    python tests/vertex/official_notebooks.py vertex-ai-samples/notebooks/official [PART OF A NAME ...]

Without names it runs `CHOSEN`: what needs no AutoML, no generative or public model, no accelerator, no image to build
and no file from a host that is not Google's. Project, account and bucket are filled in; cells that install, sign in or
restart the kernel are left out. The commands `gcloud`, `gsutil` and `bq`, as far as these notebooks use them for
storage and tokens, are those of `gcloud_commands.py`. The public sample files and tables are small ones of ours, and
pinned versions of packages give way to the installed ones. A notebook has passed when its last cell has run; commands
that failed in a `!` line, which Jupyter lets pass, are named beside it.
"""

from __future__ import annotations

import argparse
import io
import os
import re
import sys
import tempfile
import time
from pathlib import Path

import fastavro
import nbformat
import numpy as np
import pandas as pd
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

from mlelab import vertex

PROJECT = "official-notebooks"
CHOSEN = [
    "pipelines/control_flow_kfp",
    "pipelines/lightweight_functions_component_io_kfp",
    "pipelines/metrics_viz_run_compare_kfp",
    "pipelines/pipelines_intro_kfp",
    "experiments/delete_outdated_tensorboard_experiments",
    "experiments/get_started_with_vertex_experiments",
    "experiments/comparing_pipeline_runs",
    "feature_store_legacy/sdk-feature-store",
    "feature_store_legacy/sdk-feature-store-pandas",
    "feature_store_legacy/feature_store_streaming_ingestion_sdk",
    "vizier/gapic-vizier-multi-objective-optimization",
    "vizier/get_started_vertex_vizier",
    "custom/get_started_vertex_training_xgboost",
    "training/hyperparameter_tuning_xgboost",
    "bigquery_ml/get_started_with_bqml_training",
    "prediction/custom_batch_prediction_feature_filter",
    "feature_store/online_feature_serving_and_fetching_bigquery_data_with_feature_store_optimized",
    "pipelines/kfp2_pipeline",
    "pipelines/get_started_with_machine_management",
]
LEFT_OUT = re.compile(r"pip3? install|do_shutdown|google\.colab|gcloud auth (application-default )?login")
SECONDS = 120  # for a cell
FAILED = "COMMAND FAILED: "
WATCH = f"""
def _watched(command, shell=get_ipython().system):
    shell(command)
    if get_ipython().user_ns.get("_exit_code"):
        print({FAILED!r} + command[:80])
get_ipython().system = _watched
"""


def seeds() -> None:
    """Stand-ins for the public sample data that the chosen notebooks read."""
    from sklearn.datasets import load_iris

    rng = np.random.default_rng(0)
    iris = load_iris(as_frame=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        iris.data.to_csv(folder / "iris_data.csv", index=False)
        iris.target.to_csv(folder / "iris_target.csv", index=False)
        iris.frame.to_csv(folder / "iris.csv", index=False)
        vertex.seed("gs://cloud-samples-data/ai-platform/iris", folder)
        (folder / "text").write_text("To be, or not to be: that is the question.\n" * 100)
        vertex.seed("gs://ml-pipeline-playground/shakespeare1.txt", folder / "text")
    penguins = pd.DataFrame({
        "species": rng.choice(["Adelie", "Gentoo", "Chinstrap"], 300), "island": rng.choice(["Biscoe", "Dream"], 300),
        "culmen_length_mm": rng.normal(44, 5, 300), "culmen_depth_mm": rng.normal(17, 2, 300),
        "flipper_length_mm": rng.normal(200, 14, 300), "body_mass_g": rng.normal(4200, 800, 300),
        "sex": rng.choice(["MALE", "FEMALE"], 300),
    })  # fmt: skip
    vertex.seed("bq://bigquery-public-data.ml_datasets.penguins", penguins)
    census = pd.DataFrame({
        "age": rng.integers(17, 90, 600), "workclass": rng.choice([" Private", " State-gov"], 600),
        "functional_weight": rng.integers(10**4, 10**6, 600), "education": rng.choice([" HS-grad", " Bachelors"], 600),
        "education_num": rng.integers(1, 16, 600), "marital_status": rng.choice([" Divorced", " Never-married"], 600),
        "occupation": rng.choice([" Sales", " Tech-support"], 600), "relationship": rng.choice([" Wife", " Own"], 600),
        "race": rng.choice([" White", " Black"], 600), "sex": rng.choice([" Male", " Female"], 600),
        "capital_gain": rng.integers(0, 100, 600), "capital_loss": rng.integers(0, 100, 600),
        "hours_per_week": rng.integers(1, 80, 600), "native_country": rng.choice([" United-States", " Cuba"], 600),
        "income_bracket": rng.choice([" <=50K", " >50K"], 600),
    })  # fmt: skip
    vertex.seed("bq://bigquery-public-data.ml_datasets.census_adult_income", census)
    moment, genres = {"type": "long", "logicalType": "timestamp-micros"}, {"type": "array", "items": "string"}
    users = [["alice", 55, "F", ["Drama"], 10**15], ["bob", 24, "M", ["Crime"], 10**15]]
    movies = [["movie_01", 4.8, "The Shawshank Redemption", "Drama", 10**15],
              ["movie_02", 4.2, "The Shining", "Horror", 10**15], ["movie_03", 4.5, "Cinema", "Romance", 10**15],
              ["movie_04", 4.1, "The Dark Knight", "Action", 10**15]]  # fmt: skip
    for table, fields, lines in [
        ("users", {"user_id": "string", "age": "long", "gender": "string", "liked_genres": genres,
                   "update_time": moment}, users),
        ("movies", {"movie_id": "string", "average_rating": "double", "title": "string", "genres": "string",
                    "update_time": moment}, movies),
    ]:  # fmt: skip
        schema = {"type": "record", "name": table, "fields": [{"name": n, "type": t} for n, t in fields.items()]}
        fastavro.writer(file := io.BytesIO(), schema, [dict(zip(fields, line)) for line in lines])
        put(f"vertex-ai/feature-store/datasets/{table}.avro", file.getvalue())
    lines = ["users,movies,timestamp", "alice,movie_01,2021-09-15T08:28:14Z", "bob,movie_02,2021-09-15T08:28:14Z"]
    put("vertex-ai/feature-store/datasets/movie_prediction.csv", "\n".join(lines).encode())


def put(name: str, data: bytes) -> None:
    """A file in the bucket of sample data of us-central1."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file"
        path.write_bytes(data)
        vertex.seed(f"gs://cloud-samples-data-us-central1/{name}", path)


def prepare(notebook: nbformat.NotebookNode) -> None:
    """Fill in what the notebook asks its reader for; leave out cells that install, sign in or restart."""
    for cell in notebook.cells:
        if cell.cell_type == "code":
            text = cell.source.replace("[your-project-id]", PROJECT)
            account = f'SERVICE_ACCOUNT = "notebooks@{PROJECT}.iam.gserviceaccount.com"'
            text = text.replace('SERVICE_ACCOUNT = "[your-service-account]"', account)
            text = re.sub(r'f?"gs://your-bucket-name[^"]*"', f'f"gs://{PROJECT}-{time.time_ns()}"', text)
            cell.source = "pass" if LEFT_OUT.search(text) else text
    notebook.cells.insert(0, nbformat.v4.new_code_cell(WATCH))


def run(path: Path) -> tuple[bool, str]:
    """Run one notebook in a folder of its own. Returns whether it came to its end, and a line about it."""
    notebook = nbformat.read(path, as_version=4)
    prepare(notebook)
    with tempfile.TemporaryDirectory() as folder:
        client = NotebookClient(notebook, timeout=SECONDS, kernel_name="python3",
                                resources={"metadata": {"path": folder}})  # fmt: skip
        try:
            client.execute()
            stop = ""
        except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
            lines = re.sub(r"\x1b\[[0-9;]*m", "", str(error)).strip().splitlines()
            done = sum(bool(cell.get("execution_count")) for cell in notebook.cells)
            stop = f"stops at cell {done} of {len(notebook.cells)}: {lines[-1][:200]}"
    outputs = [out.get("text", "") for cell in notebook.cells for out in cell.get("outputs", [])]
    commands = [line for text in outputs for line in text.splitlines() if line.startswith(FAILED)]
    return not stop, "; ".join(filter(None, [stop, *dict.fromkeys(commands)]))


def main() -> int:
    """Run notebooks and print a line for each. Returns 0 where all came to their end."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument("names", nargs="*", metavar="NAME")
    arguments = parser.parse_args()
    names = [n for n in CHOSEN if not arguments.names or any(part in n for part in arguments.names)] or arguments.names
    with tempfile.TemporaryDirectory() as commands:
        for name in ("gcloud", "gsutil", "bq"):
            script = Path(commands) / name
            code = Path(__file__).with_name("gcloud_commands.py").absolute()
            script.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{code}" {name} "$@"\n')
            script.chmod(0o755)
        os.environ.update(GOOGLE_CLOUD_PROJECT=PROJECT, MLELAB_VERTEX_PINS="warn")
        os.environ.update(PATH=f"{commands}{os.pathsep}{os.environ['PATH']}")
        vertex.connect(ephemeral=True, offline=True)
        seeds()
        passed = 0
        for name in names:
            begin = time.monotonic()
            ended, line = run(arguments.folder / f"{name}.ipynb")
            passed += ended
            took = time.monotonic() - begin
            print(f"{'passed' if ended else 'FAILED'}  {name}  ({took:.0f} s)  {line}".rstrip(), flush=True)
        print(f"{passed} of {len(names)} to the end")
    return passed < len(names)


if __name__ == "__main__":
    sys.exit(main())
