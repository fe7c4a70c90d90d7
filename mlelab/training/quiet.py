"""Silence for libraries that talk past Python: TensorFlow says at length, on import, that there is no GPU."""

import contextlib
import os


@contextlib.contextmanager
def quiet():
    """Nothing reaches stderr, not even from compiled code."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
