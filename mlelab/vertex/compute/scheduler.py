"""The clock, cron expressions, and the thread that starts what is due."""

from __future__ import annotations

import datetime
import logging
import re
import threading
import time
import zoneinfo
from collections.abc import Callable, Sequence

from ..wire.errors import invalid

log = logging.getLogger("mlelab.vertex")

TICK = 1.0
_FIELDS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 6))
_NAMES = {n: i for i, n in enumerate(["sun", "mon", "tue", "wed", "thu", "fri", "sat"])} | {
    n: i + 1 for i, n in enumerate(["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"])
}


class Clock:
    """The time as schedules see it. A test moves it by `advance`."""

    def __init__(self) -> None:
        self._offset = 0.0
        self.moved = threading.Event()

    def now(self) -> datetime.datetime:
        """Now, in UTC."""
        return datetime.datetime.fromtimestamp(time.time() + self._offset, datetime.UTC)

    def advance(self, seconds: float) -> None:
        """Let time pass; whatever falls due starts at once."""
        self._offset += seconds
        self.moved.set()


class Cron:
    """`minute hour day month weekday`, in UTC unless it begins with `TZ=Region/City` (or `CRON_TZ=`)."""

    def __init__(self, text: str) -> None:
        match = re.fullmatch(r"(?:(?:CRON_)?TZ=(\S+)\s+)?(.*)", text.strip())
        try:
            self._zone = zoneinfo.ZoneInfo(match.group(1) or "UTC")
            parts = match.group(2).lower().split()
            if len(parts) != 5:
                raise ValueError("five fields are needed")
            self._sets = [self._parse(part, *span) for part, span in zip(parts, _FIELDS, strict=True)]
        except (ValueError, KeyError, zoneinfo.ZoneInfoNotFoundError) as error:
            raise invalid(f"cron {text[:100]!r} cannot be read: {error}.") from None
        self._either = parts[2] != "*" and parts[4] != "*"  # day of month or day of week, when both are given

    @staticmethod
    def _parse(text: str, low: int, high: int) -> set[int]:
        values: set[int] = set()
        for part in text.split(","):
            span, _, step = part.partition("/")
            first, _, last = span.partition("-")
            start = low if first == "*" else _NAMES[first] if first in _NAMES else int(first)
            stop = high if first == "*" or step and not last else start
            stop = (_NAMES[last] if last in _NAMES else int(last)) if last else stop
            if high == 6 and (start, stop) == (7, 7):
                start = stop = 0
            if not low <= start <= stop <= high or step and int(step) < 1:
                raise ValueError(f"{part!r} is outside {low}-{high}")
            values.update(range(start, stop + 1, int(step or 1)))
        return values

    def after(self, moment: datetime.datetime) -> datetime.datetime:
        """The first match later than `moment`. INVALID_ARGUMENT where there is none within five years."""
        minutes, hours, days, months, weekdays = self._sets
        local = moment.astimezone(self._zone).replace(second=0, microsecond=0) + datetime.timedelta(minutes=1)
        limit = local + datetime.timedelta(days=5 * 366)
        while local < limit:
            in_month, in_week = local.day in days, (local.isoweekday() % 7) in weekdays
            day = (in_month or in_week) if self._either else (in_month and in_week)
            if local.month not in months or not day:
                local = local.replace(hour=0, minute=0) + datetime.timedelta(days=1)
            elif local.hour not in hours:
                local = local.replace(minute=0) + datetime.timedelta(hours=1)
            elif local.minute not in minutes:
                local += datetime.timedelta(minutes=1)
            else:
                return local.astimezone(datetime.UTC)
        raise invalid("cron matches no date.")


class Scheduler:
    """Calls `ticks` once a second, and whenever the clock is moved, from `start` to `close`."""

    def __init__(self, clock: Clock, ticks: Sequence[Callable[[], None]]) -> None:
        self._clock, self._ticks = clock, ticks
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="scheduler")
        self._thread.start()

    def close(self) -> None:
        """End, after the tick that is under way."""
        self._stop.set()
        self._clock.moved.set()
        self._thread.join(10)

    def _run(self) -> None:
        while not self._stop.is_set():
            self._clock.moved.wait(TICK)
            self._clock.moved.clear()
            for tick in [] if self._stop.is_set() else self._ticks:
                try:
                    tick()
                except Exception:
                    log.exception("a schedule failed")
