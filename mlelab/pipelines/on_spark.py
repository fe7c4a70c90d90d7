"""The pipeline of `asof.py` on Spark: `python on_spark.py FLIGHTS WEATHER OUT --master 'local[2]'`, with pyspark alone.

Nothing is computed until a table is written: what stands above that line is a plan, and `--explain` prints it.
Prints lines of JSON: progress while it runs, at the end the seconds of the session's start and of the work.

    --asof broadcast   every executor gets the readings, a row for each hour, and looks them up: no flight is moved
    --asof window      flights and readings of an airport are sorted together: three airports, three tasks with work
"""

import argparse
import json
import threading
import time
from pathlib import Path

from pyspark.sql import SparkSession

HERE = Path(__file__).parent
ASOF = {
    # The reading of an hour without one is that of the hour before, so that equality finds what "as of" means.
    "broadcast": """
        WITH hours AS (SELECT origin, explode(sequence(0, 365 * 24 - 1)) AS known_at
                       FROM (SELECT DISTINCT origin FROM weather)),
        newest AS (SELECT hours.origin, hours.known_at, max(weather.known_at) OVER (
                       PARTITION BY hours.origin ORDER BY hours.known_at) AS read_at
                   FROM hours LEFT JOIN weather ON hours.origin = weather.origin AND hours.known_at = weather.known_at),
        readings AS (SELECT newest.origin, newest.known_at, temp, wind_speed, visib
                     FROM newest JOIN weather ON newest.origin = weather.origin AND read_at = weather.known_at)
        SELECT /*+ BROADCAST(readings) */ year, carrier, flight, flights.origin, flights.known_at, late,
               temp, wind_speed, visib, month
        FROM flights LEFT JOIN readings
        ON flights.origin = readings.origin AND flights.known_at = readings.known_at""",
    "window": """
        WITH both AS (
            SELECT origin, known_at, 1 AS is_flight, year, carrier, flight, late, month, NULL AS reading FROM flights
            UNION ALL
            SELECT origin, known_at, 0, NULL, NULL, NULL, NULL, NULL, struct(temp, wind_speed, visib) FROM weather)
        SELECT year, carrier, flight, origin, known_at, late, newest.temp, newest.wind_speed, newest.visib, month
        FROM (SELECT *, last(reading, true) OVER (PARTITION BY origin ORDER BY known_at, is_flight) AS newest FROM both)
        WHERE is_flight = 1""",
}


def session(arguments):
    settings = {
        "spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1", "spark.ui.enabled": "false",
        "spark.driver.memory": "2g", "spark.executor.memory": "1g", "spark.executor.cores": "1",
        "spark.ui.showConsoleProgress": "false", "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": "8", "spark.sql.files.maxPartitionBytes": str(arguments.split)}
    if arguments.events:
        settings |= {"spark.eventLog.enabled": "true", "spark.eventLog.dir": Path(arguments.events).absolute().as_uri(),
                     "spark.eventLog.rolling.enabled": "false", "spark.eventLog.compress": "false"}
    builder = SparkSession.builder.master(arguments.master).appName("asof")
    for name, value in settings.items():
        builder = builder.config(name, value)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    return spark


def watch(context, done):
    """Print how many tasks have ended, until `done` is set."""
    tracker, said, ended = context.statusTracker(), 0, {}
    while not done.wait(0.05):
        for job in tracker.getJobIdsForGroup(None):
            for stage in getattr(tracker.getJobInfo(job), "stageIds", ()):
                if found := tracker.getStageInfo(stage):
                    ended[stage] = max(found.numCompletedTasks, ended.get(stage, 0))
        if sum(ended.values()) > said:
            said = sum(ended.values())
            print(json.dumps({"tasks": said}), flush=True)


def peak(spark):
    """The most memory that the driver's Java has held, in MiB, on Linux; under local[n] it does all the work."""
    status = Path(f"/proc/{spark.sparkContext._gateway.proc.pid}/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((int(line.split()[1]) // 1024 for line in lines if line.startswith("VmHWM")), None)


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("flights")
    parser.add_argument("weather")
    parser.add_argument("out")
    parser.add_argument("--master", default="local[2]", help="or spark://HOST:PORT, a cluster")
    parser.add_argument("--asof", choices=ASOF, default="broadcast")
    parser.add_argument("--events", help="folder for Spark's log of events, a line of JSON each")
    parser.add_argument("--split", type=int, default=128 << 20, help="bytes of a file that a task reads")
    parser.add_argument("--explain", action="store_true", help="print the plan of the first table and compute nothing")
    arguments = parser.parse_args(argv)
    begun = time.perf_counter()
    spark = session(arguments)
    started = time.perf_counter()
    spark.read.parquet(arguments.flights).createOrReplaceTempView("raw")
    spark.read.parquet(arguments.weather).createOrReplaceTempView("weather")
    spark.sql((HERE / "prepare.sql").read_text()).createOrReplaceTempView("flights")
    known = spark.sql(ASOF[arguments.asof])
    weeks = spark.sql((HERE / "seven_days.sql").read_text())
    if arguments.explain:
        known.explain("formatted")
        return
    done = threading.Event()
    watcher = threading.Thread(target=watch, args=(spark.sparkContext, done), daemon=True)
    watcher.start()
    known.write.partitionBy("month").parquet(f"{arguments.out}/known")
    weeks.write.parquet(f"{arguments.out}/weeks")
    done.set()
    watcher.join()
    ended = time.perf_counter()
    print(json.dumps({"start_seconds": round(started - begun, 2), "seconds": round(ended - started, 2),
                      "peak_mib": peak(spark), "version": spark.version}), flush=True)
    spark.stop()


if __name__ == "__main__":
    main()
