"""Finds etcd by DNS."""

from __future__ import annotations

import dns.exception
import dns.resolver
from dns.rdtypes.IN.SRV import SRV

TIMEOUT_S = 3.0


class SrvError(Exception):
    """The name service has no answer; the text says in one line for which name, and why."""


def resolve_srv(domain: str, resolver: dns.resolver.Resolver | None = None) -> tuple[str, ...]:
    """Look up where etcd of a domain serves its clients, most preferred first, as "host:port".

    Args:
        domain: as in etcd's own --discovery-srv.
        resolver: in place of the system's.

    Raises:
        SrvError: there is no answer.
    """
    name = f"_etcd-client._tcp.{domain}"
    try:
        answer = (resolver or dns.resolver.Resolver()).resolve(name, "SRV", lifetime=TIMEOUT_S)
    except dns.exception.DNSException as error:
        raise SrvError(f"no SRV record {name}: {error}") from error
    records = sorted(
        (record for record in answer if isinstance(record, SRV)),
        key=lambda record: (record.priority, -record.weight),
    )
    return tuple(f"{record.target.to_text(omit_final_dot=True)}:{record.port}" for record in records)
