"""12.1 choose: the cheapest option that keeps every constraint, and what each other one breaks first."""

import math

from mlelab import scenarios

from . import lab

ORDER = ("region", "age_min", "p99_ms", "rate", "availability", "operators", "cost")


@lab.exercise("12.1", section="choosing", hints=(
    "First ask each option what it breaks, in the order of the docstring; only then look at what it costs.",
    "For each option go through the constraints that are in `need`: region by `in`, age_min, p99_ms, operators and "
    "cost by >, rate and availability by <. The choice is the min of those that break nothing, by (cost, name)."))
class choose:
    rule = ("The cheapest option that keeps every constraint in `need`, of equal cost the first by name; and for each "
            "option that breaks some, the first it breaks in the order of the docstring.")

    def inputs(d):
        def option():
            return {"region": set(d.some(["eu", "us", "asia"], 1)), "age_min": d.pick([60, 59, 61, 0]),
                    "p99_ms": d.pick([50, 49, 51, 0, 200]),
                    "rate": d.pick([100, 99, 101, 1_000]), "availability": d.pick([0.99, 0.98, 0.999]),
                    "operators": d.pick([1, 0, 2, 0.5]), "cost": d.pick([300, 299, 301, 20, 0])}

        limits = {"region": d.pick(["eu", "us"]), "age_min": d.pick([60, 60, 59, 0]),
                  "p99_ms": d.pick([50, 50, 200, 0, 49]), "rate": d.pick([100, 99, 0]),
                  "availability": d.pick([0.99, 0.98]), "operators": d.pick([1, 0, 2, 0.5]),
                  "cost": d.pick([300, 300, 20, 0, 500])}
        need = {name: limits[name] for name in d.order(ORDER) if d.flag(0.6)}
        names = d.order(["managed", "batch", "Own", "edge", "z serverless"])[:d.int(0, 5)]
        return dict(need=need, options={name: option() for name in names})

    def run(choose, need, options):
        if isinstance(need, list):
            return [choose(one, options) for one in need]
        return choose(need, options)

    def real():
        return dict(need=[scenarios.need(name) for name in scenarios.NEEDS], options=scenarios.OPTIONS)

    def figure(got, need, options):
        cheapest = min(options, key=lambda name: options[name]["cost"])
        return (f"In {sum(choice != cheapest for choice, _ in got)} of {len(got)} scenarios the cheapest option breaks "
                f"a constraint; in {sum(choice is None for choice, _ in got)} every option does.")


# Answers: wrong ones with their misconceptions, and right ones written differently.


RULES = {"region": lambda has, asked: asked not in has, "age_min": lambda has, asked: has > asked,
         "p99_ms": lambda has, asked: has > asked,
         "rate": lambda has, asked: has < asked, "availability": lambda has, asked: has < asked,
         "operators": lambda has, asked: has > asked, "cost": lambda has, asked: has > asked}


def chosen(need, options, *, rules=RULES, order=ORDER, key=lambda name, option: (option["cost"], name), told="first",
           ignored=(), fit_only=True, dearer=False, asked=lambda need, name: name in need):
    broken = {}
    for name, option in options.items():
        found = [one for one in order if asked(need, one) and rules[one](option[one], need.get(one))]
        broken[name] = found
    fit = [name for name in options if not [one for one in broken[name] if one not in ignored] or not fit_only]
    best = min(fit, key=lambda name: key(name, options[name]), default=None)
    say = {"first": lambda found: found[0], "last": lambda found: found[-1], "all": list}[told]
    rejected = {name: say(found) for name, found in broken.items() if found}
    return best, rejected | ({name: "cost" for name in fit if name != best} if dearer else {})


choose.variants(
    chosen,
    price_only=("M26", "The cheapest option is no choice if it breaks a constraint.", dict(fit_only=False)),
    cost_limit_ignored=("M26", "The cost has a limit, too.", dict(ignored=("cost",))),
    region_is_a_wish=("M26", "The region is a constraint, not a wish.", dict(ignored=("region",))),
    as_need_lists_them=("M34", "What is broken first is told in the order of the docstring, not in that of `need`.",
                        dict(order=ORDER[::-1])),
    last_one_broken=("M34", "The first constraint that is broken is told.", dict(told="last")),
    all_that_are_broken=("M99", "One constraint is told for each option: the first.", dict(told="all")),
    dearer_is_rejected=("M99", "An option that keeps every constraint and costs more is not in the dict.",
                        dict(dearer=True)),
    first_of_equals=("M34", "Of equal cost, the first by name is chosen.",
                     dict(key=lambda name, option: option["cost"])),
    fastest=("M32", "The cheapest of those that keep the constraints is chosen: faster than needed is worth nothing.",
             dict(key=lambda name, option: (option["p99_ms"], name))),
    most_available=("M32", "The cheapest of those that keep the constraints is chosen.",
                    dict(key=lambda name, option: (-option["availability"], option["cost"], name))),
    least_work=("M24", "The cheapest of those that keep the constraints is chosen, whoever operates it.",
                dict(key=lambda name, option: (option["operators"], option["cost"], name))),
    dearest=("M40", "The cheapest is chosen.", dict(key=lambda name, option: (-option["cost"], name))),
    latency_at_the_limit=("M31", "A value exactly at the limit keeps the constraint.",
                          dict(rules=RULES | {"p99_ms": lambda has, asked: has >= asked})),
    age_at_the_limit=("M31", "A value exactly at the limit keeps the constraint.",
                      dict(rules=RULES | {"age_min": lambda has, asked: has >= asked})),
    rate_at_the_limit=("M31", "A value exactly at the limit keeps the constraint.",
                       dict(rules=RULES | {"rate": lambda has, asked: has <= asked})),
    availability_at_the_limit=("M31", "A value exactly at the limit keeps the constraint.",
                               dict(rules=RULES | {"availability": lambda has, asked: has <= asked})),
    operators_at_the_limit=("M31", "A value exactly at the limit keeps the constraint.",
                            dict(rules=RULES | {"operators": lambda has, asked: has >= asked})),
    cost_at_the_limit=("M31", "A value exactly at the limit keeps the constraint.",
                       dict(rules=RULES | {"cost": lambda has, asked: has >= asked})),
    rate_reversed=("M40", "An option must take at least the rate that is needed.",
                   dict(rules=RULES | {"rate": lambda has, asked: has > asked})),
    zero_asks_for_nothing=("M47", "A limit of 0 is a limit; only what is not in `need` does not bind.",
                           dict(asked=lambda need, name: bool(need.get(name)))))


@choose.right
def one_after_the_other(need, options):
    best, rejected = None, {}
    for name in sorted(options):
        has, broken = options[name], None
        if "region" in need and need["region"] not in has["region"]:
            broken = "region"
        else:
            for key, sign in (("age_min", 1), ("p99_ms", 1), ("rate", -1), ("availability", -1),
                              ("operators", 1), ("cost", 1)):
                if key in need and sign * has[key] > sign * need[key]:
                    broken = key
                    break
        if broken:
            rejected[name] = broken
        elif best is None or has["cost"] < options[best]["cost"]:
            best = name
    return best, rejected


@choose.right
def with_defaults(need, options):
    low = {"rate": -math.inf, "availability": -math.inf} | need
    high = {"age_min": math.inf, "p99_ms": math.inf, "operators": math.inf, "cost": math.inf} | need

    def first(has):
        tests = [("region", "region" not in need or need["region"] in has["region"]),
                 ("age_min", has["age_min"] <= high["age_min"]), ("p99_ms", has["p99_ms"] <= high["p99_ms"]),
                 ("rate", has["rate"] >= low["rate"]),
                 ("availability", has["availability"] >= low["availability"]),
                 ("operators", has["operators"] <= high["operators"]), ("cost", has["cost"] <= high["cost"])]
        return next((name for name, holds in tests if not holds), "")

    rejected = {name: first(has) for name, has in options.items() if first(has)}
    fit = sorted((has["cost"], name) for name, has in options.items() if name not in rejected)
    return (fit[0][1] if fit else None), rejected
