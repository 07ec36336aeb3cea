"""`python -m etl.cli` is the command `etl`."""

import sys

from etl.cli import main

sys.exit(main())
