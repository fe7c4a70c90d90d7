"""Wrong (and differently written right) answers of lab 7."""

import copy
import hashlib
import itertools
import json
import math
import pickle
import random
import traceback
import zlib
from pathlib import Path

import numpy as np
import pandas as pd

from tests.wrong_answers import right, wrong

# 7.1 load_bundle


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def sound(folder, schema, digest, names=("transform.json", "model.json")):
    raw = (folder / "bundle.json").read_bytes()
    manifest = json.loads(raw)
    if digest != sha256(raw) or manifest["schema"] != schema:
        raise ValueError("not this bundle")
    for name in names:
        if not (folder / name).exists() or sha256((folder / name).read_bytes()) != manifest["files"][name]:
            raise ValueError(f"{name} was changed")
    return manifest


def predictor(folder, prepare=True):
    transform = json.loads((folder / "transform.json").read_text())
    model = json.loads((folder / "model.json").read_text())

    def predict(rows):
        x = rows
        if prepare:
            x = (np.where(np.isnan(rows), transform["fill"], rows) - transform["mean"]) / transform["scale"]
        return 1 / (1 + np.exp(-(x @ np.array(model["weights"]) + model["intercept"])))

    return predict


@wrong("7.1", "M61")
def the_estimator_only(folder, schema, digest):
    sound(folder, schema, digest)
    return predictor(folder, prepare=False)


@wrong("7.1", "M62")
def takes_what_is_there(folder, schema, digest):
    return predictor(folder)


@wrong("7.1", "M62")
def the_model_file_only(folder, schema, digest):
    sound(folder, schema, digest, names=["model.json"])
    return predictor(folder)


@wrong("7.1", "M62")
def any_schema(folder, schema, digest):
    sound(folder, 3, digest)
    return predictor(folder)


@wrong("7.1", "M62")
def believes_the_manifest(folder, schema, digest):
    sound(folder, schema, sha256((folder / "bundle.json").read_bytes()))
    return predictor(folder)


@wrong("7.1", "M62")
def fails_with_an_assertion(folder, schema, digest):
    try:
        sound(folder, schema, digest)
    except ValueError as error:
        raise AssertionError(error) from None
    return predictor(folder)


@wrong("7.1", "M62")
def half_a_copy_is_a_surprise(folder, schema, digest):
    (folder / "model.json").read_bytes()
    sound(folder, schema, digest)
    return predictor(folder)


@wrong("7.1", "M63")
def opens_the_pickle(folder, schema, digest):
    sound(folder, schema, digest)
    if (folder / "model.pkl").exists():
        pickle.loads((folder / "model.pkl").read_bytes())
    return predictor(folder)


@wrong("7.1", "M63")
def opens_the_pickle_before_it_looks(folder, schema, digest):
    for path in Path(folder).glob("*.pkl"):
        pickle.loads(path.read_bytes())
    sound(folder, schema, digest)
    return predictor(folder)


@right("7.1")
def with_a_loop_over_the_rows(folder, schema, digest):
    manifest = sound(folder, schema, digest)
    parts = {name: json.loads((Path(folder) / name).read_text()) for name in manifest["files"] if name.endswith("json")}
    transform, model = parts["transform.json"], parts["model.json"]

    def predict(rows):
        chances = []
        for row in rows:
            score = model["intercept"]
            for value, fill, mean, scale, weight in zip(row, transform["fill"], transform["mean"], transform["scale"],
                                                        model["weights"]):
                score += weight * ((fill if math.isnan(value) else value) - mean) / scale
            chances.append(1 / (1 + math.exp(-score)))
        return chances

    return predict


# 7.2 handle


def broken(instances, columns):
    return not isinstance(instances, list) or any(
        not isinstance(row, dict) or not isinstance(row.get(name), (int, float)) or math.isnan(row[name])
        for row in instances for name, kind in columns.items() if kind == "number")


def respond(payload, score, columns, version, *, invalid=422, shape=lambda chances: chances, fault="failed"):
    told = {"request_id": payload["request_id"]}
    if broken(payload["instances"], columns):
        return invalid, told | {"error": "see the contract"}
    try:
        chances = score(payload["instances"])
    except Exception:
        return 500, told | {"error": fault if isinstance(fault, str) else fault()}
    return 200, told | {"model_version": version, "predictions": shape(chances)}


@wrong("7.2", "M08")
def missing_is_zero(payload, score, columns, version):
    rows = payload["instances"]
    if isinstance(rows, list):
        rows = [{name: 0 if kind == "number" and (row.get(name) is None or row[name] != row[name]) else row[name]
                 for name, kind in columns.items()} for row in rows]
    return respond(payload | {"instances": rows}, score, columns, version)


@wrong("7.2", "M32")
def a_class_instead_of_a_chance(payload, score, columns, version):
    return respond(payload, score, columns, version, shape=lambda chances: [int(p >= 0.5) for p in chances])


@wrong("7.2", "M64")
def status_200_with_an_error_text(payload, score, columns, version):
    return respond(payload, score, columns, version, invalid=200)


@wrong("7.2", "M64")
def everything_is_our_fault(payload, score, columns, version):
    return respond(payload, score, columns, version, invalid=500)


@wrong("7.2", "M64")
def shows_the_traceback(payload, score, columns, version):
    return respond(payload, score, columns, version, fault=traceback.format_exc)


@wrong("7.2", "M65")
def refuses_without_a_name(payload, score, columns, version):
    status, body = respond(payload, score, columns, version)
    return status, body if status == 200 else {"error": body["error"]}


@wrong("7.2", "M65")
def without_the_version(payload, score, columns, version):
    status, body = respond(payload, score, columns, version)
    body.pop("model_version", None)
    return status, body


@wrong("7.2", "M65")
def without_the_request(payload, score, columns, version):
    status, body = respond(payload, score, columns, version)
    del body["request_id"]
    return status, body


@wrong("7.2", "M47")
def nothing_asked_is_an_error(payload, score, columns, version):
    if not payload["instances"]:
        return 422, {"request_id": payload["request_id"], "error": "nothing to predict"}
    return respond(payload, score, columns, version)


@wrong("7.2", "M26")
def a_list_of_known_carriers(payload, score, columns, version):
    rows = payload["instances"]
    if not broken(rows, columns) and any(row["carrier"] not in ("UA", "DL", "B6") for row in rows):
        return 422, {"request_id": payload["request_id"], "error": "unknown carrier"}
    return respond(payload, score, columns, version)


@right("7.2")
def branch_by_branch(payload, score, columns, version):
    body, rows = {"request_id": payload["request_id"]}, payload["instances"]
    if not isinstance(rows, list):
        return 422, {**body, "error": "`instances` must be a list"}
    for row in rows:
        if not isinstance(row, dict):
            return 422, {**body, "error": "a flight must be an object"}
        for name in [name for name, kind in columns.items() if kind == "number"]:
            value = row.get(name, float("nan"))
            if value is None or value != value:
                return 422, {**body, "error": f"{name} is missing"}
    if not rows:
        return 200, {**body, "model_version": version, "predictions": []}
    try:
        return 200, {**body, "model_version": version, "predictions": score(rows)}
    except Exception:
        return 500, {**body, "error": "The service failed."}


# 7.3 micro_batches


def batches(arrivals, max_size, max_wait):
    made, open_ = [], []
    for i, at in enumerate(arrivals):
        if open_ and at > arrivals[open_[0]] + max_wait:
            made.append((arrivals[open_[0]] + max_wait, open_))
            open_ = []
        open_ = [*open_, i]
        if len(open_) == max_size:
            made.append((at, open_))
            open_ = []
    return [*made, (arrivals[open_[0]] + max_wait, open_)] if open_ else made


@wrong("7.3", "M26")
def waits_until_it_is_full(arrivals, max_size, max_wait):
    groups = [list(range(i, min(i + max_size, len(arrivals)))) for i in range(0, len(arrivals), max_size)]
    return [(arrivals[group[-1]], group) for group in groups]


@wrong("7.3", "M26")
def batches_of_any_size(arrivals, max_size, max_wait):
    return batches(arrivals, len(arrivals) + 1, max_wait)


@wrong("7.3", "M26")
def the_last_one_counts(arrivals, max_size, max_wait):
    """Waits anew with each request that joins."""
    made, group = [], [0]
    for i in range(1, len(arrivals)):
        if len(group) == max_size or arrivals[i] > arrivals[group[-1]] + max_wait:
            made.append((arrivals[group[-1]] + (0 if len(group) == max_size else max_wait), group))
            group = []
        group.append(i)
    return [*made, (arrivals[group[-1]] + max_wait, group)]


@wrong("7.3", "M09")
def loses_the_tail(arrivals, max_size, max_wait):
    made = batches(arrivals, max_size, max_wait)
    return made[:-1]


@wrong("7.3", "M34")
def newest_first(arrivals, max_size, max_wait):
    return [(at, group[::-1]) for at, group in batches(arrivals, max_size, max_wait)]


@wrong("7.3", "M32")
def no_batches_at_all(arrivals, max_size, max_wait):
    return [(at, [i]) for i, at in enumerate(arrivals)]


@wrong("7.3", "M01")
def leaves_when_it_opens(arrivals, max_size, max_wait):
    return [(arrivals[group[0]], group) for _, group in batches(arrivals, max_size, max_wait)]


@wrong("7.3", "M31")
def one_too_few(arrivals, max_size, max_wait):
    return batches(arrivals, max(max_size - 1, 1), max_wait)


@right("7.3")
def by_deadline(arrivals, max_size, max_wait):
    made, i = [], 0
    while i < len(arrivals):
        deadline = arrivals[i] + max_wait
        j = i
        while j < len(arrivals) and arrivals[j] <= deadline and j - i < max_size:
            j += 1
        made.append((arrivals[j - 1] if j - i == max_size else deadline, range(i, j)))
        i = j
    return made


# 7.4 tail_latency


def tails(values):
    values = sorted(values)
    return {f"p{q}": float(values[math.ceil(q * len(values) / 100) - 1]) for q in (50, 95, 99)}


def waited(frame, timeout, start="intended"):
    return (frame["done"] - frame[start]).fillna(timeout)


@wrong("7.4", "M66")
def average_of_the_percentiles(replicas, timeout):
    return pd.DataFrame([tails(waited(frame, timeout)) for frame in replicas]).mean().to_dict()


@wrong("7.4", "M32")
def the_worst_replica(replicas, timeout):
    return pd.DataFrame([tails(waited(frame, timeout)) for frame in replicas]).max().to_dict()


@wrong("7.4", "M67")
def from_the_start_of_service(replicas, timeout):
    return tails(np.concatenate([waited(frame, timeout, "started") for frame in replicas]))


@wrong("7.4", "M17")
def the_mean(replicas, timeout):
    mean = float(np.concatenate([waited(frame, timeout) for frame in replicas]).mean())
    return dict.fromkeys(["p50", "p95", "p99"], mean)


@wrong("7.4", "M09")
def without_those_that_never_came_back(replicas, timeout):
    return tails(np.concatenate([(frame["done"] - frame["intended"]).dropna() for frame in replicas]))


@wrong("7.4", "M08")
def no_answer_took_no_time(replicas, timeout):
    return tails(np.concatenate([waited(frame, 0.0) for frame in replicas]))


@right("7.4")
def with_numpy(replicas, timeout):
    both = pd.concat(replicas)
    values = np.percentile(waited(both, timeout), [50, 95, 99], method="inverted_cdf")
    return dict(zip(["p50", "p95", "p99"], values))


# 7.5 route


def pick(place, weights):
    if sum(weights.values()) != 100:
        raise ValueError("weights must sum to 100")
    reached = itertools.accumulate(weights[version] for version in sorted(weights))
    return next(version for version, end in zip(sorted(weights), reached) if place < end)


def place_of(text):
    return int(hashlib.sha256(text.encode()).hexdigest(), 16) % 100


@wrong("7.5", "M18")
def throws_dice(unit_id, weights, salt):
    return pick(random.randrange(100), weights)


@wrong("7.5", "M18")
def built_in_hash(unit_id, weights, salt):
    return pick(hash(unit_id) % 100, weights)


@wrong("7.5", "M18")
def the_last_two_digits(unit_id, weights, salt):
    return pick(int(unit_id[-2:]), weights)


@wrong("7.5", "M18")
def makes_them_sum_to_100(unit_id, weights, salt):
    rest = 100 - sum(weights.values())
    return pick(place_of(f"{salt}:{unit_id}"), weights | {max(weights): weights[max(weights)] + rest})


@wrong("7.5", "M18")
def another_draw_for_each_split(unit_id, weights, salt):
    return pick(place_of(f"{salt}:{unit_id}:{sorted(weights.items())}"), weights)


@wrong("7.5", "M12")
def without_the_salt(unit_id, weights, salt):
    return pick(place_of(unit_id), weights)


@wrong("7.5", "M31")
def the_boundary_belongs_to_both(unit_id, weights, salt):
    if sum(weights.values()) != 100:
        raise ValueError("weights must sum to 100")
    return "v1" if place_of(f"{salt}:{unit_id}") < min(weights["v1"], 99) else "v2"


@right("7.5")
def with_a_checksum_and_ranges(unit_id, weights, salt):
    if sum(weights.values()) != 100:
        raise ValueError(f"{weights} sum to {sum(weights.values())}")
    places = [version for version, weight in sorted(weights.items()) for _ in range(weight)]
    return places[zlib.crc32(zlib.crc32(f"{salt}/{unit_id}".encode()).to_bytes(4, "big")) % 100]


# 7.6 decide


def rates(arm):
    return arm["good"] / arm["requests"], arm["errors"] / arm["requests"]


def verdict(control, canary, planned, z=1.96):
    (a, _), (b, _) = rates(control), rates(canary)
    error = math.sqrt(a * (1 - a) / control["requests"] + b * (1 - b) / canary["requests"])
    if canary["requests"] < planned or abs(b - a) <= z * error:
        return "hold"
    return "promote" if b > a else "rollback"


def breached(canary, guardrails):
    return rates(canary)[1] > guardrails["error_rate"] or canary["p99"] > guardrails["p99"]


@wrong("7.6", "M16")
def the_better_number_wins(control, canary, guardrails, planned):
    if breached(canary, guardrails):
        return "rollback"
    if canary["requests"] < planned:
        return "hold"
    return "promote" if rates(canary)[0] > rates(control)[0] else "rollback"


@wrong("7.6", "M19")
def as_soon_as_it_looks_good(control, canary, guardrails, planned):
    return "rollback" if breached(canary, guardrails) else verdict(control, canary, planned=0)


@wrong("7.6", "M26")
def without_latency(control, canary, guardrails, planned):
    return "rollback" if rates(canary)[1] > guardrails["error_rate"] else verdict(control, canary, planned)


@wrong("7.6", "M26")
def guardrails_after_the_metric(control, canary, guardrails, planned):
    found = verdict(control, canary, planned)
    return "rollback" if found == "hold" and breached(canary, guardrails) else found


@wrong("7.6", "M26")
def guardrails_wait_for_the_plan(control, canary, guardrails, planned):
    if canary["requests"] < planned:
        return "hold"
    return "rollback" if breached(canary, guardrails) else verdict(control, canary, planned)


@wrong("7.6", "M36")
def counts_instead_of_shares(control, canary, guardrails, planned):
    if breached(canary, guardrails):
        return "rollback"
    if canary["requests"] < planned:
        return "hold"
    return "promote" if canary["good"] > control["good"] else "rollback"


@wrong("7.6", "M36")
def more_errors_than_the_control(control, canary, guardrails, planned):
    if canary["errors"] > control["errors"] or canary["p99"] > guardrails["p99"]:
        return "rollback"
    return verdict(control, canary, planned)


@wrong("7.6", "M52")
def two_intervals_that_overlap(control, canary, guardrails, planned):
    if breached(canary, guardrails):
        return "rollback"
    (a, _), (b, _) = rates(control), rates(canary)
    reach = 1.96 * (math.sqrt(a * (1 - a) / control["requests"]) + math.sqrt(b * (1 - b) / canary["requests"]))
    if canary["requests"] < planned or abs(b - a) <= reach:
        return "hold"
    return "promote" if b > a else "rollback"


@right("7.6")
def with_a_z_value(control, canary, guardrails, planned):
    if canary["p99"] > guardrails["p99"] or canary["errors"] > guardrails["error_rate"] * canary["requests"]:
        return "rollback"
    if canary["requests"] < planned:
        return "hold"
    arms = pd.DataFrame([control, canary])
    p = arms["good"] / arms["requests"]
    z = (p[1] - p[0]) / np.sqrt((p * (1 - p) / arms["requests"]).sum())
    return "promote" if z > 1.96 else "rollback" if z < -1.96 else "hold"


# 7.7 apply_event


def applied(registry, event, *, immutable=True, lineage=True, alive=True, protects=True, back=lambda h, _: h[:-1]):
    new = copy.deepcopy(registry)
    versions, aliases, version = new["versions"], new["aliases"], event.get("version")
    if event["do"] == "register":
        if immutable and version in versions or lineage and not all(event.get(k) for k in ("digest", "data", "code")):
            raise ValueError("not a new version with its lineage")
        versions[version] = {k: event.get(k) for k in ("digest", "data", "code")} | {"retired": False}
    elif event["do"] == "alias":
        if alive and (version not in versions or versions[version]["retired"]):
            raise ValueError("an alias needs a living version")
        aliases.setdefault(event["alias"], []).append(version)
    elif event["do"] == "rollback":
        history = aliases.get(event["alias"], [])
        if len(history) < 2 or alive and versions[history[-2]]["retired"]:
            raise ValueError("nothing to go back to")
        aliases[event["alias"]] = back(history, sorted(versions))
    else:
        used = any(h and h[-1] == version for h in aliases.values()) or new["traffic"].get(version)
        if protects and used:
            raise ValueError("in use")
        versions[version]["retired"] = True
    return new


@wrong("7.7", "M20")
def overwrites_a_version(registry, event):
    return applied(registry, event, immutable=False)


@wrong("7.7", "M65")
def without_lineage(registry, event):
    return applied(registry, event, lineage=False)


@wrong("7.7", "M62")
def an_alias_to_anything(registry, event):
    return applied(registry, event, alive=False)


@wrong("7.7", "M62")
def an_alias_to_a_retired_version(registry, event):
    if event["do"] == "alias" and event["version"] not in registry["versions"]:
        raise ValueError("no such version")
    return applied(registry, event, alive=False)


@wrong("7.7", "M62")
def back_to_a_retired_version(registry, event):
    return applied(registry, event, alive=event["do"] != "rollback")


@wrong("7.7", "M68")
def back_to_the_number_before(registry, event):
    return applied(registry, event, back=lambda history, versions: [versions[versions.index(history[-1]) - 1]])


@wrong("7.7", "M68")
def forgets_what_was_before(registry, event):
    new = applied(registry, event)
    if event["do"] == "alias":
        new["aliases"][event["alias"]] = [event["version"]]
    return new


@wrong("7.7", "M68")
def retires_what_serves(registry, event):
    return applied(registry, event, protects=False)


@wrong("7.7", "M65")
def retires_by_deleting(registry, event):
    new = applied(registry, event)
    if event["do"] == "retire":
        del new["versions"][event["version"]]
    return new


@right("7.7")
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
        case {"do": "retire", "version": v} if v not in [h[-1] for h in new["aliases"].values()] and not new[
                "traffic"].get(v):
            new["versions"][v]["retired"] = True
        case _:
            raise ValueError(f"not allowed now: {event}")
    return new


# 7.8 replicas


def wanted(loads, service_s, target, low, high, rounding=math.ceil):
    return [min(max(rounding(load * service_s / target), low), high) for load in loads]


def held(needed, cooldown):
    return [max(needed[max(0, t - cooldown):t + 1]) for t in range(len(needed))]


@wrong("7.8", "M17")
def for_the_mean_load(loads, service_s, target, low, high, cooldown):
    return wanted([np.mean(loads)] * len(loads), service_s, target, low, high)


@wrong("7.8", "M69")
def down_at_once(loads, service_s, target, low, high, cooldown):
    return wanted(loads, service_s, target, low, high)


@wrong("7.8", "M69")
def fully_used(loads, service_s, target, low, high, cooldown):
    return held(wanted(loads, service_s, 1.0, low, high), cooldown)


@wrong("7.8", "M69")
def slow_up_as_well(loads, service_s, target, low, high, cooldown):
    needed = wanted(loads, service_s, target, low, high)
    return [needed[0]] + [max(needed[t - 1], needed[t] if t > 1 and needed[t - 1] > low else low)
                          for t in range(1, len(needed))]


@wrong("7.8", "M31")
def rounded_down(loads, service_s, target, low, high, cooldown):
    return held(wanted(loads, service_s, target, low, high, math.floor), cooldown)


@wrong("7.8", "M26")
def as_many_as_it_takes(loads, service_s, target, low, high, cooldown):
    return held(wanted(loads, service_s, target, low, 10**9), cooldown)


@wrong("7.8", "M26")
def down_to_zero(loads, service_s, target, low, high, cooldown):
    return held(wanted(loads, service_s, target, 0, high), cooldown)


@right("7.8")
def with_a_rolling_maximum(loads, service_s, target, low, high, cooldown):
    needed = np.clip(np.ceil(np.asarray(loads) * service_s / target), low, high)
    return pd.Series(needed).rolling(cooldown + 1, min_periods=1).max().astype(int).tolist()


# 7.9 lint_dockerfile


def rules_broken(text, *, tag=lambda image: image.rpartition("/")[2].partition(":")[2],
                 words=("PASSWORD", "TOKEN", "KEY"), kinds=("ENV", "ARG"), comments=True, which_user=-1):
    lines = [line.split(maxsplit=1) for line in text.splitlines() if line.strip()]
    lines = [line for line in lines if not (comments and line[0].startswith("#"))]
    found = set()
    if any(line[0] == "FROM" and tag(line[1]) in ("", "latest") for line in lines):
        found.add("base")
    if any(line[0] in kinds and any(word in line[1].partition("=")[0] for word in words) for line in lines):
        found.add("secret")
    users = [line[1] for line in lines if line[0] == "USER"]
    if not users or users[which_user] in ("root", "0"):
        found.add("user")
    if not any(line[0] == "HEALTHCHECK" for line in lines):
        found.add("health")
    return found


@wrong("7.9", "M20")
def any_colon_is_a_tag(text):
    return rules_broken(text, tag=lambda image: "latest" if "latest" in image else image.partition(":")[2])


@wrong("7.9", "M20")
def latest_is_a_tag(text):
    return rules_broken(text, tag=lambda image: image.rpartition("/")[2].partition(":")[2].replace("latest", "newest"))


@wrong("7.9", "M30")
def passwords_only(text):
    return rules_broken(text, words=("PASSWORD",))


@wrong("7.9", "M30")
def arguments_are_harmless(text):
    return rules_broken(text, kinds=("ENV",))


@wrong("7.9", "M26")
def the_first_user_counts(text):
    return rules_broken(text, which_user=0)


@wrong("7.9", "M26")
def root_is_fine(text):
    return rules_broken(text) - {"user"}


@wrong("7.9", "M38")
def nobody_asks_how_it_is(text):
    return rules_broken(text) - {"health"}


@wrong("7.9", "M33")
def the_first_finding(text):
    return sorted(rules_broken(text))[:1]


@wrong("7.9", "M78")
def words_anywhere(text):
    return rules_broken(text) | ({"secret"} if "TOKEN" in text or "PASSWORD" in text else set())


@right("7.9")
def line_by_line(text):
    found, user, healthy = [], "root", False
    for line in map(str.strip, text.splitlines()):
        word, _, rest = line.partition(" ")
        if word == "FROM" and (":" not in rest.split("/")[-1] or rest.endswith(":latest")):
            found.append("base")
        if word in ("ENV", "ARG") and any(secret in rest.split("=")[0] for secret in ("PASSWORD", "TOKEN", "KEY")):
            found.append("secret")
        user = rest if word == "USER" else user
        healthy = healthy or word == "HEALTHCHECK"
    return found + ["user"] * (user in ("root", "0")) + ["health"] * (not healthy)


# 7.10 choose_mode


def mode(request, quick=60, slow=86_400, table=True):
    if request["deadline_s"] < quick:
        return "batch" if table and request["inputs_known_before"] else "online"
    if request["deadline_s"] > slow:
        return "batch"
    return "stream" if request["inputs_are_events"] else "batch"


@wrong("7.10", "M24")
def always_online(request):
    return "online" if request["deadline_s"] < 60 else mode(request)


@wrong("7.10", "M25")
def always_batch(request):
    return "batch"


@wrong("7.10", "M25")
def events_are_streams(request):
    return "stream" if request["inputs_are_events"] and request["deadline_s"] <= 86_400 else mode(request)


@wrong("7.10", "M24")
def a_stream_for_everything_slow(request):
    return mode(request) if request["deadline_s"] < 60 else "stream"


@wrong("7.10", "M31")
def a_minute_is_too_quick(request):
    return mode(request, quick=61)


@wrong("7.10", "M31")
def a_day_is_too_slow(request):
    return mode(request, slow=86_399)


@right("7.10")
def as_a_table(request):
    waits, short = request["deadline_s"] < 60, request["deadline_s"] <= 86_400
    ways = {"online": waits and not request["inputs_known_before"],
            "stream": not waits and short and request["inputs_are_events"]}
    return next((name for name, holds in ways.items() if holds), "batch")
