"""Start the alert service on a bundle: `python -m mlelab.serving FOLDER --port 8080`.

In a container FOLDER may be left out: then AIP_STORAGE_URI says where the bundle is, a folder or a gs:// address, and
AIP_HTTP_PORT which port to take, as Vertex AI sets them. A folder that is no sound bundle is refused in one sentence.
"""

import argparse
import json
import os
import sys
import tempfile
import threading
from pathlib import Path

import uvicorn

from mlelab.serving import bundle
from mlelab.serving.app import create_app


def fetch(address: str, scratch: Path) -> Path:
    """The folder behind an address; what lies in a bucket is copied to `scratch` first."""
    if not address.startswith("gs://"):
        return Path(address)
    from google.cloud import storage

    bucket, _, prefix = address.removeprefix("gs://").partition("/")
    for name in (bundle.META, bundle.MODEL):
        blob = storage.Client().bucket(bucket).blob(f"{prefix.rstrip('/')}/{name}")
        blob.download_to_filename(scratch / name)
    return scratch


def log_to(path: Path):
    """A function that appends each prediction to `path`, a line of JSON each."""
    file, lock = open(path, "a", encoding="utf-8"), threading.Lock()  # noqa: SIM115, open as long as the service runs

    def write(prediction: dict) -> None:
        with lock:
            file.write(json.dumps(prediction) + "\n")
            file.flush()

    return write


def trace_to(path: Path):
    """A tracer that appends each finished span to `path`, a line of JSON each, as OpenTelemetry writes it."""
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor

    file = open(path, "a", encoding="utf-8")  # noqa: SIM115, open as long as the service runs
    exporter = ConsoleSpanExporter(out=file, formatter=lambda span: span.to_json(indent=None) + "\n")
    provider = TracerProvider(resource=Resource.create({"service.name": "alert"}))
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return provider.get_tracer("mlelab.serving")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m mlelab.serving", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", default=os.environ.get("AIP_STORAGE_URI"), help="the bundle")
    parser.add_argument("--host", default=os.environ.get("MLELAB_HOST", "127.0.0.1"),
                        help="0.0.0.0 in a container, as MLELAB_HOST says there; loopback everywhere else")
    parser.add_argument("--port", type=int, default=int(os.environ.get("AIP_HTTP_PORT", "8080")))
    parser.add_argument("--log", type=Path, help="append each prediction to this file, one JSON object a line")
    parser.add_argument("--traces", type=Path, help="append each span to this file, one JSON object a line")
    arguments = parser.parse_args()
    if not arguments.folder:
        parser.error("name the bundle's folder, or set AIP_STORAGE_URI")
    try:
        with tempfile.TemporaryDirectory(prefix="bundle-") as scratch:  # the model is in memory afterwards
            loaded = bundle.load(fetch(arguments.folder, Path(scratch)))
    except bundle.Refused as refused:
        print(f"Not started: {refused}", file=sys.stderr)
        return 1
    app = create_app(loaded, log_to(arguments.log) if arguments.log else None,
                     trace_to(arguments.traces) if arguments.traces else None)
    uvicorn.run(app, host=arguments.host, port=arguments.port, log_level="warning", access_log=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
