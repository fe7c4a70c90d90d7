"""A lab loses its claims on the way to students: cells that only test the prose (tools/claims.py)."""

from nbgrader.preprocessors import NbGraderPreprocessor

MARKS = ("# claim: ", "# fact: ")


class StripClaims(NbGraderPreprocessor):
    """Take out each cell that begins with one of `MARKS`."""

    def preprocess(self, nb, resources):
        nb.cells = [cell for cell in nb.cells if not (cell.cell_type == "code" and cell.source.startswith(MARKS))]
        return nb, resources
