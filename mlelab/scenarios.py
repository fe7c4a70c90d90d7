"""Twenty scenarios and eight ways to serve, for the choice of an architecture in chapter 12. All numbers are invented.

An option says what it gives, a scenario what it needs: where (`region`), how old the inputs
of an answer may be in minutes, the 99th percentile of the latency in ms, the
rate in requests a second, the availability, people who operate it (in full-time posts), and cost a month in the
currency of the course's fictitious price list.
"""

_HERE = ("eu", "us")

OPTIONS = {name: dict(zip(("region", "age_min", "p99_ms", "rate", "availability", "operators", "cost"),
                         (set(where), *rest)))
           for name, where, *rest in [
    ("table of last night", ("eu", "us", "asia"), 1_440, 5, 5_000, 0.9995, 0.1, 40),
    ("nightly batch", ("eu", "us", "asia"), 1_440, 30_000_000, 10, 0.99, 0.1, 25),
    ("scale to zero", ("eu", "us", "asia"), 1, 2_500, 200, 0.9995, 0.1, 60),
    ("managed endpoint, one replica", _HERE, 1, 120, 80, 0.995, 0.2, 150),
    ("managed endpoint, two zones", _HERE, 1, 120, 1_000, 0.9995, 0.2, 400),
    ("managed endpoint, two regions", _HERE, 1, 150, 5_000, 0.99995, 0.4, 1_500),
    ("own cluster", ("eu", "us", "asia", "on premises"), 1, 40, 20_000, 0.9995, 2.0, 900),
    ("on the device", ("eu", "us", "asia", "on premises", "offline"), 60, 15, 50, 0.99, 1.0, 300)]}

NEEDS = [
    "the desk's screen: age_min 60, p99_ms 300, rate 40, availability 0.999, operators 0.5",
    "the desk's screen, pilot of a month: age_min 60, p99_ms 300, rate 5, availability 0.99, cost 200",
    "morning list for the board: p99_ms 43200000, rate 1, cost 30",
    "letter to passengers, sent at night: p99_ms 86400000, rate 1, availability 0.99",
    "airline's app, all of Europe: region eu, age_min 30, p99_ms 200, rate 3000, availability 0.9999",
    "app for passengers in Asia: region asia, age_min 30, p99_ms 200, rate 500, operators 3",
    "app for passengers in Asia, no staff: region asia, age_min 30, p99_ms 200, rate 500, operators 0.5",
    "gate without a network: region offline, age_min 60, p99_ms 100, rate 2",
    "data may not leave the airport: region on premises, age_min 30, p99_ms 500, rate 100",
    "data may not leave the airport, no staff: region on premises, p99_ms 500, rate 100, operators 0.5",
    "questions of analysts, now and then: age_min 60, p99_ms 5000, rate 2, cost 100",
    "partner's price engine: age_min 10, p99_ms 50, rate 8000, availability 0.999, operators 2",
    "timetable page, chances of the day before: age_min 1440, p99_ms 50, rate 4000, availability 0.999",
    "summer peak: age_min 60, p99_ms 150, rate 900, availability 0.999, operators 0.5",
    "summer peak, twice as high: age_min 60, p99_ms 150, rate 1800, availability 0.999, operators 0.5",
    "emergency desk: age_min 5, p99_ms 200, rate 10, availability 0.9999, operators 0.5",
    "emergency desk on a small budget: age_min 5, p99_ms 200, rate 10, availability 0.9999, cost 500",
    "weekly report to the authority: p99_ms 86400000, rate 1, operators 0.1",
    "tool call of a chat assistant: age_min 60, p99_ms 3000, rate 150, availability 0.999, cost 100",
    "demonstration at a fair: age_min 1440, p99_ms 3000, rate 5, cost 30, availability 0.999"]


def need(line: str) -> dict:
    """The constraints of a line of NEEDS, by name: `region` a text, all others numbers."""
    words = [part.strip().split(" ", 1) for part in line.split(": ", 1)[1].split(",")]
    return {name: value if name == "region" else float(value) for name, value in words}
