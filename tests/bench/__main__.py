"""Speed and memory: `make bench` prints each figure beside its bound, or beside the same work done smaller."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from tests.bench.core import print_core_figures
from tests.bench.figures import read_peak_mb
from tests.bench.overview import print_overview_figures
from tests.bench.page import print_page_figures
from tests.bench.stores import print_store_figures
from tests.bench.zookeeper import print_zookeeper_figures


def measure_demo(agent_count: int) -> tuple[float, float, str]:
    """Wall seconds and the scheduler's peak memory in MB of a demo, and the demo's last line."""
    command = [sys.executable, "-m", "calico_dcos", "demo", "--once", "--port", "0", "--agents", str(agent_count)]
    started_at = time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as demo:
        peak = 0.0
        while demo.poll() is None:
            peak = max(peak, read_scheduler_peak_mb(demo.pid))
            time.sleep(0.1)
        output = "" if demo.stdout is None else demo.stdout.read()
    if demo.returncode != 0:
        raise SystemExit(f"the demo failed:\n{output}")
    return time.monotonic() - started_at, peak, output.splitlines()[-1]


def read_scheduler_peak_mb(demo_pid: int) -> float:
    """Peak resident memory of the scheduler that a demo started, in MB; 0 if there is none at the moment."""
    children = Path(f"/proc/{demo_pid}/task/{demo_pid}/children")
    try:
        for pid in children.read_text(encoding="utf-8").split():
            if b"\0scheduler\0" in Path(f"/proc/{pid}/cmdline").read_bytes():
                return read_peak_mb(int(pid))
    except OSError:
        pass
    return 0.0


def main() -> None:
    """Measure and print."""
    print_core_figures()
    print_store_figures()
    print_zookeeper_figures()
    one, _, _ = measure_demo(1)
    five, peak, last_line = measure_demo(5)
    print(f"demo of 1 agent: {one:.1f} s of wall time, with start and end of the cluster")
    print(f"demo of 5 agents: {five:.1f} s, {five / one:.2f} x that of 1 agent; {last_line}")
    print(f"scheduler's peak memory: {peak:.0f} MB (bound: 100 MB), on {os.cpu_count()} cores")
    print_overview_figures()
    print_page_figures()


if __name__ == "__main__":
    main()
