means <- c(@MEANS@)
weights <- c(@WEIGHTS@)
levels <- list(@LEVELS@)

score <- function(row) {
  n <- length(means)
  numbers <- suppressWarnings(as.numeric(row[seq_len(n)]))
  numbers[is.na(numbers)] <- means[is.na(numbers)]
  sum <- @INTERCEPT@ + sum(weights * numbers)
  for (i in seq_along(levels)) {
    level <- levels[[i]][row[n + i]]
    if (!is.na(level)) sum <- sum + level
  }
  1 / (1 + exp(-sum))
}

lines <- readLines(file("stdin"))
for (row in strsplit(lines, ",", fixed = TRUE)) cat(sprintf("%.17g\n", score(row)))
