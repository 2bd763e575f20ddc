"""The whole set-up written for other tools: shell, boto3, CloudFormation, Terraform."""
