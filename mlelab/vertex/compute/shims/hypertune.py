"""`hypertune` inside trials, where `cloudml-hypertune` need not be installed: one line of JSON for each report."""

from __future__ import annotations

import json
import os
import time


class HyperTune:
    """Reports metrics to the tuning job that started this trial; anywhere else it does nothing."""

    def report_hyperparameter_tuning_metric(
        self, hyperparameter_metric_tag: str, metric_value: float, global_step: int | None = None,
        checkpoint_path: str = "",
    ) -> None:  # fmt: skip
        """Report the metric's value at a step. Raises ValueError for what is no number."""
        record = {
            "timestamp": time.time(),
            "trial": os.environ.get("CLOUD_ML_TRIAL_ID", "0"),
            hyperparameter_metric_tag: str(float(metric_value)),
            "global_step": str(int(global_step or 0)),
            "checkpoint_path": checkpoint_path,
        }
        if path := os.environ.get("CLOUD_ML_HP_METRIC_FILE"):
            with open(path, "a") as file:
                file.write(json.dumps(record) + "\n")
