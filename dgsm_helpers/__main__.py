"""``python -m dgsm_helpers`` is ``dgsm``, where that is not on the path."""

import sys

from dgsm_helpers.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
