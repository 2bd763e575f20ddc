"""Calls to AWS, a module per step of the workbook; nothing else in the package calls AWS."""
