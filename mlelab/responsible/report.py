"""A colleague's fairness report on the loans, for exercise 10.11. It reads well; not all of it is right."""

import pandas as pd

THRESHOLD = 0.8


def printed(applications: pd.DataFrame) -> str:
    """The report as its readers get it.

    applications: those of `loans.load`, and `p`, the chance of approval from models that have not seen the row.
    """
    said = lines(applications)
    return "\n".join([
        f"FAIRNESS REPORT. Mortgages: {len(applications):,} applications, approved above a chance of {THRESHOLD}.",
        "The model has not seen the applications that it scores. White applicants are the reference.", "",
        *(f"{number}. {line}" for number, line in said.items()), "",
        "Recommendation: raise the TPR of line 3 before the model goes live, and look into line 7 at once."])


def lines(applications: pd.DataFrame) -> dict[int, str]:
    """The numbered lines, by their number."""
    rows = applications.assign(yes=applications["p"] > THRESHOLD, good=applications["approved"] == 1)
    black, hispanic, white = (rows[rows["group"] == name] for name in ("Black", "Hispanic", "white"))
    ratio = black["yes"].mean() / white["yes"].mean()
    both, among_yes = (black["yes"] & black["good"]).mean(), black.loc[black["yes"], "good"]
    overdue = hispanic[(hispanic["mortlat2"] > 0) & hispanic["good"]]
    return {
        1: f"The model approves {white['yes'].mean():.0%} of the white applicants.",
        2: f"Black applicants are approved {ratio:.2f} times as often as white ones.",
        3: f"Of the Black applicants whom the lender approved, the model approves {both:.0%}.",
        4: f"Of the Black applicants whom the lender refused, the model approves {1 - among_yes.mean():.0%}.",
        5: f"Of the Hispanic applicants whom the model approves, the lender approved "
           f"{hispanic.loc[hispanic['yes'], 'good'].mean():.0%}.",
        6: f"The ratio of line 2 is below four fifths, and not by chance: it was computed from {len(black)} people.",
        7: f"Of the Hispanic applicants with repeated late payments (`mortlat2`) whom the lender approved, the model "
           f"approves {overdue['yes'].sum() / max(len(overdue), 1):.0%}."}
