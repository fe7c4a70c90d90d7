"""Wrong (and differently written right) answers of lab 2."""

import csv
import hashlib
import shutil
import time
from collections import Counter

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from tests.wrong_answers import right, wrong

# 2.1 ingest


def good_and_bad(file):
    header, *lines = file.read_text().splitlines()
    names = header.split(",")
    fits = [line.count(",") == len(names) - 1 for line in lines]
    good = pd.DataFrame([line.split(",") for line, fit in zip(lines, fits) if fit], columns=names, dtype=str)
    return good, [line for line, fit in zip(lines, fits) if not fit]


def store(good, path, write):
    write(pa.Table.from_pandas(good, preserve_index=False), path)


def ingested(source, target, write, change=lambda good: good):
    target.mkdir(exist_ok=True)
    manifest = {}
    for file in sorted(source.glob("*.csv")):
        good, bad = good_and_bad(file)
        store(change(good), target / f"{file.stem}.tmp", write)
        (target / f"{file.stem}.tmp").replace(target / f"{file.stem}.parquet")
        (target / f"{file.stem}.bad").write_text("\n".join(bad))
        manifest[file.stem] = {"rows": len(good), "bad": len(bad)}
    return manifest


@wrong("2.1", "M21")
def appends_to_what_is_there(source, target, write):
    def with_old_rows(file, good):
        old = target / f"{file.stem}.parquet"
        return pd.concat([pq.read_table(old).to_pandas(), good]) if old.exists() else good

    files = iter(sorted(source.glob("*.csv")))
    return ingested(source, target, write, lambda good: with_old_rows(next(files), good))


@wrong("2.1", "M21")
def the_new_file_beside_the_old_one(source, target, write):
    before = {path.name: path.read_bytes() for path in target.glob("*.parquet")}
    manifest = ingested(source, target, write)
    for name, content in before.items():
        (target / f"{time.time_ns()}-{name}").write_bytes(content)
    return manifest


@wrong("2.1", "M09")
def skips_bad_lines(source, target, write):
    manifest = ingested(source, target, write)
    for name in manifest:
        (target / f"{name}.bad").unlink()
        manifest[name]["bad"] = 0
    return manifest


@wrong("2.1", "M09")
def counts_bad_lines_and_throws_them_away(source, target, write):
    manifest = ingested(source, target, write)
    for name in manifest:
        (target / f"{name}.bad").unlink()
    return manifest


@wrong("2.1", "M41")
def lets_the_reader_guess_types(source, target, write):
    return ingested(source, target, write, lambda good: good.apply(pd.to_numeric, errors="coerce").fillna(good))


@wrong("2.1", "M42")
def writes_to_the_final_name(source, target, write):
    target.mkdir(exist_ok=True)
    manifest = {}
    for file in sorted(source.glob("*.csv")):
        good, bad = good_and_bad(file)
        store(good, target / f"{file.stem}.parquet", write)
        (target / f"{file.stem}.bad").write_text("\n".join(bad))
        manifest[file.stem] = {"rows": len(good), "bad": len(bad)}
    return manifest


@wrong("2.1", "M42")
def empties_the_target_first(source, target, write):
    shutil.rmtree(target, ignore_errors=True)
    return ingested(source, target, write)


@right("2.1")
def with_the_csv_module_and_a_scratch_folder(source, target, write):
    target.mkdir(parents=True, exist_ok=True)
    scratch = target / "unfinished"
    scratch.mkdir(exist_ok=True)
    manifest = {}
    for file in source.glob("*.csv"):
        with file.open(newline="") as lines:
            header, *rows = csv.reader(lines)
        good = [row for row in rows if len(row) == len(header)]
        bad = [",".join(row) for row in rows if len(row) != len(header)]
        columns = {name: pa.array([row[place] for row in good], pa.string()) for place, name in enumerate(header)}
        write(pa.table(columns), scratch / "part")
        (target / f"{file.stem}.bad").write_text("\n".join(bad) + "\n")
        (scratch / "part").rename(target / f"{file.stem}.parquet")
        manifest[file.stem] = {"bad": len(bad), "rows": len(good)}
    return manifest


# 2.2 validate


def violated(df, rule):
    """The rows that violate one rule, or [None]; the mistakes below replace parts of it."""
    kind, column = rule["rule"], df[rule["column"]] if "column" in rule else None
    if kind == "unique":
        return df.index[df.duplicated(rule["columns"], keep=False)]
    if kind == "missing":
        return [None] if column.isna().mean() > rule["share"] else []
    if kind == "fresh":
        return [None] if rule["now"] - column.max() > pd.Timedelta(hours=rule["hours"]) else []
    fine = column.between(rule["low"], rule["high"]) if kind == "range" else column.isin(rule["values"])
    return df.index[~(fine | (column.isna() & rule.get("missing_ok", False)))]


def pairs(df, contract, violated=violated):
    return [(number, row) for number, rule in enumerate(contract) for row in violated(df, rule)]


@wrong("2.2", "M08")
def missing_passes_every_limit(df, contract):
    return pairs(df, [rule | {"missing_ok": True} for rule in contract])


@wrong("2.2", "M08")
def missing_ok_is_not_read(df, contract):
    return pairs(df, [rule | {"missing_ok": False} for rule in contract])


@wrong("2.2", "M43")
def three_standard_deviations(df, contract):
    def changed(df, rule):
        if rule["rule"] != "range":
            return violated(df, rule)
        column = df[rule["column"]]
        far = (column - column.mean()).abs() > 3 * column.std()
        return df.index[far | (column.isna() & (not rule["missing_ok"]))]

    return pairs(df, contract, changed)


@wrong("2.2", "M33")
def stops_at_the_first_rule_that_fails(df, contract):
    for number, rule in enumerate(contract):
        if len(found := violated(df, rule)):
            return [(number, row) for row in found]
    return []


@wrong("2.2", "M33")
def drops_bad_rows_on_the_way(df, contract):
    found = []
    for number, rule in enumerate(contract):
        rows = list(violated(df, rule))
        found += [(number, row) for row in rows]
        df = df.drop(index=[row for row in rows if row is not None])
    return found


@wrong("2.2", "M34")
def the_first_of_two_is_right(df, contract):
    return pairs(df, contract, lambda df, rule: df.index[df.duplicated(rule["columns"])] if rule["rule"] == "unique"
                 else violated(df, rule))


@wrong("2.2", "M31")
def at_the_limit_is_outside(df, contract):
    return pairs(df, contract, lambda df, rule: df.index[~(df[rule["column"]].between(
        rule["low"], rule["high"], inclusive="neither") | (df[rule["column"]].isna() & rule["missing_ok"]))]
        if rule["rule"] == "range" else violated(df, rule))


@wrong("2.2", "M10")
def fresh_by_the_clock_of_this_machine(df, contract):
    return pairs(df, [rule | {"now": pd.Timestamp.now("UTC")} if "now" in rule else rule for rule in contract])


@right("2.2")
def row_by_row(df, contract):
    found = []
    for number, rule in enumerate(contract):
        if rule["rule"] in ("missing", "fresh"):
            found += [(number, None) for _ in violated(df, rule)]
            continue
        if rule["rule"] == "unique":
            keys = list(zip(*(df[name] for name in rule["columns"])))
            times = Counter(keys)
            found += [(number, label) for label, key in zip(df.index, keys) if times[key] > 1]
            continue
        for label, row in df.iterrows():
            if pd.isna(row[rule["column"]]):
                bad = not rule["missing_ok"]
            elif rule["rule"] == "range":
                bad = not rule["low"] <= row[rule["column"]] <= rule["high"]
            else:
                bad = row[rule["column"]] not in rule["values"]
            found += [(number, label)] if bad else []
    return found


# 2.3 join_weather

LOCAL, UTC = ["origin", "year", "month", "day", "hour"], ["origin", "time_hour"]


def joined(flights, weather, keys, how="left"):
    extra = [name for name in weather.columns if name not in flights.columns]
    rows = flights.reset_index(names="kept").merge(weather[[*keys, *extra]], on=keys, how=how, indicator="matched")
    return rows.assign(matched=rows["matched"] == "both").set_index("kept").rename_axis(flights.index.name)


@wrong("2.3", "M10")
def on_the_local_clock(flights, weather):
    return joined(flights, weather, LOCAL)


@wrong("2.3", "M10")
def on_the_local_clock_without_repeats(flights, weather):
    return joined(flights, weather.drop_duplicates(LOCAL), LOCAL)


@wrong("2.3", "M09")
def inner_join(flights, weather):
    return joined(flights, weather, UTC, "inner")


@wrong("2.3", "M09")
def without_the_airport(flights, weather):
    return joined(flights, weather.rename(columns={"origin": "station"}), ["time_hour"])


@wrong("2.3", "M09")
def loses_the_index(flights, weather):
    return joined(flights, weather, UTC).reset_index(drop=True)


@wrong("2.3", "M08")
def no_reading_is_zero_degrees(flights, weather):
    return joined(flights, weather, UTC).fillna({"temp": 0})


@wrong("2.3", "M08")
def everything_is_matched(flights, weather):
    return joined(flights, weather, UTC).assign(matched=True)


@wrong("2.3", "M32")
def the_nearest_hour_will_do(flights, weather):
    rows = joined(flights, weather, UTC).sort_values("time_hour")
    rows["temp"] = rows.groupby("origin")["temp"].transform(lambda temp: temp.ffill())
    return rows.loc[flights.index]


@right("2.3")
def with_a_lookup(flights, weather):
    readings = weather.set_index(UTC)["temp"]
    found = readings.reindex(pd.MultiIndex.from_frame(flights[UTC]))
    known = pd.MultiIndex.from_frame(flights[UTC]).isin(readings.index)
    return flights.assign(matched=known, temp=found.to_numpy())


# 2.4 clean_wind


def cleaned(weather, limit, train_end, bad=None, value=np.nan):
    wind = weather["wind_speed"]
    bad = wind > limit if bad is None else bad
    rest = wind.mask(wind > limit)[weather["time_hour"] < train_end]
    report = {"impossible": int(bad.sum()), "mean": rest.mean(), "sd": rest.std()}
    return weather.assign(wind_speed=wind.mask(bad, value), wind_was_impossible=bad), report


@wrong("2.4", "M44")
def clipped_to_the_limit(weather, limit, train_end):
    return cleaned(weather, limit, train_end, value=limit)


@wrong("2.4", "M44")
def missing_without_a_flag(weather, limit, train_end):
    clean, report = cleaned(weather, limit, train_end)
    return clean.drop(columns="wind_was_impossible"), report


@wrong("2.4", "M09")
def the_hour_is_deleted(weather, limit, train_end):
    clean, report = cleaned(weather, limit, train_end)
    return clean[~clean["wind_was_impossible"]], report


@wrong("2.4", "M43")
def replaced_by_a_mean_with_the_error_in_it(weather, limit, train_end):
    return cleaned(weather, limit, train_end, value=weather["wind_speed"].mean())


@wrong("2.4", "M43")
def statistics_before_the_repair(weather, limit, train_end):
    clean, report = cleaned(weather, limit, train_end)
    train = weather["wind_speed"][weather["time_hour"] < train_end]
    return clean, report | {"mean": train.mean(), "sd": train.std()}


@wrong("2.4", "M02")
def statistics_of_all_months(weather, limit, train_end):
    clean, report = cleaned(weather, limit, train_end)
    return clean, report | {"mean": clean["wind_speed"].mean(), "sd": clean["wind_speed"].std()}


@wrong("2.4", "M31")
def the_limit_itself_is_impossible(weather, limit, train_end):
    return cleaned(weather, limit, train_end, bad=weather["wind_speed"] >= limit)


@wrong("2.4", "M43")
def impossible_is_what_is_rare(weather, limit, train_end):
    wind = weather["wind_speed"]
    usual = wind[wind < wind.quantile(0.9)]
    return cleaned(weather, limit, train_end, bad=(wind > usual.mean() + 3 * usual.std()) & (wind != limit))


@right("2.4")
def on_a_copy(weather, limit, train_end):
    clean = weather.copy()
    clean["wind_was_impossible"] = clean["wind_speed"].fillna(0) > limit
    clean.loc[clean["wind_was_impossible"], "wind_speed"] = None
    train = clean.loc[clean["time_hour"] < train_end, "wind_speed"]
    return clean, {"sd": train.std(), "mean": train.mean(), "impossible": clean["wind_was_impossible"].sum()}


# 2.5 late_rate_sql

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


@wrong("2.5", "M08")
def no_arrival_counts_as_on_time():
    return QUERY.replace("arr_delay IS NOT NULL AND", "").replace("arr_delay >=", "COALESCE(arr_delay, 0) >=")


@wrong("2.5", "M09")
def join_with_a_table_that_has_a_carrier_three_times():
    return QUERY.replace("FROM flights WHERE", "FROM flights JOIN partners USING (carrier) WHERE").replace(
        "AND carrier IN (SELECT carrier FROM partners)", "")


@wrong("2.5", "M10")
def seven_rows_are_not_seven_days():
    return QUERY.replace("RANGE BETWEEN INTERVAL 6 DAYS", "ROWS BETWEEN 6")


@wrong("2.5", "M07")
def average_of_daily_rates():
    return QUERY.replace("COUNT(*) AS flights, COUNT(*) FILTER (WHERE arr_delay >= 30) AS late",
                         "1 AS flights, AVG((arr_delay >= 30)::INT) AS late")


@wrong("2.5", "M31")
def more_than_thirty():
    return QUERY.replace(">= 30", "> 30")


@wrong("2.5", "M32")
def all_carriers():
    return QUERY.replace("AND carrier IN (SELECT carrier FROM partners)", "")


@right("2.5")
def with_subqueries():
    return """
    SELECT DISTINCT f.day, (SELECT avg(CAST(m.arr_delay >= 30 AS INT)) FROM ours m
                            WHERE year(m.day) = year(f.day) AND month(m.day) = month(f.day)) AS month_rate,
           (SELECT avg(CAST(w.arr_delay >= 30 AS INT)) FROM ours w
            WHERE w.day BETWEEN f.day - INTERVAL 6 DAYS AND f.day) AS week_rate
    FROM ours f ORDER BY f.day
    """.replace("ours", """(SELECT * FROM flights SEMI JOIN partners USING (carrier) WHERE arr_delay IS NOT NULL)""")


# 2.6 tumbling


def windows(events, width, allowed_lateness):
    counts, late, seen, watermark = {}, 0, set(), float("-inf")
    for name, time_, _ in events:
        start = time_ // width * width
        if name not in seen and watermark > start + width + allowed_lateness:
            late += 1
        elif name not in seen:
            counts[start] = counts.get(start, 0) + 1
        seen.add(name)
        watermark = max(watermark, time_)
    return counts, late


@wrong("2.6", "M10")
def by_time_of_arrival(events, width, allowed_lateness):
    return windows([(name, arrival, arrival) for name, _, arrival in events], width, allowed_lateness)


@wrong("2.6", "M09")
def late_means_lost(events, width, allowed_lateness):
    return windows(events, width, 0)


@wrong("2.6", "M09")
def too_late_without_a_count(events, width, allowed_lateness):
    return windows(events, width, allowed_lateness)[0], 0


@wrong("2.6", "M21")
def a_second_delivery_counts_again(events, width, allowed_lateness):
    return windows([(place, *event[1:]) for place, event in enumerate(events)], width, allowed_lateness)


@wrong("2.6", "M34")
def sorts_a_stream_that_has_no_end(events, width, allowed_lateness):
    return windows(sorted(events, key=lambda event: event[1]), width, allowed_lateness)


@wrong("2.6", "M31")
def exactly_at_the_allowed_lateness_is_too_late(events, width, allowed_lateness):
    return windows(events, width, allowed_lateness - 0.5)


@right("2.6")
def with_two_passes_over_a_list(events, width, allowed_lateness):
    times = np.array([time_ for _, time_, _ in events])
    before = np.concatenate([[-np.inf], np.maximum.accumulate(times)[:-1]])
    frame = pd.DataFrame({"name": [event[0] for event in events], "start": times // width * width, "before": before})
    frame = frame.drop_duplicates("name")
    late = frame["before"] > frame["start"] + width + allowed_lateness
    return frame["start"][~late].value_counts().to_dict(), int(late.sum())


# 2.7 merge_stats


def known(chunk):
    return chunk[~np.isnan(chunk)]


def in_one_pass(chunks, add):
    n, mean, squares = 0, 0.0, 0.0
    for chunk in chunks:
        values = known(chunk)
        if len(values):
            n, mean, squares = add(n, mean, squares, values)
    return n, mean, squares / (n - 1)


def exact(n, mean, squares, values):
    delta, total = values.mean() - mean, n + len(values)
    return (total, mean + delta * len(values) / total,
            squares + ((values - values.mean()) ** 2).sum() + delta ** 2 * n * len(values) / total)


@wrong("2.7", "M07")
def mean_of_means(chunks):
    n, means, variances = 0, [], []
    for chunk in chunks:
        if len(values := known(chunk)):
            n, means, variances = n + len(values), [*means, values.mean()], [*variances, values.var(ddof=1)]
    return n, np.mean(means), np.mean(variances)


@wrong("2.7", "M07")
def weighted_mean_of_variances(chunks):
    def add(n, mean, squares, values):
        total, new_mean, _ = exact(n, mean, squares, values)
        return total, new_mean, squares + values.var(ddof=1) * len(values)

    n, mean, variance = in_one_pass(chunks, add)
    return n, mean, variance * (n - 1) / n


@wrong("2.7", "M45")
def everything_in_a_list_first(chunks):
    values = known(np.concatenate(list(chunks)))
    return len(values), values.mean(), values.var(ddof=1)


@wrong("2.7", "M45")
def everything_that_is_known_in_a_list(chunks):
    values = np.concatenate([known(chunk) for chunk in chunks])
    return len(values), values.mean(), values.var(ddof=1)


@wrong("2.7", "M45")
def once_for_the_mean_and_once_for_the_rest(chunks):
    n = total = 0
    for chunk in chunks:
        n, total = n + len(known(chunk)), total + known(chunk).sum()
    return n, total / n, sum(((known(chunk) - total / n) ** 2).sum() for chunk in chunks) / (n - 1)


@wrong("2.7", "M08")
def missing_is_zero(chunks):
    return in_one_pass((np.nan_to_num(chunk) for chunk in chunks), exact)


@wrong("2.7", "M36")
def divided_by_n(chunks):
    n, mean, variance = in_one_pass(chunks, exact)
    return n, mean, variance * (n - 1) / n


@right("2.7")
def with_sums_of_shifted_values(chunks):
    n, total, squares, shift = 0, 0.0, 0.0, None
    for chunk in chunks:
        for value in known(chunk).tolist():
            shift = value if shift is None else shift
            n, total, squares = n + 1, total + value - shift, squares + (value - shift) ** 2
    return n, shift + total / n, (squares - total ** 2 / n) / (n - 1)


# 2.8 fingerprint


def rows_of(df):
    return pd.util.hash_pandas_object(df[sorted(df.columns)], index=False).to_numpy()


def digest(df, rows):
    names = ",".join(f"{name}:{df[name].dtype}" for name in sorted(df.columns))
    return hashlib.sha256(names.encode() + np.ascontiguousarray(rows).tobytes()).hexdigest()


@wrong("2.8", "M21")
def pythons_own_hash(df):
    ordered = df[sorted(df.columns)].sort_values(sorted(df.columns))
    return str(hash(tuple(map(str, ordered.itertuples(index=False)))))


@wrong("2.8", "M21")
def the_time_of_writing(df):
    return f"version of {time.time_ns()}"


@wrong("2.8", "M33")
def hash_of_what_is_printed(df):
    ordered = df[sorted(df.columns)].sort_values(sorted(df.columns), ignore_index=True)
    return hashlib.sha256(repr(ordered).encode()).hexdigest()


@wrong("2.8", "M34")
def depends_on_the_order_of_rows(df):
    return digest(df, rows_of(df))


@wrong("2.8", "M34")
def depends_on_the_order_of_columns(df):
    return digest(df, np.sort(pd.util.hash_pandas_object(df, index=False).to_numpy()))


@wrong("2.8", "M41")
def everything_as_text(df):
    text = df[sorted(df.columns)].astype(str)
    return digest(text, np.sort(rows_of(text)))


@wrong("2.8", "M09")
def repeated_rows_cancel(df):
    return digest(df, np.bitwise_xor.reduce(rows_of(df)).reshape(1))


@wrong("2.8", "M32")
def names_do_not_count(df):
    return hashlib.sha256(np.sort(rows_of(df)).tobytes()).hexdigest()


@right("2.8")
def with_sorted_texts(df):
    columns = sorted(df.columns)
    rows = sorted("\x1f".join(map(repr, row)) for row in df[columns].to_numpy(dtype=object).tolist())
    head = [f"{name} {df[name].dtype.kind}" for name in columns]
    return hashlib.md5("\n".join([*head, *rows]).encode()).hexdigest()
