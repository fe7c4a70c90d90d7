"""Everything you run on the course, on any system: `python tools/course.py lab` is `make lab`.

  lab    make the environment in .venv if needed, and open JupyterLab on my_labs/, your own copy of the labs
  book   the same, then build the book and serve it on this machine (--epub, --pdf: make a file to take along)
  test   the same, then run everything that CI runs, without network (--lab 05_training: what concerns one lab)
  nightly  the same, then everything that is too slow for each change: some hours (--only NAME: one step of it)
  colab  run each lab alone, as it arrives in Colab or with other versions (--help: which labs, which environments)
  class  the same, then grade a simulated class of thirty and every hostile submission we know: about ten minutes
  airflow  make an environment for Airflow, and run the DAG of chapter 8 in it once
  kafka, spark, torch, image, score   engines beside the course, shown and tested (--help: of that engine)
  new    the pieces of a new exercise, each in its place (--lab 03_features --exercise 3.10 --name clip)
  check  test the pieces of one exercise in seconds: check 1.2 (--help: more)
  page   build one page of the book and open it: page 05_training
  labs   write solutions/*/lab.ipynb and labs/ from solutions/*/lab.py (--check: only say what is stale)
  programs   name Debian's packages that some tests use and that are not on this machine
  lock   write requirements.txt anew from the ranges in pyproject.toml

Only the standard library, and nothing newer than Python 3.6 until the version is known to be right.
"""

import argparse
import functools
import http.server
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import webbrowser
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
BIN = "Scripts" if os.name == "nt" else "bin"
PYTHONS = ((3, 11), (3, 12), (3, 13))
# Extras in pyproject.toml that are not part of .venv and requirements.txt.
ASIDE = ("jax", "torch", "airflow", "adult", "kafka", "spark")
# Commands that tools/engine.py does: engines beside the course, each in an environment of its own.
ENGINES = {"kafka": "a day of departures through a broker",
           "spark": "the pipeline of chapter 2 on Spark, here and on a cluster",
           "torch": "PyTorch in one process and in two",
           "image": "the alert service's image, built and run",
           "score": "the linear model in C++, Java and R"}
# What some tests need and no package index has: Debian's package, and the names under which its program is found.
PROGRAMS = {"chromium": ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"),
            "epubcheck": ("epubcheck",), "redis-server": ("redis-server",), "prometheus": ("prometheus",),
            "bubblewrap": ("bwrap",)}
# It has no `python -m`, and a script of its own would hold the path of the folder as it was once.
JUPYTER_BOOK = "from jupyter_book.cli.main import main; main()"
# What follows these is for the program that they call.
PASS_ON = ("lab", "new", "check", "colab", "nightly", *ENGINES)
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
    fault = fault_of_environment()
    if fault:
        say("{}: making it anew.".format(fault))
    if fault or not VENV.exists():
        say("Making .venv and installing about 370 packages, TensorFlow among them: 5 GB on disk, 1 to 5 minutes...")
        run(sys.executable, "-m", "venv", "--clear", VENV)
        lines = (ROOT / "requirements.txt").read_text().splitlines()
        pinned = next(line.split(" ")[0] for line in lines if line.startswith("uv=="))
        run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", pinned)
    mend_scripts()
    run(uv, "pip", "sync", "--quiet", "--compile-bytecode", "--python", python, ROOT / "requirements.txt")
    run(uv, "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--python", python, "--editable", ROOT)


def fault_of_environment():
    """Why a .venv that is here cannot be used, as half a sentence; None if it can, or if there is none."""
    if not VENV.exists():
        return None
    question = "import sys; print(*sys.version_info[:2])"
    try:
        found = subprocess.check_output([tool("python"), "-c", question], stderr=subprocess.DEVNULL).decode().split()
    except (OSError, subprocess.CalledProcessError):
        return "The Python of .venv does not start"
    if tuple(map(int, found)) not in PYTHONS:
        return ".venv was made with Python {}.{}, which the course cannot use".format(*found)
    if not any((VENV / BIN / name).exists() for name in ("uv", "uv.exe")):
        return ".venv is not whole, or another program made it"
    return None


def mend_scripts():
    """Scripts hold the path of .venv: after its folder was renamed or copied, write the new path into them."""
    activate = VENV / BIN / "activate"
    written = activate.read_text(encoding="utf-8") if activate.exists() else ""
    found = re.search(r"VIRTUAL_ENV=[\"']?(/[^\"'\n]+)", written)
    if not found or os.path.realpath(found.group(1)) == os.path.realpath(str(VENV)):
        return
    say("The folder was renamed or copied: writing its new path into the scripts of .venv.")
    for script in (VENV / BIN).iterdir():
        content = b"" if script.is_symlink() or not script.is_file() else script.read_bytes()
        if content.startswith(b"#!") or script.name.startswith("activate"):
            script.write_bytes(content.replace(found.group(1).encode(), str(VENV).encode()))


def lab(arguments):
    need_environment()
    own = ROOT / "my_labs"
    bring = [tool("python"), str(Path(__file__).resolve().parent / "my_labs.py"), str(ROOT / "labs"), str(own)]
    if subprocess.run(bring, env=environment()).returncode:
        return 1
    port = free_port(8888)
    command = [tool("python"), "-m", "jupyterlab", "--ip=127.0.0.1", "--port={}".format(port), "--port-retries=0"]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--allow-root")
    say("Starting JupyterLab on http://127.0.0.1:{}/lab; Ctrl+C ends it.".format(port))
    command.append("--LabApp.default_url=/lab/tree/00_start/lab.ipynb")
    quiet = dict(environment(), JUPYTER_CONFIG_PATH=str(Path(__file__).resolve().parent / "jupyter"))
    server = subprocess.Popen(command + arguments.rest, cwd=str(own), env=quiet)
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
    built = build_book()
    if built or formats or arguments.build_only:
        return built
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


def build_book():
    """Build the pages that changed; the status of the build, in which a warning is an error."""
    command = [tool("python"), "-c", JUPYTER_BOOK, "build", str(ROOT), "-W", "-n", "--keep-going", "--quiet"]
    return subprocess.run(command, env=environment()).returncode


def test(arguments):
    need_environment()
    return foreground("tools/run_tests.py", *(["--lab", arguments.lab] if arguments.lab else []))


def new(arguments):
    need_environment()
    return foreground("tools/new_exercise.py", *arguments.rest)


def check(arguments):
    need_environment()
    return foreground("-m", "tests.checks", *arguments.rest)


def page(arguments):
    need_environment()
    say("Building what changed: seconds, or a minute or two the first time...")
    built = build_book()
    path = ROOT / "_build" / "html" / "book" / "{}.html".format(arguments.page)
    if not path.exists():
        sys.exit("There is no page {}; pages are named as their files in book/, such as 05_training.".format(
            arguments.page))
    say("The page is {}".format(path))
    webbrowser.open(path.as_uri())
    return built


def nightly(arguments):
    need_environment()
    return foreground("tools/nightly.py", *arguments.rest)


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
    lock_image()
    return 0


def lock_image():
    """Write what the image of the alert service installs: the extra `serving` alone, the same versions, with hashes."""
    wanted = VENV / "serving.in"
    wanted.write_text("\n".join(extras()["serving"]))
    run(tool("uv"), "pip", "compile", wanted, "--constraint", "requirements.txt", "--universal", "--python-version",
        "3.11", "--generate-hashes", "--no-annotate", "--quiet", "--custom-compile-command", "make lock",
        "--output-file", "mlelab/serving/deploy/requirements.txt")


def programs(arguments):
    print(" ".join(absent_programs()))
    return 0


def absent_programs():
    """Of PROGRAMS, the packages of which no program is on PATH."""
    return [package for package, names in PROGRAMS.items() if not any(map(shutil.which, names))]


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


def foreground(script, *arguments):
    """Run one of our scripts in .venv and wait for it, also when a Ctrl+C was heard here and nowhere else."""
    command = [tool("python"), script] + list(arguments)
    process = subprocess.Popen(command, cwd=str(ROOT), env=environment())
    try:
        return process.wait()
    except KeyboardInterrupt:
        process.send_signal(signal.SIGINT if os.name != "nt" else signal.SIGTERM)
        return process.wait()


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
    test_parser = commands.add_parser("test")
    test_parser.add_argument("--lab", help="only what concerns this lab, e.g. 05_training")
    test_parser.set_defaults(run=test)
    commands.add_parser("programs").set_defaults(run=programs)
    for name, does in (("new", new), ("check", check)):
        commands.add_parser(name, add_help=False).set_defaults(run=does)
    page_parser = commands.add_parser("page")
    page_parser.add_argument("page", help="e.g. 05_training or reference/glossary")
    page_parser.set_defaults(run=page)
    commands.add_parser("nightly", add_help=False).set_defaults(run=nightly)
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
    if arguments_rest and arguments.command not in PASS_ON:
        parser.error("unknown: " + " ".join(arguments_rest))
    arguments.rest = arguments_rest
    try:
        sys.exit(arguments.run(arguments))
    except KeyboardInterrupt:  # Ctrl+C: what was started has heard it too
        sys.exit(130)


if __name__ == "__main__":
    main()
