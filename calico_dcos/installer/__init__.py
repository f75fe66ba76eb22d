"""Changes one host: reads its facts, plans the changes that are still to do, does them, and proves that they took.

The contract of this package:

- It runs as root on machines that carry other people's work: what it cannot read it reports as unknown and never
  guesses; what it is not sure about it refuses before it touches anything.
- Python 3.5 grammar and library, standard library only, and nothing of this project outside this package: it is shipped
  as one archive, and DC/OS 1.8 brings Python 3.5.2.
- ``facts`` read the host, ``plans`` compute (no I/O), ``steps`` and ``services`` act.
- Killed at any moment and run again, it ends at the same host; run again after that, it writes nothing.
"""
