"""The configuration: one table of settings, read from environment variables, every fault reported at once.

A new setting is one entry: a field of the class of its section (`framework`, `rollout`, `etcd`, `docker`, `cni`,
`node`), made with `setting(...)`. Its variable, its package option, `calico-dcos settings`, the package's files and the
documentation follow from it (`make docs` writes them anew).
"""

from .reading import ConfigError, read_config
from .shown import list_shown_settings
from .table import SETTINGS, Config
from .wanted import build_parts, build_policy, build_wanted, pin_downloads

__all__ = [
    "SETTINGS",
    "Config",
    "ConfigError",
    "build_parts",
    "build_policy",
    "build_wanted",
    "list_shown_settings",
    "pin_downloads",
    "read_config",
]
