"""Which settings anybody may see, and what of them."""

from __future__ import annotations

from calico_dcos.config import SETTINGS, list_shown_settings, read_config

ENVIRONMENT = {
    "CALICO_DCOS_ADVERTISED_ADDRESS": "10.0.0.1",
    "CALICO_DCOS_OPERATOR_TOKEN": "open-sesame-open-sesame",
    "CALICO_DCOS_PRINCIPAL": "calico",
    "CALICO_DCOS_SECRET": "hush-hush",
    "CALICO_DCOS_STATE_STORE": "zk://ann:hush-hush@m1:2181/calico",
    "CALICO_DCOS_RESTART_BLOCKER_URL": "https://m1/silent?key=hush-hush&x=1",
    "CALICO_DCOS_WEBHOOK_URL": "https://chat.test/hush-hush",
    "CALICO_DCOS_NODE_ENVIRONMENT": "ETCD_PASSWORD=hush-hush;FELIX_LOGSEVERITYSCREEN=debug",
}


def test_every_setting_is_shown_and_no_secret_is() -> None:
    shown = list_shown_settings(read_config(ENVIRONMENT))

    assert set(shown) == {setting.variable for setting in SETTINGS}
    assert "hush-hush" not in str(shown)
    assert "sesame" not in str(shown)
    assert shown["CALICO_DCOS_STATE_STORE"] == "zk://***@m1:2181/calico"
    assert shown["CALICO_DCOS_RESTART_BLOCKER_URL"] == "https://m1/silent?***"
    assert shown["CALICO_DCOS_OPERATOR_TOKEN"] == "***"
    assert "ETCD_PASSWORD" in shown["CALICO_DCOS_NODE_ENVIRONMENT"]
    assert shown["CALICO_DCOS_MODE"] == "install"


def test_a_secret_that_is_not_given_is_shown_as_such() -> None:
    shown = list_shown_settings(read_config({"CALICO_DCOS_ADVERTISED_ADDRESS": "10.0.0.1"}))

    assert (shown["CALICO_DCOS_OPERATOR_TOKEN"], shown["CALICO_DCOS_WEBHOOK_URL"]) == ("", "")
