"""The installer run by hand on a real host: what it refuses, what it leaves alone, what it puts back.

One host with a Mesos agent 1.0, which reads networks at its start only. Every test begins with the host as it was laid
out: what a test has changed is taken off with `remove`, and Docker is started anew where its store was set.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.harness import by_hand, calico_image, cluster, sight, stand_ins
from tests.e2e.harness.bench import Bench, boot_bench
from tests.e2e.harness.by_hand import STORE, change
from tests.e2e.harness.cluster import AgentSpec
from tests.e2e.harness.command import wait_until
from tests.e2e.harness.host import DAEMON_JSON, Cgroups, HostSpec
from tests.e2e.harness.site import Site
from tests.e2e.harness.stand_ins import CNI_CONFIG_DIR, PLUGINS_DIR

pytestmark = pytest.mark.timeout(900)  # the first run builds the image

AGENT = AgentSpec(HostSpec("byhand", "10.77.0.11"), mesos_version="1.0.1", dcos_version="1.8.4")
# Here every task of an agent dies with its restart, a run of the installer among them.
HYBRID = AgentSpec(HostSpec("hybrid", "10.77.0.12", Cgroups.HYBRID), mesos_version="1.0.1", dcos_version="1.8.4")
NETWORK = f"{CNI_CONFIG_DIR}/calico.conf"
DAEMON_FILE = "/etc/docker/daemon.json"
STATE_DIR = "/var/lib/calico-dcos"
DOCKER_DROP_IN = "/etc/systemd/system/docker.service.d/made-so.conf"
AGENT_DROP_IN = f"/etc/systemd/system/{AGENT.unit}.d/made-so.conf"
OTHER_STORE = f"{STORE}/other"
# What Docker and its containers, and the kernel, write by themselves.
NOISE = ("/etc/mtab", "/etc/docker/key.json", "/var/lib/systemd", "/var/lib/dhcp", "/tmp")


@pytest.fixture(scope="module")
def booted(site: Site, image: Path) -> Bench:
    return boot_bench(site, image, AGENT)


@pytest.fixture
def bench(booted: Bench) -> Iterator[Bench]:
    yield booted
    booted.sh(f"umount {STATE_DIR} /etc/docker {CNI_CONFIG_DIR} {PLUGINS_DIR} 2>/dev/null || true")
    removed = by_hand.run(booted.host, booted.wanted, "remove")
    assert removed.status == 0, removed.output
    booted.sh("docker ps -aq | xargs -r docker rm -f")
    if booted.sh(f"rm -f {DOCKER_DROP_IN} {AGENT_DROP_IN}; systemctl daemon-reload; cat {DAEMON_FILE}") != DAEMON_JSON:
        booted.write(DAEMON_FILE, DAEMON_JSON)
    if "ClusterStore" in sight.read_docker(booted.host, "/info"):
        restart_docker(booted)


def restart_docker(bench: Bench) -> None:
    bench.sh("systemctl reset-failed docker.service; systemctl restart docker.service")
    bench.await_docker()


def run_containers(bench: Bench, count: int, *options: str) -> dict[str, sight.Container]:
    for number in range(count):
        bench.host.run(["docker", "run", "-d", *options, "--name", f"c{number}", stand_ins.IDLE_IMAGE])
    return read_containers(bench)


def read_containers(bench: Bench) -> dict[str, sight.Container]:
    return {name: sight.read_container(bench.host, name) for name in sight.read_container_names(bench.host)}


def read_contents(bench: Bench) -> dict[str, str]:
    """Mode, owner and sum of everything in the directories that the installer writes to."""
    listed = bench.sh(
        f"find /etc /opt/mesosphere {STATE_DIR} -printf '%p %M %u:%g %l\\n' 2>/dev/null || true;"
        "find /etc /opt/mesosphere -type f -exec sha256sum {} +"
    )
    return {line: "" for line in listed.splitlines() if not any(path in line for path in NOISE)}


def test_a_reload_touches_none_of_five_containers_and_loses_no_ping(bench: Bench) -> None:
    before = run_containers(bench, 5)
    docker = sight.read_unit(bench.host, "docker.service")
    address = sight.read_docker(bench.host, "/containers/c0/json")["NetworkSettings"]["IPAddress"]
    bench.sh(f"systemd-run --quiet --unit=pinging sh -c 'exec ping -n -i 0.05 {address} > /run/pings'")
    wait_until(lambda: "icmp_seq=5 " in bench.sh("cat /run/pings || true"), what="pings are answered", timeout_s=60)

    done = by_hand.run(bench.host, bench.wanted, "apply", "docker-cluster-store")

    assert done.status == 0, done.output
    seen = len(read_pings(bench))
    wait_until(lambda: len(read_pings(bench)) > seen + 5, what="pings are answered on", timeout_s=60)
    bench.sh("systemctl stop pinging.service")
    assert read_pings(bench) == list(range(1, len(read_pings(bench)) + 1))
    assert sight.read_docker(bench.host, "/info")["ClusterStore"] == STORE
    assert sight.read_unit(bench.host, "docker.service") == docker
    assert read_containers(bench) == before
    assert "5 running containers untouched" in done.output


def read_pings(bench: Bench) -> list[int]:
    """The numbers of the answered pings; the last line may be half written."""
    return [int(number) for number in re.findall(r"icmp_seq=(\d+) .*ms\n", bench.sh("cat /run/pings"))]


def set_store(bench: Bench, store: str, **keys: object) -> str:
    """Make another store take effect, as an operator would have: by a restart."""
    text = json.dumps({**json.loads(DAEMON_JSON), "cluster-store": store, **keys}, indent=2)
    bench.write(DAEMON_FILE, text)
    restart_docker(bench)
    return text


def test_another_store_is_replaced_by_a_restart_where_that_is_wanted(bench: Bench) -> None:
    set_store(bench, OTHER_STORE)
    before = run_containers(bench, 2, "--restart=always")
    docker = sight.read_unit(bench.host, "docker.service")
    wanted = change(bench.wanted, "docker_cluster_store", replace_existing=True)

    done = by_hand.run(bench.host, wanted, "apply", "docker-cluster-store")

    assert done.status == 0, done.output
    assert sight.read_docker(bench.host, "/info")["ClusterStore"] == STORE
    assert sight.read_unit(bench.host, "docker.service") != docker
    assert "all 2 containers are up" in done.output
    assert read_containers(bench).keys() == before.keys()


def test_a_dockerd_that_cannot_start_with_the_new_file_is_rolled_back_with_its_containers_up(bench: Bench) -> None:
    # Containers live through this restart, so that it can be told that they are the old ones.
    text = set_store(bench, OTHER_STORE, **{"live-restore": True})
    bench.sh(f"chmod 0640 {DAEMON_FILE}")
    before = run_containers(bench, 3)
    broken = f"{STORE}/broken"
    bench.write(DOCKER_DROP_IN, f"[Service]\nExecStartPre=/bin/sh -c '! grep {broken} {DAEMON_FILE}'\n")
    bench.sh("systemctl daemon-reload")
    wanted = change(bench.wanted, "docker_cluster_store", replace_existing=True, cluster_store=broken)

    done = by_hand.run(bench.host, wanted, "apply", "docker-cluster-store")

    assert done.status == 1, done.output
    assert bench.sh(f"cat {DAEMON_FILE}") == text
    assert sight.read_file(bench.host, DAEMON_FILE).mode == "-rw-r-----"
    assert sight.read_docker(bench.host, "/info")["ClusterStore"] == OTHER_STORE
    assert read_containers(bench) == before
    assert "Docker was started again with it; all 3 containers are up" in done.output
    assert broken in done.output.partition("containers are up")[2], "the journal of the unit is told"


@pytest.mark.parametrize(
    ("store", "make", "unmake", "reason"),
    [
        ("etcd://10.77.0.1:1", ":", ":", "Connection refused"),
        (
            STORE,
            "iptables -I OUTPUT -p tcp --dport 2379 -j DROP",
            "iptables -D OUTPUT -p tcp --dport 2379 -j DROP",
            "no answer within 2 s",
        ),
    ],
    ids=["wrong", "away"],
)
def test_docker_is_left_alone_without_its_store(bench: Bench, store: str, make: str, unmake: str, reason: str) -> None:
    docker, before = sight.read_unit(bench.host, "docker.service"), read_contents(bench)
    wanted = change(bench.wanted, "docker_cluster_store", cluster_store=store)
    bench.sh(make)
    done = by_hand.run(bench.host, wanted, "apply", "docker-cluster-store")
    bench.sh(unmake)
    assert done.status == 1, done.output
    assert reason in done.output
    assert bench.sh(f"cat {DAEMON_FILE}") == DAEMON_JSON
    assert sight.read_unit(bench.host, "docker.service") == docker
    assert "ClusterStore" not in sight.read_docker(bench.host, "/info")
    assert {line for line in read_contents(bench) if STATE_DIR not in line} == {
        line for line in before if STATE_DIR not in line
    }


REFUSALS = {
    "swarm": (
        "docker-cluster-store",
        f"docker swarm init --advertise-addr {AGENT.host.address}",
        "docker swarm leave --force",
        "swarm mode is active",
    ),
    "invalid": (
        "docker-cluster-store",
        f"sed -i 's/{{/{{,/' {DAEMON_FILE}",
        f"sed -i 's/{{,/{{/' {DAEMON_FILE}",
        "is not valid",
    ),
    "other-store": (
        "docker-cluster-store",
        f'sed -i \'1a "cluster-store": "{OTHER_STORE}",\' {DAEMON_FILE}',
        f"sed -i 2d {DAEMON_FILE}",
        "another cluster store is configured",
    ),
    "native-calico": (
        "cni",
        "mkdir -p /opt/mesosphere/active/calico",
        "rmdir /opt/mesosphere/active/calico",
        "carries its own Calico",
    ),
    "broken-network": (
        "cni",
        f"echo broken > {CNI_CONFIG_DIR}/broken.conf",
        f"rm {CNI_CONFIG_DIR}/broken.conf",
        "does not start",
    ),
    "twin-network": (
        "cni",
        f'echo \'{{"name": "calico", "type": "noop"}}\' > {CNI_CONFIG_DIR}/twin.conf',
        f"rm {CNI_CONFIG_DIR}/twin.conf",
        "configures network calico too",
    ),
}


@pytest.mark.parametrize(("step", "make", "unmake", "reason"), REFUSALS.values(), ids=REFUSALS)
def test_what_is_refused_leaves_the_host_untouched(
    bench: Bench, step: str, make: str, unmake: str, reason: str
) -> None:
    bench.sh(make)
    docker, before = sight.read_unit(bench.host, "docker.service"), read_contents(bench)
    done = by_hand.run(bench.host, bench.wanted, "apply", step)
    after = read_contents(bench)
    bench.sh(unmake)
    assert done.status == 3, done.output
    assert reason in done.output
    assert after == before
    assert sight.read_unit(bench.host, "docker.service") == docker


def test_a_store_given_as_a_flag_is_refused(bench: Bench) -> None:
    start = f"/usr/sbin/dockerd -H fd:// --cluster-store {OTHER_STORE}"
    bench.write(DOCKER_DROP_IN, f"[Service]\nExecStart=\nExecStart={start}\n")
    bench.sh("systemctl daemon-reload")
    restart_docker(bench)
    before = read_contents(bench)
    done = by_hand.run(bench.host, bench.wanted, "apply", "docker-cluster-store")
    assert done.status == 3, done.output
    assert "dockerd is started with --cluster-store" in done.output
    assert read_contents(bench) == before


def test_a_port_that_is_taken_is_refused(bench: Bench) -> None:
    bench.sh("systemd-run --quiet --unit=taker python3 -m http.server --bind 127.0.0.1 2379")
    wait_until(lambda: ":2379" in bench.sh("ss -lnt"), what="the port is taken", timeout_s=60)
    done = by_hand.run(bench.host, bench.wanted, "supervise", "etcd-proxy")
    bench.sh("systemctl stop taker.service")
    assert done.status == 3, done.output
    assert "127.0.0.1:2379 is taken" in done.output


def read_agent_start(bench: Bench) -> float:
    url = f"http://{AGENT.host.address}:5051/state"
    return float(json.loads(bench.host.run(["curl", "--silent", "--fail", url]))["start_time"])


def apply_with_agent(bench: Bench, step: str, **restart: object) -> by_hand.Ended:
    wanted = change(bench.wanted, "agent_restart", **restart)
    return by_hand.run(bench.host, wanted, "apply", step)


def test_an_agent_that_does_not_come_back_is_rolled_back(bench: Bench) -> None:
    assert apply_with_agent(bench, "cni").status == 0
    started = read_agent_start(bench)
    bench.write(AGENT_DROP_IN, f"[Service]\nExecStartPre=/bin/sh -c '! grep made-so {NETWORK}; ! test -e {NETWORK}'\n")
    bench.sh("systemctl daemon-reload")

    done = apply_with_agent(bench, "agent-restart", timeout_s=15)

    assert done.status == 1, done.output
    assert f"took {NETWORK} away: there was none before; so the agent is up again" in done.output
    assert read_agent_start(bench) != started
    assert bench.sh(f"ls -A {CNI_CONFIG_DIR}").split() == ["dummy.cni"]


def test_a_clock_that_was_set_back_costs_one_restart_and_no_more(bench: Bench) -> None:
    """The files were written by a clock an hour ahead: the agent will seem older than them for an hour."""
    assert apply_with_agent(bench, "cni").status == 0
    bench.sh(f"touch -d '+1 hour' {NETWORK} {PLUGINS_DIR}/calico {PLUGINS_DIR}/calico-ipam")
    done = apply_with_agent(bench, "agent-restart")
    assert done.status == 0, done.output
    started = read_agent_start(bench)
    again = apply_with_agent(bench, "agent-restart")
    assert again.output.startswith("nothing to do"), again.output
    assert read_agent_start(bench) == started
    bench.sh(f"rm {NETWORK} {PLUGINS_DIR}/calico {PLUGINS_DIR}/calico-ipam")


@pytest.fixture(scope="module")
def hybrid(site: Site, image: Path, booted: Bench) -> Bench:
    host = cluster.boot_agent(site, image, HYBRID)
    cluster.start_agent(site, host, HYBRID)
    return Bench(host, change(booted.wanted, "agent_restart", timeout_s=15))


# A task of the agent as systemd sees it: in the cgroup of its unit.
JOIN_AGENT = f"""
for hierarchy in systemd unified; do
    echo $$ > /sys/fs/cgroup/$hierarchy/system.slice/{HYBRID.unit}/cgroup.procs
done
exec "$@"
"""


def test_an_agent_that_takes_this_run_with_it_and_does_not_come_back_is_rolled_back(hybrid: Bench) -> None:
    host = hybrid.host
    assert by_hand.run(host, hybrid.wanted, "apply", "cni").status == 0
    agent = sight.read_unit(host, HYBRID.unit)
    hybrid.write(
        f"/etc/systemd/system/{HYBRID.unit}.d/made-so.conf",
        f"[Service]\nExecStartPre=/bin/sh -c '! test -e {NETWORK}'\n",
    )
    hybrid.sh("systemctl daemon-reload")
    command = by_hand.build_command(host, hybrid.wanted, "apply", "agent-restart", before=AS_A_TASK[:2])
    hybrid.write("/run/join-agent", JOIN_AGENT)  # in a file: systemd-run would expand its variables
    host.run(["systemd-run", "--quiet", "--unit=task", "sh", "-eu", "/run/join-agent", *command])

    # What runs outside goes on when the task is gone, whose output it has: here the journal.
    wait_until(lambda: "so the agent is up again" in read_journal(hybrid), what="rolled back", timeout_s=120)

    wait_until(lambda: not is_active(hybrid, "task.service"), what="the run has ended", timeout_s=60)
    ended = read_log(hybrid, "task.service")
    assert "Deactivated successfully" in ended, ended  # as systemd calls an end by its SIGTERM
    journal = read_journal(hybrid)
    assert journal.index("task.service: Deactivated successfully") < journal.index("so the agent is up again")
    assert hybrid.sh(f"ls -A {CNI_CONFIG_DIR}").split() == ["dummy.cni"]
    assert sight.read_unit(host, HYBRID.unit) != agent
    wait_until(lambda: not list_runs(hybrid), what="the unit has ended", timeout_s=60)
    assert hybrid.sh("systemctl --failed --no-legend") == "", "a run that fails is no failed unit"


def read_journal(bench: Bench) -> str:
    return bench.sh("journalctl --no-pager -o cat")


def list_runs(bench: Bench) -> str:
    return bench.sh("systemctl list-units --all --no-legend 'run-u*.service'")


def read_runs(bench: Bench, arguments: str) -> str:
    """What systemd said of runs outside of a task."""
    return bench.sh(f"journalctl --no-pager -o cat --grep 'Started .*calico-dcos: {arguments}' || true")


# As Mesos puts a task that it isolates with namespaces/pid; the kernel mounts a /proc to match.
AS_A_TASK = (
    *("env", "MESOS_EXECUTOR_ID=apply.1", "unshare", "--pid", "--fork", "--kill-child", "--mount-proc"),
    *("--propagation", "slave"),
)


def test_a_task_in_a_pid_namespace_sets_dockers_store_from_outside_of_it(bench: Bench) -> None:
    assert bench.host.run([*AS_A_TASK, "systemctl", "is-active", "docker"], statuses=(1,)) == ""
    looked = by_hand.run(bench.host, bench.wanted, "inspect", before=AS_A_TASK)
    report = json.loads(looked.output)
    assert report["facts"]["system"]["sees_host_processes"] is True
    assert report["refusals"] == {}
    done = by_hand.run(bench.host, bench.wanted, "apply", "docker-cluster-store", before=AS_A_TASK)
    assert done.status == 0, done.output
    assert f"Cluster Store: {STORE}" in bench.sh("docker info")
    assert read_runs(bench, "apply docker-cluster-store")
    assert list_runs(bench) == ""


def test_an_operator_in_a_pid_namespace_looks_from_outside_of_it_as_well(bench: Bench) -> None:
    done = by_hand.run(bench.host, bench.wanted, "apply", "docker-cluster-store", "--dry-run", before=AS_A_TASK[2:])
    assert done.status == 0, done.output
    assert done.output.startswith("docker-cluster-store: 1 change"), done.output


OLD_SYSTEMD_RUN = "#!/bin/sh\necho systemd 229\n"


def test_where_systemd_runs_nothing_outside_a_task_asks_it_over_the_bus(bench: Bench) -> None:
    bench.write("/usr/local/old-systemd-run", OLD_SYSTEMD_RUN)
    bench.sh("chmod 0755 /usr/local/old-systemd-run; mount --bind /usr/local/old-systemd-run /usr/bin/systemd-run")
    try:
        looked = by_hand.run(bench.host, bench.wanted, "inspect", before=AS_A_TASK)
        done = by_hand.run(bench.host, bench.wanted, "apply", "docker-cluster-store", before=AS_A_TASK)
    finally:
        bench.sh("umount /usr/bin/systemd-run; rm /usr/local/old-systemd-run")
    said, _, report = looked.output.partition("\n")
    assert said == "done inside of this task, as it cannot be done outside: systemd 229 is older than 236"
    assert json.loads(report)["facts"]["system"]["sees_host_processes"] is False
    assert done.status == 0, done.output
    assert f"Cluster Store: {STORE}" in bench.sh("docker info")


def read_log(bench: Bench, unit: str) -> str:
    return bench.sh(f"journalctl --no-pager -o cat -u {unit}")


def is_active(bench: Bench, unit: str) -> bool:
    return bench.sh(f"systemctl is-active {unit} || true").strip() in {"active", "activating", "deactivating"}


def test_an_agent_is_restarted_once_and_a_second_apply_makes_no_write(bench: Bench) -> None:
    started = read_agent_start(bench)
    for step in ("docker-cluster-store", "cni", "agent-restart"):
        done = apply_with_agent(bench, step)
        assert done.status == 0, done.output
    restarted = read_agent_start(bench)
    assert restarted != started
    before = read_contents(bench)
    for step in ("docker-cluster-store", "cni", "agent-restart"):
        assert find_writes(bench, "apply", step) == []
    assert read_contents(bench) == before
    assert read_agent_start(bench) == restarted


CALLS = (
    "open,openat,creat,rename,renameat,renameat2,unlink,unlinkat,mkdir,mkdirat,rmdir,chmod,fchmod,fchmodat,"
    "chown,fchown,lchown,fchownat,utimensat,link,linkat,symlink,symlinkat,truncate,ftruncate,mknod,mknodat"
)


def find_writes(bench: Bench, *arguments: str) -> list[str]:
    """Run the installer under strace, and return each call of it or of its children that writes to a file system."""
    trace = ["strace", "-f", "-qq", "-o", "/run/trace", "-e", f"trace={CALLS}"]
    done = by_hand.run(bench.host, bench.wanted, *arguments, before=trace)
    assert (done.status, "nothing to do" in done.output) == (0, True), done.output
    calls = bench.sh("cat /run/trace").splitlines()
    assert len(calls) > 50, "strace saw the run"
    return [call for call in calls if is_write(call)]


def is_write(call: str) -> bool:
    if re.search(r"= -1 E|\+\+\+|---|resumed|\"/dev/|\"/proc/", call):
        return False
    if re.search(r"\b(open|openat)\(", call):
        return re.search(r"O_WRONLY|O_RDWR|O_CREAT|O_TRUNC", call) is not None
    return True


@pytest.mark.parametrize(
    ("directory", "step"),
    [
        (STATE_DIR, "cni"),
        (STATE_DIR, "docker-cluster-store"),
        ("/etc/docker", "docker-cluster-store"),
        (CNI_CONFIG_DIR, "cni"),
    ],
)
def test_a_full_disk_is_refused_where_it_would_be_written_to(bench: Bench, directory: str, step: str) -> None:
    bench.sh(
        f"mkdir -p {directory}; cp -a {directory} /run/moved; mount -t tmpfs -o size=64k tmpfs {directory};"
        f"cp -a /run/moved/. {directory}; rm -r /run/moved;"
        f"mkdir {directory}/filled; dd if=/dev/zero of={directory}/filled/full bs=4k || true"
    )
    docker, before = sight.read_unit(bench.host, "docker.service"), read_contents(bench)
    done = by_hand.run(bench.host, bench.wanted, "apply", step)
    assert done.status == 3, done.output
    assert f"{directory} has 0 MB left" in done.output
    assert read_contents(bench) == before
    assert sight.read_unit(bench.host, "docker.service") == docker


def test_a_step_that_fails_in_the_middle_is_undone_whole(bench: Bench) -> None:
    """What cannot be written is found out only when the network is written after its plugins."""
    bench.sh(f"mkdir {NETWORK}")
    before = read_contents(bench)
    done = by_hand.run(bench.host, bench.wanted, "apply", "cni")
    after = {line for line in read_contents(bench) if STATE_DIR not in line}
    bench.sh(f"rmdir {NETWORK}")
    assert done.status == 1, done.output
    assert f"failed: {NETWORK}: Is a directory; took {PLUGINS_DIR}/calico away: there was none before" in done.output
    assert after == set(before)


@pytest.mark.parametrize(
    ("directory", "step"), [(CNI_CONFIG_DIR, "cni"), ("/etc/docker", "docker-cluster-store"), (PLUGINS_DIR, "cni")]
)
def test_a_read_only_directory_is_refused(bench: Bench, directory: str, step: str) -> None:
    bench.sh(f"mount --bind {directory} {directory}; mount -o remount,bind,ro {directory}")
    before = read_contents(bench)
    done = by_hand.run(bench.host, bench.wanted, "apply", step)
    assert done.status == 3, done.output
    assert "read-only" in done.output
    assert read_contents(bench) == before


def test_remove_takes_a_whole_install_off_a_host(bench: Bench, image: Path) -> None:
    calico_image.import_calico_node(bench.host, image)
    before = read_contents(bench)
    for step in ("docker-cluster-store", "cni", "agent-restart"):
        done = apply_with_agent(bench, step)
        assert done.status == 0, done.output
    supervise = by_hand.build_command(bench.host, bench.wanted, "supervise", "calico-node")
    bench.host.run(["systemd-run", "--quiet", "--unit=supervisor", *supervise])
    wait_until(lambda: "calico-node" in sight.read_container_names(bench.host), what="calico-node runs", timeout_s=120)
    refused = by_hand.run(bench.host, bench.wanted, "remove")
    assert refused.status == 3, refused.output
    assert "end its task first" in refused.output
    bench.sh("systemctl stop supervisor.service")
    assert "calico-node" in sight.read_container_names(bench.host)

    done = by_hand.run(bench.host, bench.wanted, "remove")

    assert done.status == 0, done.output
    assert "calico-node" not in sight.read_container_names(bench.host)
    assert read_contents(bench) == before
    assert bench.sh(f"find / -xdev -name '*calico-dcos*' -not -path '{stand_ins.REPOSITORY_ON_HOSTS}*'").split() == []
