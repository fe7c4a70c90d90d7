"""Grade a lab: repair each submission, run it in a sandbox, save points that are proven, say what happened.

Students' code runs without network, sees a read-only system and nothing of yours, and has limits of time, memory,
processes and output (bubblewrap, on Linux). Points need signed evidence that the check ran and could still say "wrong".
Code that could forge it is named, and its points are held back until you have looked: --trust STUDENT gives them.

A submission that is graded already is not graded again unless it, the lab or its checks have changed, so a run that
was stopped goes on where it stopped. autograded/STUDENT/AREA/ has the notebook as it ran, and result.json.
"""


def arguments(parser) -> None:
    parser.add_argument("area", help="the lab, such as 01_lifecycle")
    parser.add_argument("--again", action="store_true", help="grade everybody again")
    parser.add_argument("--trust", action="append", default=[], metavar="STUDENT",
                        help="you have looked at this submission as it is now: give its points")
    parser.add_argument("--jobs", type=int, metavar="N", help="how many at once (default: one for each core)")
    parser.add_argument("--executor", default="local", metavar="WHERE",
                        help="local; dask (a cluster on this machine); dask=tcp://HOST:PORT; kubernetes (writes the "
                        "Job, and takes in what it has graded)")
    parser.add_argument("--cell-seconds", type=float, default=300, metavar="S", help="for one cell (default: 300)")
    parser.add_argument("--seconds", type=float, default=1800, metavar="S", help="for one notebook (default: 1800)")
    parser.add_argument("--memory", type=float, default=4, metavar="GIB", help="for one notebook (default: 4)")
    parser.add_argument("--processes", type=int, default=512, metavar="N", help="and threads (default: 512)")
    parser.add_argument("--output", type=float, default=4, metavar="MB", help="outputs that are kept (default: 4)")
    parser.add_argument("--unsafe", action="store_true", help="without a sandbox: only on a machine or in a container "
                        "that holds nothing else")


def run(arguments) -> int:
    from teaching import _books, _class, _executors, _sandbox

    course = _class.course(arguments)
    area = _class.released(course, arguments.area)
    folders = _class.submissions(course, area)
    for student in arguments.trust:
        if student not in dict(folders):
            _class.refuse(f"There is no submission of {area} by {student!r}.")
    execute = _executors.named(arguments.executor, arguments.jobs, course, area)
    if not arguments.unsafe and arguments.executor in ("local", "dask") and (why := _sandbox.available()):
        _class.refuse(_sandbox.HOW.format(why=why))
    books = _books.Books(course, area)
    settings = {"limits": {"cell": arguments.cell_seconds, "wall": arguments.seconds, "memory": arguments.memory,
                           "processes": arguments.processes, "output": arguments.output}, "unsafe": arguments.unsafe}
    waiting, done, unreadable = [], 0, 0
    for number, (student, folder) in enumerate(folders, start=1):
        _class.progress(number, len(folders), f"repairing {student}")
        job = books.job(student, folder, settings, trust=student in arguments.trust)
        if job is None:
            unreadable += 1
            print(f"{student}: {books.results[student]['says']}")
        elif not arguments.again and books.is_graded(job):
            done += 1
        else:
            waiting.append(job)
    if done:
        print(f"{done} submissions are graded already; --again grades them anew.", flush=True)
    if waiting:
        print(f"Grading {len(waiting)} submissions of {area}, a few seconds to a minute each …", flush=True)
    held = failed = 0
    for number, result in enumerate(execute(waiting), start=1):
        books.enter(result)
        held, failed = held + result["held"], failed + bool(result["problem"])
        print(f"{number} of {len(waiting)}  {result['student']}: {result['says']}", flush=True)
    books.close()
    print(f"{len(folders)} submissions of {area}"
          + (f", {unreadable} not readable" if unreadable else "") + (f", {failed} not graded" if failed else "")
          + (f", {held} with points held back" if held else "") + f": results/{area}.jsonl.")
    return 1 if unreadable or failed else 0
