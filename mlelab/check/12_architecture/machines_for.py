"""12.3 machines_for: the bottleneck, whole machines for each stage, and Little's law."""

import itertools
import math

from . import lab

SHARES = [0.5, 0.75, 0.625, 1.0, 0.25]


@lab.exercise("12.3", section="capacity", hints=(
    "How many machines are busy in a stage on average? That is one product of three numbers. What is in flight counts "
    "waiting as well.",
    "busy = rate * visits * work_s for each stage. Utilisation today is busy / machines; the largest one is the "
    "bottleneck (then the smaller name). Planned: max(1, math.ceil(busy / share)). In flight: the sum of rate * visits "
    "* (work_s + wait_s)."))
class machines_for:
    rule = ("Busy machines are rate × visits × work; the bottleneck has the largest share of its machines busy, a "
            "stage gets the fewest machines whose share stays at or below the limit, and in flight is rate × time.")

    def inputs(d):
        rate, share = float(d.pick([8, 1, 3, 64, 100, 250])), d.pick(SHARES)
        names = d.order(["features", "model", "cache", "Log", "10 front"])[:d.int(1, 4)]
        stages = {name: {"work_s": d.pick([4, 1, 2, 3, 5, 16, 32, 100]) / 64, "wait_s": d.pick([0, 1, 2, 64, 300]) / 64,
                         "visits": d.pick([1.0, 0.5, 2.0, 3.0, 0.25, 0.0]), "machines": d.pick([1, 2, 4, 8, 16])}
                  for name in names}
        for stage in stages.values():  # where another order of the same steps could round over the limit
            busy = stage["visits"] * stage["work_s"]
            wanted = rate * busy / share
            d.need(busy == 0 or math.log2(busy).is_integer() and share != 0.625 and share != 0.75
                   or abs(wanted - round(wanted)) > 1e-6)
        return dict(stages=stages, rate=rate, share=share)

    def real():
        return dict(stages=SERVICE, rate=400.0, share=0.6)

    def figure(got, stages, rate, share):
        return (f"At {rate:.0f} requests a second the bottleneck is the {got['bottleneck']}; "
                f"{sum(got['machines'].values())} machines stay below {share:.0%} each, and {got['in_flight']:.1f} "
                "requests are in flight.")

    def shows(stages, rate, share):
        import pandas as pd

        table = pd.DataFrame(stages).T.rename_axis("stage").reset_index()
        return f"machines_for(stages, rate={rate:g}, share={share:g})", table


SERVICE = {"front end": {"work_s": 0.002, "wait_s": 0.001, "visits": 1.0, "machines": 2},
           "features": {"work_s": 0.010, "wait_s": 0.003, "visits": 0.25, "machines": 2},
           "model": {"work_s": 0.006, "wait_s": 0.004, "visits": 1.0, "machines": 3},
           "log": {"work_s": 0.001, "wait_s": 0.0, "visits": 1.0, "machines": 1}}


# Answers: wrong ones with their misconceptions, and right ones written differently.


def planned(stages, rate, share, *, busy=lambda stage, rate: rate * stage["visits"] * stage["work_s"],
            used=lambda busy, stage: busy / stage["machines"],
            worst=lambda used: min(used, key=lambda n: (-used[n], n)),
            whole=lambda busy, share: max(1, math.ceil(busy / share)),
            time=lambda stage: stage["visits"] * (stage["work_s"] + stage["wait_s"]), total=sum):
    load = {name: busy(stage, rate) for name, stage in stages.items()}
    return {"bottleneck": worst({name: used(load[name], stage) for name, stage in stages.items()}),
            "machines": {name: whole(one, share) for name, one in load.items()},
            "in_flight": rate * total([time(stage) for stage in stages.values()])}


machines_for.variants(
    planned,
    slowest_is_the_bottleneck=("M32", "The slowest stage need not be the bottleneck: it may have more machines, or be "
                               "visited less often.", dict(used=lambda busy, stage: stage["work_s"])),
    machines_forgotten=("M32", "The bottleneck is the stage whose machines are busiest: divide by how many it has.",
                        dict(used=lambda busy, stage: busy)),
    visits_forgotten=("M36", "A stage is visited `visits` times by a request, which may be a quarter or three.",
                      dict(busy=lambda stage, rate: rate * stage["work_s"])),
    visits_only_for_machines=("M36", "Time in a stage counts as often as it is visited.",
                              dict(time=lambda stage: stage["work_s"] + stage["wait_s"])),
    waiting_is_work=("M32", "A waiting request keeps no machine busy: utilisation counts work.", dict(
        busy=lambda stage, rate: rate * stage["visits"] * (stage["work_s"] + stage["wait_s"]))),
    only_work_in_flight=("M67", "A request that waits is in flight, too: Little's law counts all of its time.",
                         dict(time=lambda stage: stage["visits"] * stage["work_s"])),
    full_machines=("M69", "Machines are planned for a share of their time, not for all of it.",
                   dict(whole=lambda busy, share: max(1, math.ceil(busy)))),
    share_multiplied=("M88", "A machine does `share` of its time: divide by it.",
                      dict(whole=lambda busy, share: max(1, math.ceil(busy * share)))),
    rounded=("M69", "Whole machines that are enough: round up.",
             dict(whole=lambda busy, share: max(1, round(busy / share)))),
    one_more_always=("M31", "A utilisation of exactly `share` is allowed.",
                     dict(whole=lambda busy, share: math.floor(busy / share) + 1)),
    none_without_work=("M47", "A stage has at least one machine, also one that nobody visits.",
                       dict(whole=lambda busy, share: math.ceil(busy / share))),
    first_of_equals=("M34", "Of stages that are equally busy, the first by name is told.",
                     dict(worst=lambda used: max(used, key=used.get))),
    last_of_equals=("M40", "Of stages that are equally busy, the first by name is told.",
                    dict(worst=lambda used: max(used, key=lambda n: (used[n], n)))),
    least_busy=("M40", "The bottleneck is the busiest stage.", dict(worst=lambda used: min(
        used, key=lambda n: (used[n], n)))),
    slowest_stage_in_flight=("M33", "A request goes through all stages: their times add up.", dict(total=max)))


@machines_for.right
def counted_up(stages, rate, share):
    worst, machines, seconds = None, {}, 0.0
    for name in sorted(stages):
        stage = stages[name]
        busy = rate * stage["visits"] * stage["work_s"]
        machines[name] = next(n for n in itertools.count(1) if busy / n <= share)
        seconds += stage["visits"] * stage["work_s"] + stage["visits"] * stage["wait_s"]
        if worst is None or busy / stage["machines"] > worst[0]:
            worst = busy / stage["machines"], name
    return {"bottleneck": worst[1], "machines": machines, "in_flight": rate * seconds}


@machines_for.right
def by_what_a_machine_can_do(stages, rate, share):
    import pandas as pd

    table = pd.DataFrame(stages).T.sort_index()
    most = table["machines"] / (table["visits"] * table["work_s"])  # requests a second at which it is full
    each = share / (table["visits"] * table["work_s"])
    inside = (rate * table["visits"] * table[["work_s", "wait_s"]].sum(axis=1)).sum()
    return {"bottleneck": most.idxmin(), "in_flight": float(inside),
            "machines": {name: max(1, -int(-rate // one)) for name, one in each.items()}}
