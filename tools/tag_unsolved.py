"""Which cells of a lab fail while its exercises are unsolved: they are tagged, so that Run All goes on past them."""

import ast

from nbgrader.preprocessors import NbGraderPreprocessor


class TagUnsolved(NbGraderPreprocessor):
    """Tag `raises-exception` on each cell that needs an exercise's function, or a name made with it."""

    def preprocess(self, nb, resources):
        tainted = set()
        for cell in nb.cells:
            if cell.cell_type != "code" or "%pip" in cell.source:  # the bootstrap cell is not plain Python
                continue
            if cell.metadata.get("nbgrader", {}).get("solution"):
                tainted |= names(cell.source)[0]
                continue
            fails = False
            for statement in ast.parse(cell.source).body:
                made, needed = names(ast.unparse(statement))
                touched = bool(needed & tainted)
                fails |= touched and not isinstance(statement, ast.FunctionDef)  # a function fails when it is called
                tainted = tainted | made if fails or touched else tainted - made
            if fails:
                cell.metadata["tags"] = sorted({*cell.metadata.get("tags", []), "raises-exception"})
        return nb, resources


def names(source: str) -> tuple[set[str], set[str]]:
    """Names that a cell binds at its top level, and names that it needs from cells before it."""
    made, needed = set(), set()
    for statement in ast.parse(source).body:
        inner = _bound(statement, everywhere=not isinstance(statement, (ast.Assign, ast.AugAssign)))
        named = [node for node in ast.walk(statement) if isinstance(node, ast.Name)]
        needed |= {node.id for node in named if isinstance(node.ctx, ast.Load)} - made - inner
        is_definition = isinstance(statement, (ast.FunctionDef, ast.ClassDef))
        made |= {statement.name} if is_definition else _bound(statement, everywhere=True) | _filled(statement)
    return made, needed


def _filled(statement: ast.stmt) -> set[str]:
    """Names of what gets an entry in a statement: `table` in table[key] = value."""
    return {node.value.id for node in ast.walk(statement) if isinstance(node, ast.Subscript)
            and isinstance(node.ctx, ast.Store) and isinstance(node.value, ast.Name)}


def _bound(statement: ast.stmt, everywhere: bool) -> set[str]:
    """Names bound by a statement: in its comprehensions and lambdas only, or everywhere in it."""
    scopes = [statement] if everywhere else [
        part for node in ast.walk(statement) if isinstance(node, (ast.comprehension, ast.Lambda))
        for part in ([node.target] if isinstance(node, ast.comprehension) else [node.args])]
    return {node.arg if isinstance(node, ast.arg) else node.id for scope in scopes for node in ast.walk(scope)
            if isinstance(node, ast.arg) or isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
