"""11.9 plan_calls: who answers which request."""

from . import lab


@lab.exercise("11.9", section="planning-calls", hints=(
    "What is the first question for each request: which model, or whether one is needed at all? Whose cache is it?",
    "Keep a set of (user, question) that a model answered, and what is left. Among models that are up and can be paid, "
    "take the strong ones for a hard request, or all if there are none; `min(..., key=lambda m: m[\"price\"])` takes "
    "the "
    "first of the cheapest."))
class plan_calls:
    rule = ("The user's own cache first; then the cheapest model that is up and can be paid, of the strong ones for a "
            "hard "
            "request, of the others where there is none; then nobody.")

    def inputs(d):
        models = [{"name": name, "price": d.pick([1, 0.5, 0.25, 2, 0]), "strong": d.flag(), "up": d.flag(0.8)}
                  for name in d.order(["small", "large", "other", "old"])[:d.int(0, 4)]]
        requests = [{"user": d.pick(["ann", "bob"]), "question": d.pick(["bag?", "Bag?", "refund?"]),
                     "hard": d.flag(0.4)}
                    for _ in range(d.int(0, 8))]
        return dict(requests=requests, models=models, budget=d.pick([100, 1, 2, 1.5, 0.25, 0, 3]))

    def real():
        models = [{"name": "small", "price": 0.125, "strong": False, "up": True},
                  {"name": "large", "price": 2.0, "strong": True, "up": True}]
        requests = [{"user": f"user {i % 40}", "question": f"question {i % 25}", "hard": i % 10 == 0}
                    for i in range(600)]
        return dict(requests=requests, models=models, budget=100)

    def figure(got, requests, models, budget):
        all_large = models[1]["price"] * len(requests)
        spent = sum(model["price"] * got.count(model["name"]) for model in models)
        return (f"600 requests: {got.count('cache')} come from the cache, {got.count('small')} from the small model, "
                f"{got.count('large')} from the large one. It costs {spent:g}; the large model for all would cost "
                f"{all_large:g}.")


# Answers: wrong ones with their misconceptions, and right ones written differently.


def planned(requests, models, budget, *, key=lambda r: (r["user"], r["question"]), up=lambda m: m["up"],
            pays=lambda m, left: m["price"] <= left, price=lambda m: m["price"], hard=lambda r: r["hard"], weak=True,
            easy=lambda able: able, spends=lambda m: m["price"], keeps=lambda found: found, free=True, fallback=True):
    known, left, plan = set(), budget, []
    for request in requests:
        able = [m for m in models if up(m) and pays(m, left)]
        strong = [m for m in able if m["strong"]]
        able = (strong or able * fallback) if hard(request) else easy(able)
        if key(request) in known:
            plan.append("cache")
            left -= 0 if free or not able else min(able, key=price)["price"]
            continue
        best = min(able, key=price) if able else None
        plan.append(best["name"] if best else "nobody")
        left -= spends(best) if best else 0
        if keeps(best):
            known.add(key(request))
    return plan


plan_calls.variants(
    planned,
    one_cache_for_all=("M30", "A cache belongs to one user: another's answer may hold what only the other may see.",
                       dict(key=lambda r: r["question"])),
    one_answer_for_each_user=("M71", "The question is part of the key.", dict(key=lambda r: r["user"])),
    questions_in_lower_case=("M99", "The same words means the same text.",
                             dict(key=lambda r: (r["user"], r["question"].lower()))),
    hard_or_not_in_the_key=("M72", "User and question are the key; how hard it is changes nothing.",
                            dict(key=lambda r: (r["user"], r["question"], r["hard"]))),
    no_cache=("M77", "A question that was answered is answered from the cache.", dict(keeps=lambda found: False)),
    nobodys_answer_is_kept=("M44", "Only what a model answered is in the cache.", dict(keeps=lambda found: True)),
    models_that_are_down=("M38", "A model that is down answers nothing.", dict(up=lambda m: True)),
    the_cheapest_for_all=("M25", "A hard request goes to a strong model if there is one.", dict(hard=lambda r: False)),
    the_strongest_for_all=("M24", "A request that is not hard goes to the cheapest model.", dict(hard=lambda r: True)),
    no_fallback=("M38", "A hard request falls back to another model where no strong one can answer.",
                 dict(fallback=False)),
    weak_for_easy=("M99", "Of all models the cheapest: a strong one as well, if it is cheaper.",
                   dict(easy=lambda able: [m for m in able if not m["strong"]] or able)),
    the_dearest=("M40", "The cheapest one.", dict(price=lambda m: -m["price"])),
    nothing_is_spent=("M26", "Each call takes its price from the budget.", dict(spends=lambda m: 0)),
    no_budget=("M26", "A model whose price is above what is left cannot be called.", dict(pays=lambda m, left: True)),
    less_than_what_is_left=("M31", "Exactly what is left can be spent.", dict(pays=lambda m, left: m["price"] < left)),
    the_cache_costs=("M77", "The cache costs nothing.", dict(free=False)))


@plan_calls.mistake("M34", "Of equally cheap models the first in the list is taken.")
def last_of_the_cheapest(requests, models, budget):
    return planned(requests, models[::-1], budget)


@plan_calls.mistake("M38", "A strong model that is too dear now is as good as none: another one answers.")
def no_fallback_from_a_dear_one(requests, models, budget):
    there = any(m["up"] and m["strong"] for m in models)
    return planned(requests, models, budget, fallback=not there)


@plan_calls.mistake("M33", "When nobody can answer one request, the next is still looked at.")
def stops_at_the_first_nobody(requests, models, budget):
    plan = planned(requests, models, budget)
    return plan[:plan.index("nobody")] + ["nobody"] * (len(plan) - plan.index("nobody")) if "nobody" in plan else plan


@plan_calls.right
def with_a_function_for_one(requests, models, budget):
    answered, money, out = {}, [budget], []

    def chosen(request):
        def cheapest(candidates):
            best = None
            for model in candidates:
                if model["up"] and not model["price"] > money[0] and (best is None or model["price"] < best["price"]):
                    best = model
            return best

        best = request["hard"] and cheapest(m for m in models if m["strong"]) or cheapest(models)
        if best is None:
            return "nobody"
        money[0] -= best["price"]
        answered.setdefault(request["user"], set()).add(request["question"])
        return best["name"]

    for request in requests:
        seen = request["question"] in answered.get(request["user"], ())
        out.append("cache" if seen else chosen(request))
    return out


@plan_calls.right
def with_a_sort_key(requests, models, budget):
    cache, plan = [], []
    for r in requests:
        mark = [r["user"], r["question"]]
        if mark in cache:
            plan += ["cache"]
            continue
        ranked = sorted(((r["hard"] and not m["strong"], m["price"], place) for place, m in enumerate(models)
                         if m["up"] and m["price"] <= budget))
        if ranked:
            budget -= ranked[0][1]
            cache.append(mark)
        plan += [models[ranked[0][2]]["name"] if ranked else "nobody"]
    return plan
