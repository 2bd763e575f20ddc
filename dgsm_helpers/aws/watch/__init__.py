"""What the endpoint shows of itself: metrics, alarms, activities, logs."""
