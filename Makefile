# `make lab` opens the labs, `make book` serves the book, `make test` runs what CI runs; `make` alone names the rest.
# tools/course.py does the work, also without make and on Windows: `py tools\course.py lab`.
PYTHON ?= python3
COURSE = $(PYTHON) tools/course.py

.PHONY: help lab book test nightly class colab labs lock new check page kafka spark torch image score
help:
	@$(COURSE) --help
lab book class nightly colab lock kafka spark torch image score:
	@$(COURSE) $@ $(ARGS)
new:
	@$(COURSE) new --lab $(LAB) --exercise $(EX) --name $(NAME) $(ARGS)
check:
	@$(COURSE) check $(or $(EX),$(LAB)) $(ARGS)
page:
	@$(COURSE) page $(LAB) $(ARGS)
test:
	@$(COURSE) test $(if $(LAB),--lab $(LAB)) $(ARGS)
labs:
	@$(COURSE) labs $(if $(CHECK),--check) $(if $(LAB),--lab $(LAB))
