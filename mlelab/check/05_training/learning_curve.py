"""5.1 learning_curve: what more rows would bring. Spies read off which rows each model learned from, and was judged
on."""

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from mlelab import case

from . import _real, lab


@lab.exercise("5.1", section="do-we-need-it", hints=(
    "One shuffle of `train` for each seed; each size takes the first rows of that shuffle, so that samples are nested. "
    "`held_out` is never cut.",
    "Per seed: `order = train.sample(frac=1, random_state=seed)`, then `score(fit(order[:size]), held_out)` for each "
    "size. The gain is the last row of the curve minus the row before it, averaged over the seeds."))
class learning_curve:
    rule = ("For each seed the samples are nested parts of one shuffle, judged on all of held_out; worth it if the "
            "last "
            "step, averaged over the seeds, gains at least min_gain.")
    draws = 4

    def inputs(d):
        rows = d.pick([40, 60])
        numbers = d.rng().permutation(rows + 10)
        frame = pd.DataFrame({"row": numbers, "value": numbers / 7}, index=d.rng().permutation(rows + 10))
        sizes = sorted({d.pick([5, 8]), d.pick([12, 20]), d.pick([30, rows]), *([25] if d.flag() else [])})
        seeds = d.order([3, 0, 41, 7])[:d.pick([1, 2, 4])]  # means of so many are exact
        return dict(train=frame[:rows], held_out=frame[rows:], sizes=sizes, seeds=seeds, luck=d.int(0, 999))

    def run(learning_curve, train, held_out, sizes, seeds, luck):
        """Ask for the curve; then again with smallest gains that tell the right gain from those of mistakes."""
        if luck is None:
            return {"real": learning_curve(_fit, _score, train, held_out, sizes, seeds, 0.01)[0].to_numpy(float)}
        learned, judged = [], []

        def fit(rows):
            learned.append(rows["row"].tolist())
            return tuple(learned[-1])

        def score(model, rows):
            judged.append((frozenset(model), frozenset(rows["row"])))
            return len(model) // 8 / 32 + np.random.default_rng([luck, *sorted(model)]).integers(0, 16) / 64

        curve, _ = learning_curve(fit, score, train, held_out, sizes, seeds, 0.01)
        first = learned[:], judged[:]
        told = []
        for limit in _limits(curve.astype(float)):
            again, worth = learning_curve(fit, score, train, held_out, sizes, seeds, limit)
            told.append((limit, bool(worth) if isinstance(worth, (bool, np.bool_)) else worth, again.equals(curve)))
        return {"curve": curve, "learned": first[0], "judged": first[1], "told": told}

    def holds(got, train, held_out, sizes, seeds, luck):
        if luck is None:
            fair = got["real"].shape == (2, 1) and 0.6 < got["real"][0, 0] < 0.8
            yield "The scores are those of nested samples.", fair
            return
        curve, learned, judged = got["curve"], got["learned"], got["judged"]
        yield ("The curve has a row for each size, a column for each seed, and a score in each cell.",
               list(curve.index) == sizes and list(curve.columns) == seeds and bool(
                   np.isfinite(curve.astype(float)).all(None)))
        yield ("A model is judged on rows that it did not learn from.", not any(a & b for a, b in judged), "M02")
        yield ("Each model is judged on the same rows, all of held_out.", all(
            rows == frozenset(held_out["row"]) for _, rows in judged), "M16")
        once = all(len(set(run)) == len(run) for run in learned)
        yield ("For each seed, each size is fitted once, on as many rows as it says.",
               once and sorted(map(len, learned)) == sorted(sizes * len(seeds)), None,
               dict(expected=sorted(sizes * len(seeds)), got=sorted(map(len, learned))))
        of = {size: {frozenset(run) for run in learned if len(run) == size} for size in sizes}
        yield ("A sample is drawn from all of train: the first rows of a file are its first months.",
               frozenset(train["row"][:sizes[0]]) not in of[sizes[0]], "M34")
        yield ("Each seed has a shuffle of its own: one sample is one draw of luck.", all(
            len(found) == len(seeds) for size, found in of.items() if size < len(train)), "M16")
        yield ("Samples of one seed are nested: the larger one holds all rows of the smaller one.", all(
            any(small < large for large in of[b]) for a, b in zip(sizes, sizes[1:]) for small in of[a]), "M16")
        yield "The scores stand in the column of their seed.", _in_columns(curve, judged, sizes, seeds, luck), "M51"
        yield "The same seeds give the same curve.", all(same for *_, same in got["told"]), "M98"
        gain = (curve.iloc[-1] - curve.iloc[-2]).astype(float).mean()
        wrong = next((limit for limit, worth, _ in got["told"] if worth is not (bool(gain >= limit))), None)
        yield ("Scaling is worth it if the last step of the curve, averaged over the seeds, gains at least min_gain.",
               wrong is None, _whose(curve.astype(float), wrong, gain),
               dict(expected=f"{gain >= (wrong or 0)} for min_gain={wrong}, as the last step gains {gain:.4f}",
                    got=next((worth for limit, worth, _ in got["told"] if limit == wrong), None)))

    steady = False  # `run` itself asks again

    def shows(train, held_out, sizes, seeds, luck):
        return f"learning_curve(fit, score, train, held_out, {sizes=}, {seeds=}, min_gain)", None

    def real():
        train, validation, _ = _real.flights()
        return dict(train=train, held_out=validation, sizes=[1_000, 10_000], seeds=[0], luck=None)

    def figure(got, **_):
        return (f"On flights of September and October, 1,000 training flights reach AUC {got['real'][0, 0]:.3f} and "
                f"10,000 reach {got['real'][1, 0]:.3f}. You will see what the other 200,000 add.")


def _fit(rows):
    return case.linear_model().fit(rows, rows["late"])


def _score(model, rows):
    return roc_auc_score(rows["late"], model.predict_proba(rows)[:, 1])


def _others(curve):
    """The gains that mistakes look at."""
    steps = curve.diff().iloc[-1]
    return {"M32": (curve.iloc[-1] - curve.iloc[0]).mean(), "M16": steps.iloc[0], "M89": steps.median(),
            "M35": steps.max(), "M33": curve.diff().iloc[-2].mean()}


def _limits(curve):
    gain = curve.diff().iloc[-1].mean()
    return [gain, gain + 1 / 4096, *sorted({(gain + other) / 2 for other in _others(curve).values() if other != gain})]


def _whose(curve, limit, gain):
    if limit in (None, gain):
        return "M31" if limit is not None else None
    return next((code for code, other in _others(curve).items() if (other >= limit) != (gain >= limit)), None)


def _in_columns(curve, judged, sizes, seeds, luck):
    """A column's samples are nested in each other: the scores of one column belong to one shuffle."""
    of = {}
    for model, _ in judged:
        score = len(model) // 8 / 32 + np.random.default_rng([luck, *sorted(model)]).integers(0, 16) / 64
        of.setdefault((len(model), score), []).append(model)
    for seed in seeds:
        chain = [of.get((size, float(curve.loc[size, seed])), []) for size in sizes]
        if any(not found for found in chain):
            return False
        reachable = chain[0]
        for larger in chain[1:]:
            reachable = [model for model in larger if any(small <= model for small in reachable)]
        if not reachable:
            return False
    return True


# Answers: wrong ones with their misconceptions, and right ones written differently.


def curve_of(samples, fit, score, train, held_out, sizes, seeds):
    return pd.DataFrame({seed: [score(fit(samples(train, seed, size)), held_out) for size in sizes] for seed in seeds},
                        index=sizes)


def nested(train, seed, size):
    return train.sample(frac=1, random_state=seed)[:size]


def last_gain(curve):
    return (curve.iloc[-1] - curve.iloc[-2]).mean()


@learning_curve.mistake("M02")
def judged_on_what_it_learned(fit, score, train, held_out, sizes, seeds, min_gain):
    curve = pd.DataFrame({seed: [score(fit(rows), rows) for rows in (nested(train, seed, size) for size in sizes)]
                          for seed in seeds}, index=sizes)
    return curve, last_gain(curve) >= min_gain


@learning_curve.mistake("M16")
def held_out_rows_sampled_as_well(fit, score, train, held_out, sizes, seeds, min_gain):
    curve = pd.DataFrame({seed: [score(fit(nested(train, seed, size)), nested(held_out, seed, 5)) for size in sizes]
                          for seed in seeds}, index=sizes)
    return curve, last_gain(curve) >= min_gain


@learning_curve.mistake("M16")
def one_sample_for_all_seeds(fit, score, train, held_out, sizes, seeds, min_gain):
    curve = curve_of(lambda train, seed, size: nested(train, 0, size), fit, score, train, held_out, sizes, seeds)
    return curve, last_gain(curve) >= min_gain


@learning_curve.mistake("M16")
def first_seed_is_law(fit, score, train, held_out, sizes, seeds, min_gain):
    curve = curve_of(nested, fit, score, train, held_out, sizes, seeds)
    return curve, last_gain(curve[seeds[:1]]) >= min_gain


@learning_curve.mistake("M16")
def new_draw_for_each_size(fit, score, train, held_out, sizes, seeds, min_gain):
    curve = curve_of(lambda train, seed, size: train.sample(size, random_state=seed + size), fit, score, train,
                     held_out, sizes, seeds)
    return curve, last_gain(curve) >= min_gain


@learning_curve.mistake("M34")
def first_rows_of_the_file(fit, score, train, held_out, sizes, seeds, min_gain):
    curve = curve_of(lambda train, seed, size: train[:size], fit, score, train, held_out, sizes, seeds)
    return curve, last_gain(curve) >= min_gain


@learning_curve.mistake("M32")
def gain_since_the_smallest(fit, score, train, held_out, sizes, seeds, min_gain):
    curve = curve_of(nested, fit, score, train, held_out, sizes, seeds)
    return curve, (curve.iloc[-1] - curve.iloc[0]).mean() >= min_gain


@learning_curve.mistake("M31")
def more_than_the_smallest_gain(fit, score, train, held_out, sizes, seeds, min_gain):
    curve = curve_of(nested, fit, score, train, held_out, sizes, seeds)
    return curve, last_gain(curve) > min_gain


@learning_curve.mistake("M33")
def the_step_before_the_last(fit, score, train, held_out, sizes, seeds, min_gain):
    curve = curve_of(nested, fit, score, train, held_out, sizes, seeds)
    return curve, last_gain(curve[:-1]) >= min_gain


@learning_curve.mistake("M35", "The gains of the seeds are averaged: one seed that gains enough is luck.")
def any_seed_that_gains(fit, score, train, held_out, sizes, seeds, min_gain):
    curve = curve_of(nested, fit, score, train, held_out, sizes, seeds)
    return curve, (curve.iloc[-1] - curve.iloc[-2] >= min_gain).any()


@learning_curve.mistake("M89", "The gains of the seeds are averaged, their median is another number.")
def median_of_the_seeds(fit, score, train, held_out, sizes, seeds, min_gain):
    curve = curve_of(nested, fit, score, train, held_out, sizes, seeds)
    return curve, (curve.iloc[-1] - curve.iloc[-2]).median() >= min_gain


@learning_curve.right
def with_numpy_and_loops(fit, score, train, held_out, sizes, seeds, min_gain):
    scores = np.zeros((len(sizes), len(seeds)))
    for column, seed in enumerate(seeds):
        order = np.random.default_rng(seed).permutation(len(train))
        for row, size in enumerate(sizes):
            scores[row, column] = score(fit(train.iloc[order[:size]]), held_out)
    return pd.DataFrame(scores, index=sizes, columns=seeds), scores[-1].mean() - scores[-2].mean() >= min_gain


@learning_curve.right
def sampled_by_size(fit, score, train, held_out, sizes, seeds, min_gain):
    """pandas takes the first rows of one shuffle, so these samples are nested, too."""
    curve = curve_of(lambda train, seed, size: train.sample(size, random_state=seed), fit, score, train, held_out,
                     sizes, seeds)
    return curve, bool(curve.diff().iloc[-1].mean() >= min_gain)
