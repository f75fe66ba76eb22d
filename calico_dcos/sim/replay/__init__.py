"""Recordings of a real Mesos, played against the simulated one: whatever the real one said, it must say.

`recording` reads a file and makes two runs comparable, `site` holds the simulated processes, `player` makes the
recorded calls and compares what comes back.
"""
