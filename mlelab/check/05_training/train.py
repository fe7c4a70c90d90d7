"""5.8 train: killed, resumed, damaged. The check kills runs and damages files in a folder of its own."""

import copy
import functools
import pickle
import re
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from . import lab

KEYS = ["step", "parameters", "velocity", "order", "position", "rng"]


@lab.exercise("5.8", section="when-a-machine-dies", hints=(
    "The whole `state` goes into the file, and the whole `state` comes out of it. Try the newest checkpoint first, "
    "where "
    "newest means the largest step as a *number*; if it cannot be read, the one before.",
    "Write `pickle.dumps(state)` to `folder / \"new.tmp\"`, then `.replace(folder / f\"step-{step}.pkl\")`. Read in "
    "the "
    "order of `int(path.stem[5:])`, largest first, and go on after any exception."))
class train:
    rule = "A run that was killed and called again ends bit for bit as one that was not."
    figure = ("Killed in the middle and resumed from its checkpoint: parameters, optimiser, data position and random "
              "numbers end bit for bit as if nothing had happened.")
    draws = 2

    def inputs(d):
        every = d.int(2, 4)
        return dict(steps=d.pick([17, 18, 20, 16]), every=every, stop=d.int(3 * every, 14), seed=d.int(0, 99),
                    damage=d.pick(["cut", "flipped", "empty", "text"]))

    def run(train, steps, every, stop, seed, damage):
        with tempfile.TemporaryDirectory() as root, _opened_for_writing(root) as opened:
            whole, killed, damaged = (_Run(train, Path(root) / name, steps, every, seed)
                                      for name in ("whole", "killed", "damaged"))
            seen = {"whole": whole(), "whole, started at its end": whole(), "steps at its end": whole.taken}
            for run in (killed, damaged):
                run(stop)
            due, before = stop // every * every, stop // every * every - every
            names = [path.name for path in killed.folder.iterdir()]
            kept = [int(found[1]) for name in names if (found := re.fullmatch(r"step-(\d+)\.pkl", name))]
            seen |= {"newest is there": due in kept, "only each `every` steps": all(n % every == 0 for n in kept),
                     "written in place": sorted(set(opened)), "resumed": killed(), "steps of resuming": killed.taken}
            _spoil(damaged.folder / f"step-{due}.pkl", damage)
            damaged(before + 1)  # killed again before it can write
            return seen | {"fallen back": damaged(), "steps of falling back": damaged.taken}

    def see(seen, **_):
        """States bit for bit, a generator by its state."""
        def shown(state):
            return {key: state[key].bit_generator.state if key == "rng" else state[key] for key in KEYS}

        return {what: shown(value) if isinstance(value, dict) else value for what, value in seen.items()}

    rtol = atol = 0.0

    def shows(steps, every, stop, seed, damage):
        return (f"train(state, advance, {steps=}, folder, {every=}): run whole and again; killed after {stop} steps "
                "and "
                f"called again; killed, the newest checkpoint {damage}, and called again", None)


class _Killed(BaseException):
    """The machine dies. Not an Exception, so that no answer can survive it by mistake."""


class _Run:
    """Runs of the answer in one folder, perhaps killed before the step after `stop`; `taken` counts steps."""

    def __init__(self, train, folder: Path, steps: int, every: int, seed: int):
        folder.mkdir()
        self.train, self.folder, self.steps, self.every, self.taken = train, folder, steps, every, 0
        rng = np.random.default_rng(seed)
        self.start = {"step": 0, "parameters": rng.normal(size=4), "velocity": np.zeros(4), "position": 0,
                      "order": rng.permutation(10), "rng": np.random.default_rng(int(rng.integers(1_000)))}

    def __call__(self, stop: int | None = None):
        self.taken = 0

        def advance(state):
            if state["step"] == stop:
                raise _Killed
            self.taken += 1
            if self.taken > 3 * self.steps:
                raise RuntimeError('the run must end when state["step"] is `steps`')
            return _advance(state)

        try:
            return self.train(self.start, advance, self.steps, self.folder, self.every)
        except _Killed:
            return None


def _advance(state: dict) -> dict:
    """One step of training in miniature: what it does next depends on each part of the state."""
    state = copy.deepcopy(state)
    if state["position"] + 3 > len(state["order"]):
        state["order"], state["position"] = state["rng"].permutation(len(state["order"])), 0
    rows = state["order"][state["position"]:state["position"] + 3]
    noise = state["rng"].normal(size=4)
    state["velocity"] = 0.9 * state["velocity"] - 0.1 * (state["parameters"] - np.sin(rows.sum()) + noise)
    state["parameters"] = state["parameters"] + state["velocity"]
    state["position"] += 3
    state["step"] += 1
    return state


def _spoil(path: Path, damage: str) -> None:
    data = path.read_bytes() if path.exists() else b"\x80\x04"
    middle = bytes([data[1] ^ 0xFF]) if len(data) > 1 else b""
    path.write_bytes({"cut": data[:len(data) // 2], "flipped": data[:1] + middle + data[2:], "empty": b"",
                      "text": b"no checkpoint"}[damage])


_watched: list[tuple[str, list[str]]] = []


def _watch(event: str, args: tuple) -> None:
    if event == "open" and _watched and isinstance(args[1], str) and set(args[1]) & set("wax+"):
        for root, opened in _watched:
            name = Path(str(args[0])).name
            if str(args[0]).startswith(root) and re.fullmatch(r"step-\d+\.pkl", name):
                opened.append("a checkpoint")


@functools.cache
def _install_watch() -> None:
    """Once, because an audit hook stays for the life of the process."""
    sys.addaudithook(_watch)


@contextmanager
def _opened_for_writing(root: str):
    """Whether a checkpoint below `root` is opened for writing under its own name."""
    _install_watch()
    opened: list[str] = []
    _watched.append((root, opened))
    try:
        yield opened
    finally:
        _watched.remove((root, opened))


# Answers: wrong ones with their misconceptions, and right ones written differently.


def newest(folder):
    return sorted(folder.glob("step-*.pkl"), key=lambda path: int(path.stem[5:]), reverse=True)


def restored(state, folder, passed_over=Exception):
    for path in newest(folder):
        try:
            return pickle.loads(path.read_bytes())
        except passed_over:
            continue
    return state


def saved(state, folder, name=None):
    unfinished = folder / "unfinished"
    unfinished.write_bytes(pickle.dumps(state))
    unfinished.rename(folder / (name or f"step-{state['step']}.pkl"))


def go_on(state, advance, steps, folder, every, save=saved):
    while state["step"] < steps:
        state = advance(state)
        if state["step"] % every == 0:
            save(state, folder)
    return state


@train.mistake("M57", "The whole state is kept and comes back: parameters alone are half a checkpoint.")
def parameters_only(state, advance, steps, folder, every):
    old = restored(state, folder)
    return go_on(state | {name: old[name] for name in ("step", "parameters")}, advance, steps, folder, every)


@train.mistake("M57", "The optimiser's state is part of the checkpoint.")
def optimiser_forgotten_on_resume(state, advance, steps, folder, every):
    return go_on(restored(state, folder) | {"velocity": state["velocity"]}, advance, steps, folder, every)


@train.mistake("M57", "The place in the data is part of the checkpoint.")
def epoch_starts_over(state, advance, steps, folder, every):
    return go_on(restored(state, folder) | {"position": 0}, advance, steps, folder, every)


@train.mistake("M57", "The random generator is part of the checkpoint.")
def random_numbers_start_over(state, advance, steps, folder, every):
    return go_on(restored(state, folder) | {"rng": state["rng"]}, advance, steps, folder, every)


@train.mistake("M57", "A run with a checkpoint goes on from it instead of starting anew.")
def checkpoints_never_read(state, advance, steps, folder, every):
    return go_on(state, advance, steps, folder, every)


@train.mistake("M57", "A checkpoint appears under its name only when it is complete: a machine can die in the middle "
                      "of a "
               "write.")
def written_in_place(state, advance, steps, folder, every):
    def save(state, folder):
        with open(folder / f"step-{state['step']}.pkl", "wb") as file:
            pickle.dump(state, file)

    return go_on(restored(state, folder), advance, steps, folder, every, save)


@train.mistake("M31", "step-N.pkl holds the state after N steps.")
def numbered_one_too_low(state, advance, steps, folder, every):
    def save(state, folder):
        saved(state, folder, f"step-{state['step'] - 1}.pkl")

    return go_on(restored(state, folder), advance, steps, folder, every, save)


@train.mistake("M99", "The state is written after each `every` steps, not after each step.")
def written_after_each_step(state, advance, steps, folder, every):
    return go_on(restored(state, folder), advance, steps, folder, 1)


@train.mistake("M34", "The newest checkpoint is the one of the largest step, as a number: step-9 is older than "
                      "step-12.")
def newest_by_alphabet(state, advance, steps, folder, every):
    for path in sorted(folder.glob("step-*.pkl"), reverse=True):
        try:
            return go_on(pickle.loads(path.read_bytes()), advance, steps, folder, every)
        except (EOFError, pickle.UnpicklingError, ValueError, KeyError, TypeError):
            continue
    return go_on(state, advance, steps, folder, every)


@train.mistake("M38", "A damaged checkpoint is passed over, and the one before it is used.")
def no_fallback(state, advance, steps, folder, every):
    for path in newest(folder)[:1]:
        state = pickle.loads(path.read_bytes())
    return go_on(state, advance, steps, folder, every)


@train.mistake("M38", "Damage shows in many ways: whatever reading raises, the file is passed over.")
def only_a_file_cut_short(state, advance, steps, folder, every):
    return go_on(restored(state, folder, EOFError), advance, steps, folder, every)


@train.mistake("M38", "A damaged checkpoint is passed over, and the one before it is used: keep more than one.")
def only_the_newest_is_kept(state, advance, steps, folder, every):
    def save(state, folder):
        saved(state, folder)
        for path in newest(folder)[1:]:
            path.unlink()

    return go_on(restored(state, folder), advance, steps, folder, every, save)


@train.mistake("M38", "Earlier checkpoints stay until a newer one is complete: the machine can die again.")
def tidies_up_on_resume(state, advance, steps, folder, every):
    state = restored(state, folder)
    for path in newest(folder):
        path.unlink()
    return go_on(state, advance, steps, folder, every)


@train.right
def keeps_the_last_two(state, advance, steps, folder, every):
    def save(state, folder):
        saved(state, folder)
        for path in newest(folder)[2:]:
            path.unlink()

    return go_on(restored(state, folder), advance, steps, folder, every, save)


@train.right
def with_a_part_file(state, advance, steps, folder, every):
    for path in newest(folder):
        try:
            with open(path, "rb") as file:
                state = pickle.load(file)
            break
        except Exception as error:
            print(f"{path.name} is damaged: {error}")
    for _ in range(state["step"], steps):
        state = advance(state)
        if not state["step"] % every:
            part = folder / f"step-{state['step']}.pkl.part"
            part.write_bytes(pickle.dumps(state, protocol=5))
            part.rename(folder / f"step-{state['step']}.pkl")
    return state
