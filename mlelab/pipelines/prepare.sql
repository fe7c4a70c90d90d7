-- For DuckDB and for Spark: the newest hour whose reading is known two hours before departure, late or not, day counted on.
SELECT year, month, carrier, flight, origin, 24 * (of_year - 1) + hour - 3 AS known_at,
  CAST(arr_delay >= 30 AS INT) AS late, 365 * (year - 2013) + of_year - 1 AS day
FROM (SELECT *, dayofyear(make_date(2013, CAST(month AS INT), CAST(day AS INT))) AS of_year FROM raw)
