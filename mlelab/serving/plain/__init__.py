"""The case's linear model as source code, without a library: `python -m mlelab.serving.plain`, half a minute.

A fitted `case.linear_model()` is a table of numbers: for each column a weight, for each category a weight, one
intercept. `source` writes them into a program in C++, Java or R that reads rows from its standard input, numbers first,
and prints a chance for each. It suits a model this simple; for others there is ONNX.
"""

import math
import shutil
import subprocess
import tempfile
from importlib.resources import files
from pathlib import Path

import numpy as np
import pandas as pd

# By language: the file, the programs that are needed, what compiles it and what runs it.
LANGUAGES = {
    "C++": ("score.cpp", ("g++",), ["g++", "-O1", "-o", "score", "score.cpp"], ["./score"]),
    "Java": ("Score.java", ("javac", "java"), ["javac", "Score.java"], ["java", "-Xshare:auto", "Score"]),
    "R": ("score.R", ("Rscript",), None, ["Rscript", "--vanilla", "score.R"]),
}


def weights(model) -> dict:
    """Intercept; for each number its mean, which stands for a missing one, and weight; for each category its weights.

    model: a fitted `case.linear_model()`. Rare categories have a weight in common, categories never seen have none.
    """
    columns, regression = model.steps[0][1], model.steps[1][1]
    coefficients = regression.coef_[0]
    (_, scaled, numbers), (_, encoder, categories) = columns.transformers_[:2]
    scaler = scaled[-1]
    slopes = coefficients[:len(numbers)] / scaler.scale_
    found = {"intercept": float(regression.intercept_[0] - slopes @ scaler.mean_),
             "numbers": {name: (float(mean), float(slope)) for name, mean, slope in zip(
                 numbers, scaled[0].statistics_, slopes)}, "categories": {}}
    place = len(numbers)
    for name, known, rare in zip(categories, encoder.categories_, encoder.infrequent_categories_):
        rare = set() if rare is None else set(rare)
        common = [level for level in known if level not in rare]
        levels = dict(zip(common, coefficients[place:]))
        place += len(common)
        if rare:
            levels |= dict.fromkeys(rare, coefficients[place])
            place += 1
        found["categories"][name] = {level: float(weight) for level, weight in levels.items()}
    return found


def source(model, language: str) -> str:
    """The program in one of LANGUAGES."""
    found, quote = weights(model), '"{}"'.format
    name, *_ = LANGUAGES[language]
    text = (files(__name__) / name).read_text(encoding="utf-8")
    number = repr  # Python's shortest text that gives the same float again, in the other three languages too
    means, slopes = zip(*found["numbers"].values())
    levels = [", ".join({"C++": "{{{}, {}}}", "Java": "Map.entry({}, {})", "R": "{} = {}"}[language].format(
        quote(level), number(weight)) for level, weight in table.items()) for table in found["categories"].values()]
    table = {"C++": "{{{}}}", "Java": "Map.ofEntries({})", "R": "c({})"}[language]
    for mark, values in {"INTERCEPT": [number(found["intercept"])], "MEANS": map(number, means),
                         "WEIGHTS": map(number, slopes), "LEVELS": map(table.format, levels)}.items():
        text = text.replace(f"@{mark}@", ", ".join(values))
    return text


def missing(language: str) -> list[str]:
    """Programs that the language needs and this machine does not have."""
    return [program for program in LANGUAGES[language][1] if not shutil.which(program)]


def score(model, rows: pd.DataFrame, language: str) -> np.ndarray:
    """The chances of the rows by a program in another language: written, compiled and run. Shape (rows,)."""
    name, _, compile_it, run_it = LANGUAGES[language]
    found = weights(model)
    lines = []
    for row in rows[[*found["numbers"], *found["categories"]]].itertuples(index=False):
        lines.append(",".join("" if isinstance(value, float) and math.isnan(value) else str(value) for value in row))
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / name).write_text(source(model, language), encoding="utf-8")
        if compile_it:
            subprocess.run(compile_it, cwd=folder, check=True, capture_output=True, text=True)
        done = subprocess.run(run_it, cwd=folder, input="\n".join(lines) + "\n", check=True, capture_output=True,
                              text=True)
    return np.array(list(map(float, done.stdout.split())))
