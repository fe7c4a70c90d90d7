-- Arrived and late flights of a carrier over seven days, for DuckDB and for Spark. `flights` has carrier, day and late.
WITH daily AS (SELECT carrier, day, count(late) AS arrived, coalesce(sum(late), 0) AS late FROM flights
               GROUP BY carrier, day)
SELECT carrier, day, CAST(sum(arrived) OVER week AS BIGINT) AS arrived, CAST(sum(late) OVER week AS BIGINT) AS late
FROM daily WINDOW week AS (PARTITION BY carrier ORDER BY day RANGE BETWEEN 6 PRECEDING AND CURRENT ROW)
