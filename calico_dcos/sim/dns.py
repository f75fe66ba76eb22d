"""A tiny DNS server for the demo's names: SRV and A records over UDP, NXDOMAIN for every other name."""

import socketserver
import threading
from collections.abc import Mapping
from dataclasses import dataclass

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

_TTL_S = 60


@dataclass(frozen=True, slots=True)
class Target:
    """Where an SRV record points."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Zone:
    """The names that are known: services (`_etcd-client._tcp.etcd.mesos`) and hosts; all without a final dot."""

    services: Mapping[str, tuple[Target, ...]]
    addresses: Mapping[str, str]


def build_answer(zone: Zone, query: dns.message.Message) -> dns.message.Message:
    """Build the answer to a query; the addresses of SRV targets come along."""
    answer = dns.message.make_response(query)
    answer.flags |= dns.flags.AA | dns.flags.RA
    question = query.question[0]
    name = question.name.to_text(omit_final_dot=True).lower()
    if name not in zone.services and name not in zone.addresses:
        answer.set_rcode(dns.rcode.NXDOMAIN)
    elif question.rdtype == dns.rdatatype.SRV and name in zone.services:
        records = [f"0 0 {target.port} {target.host}." for target in zone.services[name]]
        answer.answer.append(_build_rrset(name, "SRV", *records))
        hosts = dict.fromkeys(target.host for target in zone.services[name])
        answer.additional += [_build_rrset(host, "A", zone.addresses[host]) for host in hosts if host in zone.addresses]
    elif question.rdtype == dns.rdatatype.A and name in zone.addresses:
        answer.answer.append(_build_rrset(name, "A", zone.addresses[name]))
    return answer


class DnsServer(socketserver.ThreadingUDPServer):
    """Serves a zone, which may be replaced while it runs: members of etcd move."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int], zone: Zone) -> None:
        self.zone = zone
        self.queried: list[str] = []
        self.lock = threading.Lock()
        super().__init__(address, _Handler)


class _Handler(socketserver.DatagramRequestHandler):
    """One query."""

    server: DnsServer

    def handle(self) -> None:
        try:
            query = dns.message.from_wire(self.rfile.read())
        except dns.exception.DNSException:
            return  # not DNS: no answer, as real servers do
        with self.server.lock:
            self.server.queried.append(query.question[0].name.to_text(omit_final_dot=True))
        self.wfile.write(build_answer(self.server.zone, query).to_wire())


def _build_rrset(name: str, kind: str, *records: str) -> dns.rrset.RRset:
    return dns.rrset.from_text(f"{name}.", _TTL_S, dns.rdataclass.IN, kind, *records)
