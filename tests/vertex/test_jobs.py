"""Training: worker pools, packages, time-outs, cancel, tuning, Vizier."""

from __future__ import annotations

import json
import shutil
import textwrap
import time

import pandas as pd
import pytest
from conftest import SKLEARN
from google.api_core import exceptions
from google.cloud import aiplatform, aiplatform_v1, bigquery
from google.cloud.aiplatform import hyperparameter_tuning as hpt
from google.cloud.aiplatform_v1.types import job_state

OPTIONS = {"api_endpoint": "us-central1-aiplatform.googleapis.com"}
STATES = job_state.JobState


def pool(code: str, replicas: int = 1, **container) -> dict:
    return {
        "machine_spec": {"machine_type": "n1-standard-4"},
        "replica_count": replicas,
        "container_spec": {"image_uri": "any", "command": ["python", "-c", textwrap.dedent(code)], **container},
    }


def job(*pools: dict, **kwargs) -> aiplatform.CustomJob:
    return aiplatform.CustomJob(display_name="j", worker_pool_specs=list(pools), **kwargs)


def logs(cloud, custom_job) -> dict[str, str]:
    folder = cloud.state / "logs" / custom_job.resource_name.rsplit("/", 1)[1]
    return {path.stem: path.read_text() for path in folder.iterdir()}


def test_each_replica_knows_its_place(cloud, grpc_sdk):
    code = """
        import json, os
        names = "TF_CONFIG", "CLUSTER_SPEC", "RANK", "WORLD_SIZE", "AIP_MODEL_DIR"
        print(json.dumps({name: os.environ[name] for name in names}))
    """
    custom = job(pool(code), pool(code, 2), pool("import time; time.sleep(1000)"))
    custom.run()
    seen = {name: json.loads(text) for name, text in logs(cloud, custom).items() if not name.startswith("workerpool2")}
    assert set(seen) == {"workerpool0-0", "workerpool1-0", "workerpool1-1"}
    tf = json.loads(seen["workerpool1-1"]["TF_CONFIG"])
    assert tf["task"] == {"type": "worker", "index": 1}
    assert {name: len(hosts) for name, hosts in tf["cluster"].items()} == {"chief": 1, "worker": 2, "ps": 1}
    cluster = json.loads(seen["workerpool1-0"]["CLUSTER_SPEC"])
    assert cluster["task"] == {"type": "workerpool1", "index": 0}
    assert cluster["cluster"]["workerpool1"] == tf["cluster"]["worker"]
    assert [seen[n]["RANK"] for n in sorted(seen)] == ["0", "1", "2"]
    assert seen["workerpool0-0"]["WORLD_SIZE"] == "4"
    assert seen["workerpool0-0"]["AIP_MODEL_DIR"].startswith(f"gs://{grpc_sdk}/")


def test_workers_really_talk_to_each_other(cloud, grpc_sdk):
    code = """
        import json, os, socket, time
        config = json.loads(os.environ["TF_CONFIG"])
        host, port = config["cluster"]["chief"][0].split(":")
        if config["task"]["type"] == "chief":
            server = socket.create_server((host, int(port)))
            print("sum", sum(int(server.accept()[0].recv(10)) for _ in range(2)))
        else:
            for _ in range(100):
                try:
                    socket.create_connection((host, int(port))).sendall(str(config["task"]["index"] + 10).encode())
                    break
                except OSError:
                    time.sleep(0.1)
    """
    custom = job(pool(code), pool(code, 2))
    custom.run()
    assert logs(cloud, custom)["workerpool0-0"] == "sum 21\n"


def test_a_failed_replica_ends_the_job_with_its_log(cloud, grpc_sdk):
    custom = job(pool("import time; time.sleep(1000)"), pool("raise ValueError('the reason')"))
    with pytest.raises(RuntimeError, match="(?s)workerpool1-0 exited with a non-zero status of 1.*the reason"):
        custom.run()
    assert custom.state == STATES.JOB_STATE_FAILED
    custom.delete()


def test_cancel_and_timeout(grpc_sdk):
    custom = job(pool("import time; time.sleep(1000)"))
    custom.submit()
    with pytest.raises(exceptions.BadRequest, match="cancel it"):
        aiplatform_v1.JobServiceClient(client_options=OPTIONS).delete_custom_job(name=custom.resource_name)
    custom.cancel()
    deadline = time.monotonic() + 10
    while custom.state != STATES.JOB_STATE_CANCELLED:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    slow = job(pool("import time; time.sleep(1000)"))
    with pytest.raises(RuntimeError, match="scheduling.timeout"):
        slow.run(timeout=1)


def test_memory_is_limited(cloud):
    folder = cloud.processes.new_folder()
    child = cloud.processes.start(
        ["python", "-c", "x = bytearray(400_000_000); print('had it')"], folder, {}, memory=200_000_000
    )
    assert child.wait(30) != 0
    assert "MemoryError" in child.tail()


def test_gcs_paths_in_commands_become_files(cloud, grpc_sdk, gcs):
    gcs.blob("in/a.txt").upload_from_string("hello")
    code = "import sys; open(sys.argv[2], 'w').write(open(sys.argv[1]).read().upper())"
    custom = job(pool(code, args=[f"/gcs/{gcs.name}/in/a.txt", f"/gcs/{gcs.name}/out/b.txt"]))
    custom.run()
    assert gcs.blob("out/b.txt").download_as_text() == "HELLO"


@pytest.mark.skipif(not shutil.which("bwrap"), reason="bubblewrap makes the mount")
def test_a_path_that_the_job_makes_up_is_mounted(cloud, grpc_sdk, gcs):
    gcs.blob("in/a.txt").upload_from_string("hello")
    code = """
        import os, pathlib, sys
        source = pathlib.Path(sys.argv[1].replace("gs://", "/gcs/"))
        target = pathlib.Path(os.environ["AIP_MODEL_DIR"].replace("gs://", "/gcs/"))
        target.mkdir(parents=True, exist_ok=True)
        (target / "b.txt").write_text(source.read_text().upper())
    """
    custom = job(pool(code, args=[f"gs://{gcs.name}/in/a.txt"]), base_output_dir=f"gs://{gcs.name}/out")
    custom.run()
    assert gcs.blob("out/model/b.txt").download_as_text() == "HELLO"


def test_jobs_have_credentials_but_not_the_servers_environment(cloud, grpc_sdk, monkeypatch):
    monkeypatch.setenv("SECRET_OF_THE_SERVER", "x")
    custom = job(
        pool(
            """
        import os
        from google.cloud import storage
        print(storage.Client().bucket(os.environ["B"]).exists(), "SECRET_OF_THE_SERVER" in os.environ)
    """,
            env=[{"name": "B", "value": grpc_sdk}],
        )
    )
    custom.run()
    assert logs(cloud, custom)["workerpool0-0"].endswith("True False\n")


def test_local_script(cloud, grpc_sdk, tmp_path):
    script = tmp_path / "task.py"
    script.write_text("import sys; print('ran with', sys.argv[1:])")
    custom = aiplatform.CustomJob.from_local_script(
        display_name="s", script_path=str(script), container_uri="any", args=["--a", "1"], requirements=["numpy"]
    )
    custom.run()
    assert "ran with ['--a', '1']" in logs(cloud, custom)["workerpool0-0"]
    absent = aiplatform.CustomJob.from_local_script(
        display_name="s", script_path=str(script), container_uri="any", requirements=["no-such-package-anywhere"]
    )
    absent.run()  # requirements travel inside the package's metadata; what is missing shows when it is imported


def test_pip_inside_a_job_installs_nothing(cloud, grpc_sdk):
    spec = pool("")
    script = "pip install 'numpy>=1' xgboost && pip3 install no-such-package-anywhere"
    spec["container_spec"]["command"] = ["sh", "-c", script]
    with pytest.raises(RuntimeError, match="installs nothing: install .*no-such-package-anywhere"):
        job(spec).run()


def test_a_pin_gives_way_where_the_learner_says_so(cloud, grpc_sdk, monkeypatch):
    spec = pool("")
    spec["container_spec"]["command"] = ["pip", "install", "numpy==1.0", "cloudml-hypertune"]
    with pytest.raises(RuntimeError, match="numpy==1.0.*is wanted.*MLELAB_VERTEX_PINS=warn"):
        job(spec).run()
    monkeypatch.setenv("MLELAB_VERTEX_PINS", "warn")
    custom = job(spec)
    custom.run()
    assert "It is taken." in logs(cloud, custom)["workerpool0-0"]


@pytest.mark.parametrize(
    ("pools", "words"),
    [
        ([], "worker_pool_specs"),
        ([{"replica_count": 1}], "container_spec or a python_package_spec"),
        ([{"replica_count": 1, "container_spec": {"image_uri": "x"}}], "cannot run the image"),
        ([pool("", replicas=2)], "worker pool 0 has one replica"),
        ([pool(""), pool("", replicas=100)], "at most 16"),
    ],
)
def test_pools_that_cannot_run_are_refused(sdk, transport, pools, words):
    client = aiplatform_v1.JobServiceClient(transport=transport, client_options=OPTIONS)
    with pytest.raises(exceptions.GoogleAPICallError, match=words):
        client.create_custom_job(
            parent=f"projects/{sdk}/locations/us-central1",
            custom_job={"display_name": "x", "job_spec": {"worker_pool_specs": pools}},
        )


def test_custom_training_job_uploads_a_model(cloud, grpc_sdk, tmp_path, gcs):
    (tmp_path / "task.py").write_text(
        textwrap.dedent("""
        import os, joblib, pandas as pd
        from google.cloud import storage
        from sklearn.linear_model import LinearRegression
        bucket, _, prefix = os.environ["AIP_TRAINING_DATA_URI"][5:].partition("/")
        names = [b.name for b in storage.Client().list_blobs(bucket, prefix=prefix.rstrip("*"))]
        table = pd.concat(pd.read_csv(f"gs://{bucket}/{n}") for n in names)
        assert len(table) == 80, len(table)
        joblib.dump(LinearRegression().fit(table[["x"]].to_numpy(), table["y"]), "model.joblib")
        bucket, _, prefix = os.environ["AIP_MODEL_DIR"][5:].partition("/")
        storage.Client().bucket(bucket).blob(prefix + "model.joblib").upload_from_filename("model.joblib")
    """)
    )
    gcs.blob("data.csv").upload_from_string("x,y\n" + "\n".join(f"{i},{3 * i}" for i in range(100)))
    dataset = aiplatform.TabularDataset.create(display_name="d", gcs_source=f"gs://{gcs.name}/data.csv")
    assert sorted(dataset.column_names) == ["x", "y"]
    training = aiplatform.CustomTrainingJob(
        display_name="t",
        script_path=str(tmp_path / "task.py"),
        container_uri="any",
        model_serving_container_image_uri=SKLEARN,
    )
    model = training.run(dataset, model_display_name="trained", replica_count=1)
    assert model.gca_resource.artifact_uri.endswith("/model")
    gcs.blob("rows.jsonl").upload_from_string('[1.0]\n[2.0]\n["text"]\n')
    batch = model.batch_predict(
        job_display_name="b", gcs_source=f"gs://{gcs.name}/rows.jsonl", gcs_destination_prefix=f"gs://{gcs.name}/out"
    )
    results = [
        json.loads(line)
        for blob in batch.iter_outputs()
        for line in blob.download_as_text().splitlines()
        if "results" in blob.name
    ]
    assert [round(r["prediction"]) for r in results] == [3, 6]
    assert (batch.completion_stats.successful_count, batch.completion_stats.failed_count) == (2, 1)


def test_batch_prediction_from_a_table_to_a_table(grpc_sdk, artifact):
    warehouse = bigquery.Client(project=grpc_sdk)
    warehouse.create_dataset("d")
    rows = pd.DataFrame({"x": [1.0, 2.0]})
    warehouse.load_table_from_dataframe(rows, f"{grpc_sdk}.d.rows").result()
    model = aiplatform.Model.upload(
        display_name="line", artifact_uri=artifact(grpc_sdk, 3.0), serving_container_image_uri=SKLEARN
    )
    batch = model.batch_predict(
        job_display_name="b",
        instances_format="bigquery",
        predictions_format="bigquery",
        bigquery_source=f"bq://{grpc_sdk}.d.rows",
        bigquery_destination_prefix=f"bq://{grpc_sdk}.d",
    )
    where = batch.output_info
    assert where.bigquery_output_dataset == f"bq://{grpc_sdk}.d"
    found = warehouse.query(f"SELECT * FROM d.{where.bigquery_output_table} ORDER BY x").to_arrow().to_pydict()
    assert found["x"] == [1.0, 2.0]
    assert [round(json.loads(one)) for one in found["prediction"]] == [3, 6]


def test_a_dataset_of_a_table_is_exported(grpc_sdk, gcs):
    warehouse = bigquery.Client(project=grpc_sdk)
    warehouse.create_dataset("d")
    warehouse.query("CREATE TABLE d.t AS SELECT 1 AS a, 'x' AS b").result()
    dataset = aiplatform.TabularDataset.create(display_name="d", bq_source=f"bq://{grpc_sdk}.d.t")
    assert sorted(dataset.column_names) == ["a", "b"]
    (file,) = dataset.export_data(f"gs://{gcs.name}/out")
    assert gcs.blob(file.split("/", 3)[3]).download_as_text() == "a,b\n1,x\n"


def test_a_training_that_leaves_no_model_fails(grpc_sdk, tmp_path):
    (tmp_path / "task.py").write_text("pass")
    training = aiplatform.CustomTrainingJob(
        display_name="t",
        script_path=str(tmp_path / "task.py"),
        container_uri="any",
        model_serving_container_image_uri=SKLEARN,
    )
    with pytest.raises(RuntimeError, match="left no model"):
        training.run(model_display_name="m", replica_count=1)


def test_automl_is_unimplemented_by_name(grpc_sdk, gcs):
    gcs.blob("d.csv").upload_from_string("x,y\n1,2\n")
    dataset = aiplatform.TabularDataset.create(display_name="d", gcs_source=f"gs://{gcs.name}/d.csv")
    with pytest.raises(exceptions.MethodNotImplemented, match="automl_tabular"):
        aiplatform.AutoMLTabularTrainingJob(display_name="a", optimization_prediction_type="regression").run(
            dataset, target_column="y"
        )


OBJECTIVE = """
    import sys, hypertune
    args = dict(a[2:].split("=") for a in sys.argv[1:])
    x, n = float(args["x"]), int(args.get("n", 0))
    hypertune.HyperTune().report_hyperparameter_tuning_metric("loss", (x - 2) ** 2 + n, 1)
"""


def tune(algorithm: str | None, parameters: dict, trials: int, code: str = OBJECTIVE, **kwargs):
    custom = job({**pool(code)})
    tuning = aiplatform.HyperparameterTuningJob(
        display_name=f"h{algorithm}",
        custom_job=custom,
        metric_spec={"loss": "minimize"},
        parameter_spec=parameters,
        max_trial_count=trials,
        parallel_trial_count=2,
        search_algorithm=algorithm,
        **kwargs,
    )
    tuning.run()
    return tuning


def losses(tuning) -> list[float]:
    return [t.final_measurement.metrics[0].value for t in tuning.trials]


def test_tuning_by_gaussian_process_finds_the_minimum(grpc_sdk):
    tuning = tune(None, {"x": hpt.DoubleParameterSpec(min=-10, max=10, scale="linear")}, 14)
    assert len(tuning.trials) == 14
    assert min(losses(tuning)) < 0.1
    assert min(losses(tuning)[6:]) <= min(losses(tuning)[:6])


def test_grid_is_used_up(grpc_sdk):
    tuning = tune(
        "grid",
        {
            "x": hpt.DiscreteParameterSpec(values=[1, 2, 3], scale="linear"),
            "n": hpt.IntegerParameterSpec(min=0, max=1, scale="linear"),
        },
        10,
    )
    points = [tuple(p.value for p in t.parameters) for t in tuning.trials]
    assert sorted(points) == [(x, n) for x in (1.0, 2.0, 3.0) for n in (0.0, 1.0)]
    assert min(losses(tuning)) == 0


def test_failing_trials_fail_the_job(grpc_sdk):
    with pytest.raises(RuntimeError, match="Too many failed trials"):
        tune(
            "random",
            {"x": hpt.DoubleParameterSpec(min=0, max=1, scale="linear")},
            6,
            code="raise SystemExit(1)",
            max_failed_trial_count=2,
        )


def test_vizier_study(sdk, transport):
    client = aiplatform_v1.VizierServiceClient(transport=transport, client_options=OPTIONS)
    parent = f"projects/{sdk}/locations/us-central1"
    study = client.create_study(
        parent=parent,
        study={
            "display_name": "s",
            "study_spec": {
                "metrics": [{"metric_id": "y", "goal": "MAXIMIZE"}],
                "parameters": [
                    {
                        "parameter_id": "x",
                        "double_value_spec": {"min_value": 0.001, "max_value": 10},
                        "scale_type": "UNIT_LOG_SCALE",
                    }
                ],
            },
        },
    )
    assert client.lookup_study(request={"parent": parent, "display_name": "s"}).name == study.name
    for _ in range(6):
        trials = (
            client.suggest_trials(request={"parent": study.name, "suggestion_count": 1, "client_id": "me"})
            .result(timeout=10)
            .trials
        )
        x = trials[0].parameters[0].value
        assert 0.001 <= x <= 10
        client.add_trial_measurement(
            request={
                "trial_name": trials[0].name,
                "measurement": {"step_count": 1, "metrics": [{"metric_id": "y", "value": -abs(x - 1)}]},
            }
        )
        client.complete_trial(request={"name": trials[0].name})
    done = list(client.list_trials(parent=study.name))
    best = client.list_optimal_trials(request={"parent": study.name}).optimal_trials
    assert [b.name for b in best] == [max(done, key=lambda t: t.final_measurement.metrics[0].value).name]
    with pytest.raises(exceptions.BadRequest, match="is completed"):
        client.complete_trial(request={"name": done[0].name})
    client.delete_study(name=study.name)


def test_early_stopping(grpc_sdk):
    client = aiplatform_v1.VizierServiceClient(client_options=OPTIONS)
    study = client.create_study(
        parent=f"projects/{grpc_sdk}/locations/us-central1",
        study={
            "display_name": "s",
            "study_spec": {
                "metrics": [{"metric_id": "y", "goal": "MAXIMIZE"}],
                "median_automated_stopping_spec": {},
                "parameters": [{"parameter_id": "x", "double_value_spec": {"min_value": 0, "max_value": 1}}],
            },
        },
    )

    def trial(value: float):
        made = client.create_trial(parent=study.name, trial={"parameters": [{"parameter_id": "x", "value": 0.5}]})
        client.add_trial_measurement(
            request={
                "trial_name": made.name,
                "measurement": {"step_count": 1, "metrics": [{"metric_id": "y", "value": value}]},
            }
        )
        return made

    def stops(made) -> bool:
        return client.check_trial_early_stopping_state(request={"trial_name": made.name}).result(timeout=10).should_stop

    for value in (0.5, 0.6, 0.7):
        trial(value)
    assert stops(trial(0.1)) is True
    assert stops(trial(0.9)) is False


def test_the_librarys_own_client_of_vizier(grpc_sdk):
    from google.cloud.aiplatform.vizier import Study, pyvizier

    problem = pyvizier.StudyConfig(algorithm=pyvizier.Algorithm.RANDOM_SEARCH)
    problem.metric_information.append(pyvizier.MetricInformation("loss", goal=pyvizier.ObjectiveMetricGoal.MINIMIZE))
    problem.search_space.select_root().add_float_param("x", -1.0, 1.0)
    study = Study.create_or_load(display_name=grpc_sdk, problem=problem)
    values = {}
    for trial in study.suggest(count=3, worker="w"):
        values[trial.name] = trial.parameters["x"].value ** 2
        trial.complete(measurement=pyvizier.Measurement(metrics={"loss": values[trial.name]}))
    assert [trial.name for trial in study.optimal_trials()] == [min(values, key=values.get)]
    study.delete()
