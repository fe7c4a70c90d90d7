#!/bin/sh
# What the image runs. The bundle is mounted at /bundle, or AIP_STORAGE_URI says where it is. `exec`, so that the server
# itself hears the signal to stop and finishes what it is answering.
set -eu
exec python -m mlelab.serving "${AIP_STORAGE_URI:-${BUNDLE:-/bundle}}" --host "${MLELAB_HOST:-0.0.0.0}" \
    --port "${AIP_HTTP_PORT:-8080}"
