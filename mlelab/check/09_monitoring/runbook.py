"""9.9 runbook: form only. Whether a colleague could follow it, a person must judge; the card says so."""

import re

from mlelab.check.lab import Trial

from . import lab

FIELDS = ("alarm", "first_look", "roll_back_if", "meanwhile", "decides", "reach", "over_when")
EMPTY = re.compile(r"\W*(todo|tbd|n/?a|none|nobody|nothing|x+|fixme|later|unknown)?\W*(later)?\W*", re.I)
NUMBER = re.compile(r"\d|\b(two|three|four|five|six|seven|eight|nine|ten|twelve|half|twice|double)\b", re.I)
# Commands at the beginning; nouns such as "train statistics" or "rollback yesterday?" are none.
COMMAND = re.compile(
    r"(?:(?:please|first|immediately|quickly|at once|now|just|always|we|you)[,:]?\s+)*"
    r"(re-?train|train (?:the|a|it|on|again|new|model)|(?:re-?)?fit (?:the|a|it|on|again|model)|re-?fit|"
    r"re-?start|re-?boot|roll[ -](?:it |the \w+ )?back|rollback (?:the|to|now|immediately)|re-?deploy|deploy|revert|"
    r"switch (?:it |the \w+ )?off|shut|kill|stop the|scale (?:up|out))\b", re.I)


@lab.exercise("9.9", section="an-incident", hints=(
    "Write it for a colleague at three in the morning who has not seen this service before.",
    "First look at data and versions; a rollback with a condition that can be measured; somebody who decides and can "
    "be "
    "reached; what the desk does meanwhile; and when it is over, in numbers."))
def runbook(trial: Trial, answer) -> str:
    book = trial.call(answer)
    trial.require(isinstance(book, dict), "A runbook is a dict.", call="runbook()", got=type(book).__name__)
    texts = {name: _text(book.get(name)) for name in FIELDS}
    missing = [name for name, text in texts.items() if EMPTY.fullmatch(text) or not re.search(r"[^\W\d_]{2}", text)]
    nobody = {"decides", "reach", "meanwhile"} & set(missing)
    trial.require(not missing, "Each field says something, in words.", call="runbook()", expected=list(FIELDS),
                  got=f"nothing in {', '.join(missing)}", mistake="M38" if nobody else "M37")
    trial.require(len(set(texts.values())) > 3, "Each field has its own content.", call="runbook()", mistake="M27",
                  got=sorted(set(texts.values())))
    trial.require(not COMMAND.match(texts["first_look"].lstrip(" -*1.)")), "First look, then act: the first look "
                                                                           "begins "
                  "neither with training nor with a restart or a rollback.", call="runbook()['first_look']",
                  got=texts["first_look"], mistake="M22")
    for name in ("alarm", "roll_back_if", "over_when"):
        trial.require(bool(NUMBER.search(texts[name])), f"`{name}` can be measured: it has a number.",
                      call=f"runbook()['{name}']", got=texts[name], mistake="M37")
    return ("Your runbook has all that a runbook needs in form. Whether somebody who was not there could follow it, "
            "only "
            "a person can judge: give it to a colleague.")


def _text(value) -> str:
    """A field as one text; steps may be a list."""
    if isinstance(value, (list, tuple)):
        return "; ".join(map(_text, value))
    return value.strip() if isinstance(value, str) else ""


# Answers: wrong ones with their misconceptions, and right ones written differently.


def sound(**other):
    return {"alarm": "mean chance more than 15 % from that of the same hours, 3 windows in a row",
            "first_look": "input data of today against yesterday, then which versions answer",
            "roll_back_if": "a version younger than 48 h answers and the mean is still off after 30 minutes",
            "meanwhile": "the desk uses the carrier table of chapter 1", "decides": "head of the desk",
            "reach": "the on-call phone, then the platform team",
            "over_when": "3 windows within 5 % of the expected mean"} | other


@runbook.mistake("M22")
def trains_first():
    return sound(first_look="retrain on the data of today")


@runbook.mistake("M22")
def restarts_first():
    return sound(first_look="restart the service and look whether the data is fine")


@runbook.mistake("M22")
def rolls_back_first():
    return sound(first_look="Roll back, then look at the inputs")


@runbook.mistake("M22")
def fits_again_at_once():
    return sound(first_look="Immediately fit the model again, units can wait")


@runbook.mistake("M38")
def nobody_decides():
    return sound(decides="")


@runbook.mistake("M38")
def decided_later():
    return sound(decides=None, reach="TODO")


@runbook.mistake("M38")
def nothing_meanwhile():
    return {name: text for name, text in sound().items() if name != "meanwhile"}


@runbook.mistake("M37")
def over_when_it_looks_fine():
    return sound(over_when="it looks fine again")


@runbook.mistake("M38")
def a_digit_in_each_field():
    return dict.fromkeys(FIELDS, "1")


@runbook.right
def another_runbook():
    return {"alarm": "no request for 10 minutes", "first_look": "are features arriving, and from when are they?",
            "roll_back_if": "the error share stays above 1 % for ten minutes", "meanwhile": "no alerts; desks are told",
            "decides": "the shift lead", "reach": "shift phone", "over_when": "100 requests without an error"}


@runbook.right
def looks_at_units():
    return sound(first_look=["Units and age of the weather feed", "unseen carriers"])


@runbook.right
def says_what_not_to_do():
    return sound(first_look="Inputs and versions; do not retrain")


@runbook.right
def nouns_are_no_commands():
    return sound(first_look="Rollback or rollout since yesterday? Then train and serving statistics side by side")
