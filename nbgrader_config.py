"""nbgrader's settings: `nbgrader generate_assignment`, `autograde` and `generate_feedback` read them from here."""

import os
import sys
from pathlib import Path

from nbgrader.converters import GenerateAssignment
from nbgrader.preprocessors import ClearSolutions

sys.path.insert(0, str(Path(__file__).parent / "tools"))
from strip_claims import StripClaims  # noqa: E402
from tag_unsolved import TagUnsolved  # noqa: E402

# What TensorFlow and friends print on stderr would otherwise score a graded cell 0.
os.environ.update(TF_CPP_MIN_LOG_LEVEL="3", TF_ENABLE_ONEDNN_OPTS="0", PYTHONWARNINGS="ignore", OMP_NUM_THREADS="1",
                  CUDA_VISIBLE_DEVICES="-1")

c = get_config()  # noqa: F821, nbgrader defines it

c.CourseDirectory.course_id = "mlelab"
c.CourseDirectory.source_directory = "solutions"
c.CourseDirectory.release_directory = "labs"
# lab.py holds the solutions, *.before what came in before a repair.
c.CourseDirectory.ignore = ["lab.py", "*.before", ".ipynb_checkpoints", "*.pyc", "__pycache__"]

c.ClearSolutions.code_stub = {"python": 'raise NotImplementedError("Your code goes here")'}
# Claims go first; what fails while unsolved is tagged right after the solutions are gone.
steps = GenerateAssignment.class_traits()["preprocessors"].default()
steps.insert(0, StripClaims)
steps.insert(steps.index(ClearSolutions) + 1, TagUnsolved)
c.GenerateAssignment.preprocessors = steps

c.AssignLatePenalties.plugin_class = "teaching.late.LateWork"
c.OverwriteCells.add_missing_cells = True
c.Execute.timeout = 300
c.IgnorePattern.enabled = True
c.IgnorePattern.pattern = r"(?s).*"
