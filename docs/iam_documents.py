"""Write docs/guides/iam.md: the least-privilege IAM policy of each notebook, for an account and an endpoint made up."""

from __future__ import annotations

import json
from pathlib import Path

import boto3

from dgsm_helpers.aws.account.permissions import NOT_IN_FULL_ACCESS, NOTEBOOK_CALLS, actions_of, narrowed_policy
from dgsm_helpers.places.clients import Clients
from dgsm_helpers.session import AWS, Workbook

PAGE = Path(__file__).resolve().parent / "guides" / "iam.md"
ACCOUNT, REGION, ENDPOINT = "111122223333", "us-east-1", "my-endpoint"
HEAD = f"""# IAM policies

Made by `docs/iam_documents.py` from `dgsm_helpers/data/iam_actions.toml`, which a test holds to what the notebooks
really call.

The documents below are for endpoint `{ENDPOINT}` of account {ACCOUNT} in {REGION}, with the execution role
`DeepgramExecution`. Yours, with your names in it:

```sh
dgsm iam 03_tune --endpoint my-endpoint --where aws > policy.json   # or --all, one object by notebook
```

Send that file to whoever administers the account, and say which role it is for: the one that *runs* the notebook. The
execution role, which SageMaker assumes, is another; `dgsm role create --where aws` shows what it may do.

`AmazonSageMakerFullAccess` covers all of it but the actions in the last column.

| notebook | actions | beyond `AmazonSageMakerFullAccess` |
|---|---:|---|
"""


def _workbook() -> Workbook:
    return Workbook(
        **AWS,
        region=REGION,
        endpoint_name=ENDPOINT,
        variant_name="AllTraffic",
        model_package_arn=f"arn:aws:sagemaker:{REGION}:865070037744:model-package/deepgram-nova-3",
        role_arn=f"arn:aws:iam::{ACCOUNT}:role/DeepgramExecution",
        confirm_spend=False,
        home=Path(),
        clients=Clients(boto3.Session(region_name=REGION)),  # asked nothing: the account is given
        stream_url="",
        ca_bundle=None,
    )


def page() -> str:
    """The page's text."""
    rows, documents, wb = [], [], _workbook()
    for notebook in NOTEBOOK_CALLS:
        actions = actions_of(notebook)
        beyond = ", ".join(f"`{action}`" for action in actions if action in NOT_IN_FULL_ACCESS)
        rows.append(f"| [`{notebook}`](#{notebook}) | {len(actions)} | {beyond or 'none'} |")
        document = narrowed_policy(wb, notebook, partition="aws", account=ACCOUNT)
        text = json.dumps(document, indent=1)
        documents.append(f"## {notebook} {{ #{notebook} }}\n\n```json\n{text}\n```")
    return HEAD + "\n".join(rows) + "\n\n" + "\n\n".join(documents) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
