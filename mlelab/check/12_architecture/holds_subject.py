"""12.7 holds_subject: which artefacts hold data of a person, through everything made from them."""

from . import lab

NAMES = ["raw", "features", "cache", "model", "report", "log", "counts"]
SUBJECTS = ["N1", "N10", "N14228"]


@lab.exercise("12.7", section="governance", hints=(
    "Begin with what holds the subject itself. What is made from it holds it as well, and what is made from that. What "
    "stops the way, and what keeps you from going round in a circle?",
    "found = {name for name, subjects in contains.items() if subject in subjects}; then repeat: add each artefact that "
    "is no aggregate and has a source in found, until nothing is added."))
class holds_subject:
    rule = ("An artefact holds the subject if it contains it itself, or if it is no aggregate and is made from one "
            "that holds it, however far.")

    def inputs(d):
        names = d.order(NAMES)[:d.int(0, 7)]
        known = [*names, "outside"]
        chain = d.flag(0.5)
        lineage = {}
        for place, name in enumerate(names):
            sources = d.some(known)[:2] if d.flag(0.6) else []
            before = [names[place - 1]] if chain and place else []
            lineage[name] = {"sources": d.order(list(dict.fromkeys([*before, *sources]))),
                             "aggregate": d.flag(0.05 if chain else 0.25)}
        lineage = {name: lineage[name] for name in d.order(list(lineage))}
        contains = {name: set(d.some(SUBJECTS)) for name in known if d.flag(0.1 if chain else 0.35)}
        if chain and names:
            contains[names[0]] = set(d.some(SUBJECTS, 2))
        return dict(subject=d.pick(SUBJECTS), lineage=lineage, contains=contains)

    def real():
        return dict(subject="N14228", lineage=COURSE, contains={"flights": {"N14228", "N24211"}, "planes": {"N14228"},
                                                                "complaints": {"N24211"}})

    def figure(got, lineage, **_):
        return (f"One aircraft is in {len(got)} artefacts, of which {len(got - set(lineage))} are tables that somebody "
                f"delivered; {', '.join(sorted(name for name in lineage if name not in got))} holds nothing of it.")


COURSE = {"features": {"sources": ["flights", "weather", "planes"], "aggregate": False},
          "feature cache": {"sources": ["features"], "aggregate": False},
          "model": {"sources": ["features"], "aggregate": False},
          "prediction log": {"sources": ["model", "features"], "aggregate": False},
          "monthly report": {"sources": ["prediction log"], "aggregate": True}}


# Answers: wrong ones with their misconceptions, and right ones written differently.


def reached(subject, lineage, contains, *, is_in=lambda subject, subjects: subject in subjects, rounds=99,
            stops=lambda entry: entry["aggregate"], own=lambda name, lineage: True, enough=any, reverse=False,
            only=lambda name, lineage: True):
    found = {name for name, subjects in contains.items() if is_in(subject, subjects) and own(name, lineage)}
    for _ in range(rounds):
        if reverse:
            more = {source for name in found if name in lineage for source in lineage[name]["sources"]}
        else:
            more = {name for name, entry in lineage.items() if not stops(entry) and entry["sources"]
                    and enough(source in found for source in entry["sources"])}
        if more <= found:
            break
        found = found | more
    return {name for name in found if only(name, lineage)}


holds_subject.variants(
    reached,
    what_contains_it_only=("M33", "What is made from an artefact that holds the subject holds it, too.",
                           dict(rounds=0)),
    one_step_only=("M33", "Go on to the end: also what is made from what was made.", dict(rounds=1)),
    two_steps_only=("M33", "Go on to the end: also what is made from what was made.", dict(rounds=2)),
    through_aggregates=("M99", "An aggregate holds nobody: the way stops there.", dict(stops=lambda entry: False)),
    aggregate_never=("M99", "An aggregate that itself contains the subject holds it.",
                     dict(own=lambda name, lineage: not lineage.get(name, {}).get("aggregate"))),
    all_sources_must=("M36", "One source that holds the subject is enough.", dict(enough=all)),
    upstream=("M40", "Data flows from a source to what is made from it.", dict(reverse=True)),
    similar_names=("M32", "N1 is another aircraft than N10: subjects are equal or not.",
                   dict(is_in=lambda subject, subjects: any(subject in other for other in subjects))),
    known_artefacts_only=("M33", "What comes from outside has no entry in the lineage, and may hold the subject.",
                          dict(only=lambda name, lineage: name in lineage)),
    made_artefacts_only=("M33", "The tables at the beginning hold the subject, too.",
                         dict(only=lambda name, lineage: name not in lineage or lineage[name]["sources"])))


@holds_subject.mistake("M34", "The order of the lineage is no order of making: go on until nothing is added.")
def in_the_order_given(subject, lineage, contains):
    found = {name for name, subjects in contains.items() if subject in subjects}
    for name, entry in lineage.items():
        if not entry["aggregate"] and found & set(entry["sources"]):
            found.add(name)
    return found


@holds_subject.mistake("M47", "A lineage can have circles: remember where you were.")
def endless_in_a_circle(subject, lineage, contains):
    def holds(name):
        entry = lineage.get(name, {"sources": [], "aggregate": True})
        return subject in contains.get(name, ()) or not entry["aggregate"] and any(map(holds, entry["sources"]))

    return {name for name in {*lineage, *contains} if holds(name)}


@holds_subject.mistake("M99", "Only artefacts that contain or are made from something with the subject are told.")
def everything_with_a_source(subject, lineage, contains):
    found = {name for name, subjects in contains.items() if subject in subjects}
    return found | {name for name, entry in lineage.items() if entry["sources"] and not entry["aggregate"] and found}


@holds_subject.right
def with_a_queue(subject, lineage, contains):
    made_from = {}
    for name, entry in lineage.items():
        for source in entry["sources"]:
            if not entry["aggregate"]:
                made_from.setdefault(source, []).append(name)
    queue, found = [name for name in contains if subject in contains[name]], set()
    while queue:
        name = queue.pop()
        if name not in found:
            found.add(name)
            queue.extend(made_from.get(name, []))
    return found


@holds_subject.right
def asked_backwards(subject, lineage, contains):
    def holds(name, seen):
        if subject in contains.get(name, set()):
            return True
        if name in seen or name not in lineage or lineage[name]["aggregate"]:
            return False
        return any(holds(source, seen | {name}) for source in lineage[name]["sources"])

    return {name for name in set(lineage) | set(contains) if holds(name, frozenset())}
