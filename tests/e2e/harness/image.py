"""The root file system that hosts share: a Debian with systemd and Docker, built once and kept in the cache."""

import fcntl
import hashlib
import os
import platform
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.harness.command import run


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that decides what is in an image."""

    suite: str
    packages: tuple[str, ...]
    masked: tuple[str, ...]

    def build_key(self) -> str:
        """Return a name that changes with the recipe and the machine's architecture."""
        return hashlib.sha256(repr((self, platform.machine())).encode()).hexdigest()[:16]


RECIPE = Recipe(
    suite="bookworm",  # its Docker is 20.10, the last series that knows cluster-store
    packages=(
        "systemd",
        "systemd-sysv",
        "dbus",
        "docker.io",
        "python3",
        "iproute2",
        "iptables",
        "procps",
        "curl",
        "iputils-ping",
        "strace",
        "bird",  # bird and runit: for containers of calico/node, made of this image; on hosts they do not run
        "runit",
    ),
    masked=(  # what would start by itself and write in the middle of a test
        "apt-daily.timer",
        "apt-daily-upgrade.timer",
        "bird.service",
        "bird6.service",
        "console-getty.service",
        "dpkg-db-backup.timer",
        "e2scrub_all.timer",
        "e2scrub_reap.service",
        "fstrim.timer",
        "getty@tty1.service",
        "runit.service",
        "systemd-tmpfiles-clean.timer",
    ),
)


def find_cache() -> Path:
    """Return the directory of the user's cache in which images are kept and sites live."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "calico-dcos"


def load_image(cache: Path, recipe: Recipe = RECIPE) -> Path:
    """Return the image's directory, after building it if the cache has none: one to two minutes.

    Raises:
        CommandError: debootstrap failed; nothing is left in the cache.
    """
    images = cache / "images"
    images.mkdir(parents=True, exist_ok=True)
    image = images / recipe.build_key()
    with (images / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not image.is_dir():
            _remove_unfinished(images)
            _build(image, recipe)
    return image


def _build(image: Path, recipe: Recipe) -> None:
    unfinished = Path(tempfile.mkdtemp(prefix="unfinished-", dir=image.parent))
    root = unfinished / "root"
    try:
        run(
            ["debootstrap", "--variant=minbase", f"--include={','.join(recipe.packages)}", recipe.suite, str(root)],
            timeout_s=900,
        )
        _settle(root, recipe)
        root.rename(image)
    finally:
        shutil.rmtree(unfinished)


def _settle(root: Path, recipe: Recipe) -> None:
    """Mask what disturbs, and forget what belongs to the machine that built the image."""
    for unit in recipe.masked:
        link = root / "etc/systemd/system" / unit
        link.unlink(missing_ok=True)
        link.symlink_to("/dev/null")
    (root / "etc/hostname").unlink(missing_ok=True)
    (root / "etc/machine-id").write_text("")
    for directory in ("var/cache/apt/archives", "var/lib/apt/lists"):
        shutil.rmtree(root / directory)


def _remove_unfinished(images: Path) -> None:
    for left in images.glob("unfinished-*"):
        shutil.rmtree(left)
