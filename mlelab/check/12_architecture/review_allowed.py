"""12.9 review_allowed: three versions of allowed that look right; two of them are not."""

import fnmatch
from collections.abc import Set

from mlelab.check import review

from . import lab
from .allowed import allowed


def allowed_a(policies: list[dict], who: dict, action: str, resource: str) -> bool:
    mine = {who["name"], "*"} | {"group:" + group for group in who["groups"]}
    path, permitted = resource.split("/"), False
    for policy in policies:
        pattern = policy["resource"].split("/")
        if pattern[-1] == "**" and len(path) >= len(pattern):
            pattern = pattern[:-1] + ["*"] * (len(path) - len(pattern) + 1)
        fits = len(pattern) == len(path) and all(
            one == other or one == "*" for one, other in zip(pattern, path))
        if fits and policy["who"] in mine and policy["action"] in {action, "*"}:
            if policy["effect"] == "forbid":
                return False
            permitted = True
    return permitted


def allowed_b(policies: list[dict], who: dict, action: str, resource: str) -> bool:
    mine = {who["name"], "*"} | {"group:" + group for group in who["groups"]}
    effects = [policy["effect"] for policy in policies
               if policy["who"] in mine and policy["action"] in {action, "*"}
               and fnmatch.fnmatchcase(resource, policy["resource"])]
    return "permit" in effects and "forbid" not in effects


def allowed_c(policies: list[dict], who: dict, action: str, resource: str) -> bool:
    mine = {who["name"], "*"} | {"group:" + group for group in who["groups"]}
    path, effects = resource.split("/"), set()
    for policy in policies:
        pattern = policy["resource"].split("/")
        if pattern[-1] == "**" and len(path) >= len(pattern) - 1:
            pattern = pattern[:-1] + ["*"] * (len(path) - len(pattern) + 1)
        fits = len(pattern) == len(path) and all(
            one in (other, "*") for one, other in zip(pattern, path))
        if fits and policy["who"] in mine and policy["action"] in {action, "*"}:
            effects.add(policy["effect"])
    return effects == {"permit"}


@lab.exercise("12.9", section="access", hints=(
    "All three agree on who and action, and on what wins. So look at what a star fits, and at how short a path may be.",
    "One policy that permits is enough for each: `*` and a resource with one segment more; `**` and the folder "
    "itself."))
@review.of(allowed, {allowed_a: None, allowed_b: "stars_as_in_file_names", allowed_c: "the_folder_itself"})
def review_allowed(policies, who, action, resource):
    """What makes an input of allowed valid."""
    yield "`policies` is a list of dicts.", isinstance(policies, list) and all(isinstance(p, dict) for p in policies)
    yield ("Each policy has `effect`, `who`, `action` and `resource`, all of them texts.",
           all(set(p) == {"effect", "who", "action", "resource"} and all(isinstance(v, str) for v in p.values())
               for p in policies))
    yield "An effect is \"permit\" or \"forbid\".", all(p["effect"] in ("permit", "forbid") for p in policies)
    yield ("`who` is a dict with `name`, a text, and `groups`, a set of texts.",
           isinstance(who, dict) and set(who) == {"name", "groups"} and isinstance(who["name"], str)
           and isinstance(who["groups"], Set) and all(isinstance(group, str) for group in who["groups"]))
    yield "`action` and `resource` are texts.", isinstance(action, str) and isinstance(resource, str)
    yield ("Names, groups and actions of a request are neither empty nor a star, and have no colon.",
           all(word and "*" not in word and ":" not in word for word in (who["name"], action, *who["groups"])))
    paths = [p["resource"].split("/") for p in policies]
    yield "No segment is empty.", all(all(path) for path in [resource.split("/"), *paths])
    yield "Stars stand in policies only.", "*" not in resource
    yield "`**` is a last segment only.", all("**" not in path[:-1] for path in paths)
    yield ("Brackets and question marks are no part of a resource here.",
           not any(sign in text for sign in "[]?" for text in (resource, *(p["resource"] for p in policies))))


# Answers: wrong ones with their misconceptions, and right ones written differently.


def given(pattern, resource, who="ada", groups=(), effect="permit", action="read", **more):
    policy = {"effect": effect, "who": who, "action": "read", "resource": pattern}
    return dict(policies=[policy], who={"name": "ada", "groups": set(groups)}, action=action, resource=resource) | more


review.wrong(review_allowed, "allowed_a",
             suspected_for_its_loop=given("models/**", "models/a/b"))
review.wrong(review_allowed, "allowed_b",
             not_suspected=None,
             one_segment=given("models/*", "models/alert"),
             forbidden_all_the_same=given("models/*", "models/alert/2", effect="forbid"),
             a_star_in_the_request=given("models/*", "models/*/2"),
             two_stars_inside=given("models/**/2", "models/a/b/2"),
             a_list_of_groups=given("models/*", "models/alert/2") | {"who": {"name": "ada", "groups": []}},
             an_effect_of_its_own=given("models/*", "models/alert/2", effect="allow"),
             policies_by_name=given("models/*", "models/alert/2") | {"policies": {}},
             nobody_asks=given("models/*", "models/alert/2") | {"who": {"name": "", "groups": set()}},
             a_resource_in_parts=given("models/*", "models/alert/2") | {"resource": ["models", "alert", "2"]},
             a_question_mark=given("models/?", "models/a"),
             no_effect=dict(policies=[{"who": "ada", "action": "read", "resource": "m/*"}],
                            who={"name": "ada", "groups": set()}, action="read", resource="m/a/b"))
review.wrong(review_allowed, "allowed_c",
             below_the_folder=given("data/**", "data/raw"),
             another_folder=given("data/**", "models"),
             an_empty_segment=given("data/**", "data/"),
             no_groups=given("data/**", "data") | {"who": {"name": "ada"}},
             not_suspected_either=None)


def each_part(answer):
    for part in review_allowed.parts:
        review_allowed.right(part=part)(answer)


@each_part
def for_a_group():
    return dict(allowed_a=None, allowed_b=given("*", "data/raw", who="group:training", groups=["training"]),
                allowed_c=given("data/*/**", "data/raw", who="*"))


@each_part
def by_what_is_forbidden():
    permit = {"effect": "permit", "who": "*", "action": "*", "resource": "a/b/c"}
    forbid = permit | {"effect": "forbid"}
    request = dict(who={"name": "bo", "groups": {"desk"}}, action="read", resource="a/b/c")
    return dict(allowed_a=None, allowed_b=dict(policies=[permit, forbid | {"resource": "a/*"}], **request),
                allowed_c=dict(policies=[permit, forbid | {"resource": "a/b/c/**"}], **request))
