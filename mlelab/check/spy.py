"""Spies: arguments that record what a function did with them, for mistakes that no result reveals."""

import pandas as pd


class Spy:
    """Base of all spies: a check passes them on as they are, everything else as a copy."""


class SpyFrame(pd.DataFrame, Spy):
    """A frame that records in `columns_read` which of its columns were taken out by name."""

    _metadata = ["columns_read"]

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.columns_read = set()

    @property
    def _constructor(self):
        return pd.DataFrame

    def __getitem__(self, key):
        if isinstance(key, str):
            self.columns_read.add(key)
        elif isinstance(key, (list, tuple, pd.Index)):
            self.columns_read.update(name for name in key if isinstance(name, str))
        return super().__getitem__(key)

    def __getattr__(self, name):
        if name != "columns_read" and name in self.columns:
            self.columns_read.add(name)
        return super().__getattr__(name)


class CountedDict(dict, Spy):
    """A dict that can be read so often and no more: a loop over it that never ends, ends with a RuntimeError."""

    def __init__(self, *args, reads: int = 10_000):
        super().__init__(*args)
        self.reads_left = reads

    def _count(self):
        self.reads_left -= 1
        if self.reads_left < 0:
            raise RuntimeError("the graph was read 10,000 times without an end")

    def __getitem__(self, key):
        self._count()
        return super().__getitem__(key)

    def get(self, key, default=None):
        self._count()
        return super().get(key, default)

    def items(self):
        self._count()
        return super().items()
