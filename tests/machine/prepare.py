"""Makes ready what the machine tests need, before they start: nobody waits without knowing for what."""

import sys

from tests.machine import here
from tests.machine.layers import LayerError
from tests.machine.python_layer import python_layer


def main() -> int:
    if reason := here.why_not():
        print(f"the machine tests will be skipped: {reason}", file=sys.stderr)
        return 0
    here.install_missing()
    try:
        python_layer()
    except LayerError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
