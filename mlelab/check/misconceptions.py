"""The misconceptions that checks, wrong answers, quizzes and the question bank share: one code, one name."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Misconception:
    """A typical mistake: its code, its name, and in a sentence or two why it is wrong and what to do instead."""

    code: str
    name: str
    why: str


_ALL = [
    ("M01", "future information",
     "The value does not exist yet when the prediction is made. Keep only what is known by then."),
    ("M02", "fitted on hold-out",
     "Something was learned from rows that are there to judge. Learn from training rows only."),
    ("M03", "own label in own feature",
     "A row's feature was computed with that row's own label. Leave the row out."),
    ("M04", "random split of time data",
     "Rows of one day on both sides let the model recognise the day. Train on the past, judge on the future."),
    ("M05", "tuned on test",
     "A choice made on the test set makes its result too good. Choose on validation rows."),
    ("M06", "accuracy on a rare class",
     "When few rows are positive, saying no to all is accurate and useless. Count what each kind of error "
     "costs."),
    ("M07", "unweighted average of unequal parts",
     "A mean of means gives small parts the weight of large ones. Weight by count, or go back to sums."),
    ("M08", "missing taken for zero or negative",
     "A missing value is not a no. Decide what missing means, and keep it visible."),
    ("M09", "silent row loss or fan-out",
     "Rows vanished, doubled or moved without a word, so nothing joins to them any more. Keep one row for each"
     " row."),
    ("M10", "clock or unit confusion",
     "Two clocks or two units were mixed. Convert once, where the value enters."),
    ("M11", "two implementations of one transform",
     "Training and serving compute the same thing in two ways, and the ways drift apart. Share one."),
    ("M12", "dependent samples taken as independent",
     "Rows of one day or one user move together, so there is less evidence than rows. Resample whole groups."),
    ("M13", "significance taken for importance",
     "With enough rows any difference is significant. Ask how large it is."),
    ("M14", "drift taken for degradation",
     "Inputs may move without harm, and harm may come without a move. Measure quality itself."),
    ("M15", "blindness taken for fairness",
     "Leaving out a column, or finding a correlation, settles nothing. Measure outcomes by group."),
    ("M16", "point estimate as verdict",
     "A number from few rows is mostly luck. Shrink it, or give its interval."),
    ("M17", "mean latency",
     "The mean hides the slow requests that users remember. Look at the 95th and 99th percentile."),
    ("M18", "unsteady or ill-summed traffic split",
     "A user must stay with one version, and shares must sum to 100."),
    ("M19", "peeking",
     "Looking often and stopping when it looks good turns chance into findings. Fix the sample size first."),
    ("M20", "mutable version",
     "If a version can change, nobody knows what was tested. Make a new version."),
    ("M21", "non-idempotent step",
     "A second run must give the same state as the first."),
    ("M22", "retry or retrain first",
     "Find out what broke before you repeat it."),
    ("M23", "self-managed by habit",
     "A managed service meets the constraints with less work."),
    ("M24", "over-engineering",
     "A simpler design meets every stated constraint."),
    ("M25", "wrong mode, batch or online",
     "When the answer is needed decides between batch and online."),
    ("M26", "restriction violated",
     "A stated restriction is not a preference."),
    ("M27", "hard-coded evidence",
     "The answer holds for one known input only. Compute it from the arguments."),
    ("M28", "data parallelism shrinks memory",
     "Each worker still holds the whole model."),
    ("M29", "generation without grounding or refusal",
     "An answer needs a source, or a refusal."),
    ("M30", "secret or personal data in logs or prompts",
     "What is logged or sent cannot be taken back."),
    ("M31", "boundary off by one",
     "The case exactly at the limit went to the wrong side, or to both. Decide between > and >= once, and say "
     "so."),
    ("M32", "neighbouring quantity",
     "Something was measured that usually moves along, not the thing that was asked for."),
    ("M33", "stops at the first step",
     "Only the first problem, or only direct neighbours, were looked at. Go on to the end."),
    ("M34", "order of appearance trusted",
     "The order of a file or of the alphabet was taken for order in time, size or dependency. Sort by what you"
     " mean."),
    ("M35", "errors swapped",
     "The two kinds of error changed places. Say in words who suffers from which."),
    ("M36", "wrong denominator",
     "The count below the line is not the count of cases that could happen."),
    ("M37", "goal without a measure",
     "Without a metric, today's value and a target, nobody can say whether it worked."),
    ("M38", "no way out",
     "There is no answer when the model has none: name the fallback, the owner and the stop rule."),
    ("M39", "label out of reach",
     "The outcome is known too early to need a prediction, or never. Choose one that is observed after the "
     "action."),
    ("M40", "direction reversed",
     "Causes were taken for consequences. Follow the arrows from what changed."),
    ("M56", "replicas out of step",
     "Workers must start alike, take the same number of steps and apply the same gradient. Otherwise they train "
     "different models, or wait for each other for ever."),
    ("M57", "half a checkpoint",
     "A run goes on only from all of its state: step, parameters, optimiser, data position, random numbers. Write it "
     "to a new file, then give that its name."),
    ("M58", "communication taken as free",
     "Each byte between workers costs time. Count what every worker sends before you add workers."),
    ("M59", "only the weights counted",
     "Training also holds gradients, optimiser state, a master copy and activations. Add all of it up."),
    ("M60", "update in the wrong place",
     "One effective batch is one update: add up, step once, then start again from zero."),
]

MISCONCEPTIONS = {code: Misconception(code, name, why) for code, name, why in _ALL}
