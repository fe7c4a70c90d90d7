"""Where students' code runs: a process that sees a read-only system and nothing of yours, has no network, and ends.

`Sandbox(limits).run(job)` starts teaching/runner.py under prlimit and bwrap, and gives back what it said, line by
line. It works for root and for an ordinary user. Nothing that comes out is executed or unpickled.
"""

import contextlib
import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
# What programs need of /etc: no names of users, no keys.
ETC = ("ld.so.cache", "ld.so.conf", "ld.so.conf.d", "alternatives", "fonts", "localtime", "ssl/certs", "mime.types",
       "hosts", "nsswitch.conf")
HOME = "/home/student"
NOBODY = 61_000  # as root, each sandbox gets a user of its own from here on; they exist nowhere
SLOTS = 4_000_000
PORTS = "/ports"
HOW = ("Students' code runs in a sandbox made by bubblewrap, which does not work here: {why}. On Linux, install "
       "bubblewrap; elsewhere, grade in the container of book/instructors/hub.md. On a machine that holds nothing "
       "else, --unsafe goes on without it.")


@dataclass(frozen=True)
class Limits:
    """What one submission may use."""

    wall: float = 1_800  # seconds in all
    cell: float = 300  # seconds for one cell
    memory: float = 4.0  # GiB for all its processes together
    processes: int = 512  # and threads
    output: float = 4.0  # MB of outputs that are kept
    files: float = 512  # MB of files
    start: float = 120  # seconds for the kernel and the packages of the checks

    @property
    def bytes_said(self) -> float:
        """Of all lines that may come out: JSON takes more room than what it holds."""
        return 4e6 * self.output + 4e6


_slots = itertools.count()


def available() -> str | None:
    """Why a sandbox cannot be started here, or None."""
    for tool in ("bwrap", "prlimit", *(["setpriv"] if _root() else [])):
        if not shutil.which(tool):
            return f"there is no {tool}"
    done = subprocess.run([*_walls(NOBODY), *_ceiling(Limits()), "/bin/true"], capture_output=True, text=True)
    return None if done.returncode == 0 else done.stderr.strip().rpartition("\n")[2] or "it does not start"


def run(job: dict, limits: Limits, ports: Path, hear, unsafe: bool = False) -> list[dict]:
    """The lines that the runner said; the last one names how it ended.

    ports: a folder of named pipes that the notebook may open. hear: called with each line as it comes.
    """
    slot = NOBODY + (os.getpid() * 64 + next(_slots)) % SLOTS
    scratch = None
    if unsafe:
        import tempfile

        scratch = tempfile.mkdtemp(prefix="mlelab-grading-")
        command = [sys.executable, "-I", str(HERE / "runner.py")]
        environment = dict(os.environ) | _environment(scratch)
    else:
        # bwrap itself is seen inside as process 1, and what it was started with can be read there: nothing of yours.
        environment = {}
        command = [*_walls(slot, ports), *_ceiling(limits), sys.executable, "-I", "/grader/runner.py"]
    job = job | {"wall": limits.wall, "cell": limits.cell, "start": limits.start,
                 "ports": str(ports) if unsafe else PORTS, "output": int(1e6 * limits.output)}
    try:
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              env=environment, cwd=scratch or "/", start_new_session=True) as process:
            return _listen(process, json.dumps(job).encode(), limits, hear)
    finally:
        if scratch:
            shutil.rmtree(scratch, ignore_errors=True)


def _listen(process: subprocess.Popen, job: bytes, limits: Limits, hear) -> list[dict]:
    """Feed the job, read the lines up to a size, and end the sandbox when it uses too much or takes too long."""
    why: list[str] = []

    def end(reason: str) -> None:
        why.append(reason)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)

    def feed() -> None:
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(job)
            process.stdin.close()

    def watch() -> None:
        until = time.monotonic() + limits.wall + 30  # it ends by itself before that
        while process.poll() is None:
            if time.monotonic() > until:
                return end("wall")
            running = _below(process.pid)
            if len(running) > limits.processes + 20:  # where the limit on a user's processes does not hold
                return end("processes")
            if _memory(running) > limits.memory * 2**30:
                return end("memory")
            time.sleep(0.2)
        return None

    killed = _killed()
    errors: list[bytes] = []
    helpers = [threading.Thread(target=work, daemon=True)
               for work in (feed, watch, lambda: errors.append(process.stderr.read(10_000)))]
    for helper in helpers:
        helper.start()
    said, room = [], limits.bytes_said
    while line := process.stdout.readline(int(room) + 1):
        room -= len(line)
        if room < 0 or not line.endswith(b"\n"):
            if not why:
                end("said too much" if room < 0 else "cut off")
            break
        with contextlib.suppress(ValueError):
            said.append(json.loads(line))
        if said:
            hear(said[-1])
    with contextlib.suppress(subprocess.TimeoutExpired):  # it has said all, and ends by itself
        process.wait(timeout=5)
    status = process.poll()
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for helper in helpers:
        helper.join(timeout=5)
    if why or not said or "ended" not in said[-1]:
        tail = b"".join(errors).decode(errors="replace").strip().rpartition("\n")[2]
        ours = "killed" if (status or 0) < 0 else "machine" if _killed() > killed else "gone"
        said.append({"ended": why[0] if why else ours, "why": f"signal {-status}" if ours == "killed" else tail})
    return said


def _killed() -> int:
    """How many processes this machine has ended since its start because it was out of memory."""
    try:
        return int(re.search(r"^oom_kill (\d+)", Path("/proc/vmstat").read_text(), re.M)[1])
    except (OSError, TypeError):
        return 0


def _memory(processes: list[int]) -> int:
    """Bytes that processes use, shared pages counted once."""
    total = 0
    for process in processes:
        try:
            text = Path(f"/proc/{process}/smaps_rollup").read_text()
            total += 1024 * int(re.search(r"^Pss: +(\d+)", text, re.M)[1])
        except (OSError, TypeError):
            with contextlib.suppress(OSError, IndexError):
                pages = Path(f"/proc/{process}/statm").read_text().split()
                total += (int(pages[1]) - int(pages[2])) * os.sysconf("SC_PAGE_SIZE")
    return total


def _below(leader: int) -> list[int]:
    found = [leader]
    for process in found:
        with contextlib.suppress(OSError):  # it may end while we look
            for task in os.listdir(f"/proc/{process}/task"):
                found += map(int, Path(f"/proc/{process}/task/{task}/children").read_text().split())
    return found


def _root() -> bool:
    """Whether this is root, and not an ordinary user whom a namespace calls root: then others can be taken on."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return False
    try:
        spans = [list(map(int, line.split())) for line in Path("/proc/self/uid_map").read_text().splitlines()]
    except OSError:
        return False
    return any(first <= NOBODY and first + length > NOBODY + SLOTS for first, _, length in spans)


def _walls(user: int, ports: Path | None = None) -> list[str]:
    """bwrap with what the notebook may see: the system, this Python and the course's package and data, read-only."""
    bwrap = [shutil.which("bwrap") or "bwrap", "--die-with-parent", "--new-session", "--unshare-pid", "--unshare-net",
             "--unshare-ipc", "--unshare-uts", "--hostname", f"grading-{os.getpid()}", "--unshare-cgroup-try",
             "--clearenv"]
    if _root():  # of another user, so that the limit on processes holds; that user is taken on inside
        bwrap += ["--cap-drop", "ALL", *(word for right in ("SETUID", "SETGID", "SETPCAP")
                                         for word in ("--cap-add", f"CAP_{right}"))]
    else:
        bwrap += ["--unshare-user"]
    for path in ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64"):
        if os.path.islink(path):
            bwrap += ["--symlink", os.readlink(path), path]
        elif os.path.isdir(path):
            bwrap += ["--ro-bind", path, path]
    for path in ("/etc", "/etc/ssl"):  # bwrap's own would be closed to others
        bwrap += ["--perms", "0755", "--dir", path]
    for name in ETC:
        bwrap += ["--ro-bind-try", f"/etc/{name}", f"/etc/{name}"]
    bwrap += ["--proc", "/proc", "--dev", "/dev"]
    for path in ("/dev/shm", "/tmp", "/run", "/home"):
        bwrap += ["--perms", "1777", "--size", str(512 * 2**20), "--tmpfs", path]
    for path in (HOME, f"{HOME}/.cache", f"{HOME}/.cache/matplotlib"):
        bwrap += ["--perms", "0777", "--dir", path]
    made = set()
    for path in _readable():
        for parent in [up for up in reversed(Path(path).parents) if not _inside(up, made)]:
            bwrap += ["--perms", "0755", "--dir", str(parent)]
        bwrap += ["--ro-bind", path, path]
        made.add(Path(path))
    for package in (ROOT / "mlelab", *Path(sys.prefix).glob("lib/python*/site-packages/mlelab")):
        for answers in (package / "solutions", package / "check" / "oracles"):  # where it is installed, and packed ones
            if answers.is_dir():
                bwrap += ["--tmpfs", str(answers)]
    if ports:
        bwrap += ["--ro-bind", str(ports), PORTS]
    bwrap += ["--perms", "0755", "--tmpfs", "/grader"]
    bwrap += ["--ro-bind", str(HERE / "runner.py"), "/grader/runner.py"]
    bwrap += ["--remount-ro", "/grader"]
    for fonts in _font_lists():
        bwrap += ["--ro-bind", str(fonts), f"{HOME}/.cache/matplotlib/{fonts.name}"]
    for name, value in _environment(HOME).items():
        bwrap += ["--setenv", name, value]
    bwrap += ["--remount-ro", "/", "--chdir", HOME]
    if _root():
        bwrap += ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", "--inh-caps=-all",
                  "--bounding-set=-all", "--no-new-privs"]
    return bwrap


def _inside(path: Path, others: set[Path]) -> bool:
    return path == Path("/") or any(path.is_relative_to(other) for other in others)


def _readable() -> list[str]:
    """This Python, its environment, the course's package and its data; never the course itself."""
    wanted = [Path(sys.base_prefix), Path(sys.prefix), ROOT / "mlelab", ROOT / "datasets"]
    system = Path("/usr")
    return [str(path) for path in dict.fromkeys(wanted) if path.exists() and not path.is_relative_to(system)]


def _font_lists() -> list[Path]:
    """matplotlib's list of fonts: to make it anew takes seconds."""
    import matplotlib

    return sorted(Path(matplotlib.get_cachedir()).glob("fontlist-*.json"))


def _environment(home: str) -> dict[str, str]:
    """All that the notebook finds in its environment."""
    return {"HOME": home, "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "LANG": "C.UTF-8", "TERM": "dumb",
            "USER": "student", "TMPDIR": home if home != HOME else "/tmp", "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONWARNINGS": "ignore", "PYTHONNOUSERSITE": "1", "PYTHONPATH": str(ROOT),
            "IPYTHONDIR": f"{home}/.ipython", "JUPYTER_RUNTIME_DIR": f"{home}/.runtime",
            "MPLCONFIGDIR": f"{home}/.cache/matplotlib", "MLELAB_CLASS": "1", "NBGRADER_EXECUTION": "autograde",
            "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3",
            "TF_ENABLE_ONEDNN_OPTS": "0", "JPY_PARENT_PID": ""}


def _ceiling(limits: Limits) -> list[str]:
    """prlimit with what each process may use; what all of them use together is watched from outside."""
    memory, files = int(limits.memory * 2**30), int(limits.files * 1e6)
    return ["prlimit", f"--nproc={limits.processes}", f"--data={memory}", f"--fsize={files}", "--core=0",
            f"--cpu={int(2 * limits.wall) + 60}", "--nofile=1024", "--"]
