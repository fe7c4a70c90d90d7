"""7.7 apply_event: the registry after one event."""

import copy
import itertools

from . import lab

KEYS = ("digest", "data", "code")


@lab.exercise("7.7", section="versions-and-aliases", hints=(
    "Copy the registry first. Then one branch for each kind of event: what must hold, and what changes.",
    "register: all of digest, data and code, and a new version number. alias: the version exists and is not retired; "
    "append it to the alias's list. rollback: drop the last of the list, if one is left that is not retired. retire: "
    "not the last of any alias, and no traffic. Everything else raises a ValueError."))
class apply_event:
    rule = "An event that is allowed changes what it is about and nothing else; any other raises a ValueError."
    raises = ValueError

    def inputs(d):
        numbers = d.order(d.some([1, 2, 3, 5, 8, 13], 2))
        versions = {n: {key: f"{key}-{n}" for key in KEYS} | {"retired": d.flag(0.3)} for n in numbers}
        alive = [n for n in numbers if not versions[n]["retired"]]
        aliases = {}
        for name in d.some(["champion", "canary", "shadow"]) if alive else []:
            history = [*d.list(0, 3, lambda: d.pick(numbers)), d.pick(alive)]
            aliases[name] = [n for n, then in itertools.pairwise([*history, None]) if n != then]
        traffic = {n: d.pick([0, 1, 10, 90]) if n in alive else 0 for n in d.some(numbers)}
        registry = {"versions": versions, "aliases": aliases, "traffic": traffic}
        return dict(registry=registry, event=_event(d, registry, numbers, alive))

    def run(apply_event, registry, event):
        for one in event if isinstance(event, list) else [event]:
            registry = apply_event(registry, one)
        return registry

    def real():
        record = {"digest": "d", "data": "data-1", "code": "c"}
        return dict(registry={"versions": {}, "aliases": {}, "traffic": {}}, event=[
            *({"do": "register", "version": v} | record for v in (1, 2, 3)),
            *({"do": "alias", "alias": "champion", "version": v} for v in (1, 3)),
            {"do": "rollback", "alias": "champion"}])

    def figure(got, **_):
        return ("Versions 1, 2 and 3 registered, the champion moved from 1 to 3 and rolled back: it is "
                f"{got['aliases']['champion'][-1]} again, and {len(got['versions'])} versions are on record.")


def _event(d, registry, numbers, alive):
    """Any event; neither an alias moved to where it is, nor a second retirement."""
    do, aliases = d.pick(["register", "alias", "rollback", "retire", "delete"]), registry["aliases"]
    version = d.pick([*numbers, 4, 99])
    if do == "register":
        event = {"do": do, "version": version, **{key: f"{key}-new" for key in KEYS}}
        left_out = d.pick([None, None, None, *KEYS])
        return {key: value for key, value in event.items() if key != left_out}
    if do == "alias":
        name = d.pick(["champion", "canary", "fallback"])
        d.need(aliases.get(name, [None])[-1] != version)
        return {"do": do, "alias": name, "version": version}
    if do == "rollback":
        return {"do": do, "alias": d.pick([*aliases, "fallback"])}
    if do == "delete":  # whatever else it says
        return {"do": do, "alias": d.pick([*aliases, "fallback"]), "version": version, **dict.fromkeys(KEYS, "x")}
    points = [history[-1] for history in aliases.values()]
    free = [n for n in alive if n not in points]
    groups = {"any": [], "once": [n for history in aliases.values() for n in history[:-1] if n in free],
              "idle": [n for n in free if registry["traffic"].get(n) == 0],
              "busy": [n for n in free if registry["traffic"].get(n)]}
    version = d.pick(groups[d.pick(list(groups))] or [version])
    d.need(version not in numbers or version in alive)
    return {"do": do, "version": version}


# Answers: wrong ones with their misconceptions, and right ones written differently.


def applied(registry, event, *, immutable=True, needs=KEYS, known=True, alive=True, alive_back=True,
            guard=("alias", "traffic"), back=lambda history, _: history[:-1], points=lambda history: history[-1:],
            carries=lambda share: share > 0):
    new = copy.deepcopy(registry)
    versions, aliases, version, do = new["versions"], new["aliases"], event.get("version"), event["do"]
    if do == "register":
        if immutable and version in versions or any(key not in event for key in needs):
            raise ValueError("not a new version with its lineage")
        versions[version] = {key: event.get(key) for key in KEYS} | {"retired": False}
    elif do == "alias":
        if known and version not in versions or alive and versions.get(version, {}).get("retired"):
            raise ValueError("an alias needs a living version")
        aliases.setdefault(event["alias"], []).append(version)
    elif do == "rollback":
        history = aliases.get(event["alias"], [])
        if len(history) < 2 or alive_back and versions[history[-2]]["retired"]:
            raise ValueError("nothing to go back to")
        aliases[event["alias"]] = back(history, sorted(versions))
    elif do == "retire":
        used = [version in points(history) for history in aliases.values()] if "alias" in guard else []
        used += [carries(new["traffic"].get(version, 0))] if "traffic" in guard else []
        if version not in versions or any(used):
            raise ValueError("in use, or unknown")
        versions[version]["retired"] = True
    else:
        raise ValueError(do)
    return new


apply_event.variants(applied,
    overwrites_a_version=("M20", "A version that exists is never written again.", dict(immutable=False)),
    without_lineage=("M65", "Without digest, data and code nobody can say later what a version was.", dict(needs=())),
    only_the_digest_counts=("M65", "Digest, data and code: all three must be there.", dict(needs=("digest",))),
    an_alias_to_anything=("M62", "An alias never points to nothing, and never to a retired version.",
        dict(known=False, alive=False, alive_back=False)),
    an_alias_to_nothing=("M62", "An alias never points to a version that does not exist.", dict(known=False)),
    an_alias_to_a_retired_version=("M62", "An alias never points to a retired version.", dict(alive=False)),
    back_to_a_retired_version=("M62", "An alias never points to a retired version, and a rollback does not either.",
        dict(alive_back=False)),
    back_to_the_number_before=("M68", "Rollback goes to the version that served before, not to the number before.",
        dict(back=lambda history, versions: [ *history[:-2], versions[versions.index(history[-1]) - 1]])),
    back_and_forth=("M68", "A rollback drops the last version, and remembers those before.",
        dict(back=lambda history, _: [*history, history[-2]])),
    retires_what_serves=("M68", "A version that serves is not retired: neither an alias's nor one with traffic.",
        dict(guard=())),
    retires_what_has_traffic=("M68", "A version that carries traffic is not retired.", dict(guard=("alias",))),
    retires_what_an_alias_names=("M68", "A version that an alias points to is not retired.", dict(guard=("traffic",))),
    keeps_all_that_ever_served=("M32", "An alias points to its last version; those before can be retired.",
        dict(points=list)))


@apply_event.mistake("M68", "With nothing before it there is no rollback: a ValueError.")
def back_to_nothing(registry, event):
    if event["do"] == "rollback" and len(registry["aliases"].get(event["alias"], [])) == 1:
        new = copy.deepcopy(registry)
        new["aliases"][event["alias"]] = []
        return new
    return applied(registry, event)


@apply_event.mistake("M68", "A rollback goes to the version before and to no other: if that is retired, a ValueError.")
def passes_over_the_retired(registry, event):
    if event["do"] != "rollback":
        return applied(registry, event)
    left = registry["aliases"].get(event["alias"], [])[:-1]
    while left and registry["versions"][left[-1]]["retired"]:
        left = left[:-1]
    if not left:
        raise ValueError("nothing to go back to")
    return {**copy.deepcopy(registry), "aliases": {**copy.deepcopy(registry["aliases"]), event["alias"]: left}}


@apply_event.mistake("M20", "A retired version stays on record: its number is not new.")
def a_retired_number_is_free(registry, event):
    if event["do"] != "register" or not registry["versions"].get(event["version"], {}).get("retired"):
        return applied(registry, event)
    return applied(registry, event, immutable=False)


@apply_event.mistake("M27", "A new number is one that no version has; numbers may be left out.")
def the_next_number(registry, event):
    if event["do"] == "register" and event["version"] < max(registry["versions"], default=0):
        raise ValueError("not the next one")
    return applied(registry, event)


@apply_event.mistake("M68", "An alias moves to the new version and remembers the old one.")
def forgets_what_was_before(registry, event):
    new = applied(registry, event)
    if event["do"] == "alias":
        new["aliases"][event["alias"]] = [event["version"]]
    return new


@apply_event.mistake("M31", "0 % is no traffic.")
def no_traffic_is_traffic(registry, event):
    return applied(registry, event, guard=("alias",)) if event["do"] != "retire" or event["version"] not in registry[
        "traffic"] else applied(registry, event, carries=lambda share: True)


@apply_event.mistake("M65", "A version is marked as retired, and stays on record.")
def retires_by_deleting(registry, event):
    new = applied(registry, event)
    if event["do"] == "retire":
        del new["versions"][event["version"]]
    return new


@apply_event.mistake("M64", "Everything that is not allowed raises a ValueError, an unknown alias as well.")
def an_unknown_alias_is_a_key_error(registry, event):
    if event["do"] == "rollback":
        registry["aliases"][event["alias"]]
    return applied(registry, event)


@apply_event.mistake("M64", "Everything that is not allowed raises a ValueError, an unknown version as well.")
def an_unknown_version_is_a_key_error(registry, event):
    if event["do"] == "retire":
        registry["versions"][event["version"]]
    return applied(registry, event)


@apply_event.mistake("M64", "An event of another kind raises a ValueError.")
def other_events_do_nothing(registry, event):
    return copy.deepcopy(registry) if event["do"] == "delete" else applied(registry, event)


@apply_event.right
def with_match(registry, event):
    new = copy.deepcopy(registry)
    match event:
        case {"do": "register", "version": v, "digest": digest, "data": data, "code": code} if v not in new["versions"]:
            new["versions"][v] = {"digest": digest, "data": data, "code": code, "retired": False}
        case {"do": "alias", "alias": name, "version": v} if not new["versions"].get(v, {"retired": True})["retired"]:
            new["aliases"][name] = [*new["aliases"].get(name, []), v]
        case {"do": "rollback", "alias": name} if len(new["aliases"].get(name, [])) > 1 and not new["versions"][
                new["aliases"][name][-2]]["retired"]:
            new["aliases"][name].pop()
        case {"do": "retire", "version": v} if v in new["versions"] and v not in [
                h[-1] for h in new["aliases"].values()] and not new["traffic"].get(v):
            new["versions"][v]["retired"] = True
        case _:
            raise ValueError(f"not allowed now: {event}")
    return new


@apply_event.right
def without_copying_everything(registry, event):
    versions, aliases, v = dict(registry["versions"]), dict(registry["aliases"]), event.get("version")
    history = aliases.get(event.get("alias"), [])
    serving = {h[-1] for h in aliases.values() if h} | {n for n, share in registry["traffic"].items() if share}
    allowed = {"register": v not in versions and set(event) >= set(KEYS),
               "alias": v in versions and not versions[v]["retired"],
               "rollback": len(history) >= 2 and not versions[history[-2]]["retired"],
               "retire": v in versions and v not in serving}
    if not allowed.get(event["do"], False):
        raise ValueError(event)
    if event["do"] == "register":
        versions[v] = {"retired": False, **{key: event[key] for key in KEYS}}
    elif event["do"] == "retire":
        versions[v] = {**versions[v], "retired": True}
    else:
        aliases[event["alias"]] = [*history, v] if event["do"] == "alias" else history[:-1]
    return {**registry, "versions": versions, "aliases": aliases}
