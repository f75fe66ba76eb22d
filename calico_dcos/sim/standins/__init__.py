"""Programs of a simulated host that stand in for systemd and Docker: standard library only, quick to start.

They are put into a host's root as launchers (`launcher.py`), know only that root, and write each thing done to
the host into its record (`deeds.py`).
"""
