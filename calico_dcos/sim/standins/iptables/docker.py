"""The rules that Docker writes when it starts, through whatever `iptables` is on the host."""

from pathlib import Path

from calico_dcos.sim.standins.iptables.state import Backend, change_table

_NETWORK = "172.17.0.0/16"


def write_rules(root: Path, backend: Backend) -> None:
    """Write them; the policy of FORWARD becomes DROP, as from Docker 1.13 on where Docker switched forwarding on."""
    change_table(
        root,
        backend,
        "filter",
        policies={"FORWARD": "DROP"},
        chains=("DOCKER", "DOCKER-ISOLATION-STAGE-1", "DOCKER-USER"),
        rules=(
            "FORWARD -j DOCKER-USER",
            "FORWARD -j DOCKER-ISOLATION-STAGE-1",
            "FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
            "FORWARD -o docker0 -j DOCKER",
            "FORWARD -i docker0 ! -o docker0 -j ACCEPT",
            "FORWARD -i docker0 -o docker0 -j ACCEPT",
            "DOCKER-ISOLATION-STAGE-1 -j RETURN",
            "DOCKER-USER -j RETURN",
        ),
    )
    change_table(
        root,
        backend,
        "nat",
        chains=("DOCKER",),
        rules=(
            "PREROUTING -m addrtype --dst-type LOCAL -j DOCKER",
            f"POSTROUTING -s {_NETWORK} ! -o docker0 -j MASQUERADE",
        ),
    )
