"""The account around the endpoint: preflight, permissions, quotas, inventory, clean-up, operator alarms."""
