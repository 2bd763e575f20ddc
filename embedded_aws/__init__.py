"""The embedded AWS: control plane, CloudWatch, runtime server, engines, fleet and autoscaler on 127.0.0.1."""
