"""The scheduler's image, built inside a host with its Docker, on a base that debootstrap made: no registry is asked."""

import hashlib
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.e2e.harness.cluster import REPOSITORY
from tests.e2e.harness.command import run
from tests.e2e.harness.host import Host
from tests.e2e.harness.image import Recipe, load_image

BASE = "calico-dcos-base:test"
IMAGE = "calico-dcos:test"
CONTEXT_ON_HOST = "/context"
# What `python:3.11-slim-bookworm` has, as far as the image needs it.
BASE_RECIPE = Recipe(suite="bookworm", packages=("ca-certificates", "python3", "python3-venv"), masked=())
LOCKS = ("build.lock", "run.lock")
CONTEXT = (
    "Dockerfile",
    "README.md",
    "calico_dcos",
    "pyproject.toml",
    "requirements",
    "setup.py",
    "third_party",
    "universe",
)


def write_context(directory: Path, *, cache: Path) -> None:
    """Write the context of the image's build: this source tree, and the distributions that it installs."""
    directory.mkdir()
    for name in CONTEXT:
        source = REPOSITORY / name
        if source.is_dir():
            shutil.copytree(
                source, directory / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info", "build")
            )
        else:
            shutil.copy(source, directory / name)
    shutil.copytree(_load_distributions(cache), directory / "wheels")


def _load_distributions(cache: Path) -> Path:
    """Download what the locks name, for the Python of the base; once for each content of the locks."""
    content = b"".join((REPOSITORY / "requirements" / name).read_bytes() for name in LOCKS)
    place = cache / "distributions" / hashlib.sha256(content).hexdigest()[:16]
    if place.is_dir():
        return place
    place.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix="unfinished-", dir=place.parent))
    try:
        for name in LOCKS:
            # With the machine's own configuration of pip: where the distributions of the tests came from, too.
            subprocess.run(
                [
                    *(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"),
                    *("--python-version", "3.11", "--dest", str(unfinished)),
                    *("--requirement", str(REPOSITORY / "requirements" / name)),
                ],
                check=True,
                timeout=300,
            )
        unfinished.chmod(0o755)
        unfinished.rename(place)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return place


def build_image(host: Host, *, cache: Path, bundle: str) -> None:
    """Build the image with the host's Docker; the context is bound to the host already.

    Args:
        host: a booted one.
        cache: where the base and the distributions are kept.
        bundle: URL of a download that the image carries.
    """
    base = load_image(cache, BASE_RECIPE)
    with tempfile.NamedTemporaryFile(suffix=".tar") as archive:
        run(["tar", "--create", "--file", archive.name, "--directory", str(base), "."], timeout_s=300)
        host.run(["docker", "import", "-", BASE], stdin=Path(archive.name).read_bytes(), timeout_s=300)
    host.run(
        [
            *(
                "docker",
                "build",
                "--quiet",
                "--network",
                "host",
                "--build-arg",
                f"BUNDLE={bundle}",
                "--tag",
                IMAGE,
                "--build-arg",
                f"BASE_IMAGE={BASE}",
            ),
            *("--build-arg", "PIP_NO_INDEX=1", "--build-arg", "PIP_FIND_LINKS=/src/wheels", CONTEXT_ON_HOST),
        ],
        timeout_s=600,
    )
