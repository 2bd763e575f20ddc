"""The scaling model in virtual time: pure and deterministic, no I/O, no AWS, no clock of its own.

What decides (`model`, `assumptions`, `alarms`, `policies`, `state`, `capacity`, `target_tracking`, `activities`,
`fleet`, `schedules`) is shared with the embedded AWS. What plans is built on it: `traffic` and `replay` make
sessions, `plan` and `presets` say how to scale, `engine` plays one against the other, `merits`, `elasticity` and
`reaction` read the run, `sweep` compares many, `calibration` and `backtest` hold it to a real endpoint.
"""
