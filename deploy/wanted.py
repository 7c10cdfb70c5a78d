"""The dependencies that an image is to have before the code: of pyproject.toml, and of the extras named.

python wanted.py EXTRA...    prints one a line; so a change of code keeps the layer that has them
"""

import sys
import tomllib
from pathlib import Path

project = tomllib.loads(Path("pyproject.toml").read_text())["project"]
wanted = [*project["dependencies"]]
for extra in sys.argv[1:]:
    wanted += project["optional-dependencies"][extra]
# Extras that name others of this project are named by the caller themselves.
print(*(line for line in wanted if not line.startswith("fourpoint[")), sep="\n")
