"""What Deepgram's guide (auto-scaling-sagemaker-streaming) recommends, and how long scaling was seen to take."""

POLICY_NAME = "deepgram-streaming-concurrency-policy"

GUIDE_LOW, GUIDE_HIGH = 0.70, 0.80
"""TargetValue as a share of what one instance sustains."""

DETECTION_S = 60.0
"""From crossing the target to the new desired count: three ten-second datapoints and about half a minute until it is
acted upon (measured on AWS: 61 s; band 50-150 s)."""

PROVISIONING_S = 260.0
"""From the new desired count to an instance that serves (measured on AWS for a small image; large ones 350-525 s)."""
