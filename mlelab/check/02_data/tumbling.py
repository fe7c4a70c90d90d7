"""2.6 tumbling: windows of event time over a stream that can be read once."""

import math

import pandas as pd

from mlelab.pipelines import stream

from . import _real, lab


@lab.exercise("2.6", section="event-time", hints=(
    "Go through the events once, in the order of arrival. Carry three things: the ids that you have seen, the latest "
    "event time so far, and the counts.",
    "The window of an event starts at `time // width * width`. It is too late if the watermark, *before* this event, "
    "is greater than `start + width + allowed_lateness`. Raise the watermark afterwards."))
class tumbling:
    rule = ("Each event counts once, in the window of its own time, unless the watermark had passed the window's end "
            "by more than the allowed lateness.")

    def inputs(d):
        width, lateness = d.pick([10, 60, 7, 100]), d.pick([0, 5, 30, 10, 1000])
        limits = [0, width, 2 * width, 2 * width + lateness, 3 * width + lateness, -2 * width - lateness]

        def time():
            return d.pick(limits) + d.pick([0, -1, 1, d.int(0, 5 * width)])

        ids = d.order([f"e{number}" for number in range(8)])  # an id says nothing about time
        events, arrival = [], 0
        for _ in range(d.int(0, 8)):
            arrival += d.int(0, 2 * width)
            if events and d.flag(0.25):  # delivered again
                name, at, _ = d.pick(events)
                events.append((name, at, arrival))
            else:
                events.append((ids.pop(), time(), arrival))
        return dict(events=events, width=width, allowed_lateness=lateness)

    def run(tumbling, events, width, allowed_lateness):
        return tumbling(iter(events), width, allowed_lateness)

    def real():
        events = stream.events(stream.reports(_real.table("flights"), "2013-02-08"))
        return dict(events=events, width=3600, allowed_lateness=3600)

    def figure(got, events, **_):
        counts, late = got
        ids = {name for name, *_ in events}
        return (f"On a stormy day, 8 February, {sum(counts.values())} of {len(ids)} departures "
                f"were counted in their hour, and {late} reports came too late.")


# Answers: wrong ones with their misconceptions, and right ones written differently.


def told(events, width, allowed_lateness, *, wait=None, key=lambda place, event: event[0], time=lambda event: event[1],
         is_late=lambda mark, start, width, wait: mark > start + width + wait, mark_of=None, latest=max, before=iter,
         start=lambda time, width: time // width * width, width_is=None, remember_late=True,
         named=lambda start, width: start):
    """A right answer whose pieces the mistakes replace."""
    width, wait = width_is or width, allowed_lateness if wait is None else wait
    counts, late, seen, mark = {}, 0, set(), -math.inf
    for place, event in enumerate(before(events)):
        at = time(event)
        if key(place, event) not in seen:
            begin = start(at, width)
            too_late = is_late(mark, begin, width, wait)
            late += too_late
            if not too_late:
                counts[named(begin, width)] = counts.get(named(begin, width), 0) + 1
            if remember_late or not too_late:
                seen.add(key(place, event))
        mark = latest(mark, (mark_of or time)(event))
    return counts, late


tumbling.variants(
    told,
    by_time_of_arrival=("M10", "The window is that of the event's own time, not of its arrival.",
                        dict(time=lambda event: event[2])),
    watermark_of_arrivals=("M10", "The watermark is the latest event time, not the time of arrival.",
                           dict(mark_of=lambda event: event[2])),
    watermark_of_the_last_event=("M34", "The watermark is the latest time so far, not the time of the last event.",
                                 dict(latest=lambda mark, time: time)),
    late_means_lost=("M09", "A window waits: it takes events until the watermark is past its end by allowed_lateness.",
                     dict(wait=0)),
    exactly_at_the_allowed_lateness_is_too_late=(
        "M31", "Too late is what comes when the watermark is greater than end plus lateness, not equal.",
        dict(is_late=lambda mark, start, width, wait: mark >= start + width + wait)),
    waits_from_the_start=("M32", "A window waits from its end on, not from its start.",
                          dict(is_late=lambda mark, start, width, wait: mark > start + wait)),
    a_second_delivery_counts_again=("M21", "An id that comes again is the same event: it counts once.",
                                    dict(key=lambda place, event: place)),
    same_time_is_the_same_event=("M21", "Two events may have the same time: the id tells whether it is the same one.",
                                 dict(key=lambda place, event: event[1])),
    watermark_from_zero=("M31", "Times may be negative: before the first event there is no watermark.", dict(
        is_late=lambda mark, start, width, wait: max(mark, 0) > start + width + wait)),
    too_late_twice=("M21", "An event that was too late and comes again was too late once.", dict(remember_late=False)),
    sorts_a_stream_that_has_no_end=(
        "M34", "Events are judged as they arrive: a stream has no end to wait for, and some are too late.",
        dict(before=lambda events: sorted(events, key=lambda event: event[1]))),
    named_by_the_end=("M99", "A window is named by its start.", dict(named=lambda start, width: start + width)),
    named_by_number=("M99", "A window is named by its start, not by its number.",
                     dict(named=lambda start, width: start // width)),
    the_end_belongs_to_the_window=("M31", "A window holds its start, and not its end.",
                                   dict(start=lambda time, width: (time - 1) // width * width)),
    windows_from_the_first_event=("M27", "A window starts at a multiple of the width.",
                                  dict(start=lambda time, width: time - time % width // 2)),
    sixty_whatever_was_asked=("M27", "The width of a window is an argument.", dict(width_is=60)),
    needs_an_event=("M47", "Without an event the answer is ({}, 0).",
                    dict(before=lambda events: [next(events), *events])),
)


@tumbling.mistake("M32", "It is the window that waits: an event is not late by its own time.")
def by_the_age_of_the_event(events, width, allowed_lateness):
    return told(events, 1, allowed_lateness - 1, named=lambda start, _: start // width * width)


@tumbling.mistake("M09", "Events that are too late are counted: they are the second number.")
def too_late_without_a_count(events, width, allowed_lateness):
    return told(events, width, allowed_lateness)[0], 0


@tumbling.mistake("M99", "An event that is too late is not counted in its window as well.")
def too_late_and_counted(events, width, allowed_lateness):
    events = list(events)
    return told(events, width, math.inf)[0], told(events, width, allowed_lateness)[1]


@tumbling.mistake("M99", "Windows without events are left out.")
def empty_windows_are_zero(events, width, allowed_lateness):
    counts, late = told(events, width, allowed_lateness)
    span = range(min(counts), max(counts) + width, width) if counts else ()
    return {start: counts.get(start, 0) for start in span}, late


@tumbling.mistake("M45", "The events come once: a second loop over them finds nothing.")
def in_two_loops(events, width, allowed_lateness):
    late = told(events, width, allowed_lateness)[1]
    return told(events, width, allowed_lateness)[0], late


@tumbling.right
def in_a_frame(events, width, allowed_lateness):
    frame = pd.DataFrame(list(events), columns=["name", "time", "arrival"])
    frame["mark"] = frame["time"].cummax().shift()
    frame["start"] = frame["time"] // width * width
    frame = frame.drop_duplicates("name")
    late = frame["mark"] > frame["start"] + width + allowed_lateness
    return frame["start"][~late].value_counts().to_dict(), int(late.sum())


@tumbling.right
def window_by_window(events, width, allowed_lateness):
    windows, known, late, mark = {}, {}, set(), None
    for name, time, _ in events:
        end = time - time % width + width
        if known.setdefault(name, time) == time and name not in late and name not in windows.get(end, ()):
            if mark is not None and mark - allowed_lateness > end:
                late.add(name)
            else:
                windows.setdefault(end, set()).add(name)
        mark = time if mark is None else max(mark, time)
    return [{end - width: len(names) for end, names in windows.items()}, len(late)]
