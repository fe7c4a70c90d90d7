"""The tables that `gpu.py` wrote on real GPUs, as figures: `measured.show()`."""

from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

from mlelab import figure

FOLDER = Path(__file__).with_name("measured")
TITLES = {"matmul": "matrix product, by type", "step": "training step", "input": "input and compute",
          "timing": "one product, timed", "memory": "memory of a training step"}


def show(folder=FOLDER):
    """A figure for each table in the folder, or the sentence that there is none yet."""
    files = sorted(Path(folder).glob("*.csv"))
    if not files:
        print("Not measured yet: no table of a real GPU has been contributed.")
    for file in files:
        table = pd.read_csv(file, dtype={"version": str})
        first = table.iloc[0]
        name = f"{first['machine']} ({first['device']}), {first['backend']} {first['version']}, {first['date']}"
        parts = [(title, table[table["experiment"] == key]) for key, title in TITLES.items()]
        fig, axes = plt.subplots(len(parts), figsize=(6.4, 1.2 * len(parts) + 0.28 * sum(len(p) for _, p in parts)),
                                 height_ratios=[len(part) + 1.5 for _, part in parts])
        for ax, (title, part) in zip(axes, parts):
            bars = ax.barh(part["setting"], part["value"])
            ax.bar_label(bars, [f"{value:,.3g}" for value in part["value"]], padding=3, fontsize=9)
            ax.set(title=title, xlabel=part["unit"].iloc[0], xscale="log")
            ax.margins(x=0.15)
            ax.invert_yaxis()
        ridge = table.loc[table["experiment"] == "roofline", "value"].item()
        figure.show(fig, alt=f"Bars of speed, memory and time, measured on {name}. All values are printed at the bars.",
                    caption=f"{name}. Arithmetic is the limit from {ridge:,.0f} operations for each byte.")
