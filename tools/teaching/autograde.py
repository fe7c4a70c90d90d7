"""Grade a lab: repair each submission, then run nbgrader's autograde, and say the points.

Students' code runs as you, with your rights and your network: do this on a machine or in a container that holds nothing
else. A submission that cannot be read gets no points and does not stop the others. A submission that is graded already
is graded again when its file is newer, or with --again.
"""


def arguments(parser) -> None:
    parser.add_argument("area", help="the lab, such as 01_lifecycle")
    parser.add_argument("--again", action="store_true", help="grade everybody again")


def run(arguments) -> int:
    import os
    import subprocess
    import sys

    from teaching import _class, _results
    from teaching.repair import one

    course = _class.course(arguments)
    area = _class.released(course, arguments.area)
    folders = _class.submissions(course, area)
    unreadable = []
    for number, (student, folder) in enumerate(folders, start=1):
        _class.progress(number, len(folders), f"repairing {student}")
        said, failed = one(folder, area, course)
        unreadable += [student] if failed else []
        for sentence in said:
            print(f"{student}: {sentence}")
    readable = [student for student, _ in folders if student not in unreadable]
    if not readable:
        _class.refuse(f"None of the {len(folders)} submissions of {area} can be read.")
    print(f"Grading {len(readable)} submissions of {area}, a few seconds to a minute each …", flush=True)
    _class.reach_nbgrader()
    command = [sys.executable, "-m", "nbgrader", "autograde", area, *(["--force"] if arguments.again else []),
               f"--CourseDirectory.student_id_exclude={','.join(['.*', *unreadable])}"]
    graded = subprocess.run(command, cwd=course, capture_output=True, text=True,
                            env=dict(os.environ, MLELAB_CLASS="1", OMP_NUM_THREADS="1"))
    points = {submission.student: sum(check.score for check in submission.checks)
              for submission in _results.results(course, area)}
    for student in readable:
        print(f"{student}: {points[student]:g} points" if student in points else f"{student}: not graded, see below")
    for student in unreadable:
        print(f"{student}: cannot be read, no points")
    if graded.returncode:
        print(graded.stderr[-3_000:], file=sys.stderr)
    return 1 if graded.returncode or unreadable else 0
