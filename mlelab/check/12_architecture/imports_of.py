"""12.8 imports_of: the globals that a pickle would import, read from its opcodes."""

import collections
import datetime
import decimal
import fractions
import io
import pathlib
import pickle
import pickletools
import re

import numpy as np

from . import lab


class Loads:
    """An object whose pickle asks for any global when it is loaded; it is never loaded here."""

    def __init__(self, module, name, *args):
        self.call, self.args = _Global(module, name), args

    def __reduce__(self):
        return self.call, self.args


class _Global:
    """What pickles as a global of this name, whether or not there is such a module."""

    def __init__(self, module, name):
        self.module, self.name = module, name

    def __call__(self):
        raise TypeError("only its name is wanted")


class _Writer(pickle._Pickler):
    """Python's own pickler, with persistent ids, and with the globals of modules that need not be there."""

    def persistent_id(self, thing):
        return "flights" if thing is pathlib else None

    def save(self, thing, save_persistent_id=True):
        if type(thing) is not _Global:
            super().save(thing, save_persistent_id)
            return
        if self.proto >= 4:
            super().save(thing.module)
            super().save(thing.name)
            self.write(pickle.STACK_GLOBAL)
        else:
            self.write(f"c{thing.module}\n{thing.name}\n".encode())
        self.memoize(thing)


MODULES = ["acme.thieves", "os", "collections", "nt_or_posix", "builtins", "__builtin__"]
NAMES = ["system", "OrderedDict", "Thief.steal", "eval", "popen"]
OLD = [b"(iacme.old\nThief\np0\n.", b"(lp0\n(iacme.old\nThief\np1\na(ios\nsystem\np2\na.",
       b"(S'os'\nios\nWalk\n."]
TEXTS = ["os", "system", "collections", "OrderedDict", "cos\nsystem\n", "\x93", "acme.thieves", "eval", "a" * 300,
         "Größe"]


@lab.exercise("12.8", section="supply-chain", hints=(
    "`pickletools.dis` shows you what stands in a pickle. Three opcodes name a global; for one of them you must know "
    "which two texts came last, and a text can come out of the memo.",
    "Keep a list of texts, a memo (a dict), and what came last. A …UNICODE opcode brings its argument, BINGET and "
    "LONG_BINGET bring memo.get(argument), MEMOIZE stores what came last under len(memo), any other opcode brings "
    "None; each text that is brought goes on the list. STACK_GLOBAL takes the last two of it."))
class imports_of:
    rule = "Each global that GLOBAL, INST or STACK_GLOBAL names, once, as module.name, sorted; and nothing is loaded."
    raises = (ValueError,)

    def inputs(d):
        if d.flag(0.1):
            return dict(data=d.pick(OLD))
        used = []  # the same object again comes out of the memo

        def thing(depth=0):
            kind = d.pick(["global", "global", "global", "text", "text", "number", "again", "list", "dict", "harmless",
                           "harmless", "persistent", "bytes", "tuple", "same module", "same module"])
            if depth < 2 and kind in ("list", "dict", "tuple"):
                inside = [thing(depth + 1) for _ in range(d.int(0, 4))]
                return {"list": inside, "tuple": tuple(inside), "dict": dict(enumerate(inside))}[kind]
            if kind == "again" and used:
                return d.pick(used)
            known = [one.call for one in used if isinstance(one, Loads)]
            if kind == "same module" and known:
                used.append(Loads(known[-1].module, d.pick([known[-1].name, *NAMES])))
                return used[-1]
            made = {"global": lambda: Loads(d.pick(MODULES), d.pick(NAMES), *d.some(TEXTS[:4])[:2]),
                    "text": lambda: d.pick(TEXTS), "bytes": lambda: d.pick(TEXTS).encode(),
                    "persistent": lambda: pathlib, "harmless": lambda: d.pick(HARMLESS)}.get(kind)
            used.append(made() if made else d.int(0, 9))
            return used[-1]

        twice = Loads("acme.thieves", "Thief.steal"), Loads("acme.thieves", "hide")
        first = d.pick([[], [], [], [], [], [], [*(f"t{n}" for n in range(300)), *twice],
                        ["a" * (65_527 - d.int(1, 12)), twice[0]], [Loads("acme." + "x" * 260, "hide")]])
        file = io.BytesIO()  # many texts make long numbers in the memo, a long one makes a frame end between two texts
        _Writer(file, d.pick([4, 5, 4, 2, 0, 5, 1, 3])).dump([*first, *(thing() for _ in range(d.int(1, 5)))])
        data = file.getvalue()
        if d.flag(0.1) and not first:
            data = pickletools.optimize(data)
        if d.flag(0.08):
            return dict(data=data[:d.int(0, len(data) - 1)])
        return dict(data=data + (d.pick([b"", b"", b"cacme.behind\nf\n.", b"\xff"])))

    def real():
        from mlelab import case

        return dict(data=pickle.dumps(case.linear_model()))

    def figure(got, **_):
        return (f"The case's model, not even fitted, makes a pickle import {len(got)} names from "
                f"{len({name.split('.')[0] for name in got})} packages; each of them is code that runs.")

    def shows(data):
        return f"imports_of({data[:160]!r}{'…' if len(data) > 160 else ''})", None


HARMLESS = [collections.Counter("aab"), datetime.date(2013, 9, 1), decimal.Decimal("0.5"), fractions.Fraction(1, 6),
            np.float64(0.5), {1, 2}, len, collections.deque([1]), datetime.timedelta(3)]


# Answers: wrong ones with their misconceptions, and right ones written differently.


def scanned(data, *, names=("GLOBAL", "INST"), stacked=True, memo_used=True, order=sorted,
            joined=lambda module, name: f"{module}.{name}", counted=lambda top: True, once=dict.fromkeys,
            only_texts=True, kinds=None):
    texts, memo, top, found = [], {}, None, []
    for opcode, argument, _ in pickletools.genops(data):
        if opcode.name in names:
            found.append(joined(*argument.split(" ", 1)))
        elif opcode.name == "STACK_GLOBAL" and stacked:
            found.append(joined(*map(str, texts[-2:])))
        if opcode.name == "MEMOIZE":
            if counted(top):
                memo[len(memo)] = top
            continue
        top = argument if "UNICODE" in opcode.name and (not kinds or opcode.name in kinds) else None
        if opcode.name in ("BINGET", "LONG_BINGET") and memo_used:
            top = memo.get(argument)
        elif not only_texts:
            top = argument
        texts += [top] if top is not None else []
    return order(once(found))


imports_of.variants(
    scanned,
    short_texts_only=("M33", "A long text has an opcode of its own: BINUNICODE.", dict(kinds=("SHORT_BINUNICODE",))),
    old_protocols_only=("M33", "From protocol 4 on the two texts lie on the stack: STACK_GLOBAL.",
                        dict(stacked=False)),
    new_protocols_only=("M33", "Up to protocol 3 GLOBAL has the name as its argument.", dict(names=())),
    without_inst=("M33", "INST names a global, too.", dict(names=("GLOBAL",))),
    without_the_memo=("M33", "A text that came before comes out of the memo.", dict(memo_used=False)),
    frames_taken_for_texts=("M31", "A FRAME may stand between the two texts: its argument is a size.",
                            dict(only_texts=False)),
    only_texts_counted=("M31", "MEMOIZE stores under the number of entries so far: lists and the rest count, too.",
                        dict(counted=lambda top: isinstance(top, str))),
    as_they_come=("M99", "The names are sorted.", dict(order=list)),
    with_repeats=("M99", "Each name stands in the list once.", dict(once=list)),
    modules_only=("M99", "Module and name are wanted.", dict(joined=lambda module, name: module)),
    first_part_only=("M99", "The whole name is wanted, also of what lies within a class.",
                     dict(joined=lambda module, name: f"{module}.{name.split('.')[0]}")),
    with_a_blank=("M99", "Module and name are joined by a dot.", dict(joined=lambda module, name: f"{module} {name}")))


@imports_of.mistake("M63", "To load a pickle in order to look at it is what must not happen: its code has run by then.")
def loads_it(data):
    seen = set()

    class Watching(pickle.Unpickler):
        def find_class(self, module, name):
            seen.add(f"{module}.{name}")
            return super().find_class(module, name)

    Watching(io.BytesIO(data)).load()
    return sorted(seen)


@imports_of.mistake("M63", "An unpickler that imports nothing still builds what the pickle says: read the opcodes.")
def builds_with_dummies(data):
    seen = set()

    class Dummies(pickle.Unpickler):
        def find_class(self, module, name):
            seen.add(f"{module}.{name}")
            return dict

    Dummies(io.BytesIO(data)).load()
    return sorted(seen)


@imports_of.mistake("M32", "A text that looks like a name need not be one: opcodes tell what is imported.")
def looks_at_the_bytes(data):
    pickletools.dis(data, io.StringIO())
    return sorted({b".".join(pair).decode() for pair in re.findall(rb"c([\w.]+)\n([\w.]+)\n", data)})


@imports_of.mistake("M99", "Bytes that end too early raise ValueError: half a pickle tells half the truth.")
def what_could_be_read(data):
    for end in range(len(data), -1, -1):
        try:
            return scanned(data[:end] + (b"." if end < len(data) else b""))
        except ValueError:
            continue
    return []


@imports_of.mistake("M99", "Bytes behind the end of the first pickle are not looked at.")
def pickle_after_pickle(data):
    file, found = io.BytesIO(data), scanned(data)
    size = next(place for opcode, _, place in pickletools.genops(data) if opcode.name == "STOP") + 1
    while size < len(data):
        file.seek(size)
        found += scanned(file.read())
        size = len(data)
    return sorted(set(found))


@imports_of.right
def with_a_stack_of_texts(data):
    found, stack, memo = set(), [], {}
    for opcode, argument, _ in pickletools.genops(data):
        match opcode.name:
            case "GLOBAL" | "INST":
                module, name = argument.split(" ", 1)
                found.add(f"{module}.{name}")
                stack.append(None)
            case "STACK_GLOBAL":
                name, module = stack.pop(), stack.pop()
                found.add(f"{module}.{name}")
                stack.append(None)
            case "MEMOIZE":
                memo[len(memo)] = stack[-1]
            case "PUT" | "BINPUT" | "LONG_BINPUT":
                memo[argument] = stack[-1]
            case "GET" | "BINGET" | "LONG_BINGET":
                stack.append(memo[argument])
            case "FRAME" | "PROTO" | "STOP":
                pass
            case _:
                stack.append(argument if "UNICODE" in opcode.name else None)
    return sorted(found)


@imports_of.right
def backwards_from_each(data):
    steps = [(opcode.name, argument) for opcode, argument, _ in pickletools.genops(data)]
    kept, count = {}, 0
    for place, (name, argument) in enumerate(steps):
        if name == "MEMOIZE" or "PUT" in name:
            before = next(i for i in range(place - 1, -1, -1) if steps[i][0] not in ("FRAME", "PROTO"))
            kept[count if name == "MEMOIZE" else argument] = before
            count += 1

    def text(place):
        name, argument = steps[place]
        if "UNICODE" in name:
            return argument
        return text(kept[argument]) if "GET" in name else None

    found = {argument.replace(" ", ".", 1) for name, argument in steps if name in ("GLOBAL", "INST")}
    for place, (name, _) in enumerate(steps):
        if name == "STACK_GLOBAL":
            words = [text(i) for i in range(place) if "UNICODE" in steps[i][0] or "GET" in steps[i][0]]
            found.add(".".join(words[-2:]))
    return sorted(found)
