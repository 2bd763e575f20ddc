"""With ``where="aws"`` the helpers need neither the embedded AWS nor anything that it alone is made of."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LOCAL_ONLY = sorted(
    Requirement(text).name.replace("-", "_").lower() for text in PROJECT["optional-dependencies"]["local"]
)

UNINSTALLED = f"""
import sys

class Without:
    def __init__(self, finder):
        self.finder = finder

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {["embedded_aws", *LOCAL_ONLY]!r}:
            return None
        return self.finder.find_spec(name, path, target)

    def __getattr__(self, name):
        return getattr(self.finder, name)

sys.meta_path[:] = [Without(finder) for finder in sys.meta_path]
"""


@pytest.fixture
def python(tmp_path):
    """Runs code in a fresh interpreter in which the extra ``local`` and ``embedded_aws`` are not installed."""

    def run(code: str) -> str:
        keep = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        env = {**keep, "DGSM_HOME": str(tmp_path), "PYTHONPATH": str(ROOT), "AWS_EC2_METADATA_DISABLED": "true"}
        command = [sys.executable, "-c", UNINSTALLED + code]
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def test_what_the_embedded_aws_alone_needs_is_no_dependency_of_the_helpers():
    assert {"moto", "flask", "flask_cors", "h11", "trustme", "cbor2"} <= set(LOCAL_ONLY)
    required = {Requirement(text).name.replace("-", "_").lower() for text in PROJECT["dependencies"]}
    assert required.isdisjoint(LOCAL_ONLY)


def test_every_module_of_the_helpers_imports(python):
    python("""
import pkgutil
from importlib import import_module
import dgsm_helpers
for module in pkgutil.walk_packages(dgsm_helpers.__path__, "dgsm_helpers."):
    import_module(module.name)
""")


def test_a_workbook_on_aws_plans_a_deployment(python):
    shown = python("""
import os
os.environ |= {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret"}
from dgsm_helpers import deploy, open_workbook
arn = "arn:aws:sagemaker:eu-west-1:123456789012:model-package/deepgram-stt-nova-3/1"
role = "arn:aws:iam::123456789012:role/DeepgramEndpoint"
wb = open_workbook("aws", region="eu-west-1", listing=arn, role_arn=role)
print(deploy.plan(wb).endpoint_config_request()["ProductionVariants"][0]["VariantName"])
""")
    assert shown == "AllTraffic\n"


def test_the_local_side_says_in_one_line_what_to_install(python):
    shown = python("""
from dgsm_helpers import DgsmError, open_workbook
try:
    open_workbook("local")
except DgsmError as error:
    print(error)
""")
    assert 'pip install "dgsm-helpers[local]"' in shown
    assert "Traceback" not in shown
