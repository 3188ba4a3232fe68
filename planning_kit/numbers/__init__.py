"""Arithmetic with no business in it: whole units, rounding, shrinkage, intervals, ramp and hazard."""
