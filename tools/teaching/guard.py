"""Runs inside the student's kernel, before the first cell: evidence that a check said "right", and that it still could
say "wrong".

nbgrader gives points for the absence of an error, so whoever silences errors gets them all. Here points need a signed
sentence. A check that says "right" is asked at once about answers that are known to be wrong, and the functions it
relies on are compared with those that were there before the student's first cell. Only then the exercise is signed,
with a key that was read from a file and is in no variable of the notebook.

The key is in the memory of the student's process all the same. Code that goes through Python's own frames, closures or
memory can find it; teaching/suspect.py names such code, and its points are held back until somebody has looked.
"""

import builtins
import contextlib
import hashlib
import hmac
import io
import json
import os
import random
import sys
import time
import types
from pathlib import Path

CANARY_SECONDS = 1  # of answers known to be wrong, after the first two
# What checks compare and draw with; the modules of mlelab come on top.
WATCHED = ("builtins", "copy", "functools", "math", "secrets", "random", "numpy", "numpy.linalg", "numpy.random",
           "pandas", "time")
INSIDE = {"outcome", "__call__", "spec", "_examined", "_with_body"}  # what an exercise has from its class
FREE = {"input", "getpass", "display", "get_ipython"}  # replaced by the kernel itself


def install(shell, area, folder, imports):
    """Watch the checks of a lab. The key lies in a file that is gone afterwards.

    imports: (name, module, attribute or None) of what the released lab imports, for hidden checks.
    """
    import mlelab.check
    from mlelab.check import lab as labs
    from mlelab.check import outcome as outcomes
    from mlelab.check.remote import serve

    folder = Path(folder)
    key = (folder / "key").read_bytes()
    (folder / "key").unlink()
    wrong_answers = (folder / "wrong_answers.py").read_text(encoding="utf-8")
    (folder / "wrong_answers.py").unlink()
    mac, publish = hmac.new(key, digestmod=hashlib.sha256), shell.display_pub.publish
    checks = mlelab.check.open_lab(area)
    dumps, run, make, digest, right = json.dumps, exec, compile, hashlib.sha256, outcomes.RIGHT
    ours, words = dict(checks.exercises), set(dir(builtins))
    outcome_of, report = labs.Exercise.outcome, outcomes.report

    def sign(what):
        """Tell the grader something about the cell that runs; signed, so that nobody else can."""
        text = dumps(what)
        signed = mac.copy()
        signed.update(text.encode())
        publish({"text/plain": ""}, metadata={"mlelab": {"said": text, "signed": signed.hexdigest()}})

    beside = [(number, mistake.part, mistake.function.__name__, mistake.function)
              for number, exercise in ours.items() for mistake in exercise.mistakes]
    known_wrong = _known_wrong(wrong_answers, area, beside)

    def fooled(exercise, part, begun):
        """The name of a wrong answer that the check takes for right, or None."""
        asked = 0
        for name, answer in known_wrong(exercise.number, part):
            if asked > 1 and time.monotonic() - begun > CANARY_SECONDS:
                break
            asked += 1
            try:
                with contextlib.redirect_stdout(io.StringIO()):
                    found = outcome_of(exercise, answer, part)
            except Exception:
                continue  # it was not taken for right
            if found.verdict == right:
                return name
        return None

    def checked(self, answer, part=None, *, seed=None):
        """What Exercise.__call__ does, and evidence behind a right answer that counts."""
        before = changed()
        found = outcome_of(self, answer, part, seed)
        if seed is None:
            self.verdicts[part] = found.verdict
        number = next((number for number, exercise in ours.items() if exercise is self), None)
        if seed is None and found.verdict == right and number and type(part) in (str, type(None)):
            what = {"exercise": number, "part": part}
            tampered = before or changed()
            name = None if tampered else fooled(self, part, time.monotonic())
            sign(what | ({"changed": tampered} if tampered else {"fooled": name} if name else {"right": True}))
        report(found)

    def names():
        """The notebook's names, but builtins and what the lab imports are what they should be."""
        clean = {name: value for name, value in shell.user_ns.items() if name not in words}
        for name, module, attribute in imports:
            if module in sys.modules:
                clean[name] = getattr(sys.modules[module], attribute) if attribute else sys.modules[module]
        return clean | {"__builtins__": builtins}

    def hidden(name, functions):
        """Run a hidden check, and see that it fails once the exercise's functions are known to be wrong."""
        text = (folder / name).read_text(encoding="utf-8")
        (folder / name).unlink()
        code, what = make(text, "<hidden check>", "exec"), {"hidden": name, "code": digest(text.encode()).hexdigest()}
        before = changed()
        run(code, names())
        tampered = before or changed()
        if tampered:
            sign(what | {"changed": tampered})
            return
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                run(code, names() | dict.fromkeys(functions, _nothing))
        except Exception:
            sign(what | {"right": True})
        else:
            sign(what | {"fooled": "one that returns None"})

    def asked(name, ask, say):
        """Lend a function of the notebook to the process that decides; it alone has oracle and verdict."""
        function = shell.user_ns.get(name, _missing(name))
        ends = os.open(ask, os.O_RDONLY), os.open(say, os.O_WRONLY)
        try:
            serve({"answer": function}, *ends)
        finally:
            for end in ends:
                os.close(end)

    hidden.asked = asked
    checked.__doc__, checked.__name__ = labs.Exercise.__call__.__doc__, "__call__"
    labs.Exercise.__call__ = checked
    changed = _watch([module for name, module in sorted(sys.modules.items())
                      if name in WATCHED or name.split(".")[:2] == ["mlelab", "check"]], checks)
    return hidden


def _missing(name):
    """What stands for a function that the notebook does not define."""

    def stops(*args, **kwargs):
        raise NameError(f"name {name!r} is not defined")

    return stops


def _nothing(*args, **kwargs):
    return None


def _known_wrong(source, area, beside):
    """known_wrong(exercise, part): answers that no check may take for right, the shortest one first."""
    loaded = []

    def mark(exercise, misconception, part=None):
        def register(function):
            loaded.append((exercise, part, function.__name__, function))
            return function

        return register if misconception else lambda function: function

    def load():
        package = types.ModuleType("tests.wrong_answers")
        package.wrong = mark
        package.right = lambda exercise, part=None: lambda function: function
        before = {name: sys.modules.get(name) for name in ("tests", "tests.wrong_answers")}
        sys.modules.update({"tests": types.ModuleType("tests"), "tests.wrong_answers": package})
        try:
            exec(compile(source, "<wrong answers>", "exec"), {"__name__": f"tests.wrong_answers.{area}"})
        except Exception:
            loaded.clear()  # what they need is not here: the first canary remains
        finally:
            for name, module in before.items():
                sys.modules.pop(name) if module is None else sys.modules.update({name: module})
        loaded.append((None, None, "one that returns None", _nothing))

    def known_wrong(exercise, part):
        if not loaded:
            load()
        mine = [(name, answer) for number, of_part, name, answer in [*loaded, *beside]
                if number == exercise and of_part in (None, part)]
        random.SystemRandom().shuffle(mine)
        return [("one that returns None", _nothing), *mine]

    return known_wrong


def _watch(modules, checks):
    """changed(): the name of a function that is not the one it was, or None.

    Additions do not matter, unless they hide what a class has inherited.
    """
    owners = {}
    for module in modules:
        owners[module.__name__] = module
        for name, value in vars(module).items():
            if isinstance(value, type) and value.__module__.split(".")[0] in ("mlelab", "pandas", "numpy"):
                owners[f"{value.__module__}.{name}"] = value
    bodies = {f"check.{exercise.name}": exercise.body for exercise in checks.exercises.values()
              if isinstance(exercise.body, type)}
    seen = []
    for place, owner in (owners | bodies | _specs(checks)).items():
        # classes of numpy in C cannot be changed, and looking at them is free
        for name, value in list(vars(owner).items()):
            plain = value.__func__ if isinstance(value, (staticmethod, classmethod)) else value
            # Data of a class is a check's own: a spy counts in it.
            decides = place.startswith("check.") or place.startswith("mlelab.check.") and owner in modules
            all_of_it = decides and not name.startswith("__")
            if name in FREE or f"{place}.{name}" == "numpy.test":
                continue
            if all_of_it or callable(plain) or isinstance(plain, (types.ModuleType, property)):
                seen.append((vars(owner), name, value, f"{place}.{name}", plain, *_inner(plain)))
    exercises = [(exercise, exercise.body, getattr(exercise.body, "__code__", None), number)
                 for number, exercise in checks.exercises.items()]
    misconceptions = dict(sys.modules["mlelab.check.misconceptions"].MISCONCEPTIONS)
    missing = object()
    inherited = [(vars(owner), set(dir(owner)) - set(vars(owner)), place) for place, owner in owners.items()
                 if isinstance(owner, type)]

    def changed():
        for values, name, value, said, plain, code, defaults in seen:
            now = values.get(name, missing)
            if now is not value and not _reloaded(value, now) or _inner(plain) != (code, defaults):
                return said
        for values, names, place in inherited:
            hidden = names & values.keys()
            if hidden:
                return f"{place}.{min(hidden)}"
        for exercise, body, code, number in exercises:
            if exercise.body is not body or getattr(body, "__code__", None) is not code or INSIDE & set(vars(exercise)):
                return f"the check of exercise {number}"
            if checks.exercises.get(number) is not exercise:
                return f"the check of exercise {number}"
        return None if misconceptions == sys.modules["mlelab.check.misconceptions"].MISCONCEPTIONS else "misconceptions"

    return changed


def _specs(checks):
    """What the engine knows of each exercise; every value in it decides."""
    return {f"check.{exercise.name} {part or ''}".rstrip(): spec for exercise in checks.exercises.values()
            for part in exercise.parts or (None,) if (spec := exercise.spec(part))}


def _reloaded(was, now):
    """Whether it is the same function, made once more by importlib.reload."""
    return (isinstance(was, types.FunctionType) and isinstance(now, types.FunctionType)
            and was.__code__ == now.__code__ and was.__globals__ is now.__globals__
            and not any((one.__closure__, one.__defaults__, one.__kwdefaults__) != (None, None, None)
                        for one in (was, now)))


def _inner(value):
    """What a function is made of; two of the same text are not the same."""
    value = getattr(value, "__func__", value)
    if not isinstance(value, types.FunctionType):
        return None, None
    return id(value.__code__), (id(value.__defaults__), id(value.__kwdefaults__))
