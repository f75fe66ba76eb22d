"""Whatever stands in the environment, a scheduler is built of it or every fault is one line."""

from __future__ import annotations

import string
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from calico_dcos.config import SETTINGS, Config, ConfigError, build_policy, build_wanted, pin_downloads, read_config
from calico_dcos.config.settings import Setting
from calico_dcos.mesos.master import parse_master
from calico_dcos.mesos.tasks import TaskTemplate

# What people type, and what they did not mean to: bounds, units, words, other alphabets, and what a shell would read.
ODDITIES = (
    *(
        "0",
        "-1",
        "1e3",
        "1e400",
        "nan",
        "10s",
        "1_000",
        "\u0661",
        "99999999999",
        "65536",
        "true",
        "no",
        "None",
        "null",
        "[]",
    ),
    *(
        "http://",
        "http://h",
        "http://h:99999/x",
        "http://[::1",
        "zk://",
        "zk://h",
        "zk://h/",
        "zk://a:b@h:1,h:2/p",
        "h:99999",
    ),
    *(
        "mon 25:00-26:00",
        "sun-mon 1:00-0:00",
        ";;;",
        "Mars/Olympus",
        "../../etc/passwd",
        "A=1;A=2",
        "A=\tB",
        '{"A": 1}',
    ),
    *(
        "a b",
        "$(reboot)",
        "'; rm -rf / #",
        "x" * 2000,
        "größe",
        "\N{SNOWMAN}",
        "a\nb",
        "127.0.0.1:",
        ":2379",
        "/",
        "//",
        "{}",
    ),
)


def build_text(setting: Setting) -> st.SearchStrategy[str]:
    """A text for a setting: an oddity, anything printable, or what the package's option takes."""
    schema: Any = setting.kind.describe()
    texts = [st.sampled_from(ODDITIES), st.text(string.printable, max_size=30)]
    if "pattern" in schema:
        texts.append(st.from_regex(schema["pattern"], fullmatch=True).filter(lambda text: len(text) < 200))
    if "enum" in schema:
        texts.append(st.sampled_from(schema["enum"]))
    return st.one_of(texts)


SETTING = st.sampled_from(SETTINGS).flatmap(lambda setting: st.tuples(st.just(setting.variable), build_text(setting)))


def build_everything(config: Config) -> None:
    """Build what a scheduler is made of."""
    wanted = build_wanted(config)
    build_policy(config, pin_downloads(wanted, {}))
    parse_master(config.master)
    TaskTemplate(
        installer_url=config.installer_url or "http://h/installer.pyz",
        installer_sha256="ab" * 32,
        report_base_url="http://h/v1/reports",
        read_wanted=lambda: wanted,
        issue_token=str,
    )


@given(environment=st.lists(SETTING, min_size=1, max_size=3).map(dict))
def test_a_scheduler_is_built_or_every_fault_is_a_line(environment: dict[str, str]) -> None:
    try:
        config = read_config(environment)
    except ConfigError as refusal:
        faults = refusal.faults
    else:
        build_everything(config)
        return
    assert faults
    assert all(fault.startswith("CALICO_DCOS_") and "\n" not in fault for fault in faults)
