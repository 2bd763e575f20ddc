"""The two places a workbook runs in: the user's AWS configuration, and a running embedded AWS."""
