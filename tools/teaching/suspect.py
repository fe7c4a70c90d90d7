"""Code that could find the key of the evidence, or make a check take anything for right: named, for a person to look.

No scan proves that code is honest. This one knows the ways that we know; whoever hides better is not found by it.
"""

import ast
import builtins
import re
from collections.abc import Collection, Iterator, Sequence

from IPython.core.inputtransformer2 import TransformerManager

MODULES = {"gc", "ctypes", "cffi", "dis", "inspect", "marshal", "builtins", "importlib", "imp", "runpy", "code",
           "codeop", "mmap", "faulthandler", "tracemalloc", "pdb", "bdb", "sqlite3", "ptrace", "nbgrader", "ipykernel",
           "jupyter_client", "unittest", "mock", "subprocess", "multiprocessing", "test",
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
PROGRAMS = {"system", "popen", "execv", "execve", "execvp", "posix_spawn", "memfd_create", "import_module", "reload",
            "exec_module"}
# A class that defines one of these decides itself what it is equal to.
EQUAL = {"__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__", "__array__", "__array_ufunc__", "__bool__",
         "__contains__", "__instancecheck__", "__subclasscheck__", "__float__", "__getattr__", "__getattribute__",
         "equals", "all", "any", "item", "tolist", "to_numpy"}
LONGEST = 200_000  # characters of a cell that is looked at
# Of IPython's own commands: those that do nothing to Python or the system, and those that run code, which is read too.
HARMLESS = {"pip", "uv", "matplotlib", "pinfo", "pinfo2", "pdoc", "psource", "who", "whos", "pwd", "ls", "autoreload",
            "html", "markdown", "latex", "svg"}
RUNS = {"time", "timeit", "capture", "prun"}
SHELL = re.compile(r"\s*(?:(?:pip|uv|python -m pip) [\w .,=<>~\[\]-]+|ls|pwd|nvidia-smi)\s*")


def suspects(cells: list[tuple[str, str]], released: Sequence[str] = ()) -> list[str]:
    """What stands out in (place, code) of what a student wrote, such as "gc in cell 4, `import gc`".

    released: the cells of the lab. Their statements are known wherever they stand, and what they use, students may use;
    but not what the first cell needs to install the package.
    """
    known = {ast.dump(statement) for source in released for statement in _tree(source).body}
    ours = {what for source in released if "%pip" not in source for what, _ in _found(source, set())}
    imported = {"check", "mlelab"}
    seen = {}
    for place, source in cells:
        for what, line in _found(source, imported, known):
            if what not in ours:
                seen.setdefault(f"{what} in {place}", line)
    return [f"{what}, `{line}`" for what, line in seen.items()]


def _tree(source: str) -> ast.Module:
    """What IPython would run: its own commands are calls of get_ipython() here."""
    return ast.parse(TransformerManager().transform_cell(source))


def _found(source: str, imported: set[str], known: Collection[str] = ()) -> list[tuple[str, str]]:
    """(what, the line of the cell) for all that stands out."""
    if len(source) > LONGEST:
        return [(f"more than {LONGEST:,} characters", "")]
    lines = source.split("\n")
    try:
        return [(what, " ".join(lines[min(line, len(lines)) - 1].split())[:80])
                for statement in _tree(source).body if ast.dump(statement) not in known
                for what, line in _below(statement, imported)]
    except SyntaxError:
        return []  # IPython does not run it either
    except (ValueError, RecursionError, MemoryError):
        return [("code that cannot be read", lines[0][:80])]


def _below(node: ast.AST, imported: set[str], line: int = 1) -> Iterator[tuple[str, int]]:
    line = getattr(node, "lineno", line)
    command = _command(node)
    for what in _of_command(*command, imported) if command else _in_node(node, imported):
        yield what, line
    for child in () if command else ast.iter_child_nodes(node):
        yield from _below(child, imported, line)


def _command(node: ast.AST) -> tuple[str, list[str]] | None:
    """("run_line_magic", ["time", "f()"]) of `%time f()`, in whatever way it was written."""
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
            and ast.unparse(node.func.value) == "get_ipython()"):
        return None
    words = [word.value for word in node.args if isinstance(word, ast.Constant) and isinstance(word.value, str)]
    kinds = {"system": 1, "getoutput": 1, "run_line_magic": 2, "run_cell_magic": 3}
    return (node.func.attr, words) if kinds.get(node.func.attr) == len(words) == len(node.args) else None


def _of_command(kind: str, words: list[str], imported: set[str]) -> list[str]:
    name, line = ("", words[0]) if len(words) == 1 else words[:2]
    if kind in ("system", "getoutput") or name in ("pip", "uv", "ls"):
        return [] if SHELL.fullmatch(f"{name} {line}".strip()) else ["a shell command"]
    if name in HARMLESS or (name, line.partition(".")[0]) in (("config", "InlineBackend"), ("load_ext", "autoreload")):
        return []
    if name in RUNS:
        code = re.sub(r"^(?:-\w+(?: ?\d+)? +)*", "", line) if name != "capture" else ""
        try:
            ast.parse(code)
        except SyntaxError:
            return [f"%{name}"]
        return [what for part in (code, *words[2:]) for what, _ in _found(part, imported)]
    return ["a shell command" if name in ("bash", "sh", "system", "sx", "script") else f"%{name}"]


def _in_node(node: ast.AST, imported: set[str]) -> list[str]:
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        return _imports(node, imported)
    if isinstance(node, ast.Assign) and _root(node.value) in imported:  # another name for something imported
        imported.update(target.id for target in node.targets if isinstance(target, ast.Name))
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        dynamic = node.func.id == "getattr" and len(node.args) > 1 and not isinstance(node.args[1], ast.Constant)
        made = node.func.id == "type" and len(node.args) > 1
        return ["getattr of a computed name"] * dynamic + ["a class made by type"] * made + [
            node.func.id] * (node.func.id in CALLS)
    if isinstance(node, ast.Attribute):
        roads = [road for road in (*ROADS, *PROGRAMS) if road == node.attr]
        if node.attr == "modules" and isinstance(node.value, ast.Name) and node.value.id == "sys":
            roads.append("sys.modules")
        return roads + _changes(node, imported)
    if isinstance(node, ast.Constant) and isinstance(node.value, (str, bytes)):
        text = node.value if isinstance(node.value, str) else node.value.decode("latin-1")
        return [road for road in ROADS if road in text] + [text] * (text in EQUAL and text.startswith("__"))
    if isinstance(node, ast.ClassDef):
        names = [getattr(inner, "name", None) if not isinstance(inner, ast.Name) else
                 inner.id if isinstance(inner.ctx, ast.Store) else None for inner in ast.walk(node)]
        return [f"a class with {name}" for name in names if name in EQUAL]
    if isinstance(node, ast.Name) and (node.id in CALLS - {"compile"} or node.id == "__builtins__"):
        return [node.id]
    return []


def _root(node: ast.AST) -> str | None:
    """The name at the start of a.b.c."""
    while isinstance(node, ast.Attribute):
        node = node.value
    return node.id if isinstance(node, ast.Name) else None


def _imports(node: ast.Import | ast.ImportFrom, imported: set[str]) -> list[str]:
    names = [alias.name for alias in node.names]
    imported.update(alias.asname or alias.name.split(".")[0] for alias in node.names)
    whole = [f"{node.module}.{name}" for name in names] if isinstance(node, ast.ImportFrom) else names
    return [name.split(".")[0] for name in whole if name.split(".")[0] in MODULES] + [
        "mlelab.check" for name in whole if name.startswith("mlelab.check")] + [
        name for name in whole if name in ROADS or name.split(".")[-1] in (*ROADS, *PROGRAMS)] + [
        "IPython" for name in whole if name.startswith("IPython.") and not name.startswith("IPython.display")]


def _changes(node: ast.Attribute, imported: set[str]) -> list[str]:
    """An attribute of something imported, or of `check`, that is assigned to."""
    if not isinstance(node.ctx, (ast.Store, ast.Del)):
        return []
    root, path = _root(node), ast.unparse(node)
    mine = root is not None and (root in imported or hasattr(builtins, root))
    return [f"{path} assigned to"] if mine and ".options." not in path else []
