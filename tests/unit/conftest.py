"""What Hypothesis makes up is the same in every run, and a slow machine is no finding."""

import os

from hypothesis import settings

settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))
