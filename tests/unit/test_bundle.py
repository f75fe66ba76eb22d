"""Downloads that the scheduler carries stand in for their URLs, unless the operator wants another file."""

from __future__ import annotations

from pathlib import Path

from calico_dcos.artifacts import Artifact
from calico_dcos.bundle import Carried, replace_downloads
from calico_dcos.config import build_wanted, read_config
from calico_dcos.config.release import DEFAULT

CARRIED = Carried(DEFAULT.plugins["calico"].url, Artifact("calico", "a" * 64, Path("/bundle/calico")))


def test_carried_download_comes_from_the_scheduler_with_its_sum() -> None:
    wanted = replace_downloads(build_wanted(read_config({})), [CARRIED], "http://10.0.0.1:80")

    calico, ipam = wanted["cni"]["plugins"]
    assert calico == {"name": "calico", "url": f"http://10.0.0.1:80/artifacts/{'a' * 64}/calico", "sha256": "a" * 64}
    assert ipam["url"].startswith("https://github.com/")
    assert wanted["etcd_proxy"]["archive"]["url"].startswith("https://github.com/")


def test_download_with_another_given_sum_stays_as_it_is() -> None:
    config = read_config({"CALICO_DCOS_CNI_CALICO_SHA256": "b" * 64})

    wanted = replace_downloads(build_wanted(config), [CARRIED], "http://10.0.0.1:80")

    assert wanted["cni"]["plugins"][0] == {"name": "calico", "url": DEFAULT.plugins["calico"].url, "sha256": "b" * 64}
