"""What students write beside their answers and mean no harm by: none of it may change a grade.

Shell and magic commands, debugging, timing, saving, plotting, classes of their own, and words that a list of suspect
code would hold against them.
"""

SNIPPETS = r"""
!ls
!pwd
!echo done
!python --version
!pip --version
!pip install -q numpy
files = !ls
%cd .
%pwd
%matplotlib inline
%time sum(range(1000))
%timeit -n 2 -r 2 sum(range(100))
%%time\nx = sum(range(1000))
%%capture out\nprint(1)
%who
%whos
%history -n 1-2
%load_ext autoreload
%autoreload 2
%config InlineBackend.figure_format = 'retina'
%precision 3
%env HOME
%xmode Minimal
%pinfo late_share
late_share?
%%bash\necho from bash
%%writefile notes.txt\nremember the nan
%%html\n<b>mine</b>
import pickle\npickle.loads(pickle.dumps([1, 2]))
import inspect\ninspect.signature(late_share)
import inspect\nprint(inspect.getsource(late_share))
import gc\ngc.collect()
import sys\nsys.setrecursionlimit(5000)
import sys\nprint(sys.modules['numpy'].__version__)
import sys\nsys.path.append('.')
import os\nos.environ['SEED'] = '1'
import os\nos.makedirs('figures', exist_ok=True)
import os\nos.getcwd(), os.listdir('.')
import subprocess\nsubprocess.run(['echo', 'x'])
import importlib\nimportlib.reload(np)
import warnings\nwarnings.filterwarnings('ignore')
import logging\nlogging.basicConfig(level=logging.INFO)\nlogging.info('here')
import random\nrandom.seed(0)
np.random.seed(42)
np.set_printoptions(precision=2)
import pandas as pd\npd.options.display.max_rows = 20
import pandas as pd\npd.set_option('display.width', 100)
import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()
import matplotlib\nmatplotlib.rcParams['figure.dpi'] = 90
import time\nbegun = time.time()\nprint(time.time() - begun > -1)
import copy\ncopy.deepcopy({'a': [1]})
import functools\n@functools.lru_cache\ndef fib(n): return n if n < 2 else fib(n - 1) + fib(n - 2)\nfib(20)
import dis\ndis.dis(late_share)
import traceback\ntry:\n    1 / 0\nexcept ZeroDivisionError:\n    traceback.print_exc()
import unittest\nclass T(unittest.TestCase):\n    def test_share(self): self.assertTrue(True)
from unittest.mock import Mock\nMock()(1)
import threading\nt = threading.Thread(target=print, args=('x',))\nt.start()\nt.join()
from concurrent.futures import ThreadPoolExecutor\nwith ThreadPoolExecutor(2) as pool: list(pool.map(abs, [-1]))
import json\nprint(json.dumps(vars(), default=str)[:20])
print(sorted(globals())[:3], len(locals()))
eval('1 + 1')
exec('y = 3')
setattr(late_share, 'author', 'me')
getattr(np, 'me' + 'an')([1, 2])
late_share.__doc__, late_share.__name__, late_share.__code__.co_varnames
type('Point', (), {'x': 1})().x
class Money:\n    def __init__(self, v): self.v = v\n    def __eq__(self, o): return self.v == o.v\nMoney(1) == Money(1)
class Model:\n    def __getattr__(self, name): return name\nModel().fit
from dataclasses import dataclass\n@dataclass\nclass Row:\n    a: int = 1\nRow() == Row()
assert late_share(np.array([31.0, 29.0]), 30) == 0.5
check.late_share(late_share, seed=1)
check.hint('0.2')
check.progress()
late = late_share\nlate(np.array([1.0]), 0)
delays = [1, 2]; threshold = 5; answer = 42; share = 0.5
list = [1, 2]; sum = 3; max = 4\ndel list, sum, max
def helper(x): raise NotImplementedError
raise ValueError('I was trying something')
"""
HONEST = [line.replace("\\n", "\n") for line in SNIPPETS.strip().splitlines()]
