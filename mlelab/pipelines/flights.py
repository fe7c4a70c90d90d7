"""Departures on Apache Beam: read messages, set the unreadable aside, count each window of event time once.

    python -m mlelab.pipelines.flights --input 'messages/*.jsonl' --output counts --dead_letters bad

A message is a line of JSON with `id`, `time` (UTC seconds of the departure), `origin` and `delay` (minutes).
Without a runner it runs here. The same file runs elsewhere by options alone:

    --runner DataflowRunner --project PROJECT --region REGION --temp_location gs://BUCKET/tmp
    --runner FlinkRunner --flink_master HOST:8081 --environment_type LOOPBACK
    --runner SparkRunner --spark_master_url spark://HOST:7077 --environment_type LOOPBACK

It imports nothing but Beam, so that a worker needs no more than Beam's own image.
"""

import argparse
import json
import logging

logging.disable(logging.WARNING)  # Beam warns where its Google parts are not installed
import apache_beam as beam  # noqa: E402
from apache_beam.options.pipeline_options import PipelineOptions  # noqa: E402
from apache_beam.transforms.trigger import AccumulationMode, AfterCount, AfterWatermark  # noqa: E402
from apache_beam.transforms.window import FixedWindows, TimestampedValue  # noqa: E402

logging.disable(logging.NOTSET)


class Parse(beam.DoFn):
    """A line to a departure; what cannot be read goes to the output `dead`, with the reason."""

    def process(self, line):
        try:
            message = json.loads(line)
            departure = message["origin"], (str(message["id"]), float(message["delay"]))
            yield TimestampedValue(departure, float(message["time"]))
        except (KeyError, TypeError, ValueError) as error:
            yield beam.pvalue.TaggedOutput("dead", {"line": line, "error": f"{type(error).__name__}: {error}"})


class Departures(beam.CombineFn):
    """Number and mean delay of the departures, each id once: a message that comes twice changes nothing."""

    def create_accumulator(self):
        return {}

    def add_input(self, delays, departure):
        name, delay = departure
        delays.setdefault(name, delay)
        return delays

    def merge_accumulators(self, parts):
        return {name: delay for part in parts for name, delay in part.items()}

    def extract_output(self, delays):
        return {"departures": len(delays), "mean_delay": sum(delays.values()) / len(delays) if delays else None}


class CountWindows(beam.PTransform):
    """Timestamped (origin, (id, delay)) to a dict for each window and origin, corrected when the late arrive."""

    def __init__(self, window: int, lateness: int):
        super().__init__()
        self.window, self.lateness = window, lateness

    def expand(self, departures):
        windows = beam.WindowInto(FixedWindows(self.window), allowed_lateness=self.lateness,
                                  trigger=AfterWatermark(late=AfterCount(1)),
                                  accumulation_mode=AccumulationMode.ACCUMULATING)
        return departures | windows | beam.CombinePerKey(Departures()) | beam.ParDo(AddWindow())


class AddWindow(beam.DoFn):
    def process(self, row, window=beam.DoFn.WindowParam):
        origin, counts = row
        yield {"window": int(window.start), "origin": origin, **counts}


def parse_options(arguments: list[str] | None = None) -> tuple[argparse.Namespace, PipelineOptions]:
    """Our options, and all others as those of the runner."""
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="python -m mlelab.pipelines.flights", description=__doc__,
                                     formatter_class=form)
    parser.add_argument("--input", required=True, help="files of messages, one line of JSON each")
    parser.add_argument("--output", required=True, help="where the counts go, a prefix of file names")
    parser.add_argument("--dead_letters", required=True, help="where the unreadable lines go, a prefix")
    parser.add_argument("--window", type=int, default=3600, help="seconds of event time in a window (default 3600)")
    parser.add_argument("--lateness", type=int, default=7200, help="seconds a window waits for the late (default 7200)")
    ours, runner = parser.parse_known_args(arguments)
    # DirectRunner would look for a binary on the network first; this is the runner it ends up with for files.
    return ours, PipelineOptions(["--runner=FnApiRunner", *runner])


def run(arguments: list[str] | None = None) -> None:
    """Run the pipeline with these command line arguments, or those of the process, and wait for its end."""
    ours, options = parse_options(arguments)
    with beam.Pipeline(options=options) as pipeline:
        lines = pipeline | "Read" >> beam.io.ReadFromText(ours.input)
        parsed = lines | "Parse" >> beam.ParDo(Parse()).with_outputs("dead", main="departures")
        counts = parsed.departures | "Count" >> CountWindows(ours.window, ours.lateness)
        for rows, name, to in ((counts, "counts", ours.output), (parsed.dead, "dead letters", ours.dead_letters)):
            as_json = rows | f"As JSON: {name}" >> beam.Map(json.dumps)
            as_json | f"Write {name}" >> beam.io.WriteToText(to, file_name_suffix=".jsonl")


if __name__ == "__main__":
    run()
