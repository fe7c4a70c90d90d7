"""The alert service: one bundle, and the ways to serve it.

    bundle    a model with its preprocessing, contract and digests in one folder; loading it runs no code of its own
    app       the service over HTTP; `python -m mlelab.serving FOLDER` starts it
    runtime   the same bundle in MLServer, behind the Open Inference Protocol
    inference the protocol's requests, and a small server for where MLServer does not run
    process   servers as child processes that end with their parent, whatever happens to it
    load      requests at a given rate, and how long they took
    deploy/   Dockerfile, start-up script and Kubernetes manifests
"""
