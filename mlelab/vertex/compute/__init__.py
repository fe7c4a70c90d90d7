"""What runs: processes, models that serve, jobs, worker pools, pipelines, schedules."""
