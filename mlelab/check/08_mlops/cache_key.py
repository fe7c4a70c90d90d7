"""8.2 cache_key: a text that is the same exactly when the step would give the same result. Keys are compared."""

import hashlib
import json
import os
import tempfile
from pathlib import Path

from . import lab

SAME = ("touched and moved", "inputs in another order", "parameters in another order", "a dict inside in another order")
OTHER = ("a byte at the end", "the code", "the step", "a value", "a value inside", "the name of a parameter",
         "which file is which", "the name of an input", "which value is which", "a number or its text",
         "where step ends and code begins", "where one value ends and the next begins", "one text or two parameters",
         "a parameter more", "an input more", "order in a list",
         "a blank in the code", "an indent", "a capital letter")


@lab.exercise("8.2", section="run-only-what-changed", hints=(
    "List all that could change the result, and all that could not. The first list is the key, in a form in which "
    "two different lists never look alike.",
    "sha256 of `json.dumps([step, code, {name: sha256 of the file's bytes}, params], sort_keys=True)`."))
class cache_key:
    rule = "The key is the same exactly when step, code, contents of the inputs and parameters are the same."
    draws = 6

    def inputs(d):
        params = {"seed": d.pick(["23", "1", "0"]), "c": d.pick(["1", "7"]),
                  "grid": {"depth": d.pick([3, 4]), "rate": d.pick([0.5, 0.25]), "list": d.pick([[1, 2], [3, 4, 5]])}}
        size = d.pick([8, 1, 8, 20_000, 100_000])
        return dict(step=d.pick(["features", "größer"]), code=d.pick(["def f(a): return a", "return 'ß' + a"]),
                    files={"weather": [size, d.int(0, 200)], "flights": [9, d.int(0, 200)]}, params=params,
                    same=d.list(1, 2, lambda: d.pick(SAME)), other=d.list(1, 4, lambda: d.pick(OTHER)),
                    text=d.pick([",", "|", "&", ""]),
                    value=d.pick([1, None, True, 0.5]))

    def run(cache_key, step, code, files, params, same, other, text, value):
        """The key as it is, and with each change; the keys of both sides where one change needs two."""
        with tempfile.TemporaryDirectory() as scratch:
            def key(changed, place):
                folder = Path(scratch) / str(place)
                folder.mkdir()
                inputs = {}
                for name, (size, byte) in changed["files"].items():
                    inputs[name] = folder / f"{name}-{place}"
                    inputs[name].write_bytes(bytes([255]) * (size - 1) + bytes([byte]))
                    os.utime(inputs[name], (1_000_000 + place, 1_000_000 + place))
                return cache_key(changed["step"], changed["code"], inputs, changed["params"])

            base = dict(step=step, code=code, files=files, params=params)
            pairs = [(what, *_changed(what, base, text, value)) for what in [*same, *other]]
            return [[what, key(one, 2 * i), key(two, 2 * i + 1)] for i, (what, one, two) in enumerate(pairs)]

    def holds(got, same, **_):
        for what, one, two in got:
            yield "A key is a text, and not an empty one.", all(isinstance(k, str) and k for k in (one, two)), "M41"
            if what in same:
                yield (f"The result is the same ({what}), and so is the key.", one == two, "M72")
            else:
                yield (f"Another result may come out if this changes: {what}. It needs another key.", one != two, "M71")

    def shows(step, code, files, params, **_):
        return f"cache_key({step!r}, {code!r}, inputs={list(files)}, params={params}), and a changed one", None

    figure = "A key of content runs a step again for one changed byte, and not for a thousand touched files."


def _changed(what: str, base: dict, text: str, value) -> tuple[dict, dict]:
    """Both sides of a change; most change the first."""
    step, code, files, params = base.values()
    grid, (one, two) = params["grid"], files
    return {
        "touched and moved": (base, base),
        "inputs in another order": (base, base | {"files": dict(reversed(files.items()))}),
        "parameters in another order": (base, base | {"params": dict(reversed(params.items()))}),
        "a dict inside in another order": (base, base | {"params": params | {"grid": dict(reversed(grid.items()))}}),
        "a byte at the end": (base, base | {"files": files | {one: [files[one][0], files[one][1] + 1]}}),
        "the code": (base, base | {"code": code.replace("return", "yield")}),
        "a blank in the code": tuple(base | {"code": f"x = 'a{gap}b'"} for gap in (" ", "  ")),
        "an indent": tuple(base | {"code": f"if a:\n    b()\n{indent}c()"} for indent in ("", "    ")),
        "a capital letter": tuple(base | {"code": f"x = '{letter}'"} for letter in "aA"),
        "the step": (base, base | {"step": "model"}),
        "a value": (base, base | {"params": params | {"c": "2"}}),
        "a value inside": (base, base | {"params": params | {"grid": grid | {"depth": 9}}}),
        "order in a list": (base, base | {"params": params | {"grid": grid | {"list": grid["list"][::-1]}}}),
        "the name of a parameter": (base, base | {"params": {"d" if k == "c" else k: v for k, v in params.items()}}),
        "which file is which": (base | {"files": {one: [9, 201], two: [9, 202]}},
                                base | {"files": {one: [9, 202], two: [9, 201]}}),
        "the name of an input": (base, base | {"files": {"other" if k == one else k: v for k, v in files.items()}}),
        "which value is which": tuple(base | {"params": {"a": a, "b": b}} for a, b in (("7", "8"), ("8", "7"))),
        "a number or its text": tuple(base | {"params": params | {"c": v}} for v in (value, str(value))),
        "where step ends and code begins": (base, base | {"step": step + code[0], "code": code[1:]}),
        "where one value ends and the next begins": tuple(base | {"params": {"c": a, "seed": b}} for a, b in (
            ("1", "23"), ("12", "3"))),
        "one text or two parameters": tuple(base | {"params": given} for given in (
            {"a": f"1{text}b=2"}, {"a": "1", "b": "2"})),
        "a parameter more": (base, base | {"params": params | {"verbose": False}}),
        "an input more": (base, base | {"files": files | {"third": [1, 0]}})}[what]


# Answers: wrong ones with their misconceptions, and right ones written differently.


def digest(*parts):
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def contents(inputs, length=None):
    return {name: hashlib.sha256(path.read_bytes()[:length]).hexdigest() for name, path in inputs.items()}


@cache_key.mistake("M72")
def by_time_stamp(step, code, inputs, params):
    return digest(step, code, {name: path.stat().st_mtime for name, path in inputs.items()}, params)


@cache_key.mistake("M72")
def by_path(step, code, inputs, params):
    return digest(step, code, contents(inputs), params, [str(path) for _, path in sorted(inputs.items())])


@cache_key.mistake("M72")
def in_the_order_given(step, code, inputs, params):
    return hashlib.sha256(repr((step, code, contents(inputs), params)).encode()).hexdigest()


@cache_key.mistake("M72")
def sorted_at_the_top_only(step, code, inputs, params):
    return hashlib.sha256(repr((step, code, sorted(contents(inputs).items()), sorted(params.items()))).encode()
                          ).hexdigest()


@cache_key.mistake("M71")
def without_the_code(step, code, inputs, params):
    return digest(step, contents(inputs), params)


@cache_key.mistake("M71")
def without_the_step(step, code, inputs, params):
    return digest(code, contents(inputs), params)


@cache_key.mistake("M71")
def without_the_parameters(step, code, inputs, params):
    return digest(step, code, contents(inputs))


@cache_key.mistake("M71")
def without_the_content(step, code, inputs, params):
    return digest(step, code, {name: path.stat().st_size for name, path in inputs.items()}, params)


@cache_key.mistake("M71")
def the_beginning_of_a_file(step, code, inputs, params):
    return digest(step, code, contents(inputs, 65_536), params)


@cache_key.mistake("M71")
def without_the_names_of_the_inputs(step, code, inputs, params):
    return digest(step, code, sorted(contents(inputs).values()), params)


@cache_key.mistake("M71")
def values_torn_from_their_names(step, code, inputs, params):
    return digest(step, code, contents(inputs), sorted(params), sorted(digest(value) for value in params.values()))


@cache_key.mistake("M71")
def values_in_a_row(step, code, inputs, params):
    found = contents(inputs)
    text = step + code + "".join(name + found[name] for name in sorted(found)) + "".join(sorted(params))
    return digest(text + "".join(json.dumps(params[name], sort_keys=True).strip('"') for name in sorted(params)))


@cache_key.mistake("M71")
def step_and_code_run_together(step, code, inputs, params):
    return digest(step + code, contents(inputs), params)


@cache_key.mistake("M71")
def names_and_values_as_text(step, code, inputs, params):
    values = ",".join(f"{name}={json.dumps(params[name], sort_keys=True)}".replace('"', "") for name in sorted(params))
    return digest(step, code, contents(inputs), values)


@cache_key.mistake("M71")
def numbers_as_texts(step, code, inputs, params):
    return digest(step, code, contents(inputs), {name: value if isinstance(value, dict) else str(value)
                                                 for name, value in params.items()})


@cache_key.mistake("M98", "`hash` of a text is another one in each process: use a digest.")
def built_in_hash(step, code, inputs, params):
    return str(hash(json.dumps([step, code, contents(inputs), params], sort_keys=True)))


@cache_key.mistake("M71")
def without_white_space(step, code, inputs, params):
    return digest(step, " ".join(code.split()), contents(inputs), params)


@cache_key.mistake("M71")
def in_small_letters(step, code, inputs, params):
    return digest(step.lower(), code.lower(), contents(inputs), params)


@cache_key.right
def field_by_field(step, code, inputs, params):
    whole = hashlib.md5()
    for field in [step, code, json.dumps(params, sort_keys=True),
                  *(part for name in sorted(inputs) for part in (name, inputs[name].read_bytes()))]:
        raw = field if isinstance(field, bytes) else field.encode()
        whole.update(len(raw).to_bytes(8, "big") + raw)
    return whole.hexdigest()


@cache_key.right
def the_whole_text(step, code, inputs, params):
    def flat(value):
        if isinstance(value, dict):
            return tuple(sorted((name, flat(inner)) for name, inner in value.items()))
        return tuple(map(flat, value)) if isinstance(value, list) else repr(value)

    return repr((step, code, tuple((name, inputs[name].read_bytes().hex()) for name in sorted(inputs)), flat(params)))
