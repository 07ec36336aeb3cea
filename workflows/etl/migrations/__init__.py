"""Versions of the warehouse's tables, run by `etl migrate`."""
