"""12.2 breaker: a circuit breaker, run through a script of calls with a clock that the script moves."""

import threading

from mlelab.check.port import Stopped

from . import lab

LAST = {"waits": 0.0, "fails": None, "takes": 0.0, "gives": "last", "args": (), "inside": False}
ERRORS = [TimeoutError, ConnectionError, ValueError, KeyError]


@lab.exercise("12.2", section="failure", hints=(
    "Three states, and two things that are remembered: failures in a row, and since when it is open. What happens to "
    "each of them after a success, after a failure, and after the trial?",
    "opened_at = None means closed. In call: if opened_at is not None and (a trial runs or clock() - opened_at < "
    "pause) raise opened. Else call the function: on success set failures to 0 and opened_at to None; on an "
    "exception count, and if this was the trial or the limit is reached set opened_at = clock(); raise again."))
class breaker:
    rule = ("`limit` failures in a row open it; then calls are refused until the pause is over; one trial decides "
            "whether it closes or opens for another pause.")
    steady = False  # `run` calls each function many times, and makes two of them

    def inputs(d):
        limit, pause = d.int(1, 4), d.pick([4.0, 0.5, 1.0, 10.0])
        start = d.pick([0.0, 100.0, -2.0, 0.25])
        opened, now, steps = d.pick([LookupError, PermissionError, RuntimeError]), start, []
        states = [[0, None], [0, None]]  # failures in a row, open since
        ill = d.pick([0.75, 0.5, 0.9])
        for _ in range(d.int(1, 14)):
            which = int(d.flag(0.15))
            failures, since = states[which]
            waits = 0.0
            if since is not None:
                waits = max(0.0, since + pause - now + d.pick([0.0, 0.0, -0.125, 0.125, -pause, 2 * pause]))
            elif d.flag(0.2):
                waits = d.pick([pause, 0.125, 4 * pause])
            now += waits
            fails = d.pick(ERRORS) if d.flag(ill) else None
            step = {"which": which, "waits": waits, "fails": fails, "takes": d.pick([0.0, 0.0, 0.125, pause]),
                    "gives": d.pick(["ok", None, 0, False]), "args": tuple(d.pick(["a", 1, None]) for _ in range(
                        d.int(0, 2))), "inside": False}
            if since is None or now - since >= pause:
                step["inside"] = since is not None and d.flag(0.4)
                now += step["takes"]
                failures = failures + 1 if fails else 0
                states[which] = [failures, now if fails and (since is not None or failures >= limit) else None]
            steps.append(step)
        return dict(limit=limit, pause=pause, start=start, opened=opened, steps=steps)

    def run(breaker, limit, pause, start, opened, steps):
        now, told, running = [start], [], []

        def function(*args):
            step = running[-1]
            told.append(f"{'inside: ' if len(running) > 1 else ''}function{args}")
            if step["inside"]:
                attempt(step | {"fails": None, "takes": 0.0, "inside": False, "args": ("inside",)})
            now[0] += step["takes"]
            if step["fails"]:
                raise step["fails"](f"failure {len(told)}")
            return step["gives"]

        calls = [breaker(function, limit, pause, lambda: now[0], opened) for _ in range(2)]

        def attempt(step):
            running.append(step)
            try:
                told.append(["returned", calls[step["which"]](*step["args"])])
            except Stopped as stopped:
                refused = stopped.kind is opened
                told.append(["refused"] if refused else ["raised", stopped.kind.__name__, stopped.text])
            finally:
                running.pop()

        for step in [*steps, *(LAST | {"which": which} for which in (0, 1))]:
            now[0] += step["waits"]
            attempt(step)
        return told

    def real():
        steps = [{"which": 0, "waits": 0.125, "fails": TimeoutError if 100 <= n < 600 else None, "takes": 0.0,
                  "gives": "ok", "args": (n,), "inside": False} for n in range(1_000)]
        return dict(limit=3, pause=10.0, start=0.0, opened=LookupError, steps=steps)

    def figure(got, steps, **_):
        calls = sum(isinstance(one, str) for one in got) - 2
        return (f"Of 1,000 calls, 500 of them while the other side is down, it lets {calls} through; "
                f"{len(steps) - calls} are answered at once from elsewhere. The last of these come after the "
                "repair, until the next trial.")

    def shows(limit, pause, start, opened, steps):
        import pandas as pd

        table = pd.DataFrame([{"after": step["waits"], "takes": step["takes"],
                               "function": step["fails"].__name__ if step["fails"] else "returns",
                               "calls again inside": step["inside"],
                               "breaker": step["which"] + 1} for step in steps])
        return f"breaker(function, limit={limit}, pause={pause:g}, clock from {start:g} on, {opened.__name__})", table


# Answers: wrong ones with their misconceptions, and right ones written differently.


def made(function, limit, pause, clock, opened, *, rest=lambda failures: 0, over=lambda since, pause: since >= pause,
         begins="after", trial=True, alone=True, reopens=True, passes=True, some=Exception, state=None, falsy=False,
         close=True, at=0, quiet=False,
         extends=False):
    state = {} if state is None else state
    state.setdefault("failures", 0), state.setdefault("opened", None), state.setdefault("trying", False)

    def call(*args):
        is_open = bool(state["opened"]) if falsy else state["opened"] is not None
        if is_open and (not trial or alone and state["trying"] or not over(clock() - state["opened"], pause)):
            if extends:
                state["opened"] = clock()
            if quiet:
                return None
            raise opened("open")
        state["trying"], begun = is_open, clock()
        try:
            result = function(*args)
        except some as error:
            state["failures"] += 1
            if is_open and reopens or state["failures"] >= limit + at:
                state["opened"] = clock() if begins == "after" else begun
                state["failures"] = state["failures"] if reopens else 0
            elif is_open and not reopens:
                state["opened"] = None
            if not passes:
                raise opened("failed") from error
            raise
        else:
            state["failures"] = rest(state["failures"])
            state["opened"] = None if close else state["opened"]
            return result
        finally:
            state["trying"] = False

    return call


breaker.variants(
    made,
    never_tries_again=("M38", "After the pause one call goes through: that is how it closes again.", dict(trial=False)),
    all_at_once_after_the_pause=("M73", "While the trial runs, other calls are refused: one call is enough to know.",
                                 dict(alone=False)),
    counts_anew_after_the_trial=("M73", "A failed trial opens it at once: it does not take `limit` failures again.",
                                 dict(reopens=False)),
    failures_in_all=("M36", "Failures in a row count: a success begins the count anew.",
                     dict(rest=lambda failures: failures)),
    one_less_by_a_success=("M36", "Failures in a row count: a success begins the count at 0.",
                           dict(rest=lambda failures: max(0, failures - 1))),
    one_failure_more=("M31", "The failure that makes `limit` opens it.", dict(at=1)),
    a_moment_longer=("M31", "A call exactly at the end of the pause goes through.",
                     dict(over=lambda since, pause: since > pause)),
    pause_from_the_call=("M67", "The pause begins when the failure came out, not when the call began.",
                         dict(begins="before")),
    hides_the_error=("M64", "What the function raised comes out as it is.", dict(passes=False)),
    refusals_begin_the_pause_anew=("M73", "The pause counts from the failure, whatever is refused meanwhile.",
                                   dict(extends=True)),
    stays_half_open=("M38", "A trial that succeeds closes it.", dict(close=False)),
    time_zero_is_false=("M47", "A clock may show 0: compare with None.", dict(falsy=True)),
    connections_only=("M99", "Any exception of the function is a failure.", dict(some=OSError)),
    nothing_in_place_of_an_answer=("M64", "An open breaker raises `opened`: None looks like an answer.",
                                   dict(quiet=True)))


@breaker.mistake("M98", "Each breaker has a state of its own.")
def one_state_for_all(function, limit, pause, clock, opened):
    try:
        state = function.state
    except AttributeError:
        state = function.state = {}
    return made(function, limit, pause, clock, opened, state=state)


@breaker.mistake("M99", "The function gets the arguments of the call.")
def without_arguments(function, limit, pause, clock, opened):
    call = made(function, limit, pause, clock, opened)
    return lambda *args: call()


@breaker.mistake("M73", "Open means that the function is not called.")
def asks_all_the_same(function, limit, pause, clock, opened):
    call = made(function, limit, pause, clock, opened)

    def guarded(*args):
        try:
            return call(*args)
        except opened:
            function(*args)
            raise

    return guarded


@breaker.mistake("M27", "Limit and pause are arguments.")
def three_and_ten(function, limit, pause, clock, opened):
    return made(function, 3, 10.0, clock, opened)


@breaker.right
def with_named_states(function, limit, pause, clock, opened):
    state = {"name": "closed", "failures": 0, "until": 0.0}
    lock = threading.RLock()

    def call(*args):
        with lock:
            if state["name"] == "open" and clock() >= state["until"]:
                state["name"] = "half-open"
            elif state["name"] != "closed":
                raise opened()
        try:
            answer = function(*args)
        except Exception:
            state["failures"] += 1
            if state["name"] == "half-open" or state["failures"] == limit:
                state.update(name="open", until=clock() + pause)
            raise
        state.update(name="closed", failures=0)
        return answer

    return call


@breaker.right
def as_a_class(function, limit, pause, clock, opened):
    class Breaker:
        left, since, busy = limit, None, False

        def __call__(self, *args):
            if self.since is not None:
                if self.busy or clock() - self.since < pause:
                    raise opened("the other side rests")
                self.busy, self.left = True, 1
            try:
                answer = function(*args)
            except Exception as error:
                self.left -= 1
                self.since, self.busy = (clock() if self.left <= 0 else None), False
                raise error
            self.left, self.since, self.busy = limit, None, False
            return answer

    return Breaker()
