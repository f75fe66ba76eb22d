"""The package: options reach the configuration, mistakes are named, and the app is what Cosmos would make."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from calico_dcos.config import SETTINGS, read_config
from calico_dcos.config.settings import Setting
from calico_dcos.package.explain import explain
from calico_dcos.package.files import PackageError, find_directory, load_package
from calico_dcos.package.options import load_options
from calico_dcos.package.render import SECRET_PLACEHOLDER, Rendered, RenderError, render

TOP = Path(__file__).parents[2]
PACKAGE = load_package(find_directory())
# A block of a page that is marked as an options file.
EXAMPLE = re.compile(r"^```(json|yaml) options\n(.*?)^```", re.DOTALL | re.MULTILINE)
# Values of which each setting takes one that is not its default.
SAMPLES = (
    *("true", "false", "DEBUG", "text", "always", "7", "50", "0.5", "99", "256", "3601", "host.example", "10.9.0.0/16"),
    *(
        "/other/dir",
        "host.example:1234",
        "http://other.example/file",
        "http://other.example/installer.pyz",
        "http://a.example:2379,http://b.example:2379",
    ),
    *("zk://other:2181/calico", "etcd://other:2379/calico", "sqlite:///other/state.db", "A=b;C=d=e", "ab" * 32),
    *("mon-thu 22:00-04:00", "Europe/Berlin", "install", "preflight", "JSON", "json"),
    *("2.6", "cidr=10.0.0.0/8"),
)


def render_options(options: dict[str, Any]) -> Rendered:
    return render(PACKAGE, options)


def choose_sample(setting: Setting) -> Any:
    """A value as an options file has it, other than the default and allowed by the option's schema."""
    schema = PACKAGE.config["properties"][setting.section]["properties"][setting.key]
    for text in SAMPLES:
        try:
            value = setting.kind.parse(text)
        except ValueError:
            continue
        option = value if schema["type"] in {"boolean", "integer", "number"} else text
        is_allowed = isinstance(option, str) is (schema["type"] == "string")
        matches = not isinstance(option, str) or re.search(schema.get("pattern", ""), option) is not None
        if is_allowed and matches and value != setting.default:
            return option
    raise AssertionError(f"no sample for {setting.option}")


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.option)
def test_every_setting_is_reached_from_its_option_and_no_other_is(setting: Setting) -> None:
    sample = choose_sample(setting)
    before = asdict(render_options({}).config)

    after = asdict(render_options({setting.section: {setting.key: sample}} | prepare(setting)).config)

    changed = {name for name in after if after[name] != before[name]}
    expected = {setting.name} | follow(setting)
    assert setting.name in changed
    assert changed <= expected


def prepare(setting: Setting) -> dict[str, Any]:
    """Give what the sample of a setting asks for besides."""
    if setting.name != "etcd_run_proxy":
        return {}
    return {"Etcd Settings": {"run-proxy": False, "etcd-endpoints": "http://localhost:2379"}}


def follow(setting: Setting) -> set[str]:
    """Name the settings whose default follows from this one."""
    followers = {
        "zk": {"state_store"},
        "etcd_endpoints": {"docker_cluster_store"},
        "calico_release": {"node_image", "cni_calico_url", "cni_calico_ipam_url"},
    }
    return followers.get(setting.name, set())


@pytest.mark.parametrize("setting", [entry for entry in SETTINGS if entry.vault_key], ids=lambda entry: entry.option)
def test_secret_comes_from_the_secret_store_where_an_option_names_it(setting: Setting) -> None:
    rendered = render_options({setting.section: {setting.vault_key: "calico/token"}})

    assert rendered.app["env"][setting.variable] == {"secret": setting.vault_key}
    assert rendered.app["secrets"] == {setting.vault_key: {"source": "calico/token"}}
    assert getattr(rendered.config, setting.name) == SECRET_PLACEHOLDER


def test_all_secrets_together_make_valid_json() -> None:
    vaulted = [entry for entry in SETTINGS if entry.vault_key]
    options: dict[str, Any] = {}
    for entry in vaulted:
        options.setdefault(entry.section, {})[entry.vault_key] = f"calico/{entry.name}"

    assert len(render_options(options).app["secrets"]) == len(vaulted)


def test_defaults_of_the_package_are_those_of_the_program() -> None:
    assert render_options({}).config == read_config({"PORT0": "10101"})


def test_app_is_what_dcos_needs_to_run_and_to_find_one_scheduler() -> None:
    app = render_options({}).app

    assert app["id"] == "/calico-install-framework"
    assert app["container"]["docker"] == {
        "image": "calico/calico-dcos:0.1.0",
        "network": "HOST",
        "forcePullImage": False,
    }
    assert (app["instances"], app["upgradeStrategy"]) == (1, {"minimumHealthCapacity": 0, "maximumOverCapacity": 0})
    assert app["healthChecks"][0]["path"] == "/health"
    labels = app["labels"]
    assert labels["MARATHON_SINGLE_INSTANCE_APP"] == "true"
    assert labels["DCOS_PACKAGE_FRAMEWORK_NAME"] == app["env"]["CALICO_DCOS_FRAMEWORK_NAME"]
    assert (labels["DCOS_SERVICE_NAME"], labels["DCOS_SERVICE_SCHEME"], labels["DCOS_SERVICE_PORT_INDEX"]) == (
        "calico-install-framework",
        "http",
        "0",
    )
    assert "secrets" not in app


def test_options_of_the_predecessors_users_still_mean_what_they_meant() -> None:
    config = render_options(
        {
            "Framework Settings": {
                "framework-name": "calico-install-framework",
                "master": "zk://zk-1.zk:2181/mesos",
                "zk": "zk://zk-1.zk:2181/calico",
                "max-concurrent-restarts": 2,
                "cpu-limit": 0.2,
                "mem-limit": 512,
                "status-dns": "calico.marathon.mesos",
                "override-framework-image": "registry.example.com/calico-dcos:1",
                "override-installer-url": "http://mirror.example.com/installer.pyz",
            },
            "Etcd Settings": {
                "run-proxy": True,
                "etcd-discovery-url": "etcd.mesos",
                "etcd-endpoints": "http://localhost:2379",
                "cpu-limit": 0.1,
                "mem-limit": 128,
            },
            "Configure Docker Cluster-Store": {
                "enable": True,
                "override-docker-cluster-store": "etcd://m1:2379",
                "cpu-limit": 0.2,
                "mem-limit": 256,
            },
            "Install CNI": {
                "enable": True,
                "cni-plugins-dir": "/opt/mesosphere/active/cni/",
                "cni-config-dir": "/opt/mesosphere/etc/dcos/network/cni/",
                "cpu-limit": 0.2,
                "mem-limit": 512,
            },
            "Run Calico-Node": {
                "enable": False,
                "override-node-image": "registry.example.com/node:v1.0.0",
                "cpu-limit": 0.2,
                "mem-limit": 256,
            },
        }
    ).config

    assert config.max_concurrent_restarts == 2
    assert config.docker_cluster_store == "etcd://m1:2379"
    assert config.cni_plugins_dir == "/opt/mesosphere/active/cni"
    assert config.node_image == "registry.example.com/node:v1.0.0"
    assert not config.node_enable


MISTAKES = """
Framework Setings: {}
Framework Settings: {framework-name: Calico Net, max-concurrent-restarts: 0, log-level: LOUD, colour: red}
Etcd Settings: {run-proxy: "no", etcd-endpoints: "m1:2379"}
Configure Docker Cluster-Store: {enable: 1}
Install CNI: [x]
Run Calico-Node: {mem-limit: 8, ipip: off}
Security: {secret: 7}
"""


def test_each_mistake_in_an_options_file_gets_a_line_that_names_it(tmp_path: Path) -> None:
    path = tmp_path / "options.yaml"
    path.write_text(MISTAKES)

    with pytest.raises(RenderError) as raised:
        render_options(load_options(path))

    faults = raised.value.faults
    assert len(faults) == 12
    assert "'Framework Setings' is no section of options; did you mean 'Framework Settings'?" in faults
    assert 'Framework Settings.log-level="LOUD" is wrong: it takes one of DEBUG, INFO, WARNING, ERROR' in faults
    assert "Framework Settings.max-concurrent-restarts=0 is wrong: it takes a whole number from 1 to 1000" in faults
    assert any(fault.startswith("Framework Settings.colour is no option of this section") for fault in faults)
    assert 'Etcd Settings.run-proxy="no" is wrong: it takes true or false, without quotation marks' in faults
    assert any("unless they are quoted" in fault for fault in faults)
    assert "section 'Install CNI': has to hold options, not [\"x\"]" in faults
    assert "Security.secret=*** is wrong: it takes text, or nothing" in faults


def test_options_that_contradict_each_other_are_named_by_their_options() -> None:
    with pytest.raises(RenderError) as raised:
        render_options({"Etcd Settings": {"run-proxy": False}})

    assert raised.value.faults == ["Etcd Settings.etcd-endpoints is not set, and has to be here"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [", "options:1: neither YAML nor JSON"),
        ("[1]", "this one is a list"),
        ("word", "this one is a text"),
    ],
)
def test_file_that_is_no_options_file_is_named(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "options"
    path.write_text(text)

    with pytest.raises(PackageError, match=re.escape(said)):
        load_options(path)


def find_examples() -> Iterator[Any]:
    """Find every block of the documentation that is marked as an options file."""
    pages = [TOP / "README.md", *sorted((TOP / "docs").rglob("*.md"))]
    for page in pages:
        text = page.read_text(encoding="utf-8")
        for number, (_, block) in enumerate(EXAMPLE.findall(text), 1):
            yield pytest.param(block, id=f"{page.relative_to(TOP)}#{number}")


@pytest.mark.parametrize("example", list(find_examples()))
def test_every_example_in_the_documentation_renders(example: str, tmp_path: Path) -> None:
    path = tmp_path / "options"
    path.write_text(example)
    options = load_options(path)

    config = asdict(render_options(options).config)

    by_option = {(setting.section, setting.key): setting for setting in SETTINGS}
    for section, keys in options.items():
        for key, value in keys.items():
            setting = by_option.get((section, key))
            if setting is not None and value not in {"", 0}:
                text = json.dumps(value) if not isinstance(value, str) else value
                assert config[setting.name] == setting.kind.parse(text)


def run_command(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "calico_dcos", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_render_prints_the_app_and_the_environment(tmp_path: Path) -> None:
    path = tmp_path / "options.json"
    path.write_text('{"Framework Settings": {"port": 9000}}')

    app = json.loads(run_command("render", "--options", str(path)).stdout)
    environment = run_command("render", "--options", str(path), "--output", "env").stdout

    assert app["portDefinitions"][0]["port"] == 9000
    assert "PORT0=9000" in environment.splitlines()
    assert "CALICO_DCOS_MASTER=leader.mesos:5050" in environment.splitlines()


def test_an_update_leaves_to_cosmos_the_labels_by_which_it_knows_the_package() -> None:
    made = json.loads(run_command("render").stdout)
    # As Cosmos labels an app, and as Marathon takes an update: what is given is replaced, what is not stays.
    running = {
        **made,
        "labels": {**made["labels"], "DCOS_PACKAGE_SOURCE": "https://universe", "DCOS_PACKAGE_OPTIONS": "e30="},
    }

    after = {**running, **json.loads(run_command("render", "--output", "update").stdout)}

    assert after == running


def test_render_makes_json_options_of_yaml_that_render_the_same(tmp_path: Path) -> None:
    path = tmp_path / "options.yaml"
    path.write_text("Framework Settings: {port: 9000}\nRun Calico-Node: {extra-environment: A=b}\n")

    options = json.loads(run_command("render", "--options", str(path), "--output", "options").stdout)
    wanted = json.loads(run_command("render", "--options", str(path), "--output", "wanted").stdout)

    assert render_options(options) == render_options(load_options(path))
    assert wanted["calico_node"]["environment"]["A"] == "b"


def test_check_says_which_steps_run_what_restarts_and_where_state_goes(tmp_path: Path) -> None:
    path = tmp_path / "options.yaml"
    path.write_text("Install CNI: {enable: false}\nFramework Settings: {state-store: 'etcd://u:p@m1:2379/calico'}\n")

    told = run_command("check", "--options", str(path)).stdout

    assert re.search(r"cni +off +inspected only", told)
    assert re.search(r"Mesos agent +never", told)
    assert "State goes to etcd://***@m1:2379/calico" in told
    assert "read-only: there is no operator-token" in told


def test_check_says_what_slows_the_walk_down() -> None:
    pace = {
        "mode": "preflight",
        "canary-agents": 2,
        "restart-windows": "mon-thu 22:00-04:00",
        "restart-time-zone": "Europe/Berlin",
        "restart-interval": 600,
        "drain": True,
        "restart-blocker-url": "http://user:hush@gate.example.com/may-restart",
    }

    told = "\n".join(explain(render_options({"Pace": pace}).config))

    assert told.startswith("Preflight: agents are inspected, and nothing is changed")
    assert re.search(r"waits +after 2 complete agents, until an operator lets it go on", told)
    assert re.search(r"when +mon-thu 22:00-04:00 \(Europe/Berlin\)", told)
    assert re.search(r"drained +the agent is deactivated", told)
    assert re.search(r"one after another +600 s apart", told)
    assert "http://***@gate.example.com/may-restart allows it" in told


@pytest.mark.parametrize(
    ("image", "release", "told"),
    [
        ("calico/node:v1.0.2", "2.0", None),
        ("mirror.example.com:5000/node:v2.6.3", "2.6", None),
        ("mirror.example.com:5000/node:ours", "2.0", None),
        ("mirror.example.com:5000/node:v1.1.0", "2.0", "2.1"),
        ("calico/node:v1.0.0", "2.6", "2.0"),
    ],
)
def test_check_warns_of_an_image_that_looks_like_another_release(image: str, release: str, told: str | None) -> None:
    node = {"override-node-image": image, "calico-release": release}

    lines = explain(render_options({"Run Calico-Node": node}).config)

    warned = [line for line in lines if line.startswith("Warning")]
    assert len(warned) == (told is not None)
    assert all(line.endswith(f"set Run Calico-Node.calico-release to {told}") for line in warned)


@pytest.mark.parametrize(("release", "is_written"), [("2.0", True), ("2.3", True), ("2.4", False)])
def test_check_says_when_the_pool_is_written_by_us(release: str, *, is_written: bool) -> None:
    node = {"calico-release": release, "nat-outgoing": "false"}

    told = "\n".join(explain(render_options({"Run Calico-Node": node}).config))

    assert ("Pool 192.168.0.0/16 (IP-in-IP off, without NAT) is written to etcd" in told) is is_written


def test_a_local_universe_names_its_copies_of_the_default_release_alone() -> None:
    """Cosmos' resources and the option: what the package carries counts for the release that it carries."""
    docker = {"calico-dcos": "local/calico-dcos:1", "calico-node": "master.mesos:5000/calico/node:v1.0.0"}
    uris = {name: f"http://master.mesos:8082/{name}" for name in ("etcd", "calico-cni", "calico-ipam")}
    package = replace(PACKAGE, resource={"assets": {"container": {"docker": docker}, "uris": uris}})

    plain = render(package, {}).config
    newer = render(package, {"Run Calico-Node": {"calico-release": "2.6"}}).config
    own = {"override-calico-url": "http://mirror.example.com/calico"}
    overridden = render(package, {"Install CNI": own, "Run Calico-Node": {"calico-release": "2.6"}}).config

    assert plain.node_image == "master.mesos:5000/calico/node:v1.0.0"
    assert (plain.cni_calico_url, plain.cni_calico_ipam_url) == (uris["calico-cni"], uris["calico-ipam"])
    assert newer.node_image == "quay.io/calico/node:v2.6.12"
    assert newer.cni_calico_url.endswith("/v1.11.8/calico")
    assert newer.cni_calico_ipam_url.endswith("/v1.11.8/calico-ipam")
    assert newer.etcd_archive_url == uris["etcd"]
    assert overridden.cni_calico_url == "http://mirror.example.com/calico"
    assert overridden.cni_calico_ipam_url == newer.cni_calico_ipam_url


def test_check_of_wrong_options_ends_with_a_line_for_each(tmp_path: Path) -> None:
    path = tmp_path / "options.yaml"
    path.write_text(MISTAKES)

    done = run_command("check", "--options", str(path))

    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 12
    assert all(line.startswith("calico-dcos: ") for line in done.stderr.splitlines())
