"""``python -m embedded_aws FOLDER SETTINGS``: the embedded AWS as one process."""

import json
import sys
from pathlib import Path

from embedded_aws.server import main

main(Path(sys.argv[1]), json.loads(sys.argv[2]))
