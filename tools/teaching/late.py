"""What late work costs: a plugin of nbgrader, set in the nbgrader_config.py of a term.

    c.LateWork.per_day = 10  # percent of the points for each day begun after the due date
    c.LateWork.grace = 2  # hours that are forgiven
    c.LateWork.most = 50  # percent at most
"""

import math

from nbgrader.plugins import LateSubmissionPlugin
from traitlets import Float


class LateWork(LateSubmissionPlugin):
    """A share of the points for each day begun. Nothing, unless the term says so."""

    per_day = Float(0, help="percent of the points for each day begun after the due date").tag(config=True)
    grace = Float(0, help="hours that are forgiven").tag(config=True)
    most = Float(100, help="percent at most").tag(config=True)

    def late_submission_penalty(self, student_id: str, score: float, total_seconds_late: float) -> float | None:
        days = math.ceil(max(total_seconds_late / 3600 - self.grace, 0) / 24)
        return score * min(days * self.per_day, self.most) / 100 or None
