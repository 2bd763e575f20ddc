"""The embedded AWS as one process."""

import subprocess
import sys

WORKERS_OWN = {"numpy", "scipy", "numba", "pandas", "soundfile", "onnxruntime", "piper", "moonshine_voice"}
"""What only its worker processes, or the first audio that has to be decoded, need."""


def test_a_start_loads_nothing_that_only_workers_and_decoding_need():
    """How long a start takes and what it holds is in benchmarks/footprint.py."""
    probe = "import embedded_aws.server, sys; print(*{name.partition('.')[0] for name in sys.modules})"
    run = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert "moto" in run.stdout.split()
    assert not WORKERS_OWN & set(run.stdout.split())
