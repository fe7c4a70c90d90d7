"""The four steps as an Airflow DAG: put this file, or a link to it, into Airflow's folder of DAGs.

It runs in Airflow's environment, which has other versions of nearly everything. So each task starts the course's Python
(MLELAB_PYTHON) on one step, and Airflow needs nothing of ours. Files lie in a folder for each run, below
MLELAB_RUNS. `python dag.py` runs it once, without a scheduler, by Airflow's own `dag.test()`.
"""

import datetime
import os
import sys

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG

PYTHON = os.environ.get("MLELAB_PYTHON", sys.executable)
RUN = os.environ.get("MLELAB_RUNS", "/var/lib/mlelab") + "/{{ ds_nodash }}"
NEEDS = {"features": [], "model": ["features"], "report": ["features", "model"], "verdict": ["report"]}

with DAG(dag_id="missed_connections", schedule="@monthly", start_date=datetime.datetime(2013, 9, 1), catchup=False,
         default_args={"retries": 2, "retry_delay": datetime.timedelta(seconds=30), "retry_exponential_backoff": True},
         ) as dag:
    tasks = {name: BashOperator(task_id=name, bash_command=f"mkdir -p {RUN} && {PYTHON} -m mlelab.mlops {RUN} {name}")
             for name in NEEDS}
    for name, needed in NEEDS.items():
        for before in needed:
            tasks[before] >> tasks[name]

if __name__ == "__main__":
    dag.test(logical_date=datetime.datetime(2013, 9, 1, tzinfo=datetime.UTC))
