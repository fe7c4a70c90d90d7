"""7.5 route: the version that serves a unit. Any digest will do, so properties stand in the oracle's place."""

import hashlib
import itertools
import math
import random
import uuid
import zlib

from . import _real, lab


@lab.exercise("7.5", section="who-gets-the-canary", hints=(
    "A digest of salt and id is the same everywhere and looks random. Turn it into a number from 0 to 99.",
    "`int(hashlib.sha256(f\"{salt}:{unit_id}\".encode()).hexdigest(), 16) % 100`, then walk through the versions in "
    "sorted order and add up their weights. Raise a ValueError first if the weights do not sum to 100."))
class route:
    rule = "The version of a unit depends on its id, the salt and the weights, and on nothing else."
    raises = ValueError
    draws = 4

    def inputs(d):
        names = d.order(d.pick([["v1", "v2"], ["blue", "green"], ["a", "b", "c"], ["v1", "v10", "v2", "v3"], ["v1"]]))
        cuts = sorted(d.pick([10, 0, 100, 30, 50, 75, 95]) for _ in names[1:])
        weights = dict(zip(names, (b - a for a, b in itertools.pairwise([0, *cuts, 100]))))
        weights[d.pick(names)] += d.pick([0, 0, 0, 0, 0, 1, -1, 100, -50]) if d.flag(0.3) else 0
        d.need(min(weights.values()) >= 0)
        last, others = max(names), sorted(names)[:-1]
        giver = d.pick([name for name in others if weights[name]] or [last])
        moved = 0 if giver == last else d.pick([weights[giver], weights[giver] // 2])
        raised = {name: weights[name] + (name == last) * moved - (name == giver) * moved for name in d.order(names)}
        takers = [name for name in others if name != giver]
        if takers and moved > 1 and d.flag():  # another one's share rises as well, and by more
            part = moved - d.pick([1, moved // 2, moved // 8 + 1])
            raised[last] -= part
            raised[d.pick(takers)] += part
        form, start = d.pick(["desk-{}00", "N{}AA", "{}", "Zürich {}", "{}-x"]), d.int(0, 9_000)
        ids = [form.format(1_000 + start + i) for i in range(200)]
        return dict(ids=ids, weights=weights, raised=raised, salt=d.pick(["rollout-1", "", "2013", "größer"]),
                    other=d.pick(["rollout-2", "2013-b", "x"]))

    def run(route, ids, weights, raised, salt, other):
        """Each unit's version: as it is, with the last version's share raised, and in another rollout."""
        asked = [(weights, salt), (raised, salt), (weights, other)]
        calls = [(unit, dict(shares), name) for shares, name in asked[:3 if other else 1] for unit in ids]
        chosen = route.each(calls)
        kept = all(given in (weights, raised) for _, given, _ in calls)
        return [chosen[i:i + len(ids)] for i in range(0, len(calls), len(ids))], kept

    def holds(got, ids, weights, raised, salt, other):
        got, kept = got
        yield "Your function must not change the weights that it is given.", kept, "M97"
        for chosen, shares in zip(got, (weights, raised, weights)):
            yield ("The answer is one of the versions.", set(chosen) <= set(shares), dict(got=chosen[0]))
            for name, share in shares.items():
                found, luck = chosen.count(name), 5 * math.sqrt(len(ids) * share * (100 - share)) / 100
                yield (f"About {share} % of the units go to {name}.",
                       abs(found - len(ids) * share / 100) <= luck + 2 * (0 < share < 100),
                       "M18" if 0 < share < 100 else "M31",
                       dict(expected=f"about {len(ids) * share // 100} of {len(ids)} units", got=f"{found} units"))
        if len(got) < 3:
            return
        last, (first, more, elsewhere) = max(weights), got
        lost = [unit for unit, one, two in zip(ids, first, more) if one == last and two != last]
        yield (f"Raising the share of {last} only adds units to it: nobody who has it loses it.", not lost, "M18",
               dict(expected=[], got=lost[:5]))
        shares = [share / 100 for share in weights.values()]
        alike = sum(share**2 for share in shares)  # what two independent draws agree in
        spread = math.sqrt(alike * (1 - alike) / len(ids))
        yield ("Another salt chooses other units: the same desks are not the canary of every rollout.",
               abs(sum(map(str.__eq__, first, elsewhere)) / len(ids) - alike) <= 5 * spread + 1e-9, "M12")

    def shows(ids, weights, raised, salt, other):
        return f"route(unit, {weights}, {salt!r}) for the units {ids[0]} to {ids[-1]}; then with {raised}", None

    def real():
        aircraft = list(_real.flights_by_aircraft().index)
        return [dict(ids=aircraft, weights={"v1": 100 - share, "v2": share}, raised={}, salt="2013", other="")
                for share in (10, 1)]

    def figure(got, ids, **_):
        flown = _real.flights_by_aircraft()
        canary = flown[[version == "v2" for version in got[0][0]]]
        return (f"Split 90 to 10 by tail number, {len(canary) / len(flown):.1%} of {len(flown):,} aircraft are the "
                f"canary, with {canary.sum() / flown.sum():.1%} of the flights.")


# Answers: wrong ones with their misconceptions, and right ones written differently.


def pick(place, weights, order=sorted):
    if sum(weights.values()) != 100:
        raise ValueError("weights must sum to 100")
    reached = itertools.accumulate(weights[version] for version in order(weights))
    return next(version for version, end in zip(order(weights), reached) if place < end)


def place_of(text):
    return int(hashlib.sha256(text.encode()).hexdigest(), 16) % 100


@route.mistake("M18", "The same unit goes to the same version each time: no dice.")
def throws_dice(unit_id, weights, salt):
    return pick(random.randrange(100), weights)


@route.mistake("M18", "`hash` of a text is another one in each process: use a digest.")
def built_in_hash(unit_id, weights, salt):
    return pick(hash(unit_id + salt) % 100, weights)


@route.mistake("M18", "`hash` of a text is another one in each process, salt included.")
def built_in_hash_of_both(unit_id, weights, salt):
    return pick(hash(f"{salt}:{unit_id}") % 100, weights)


@route.mistake("M18", "The digits of an id are no random numbers.")
def the_last_two_digits(unit_id, weights, salt):
    digits = "".join(letter for letter in unit_id if letter.isdigit())
    return pick(int(digits[-2:] or 0), weights)


@route.mistake("M18", "Weights that do not sum to 100 are somebody's mistake: a ValueError.")
def makes_them_sum_to_100(unit_id, weights, salt):
    rest = 100 - sum(weights.values())
    return pick(place_of(f"{salt}:{unit_id}"), weights | {max(weights): weights[max(weights)] + rest})


@route.mistake("M18", "Weights that sum to less than 100 are a mistake, too.")
def only_too_much_is_refused(unit_id, weights, salt):
    rest = max(100 - sum(weights.values()), 0)
    return pick(place_of(f"{salt}:{unit_id}"), weights | {max(weights): weights[max(weights)] + rest})


@route.mistake("M18", "Another split must not draw anew: whoever has the canary would lose it.")
def another_draw_for_each_split(unit_id, weights, salt):
    return pick(place_of(f"{salt}:{unit_id}:{sorted(weights.items())}"), weights)


@route.mistake("M18", "Versions are taken in alphabetical order, in whatever order the weights are written.")
def in_the_order_written(unit_id, weights, salt):
    return pick(place_of(f"{salt}:{unit_id}"), weights, order=list)


@route.mistake("M18", "The last version in the alphabet must keep its units when its share is raised.")
def by_weight(unit_id, weights, salt):
    return pick(place_of(f"{salt}:{unit_id}"), weights, order=lambda w: sorted(w, key=lambda name: (w[name], name)))


@route.mistake("M18", "Only the last version's share was raised for these units, whoever else's was: it loses none.")
def the_best_of_weighted_draws(unit_id, weights, salt):
    if sum(weights.values()) != 100:
        raise ValueError("weights must sum to 100")

    def time_to(version):
        drawn = int(hashlib.sha256(f"{salt}:{version}:{unit_id}".encode()).hexdigest(), 16) / 2**256
        return math.log(drawn) / -weights[version]

    return min(sorted(version for version in weights if weights[version]), key=time_to)


@route.mistake("M12", "Each rollout has a canary of its own: the salt belongs into the digest.")
def without_the_salt(unit_id, weights, salt):
    return pick(place_of(unit_id), weights)


@route.mistake("M31", "A version with weight 0 gets nobody, and one with 100 everybody.")
def the_boundary_belongs_to_both(unit_id, weights, salt):
    if sum(weights.values()) != 100:
        raise ValueError("weights must sum to 100")
    place, names = place_of(f"{salt}:{unit_id}"), sorted(weights)
    ends = dict(zip(names, itertools.accumulate(weights[name] for name in names)))
    return next(name for name in names if place <= min(ends[name], 99))


@route.mistake("M27", "The versions are those of `weights`, however many and whatever their names.")
def two_versions(unit_id, weights, salt):
    if sum(weights.values()) != 100:
        raise ValueError("weights must sum to 100")
    return "v1" if place_of(f"{salt}:{unit_id}") < weights["v1"] else "v2"


@route.right
def with_a_checksum_and_ranges(unit_id, weights, salt):
    if sum(weights.values()) != 100:
        raise ValueError(f"{weights} sum to {sum(weights.values())}")
    places = [version for version, weight in sorted(weights.items()) for _ in range(weight)]
    return places[zlib.crc32(zlib.crc32(f"{salt}/{unit_id}".encode()).to_bytes(4, "big")) % 100]


@route.right
def with_uuid_and_a_fraction(unit_id, weights, salt):
    if sum(weights.values()) != 100:
        raise ValueError("not 100 %")
    left = uuid.uuid5(uuid.NAMESPACE_DNS, f"{unit_id}@{salt}").int / 2**128 * 100
    for version in sorted(weights, reverse=True):  # the last version from the low end: it grows there as well
        if left < weights[version]:
            return version
        left -= weights[version]
    return min(weights)
