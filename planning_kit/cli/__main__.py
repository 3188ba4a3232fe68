"""Run the command as ``python -m planning_kit.cli``."""

from planning_kit.cli import main

main()
