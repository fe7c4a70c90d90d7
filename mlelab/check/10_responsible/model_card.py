"""10.10 model_card: the card of a model, computed from its artefacts."""

import pandas as pd
from sklearn.metrics import roc_auc_score

from . import lab

SAID = ("owner", "contact", "limits", "not_for", "decisions")


@lab.exercise("10.10", section="the-card", hints=(
    "Go through the list in the docstring. Which of it can be computed, and from which of the two frames?",
    "Loop over `groupby(\"group\")` for the groups, and collect in `missing` what `artefacts.get(name)` does not "
    "give."))
class model_card:
    rule = "Everything on the card is computed from these artefacts, or stands there as it was said."
    figure = "The same function on other artefacts makes another card. That is what makes it one."

    def inputs(d):
        def rows(year, names):
            n = d.int(2, 8)
            month = d.int(1, 12)
            y = d.order([0, 1] + [d.int(0, 1) for _ in range(n - 2)])
            return pd.DataFrame({
                "date": [pd.Timestamp(f"{year}-{month:02}-01") + pd.Timedelta(days=d.int(0, n)) for _ in y], "y": y,
                "p": [d.int(0, 8) / 8 for _ in y], "group": [d.pick(names) for _ in y]}, index=d.index(n))

        said = {"owner": d.pick(["the desk", "Bo"]), "contact": "desk@example.org", "limits": ["one year"],
                "not_for": d.pick([["fines"], "hiring"]), "decisions": ["threshold by cost", "no age"]}
        for name in d.some(SAID) if d.flag() else []:
            gone = d.pick(["absent", "", [], None])
            said[name] = gone
            if gone == "absent":
                del said[name]
        names = d.pick([["EWR", "JFK"], ["LGA", "ATL", "BOS"]])
        return dict(artefacts={"train": rows(2012, names).drop(columns=d.pick([[], ["group"]])),
                               "test": rows(2013, names), "threshold": d.pick([0.5, 0.25, 0.375, 0.75])} | said)

    def see(card, artefacts):
        """What the docstring names; a date in any spelling, the missing in any order."""
        parts = {name: (int(card[name][0]), *(pd.Timestamp(day) for day in card[name][1:]))
                 for name in ("trained_on", "tested_on")}
        if any(len(part) != 3 for part in parts.values()):
            raise ValueError("trained_on and tested_on are (rows, first date, last date)")
        groups = {name: {what: float(found[what]) for what in ("n", "late", "alerted")}
                  for name, found in card["groups"].items()}
        said = {name: card[name] for name in SAID if artefacts.get(name)}
        return parts | {"auc": float(card["auc"]), "groups": groups, "missing": sorted(card["missing"])} | said

    def shows(artefacts):
        short = {name: f"{len(value)} rows" if isinstance(value, pd.DataFrame) else value
                 for name, value in artefacts.items()}
        return f"model_card({short}); test:", artefacts["test"].head(8)


# Answers: wrong ones with their misconceptions, and right ones written differently.


@model_card.mistake("M27", "auc is computed on the test rows of these artefacts.")
def number_of_last_year(artefacts):
    return full_card(artefacts) | {"auc": 0.713}


@model_card.mistake("M02", "auc is computed on the test rows: on those of training it says what was learned by heart.")
def auc_of_the_training_rows(artefacts):
    train = artefacts["train"]
    return full_card(artefacts) | {"auc": roc_auc_score(train["y"], train["p"])}


@model_card.mistake("M50", "auc takes the chances, not the decisions made of them.")
def auc_of_the_alerts(artefacts):
    test = artefacts["test"]
    return full_card(artefacts) | {"auc": roc_auc_score(test["y"], test["p"] >= artefacts["threshold"])}


@model_card.mistake("M75", "The card has numbers for each group, and not only for all together.")
def all_together(artefacts):
    test = artefacts["test"]
    return full_card(artefacts) | {"groups": {"all": {"n": len(test), "late": test["y"].mean(), "alerted": 0.5}}}


@model_card.mistake("M38", "missing names what nobody said, empty or not there at all.")
def gaps_are_not_told(artefacts):
    return full_card(artefacts) | {"missing": []}


@model_card.mistake("M38", "missing names what is empty, too, not only what is not there.")
def empty_is_not_missing(artefacts):
    return full_card(artefacts) | {"missing": [name for name in SAID if name not in artefacts]}


@model_card.mistake("M38", "What people said stands on the card as they said it.")
def limits_left_out(artefacts):
    return {name: value for name, value in full_card(artefacts).items() if name not in ("limits", "not_for")}


@model_card.mistake("M34", "First and last date are the earliest and the latest, wherever their rows stand.")
def first_and_last_row(artefacts):
    return full_card(artefacts) | {
        name: (len(rows), rows["date"].iloc[0], rows["date"].iloc[-1])
        for name, rows in (("trained_on", artefacts["train"]), ("tested_on", artefacts["test"]))}


@model_card.mistake("M31", "A row with just the threshold is alerted.")
def strictly_above_the_threshold(artefacts):
    return full_card(artefacts, lambda p: p > artefacts["threshold"])


@model_card.mistake("M27", "The threshold is that of the artefacts.")
def threshold_of_its_own(artefacts):
    return full_card(artefacts, lambda p: p >= 0.5)


@model_card.mistake("M07", "Rows are counted, not days: several may be of one day.")
def days_for_rows(artefacts):
    return full_card(artefacts) | {name: (artefacts[part]["date"].nunique(), *full_card(artefacts)[name][1:])
                                   for name, part in (("trained_on", "train"), ("tested_on", "test"))}


@model_card.mistake("M36", "alerted is a share of all rows of the group, not of the late ones.")
def alerted_of_the_late(artefacts):
    card = full_card(artefacts)
    for name, rows in artefacts["test"].query("y == 1").groupby("group"):
        card["groups"][name]["alerted"] = (rows["p"] >= artefacts["threshold"]).mean()
    return card


@model_card.right
def full_card(artefacts, alerted=None):
    train, test = artefacts["train"], artefacts["test"]
    alerted = alerted or (lambda p: p >= artefacts["threshold"])
    card = {name: (len(rows), rows["date"].min(), rows["date"].max())
            for name, rows in (("trained_on", train), ("tested_on", test))}
    card["auc"] = roc_auc_score(test["y"], test["p"])
    card["groups"] = {name: {"n": len(rows), "late": rows["y"].mean(), "alerted": alerted(rows["p"]).mean()}
                      for name, rows in test.groupby("group")}
    card |= {name: artefacts.get(name) for name in SAID}
    return card | {"missing": [name for name in SAID if not artefacts.get(name)]}


@model_card.right
def written_out(artefacts):
    card = {"missing": []}
    for name in reversed(SAID):
        card[name] = artefacts.get(name)
        if card[name] in (None, "", []):
            card["missing"] += [name]
    for name, part in {"trained_on": "train", "tested_on": "test"}.items():
        dates = sorted(artefacts[part]["date"])
        card[name] = [len(dates), dates[0], dates[-1].to_pydatetime()]
    test, card["groups"] = artefacts["test"], {}
    for group in set(test["group"]):
        rows = test[test["group"] == group]
        card["groups"][group] = {"n": len(rows), "late": rows["y"].sum() / len(rows),
                                 "alerted": (rows["p"] >= artefacts["threshold"]).sum() / len(rows)}
    above = test.loc[test["y"] == 1, "p"].to_numpy()[:, None]
    below = test.loc[test["y"] == 0, "p"].to_numpy()[None]
    card["auc"] = (above > below).mean() + (above == below).mean() / 2
    return card
