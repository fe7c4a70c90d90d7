"""Two processes train, again and again: `python tests/training/soak.py --runs 30`. Opt-in; it takes minutes.

Every third run loses a worker in the middle and resumes. Each must end in time and leave no process behind, and all must
end with the same parameters, to the last bit.
"""

import argparse
import tempfile
import time

import psutil

from mlelab.training import cluster


def train(lose_a_worker):
    with tempfile.TemporaryDirectory() as folder:
        arguments = ["--strategy", "multiworker", "--steps", "40", "--checkpoint", folder]
        if lose_a_worker:
            try:
                cluster.run(arguments, kill=(1, 23))
            except cluster.Failed as failure:
                assert "worker-0 was killed after step 23" in str(failure), failure
            else:
                raise AssertionError("the worker that was to be lost was not")
        return [replica.result["parameters"] for replica in cluster.run(arguments)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=30)
    expected = None
    for run in range(1, parser.parse_args().runs + 1):
        begun = time.monotonic()
        chief, other = train(lose_a_worker=run % 3 == 0)
        expected = expected or chief
        assert chief == other == expected, "the parameters differ"
        left = [p.pid for p in psutil.process_iter(["cmdline"]) if str(cluster.WORKER) in (p.info["cmdline"] or [])]
        assert not left, f"left behind: {left}"
        print(f"run {run}: {time.monotonic() - begun:.0f} s", flush=True)


if __name__ == "__main__":
    main()
