"""(facts of Docker, wanted store) -> what is done about it."""

from __future__ import annotations

import pytest

from calico_dcos.installer.facts.docker import Docker, Running
from calico_dcos.installer.plans.changes import Action
from calico_dcos.installer.plans.docker_store import plan_docker_store
from calico_dcos.installer.unknown import Unknown
from tests.unit.installer.examples import (
    OTHER_STORE,
    STORE,
    build_daemon_json,
    build_docker,
    build_engine,
    build_unit,
    build_wanted,
)

SET = {"cluster_store": STORE}
IN_EFFECT = build_engine(**SET)
OTHER_IN_EFFECT = build_engine(cluster_store=OTHER_STORE)
CARRIED = build_daemon_json(**SET)
FLAG = ["/usr/bin/dockerd", "--cluster-store=" + STORE]


@pytest.mark.parametrize(
    ("docker", "action"),
    [
        pytest.param(build_docker(IN_EFFECT, CARRIED), None, id="in effect and in the file"),
        pytest.param(build_docker(IN_EFFECT, flags=FLAG), None, id="in effect by a flag"),
        pytest.param(build_docker(IN_EFFECT, CARRIED, unit=Unknown("no bus")), None, id="in effect, without systemd"),
        pytest.param(
            build_docker(IN_EFFECT, build_daemon_json(**SET, cluster_advertise="10.0.0.2:2376")),
            None,
            id="an operator's own advertise stays",
        ),
        pytest.param(
            build_docker(IN_EFFECT, build_daemon_json(**SET, cluster_advertise="")),
            Action.DROP_ADVERTISE,
            id="the empty advertise of a killed run",
        ),
        pytest.param(build_docker(IN_EFFECT), Action.WRITE_STORE, id="in effect, no file"),
        pytest.param(build_docker(IN_EFFECT, build_daemon_json()), Action.WRITE_STORE, id="in effect, not in the file"),
        pytest.param(
            build_docker(IN_EFFECT, build_daemon_json(cluster_store=OTHER_STORE)),
            Action.WRITE_STORE,
            id="in effect, another in the file",
        ),
        pytest.param(build_docker(), Action.RELOAD_DOCKER, id="no store, no file"),
        pytest.param(build_docker(daemon_json=CARRIED), Action.RELOAD_DOCKER, id="in the file, not in effect"),
        pytest.param(
            build_docker(flags=Unknown("a script starts it")), Action.RELOAD_DOCKER, id="no store, flags unknown"
        ),
        pytest.param(
            build_docker(flags=["/usr/bin/dockerd-current", "--authorization-plugin=rhel-push-plugin"]),
            Action.RESTART_DOCKER,
            id="a plugin that a reload would switch off",
        ),
        pytest.param(
            build_docker(IN_EFFECT, CARRIED, flags=["/usr/bin/dockerd", "--authorization-plugin", "x"]),
            None,
            id="nothing to reload, so the plugin does not matter",
        ),
        pytest.param(build_docker(build_engine(version="1.11.0")), Action.RELOAD_DOCKER, id="the first that reloads"),
        pytest.param(build_docker(build_engine(version="1.12.6-cs8")), Action.RELOAD_DOCKER, id="a suffix"),
        pytest.param(build_docker(build_engine(version="1.13.1")), Action.RELOAD_DOCKER, id="1.13"),
        pytest.param(build_docker(build_engine(version="17.03.2-ce")), Action.RELOAD_DOCKER, id="17.03"),
        pytest.param(build_docker(build_engine(version="20.10.24+dfsg1")), Action.RELOAD_DOCKER, id="the last"),
        pytest.param(build_docker(build_engine(version="1.10.3")), Action.RESTART_DOCKER, id="1.10"),
        pytest.param(
            build_docker(build_engine(version="1.10.3"), CARRIED), Action.RESTART_DOCKER, id="1.10, in the file"
        ),
    ],
)
def test_what_is_left_to_do_follows_from_what_is_in_effect_and_in_the_file(
    docker: Docker, action: Action | None
) -> None:
    decision = plan_docker_store(docker, build_wanted().cluster_store)
    assert decision.refusal is None
    assert [change.action for change in decision.changes] == ([action] if action else [])


@pytest.mark.parametrize(
    ("docker", "refusal"),
    [
        pytest.param(build_docker(unit=build_unit(load_state="not-found")), "no docker.service", id="no unit"),
        pytest.param(build_docker(build_engine(version="23.0.0")), "no longer knows cluster-store", id="23.0"),
        pytest.param(build_docker(build_engine(version="28.2.2")), "no longer knows cluster-store", id="28"),
        pytest.param(build_docker(build_engine(version="1.9.1")), "reads no daemon.json", id="1.9"),
        pytest.param(build_docker(build_engine(version="dev")), "is not understood", id="a version without numbers"),
        pytest.param(build_docker(daemon_json=build_daemon_json(fault="EOF")), "is not valid (EOF)", id="broken file"),
        pytest.param(
            build_docker(IN_EFFECT, build_daemon_json(fault="EOF")), "is not valid", id="broken file, store in effect"
        ),
        pytest.param(build_docker(build_engine(swarm="active")), "swarm mode is active", id="swarm"),
        pytest.param(build_docker(build_engine(swarm="locked")), "swarm mode is locked", id="locked swarm"),
        pytest.param(
            build_docker(flags=["dockerd", "--cluster-advertise=eth0:2376"]), "--cluster-advertise", id="a flag"
        ),
        pytest.param(
            build_docker(OTHER_IN_EFFECT, flags=["dockerd", "--cluster-store", OTHER_STORE]),
            "--cluster-store",
            id="another store by a flag",
        ),
        pytest.param(build_docker(OTHER_IN_EFFECT), "another cluster store is configured", id="another in effect"),
        pytest.param(
            build_docker(daemon_json=build_daemon_json(cluster_store=OTHER_STORE)),
            "another cluster store is configured",
            id="another in the file",
        ),
        pytest.param(
            build_docker(IN_EFFECT, flags=Unknown("a script starts it")),
            "neither from /etc/docker/daemon.json nor from flags",
            id="in effect, and nobody knows from where",
        ),
    ],
)
def test_what_is_not_sure_to_do_no_harm_is_refused_with_a_remedy(docker: Docker, refusal: str) -> None:
    decision = plan_docker_store(docker, build_wanted().cluster_store)
    assert decision.changes == []
    assert decision.refusal is not None
    assert refusal in decision.refusal
    assert ": " in decision.refusal


@pytest.mark.parametrize(
    ("docker", "reason"),
    [
        pytest.param(build_docker(Unknown("no answer")), "Docker: no answer", id="Docker is away"),
        pytest.param(build_docker(unit=Unknown("no bus")), "docker.service: no bus", id="no systemd"),
        pytest.param(build_docker(daemon_json=Unknown("Permission denied")), "daemon.json: ", id="unreadable file"),
        pytest.param(
            build_docker(IN_EFFECT, unit=Unknown("no bus"), flags=Unknown("no bus")),
            "docker.service: no bus",
            id="in effect, and systemd does not say from where",
        ),
    ],
)
def test_what_cannot_be_asked_is_neither_refused_nor_done(docker: Docker, reason: str) -> None:
    decision = plan_docker_store(docker, build_wanted().cluster_store)
    assert decision.changes == []
    assert decision.refusal is None
    assert decision.proof is None
    assert reason in str(decision.unknown)


@pytest.mark.parametrize(
    ("docker", "action"),
    [
        pytest.param(build_docker(OTHER_IN_EFFECT), Action.RESTART_DOCKER, id="in effect: never a second reload"),
        pytest.param(
            build_docker(daemon_json=build_daemon_json(cluster_store=OTHER_STORE)),
            Action.RELOAD_DOCKER,
            id="only in the file: the first reload",
        ),
    ],
)
def test_another_store_is_replaced_where_the_option_says_so(docker: Docker, action: Action) -> None:
    wanted = build_wanted("docker_cluster_store", replace_existing=True).cluster_store
    assert [change.action for change in plan_docker_store(docker, wanted).changes] == [action]


def test_a_reload_restarts_nothing_and_a_restart_says_whom_it_stops() -> None:
    reload = plan_docker_store(build_docker(), build_wanted().cluster_store).changes[0]
    assert (reload.restarts, reload.impact) == (None, "no container is touched")
    old = build_docker(build_engine(version="1.10.3"))
    restart = plan_docker_store(old, build_wanted().cluster_store).changes[0]
    assert (restart.restarts, restart.impact) == ("docker", "restarts Docker: 2 containers stop (web, db)")


def test_live_restore_does_not_make_a_restart_harmless() -> None:
    running = [Running("web", "nginx:1"), Running("mesos-7c1", "app:1")]
    docker = build_docker(build_engine(version="1.10.3", is_live_restore_on=True, running=running))
    restart = plan_docker_store(docker, build_wanted().cluster_store).changes[0]
    assert restart.restarts == "docker"
    assert "2 containers live on; 1 of them, tasks of Mesos' Docker containerizer, fail all the same" in restart.impact
