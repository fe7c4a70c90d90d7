"""10.8 private_count: noise and a budget. The noise is free within its distribution, so what a question costs and what
is remembered is compared with ours, and the noise by its size."""

import math

import numpy as np
from scipy import stats

from . import lab

MANY = 2_500


@lab.exercise("10.8", section="noise-and-a-budget", hints=(
    "Three ways to leave the function: an old answer, no answer, a new answer. Which of them changes the ledger?",
    "`np.random.default_rng(seed).laplace(0, 1 / epsilon)`. A new ledger is `{\"left\": ..., \"answers\": "
    "ledger[\"answers\"] | {question: answer}}`."))
class private_count:
    rule = ("A question that was answered gets the same answer and spends nothing; another costs epsilon; if less is "
            "left "
            "there is no answer, and nothing is spent.")
    draws = 6
    steady = False  # `run` asks each question twice
    figure = ("At epsilon 1 a count is off by 1 on average, and by more than 3 once in twenty; at 0.1 by ten times as "
              "much.")

    def inputs(d):
        if d.flag(0.06):
            return dict(count=d.int(200, 900), asked=[], ledger={"left": 0.0, "answers": {}}, seed=d.int(0, 9999),
                        epsilon=d.pick([0.25, 0.1, 1.0]))
        names = ["q", "r", "Q"]
        old = d.some(names)[:2]
        ledger = {"left": d.int(0, 16) / 8, "answers": {name: float(d.int(0, 400)) for name in old}}
        asked = [(d.int(100, 900), d.pick([0.25, 0.5, 1.0, 0.125]), d.pick(names), d.int(0, 999))
                 for _ in range(d.int(1, 4))]
        return dict(count=0, asked=asked, ledger=ledger, epsilon=0.0, seed=0)

    def run(private_count, count, asked, ledger, epsilon, seed):
        """A few questions in a row; or the same one to fresh ledgers, with many seeds."""
        told = []
        for number, spend, question, one in asked:
            known = ledger["answers"].get(question)
            answer, after = private_count(number, spend, question, ledger, one)
            again, _ = private_count(number, spend, question, ledger, one)
            old = known is not None and answer == known
            told.append({"answer": "none" if answer is None else "the old one" if old else "a new one",
                         "left": float(after["left"]), "remembered": sorted(after["answers"]),
                         "kept": answer is None or float(after["answers"][question]) == float(answer),
                         "others": all(after["answers"][q] == a for q, a in ledger["answers"].items()),
                         "same seed, same noise": answer == again})
            ledger = {"left": after["left"], "answers": dict(after["answers"])}
        fresh = {"left": 5.0, "answers": {}}
        noise = [private_count.shared(count, epsilon, "q", dict(fresh), seed + i)[0]
                 for i in range(MANY if count else 0)]
        return {"told": told, "noise": [math.nan if a is None else float(a) - count for a in noise]}

    def holds(got, count, asked, ledger, epsilon, seed):
        wanted = _told(asked, ledger)
        for (number, spend, question, _), mine, ours in zip(asked, got["told"], wanted):
            case = f"private_count({number}, {spend}, {question!r}, …)"
            for what, says in _SAYS.items():
                code = "M31" if what == "answer" and ours["before"] == spend else "M27" if "noise" in what else "M95"
                yield says, mine[what] == ours[what], code, dict(expected=f"{case}: {ours[what]}", got=mine[what])
        if count:
            size = np.abs(got["noise"]).mean()
            code = "M88" if abs(size / epsilon - 1) < 0.25 and epsilon != 1 else "M27" if abs(size - 1) < 0.2 else "M32"
            yield ("The noise has a mean size of 1 / epsilon: less epsilon, more noise.", abs(size * epsilon - 1) < 0.2,
                   code, dict(expected=1 / epsilon, got=float(size)))
            yield ("Another seed gives other noise.", np.std(got["noise"]) > 0.3 / epsilon, "M27")
            yield ("The noise is as often below as above 0.", abs(np.mean(got["noise"])) < 0.15 / epsilon, "M32",
                   dict(expected=0, got=float(np.mean(got["noise"]))))
            far = float((np.abs(got["noise"]) > 3 / epsilon).mean())
            yield ("The noise is Laplace's: one error in twenty is larger than 3 / "
                   "epsilon.", 0.031 < far < 0.075, "M32",
                   dict(expected=0.05, got=far))

    def shows(count, asked, ledger, epsilon, seed):
        if count:
            asked = f"private_count({count}, {epsilon}, 'q', {{'left': 5.0, 'answers': {{}}}}, seed)"
            return f"{asked} with {MANY:,} seeds", None
        return f"ledger = {ledger}; then (count, epsilon, question, seed) = {', then '.join(map(str, asked))}", None


_SAYS = {
    "answer": "A remembered question gets its old answer, also when nothing is left; a new one needs epsilon, and just "
              "epsilon is enough.",
    "left": "A new answer costs epsilon; an old one and a refusal cost nothing.",
    "remembered": "The ledger remembers each question that was answered, and no other.",
    "kept": "The ledger holds the answer that was given.",
    "others": "Earlier answers stay in the ledger.",
    "same seed, same noise": "The seed gives the noise.",
}


def _told(asked, ledger):
    left, answers, told = ledger["left"], set(ledger["answers"]), []
    for _, spend, question, _ in asked:
        before = left
        kind = "the old one" if question in answers else "none" if spend > left else "a new one"
        if kind == "a new one":
            left, answers = left - spend, answers | {question}
        told.append({"answer": kind, "left": left, "remembered": sorted(answers), "kept": True, "others": True,
                     "same seed, same noise": True, "before": before})
    return told


# Answers: wrong ones with their misconceptions, and right ones written differently.


def variant(noise=lambda epsilon, seed: np.random.default_rng(seed).laplace(0, 1 / epsilon), *, remember=True,
            refuse=lambda epsilon, left: epsilon > left, charge=True, charge_refusal=False, budget_first=False):
    def private_count(count, epsilon, question, ledger, seed):
        if budget_first and refuse(epsilon, ledger["left"]):
            return None, ledger
        if remember and question in ledger["answers"]:
            return ledger["answers"][question], ledger
        answer = None if refuse(epsilon, ledger["left"]) else float(count + noise(epsilon, seed))
        left = ledger["left"] - epsilon * (charge if answer is not None else charge_refusal)
        return answer, {"left": left, "answers": ledger["answers"] | ({question: answer} if answer is not None else {})}

    return private_count


def named(name, code, function):
    function.__name__ = function.__qualname__ = name
    return private_count.mistake(code)(function)


more_epsilon_more_noise = named("more_epsilon_more_noise", "M88", variant(
    lambda epsilon, seed: np.random.default_rng(seed).laplace(0, epsilon)))
noise_of_one = named("noise_of_one", "M27", variant(lambda epsilon, seed: np.random.default_rng(seed).laplace(0, 1)))
sensitivity_two = named("sensitivity_two", "M32", variant(
    lambda epsilon, seed: np.random.default_rng(seed).laplace(0, 2 / epsilon)))
gaussian = named("gaussian", "M32", variant(
    lambda epsilon, seed: np.random.default_rng(seed).normal(0, math.sqrt(math.pi / 2) / epsilon)))
upwards_only = named("upwards_only", "M32", variant(
    lambda epsilon, seed: np.random.default_rng(seed).exponential(1 / epsilon)))
seed_of_its_own = named("seed_of_its_own", "M27", variant(
    lambda epsilon, seed: np.random.default_rng(0).laplace(0, 1 / epsilon) * 1.75))
no_seed_at_all = named("no_seed_at_all", "M27", variant(
    lambda epsilon, seed: np.random.default_rng().laplace(0, 1 / epsilon)))
new_noise_for_an_old_question = named("new_noise_for_an_old_question", "M95", variant(remember=False))
a_budget_for_each_question = named("a_budget_for_each_question", "M95", variant(charge=False))
into_debt = named("into_debt", "M95", variant(refuse=lambda epsilon, left: False))
a_refusal_costs_too = named("a_refusal_costs_too", "M95", variant(charge_refusal=True))
never_the_last_answer = named("never_the_last_answer", "M31", variant(refuse=lambda epsilon, left: epsilon >= left))
budget_before_memory = named("budget_before_memory", "M95", variant(budget_first=True))


@private_count.mistake("M52", "Q and q are two questions: they are compared as they are.")
def small_and_capital_alike(count, epsilon, question, ledger, seed):
    for known, answer in ledger["answers"].items():
        if known.lower() == question.lower():
            return answer, ledger
    return from_two_exponentials(count, epsilon, question, ledger, seed)


@private_count.mistake("M38", "An answer of 0 is an answer.")
def zero_is_no_answer(count, epsilon, question, ledger, seed):
    answers = {known: answer for known, answer in ledger["answers"].items() if answer}
    answer, after = from_two_exponentials(count, epsilon, question, ledger | {"answers": answers}, seed)
    return answer, after | {"answers": ledger["answers"] | after["answers"]}


@private_count.right
def from_two_exponentials(count, epsilon, question, ledger, seed):
    answers = dict(ledger["answers"])
    if question not in answers:
        if ledger["left"] < epsilon:
            return None, ledger
        rng = np.random.default_rng(seed + 1)
        answers[question] = count + (rng.exponential() - rng.exponential()) / epsilon
        return answers[question], {"left": ledger["left"] - epsilon, "answers": answers}
    return answers[question], ledger


@private_count.right
def in_whole_people(count, epsilon, question, ledger, seed):
    if question in ledger["answers"]:
        return ledger["answers"][question], ledger
    if ledger["left"] - epsilon < 0:
        return None, ledger
    answer = round(stats.laplace.ppf(np.random.default_rng(seed).random(), count, 1 / epsilon))
    return answer, {"answers": {**ledger["answers"], question: answer}, "left": ledger["left"] - epsilon}
