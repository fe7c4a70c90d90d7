"""No page and no lab teaches a product that ends within six months: book/reference/gcp-names.yml has the dates.

A product is taught where a page writes {gcp}`its-key`, and where code uses one of its `calls`. Pages that say what is
to be left write {gcp-ending}`its-key`. `leaving` names the pages and labs that are still to be moved: it only shrinks.

  python tools/products.py           as of the date in that file, as `make test` judges
  python tools/products.py --today   as of today, as every night
"""

import argparse
import datetime
import re
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
NOTICE = datetime.timedelta(days=183)


def taught(root: Path = ROOT, today: datetime.date | None = None) -> list[str]:
    """What an author has to do, one line each; `today` None: the date at which the names were looked up."""
    names = yaml.safe_load((root / "book" / "reference" / "gcp-names.yml").read_text(encoding="utf-8"))
    today, found = today or names["as_of"], []
    paths = sorted([*root.glob("book/**/*.md"), *root.glob("solutions/*/lab.py")])
    texts = {str(path.relative_to(root)): path.read_text(encoding="utf-8") for path in paths}
    for key, product in names["products"].items():
        if "ends" not in product or product["ends"] - today > NOTICE:
            continue
        uses = re.compile("|".join([rf"\{{gcp\}}`{key}`", *(rf"\b{re.escape(call)}\b" for call in
                                                            product.get("calls", []))]))
        leaving = set(product.get("leaving", []))
        teaching = {name for name, text in texts.items() if uses.search(text)}
        found += [f"{name} teaches {product['name']}, which ends on {product['ends']}"
                  for name in sorted(teaching - leaving)]
        found += [f"{name} has left {product['name']}: take it off the list in gcp-names.yml"
                  for name in sorted(leaving - teaching)]
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--today", action="store_true", help="judge by today's date")
    found = taught(today=datetime.date.today() if parser.parse_args().today else None)
    print("\n".join(found) or "No page teaches a product within six months of its end.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
