"""`make package` makes a Universe that Universe's and Marathon's public rules accept."""

from __future__ import annotations

import base64
import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import jsonschema

from calico_dcos.package.files import Package, find_directory, load_package
from calico_dcos.package.render import check_app, find_schema_faults, render
from calico_dcos.package.stub import build_stub, name_image

PACKAGE = load_package(find_directory())


def test_repository_follows_the_schema_of_universe() -> None:
    assert find_schema_faults(build_stub(PACKAGE).repository, "universe-repository.json", "the repository") == []


def test_schemas_are_valid_themselves() -> None:
    jsonschema.Draft4Validator.check_schema(PACKAGE.config)
    for option in (
        option for section in PACKAGE.config["properties"].values() for option in section["properties"].items()
    ):
        jsonschema.Draft4Validator(option[1]).validate(option[1]["default"])


def test_package_read_back_from_json_and_zip_renders_the_same_app() -> None:
    stub = build_stub(PACKAGE)
    (entry,) = stub.repository["packages"]
    template = base64.b64decode(entry["marathon"]["v2AppMustacheTemplate"]).decode()
    from_json = Package(PACKAGE.description, entry["config"], entry["resource"], template)
    with zipfile.ZipFile(io.BytesIO(stub.archive)) as archive:
        top = "stub-universe-calico/repo"
        assert json.loads(archive.read(f"{top}/meta/index.json"))["packages"][0]["versions"] == {"0.1.0": "0"}
        place = f"{top}/packages/C/calico/0"
        from_zip = Package(
            description=json.loads(archive.read(f"{place}/package.json")),
            config=json.loads(archive.read(f"{place}/config.json")),
            resource=json.loads(archive.read(f"{place}/resource.json")),
            template=archive.read(f"{place}/marathon.json.mustache").decode(),
        )

    app = render(PACKAGE, {}).app
    assert render(from_json, {}).app == app
    assert render(from_zip, {}).app == app


def test_equal_packages_make_equal_bytes() -> None:
    assert build_stub(PACKAGE).archive == build_stub(PACKAGE).archive


def test_image_of_the_operator_is_the_one_that_runs(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "calico_dcos",
        "package-build",
        str(tmp_path),
        "--image",
        "registry.example.com/c:7",
    ]
    subprocess.run(command, check=True, capture_output=True, timeout=60)

    repository = json.loads((tmp_path / "stub-universe-calico.json").read_text())
    assert repository == build_stub(name_image(PACKAGE, "registry.example.com/c:7")).repository
    assert zipfile.is_zipfile(tmp_path / "stub-universe-calico.zip")


def test_app_that_marathon_would_refuse_is_found() -> None:
    app = render(PACKAGE, {}).app

    assert check_app({**app, "cmd": "x"}) != []
    assert check_app({**app, "instances": "1"}) != []
    assert check_app({**app, "env": {"A": 1}}) != []
    assert check_app({**app, "secrets": {}}) != []
