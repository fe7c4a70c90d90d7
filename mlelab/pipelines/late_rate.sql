-- The late rate of partners by month and over seven days, for BigQuery.
WITH daily AS (
  SELECT day, COUNT(*) AS flights, COUNTIF(arr_delay >= 30) AS late FROM flights
  WHERE arr_delay IS NOT NULL AND carrier IN (SELECT carrier FROM partners) GROUP BY day)
SELECT day, SAFE_DIVIDE(SUM(late) OVER month, SUM(flights) OVER month) AS month_rate,
  SAFE_DIVIDE(SUM(late) OVER week, SUM(flights) OVER week) AS week_rate FROM daily
WINDOW month AS (PARTITION BY DATE_TRUNC(day, MONTH)),
  week AS (ORDER BY UNIX_DATE(day) RANGE BETWEEN 6 PRECEDING AND CURRENT ROW) ORDER BY day
