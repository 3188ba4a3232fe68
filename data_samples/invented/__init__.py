"""The parts from which `generate.py` makes the invented company."""
