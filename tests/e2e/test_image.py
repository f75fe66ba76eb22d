"""The image as Marathon would run it: built without a registry, it walks simulated clusters as options files say."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.harness import packed, servers
from tests.e2e.harness.command import CommandError, wait_until
from tests.e2e.harness.host import Host, HostSpec
from tests.e2e.harness.site import open_site

pytestmark = pytest.mark.timeout(1200)  # the first run builds the base

AGENTS = 2
WALK_TIMEOUT_S = 300
BUNDLE = "/opt/calico-dcos/share/calico-dcos/bundle"
BUNDLED_URL = f"{servers.FILES_URL}/calico"
CARRIER = "no-proxy"
PINS = "var/lib/calico-dcos/pins.json"
CNI_CONFIG = "opt/mesosphere/etc/dcos/network/cni/calico.conf"
CNI_PLUGIN = "opt/mesosphere/active/cni/calico"


def run_slowly(host: Host, argv: Sequence[str], *, stdin: bytes = b"") -> str:
    """Run a command on a host; starting a container may take long on a busy machine."""
    return host.run(argv, stdin=stdin, timeout_s=240)


@dataclass(frozen=True, slots=True)
class Walk:
    """A simulated cluster in one container, walked by a scheduler in another."""

    host: Host
    name: str
    port: int
    roots: tuple[str, ...]
    etcd: str

    def read(self, root: str, path: str) -> str | None:
        """Read a file of a simulated host; None if there is none."""
        try:
            return run_slowly(self.host, ["docker", "exec", f"cluster-{self.name}", "cat", f"{root}/{path}"])
        except CommandError:
            return None

    def fetch_agents(self) -> list[Any]:
        """Ask the scheduler how far its agents are; nothing while it does not answer."""
        try:
            text = run_slowly(
                self.host, ["curl", "--silent", "--fail", "--max-time", "20", f"http://127.0.0.1:{self.port}/v1/agents"]
            )
        except CommandError:
            return []
        agents: list[Any] = json.loads(text)["agents"]
        return agents


@pytest.fixture(scope="module")
def host(cache: Path, image: Path) -> Iterator[Host]:
    with open_site(cache) as site:
        context = site.directory / "context"
        packed.write_context(context, cache=cache)
        binds = [f"{context}:{packed.CONTEXT_ON_HOST}"]
        host = Host(HostSpec("builder", "10.77.0.21"), site=site, image=image, read_only_binds=binds)
        host.prepare(lambda _root: None)
        host.boot()
        files = site.directory / "files"
        files.mkdir()
        (files / "calico").write_text("a download")
        servers.start_files(site, files)
        packed.build_image(host, cache=cache, bundle=BUNDLED_URL)
        yield host


OPTIONS: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    "no-docker": {"Configure Docker Cluster-Store": {"enable": False}},
    "no-cni": {"Install CNI": {"enable": False}},
    "no-proxy": {"Etcd Settings": {"run-proxy": False}},
}


@pytest.fixture(scope="module")
def walks(host: Host) -> Mapping[str, Walk]:
    """Walk three clusters at once, each with one section of its options changed."""
    clusters = {name: start_cluster(host, name) for name in OPTIONS}
    walks = {name: start_walk(host, name, 9000 + number, clusters[name]) for number, name in enumerate(OPTIONS)}
    for walk in walks.values():
        try:
            wait_until(partial(is_complete, walk), what="complete", timeout_s=WALK_TIMEOUT_S, poll_s=0.5)
        except TimeoutError as error:
            log = run_slowly(host, ["sh", "-c", f"docker logs scheduler-{walk.name} 2>&1 | tail -40"])
            raise AssertionError(f"{walk.name}: {error}\n{log}") from error
    return walks


def start_cluster(host: Host, name: str) -> str:
    run_slowly(
        host,
        [
            *("docker", "run", "--detach", "--init", "--network", "host", "--name", f"cluster-{name}"),
            *("--entrypoint", "/opt/calico-dcos/bin/python", packed.IMAGE),
            *("-m", "calico_dcos.sim.cluster", "--agents", str(AGENTS)),
        ],
    )
    said: list[str] = []

    def is_up() -> bool:
        said[:] = [run_slowly(host, ["docker", "logs", f"cluster-{name}"])]
        return said[0].count("\nhost ") == AGENTS

    wait_until(is_up, what=f"the cluster {name} is up", timeout_s=120, poll_s=0.5)
    return said[0]


def start_walk(host: Host, name: str, port: int, cluster: str) -> Walk:
    master = re.findall(r"^master +http://(\S+)", cluster, re.MULTILINE)[0]
    network = master.rpartition(":")[0].rpartition(".")[0]
    downloads = {url.rpartition("/")[2]: url for url in re.findall(r"^download +(\S+)", cluster, re.MULTILINE)}
    etcd = f"http://{network}.253:2379"
    options = build_options(name, port, master, downloads, etcd)
    run_slowly(host, ["tee", f"/root/{name}.json"], stdin=json.dumps(options).encode())
    rendered = run_slowly(
        host,
        [
            *("docker", "run", "--rm", "--volume", f"/root/{name}.json:/options.json:ro", packed.IMAGE),
            *("render", "--options", "/options.json", "--output", "env"),
        ],
    )
    run_slowly(host, ["tee", f"/root/{name}.env"], stdin=rendered.encode())
    # One of the schedulers carries the downloads itself, as an image that was built with BUNDLE does.
    carries = f"calico-dcos bundle {BUNDLE} {' '.join(downloads.values())} &&" if name == CARRIER else ""
    run_slowly(
        host,
        [
            *("docker", "run", "--detach", "--network", "host", "--name", f"scheduler-{name}", "--user", "root"),
            *("--env-file", f"/root/{name}.env", "--entrypoint", "sh", packed.IMAGE),
            *("-euc", f"{carries} exec setpriv --reuid 10001 --regid 10001 --clear-groups calico-dcos scheduler"),
        ]
        if carries
        else [
            *("docker", "run", "--detach", "--network", "host", "--name", f"scheduler-{name}"),
            *("--env-file", f"/root/{name}.env", packed.IMAGE),
        ],
    )
    return Walk(host, name, port, tuple(re.findall(r"^host +(\S+)", cluster, re.MULTILINE)), etcd)


def build_options(name: str, port: int, master: str, downloads: Mapping[str, str], etcd: str) -> Mapping[str, Any]:
    """Build the options file of a walk: what its cluster asks for, and the section that the test is about."""
    archive = next(url for file, url in downloads.items() if file.endswith(".tar.gz"))
    options: dict[str, dict[str, Any]] = {
        "Framework Settings": {
            "master": master,
            "state-store": "sqlite:///var/lib/calico-dcos/state.db",
            "port": port,
            "advertised-address": "127.0.0.1",
            "roster-interval": 1,
        },
        "Rollout": {"stability-period": 1, "backoff": 1},
        "Etcd Settings": {
            "etcd-endpoints": etcd if name == "no-proxy" else "http://127.0.0.1:2379",
            "override-etcd-url": archive,
        },
        "Configure Docker Cluster-Store": {},
        "Install CNI": {
            "override-calico-url": downloads["calico"],
            "override-calico-ipam-url": downloads["calico-ipam"],
        },
        "Run Calico-Node": {"poll-interval": 0.3},
    }
    for section, keys in OPTIONS[name].items():
        options[section].update(keys)
    return options


def is_complete(walk: Walk) -> bool:
    agents = walk.fetch_agents()
    return len(agents) == AGENTS and all(agent["status"] == "COMPLETE" for agent in agents)


def test_image_runs_without_root_compiler_and_pip(host: Host) -> None:
    described = json.loads(run_slowly(host, ["docker", "image", "inspect", packed.IMAGE]))[0]["Config"]

    assert described["User"] == "10001:10001"
    assert described["Labels"]["org.opencontainers.image.title"] == "calico-dcos"
    assert described["Healthcheck"]["Test"] == ["CMD", "calico-dcos", "health"]
    look = "ls /usr/bin/cc /usr/bin/gcc /usr/local/bin/gcc /opt/calico-dcos/bin/pip 2>/dev/null || true"
    assert run_slowly(host, ["docker", "run", "--rm", "--entrypoint", "sh", packed.IMAGE, "-c", look]) == ""


def test_image_carries_the_downloads_that_it_was_built_with(host: Host) -> None:
    look = ["docker", "run", "--rm", "--entrypoint", "cat", packed.IMAGE]

    (place,) = json.loads(run_slowly(host, [*look, f"{BUNDLE}/manifest.json"])).items()
    assert place[0] == BUNDLED_URL
    assert run_slowly(host, [*look, f"{BUNDLE}/{place[1]}"]) == "a download"


def test_health_check_of_the_image_finds_its_scheduler(walks: Mapping[str, Walk], host: Host) -> None:
    for name in walks:
        run_slowly(host, ["docker", "exec", f"scheduler-{name}", "calico-dcos", "health"])


def test_disabled_cluster_store_leaves_docker_alone(walks: Mapping[str, Walk]) -> None:
    walk = walks["no-docker"]
    for root in walk.roots:
        assert "cluster-store" not in (walk.read(root, "etc/docker/daemon.json") or "")
        assert walk.read(root, CNI_CONFIG) is not None
        assert "started container calico-node" in (walk.read(root, "var/log/stand-in.jsonl") or "")


def test_disabled_cni_leaves_no_network_and_no_plugin(walks: Mapping[str, Walk]) -> None:
    walk = walks["no-cni"]
    for root in walk.roots:
        assert walk.read(root, CNI_CONFIG) is None
        assert walk.read(root, CNI_PLUGIN) is None
        assert "cluster-store" in (walk.read(root, "etc/docker/daemon.json") or "")


def test_without_proxy_everything_talks_to_the_given_etcd(walks: Mapping[str, Walk]) -> None:
    walk = walks["no-proxy"]
    for root in walk.roots:
        assert json.loads(walk.read(root, CNI_CONFIG) or "{}")["etcd_endpoints"] == walk.etcd
        stores = json.loads(walk.read(root, "etc/docker/daemon.json") or "{}")
        assert stores["cluster-store"] == walk.etcd.replace("http://", "etcd://")


def test_downloads_that_the_scheduler_carries_come_from_it(walks: Mapping[str, Walk]) -> None:
    for walk in walks.values():
        for root in walk.roots:
            pins = json.loads(walk.read(root, PINS) or "{}")
            fetched = [pin["url"] for pin in pins.values()]
            assert [f":{walk.port}/artifacts/" in url for url in fetched] == [walk.name == CARRIER] * len(fetched)
    assert json.loads(walks[CARRIER].read(walks[CARRIER].roots[0], PINS) or "{}")
