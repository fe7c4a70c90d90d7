"""Code that could find the key of the evidence, or make a check take anything for right: named, for a person to look.

No scan proves that code is honest. This one knows the ways that we know; whoever hides better is not found by it.
"""

import ast
import builtins
import re

MODULES = {"gc", "ctypes", "cffi", "dis", "inspect", "marshal", "builtins", "importlib", "imp", "runpy", "code",
           "codeop", "mmap", "faulthandler", "tracemalloc", "pdb", "bdb", "sqlite3", "ptrace", "nbgrader", "ipykernel",
           "jupyter_client", "unittest", "mock", "subprocess", "multiprocessing",
           "forbiddenfruit", "cloudpickle", "dill", "pickle"}
CALLS = {"exec", "eval", "compile", "__import__", "vars", "globals", "locals", "setattr", "delattr", "get_ipython",
         "breakpoint"}
# Attributes, and pieces of text, that lead to what a function is made of, to other frames, and to the shell.
ROADS = ("__closure__", "__globals__", "__code__", "__dict__", "__subclasses__", "__builtins__", "__wrapped__",
         "__self__", "__func__", "__getattribute__", "__reduce__", "__defaults__", "__kwdefaults__", "__mro__",
         "__bases__", "__base__", "cell_contents", "gi_frame", "cr_frame", "ag_frame", "tb_frame", "f_back", "f_locals",
         "f_globals", "f_builtins", "_getframe", "_current_frames", "settrace", "setprofile", "attrgetter",
         "methodcaller", "sys.modules", "showtraceback", "ast_transformers", "input_transformers", "run_cell",
         "set_custom_exc", "InteractiveShell", "display_pub", "ptrace", "/proc/")
# The same as attributes only: in a text these words are ordinary.
PROGRAMS = {"system", "popen", "execv", "execve", "execvp", "posix_spawn", "memfd_create"}
# A class that defines one of these decides itself what it is equal to.
EQUAL = {"__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__", "__array__", "__array_ufunc__", "__bool__",
         "__contains__", "__instancecheck__", "__subclasscheck__", "__float__", "__getattr__", "__getattribute__"}
LONGEST = 200_000  # characters of a cell that is looked at
SHELL = re.compile(r"^\s*(?:!|%%?(?:bash|sh|system|sx|script|perl|ruby|cython|run|load|writefile)\b)"
                   r"(?!\s*(?:pip|uv|ls|pwd|cat [\w.]+$))", re.M)


def suspects(cells: list[tuple[int, str]], allowed: str = "") -> list[str]:
    """What stands out in (number, code) of the cells that a student wrote, such as "gc in cell 4".

    allowed: code of the released lab; what it uses, students may use.
    """
    ours = set(_found(allowed, set()))
    imported = {"check", "mlelab"}
    seen = []
    for number, source in cells:
        seen += [f"{what} in cell {number}" for what in _found(source, imported) if what not in ours]
    return list(dict.fromkeys(seen))


def _found(source: str, imported: set[str]) -> list[str]:
    if len(source) > LONGEST:
        return [f"more than {LONGEST:,} characters"]
    shell = ["a shell command"] if SHELL.search(source) else []
    plain = re.sub(r"^(\s*)[%!].*$", r"\1pass", source, flags=re.M)
    try:
        tree = ast.parse(plain)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return shell + [road for road in (*ROADS, "gc.get") if road in source]
    return list(dict.fromkeys(shell + [what for node in ast.walk(tree) for what in _in_node(node, imported)]))


def _in_node(node: ast.AST, imported: set[str]) -> list[str]:
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        return _imports(node, imported)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        dynamic = node.func.id == "getattr" and len(node.args) > 1 and not isinstance(node.args[1], ast.Constant)
        return ["getattr of a computed name"] if dynamic else [node.func.id] if node.func.id in CALLS else []
    if isinstance(node, ast.Attribute):
        roads = [road for road in (*ROADS, *PROGRAMS) if road == node.attr]
        if node.attr == "modules" and isinstance(node.value, ast.Name) and node.value.id == "sys":
            roads.append("sys.modules")
        return roads + _changes(node, imported)
    if isinstance(node, ast.Constant) and isinstance(node.value, (str, bytes)):
        text = node.value if isinstance(node.value, str) else node.value.decode("latin-1")
        return [road for road in ROADS if road in text]
    if isinstance(node, ast.ClassDef):
        return [f"a class with {inner.name}" for inner in node.body
                if isinstance(inner, (ast.FunctionDef, ast.AsyncFunctionDef)) and inner.name in EQUAL] + [
                    f"a class with {target.id}" for inner in node.body if isinstance(inner, ast.Assign)
                    for target in inner.targets if isinstance(target, ast.Name) and target.id in EQUAL]
    if isinstance(node, ast.Name) and (node.id in CALLS - {"compile"} or node.id == "__builtins__"):
        return [node.id]
    return []


def _imports(node: ast.Import | ast.ImportFrom, imported: set[str]) -> list[str]:
    names = [alias.name for alias in node.names]
    imported.update(alias.asname or alias.name.split(".")[0] for alias in node.names)
    whole = [f"{node.module}.{name}" for name in names] if isinstance(node, ast.ImportFrom) else names
    return [name.split(".")[0] for name in whole if name.split(".")[0] in MODULES] + [
        "mlelab.check" for name in whole if name.startswith("mlelab.check")] + [
        name for name in whole if name in ROADS or name.split(".")[-1] in ROADS] + [
        "IPython" for name in whole if name.startswith("IPython.") and not name.startswith("IPython.display")]


def _changes(node: ast.Attribute, imported: set[str]) -> list[str]:
    """An attribute of something imported, or of `check`, that is assigned to."""
    if not isinstance(node.ctx, (ast.Store, ast.Del)):
        return []
    root, path = node.value, [node.attr]
    while isinstance(root, ast.Attribute):
        path.insert(0, root.attr)
        root = root.value
    mine = isinstance(root, ast.Name) and (root.id in imported or hasattr(builtins, root.id))
    return [f"{root.id}.{'.'.join(path)} assigned to"] if mine and "options" not in path else []
