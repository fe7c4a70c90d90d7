"""Sentences that are tested: claims and what no claim covers.

A claim is a code cell that begins with the words of a sentence, and fails when the sentence is no longer true:

    # claim: largest in July
    assert gap.idxmax() == 7

The words stand once in the prose of the same lab or page (`# claim: quiz lifecycle-split`: a question of its quiz).
A cell may go on with more claims, each above its own assertions; several lines on top of each other share theirs.
`# fact: words | reason` covers what is no measurement. `# unless: statement`, below a claim, says what makes it false
where it does not rest on the course's tables. Labs are released without these cells; pages give them `remove-cell`.

  python tools/claims.py             names sentences with a superlative, a comparison or a number that nothing covers,
                                     unless tests/claims/uncovered.txt has them, and claims without their sentence
  python tools/claims.py --shrink    take sentences off that list that are covered by now, or gone
  python tools/claims.py --perturb   run each claim again on changed data, where it must fail (minutes; --help)
"""

import argparse
import ast
import functools
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import jupytext
import nbformat
import yaml
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell
from strip_claims import MARKS

ROOT = Path(__file__).resolve().parents[1]
UNCOVERED = Path("tests/claims/uncovered.txt")
MARK = re.compile(r"^# (claim|fact|unless): (.+)$", re.M)
# What a reader may doubt: superlatives, comparisons, and numbers that somebody typed.
SUPERLATIVE = re.compile(r"\b(?:best|worst|most|least|(?!test|rest|west|quest|guest)\w{3,}est)\b", re.I)
NOT_ONE = {"request", "interest", "honest", "forest", "ingest", "manifest", "digest", "suggest", "pytest", "modest",
           "latest", "nearest", "backtest", "invest", "harvest", "arrest", "protest", "contest", "retest", "earliest"}
COMPARISON = re.compile(r"\b(?:than|better|worse|higher|lower|larger|smaller|faster|slower)\b", re.I)
NUMBER = re.compile(r"(?<![\w.])(\d[\d,.]*)(?:\s?%)?")
# Numbers that name something: an exercise, a chapter, a date, the 30 minutes of the label.
NAMING = re.compile(r"\b(?:lab|labs|chapter|chapters|exercise|section|part|python|version|step|seed|issue)s? "
                    r"\d[\d.]*(?:(?:,| and| to| or) \d[\d.]*)*|\b\d+\.\d:|\b[A-Z]\d\d\b|\b(?:19|20)\d\d\b|"
                    r"\b\d{1,2} (?:January|February|March|April|May|June|July|August|September|October|November|"
                    r"December)\b|`[^`]*`|\{[a-z:-]+\}`[^`]*`|\$[^$]*\$|\]\([^)]*\)|\(\d points?[^)]*\)|"
                    r"\b30 minutes\b|\bReading \d+,[^.]*discussion \d+\b", re.I)


@dataclass(frozen=True)
class Claim:
    """Some sentences, by words of theirs, and the code that holds them; a fact has a reason instead."""

    words: tuple[str, ...]
    facts: dict[str, str]
    unless: str
    code: str
    cell: int

    @property
    def asserts(self) -> bool:
        return any(isinstance(node, ast.Assert) for node in ast.walk(ast.parse(self.code)))


def claims_of(source: str, cell: int) -> list[Claim]:
    """The claims of one cell, in their order: a line of marks after code begins the next one."""
    groups: list[tuple[list[str], list[str]]] = [([], [])]
    for written in source.splitlines():
        if MARK.match(written):
            if groups[-1][1]:
                groups.append(([], []))
            groups[-1][0].append(written)
        elif written.strip() or groups[-1][1]:
            groups[-1][1].append(written)
    found = []
    for marks, code in groups:
        said = [(kind, " ".join(words.split())) for kind, words in MARK.findall("\n".join(marks))]
        facts = dict(words.split(" | ", 1) if " | " in words else (words, "") for kind, words in said if kind == "fact")
        found.append(Claim(tuple(words for kind, words in said if kind == "claim"), facts,
                           "\n".join(words for kind, words in said if kind == "unless"), "\n".join(code), cell))
    return found


@dataclass
class Text:
    """The prose of one lab or page, and what its marks say."""

    path: Path
    notebook: nbformat.NotebookNode

    @property
    def area(self) -> str:
        return self.path.parent.name if self.path.name == "lab.py" else self.path.stem

    @property
    def name(self) -> str:
        return f"{self.area} {'lab' if self.path.name == 'lab.py' else 'page'}"

    @functools.cached_property
    def claims(self) -> list[Claim]:
        return [claim for number, cell in enumerate(self.notebook.cells) if is_claim(cell)
                for claim in claims_of(cell.source, number)]

    @property
    def claimed(self) -> list[str]:
        return [words for claim in self.claims for words in claim.words]

    @functools.cached_property
    def sentences(self) -> list[str]:
        cells = (cell for cell in self.notebook.cells if cell.cell_type == "markdown")
        return [sentence for cell in cells for sentence in sentences(cell.source)]

    @functools.cached_property
    def questions(self) -> dict[str, bool]:
        """The questions of the page's quiz, and whether they read evidence."""
        file = ROOT / "book" / "quiz" / f"{self.area}.yml"
        if self.path.name == "lab.py" or not file.exists():
            return {}
        questions = yaml.safe_load(file.read_text(encoding="utf-8"))["questions"]
        return {question["id"]: "evidence" in question for question in questions}

    def uncovered(self) -> list[str]:
        """Sentences, and questions that read evidence, which need a claim and have none."""
        words = [words for claim in self.claims for words in (*claim.words, *claim.facts)]
        open_ones = [sentence for sentence in self.sentences
                     if doubtful(sentence) and not any(quote in sentence for quote in words)]
        return list(dict.fromkeys(open_ones)) + [f"quiz {key}" for key, reads in self.questions.items()
                                                 if reads and f"quiz {key}" not in words]

    def faults(self) -> list[str]:
        """Marks that say nothing: without their sentence, without a reason, without an assertion."""
        found, places = [], [f"quiz {key}" for key in self.questions] + self.sentences
        for claim in self.claims:
            found += [f"{words!r} must stand in one sentence of the prose" for words in (*claim.words, *claim.facts)
                      if sum(words in place for place in places) != 1]
            found += [f"fact {words!r}: no reason after |" for words, reason in claim.facts.items() if not reason]
            if claim.words and not claim.asserts:
                found.append(f"claim {claim.words[-1]!r} asserts nothing")
        if self.path.suffix == ".md":
            found += [f"a claim without the tag remove-cell: {cell.source.splitlines()[0]}" for cell in
                      self.notebook.cells if is_claim(cell) and "remove-cell" not in cell.metadata.get("tags", [])]
        return found


def is_claim(cell: nbformat.NotebookNode) -> bool:
    return cell.cell_type == "code" and cell.source.startswith(MARKS)


def sentences(markdown: str) -> Iterator[str]:
    """The sentences of a piece of Markdown without headings, code and directives; a table row is one sentence."""
    lines, fences = [], []
    for written in markdown.splitlines():
        fence = re.match(r"(`{3,}|~{3,}|:{3,})(.*)", written)
        if fence and fences and not fence[2].strip():
            fences.pop()
        elif fence:
            fences.append("prose" if re.match(r"\{(admonition|dropdown|tab-item|tip|note)", fence[2]) else "code")
        elif "code" not in fences:
            is_text = not re.match(r":\w[\w-]*:|#|\(.*\)=$|\+\+\+|% ", written)
            begins = re.match(r"\s*([*-]|\d+\.) |\|", written)
            lines += [""] * bool(begins or fence) + [written if is_text else ""]
            continue
        lines.append("")
    for block in re.split(r"\n\s*\n", "\n".join(lines)):
        text = re.sub(r"^(?:[*-]|\d+\.) ", "", " ".join(block.split()))
        if set(text) - set("|-: "):
            yield from [text] if text.startswith("|") else re.split(r"(?<=[.!?])\**\)? +(?=[A-Z*`({\[])", text)


def doubtful(sentence: str) -> bool:
    """Whether a sentence has a superlative, a comparison or a typed number: from 13 on, with decimals or percent.

    Questions state nothing.
    """
    bare = NAMING.sub("", sentence)
    if sentence.endswith("?"):
        return False
    found = {match.group().lower() for match in SUPERLATIVE.finditer(bare)
             if not re.search(r"\bat $", bare[:match.start()])} - NOT_ONE
    numbers = [match for match in NUMBER.finditer(bare)
               if "." in match[1].strip(".,") or "%" in match[0] or int(re.sub(r"\D", "", match[1])) > 12]
    return bool(found or COMPARISON.search(bare) or numbers)


def texts(areas: list[str] | None = None) -> list[Text]:
    paths = [*(ROOT / "solutions").glob("*/lab.py"), *(ROOT / "book").glob("[0-9]*.md")]
    found = [Text(path, jupytext.read(path)) for path in sorted(paths)]
    return [text for text in found if not areas or text.area in areas]


def listed() -> list[str]:
    path = ROOT / UNCOVERED
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


def line(text: Text, sentence: str) -> str:
    """How the list names a sentence: its place and its first words."""
    return f"{text.name}: {sentence[:90]}"


def lint() -> list[str]:
    """What an author has to do, one line each."""
    known, now, faults = set(listed()), set(), []
    for text in texts():
        faults += [f"{text.name}: {fault}" for fault in text.faults()]
        lines = [line(text, sentence) for sentence in text.uncovered()]
        now.update(lines)
        faults += [f"no claim covers: {entry}" for entry in lines if entry not in known]
    return faults + [f"covered or gone, run tools/claims.py --shrink: {entry}" for entry in sorted(known - now)]


# Claims on changed data

CHANGED = '''
import numpy as _np, pandas as _pd
from mlelab import data as _data
def _changed(load, kind, keep):
    def changed(*args, **kwargs):
        table, rng = load(*args, **kwargs), _np.random.default_rng(1)
        if kind == "thinned":
            return table.iloc[rng.permutation(len(table))[:len(table) // 2]]
        for name in table.columns.difference(keep, sort=False):
            values = table[name]
            if _pd.api.types.is_datetime64_any_dtype(values):
                continue
            if kind == "shuffled":
                table[name] = values.iloc[rng.permutation(len(table))].set_axis(table.index)
            elif _pd.api.types.is_numeric_dtype(values) and not _pd.api.types.is_bool_dtype(values):
                table[name] = (values.max() + values.min() - values).astype(values.dtype)
        return table
    return changed
_keep = ["year", "month", "day", "hour", "minute"]
_data.load = _changed(_data.load, "KIND", _keep)
try:
    from mlelab.responsible import loans as _loans
    _loans.load = _changed(_loans.load, "KIND", [])
except ImportError:
    pass
try:
    from mlelab.pipelines import scale as _scale
    _scale.measured = _changed(_scale.measured, "KIND", [])
except ImportError:
    pass
'''
KINDS = {"shuffled": "every column in an order of its own, times and the calendar kept",
         "mirrored": "the largest value becomes the smallest", "thinned": "half of the rows, in another order"}


def survivors(text: Text, kinds: tuple[str, ...] = tuple(KINDS)) -> list[str]:
    """The claims of a text that fail neither on changed data nor as their line `# unless:` says."""
    with_unless = [claim for claim in text.claims if claim.unless]
    failed = _failing(text, "", with_unless) if with_unless else set()
    for kind in kinds:
        if set(text.claimed) <= failed:
            break
        failed |= _failing(text, CHANGED.replace("KIND", kind), [])
    return sorted(set(text.claimed) - failed)


def _failing(text: Text, head: str, broken: list[Claim]) -> set[str]:
    """The claims that fail when all cells run after `head`, with the statements of `broken` before their claims."""
    if text.path.name == "lab.py":
        head += f"\nimport mlelab\ncheck = mlelab.start({text.area!r})"
    cells, numbered = [new_code_cell("_failed = []"), new_code_cell(head)], {}
    for position, cell in enumerate(text.notebook.cells):
        if is_claim(cell):
            for claim in (claim for claim in text.claims if claim.cell == position and claim.code):
                numbered[len(numbered)] = claim
                code = ast.unparse(_Noting(len(numbered) - 1).visit(ast.parse(claim.code)))
                if claim in broken:
                    code = f"exec({claim.unless + chr(10) + code!r}, dict(globals()))"
                cells.append(new_code_cell(code))
        elif cell.cell_type == "code" and "check" not in cell.metadata:
            cells.append(new_code_cell(cell.source))
    cells.append(new_code_cell("print(*_failed)"))
    notebook = nbformat.v4.new_notebook(cells=cells)
    NotebookClient(notebook, timeout=300, kernel_name="python3", allow_errors=True,
                   resources={"metadata": {"path": str(text.path.parent)}}).execute()
    said = "".join(output.get("text", "") for output in notebook.cells[-1].outputs)
    wanted = broken or list(numbered.values())
    return {words for number in set(said.split()) if numbered[int(number)] in wanted
            for words in numbered[int(number)].words}


class _Noting(ast.NodeTransformer):
    """Each assertion notes the number of its claim where it fails, and does not raise."""

    def __init__(self, number: int):
        self.number = number

    def visit_Assert(self, node: ast.Assert) -> ast.stmt:
        return ast.parse(f"({ast.unparse(node.test)}) or _failed.append({self.number})").body[0]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shrink", action="store_true", help="shorten the list of uncovered sentences")
    parser.add_argument("--perturb", nargs="*", metavar="AREA",
                        help="these areas (default: all) on changed data: " + "; ".join(
                            f"{kind}, {what}" for kind, what in KINDS.items()))
    arguments = parser.parse_args()
    if arguments.perturb is not None:
        count = dead = 0
        for text in (text for text in texts(arguments.perturb) if text.claimed):
            alive, size = survivors(text), len(text.claimed)
            count, dead = count + size, dead + size - len(alive)
            print(f"{text.name}: {size - len(alive)} of {size} fail on changed data",
                  *(f"  still true: {words}" for words in alive), sep="\n", flush=True)
        print(f"{dead} of {count} claims fail on changed data.")
        return 0 if dead >= 0.95 * count else 1
    if arguments.shrink:
        now = {line(text, sentence) for text in texts() for sentence in text.uncovered()}
        (ROOT / UNCOVERED).write_text("".join(f"{entry}\n" for entry in listed() if entry in now), encoding="utf-8")
    faults = lint()
    print("\n".join(faults) or "Every claim has its sentence, and no new sentence lacks its claim.")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
