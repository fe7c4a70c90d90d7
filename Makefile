# `make lab` opens the labs, `make book` serves the book, `make test` runs what CI runs, `make class` grades a
# simulated class. tools/course.py does the work, also without make and on Windows: `py tools\course.py lab`.
PYTHON ?= python3

.PHONY: lab book test class colab labs lock kafka
lab book test class colab lock kafka:
	@$(PYTHON) tools/course.py $@ $(ARGS)
labs:
	@$(PYTHON) tools/course.py labs $(if $(CHECK),--check) $(if $(LAB),--lab $(LAB))
