"""What a scaling policy will do to your traffic: the simulator fed with what was measured and with what AWS shows.

`measured` says what one instance carries, `sources` where the traffic comes from, `calibrating` how the endpoint itself
scales and `back_testing` how well that fits, `candidates` which plans are worth comparing, `comparing` what each leads
to, `frames` the same as tables; `applying` puts the chosen one into the account. `advice` is all of it in one call.
"""
