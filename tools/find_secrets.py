"""No tracked file holds a secret: detect-secrets over the repository, notebooks read as text.

  python tools/find_secrets.py             every file that git tracks
  python tools/find_secrets.py FILE …      these; exit status 1 if something was found

A notebook is JSON, where quotes are escaped and digests are everywhere: its sources and outputs are scanned, without
metadata. Calling every detector for every line takes a minute, so only lines are handed over that match a pattern of
theirs. Nothing is asked of any server.
"""

import json
import re
import subprocess
import sys
import tempfile
from bisect import bisect_right
from pathlib import Path

from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class
from detect_secrets.core.secrets_collection import SecretsCollection
from detect_secrets.plugins.base import RegexBasedDetector
from detect_secrets.plugins.keyword import DENYLIST
from detect_secrets.settings import transient_settings

ROOT = Path(__file__).resolve().parents[1]
# What looks like a secret and is none: file, kind, reason. This is the baseline, and it should stay this short.
ALLOWED = {
    ("mlelab/llm/model.py", "Hex High Entropy String"): "the digest of a public file",
    ("mlelab/check/10_responsible/at_risk.py", "Secret Keyword"): "`secret` is an argument's name there",
    ("tests/teaching/test_autograde.py", "Secret Keyword"): "a value that a submission must not see",
}
# Tables that the course's own tools write: they are full of digests, so the random-looking is not looked for there.
MADE = re.compile(r"\.json$|^requirements\.txt$|/requirements\.txt$|^Makefile$|\.csv$")
RANDOM = re.compile(r"[\"'][A-Za-z0-9+/=_-]{20,}[\"']")
DETECTORS = {kind.__name__: kind for kind in get_mapping_from_secret_type_to_class().values()}
PATTERNS = [pattern for kind in DETECTORS.values() if issubclass(kind, RegexBasedDetector) for pattern in kind.denylist]
WORDS = re.compile("|".join(DENYLIST), re.I)
FILTERS = [f"detect_secrets.filters.{name}" for name in (
    "allowlist.is_line_allowlisted", "heuristic.is_sequential_string", "heuristic.is_potential_uuid",
    "heuristic.is_likely_id_string", "heuristic.is_templated_secret", "heuristic.is_prefixed_with_dollar_sign",
    "heuristic.is_indirect_reference", "heuristic.is_not_alphanumeric_string", "heuristic.is_swagger_file")]


def text_of(path: Path) -> str:
    """What people wrote into a file, and what cells printed; "" for a file that is no text."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return ""
    if path.suffix != ".ipynb":
        return text
    parts = []
    for cell in json.loads(text)["cells"]:
        parts.append(cell["source"])
        for output in cell.get("outputs", ()):
            parts += [output.get("text", ""), *output.get("data", {}).values(), *output.get("traceback", ())]
    return "\n".join("".join(part) if isinstance(part, list) else str(part) for part in parts)


def candidates(text: str, made: bool) -> dict[int, str]:
    """The lines that a detector may stop at, by their numbers from 1."""
    starts = [0, *(match.end() for match in re.finditer("\n", text))]
    hits = {bisect_right(starts, match.start()) for pattern in (*PATTERNS, WORDS, *([] if made else [RANDOM]))
            for match in pattern.finditer(text)}
    lines = text.split("\n")
    return {number: lines[number - 1] for number in sorted(hits)}


def found_in(path: Path, name: str) -> list[tuple[str, str, int]]:
    """What detect-secrets finds in a file: (name, kind, line of the text that was scanned)."""
    made = bool(MADE.search(name))
    lines = candidates(text_of(path), made)
    if not lines:
        return []
    kinds = [kind for kind in DETECTORS if kind != "IPPublicDetector"
             and not (made and kind.endswith("HighEntropyString"))]
    suffix = ".py" if path.suffix == ".ipynb" else path.suffix
    with tempfile.TemporaryDirectory() as folder, transient_settings({
            "plugins_used": [{"name": kind} for kind in kinds], "filters_used": [{"path": name} for name in FILTERS]}):
        copy = Path(folder) / f"scanned{suffix}"
        copy.write_text("\n".join(lines.values()), encoding="utf-8")
        secrets, numbers = SecretsCollection(), list(lines)
        secrets.scan_file(str(copy))
        return sorted({(name, secret.type, numbers[secret.line_number - 1]) for _, secret in secrets})


def scan(paths: list[Path]) -> list[str]:
    """A line for each secret that is not in `ALLOWED`, without the secret itself."""
    found = [hit for path in paths for hit in found_in(path, _name(path))]
    return [f"{name}:{line}: {kind}" for name, kind, line in found if (name, kind) not in ALLOWED]


def tracked() -> list[Path]:
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in names.split("\0") if name and (ROOT / name).is_file()]


def _name(path: Path) -> str:
    path = path.resolve()
    return path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else path.as_posix()


def main() -> int:
    found = scan([Path(name) for name in sys.argv[1:]] or tracked())
    print("\n".join(found) or "No file holds what looks like a secret.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
