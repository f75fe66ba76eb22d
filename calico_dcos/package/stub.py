"""Builds a local Universe with this package alone, to add to a cluster: as JSON, and as a zip for older DC/OS."""

from __future__ import annotations

import base64
import io
import json
import zipfile
from dataclasses import dataclass
from typing import Any

from .files import Package

# The oldest time that a zip file can hold: equal packages give equal bytes.
EPOCH = (1980, 1, 1, 0, 0, 0)
RELEASE = 0
# Cosmos takes a repository's JSON only under this name.
CONTENT_TYPE = "application/vnd.dcos.universe.repo+json;charset=utf-8;version=v3"


@dataclass(frozen=True, slots=True)
class Stub:
    """A local Universe in both forms."""

    name: str
    repository: dict[str, Any]
    archive: bytes


def name_image(package: Package, image: str) -> Package:
    """Let the package run another image of the scheduler."""
    resource = json.loads(json.dumps(package.resource))
    resource["assets"]["container"]["docker"]["calico-dcos"] = image
    return Package(package.description, package.config, resource, package.template)


def build_stub(package: Package) -> Stub:
    """Build a local Universe."""
    name = f"stub-universe-{package.description['name']}"
    return Stub(name=name, repository={"packages": [_build_entry(package)]}, archive=_build_archive(name, package))


def _build_entry(package: Package) -> dict[str, Any]:
    template = base64.b64encode(package.template.encode()).decode()
    return {
        **package.description,
        "releaseVersion": RELEASE,
        "config": package.config,
        "resource": package.resource,
        "marathon": {"v2AppMustacheTemplate": template},
    }


def _build_archive(top: str, package: Package) -> bytes:
    description = package.description
    name = description["name"]
    place = f"{top}/repo/packages/{name[0].upper()}/{name}/{RELEASE}"
    index_entry = {
        "name": name,
        "currentVersion": description["version"],
        "versions": {description["version"]: str(RELEASE)},
        "description": description["description"],
        "framework": description["framework"],
        "tags": description["tags"],
        "selected": False,
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        _add(archive, f"{place}/package.json", _dump(description))
        _add(archive, f"{place}/config.json", _dump(package.config))
        _add(archive, f"{place}/resource.json", _dump(package.resource))
        _add(archive, f"{place}/marathon.json.mustache", package.template)
        _add(archive, f"{top}/repo/meta/index.json", _dump({"version": "3.0.0", "packages": [index_entry]}))
        _add(archive, f"{top}/repo/meta/version.json", _dump({"version": "3.0.0"}))
    return buffer.getvalue()


def _add(archive: zipfile.ZipFile, name: str, content: str) -> None:
    entry = zipfile.ZipInfo(name, date_time=EPOCH)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = 0o644 << 16
    archive.writestr(entry, content)


def _dump(document: Any) -> str:
    return f"{json.dumps(document, indent=2)}\n"
