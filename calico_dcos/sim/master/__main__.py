"""The command line of the simulated master."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import threading
import time
import uuid
from pathlib import Path

from calico_dcos.sim.master.election import Candidate
from calico_dcos.sim.master.registry import Registry
from calico_dcos.sim.master.server import MasterServer
from calico_dcos.sim.master.state import MasterOptions, MasterState
from calico_dcos.sim.master.subscriptions import master_info
from calico_dcos.sim.versions import MesosVersion
from calico_dcos.sim.wire import serve


def main(argv: list[str] | None = None) -> None:
    """Run a master until SIGTERM or SIGINT."""
    arguments = _parser().parse_args(argv)
    options = MasterOptions(
        ip=arguments.ip,
        port=arguments.port,
        hostname=arguments.hostname or ("localhost" if arguments.ip == "127.0.0.1" else arguments.ip),
        version=MesosVersion(arguments.mesos_version),
        agent_ping_timeout_s=arguments.agent_ping_timeout,
        max_agent_ping_timeouts=arguments.max_agent_ping_timeouts,
        agent_reregister_timeout_s=arguments.agent_reregister_timeout,
        allocation_interval_s=arguments.allocation_interval,
        heartbeat_interval_s=arguments.heartbeat_interval,
        offer_timeout_s=arguments.offer_timeout,
    )
    work_dir: Path = arguments.work_dir
    work_dir.mkdir(parents=True, exist_ok=True)
    registry = Registry(work_dir / "registry.json" if arguments.registry == "replicated_log" else None)
    asyncio.run(run(options, registry, arguments.zk))


async def run(options: MasterOptions, registry: Registry, zk: str) -> None:
    """Serve until a signal says to stop; with a ZooKeeper, from the moment in which this master leads."""
    state = MasterState(options, str(uuid.uuid4()), started_at=time.time())
    candidate = Candidate(zk, master_info(state)) if zk else None
    if candidate is not None:
        # Signals end the process meanwhile: there is nothing to close.
        await asyncio.to_thread(candidate.lead)
        threading.Thread(target=_end_when_deposed, args=(candidate,), daemon=True).start()
    registry.load(state)
    server = MasterServer(state, registry)
    listener = await serve(server.handle, options.ip, options.port)
    timekeeper = asyncio.ensure_future(server.keep_time())
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    waiter = asyncio.ensure_future(stopped.wait())
    done, _ = await asyncio.wait({waiter, timekeeper}, return_when=asyncio.FIRST_COMPLETED)
    listener.close()
    if candidate is not None:
        candidate.resign()
    if timekeeper in done:
        timekeeper.result()  # raises what ended it


def _end_when_deposed(candidate: Candidate) -> None:
    candidate.wait_until_deposed()
    os._exit(1)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="calico_dcos.sim.master", description="A simulated Mesos master.")
    parser.add_argument("--ip", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=5050)
    parser.add_argument("--hostname", help="name that the master gives itself (default: from --ip)")
    parser.add_argument("--mesos-version", default="1.12.0")
    parser.add_argument("--work-dir", type=Path, required=True)
    parser.add_argument("--registry", choices=["replicated_log", "in_memory"], default="replicated_log")
    parser.add_argument("--agent-ping-timeout", default=15.0, type=float, metavar="SECONDS")
    parser.add_argument("--max-agent-ping-timeouts", type=int, default=5)
    parser.add_argument("--agent-reregister-timeout", default=600.0, type=float, metavar="SECONDS")
    parser.add_argument("--allocation-interval", default=1.0, type=float, metavar="SECONDS")
    parser.add_argument("--heartbeat-interval", default=15.0, type=float, metavar="SECONDS")
    parser.add_argument("--zk", default="", metavar="URL", help="stand for election at zk://hosts/path")
    parser.add_argument("--offer-timeout", type=float, metavar="SECONDS")
    return parser


if __name__ == "__main__":
    main()
