"""Works out what is fetched where no option says so: what the package brings, or what the chosen release has."""

from __future__ import annotations

from collections.abc import Callable

from .release import DEFAULT, RELEASES, Release
from .settings import PREFIX, Derived, Known


def derive_packaged(name: str, choose: Callable[[Release], str]) -> Derived:
    """Derive a setting from calico-release.

    The package's resource.json names the files of one release, and a local Universe names its own copies there. They
    count for that release; any other one is fetched from where it was published.
    """

    def compute(known: Known) -> str:
        release = _find_release(known)
        packaged = known.environment.get(f"{PREFIX}PACKAGED_{name.upper()}", "").strip()
        return packaged if packaged and release is DEFAULT else choose(release)

    return Derived(f"that of calico-release; {choose(DEFAULT)} by default", compute)


def derive_sum(plugin: str, url_setting: str) -> Derived:
    """Derive the sum of a plugin: the published one, for the published file alone."""

    def compute(known: Known) -> str:
        download = _find_release(known).plugins[plugin]
        return download.sha256 if known.values[url_setting] == download.url else ""

    return Derived("the one that was published, if any was", compute)


def _find_release(known: Known) -> Release:
    return RELEASES[known.values["calico_release"]]
