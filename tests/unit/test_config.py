"""The configuration: defaults, and one clear line for each fault."""

from __future__ import annotations

import pytest

from calico_dcos.config import ConfigError, build_policy, build_wanted, pin_downloads, read_config
from calico_dcos.core.model import StepName


def test_empty_environment_gives_the_defaults_of_the_package() -> None:
    config = read_config({})

    assert config.master == "leader.mesos:5050"
    assert config.state_store == config.zk
    assert config.zk.startswith("zk://zk-1.zk:2181,zk-2.zk:2181,")
    assert config.etcd_endpoints == "http://localhost:2379"
    assert config.docker_cluster_store == "etcd://localhost:2379"
    assert config.max_concurrent_agents == 1
    assert config.max_failed_agents == 0


def test_marathon_tells_port_host_and_address() -> None:
    config = read_config({"PORT0": "31007", "HOST": "10.0.0.7", "LIBPROCESS_IP": "10.0.0.8"})

    assert (config.port, config.own_host, config.advertised_address) == (31007, "10.0.0.7", "10.0.0.8")


def test_address_at_which_nobody_can_be_reached_is_no_address() -> None:
    assert read_config({"LIBPROCESS_IP": "0.0.0.0"}).advertised_address == ""


def test_outside_etcd_is_used_by_docker_and_calico_alike() -> None:
    environment = {"CALICO_DCOS_ETCD_RUN_PROXY": "false", "CALICO_DCOS_ETCD_ENDPOINTS": "http://m1:2379,http://m2:2379"}
    config = read_config(environment)
    wanted = build_wanted(config)

    assert wanted["docker_cluster_store"]["cluster_store"] == "etcd://m1:2379,m2:2379"
    assert wanted["cni"]["config"]["etcd_endpoints"] == "http://m1:2379,http://m2:2379"
    assert wanted["calico_node"]["environment"]["ETCD_ENDPOINTS"] == "http://m1:2379,http://m2:2379"
    assert not build_policy(config, wanted).by_name[StepName.ETCD_PROXY].is_enabled


def test_felix_ignores_loose_reverse_path_filters() -> None:
    assert build_wanted(read_config({}))["calico_node"]["environment"]["FELIX_IGNORELOOSERPF"] == "true"


def test_operator_settings_win_over_the_node_defaults() -> None:
    config = read_config({"CALICO_DCOS_NODE_ENVIRONMENT": '{"FELIX_LOGSEVERITYSCREEN": "debug"}'})

    assert build_wanted(config)["calico_node"]["environment"]["FELIX_LOGSEVERITYSCREEN"] == "debug"


def test_pairs_set_the_nodes_environment_like_json() -> None:
    config = read_config({"CALICO_DCOS_NODE_ENVIRONMENT": "FELIX_LOGSEVERITYSCREEN=debug;A=b=c"})

    assert config.node_environment == {"FELIX_LOGSEVERITYSCREEN": "debug", "A": "b=c"}


def test_secrets_show_neither_in_faults_nor_in_text() -> None:
    config = read_config({"CALICO_DCOS_SECRET": "hush"})

    assert config.secret == "hush"
    assert "hush" not in repr(config)


@pytest.mark.parametrize(
    "master", ["10.0.0.1:5050", "http://m1:5050", "http://m1:5050/", "zk://u:p@m1:2181,m2:2181/a/b"]
)
def test_each_form_of_a_master_is_taken(master: str) -> None:
    assert read_config({"CALICO_DCOS_MASTER": master}).master == master


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MASTER", "zk://mesos:hush@m1:2181,m2:2181"),
        ("ZK", "zk://calico:hush@m1:2181"),
        ("ETCD_ENDPOINTS", "http://m1:2379,ftp://root:hush@m2:2379"),
        ("CNI_CALICO_URL", "ftp://mirror:hush@files/calico"),
    ],
)
def test_a_login_in_a_url_does_not_show_in_the_fault(name: str, value: str) -> None:
    with pytest.raises(ConfigError) as raised:
        read_config({f"CALICO_DCOS_{name}": value})

    (fault,) = raised.value.faults
    assert "hush" not in fault
    assert "//***@" in fault


@pytest.mark.parametrize(
    ("name", "value", "fault"),
    [
        ("MASTER", "nowhere", "it takes host:port, http://host:port or zk://host:port,.../path"),
        ("MASTER", "https://leader.mesos:5050", "it takes host:port, http://host:port or zk://host:port,.../path"),
        ("MASTER", "zk://zk-1.zk:2181", "it takes host:port, http://host:port or zk://host:port,.../path"),
        ("MASTER", "leader.mesos:99999", "it takes host:port, http://host:port or zk://host:port,.../path"),
        ("MASTER", "m1:5050,m2:5050", "it takes host:port, http://host:port or zk://host:port,.../path"),
        ("PORT", "http", "it takes a whole number from 0 to 65535"),
        ("PORT", "70000", "it takes a whole number from 0 to 65535"),
        ("MAX_CONCURRENT_AGENTS", "0", "it takes a whole number from 1 to 1000"),
        ("STABILITY_PERIOD_S", "nan", "it takes a number from 0 to 3600"),
        ("ETCD_RUN_PROXY", "yes", "it takes one of true, false"),
        ("ETCD_ENDPOINTS", "m1:2379", "it takes http:// or https:// URLs of etcd, separated by commas"),
        ("CNI_PLUGINS_DIR", "active/cni", "it takes an absolute path"),
        ("CNI_CALICO_URL", "ftp://x/calico", "it takes an http:// or https:// URL"),
        ("INSTALLER_URL", "http://x/installer", "it takes an http:// or https:// URL that ends with /installer.pyz"),
        ("CNI_CALICO_SHA256", "abc", "it takes 64 hexadecimal digits"),
        ("NODE_ENVIRONMENT", "[1]", 'it takes NAME=value pairs separated by ";", or a JSON object of strings'),
        ("NODE_ENVIRONMENT", "A", 'it takes NAME=value pairs separated by ";", or a JSON object of strings'),
        ("LOG_LEVEL", "LOUD", "it takes one of DEBUG, INFO, WARNING, ERROR"),
    ],
)
def test_wrong_value_is_named_with_what_is_allowed(name: str, value: str, fault: str) -> None:
    with pytest.raises(ConfigError) as raised:
        read_config({f"CALICO_DCOS_{name}": value})

    assert raised.value.faults == [f"CALICO_DCOS_{name}={value!r} is wrong: {fault}"]


def test_all_faults_are_reported_at_once() -> None:
    with pytest.raises(ConfigError) as raised:
        read_config({"CALICO_DCOS_PORT": "x", "CALICO_DCOS_MASTER": "y", "CALICO_DCOS_ETCD_RUN_PROXY": "false"})

    assert len(raised.value.faults) == 3
    assert "CALICO_DCOS_ETCD_ENDPOINTS is not set, and has to be here" in raised.value.faults


def test_misspelt_setting_is_named_with_what_was_meant() -> None:
    with pytest.raises(ConfigError) as raised:
        read_config({"CALICO_DCOS_MAX_CONCURENT_AGENTS": "2"})

    (fault,) = raised.value.faults
    assert fault.startswith("CALICO_DCOS_MAX_CONCURENT_AGENTS is no setting of calico-dcos")
    assert fault.endswith("did you mean CALICO_DCOS_MAX_CONCURRENT_AGENTS?")


def test_fingerprint_of_a_step_changes_with_its_own_settings_only() -> None:
    plain = read_config({})
    other = read_config({"CALICO_DCOS_NODE_IMAGE": "calico/node:v1.1.0"})
    before = build_policy(plain, build_wanted(plain)).by_name
    after = build_policy(other, build_wanted(other)).by_name

    assert before[StepName.CALICO_NODE].settings != after[StepName.CALICO_NODE].settings
    assert before[StepName.CNI].settings == after[StepName.CNI].settings


def test_pinned_sum_stands_in_where_no_setting_gives_one() -> None:
    given = "a" * 64
    wanted = build_wanted(read_config({"CALICO_DCOS_CNI_CALICO_SHA256": given}))
    calico, ipam = (plugin["url"] for plugin in wanted["cni"]["plugins"])

    pinned = pin_downloads(wanted, {calico: "b" * 64, ipam: "c" * 64})

    assert [plugin["sha256"] for plugin in pinned["cni"]["plugins"]] == [given, "c" * 64]
    assert pinned["etcd_proxy"]["archive"]["sha256"] is None


def test_an_etcd_with_tls_is_refused_before_anything_starts() -> None:
    with pytest.raises(ConfigError) as caught:
        read_config({"CALICO_DCOS_ETCD_RUN_PROXY": "false", "CALICO_DCOS_ETCD_ENDPOINTS": "http://a:1,https://u:p@b:2"})
    assert "no certificates come to the agents" in str(caught.value)
    assert "u:p" not in str(caught.value)


def test_a_query_with_a_backslash_is_refused_for_that() -> None:
    query = r"ALERTS{instance!~'10\\.0\\..*'}"
    with pytest.raises(ConfigError, match="without double quotes and backslashes"):
        read_config({"CALICO_DCOS_RESTART_BLOCKER_QUERY": query})
    assert read_config({"CALICO_DCOS_RESTART_BLOCKER_QUERY": query.replace(r"\\.", "[.]")})


def test_the_network_has_an_mtu_and_a_log_level_only_where_they_are_set() -> None:
    assert not {"mtu", "log_level"} & set(build_wanted(read_config({}))["cni"]["config"])
    config = read_config({"CALICO_DCOS_CNI_MTU": "1440", "CALICO_DCOS_CNI_LOG_LEVEL": "DEBUG"})
    network = build_wanted(config)["cni"]["config"]
    assert (network["mtu"], network["log_level"]) == (1440, "DEBUG")


def test_the_network_has_pools_only_where_they_are_set() -> None:
    assert build_wanted(read_config({}))["cni"]["config"]["ipam"] == {"type": "calico-ipam"}
    config = read_config({"CALICO_DCOS_CNI_IPV4_POOLS": "10.1.0.0/16,10.2.0.0/16"})
    assert build_wanted(config)["cni"]["config"]["ipam"]["ipv4_pools"] == ["10.1.0.0/16", "10.2.0.0/16"]
    with pytest.raises(ConfigError, match=r"networks, such as 10\.1\.0\.0/16"):
        read_config({"CALICO_DCOS_CNI_IPV4_POOLS": "10.1.0.0"})


def test_the_proxy_of_downloads_reaches_the_installer() -> None:
    names = {"CALICO_DCOS_DOWNLOAD_PROXY": "http://p:3128", "CALICO_DCOS_DOWNLOAD_PROXY_EXCEPTIONS": ".mesos"}
    assert build_wanted(read_config(names))["download_proxy"] == {"url": "http://p:3128", "exceptions": ".mesos"}
