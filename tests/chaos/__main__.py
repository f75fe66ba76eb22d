"""The command line of chaos."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.chaos.run import report, run_chaos


def main() -> int:
    """Run, and end with 1 if a promise was broken."""
    parser = argparse.ArgumentParser(prog="tests.chaos", description="A walk through chaos.")
    parser.add_argument("--seed", type=int, default=int(time.time()) % 10_000, help="which faults come, and when")
    parser.add_argument("--agents", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=180.0, help="how long faults come")
    parser.add_argument("--store", choices=["etcd", "zookeeper", "sqlite"], help="default: the seed's choice of two")
    parser.add_argument("--kills", type=int, default=0, help="how often the scheduler is killed before that")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="chaos-") as name:
        directory = Path(name)
        outcome = run_chaos(
            seed=arguments.seed,
            agents=arguments.agents,
            seconds=arguments.seconds,
            kills=arguments.kills,
            store=arguments.store,
            directory=directory,
        )
        return 0 if report(outcome, directory) else 1


if __name__ == "__main__":
    sys.exit(main())
