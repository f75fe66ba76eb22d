"""Reports: what this program tells its scheduler and whoever reads its output; a lost report loses no correctness."""

import json
import os
import time
from typing import Any, Dict, List, Optional, TextIO
from urllib.parse import urlsplit

from .dry_run import build_change
from .facts import Facts
from .facts.bird import ESTABLISHED, Bird
from .facts.calico_etcd import CalicoEtcd, EtcdNode
from .facts.node import Node
from .inspection import Inspection
from .redaction import hide_all
from .unknown import Unknown, to_json
from .wanted import STEPS
from .web import UnreachableError, call, open_connection

TIMEOUT_S = 5
FIRST_ERROR = 300
# What is wrong with a report stays wrong. A scheduler that has just started knows neither tokens nor tasks yet.
MALFORMED = (400, 413)
INSIST_S = 60
# The scheduler says so where reports wait for its store.
BUSY, BUSY_S, BUSY_TRIES = (429, 503), 5, 6
# The scheduler takes 64 KiB; a container takes about 150 bytes.
RUNNING_MAX = 100
NODES_MAX, SESSIONS_MAX = 50, 50


class Reporter:
    """Prints each report, and posts it to the scheduler where there is one."""

    def __init__(self, url: Optional[str], token: Optional[str], out: TextIO, err: TextIO) -> None:
        self._url = url
        self._token = token
        self._out = out
        self._err = err

    @property
    def scheduler(self) -> str:
        """The scheduler's ``host:port``; empty where there is none."""
        return urlsplit(self._url or "").netloc

    def progress(self, message: str, done_bytes: Optional[int] = None, total_bytes: Optional[int] = None) -> None:
        """Tell in one line what is being done."""
        report = {"kind": "progress", "message": message}  # type: Dict[str, Any]
        if done_bytes is not None:
            report["done_bytes"] = done_bytes
        if total_bytes is not None:
            report["total_bytes"] = total_bytes
        self._print(message)
        self._post(report)

    def failure(self, reason: str, detail: str = "") -> None:
        """Tell in one line why it failed, and in several what a tool said."""
        self._print("failed: {}{}".format(reason, "\n" + detail if detail else ""))
        self._post({"kind": "failure", "reason": reason, "detail": detail})

    def downloaded(self, url: str, sha256: str) -> None:
        """Tell the sum of a download for which none was given: every other host's must be the same.

        The scheduler, whose URL it is, gets it as it gave it: it knows the download by it.
        """
        self._print("downloaded {}: sha256 {}".format(url, sha256))
        self._send({"kind": "downloaded", "url": url, "sha256": sha256})

    def inspection(self, inspection: Inspection) -> None:
        """Tell the facts of this host and what is still to do on it."""
        report = hide_all(build_inspection(inspection, time.monotonic() - inspection.begun_at_s))
        self._print(json.dumps(report, indent=2, sort_keys=True))
        self._send(report, BUSY_TRIES)

    def served(self, address: str) -> None:
        """Tell where a container of the connectivity test is reached; a scheduler that is away is waited for."""
        self._print("serves at {}".format(address))
        self._insist({"kind": "served", "address": address})

    def probed(self, results: List[Dict[str, Any]], *, is_last: bool) -> None:
        """Tell how the actions of a connectivity test went, all of them so far; the last time as `served` does."""
        if results and not is_last:
            self._print("{test} {action}: {outcome}: {message}".format(**results[-1]))
        report = {"kind": "probed", "results": results, "is_last": is_last}
        if is_last:
            self._insist(report)
        else:
            self._post(report)

    def _insist(self, report: Dict[str, Any]) -> None:
        """Deliver a report that nothing makes good, unless the scheduler is away for long."""
        ends_at_s = time.monotonic() + INSIST_S
        while not self._post(report) and time.monotonic() < ends_at_s:
            time.sleep(1)

    def _print(self, text: str) -> None:
        write_line(self._out, text)

    def _post(self, report: Dict[str, Any]) -> bool:
        """Post a report, its secrets hidden; whether there is no use in posting it again."""
        return self._send(hide_all(report))

    def _send(self, report: Dict[str, Any], tries: int = 1) -> bool:
        if not self._url:
            return True
        headers = {"Content-Type": "application/json"}
        if self._token:
            headers["Authorization"] = "Bearer " + self._token
        body = json.dumps(report).encode("utf-8")
        try:
            answer = call(open_connection(self.scheduler, TIMEOUT_S), "POST", urlsplit(self._url).path, body, headers)
        except UnreachableError as error:
            write_line(self._err, "report not delivered: {}".format(error))
            return False
        if answer.status in BUSY and tries > 1:
            time.sleep(BUSY_S)
            return self._send(report, tries - 1)
        if answer.status >= FIRST_ERROR:
            write_line(self._err, "report not taken: status {}".format(answer.status))
        return answer.status < FIRST_ERROR or answer.status in MALFORMED


def write_line(out: TextIO, text: str) -> None:
    """Write a line; whoever read it may be gone with the task, and this run goes on without."""
    try:
        out.write(text + "\n")
        out.flush()
    except OSError:
        # What is left in its buffer must find a place, or closing it would fail as well.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, out.fileno())
        os.close(nowhere)


def bound_facts(facts: Facts) -> Facts:
    """Leave out what would make a report too long for the scheduler to take; counts are told in full."""
    facts = facts._replace(calico_etcd=bound_nodes(facts.calico_etcd), bird=bound_sessions(facts.bird))
    engine = facts.docker.engine
    if isinstance(engine, Unknown):
        return facts
    return facts._replace(docker=facts.docker._replace(engine=engine._replace(running=engine.running[:RUNNING_MAX])))


def bound_nodes(etcd: CalicoEtcd) -> CalicoEtcd:
    """Leave out most nodes of very many; those with this host's name or address are told."""
    own = etcd.own.address if isinstance(etcd.own, EtcdNode) else None
    if isinstance(etcd.nodes, Unknown):
        return etcd
    nodes = sorted(etcd.nodes, key=lambda node: node.name != etcd.name and node.address != own)
    peers = etcd.peers if isinstance(etcd.peers, Unknown) else etcd.peers[:NODES_MAX]
    return etcd._replace(nodes=nodes[:NODES_MAX], peers=peers)


def bound_sessions(bird: Bird) -> Bird:
    """Leave out most sessions of very many; those that are not established come first."""
    return bird._replace(
        sessions=sorted(bird.sessions, key=lambda session: session.state == ESTABLISHED)[:SESSIONS_MAX]
    )


def build_inspection(inspection: Inspection, took_s: float) -> Dict[str, Any]:
    """Build the report of an inspection that began took_s seconds ago."""
    plan = inspection.plan
    return {
        "kind": "inspection",
        "took_s": round(took_s, 3),
        "facts": to_json(bound_facts(inspection.facts)),
        "changes": {step: [build_change(change) for change in plan[step].changes] for step in STEPS},
        "refusals": {step: plan[step].refusal for step in STEPS if plan[step].refusal is not None},
        "unknowns": {step: plan[step].unknown for step in STEPS if plan[step].unknown is not None},
        "faults": {step: plan[step].fault for step in STEPS if plan[step].fault is not None},
        "proofs": {step: plan[step].proof for step in STEPS if plan[step].proof is not None},
        "node": build_node(inspection.facts.node),
        "warnings": {step: plan[step].warnings for step in STEPS if plan[step].warnings},
    }


def build_node(node: Node) -> Optional[Dict[str, str]]:
    """Build what Calico knows this host as; None where its address is not known."""
    return {"name": node.name, "address": node.address} if isinstance(node.address, str) else None
