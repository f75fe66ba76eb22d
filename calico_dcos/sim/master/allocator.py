"""Who is offered what: allocation, filters, and the ways in which an offer ends."""

from __future__ import annotations

from collections.abc import Iterable

from calico_dcos.sim.master.state import Agent, Framework, Json, MasterState, Offer, Refusal, value
from calico_dcos.sim.resources import Resources, Style, resources_to_json, total

DEFAULT_REFUSE_S = 5.0
LONGEST_REFUSE_S = 365 * 24 * 3600.0
SMALLEST_CPUS = 0.01
SMALLEST_MEM_MB = 32


def allocate(state: MasterState, agents: Iterable[Agent] | None = None) -> None:
    """Offer what is free on these agents (default: all) to the frameworks that may have it, poorest first."""
    made: dict[str, list[Offer]] = {}
    offered = _offered_by_agent(state)
    for agent in list(state.agents.values() if agents is None else agents):
        if agent.is_connected and not agent.is_deactivated:
            free = agent.resources - agent.used - offered.get(agent.id, Resources())
            for offer in _offer_agent(state, agent, free):
                made.setdefault(offer.framework_id, []).append(offer)
    for framework_id, offers in made.items():
        framework = state.frameworks[framework_id]
        state.send(framework, "OFFERS", {"offers": [_offer_to_json(state, framework, offer) for offer in offers]})


def decline(state: MasterState, framework: Framework, body: Json) -> None:
    """Take offers back and filter them for the framework."""
    for offer_id in body.get("offer_ids", []):
        offer = state.offers.get(offer_id["value"])
        if offer is not None and offer.framework_id == framework.id:
            del state.offers[offer.id]
            refuse(state, framework, offer, offer.resources, body)


def refuse(state: MasterState, framework: Framework, offer: Offer, unused: Resources, body: Json) -> None:
    """Filter what a framework did not use of an offer, for as long as its call says."""
    seconds = float(body.get("filters", {}).get("refuse_seconds", DEFAULT_REFUSE_S))
    if seconds < 0:
        seconds = DEFAULT_REFUSE_S
    if seconds == 0 or not unused.quantities:
        return
    shortest = state.options.allocation_interval_s
    until = state.now + min(max(seconds, shortest), LONGEST_REFUSE_S)
    framework.refusals.setdefault(offer.agent_id, []).append(Refusal(offer.role, unused, until))


def revive(state: MasterState, framework: Framework) -> None:
    """Drop all filters of a framework and offer it everything again."""
    framework.refusals.clear()
    framework.is_suppressed = False
    allocate(state)


def suppress(framework: Framework) -> None:
    """Offer the framework nothing until it revives."""
    framework.is_suppressed = True


def rescind(state: MasterState, offers: Iterable[Offer]) -> None:
    """Take offers back and tell their frameworks."""
    for offer in offers:
        del state.offers[offer.id]
        state.send(state.frameworks[offer.framework_id], "RESCIND", {"offer_id": value(offer.id)})


def rescind_overdue(state: MasterState) -> None:
    """Take back what has been held for longer than --offer-timeout."""
    timeout_s = state.options.offer_timeout_s
    if timeout_s is not None:
        rescind(state, [offer for offer in state.offers.values() if offer.made_at + timeout_s <= state.now])


def forget_filters_of_agent(state: MasterState, agent_id: str) -> None:
    """Drop the filters on an agent that is gone."""
    for framework in state.frameworks.values():
        framework.refusals.pop(agent_id, None)


def _offered_by_agent(state: MasterState) -> dict[str, Resources]:
    offered: dict[str, Resources] = {}
    for offer in state.offers.values():
        offered[offer.agent_id] = offered.get(offer.agent_id, Resources()) + offer.resources
    return offered


def _offer_agent(state: MasterState, agent: Agent, free: Resources) -> Iterable[Offer]:
    if not _is_worth_offering(free):
        return
    for framework in _poorest_first(state):
        for role in framework.roles:
            wanted = free.allocatable_to(role)
            if _is_worth_offering(wanted) and not _is_refused(state, framework, role, agent, wanted):
                free -= wanted
                yield _make_offer(state, framework, role, agent, wanted)


def _poorest_first(state: MasterState) -> list[Framework]:
    candidates = [f for f in state.frameworks.values() if f.stream_id is not None and not f.is_suppressed]
    if len(candidates) < 2:  # noqa: PLR2004 - nothing to compare
        return candidates
    return sorted(candidates, key=lambda framework: _share(state, framework))


def _share(state: MasterState, framework: Framework) -> float:
    held = [task.resources for task in framework.tasks.values() if not task.is_terminal]
    offered = [offer.resources for offer in state.offers_of(framework_id=framework.id)]
    return total([*held, *offered]).scalar("cpus")


def _is_worth_offering(resources: Resources) -> bool:
    return resources.scalar("cpus") >= SMALLEST_CPUS or resources.scalar("mem") >= SMALLEST_MEM_MB


def _is_refused(state: MasterState, framework: Framework, role: str, agent: Agent, wanted: Resources) -> bool:
    """Whether a filter covers all of it; what is more than was refused is offered."""
    current = [refusal for refusal in framework.refusals.get(agent.id, []) if refusal.until > state.now]
    framework.refusals[agent.id] = current
    return any(refusal.role == role and refusal.resources.contains(wanted) for refusal in current)


def _make_offer(state: MasterState, framework: Framework, role: str, agent: Agent, resources: Resources) -> Offer:
    offer = Offer(f"{state.master_id}-O{state.offer_count}", framework.id, agent.id, role, resources, state.now)
    state.offer_count += 1
    state.offers[offer.id] = offer
    return offer


def _offer_to_json(state: MasterState, framework: Framework, offer: Offer) -> Json:
    agent = state.agents[offer.agent_id]
    description = agent.description
    is_refined = framework.has("RESERVATION_REFINEMENT")
    is_multi_role = framework.has("MULTI_ROLE")
    address = {"hostname": agent.hostname, "ip": description["ip"], "port": description["port"]}
    return {
        "id": value(offer.id),
        "framework_id": value(framework.id),
        "agent_id": value(agent.id),
        "hostname": agent.hostname,
        "url": {"scheme": "http", "address": address, "path": "/slave(1)"},
        "resources": resources_to_json(
            offer.resources,
            Style.RESERVATIONS if is_refined else Style.ROLE,
            offer.role if is_multi_role else None,
        ),
        "attributes": description["attributes"],
        **({"allocation_info": {"role": offer.role}} if is_multi_role else {}),
    }
