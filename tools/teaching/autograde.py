"""Grade a lab: repair each submission, run it in a sandbox, decide each check outside of it, say what happened.

First our own solution is graded. If it does not get all its points, something is wrong here: nothing is graded. What
fails through no fault of a student is named and not graded, and the exit status is 1; run the same command again.

Students' code runs without network, sees a read-only system and nothing of yours, and has limits of time, memory,
processes and output (bubblewrap, on Linux). It defines functions; a process of ours calls them with plain data,
compares what comes back, and alone has our solution and your hidden checks.

A submission that is graded already is not graded again unless it, the lab or its checks have changed, so a run that
was stopped goes on where it stopped. autograded/STUDENT/AREA/ has the notebook as it ran, and result.json.
"""

import os

from teaching import books, classroom, grading, sandbox


def arguments(parser) -> None:
    parser.add_argument("area", help="the lab, such as 01_lifecycle")
    parser.add_argument("students", nargs="*", metavar="STUDENT", help="only these (default: all in submitted/)")
    parser.add_argument("--again", action="store_true", help="grade them again, also what did not change")
    parser.add_argument("--jobs", type=int, metavar="N", help="how many at once (default: one for each core)")
    parser.add_argument("--cell-seconds", type=float, default=300, metavar="S", help="for one cell (default: 300)")
    parser.add_argument("--seconds", type=float, default=1800, metavar="S", help="for one notebook (default: 1800)")
    parser.add_argument("--memory", type=float, default=4, metavar="GIB", help="for one notebook (default: 4)")
    parser.add_argument("--processes", type=int, default=512, metavar="N", help="and threads (default: 512)")
    parser.add_argument("--output", type=float, default=4, metavar="MB", help="outputs that are kept (default: 4)")
    parser.add_argument("--unsafe", action="store_true", help="without a sandbox: only on a machine or in a container "
                        "that holds nothing else")


def run(arguments) -> int:
    course = classroom.course(arguments)
    area = classroom.released(course, arguments.area)
    folders = classroom.submissions(course, area, arguments.students)
    workers = arguments.jobs
    if workers is None:
        workers = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if workers < 1:
        classroom.refuse("--jobs is at least 1.")
    if not arguments.unsafe and (why := sandbox.available()):
        classroom.refuse(sandbox.HOW.format(why=why))
    limits = {"cell": arguments.cell_seconds, "wall": arguments.seconds, "memory": arguments.memory,
              "processes": arguments.processes, "output": arguments.output}
    book = books.Books(course, area, {"limits": limits, "unsafe": arguments.unsafe})
    failed, waiting = _prepared(book, folders, arguments)
    graded = 0
    if waiting:
        print(f"Trying our own solution of {area} first …", flush=True)
        ours = grading.safely(book.solution())
        lost = [check for check in ours.get("checks", ()) if check["score"] < check["points"]]
        if ours["fault"] or lost:
            said = ours["fault"] or "our own solution does not get all its points here: " + "; ".join(
                [ours["says"].rstrip("."), *(f"{check['name']}: {check['why'] or check['says']}" for check in lost)])
            classroom.refuse(f"Nothing was graded and no points were stored: {said}. {grading.AGAIN}")
        print(f"Grading {len(waiting)} submissions of {area}, a few seconds to a minute each …", flush=True)
    results = grading.batch(waiting, workers)
    for number, result in enumerate(results, start=1):
        said = f"not graded: {result['fault']}." if result["fault"] else result["says"]
        print(f"{number} of {len(waiting)}  {result['student']}: {said}", flush=True)
        if result["fault"]:
            failed.append(result["student"])
            if not graded:  # it will be the same with the others
                results.close()
                classroom.refuse(f"The other submissions were left alone. {grading.AGAIN}")
            continue
        try:
            book.enter(result)
        except books.NotWritten as error:
            results.close()
            classroom.refuse(f"The points of {result['student']} could not be stored ({error}). The other submissions "
                             f"were left alone. {grading.AGAIN}")
        graded += 1
    book.close()
    print(f"{len(folders)} submissions of {area}"
          + (f", {len(failed)} not graded: {', '.join(failed)}. {grading.AGAIN}" if failed else "."))
    return 1 if failed or book.unreadable else 0


def _prepared(book, folders, arguments) -> tuple[list[str], list[dict]]:
    """The students whom we could not even repair, and the jobs that wait."""
    failed, waiting, done = [], [], 0
    for number, (student, folder) in enumerate(folders, start=1):
        classroom.progress(number, len(folders), f"repairing {student}")
        try:
            job = book.job(student, folder)
        except grading.Fault as fault:
            print(f"{student}: not graded: {fault}.")
            failed.append(student)
            continue
        if job is None:
            print(f"{student}: {book.unreadable[student]}")
        elif not arguments.again and book.is_graded(job):
            done += 1
        else:
            waiting.append(job)
    if done:
        print(f"{done} submissions are graded already; --again grades them anew.", flush=True)
    return failed, waiting
