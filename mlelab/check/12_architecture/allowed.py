"""12.5 allowed: deny by default, forbid before permit, groups, and stars that stand for what they say."""

import fnmatch
import itertools
import re

from . import lab

NAMES, GROUPS, ACTIONS = ["ada", "bo", "ops"], ["ops", "training", "desk"], ["read", "write", "deploy", "read logs"]
WORDS = ["models", "data", "alert", "raw", "v2", "*", "mod*", "**"]


@lab.exercise("12.5", section="access", hints=(
    "Two questions for each policy: does it fit the request, and what does it say? Then one rule for all that fit.",
    "Split both texts at \"/\". With ** at the end compare the segments before it, and ask for at least one more; "
    "otherwise both have the same number. A segment fits if it is equal, or the pattern's is exactly \"*\". "
    "effects = {p[\"effect\"] for those that fit}; return effects == {\"permit\"}."))
class allowed:
    rule = ("A request is allowed if at least one policy that fits permits it, and none that fits forbids it; a policy "
            "fits if who, action and all segments of the resource do.")

    def inputs(d):
        more = [_request(d) for _ in range(d.int(0, 8))]  # drawn first: with fewer of them, one of them is the first
        return dict(zip(("policies", "who", "action", "resource"), _request(d))) | {"more": more}

    def run(allowed, policies, who, action, resource, more=()):
        if not more:
            return allowed(policies, who, action, resource)
        return [allowed(policies, who, action, resource), *(allowed(*request) for request in more)]

    def real():
        ada = {"name": "ada", "groups": {"training"}}
        return [dict(policies=COURSE, who=ada, action="write", resource="models/alert/v2")] + [
            dict(policies=COURSE, who={"name": name, "groups": groups}, action=action, resource=resource)
            for (name, groups), action, resource in itertools.product(
                [("ada", {"training"}), ("bo", {"desk"}), ("alert-service", set())], ACTIONS,
                ["models/alert/v2", "data/raw/flights", "predictions/2013/09"])]

    def figure(got, **_):
        return "Whoever trains may write a model, and the raw data nobody: forbid wins over every permit."

    def shows(policies, who, action, resource, more=()):
        lines = "; ".join(f"{p['effect']} {p['who']} {p['action']} {p['resource']}" for p in policies) or "none"
        return f"allowed(policies, who={who}, action={action!r}, resource={resource!r}); policies: {lines}" + (
            f" (and {len(more)} others)" if more else ""), None


def _request(d):
    """Policies, and a request that some of them fit, or just do not."""
    who = {"name": d.pick(NAMES), "groups": set(d.some(GROUPS)[:2])}
    action = d.pick(ACTIONS)
    resource = [d.pick(WORDS[:5]) for _ in range(d.int(1, 4))]

    def fitting():
        pattern = [d.pick([word, word, "*"]) for word in resource]
        return [*pattern[:d.int(0, len(pattern) - 1)], "**"] if d.flag(0.4) else pattern

    def near():
        pattern = fitting()
        change = d.pick(["word", "longer", "shorter", "all below", "part", "upper", "joined", "open", "open"])
        place = d.int(0, len(pattern) - 1)
        part = resource[min(place, len(resource) - 1)][:3] + "*"
        word = {"word": d.pick(WORDS[:5]), "part": part, "upper": pattern[place].upper()}.get(change)
        if word:
            return [*pattern[:place], word, *pattern[place + 1:]]
        return {"longer": [*pattern[:-1], "*", pattern[-1]], "shorter": pattern[:-1] or ["*"], "joined": ["*"],
                "all below": [*resource, "**"], "open": [*resource[:max(1, len(resource) - 2)], "*"]}[change]

    def policy():
        groups = [f"group:{name}" for name in (sorted(who["groups"]) or GROUPS)]
        whom = d.pick([who["name"], who["name"], "*", "*", *groups, *(f"group:{name}" for name in GROUPS), *NAMES])
        return {"effect": d.pick(["permit", "permit", "forbid"]), "who": whom,
                "action": d.pick([action, action, action, action, "*", "*", *ACTIONS]),
                "resource": "/".join(d.pick([fitting, near, near])())}

    return [policy() for _ in range(d.pick([1, 1, 1, 2, 2, 3, 4, 0]))], who, action, "/".join(resource)


COURSE = [
    {"effect": "permit", "who": "group:training", "action": "*", "resource": "models/*/*"},
    {"effect": "permit", "who": "group:training", "action": "*", "resource": "data/**"},
    {"effect": "permit", "who": "alert-service", "action": "read", "resource": "models/alert/*"},
    {"effect": "permit", "who": "group:desk", "action": "read", "resource": "predictions/**"},
    {"effect": "forbid", "who": "*", "action": "write", "resource": "data/raw/**"}]


# Answers: wrong ones with their misconceptions, and right ones written differently.


def segments(pattern, path, *, star=lambda word: True, below=1, part=False, inner=False):
    pattern, path = pattern.split("/"), path.split("/")
    if pattern[-1] == "**":
        pattern = pattern[:-1]
        if len(path) < len(pattern) + below:
            return False
        path = path[:len(pattern)]
    return len(pattern) == len(path) and all(
        (one == "*" and star(other)) or one == other or part and fnmatch.fnmatchcase(other, one)
        for one, other in zip(pattern, path))


def person(whom, who, *, star=True, groups=True, mixed=False, named=True):
    return (star and whom == "*" or named and whom == who["name"]
            or groups and whom.removeprefix("group:") in who["groups"] and whom.startswith("group:")
            or mixed and whom in who["groups"] or mixed and whom == f"group:{who['name']}")


def decided(policies, who, action, resource, *, path=segments, whom=person, verb=lambda one, other: one in ("*", other),
            verdict=lambda effects: set(effects) == {"permit"}):
    return verdict([p["effect"] for p in policies if whom(p["who"], who) and verb(p["action"], action)
                    and path(p["resource"], resource)])


def like_a_file_name(pattern, path):
    return fnmatch.fnmatchcase(path, pattern)


allowed.variants(
    decided,
    allowed_unless_forbidden=("M26", "Where no policy fits, the request is denied.",
                              dict(verdict=lambda effects: "forbid" not in effects)),
    one_permit_is_enough=("M26", "A policy that forbids wins over all that permit.",
                          dict(verdict=lambda effects: "permit" in effects)),
    first_match_decides=("M34", "The order of the policies does not matter: forbid wins wherever it stands.",
                         dict(verdict=lambda effects: effects[:1] == ["permit"])),
    last_match_decides=("M34", "The order of the policies does not matter: forbid wins wherever it stands.",
                        dict(verdict=lambda effects: effects[-1:] == ["permit"])),
    majority=("M26", "One policy that forbids wins, however many permit.",
              dict(verdict=lambda effects: effects.count("permit") > effects.count("forbid"))),
    stars_as_in_file_names=("M99", "A star stands for exactly one segment, and no more.", dict(path=like_a_file_name)),
    parts_of_a_segment=("M99", "A star within a longer segment is a plain character.",
                        dict(path=lambda pattern, path: segments(pattern, path, part=True))),
    the_folder_itself=("M31", "`**` stands for at least one segment: what lies below, and not the folder itself.",
                       dict(path=lambda pattern, path: segments(pattern, path, below=0))),
    one_level_below=("M33", "`**` stands for any number of segments, not only for one.",
                     dict(path=lambda pattern, path: segments(pattern.replace("**", "*"), path))),
    prefix_of_the_text=("M32", "Segments are compared, not the text: data/raw is no part of data/raw2.",
                        dict(path=lambda pattern, path: path.startswith(pattern.rstrip("*").rstrip("/")))),
    exact_resources_only=("M99", "Stars in a resource stand for segments.",
                          dict(path=lambda pattern, path: pattern == path)),
    without_groups=("M99", "A policy for a group fits whoever is in it.",
                    dict(whom=lambda whom, who: person(whom, who, groups=False))),
    groups_and_names_mixed=("M32", "A group and a person may have the same name: `group:` tells them apart.",
                            dict(whom=lambda whom, who: person(whom, who, mixed=True))),
    nobody_is_everybody=("M99", "A star as `who` fits everybody.",
                         dict(whom=lambda whom, who: person(whom, who, star=False))),
    action_star_forgotten=("M99", "A star as `action` fits every action.",
                           dict(verb=lambda one, other: one == other)),
    write_includes_read=("M99", "An action includes no other: who may write may not read for that.",
                         dict(verb=lambda one, other: one in ("*", other) or (one, other) == ("write", "read"))))


@allowed.right
def with_regular_expressions(policies, who, action, resource):
    def pattern(text):
        parts = [{"*": "[^/]+"}.get(part, re.escape(part)) for part in text.split("/")]
        if text.split("/")[-1] == "**":
            parts[-1] = ".+"
        return re.compile("/".join(parts))

    known = {"*", who["name"], *(f"group:{group}" for group in who["groups"])}
    permitted = False
    for policy in policies:
        fits = (policy["who"] in known and policy["action"] in {"*", action}
                and pattern(policy["resource"]).fullmatch(resource))
        if fits and policy["effect"] == "forbid":
            return False
        permitted = permitted or bool(fits)
    return permitted


@allowed.right
def segment_by_segment(policies, who, action, resource):
    def path(pattern, given):
        if not pattern or not given:
            return not pattern and not given
        if pattern == ["**"]:
            return True
        return pattern[0] in ("*", given[0]) and path(pattern[1:], given[1:])

    effects = []
    for policy in policies:
        kind, _, group = policy["who"].partition(":")
        someone = kind in ("*", who["name"]) if not group else group in who["groups"]
        if someone and policy["action"] in ("*", action) and path(policy["resource"].split("/"), resource.split("/")):
            effects.append(policy["effect"])
    return bool(effects) and "forbid" not in effects
