# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     name: python3
#     display_name: Python 3
# ---

# %% [markdown]
# # The local stand-in, end to end
# Every call below the first cell is Google's own SDK, as its documentation writes it.
# Only that first cell knows that there is a stand-in.

# %%
from mlelab import vertex

vertex.connect(ephemeral=True)

# %%
import os
import tempfile
from pathlib import Path

import joblib
import pandas as pd
from google.cloud import aiplatform, storage
from kfp import compiler, dsl
from sklearn.linear_model import LinearRegression

PROJECT = os.environ["GOOGLE_CLOUD_PROJECT"]
BUCKET = f"{PROJECT}-demo"
FOLDER = Path(tempfile.mkdtemp())
SKLEARN = "us-docker.pkg.dev/vertex-ai/prediction/sklearn-cpu.1-5:latest"

bucket = storage.Client().create_bucket(BUCKET, location="us-central1")
aiplatform.init(project=PROJECT, location="us-central1", staging_bucket=f"gs://{BUCKET}", experiment="demo")

# %% [markdown]
# ## Upload two versions, deploy them 90 to 10, predict


# %%
def upload(slope: float, **kwargs) -> aiplatform.Model:
    """A model y = slope · x, uploaded."""
    joblib.dump(LinearRegression().fit([[0.0], [1.0]], [0.0, slope]), FOLDER / "model.joblib")
    bucket.blob(f"models/{slope}/model.joblib").upload_from_filename(FOLDER / "model.joblib")
    return aiplatform.Model.upload(
        display_name="line", artifact_uri=f"gs://{BUCKET}/models/{slope}", serving_container_image_uri=SKLEARN, **kwargs
    )


first = upload(2.0)
second = upload(3.0, parent_model=first.resource_name, is_default_version=False, version_aliases=["candidate"])
endpoint = aiplatform.Endpoint.create(display_name="line")
first.deploy(endpoint, machine_type="n1-standard-2")
second.deploy(endpoint, machine_type="n1-standard-2", traffic_percentage=10)
answers = pd.Series([round(endpoint.predict([[1.0]]).predictions[0]) for _ in range(100)])
print(answers.value_counts().to_dict())
assert set(answers) <= {2, 3} and (answers == 2).sum() > 70

# %% [markdown]
# ## Train with two workers

# %%
(FOLDER / "task.py").write_text("""
import json, os, socket, time
config = json.loads(os.environ["TF_CONFIG"])
host, port = config["cluster"]["chief"][0].split(":")
if config["task"]["type"] == "chief":
    with socket.create_server((host, int(port))) as server:
        share = int(server.accept()[0].recv(20))
    total = sum(range(50)) + share
    from google.cloud import storage
    bucket, _, path = os.environ["AIP_MODEL_DIR"][5:].partition("/")
    storage.Client().bucket(bucket).blob(path + "total.txt").upload_from_string(str(total))
else:
    for _ in range(100):
        try:
            socket.create_connection((host, int(port))).sendall(str(sum(range(50, 100))).encode())
            break
        except OSError:
            time.sleep(0.1)
""")
job = aiplatform.CustomJob.from_local_script(
    display_name="two-workers",
    script_path=str(FOLDER / "task.py"),
    replica_count=2,
    container_uri="us-docker.pkg.dev/vertex-ai/training/sklearn-cpu.1-5:latest",
    base_output_dir=f"gs://{BUCKET}/training",
)
job.run()
total = int(bucket.blob("training/model/total.txt").download_as_text())
print(total)
assert total == sum(range(100))

# %% [markdown]
# ## Run a pipeline


# %%
@dsl.component(base_image="python:3.11")
def square(n: int) -> int:
    return n * n


@dsl.component(base_image="python:3.11")
def report(n: int, metrics: dsl.Output[dsl.Metrics]):
    metrics.log_metric("squared", n)


@dsl.pipeline(name="squares")
def squares(n: int = 3):
    report(n=square(n=n).output)


compiler.Compiler().compile(squares, str(FOLDER / "squares.json"))
pipeline = aiplatform.PipelineJob(
    display_name="squares",
    template_path=str(FOLDER / "squares.json"),
    pipeline_root=f"gs://{BUCKET}/pipelines",
    parameter_values={"n": 7},
)
pipeline.submit(experiment="demo")
pipeline.wait()

# %% [markdown]
# ## Log an experiment and read it back

# %%
with aiplatform.start_run("run-1"):
    aiplatform.log_params({"rate": 0.1})
    aiplatform.log_metrics({"auc": 0.75})
    for step, loss in enumerate([0.9, 0.5, 0.4], start=1):
        aiplatform.log_time_series_metrics({"loss": loss}, step=step)
runs = aiplatform.get_experiment_df().set_index("run_type")
print(runs.filter(regex="^(param|metric|time)").T)
assert runs.loc["system.PipelineRun", "metric.squared"] == 49
assert runs.loc["system.ExperimentRun", "time_series_metric.loss"] == 0.4

# %% [markdown]
# ## Clean up, as you would on Google Cloud

# %%
endpoint.delete(force=True)
first.delete()
bucket.delete(force=True)
print(vertex.where())
