"""1.7 stale: what a change makes stale, in an order in which it can be made again."""

import graphlib

from mlelab import case

from . import lab


@lab.exercise("1.7", section="what-a-change-makes-stale", hints=(
    "Follow the arrows from what changed until nothing new turns up; then put what you found in an order in which it "
    "can be made again.",
    "`graphlib.TopologicalSorter(made_from).static_order()` is such an order for everything, and it raises on a "
    "cycle. Walk through it and keep an artefact if one of its inputs is `changed` or was kept."))
class stale:
    rule = ("Stale is all that was made from the changed artefact, directly or through others, and nothing else, each "
            "artefact after its inputs.")

    def inputs(d):
        """Any graph; names, order of appearance and order of making have nothing to do with each other."""
        names = d.order(["a", "b", "ab", "c", "abc", "d", "e", "f"])[:d.int(1, 7)]
        made_from = {names[0]: []}
        for place, name in enumerate(names[1:], start=1):
            before = [names[place - 1]] if d.flag(0.4) else d.some(names[:place])
            made_from[name] = d.order(before)
        if d.flag(0.3):  # a circle, of one artefact or more
            last = d.int(0, len(names) - 1)
            circle = names[d.int(0, last):last + 1]
            for one, other in zip(circle, [circle[-1], *circle]):
                made_from[one] = made_from[one] + [other] * (other not in made_from[one])
        return dict(made_from={name: made_from[name] for name in d.order(names)}, changed=d.pick(names))

    raises = ValueError

    def see(got, made_from, changed):
        """Any order will do in which each artefact comes after its inputs."""
        if not isinstance(got, list):
            raise ValueError(f"it is a {type(got).__name__}, not a list")
        place = {name: number for number, name in enumerate(got)}
        early = [name for name in got for source in made_from.get(name, []) if place.get(source, -1) > place[name]]
        return {"stale": set(got), "before one of their inputs": set(early), "one twice": len(set(got)) < len(got)}

    def real():
        return dict(made_from=case.MADE_FROM, changed="weather")

    def figure(seen, made_from, changed):
        order = [name for name in graphlib.TopologicalSorter(made_from).static_order() if name in seen["stale"]]
        return (f"A change in weather makes {len(order)} of the case's {len(made_from)} artefacts stale: "
                f"{', '.join(order)}.")


# Answers: wrong ones with their misconceptions, and right ones written differently.


def ordered(made_from):
    return list(graphlib.TopologicalSorter(made_from).static_order())


def below(made_from, changed, steps=None):
    """The dependents of `changed`, so many steps down."""
    found = {changed}
    for _ in range(len(made_from) if steps is None else steps):
        found |= {name for name, inputs in made_from.items() if found & set(inputs)}
    return found - {changed}


@stale.mistake("M33", "What is made from something stale is stale, too.")
def direct_dependents_only(made_from, changed):
    return [name for name in ordered(made_from) if changed in made_from[name]]


@stale.mistake("M99", "An artefact has one whole name: `a` is not `ab`.")
def part_of_a_name(made_from, changed):
    found = [changed]
    for name in ordered(made_from):
        if any(old in source for old in found for source in made_from[name]):
            found.append(name)
    return [name for name in found[1:] if name != changed]


@stale.mistake("M33", "Go on until nothing new turns up, however long the chain is.")
def two_steps_only(made_from, changed):
    found = below(made_from, changed, 2)
    return [name for name in ordered(made_from) if name in found]


@stale.mistake("M33", "An artefact is stale if any of its inputs is, not only if all are.")
def stale_if_all_inputs_are(made_from, changed):
    found = [changed]
    for name in ordered(made_from):
        if made_from[name] and set(made_from[name]) <= set(found):
            found.append(name)
    return found[1:]


@stale.mistake("M40", "What the changed artefact was made from is not stale.")
def ancestors_as_well(made_from, changed):
    above, size = {changed}, 0
    while len(above) > size:
        size = len(above)
        above |= {source for name in above for source in made_from[name]}
    found = above | below(made_from, changed)
    return [name for name in ordered(made_from) if name in found - {changed}]


@stale.mistake("M40", "Stale is what is made from the changed artefact, not what it is made from.")
def ancestors_instead(made_from, changed):
    reverse = {name: [other for other, inputs in made_from.items() if name in inputs] for name in made_from}
    found = below(reverse, changed)
    return [name for name in ordered(made_from) if name in found]


@stale.mistake("M34", "What comes after the changed artefact in some order need not be made from it.")
def everything_after_it(made_from, changed):
    order = ordered(made_from)
    return order[order.index(changed) + 1:]


@stale.mistake("M34", "Each artefact comes after its inputs: the alphabet says nothing about that.")
def in_alphabetical_order(made_from, changed):
    ordered(made_from)
    return sorted(below(made_from, changed))


@stale.mistake("M34", "Each artefact comes after its inputs: the order of the dict says nothing about that.")
def in_order_of_appearance(made_from, changed):
    ordered(made_from)
    found = below(made_from, changed)
    return [name for name in made_from if name in found]


@stale.mistake("M34", "Each artefact comes after all of its inputs, also after one that is found later.")
def in_order_of_discovery(made_from, changed):
    ordered(made_from)
    found = [changed]
    for name in found:
        found += [other for other, inputs in made_from.items() if name in inputs and other not in found]
    return found[1:]


@stale.mistake("M40", "Each artefact comes after its inputs, not before them.")
def last_one_first(made_from, changed):
    found = below(made_from, changed)
    return [name for name in ordered(made_from) if name in found][::-1]


@stale.mistake("M99", "`changed` itself is there already and not to be made again.")
def with_the_changed_one(made_from, changed):
    found = below(made_from, changed)
    return [name for name in ordered(made_from) if name in found | {changed}]


@stale.mistake("M99", "Artefacts that are made from each other in a circle can never be made: raise ValueError.")
def circles_go_unnoticed(made_from, changed):
    found = below(made_from, changed) | {changed}
    depth = dict.fromkeys(found, 0)
    for _ in made_from:
        depth = {name: 1 + max((depth[i] for i in made_from[name] if i in found), default=0) for name in found}
    return sorted(found - {changed}, key=depth.get)


@stale.mistake("M99", "A circle anywhere ends in ValueError, also where nothing depends on `changed`.")
def only_circles_below_it(made_from, changed):
    found = below(made_from, changed)
    return ordered({name: [i for i in made_from[name] if i in found] for name in sorted(found | {changed})} | {
        changed: made_from[changed] if changed in made_from[changed] else []})[1:] if found else []


@stale.mistake("M99", "A circle ends in ValueError, not in a RecursionError.")
def recursion_without_a_guard(made_from, changed):
    def depth(name):
        return 1 + max((depth(source) for source in made_from[name]), default=0)

    found = below(made_from, changed)
    return sorted(found, key={name: depth(name) for name in made_from}.get)


@stale.right
def by_repeated_sweeps(made_from, changed):
    order = ordered(made_from)
    found = {changed}
    for _ in order:
        found |= {name for name in order if found & set(made_from[name])}
    return [name for name in order if name in found and name != changed]


@stale.right
def depth_first(made_from, changed):
    finished, open_ = {}, set()

    def visit(name):
        if name in open_:
            raise ValueError(f"{name} is made from itself")
        if name not in finished:
            open_.add(name)
            visited = [visit(source) for source in made_from[name]]
            open_.remove(name)
            finished[name] = any(visited)
        return finished[name] or name == changed

    for name in made_from:
        visit(name)
    return [name for name, is_stale in finished.items() if is_stale and name != changed]
