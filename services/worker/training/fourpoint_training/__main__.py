"""The command line: `python -m fourpoint_training --help`."""

import sys

from fourpoint_training.command_line import main

sys.exit(main())
