"""9.8 findings: the faults in the evidence of an incident."""

from mlelab import data

from . import lab


@lab.exercise("9.8", section="an-incident", hints=(
    "For each number: what did the reference say, and what could move it so far? What does *not* move in a storm?",
    "unit change: temp_mean is within 5 of (reference - 32) * 5 / 9; merely cold is no fault. stale feature: "
    "feature_age_h above its limit. half-rolled version: version_share between 0.05 and 0.95. renamed category: "
    "unseen_share above 0.05. Cancellations with much wind are weather. For each fault found give its own evidence and "
    "first action."))
class findings:
    rule = "Each fault in the evidence is found, with its own evidence and its own first action, and nothing else."

    def inputs(d):
        reference = d.pick([50.0, 68.0, 59.0, 32.0, 86.0, 23.0, 5.0])  # 10, 20, 15, 0, 30, -5 and -15 in °C
        celsius = (reference - 32) * 5 / 9
        temperature = d.pick([reference + d.num(-8, 8), celsius + d.num(-4.9, 4.9), celsius + d.num(5.1, 9),
                              celsius - d.num(5.1, 9), reference - d.num(20, 45), -celsius + d.num(-4.9, 4.9)])
        d.need(abs(abs(temperature - celsius) - 5) > 1e-6)
        limit = d.pick([3.0, 6.0, 24.0, 0.5])
        storm = d.flag()
        return dict(evidence={
            "temp_mean": temperature, "temp_mean_reference": reference,
            "feature_age_h": d.pick([1.0, limit, limit + 0.5, limit - 0.5, 30.0, 4.0, 0.0, 0.75]),
            "feature_age_limit_h": limit,
            "version_share": d.pick([1.0, 0.0, 0.03, 0.97, 0.05, 0.95, 0.1, 0.9, 0.5, 0.3]),
            "unseen_share": d.pick([0.0, 0.05, 0.0501, 0.049, 0.06, 0.2]),
            "cancelled_share": d.pick([0.45, 0.3, 0.0]) if storm else d.pick([0.0, 0.02, 0.45]),
            "wind_mph": d.pick([35.0, 50.0]) if storm else d.num(0, 20)})

    def see(found, evidence):
        """In any order, any triple."""
        if isinstance(found, dict):
            raise TypeError("triples in a list, not a dict")
        return sorted(tuple(map(str, triple)) for triple in found)

    def real():
        return dict(evidence={
            "temp_mean": 13.5, "temp_mean_reference": 56.0, "feature_age_h": 30.0, "feature_age_limit_h": 3.0,
            "version_share": 1.0, "unseen_share": 0.0, "cancelled_share": 0.45, "wind_mph": 35.0})

    def figure(found, **_):
        storm = data.load("flights", ["month", "day", "dep_time"]).query("month == 2 and day in (8, 9)")
        return (f"On 8 and 9 February 2013 {storm['dep_time'].isna().sum()} flights were cancelled in a snow storm. "
                "Nothing was broken.")


# Answers: wrong ones with their misconceptions, and right ones written differently.


@findings.mistake("M22", "Training again on broken inputs makes a broken model. First the cause.")
def retrain_first(evidence):
    return [(fault, why, "retrain the model") for fault, why, _ in found_in(evidence)]


@findings.mistake("M54", "A storm is weather, not a fault of ours: no finding.")
def blames_the_weather(evidence):
    storm = evidence["wind_mph"] > 25
    return found_in(evidence) + ([("storm", "wind_mph", "wait")] if storm else [])


@findings.mistake("M54", "Cancellations in a storm are weather; they hide no fault, and are none.")
def a_storm_explains_everything(evidence):
    return [] if evidence["wind_mph"] > 25 else found_in(evidence)


@findings.mistake("M33", "Several faults can be there at once: all of them are named.")
def the_first_fault_only(evidence):
    return found_in(evidence)[:1]


@findings.mistake("M27", "Each finding has its own evidence and its own first action.")
def one_evidence_for_all(evidence):
    return [(fault, "temp_mean", "convert at the source") for fault, _, _ in found_in(evidence)]


@findings.mistake("M14", "Only what the evidence shows is a finding.")
def sees_faults_everywhere(evidence):
    return found_in(evidence, unit=lambda t, r: True)


@findings.mistake("M14", "Cold is no unit change: the mean must be near the reference in °C.")
def cold_is_a_unit_change(evidence):
    return found_in(evidence, unit=lambda t, r: t < r - 20)


@findings.mistake("M10", "From °F to °C: take off 32 first, then times 5 / 9.")
def converts_without_the_32(evidence):
    return found_in(evidence, unit=lambda t, r: abs(t - r * 5 / 9) < 5)


@findings.mistake("M27", "The evidence differs from incident to incident: limits, not the numbers of the example.")
def the_numbers_of_the_example(evidence):
    return found_in({"temp_mean": evidence["temp_mean"], "temp_mean_reference": 56.0, "feature_age_limit_h": 3.0,
                     "feature_age_h": evidence["feature_age_h"], "version_share": evidence["version_share"],
                     "unseen_share": evidence["unseen_share"]})


@findings.mistake("M31", "A feature at its age limit is not above it.")
def stale_at_the_limit(evidence):
    return found_in(evidence, old=lambda age, limit: age >= limit)


@findings.mistake("M31", "Up to 0.05 of unseen categories is normal, 0.05 itself, too.")
def unseen_at_the_limit(evidence):
    return found_in(evidence, unseen=lambda share: share >= 0.05)


@findings.mistake("M99", "A version that answers nothing is not half-rolled: the other one answers all.")
def any_share_but_one(evidence):
    return found_in(evidence, half=lambda share: share < 0.95)


@findings.mistake("M40", "Temperatures have a sign: -5 °C is not near 5 °C.")
def sizes_of_temperatures(evidence):
    return found_in(evidence, unit=lambda t, r: abs(abs(t) - abs((r - 32) * 5 / 9)) < 5)


@findings.mistake("M40", "Near means on either side, in °C: a mean above it counts, too.")
def below_the_reference_only(evidence):
    return found_in(evidence, unit=lambda t, r: 0 <= (r - 32) * 5 / 9 - t < 5)


@findings.mistake("M10", "The limit of 5 is in °C, of the mean itself, and no share of it.")
def within_a_share(evidence):
    return found_in(evidence, unit=lambda t, r: abs(t - (r - 32) * 5 / 9) < 0.3 * abs((r - 32) * 5 / 9))


@findings.mistake("M54", "Only storms cancel? Nothing in the table says so: cancellations are no finding.")
def cancelled_without_a_storm(evidence):
    calm = evidence["wind_mph"] < 25 and evidence["cancelled_share"] > 0.2
    return found_in(evidence) + ([("cancellations", "cancelled_share", "call the desk")] if calm else [])


@findings.mistake("M31", "Stale is what is above its limit, by however little.")
def stale_by_whole_hours(evidence):
    return found_in(evidence, old=lambda age, limit: int(age) > int(limit))


@findings.right
def with_a_table(evidence):
    e = evidence
    celsius = (e["temp_mean_reference"] - 32) / 1.8
    tests = {"unit change": ("temp_mean", "convert at the source", celsius - 5 < e["temp_mean"] < celsius + 5),
             "stale feature": ("feature_age_h", "restart the feed", not e["feature_age_h"] <= e["feature_age_limit_h"]),
             "half-rolled version": ("version_share", "finish or undo the rollout", 0.08 <= e["version_share"] <= 0.92),
             "renamed category": ("unseen_share", "map the new name", e["unseen_share"] > 0.05)}
    return [(fault, why, action) for fault, (why, action, holds) in tests.items() if holds]


@findings.right
def one_by_one_from_the_end(evidence):
    said = []
    if evidence["unseen_share"] > 5 / 100:
        said += [["renamed category", "unseen_share", "map the new name"]]
    if min(evidence["version_share"], 1 - evidence["version_share"]) > 0.06:
        said += [["half-rolled version", "version_share", "finish or undo the rollout"]]
    if evidence["feature_age_h"] - evidence["feature_age_limit_h"] > 0:
        said += [["stale feature", "feature_age_h", "restart the feed"]]
    if -5 < evidence["temp_mean"] - 5 / 9 * (evidence["temp_mean_reference"] - 32) < 5:
        said += [["unit change", "temp_mean", "convert at the source"]]
    return said


def found_in(e, *, unit=lambda t, r: abs(t - (r - 32) * 5 / 9) < 5, old=lambda age, limit: age > limit,
             half=lambda share: 0.05 < share < 0.95, unseen=lambda share: share > 0.05):
    tests = [("unit change", "temp_mean", "convert at the source", unit(e["temp_mean"], e["temp_mean_reference"])),
             ("stale feature", "feature_age_h", "restart the feed", old(e["feature_age_h"], e["feature_age_limit_h"])),
             ("half-rolled version", "version_share", "finish or undo the rollout", half(e["version_share"])),
             ("renamed category", "unseen_share", "map the new name", unseen(e["unseen_share"]))]
    return [(fault, why, action) for fault, why, action, holds in tests if holds]
