"""The one key pair the embedded AWS knows.

It opens nothing outside this machine: the server listens on 127.0.0.1 only, and the runtime checks every signature
against it.
"""

from __future__ import annotations

ACCESS_KEY_ID = "AKIADGSMLOCAL0000000"
SECRET_ACCESS_KEY = "embedded-aws-on-this-machine-only"
