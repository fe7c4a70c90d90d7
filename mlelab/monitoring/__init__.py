"""Watching the alert service: a replay of the months after August, and the rules that watch it.

    replay       the days from September on, sent to a running service, with what it answered
    rules        the alert rules in Python, for where no Prometheus runs
    alerts.yml   the same rules for Prometheus, with their unit tests in alerts_test.yml
    prometheus.yml, dashboard.json   what scrapes the service, and what shows it (Grafana)
    grafana/                         what tells Grafana of both: a data source and a folder of dashboards
"""
