"""CloudWatch of the embedded AWS: metrics that answer right and alarms that are evaluated."""
