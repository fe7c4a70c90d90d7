"""The case from raw rows to a candidate, automated: the same four steps by hand, in KFP and in Airflow.

    steps      features, model, report, verdict: functions from files to files, deterministic to the byte
    pipeline   the steps as a compiled KFP pipeline, for a local runner or for Vertex AI
    dag        the steps as an Airflow DAG; runs in Airflow's own environment
"""
