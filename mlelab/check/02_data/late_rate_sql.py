"""2.5 late_rate_sql: a query, run on small tables in a DuckDB of its own."""

import datetime
import functools

import duckdb
import pandas as pd

from . import _real, lab

NAMES = ["day", "month_rate", "week_rate"]


@lab.exercise("2.5", section="sql-and-columns", hints=(
    "First one row for each day: how many flights with an arrival, how many of them late. Everything else is a sum of "
    "those two over a window, divided.",
    "`WHERE arr_delay IS NOT NULL AND carrier IN (SELECT carrier FROM partners) GROUP BY day` makes the days; then "
    "`SUM(late) OVER (ORDER BY day RANGE BETWEEN INTERVAL 6 DAYS PRECEDING AND CURRENT ROW)`."))
class late_rate_sql:
    rule = ("One row for each day with a partner's flight that arrived, in order: the late share of these flights over "
            "the month of that year, and over the day and the six days before it.")

    def inputs(d):
        first = d.pick([datetime.date(2013, 1, 28), datetime.date(2012, 12, 30), datetime.date(2013, 6, 3)])
        days = [first + datetime.timedelta(days=days) for days in d.some([0, 1, 5, 6, 7, 8, 13, 365, 370])]
        rows = [(day, d.pick(["AA", "UA", "EV"]), d.pick([30, 29, 31, -40, 0, None, 29.5, 90]))
                for day in days for _ in range(d.int(1, 3))]
        flights = pd.DataFrame(d.order(rows), columns=["day", "carrier", "arr_delay"]).astype({"arr_delay": float})
        contracts = d.list(0, 3, lambda: d.pick(["AA", "UA"]))
        partners = pd.DataFrame({"carrier": contracts, "contract": range(1, len(contracts) + 1)})
        return dict(flights=flights, partners=partners.astype({"carrier": str}))

    def run(late_rate_sql, flights, partners):
        return _answered(late_rate_sql(), flights, partners)

    def shows(flights, partners):
        return f"your query, with the carriers {partners['carrier'].tolist()} in partners and this in flights", flights

    def real():
        flights = _real.table("flights")
        flights = flights[(flights["month"] == 2) & (flights["carrier"] == "B6")]
        days = pd.DataFrame({"day": pd.to_datetime(flights[["year", "month", "day"]]).dt.date, "carrier": "B6",
                             "arr_delay": flights["arr_delay"]})
        return dict(flights=days, partners=pd.DataFrame({"carrier": ["B6"], "contract": [1]}))

    def figure(got, **_):
        worst = got.loc[got["week_rate"].idxmax()]
        return (f"JetBlue in February: {worst['month_rate']:.1%} late over the month, and {worst['week_rate']:.1%} in "
                f"the worst seven days, which ended on {worst['day']:%d %B}.")


@functools.cache
def _database() -> duckdb.DuckDBPyConnection:
    database = duckdb.connect()
    database.execute("CREATE TABLE flights (day DATE, carrier VARCHAR, arr_delay DOUBLE)")
    database.execute("CREATE TABLE partners (carrier VARCHAR, contract INTEGER)")
    return database


def _answered(sql, flights: pd.DataFrame, partners: pd.DataFrame) -> pd.DataFrame:
    """What a query answers on these tables. Raises TypeError and ValueError with a text for the learner."""
    if not isinstance(sql, str):
        raise TypeError(f"it is a {type(sql).__name__}, not the text of a query")
    database = _database()
    database.execute("BEGIN")
    try:
        database.register("given", flights)
        database.execute("INSERT INTO flights SELECT day, carrier, arr_delay FROM given")
        database.register("given", partners)
        database.execute("INSERT INTO partners SELECT carrier, contract FROM given")
        rows = database.execute(sql).df()
    except duckdb.Error as error:
        raise ValueError(f"DuckDB does not run the query: {str(error).splitlines()[0]}") from None
    finally:
        database.execute("ROLLBACK")
    if not set(NAMES) <= set(rows.columns):
        raise ValueError(f"its columns are {list(rows.columns)}, not {NAMES}")
    rates = rows[NAMES[1:]].astype(float)
    return rates.assign(day=pd.to_datetime(rows["day"]).dt.date)[NAMES]


# Answers: wrong ones with their misconceptions, and right ones written differently.

QUERY = """
WITH daily AS (
  SELECT day, COUNT(*) AS flights, COUNT(*) FILTER (WHERE arr_delay >= 30) AS late
  FROM flights WHERE arr_delay IS NOT NULL AND carrier IN (SELECT carrier FROM partners) GROUP BY day
)
SELECT day,
  SUM(late) OVER (PARTITION BY date_trunc('month', day)) / SUM(flights) OVER (PARTITION BY date_trunc('month', day))
    AS month_rate,
  SUM(late) OVER week / SUM(flights) OVER week AS week_rate
FROM daily WINDOW week AS (ORDER BY day RANGE BETWEEN INTERVAL 6 DAYS PRECEDING AND CURRENT ROW) ORDER BY day
"""
IN = "carrier IN (SELECT carrier FROM partners)"
WEEK = "RANGE BETWEEN INTERVAL 6 DAYS PRECEDING AND CURRENT ROW"


def wrong(name: str, code: str, says: str, *changes: tuple[str, str]):
    """The query with pieces of it replaced."""
    def answer():
        query = QUERY
        for old, new in changes:
            query = query.replace(old, new)
        return query

    answer.__name__ = name
    return late_rate_sql.mistake(code, says)(answer)


wrong("no_arrival_counts_as_on_time", "M08", "A flight that never arrived does not count, not even as on time.",
      ("arr_delay IS NOT NULL AND ", ""), ("arr_delay >= 30", "COALESCE(arr_delay, 0) >= 30"))
wrong("no_arrival_counts_as_late", "M08", "A flight that never arrived does not count, not even as late.",
      ("arr_delay IS NOT NULL AND ", ""), ("arr_delay >= 30", "COALESCE(arr_delay, 999) >= 30"))
wrong("join_with_a_table_that_has_a_carrier_three_times", "M09", "A flight counts once, however many contracts its "
      "carrier has.", ("FROM flights WHERE", "FROM flights JOIN partners USING (carrier) WHERE"), (f" AND {IN}", ""))
wrong("seven_rows_are_not_seven_days", "M10", "Six days before are days of the calendar, whether or not each has "
      "flights.", (WEEK, "ROWS BETWEEN 6 PRECEDING AND CURRENT ROW"))
wrong("eight_days", "M31", "The day and the six days before it are seven days.", ("6 DAYS", "7 DAYS"))
wrong("six_days", "M31", "The day and the six days before it are seven days.", ("6 DAYS", "5 DAYS"))
wrong("week_of_the_calendar", "M10", "week_rate is that of the day and the six days before it, not of a calendar week.",
      (f"ORDER BY day {WEEK}", "PARTITION BY date_trunc('week', day)"))
wrong("the_week_ahead", "M01", "The six days before the day, not those after it.",
      (WEEK, "RANGE BETWEEN CURRENT ROW AND INTERVAL 6 DAYS FOLLOWING"))
wrong("month_of_any_year", "M10", "A month belongs to a year: January 2013 is not January 2014.",
      ("date_trunc('month', day)", "month(day)"))
wrong("month_so_far", "M32", "month_rate is that of the whole month, the days to come included.",
      ("(PARTITION BY date_trunc('month', day))", "(PARTITION BY date_trunc('month', day) ORDER BY day)"))
wrong("average_of_daily_rates", "M07", "Days have unlike numbers of flights: divide a sum by a sum.",
      ("COUNT(*) AS flights, COUNT(*) FILTER (WHERE arr_delay >= 30) AS late",
       "1 AS flights, AVG((arr_delay >= 30)::INT) AS late"))
wrong("more_than_thirty", "M31", "Late is 30 minutes or more.", (">= 30", "> 30"))
wrong("early_is_late", "M32", "A negative delay is early, not late.", ("arr_delay >= 30", "abs(arr_delay) >= 30"))
wrong("all_carriers", "M32", "Only flights of carriers in partners count.", (f" AND {IN}", ""))
wrong("a_carrier_by_heart", "M27", "The carriers are those in partners.", (IN, "carrier IN ('AA', 'UA')"))
wrong("whole_numbers", "M36", "A share is no whole number.", (") / SUM", ") // SUM"), ("week / SUM", "week // SUM"))
wrong("last_day_first", "M34", "The days come in order, the first one first.",
      ("ROW) ORDER BY day", "ROW) ORDER BY day DESC"))
wrong("days_without_arrivals_as_well", "M99", "There is a row only for a day with a partner's flight that arrived.",
      ("arr_delay IS NOT NULL AND ", ""), ("COUNT(*) AS flights", "COUNT(arr_delay) AS flights"))
wrong("percent", "M10", "A share lies between 0 and 1.", ("SUM(late)", "100 * SUM(late)"))


@late_rate_sql.right
def with_subqueries():
    return """
    SELECT DISTINCT f.day, (SELECT avg(CAST(m.arr_delay >= 30 AS INT)) FROM ours m
                            WHERE year(m.day) = year(f.day) AND month(m.day) = month(f.day)) AS month_rate,
           (SELECT avg(CAST(w.arr_delay >= 30 AS INT)) FROM ours w
            WHERE w.day BETWEEN f.day - INTERVAL 6 DAYS AND f.day) AS week_rate
    FROM ours f ORDER BY f.day
    """.replace("ours", """(SELECT * FROM flights SEMI JOIN partners USING (carrier) WHERE arr_delay IS NOT NULL)""")


@late_rate_sql.right
def with_a_join_of_days():
    return """
    WITH ours AS (SELECT day, (arr_delay > 29.99999)::DOUBLE AS late FROM flights
                  WHERE EXISTS (FROM partners WHERE partners.carrier = flights.carrier) AND arr_delay IS NOT NULL),
         months AS (SELECT strftime(day, '%Y-%m') AS month, avg(late) AS month_rate FROM ours GROUP BY ALL),
         weeks AS (SELECT d.day, avg(late) AS week_rate FROM (SELECT DISTINCT day FROM ours) d
                   JOIN ours ON ours.day > d.day - 7 AND ours.day <= d.day GROUP BY ALL)
    SELECT day, month_rate, week_rate FROM weeks JOIN months ON month = strftime(day, '%Y-%m') ORDER BY 1
    """
