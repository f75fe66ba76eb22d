"""The releases of others' programs that this release installs unless options say otherwise."""

from __future__ import annotations

_CNI_RELEASE = "https://github.com/projectcalico/calico-cni/releases/download/v1.5.5"

CNI_CALICO = f"{_CNI_RELEASE}/calico"
CNI_CALICO_IPAM = f"{_CNI_RELEASE}/calico-ipam"
ETCD_ARCHIVE = "https://github.com/coreos/etcd/releases/download/v3.3.12/etcd-v3.3.12-linux-amd64.tar.gz"
NODE_IMAGE = "calico/node:v1.0.0"

DOWNLOADS = (ETCD_ARCHIVE, CNI_CALICO, CNI_CALICO_IPAM)
