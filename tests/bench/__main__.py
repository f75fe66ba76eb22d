"""Speed and memory: `make bench` prints each figure beside its bound, or beside the same work done smaller."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

from immutables import Map

from calico_dcos.core.decide import decide
from calico_dcos.core.events import Subscribed, TaskUpdated
from calico_dcos.core.fold import fold
from calico_dcos.core.memory import Memory
from calico_dcos.core.model import Agent, Inspection, Step, StepName, Task, TaskState
from calico_dcos.core.state import restore
from calico_dcos.core.steps import Policy
from tests.bench.overview import print_overview_figures
from tests.bench.page import print_page_figures
from tests.plans import build_plan
from tests.unit.walking import build_policy

UPDATES = 2000
BYTES_PER_MB = 1024 * 1024


def build_complete_agent(number: int, policy: Policy) -> Agent:
    """An agent whose phase is complete, with its two services running."""
    steps = {
        name: Step(
            task=Task(
                id=f"{name.value}.{number}",
                agent_id=f"S{number}",
                launched_at=1.0,
                settings=policy.by_name[name].settings,
                state=TaskState.RUNNING,
                healthy_since=1.0,
            ),
            completed_as=policy.by_name[name].settings,
        )
        for name in (StepName.ETCD_PROXY, StepName.CALICO_NODE)
    }
    return Agent(
        key=f"agent{number}",
        agent_id=f"S{number}",
        hostname=f"agent{number}",
        steps=steps,
        inspection=Inspection(at=2.0, settings=policy.settings, proofs={name.value: "seen" for name in StepName}),
        settled_as=policy.settings,
        settled_at=2.0,
    )


def measure_update_cost(agent_count: int) -> float:
    """Seconds per status update in a complete cluster of this size, folded and decided on."""
    policy = build_policy()
    agents = tuple(build_complete_agent(number, policy) for number in range(agent_count))
    state, _ = fold(restore(policy, Memory(framework_id="F1", agents=agents), 3.0), Subscribed("F1", "master"), 3.0)
    state = replace(state, questions=Map(), reconciled_at=3.0, revived_at=3.0)
    started_at = time.perf_counter()
    for number in range(UPDATES):
        agent = number % agent_count
        name = f"{StepName.CALICO_NODE.value}.{agent}"
        event = TaskUpdated(name, f"S{agent}", TaskState.RUNNING, uuid="dXVpZA==", is_healthy=number % 2 == 0)
        state, _ = fold(state, event, 4.0)
        state = decide(state, 4.0, lambda step: step.value).state.saved()
    return (time.perf_counter() - started_at) / UPDATES


def measure_plan_cost(agent_count: int) -> float:
    """Seconds to show the plan of a complete cluster of this size."""
    policy = build_policy()
    agents = tuple(build_complete_agent(number, policy) for number in range(agent_count))
    state = restore(policy, Memory(agents=agents), 4.0)
    started_at = time.perf_counter()
    build_plan(state, 4.0)
    return time.perf_counter() - started_at


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
                status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
                line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
                return int(line.split()[1]) * 1024 / BYTES_PER_MB
    except (OSError, StopIteration):
        pass
    return 0.0


def main() -> None:
    """Measure and print."""
    small, large = measure_update_cost(100), measure_update_cost(3000)
    print(
        f"status update: {large * 1e6:.0f} us with 3,000 agents, {small * 1e6:.0f} us with 100: {large / small:.2f} x"
    )
    one, _, _ = measure_demo(1)
    five, peak, last_line = measure_demo(5)
    print(f"demo of 1 agent: {one:.1f} s of wall time, with start and end of the cluster")
    print(f"demo of 5 agents: {five:.1f} s, {five / one:.2f} x that of 1 agent; {last_line}")
    print(f"scheduler's peak memory: {peak:.0f} MB (bound: 100 MB), on {os.cpu_count()} cores")
    print_overview_figures()
    print_page_figures()


if __name__ == "__main__":
    main()
