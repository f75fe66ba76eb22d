"""The command line: parses, builds, calls."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click
from rich.console import Console

from .cli.commands import agent, agents, pins, plan, preflight, unpin
from .cli.connectivity import connectivity_test

if TYPE_CHECKING:
    from .package.render import Rendered


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="calico-dcos")
def main() -> None:
    """Install Calico on every agent of a DC/OS or Mesos cluster."""


for _command in (plan, agents, agent, preflight, pins, unpin, connectivity_test):
    main.add_command(_command)


@main.command()
def scheduler() -> None:
    """Walk the cluster; configured by CALICO_DCOS_... variables (see `calico-dcos settings`)."""
    from .config import ConfigError, read_config  # noqa: PLC0415 - commands start without what others need
    from .wiring import StartError, run_scheduler  # noqa: PLC0415

    try:
        reason = run_scheduler(read_config(os.environ))
    except ConfigError as error:
        _fail(error.faults)
    except StartError as error:
        _fail([str(error)])
    # Marathon starts us again unless somebody asked for the end.
    sys.exit(0 if reason == signal.Signals.SIGTERM.name else 1)


@main.command()
def settings() -> None:
    """List every CALICO_DCOS_... variable: what it means, what it takes, its default."""
    from .config import SETTINGS  # noqa: PLC0415

    for entry in SETTINGS:
        click.echo(f"{entry.variable}={entry.default_text}")
        click.echo(f"    {entry.help}")
        click.echo(f"    Takes {entry.kind.allowed}. Package option: {entry.option}")


@main.command()
@click.option("--agents", default=5, show_default=True, type=click.IntRange(1, 200), help="How many agents.")
@click.option("--port", default=8080, show_default=True, type=click.IntRange(0, 65_535), help="Of the status page.")
@click.option("--once", is_flag=True, help="End when the plan is complete, also on a terminal.")
@click.option("--keep", is_flag=True, help="Stay up when the plan is complete, also without a terminal.")
@click.option("--state", default="", metavar="URL", help="Where state goes; a file that goes with the demo if not set.")
def demo(*, agents: int, port: int, once: bool, keep: bool, state: str) -> None:
    """Walk a simulated cluster on this machine, with the real scheduler; needs no root."""
    from .demo import DemoError, DemoOptions, run_demo  # noqa: PLC0415
    from .sim.cluster import ClusterError  # noqa: PLC0415

    if once and keep:
        raise click.UsageError("--once and --keep exclude each other")
    console = Console()
    signal.signal(signal.SIGTERM, _interrupt)
    options = DemoOptions(agents=agents, port=port, stays_up=keep or (console.is_terminal and not once), state=state)
    try:
        run_demo(options, console)
    except (DemoError, ClusterError, OSError) as error:
        _fail([str(error)])
    except KeyboardInterrupt:
        sys.exit(0 if options.stays_up else 130)


@main.command("installer-build")
@click.argument("path", type=click.Path(dir_okay=False, path_type=Path))
def installer_build(path: Path) -> None:
    """Write the installer's archive to PATH, the same bytes for the same sources."""
    from .artifacts import build_installer_archive  # noqa: PLC0415

    try:
        path.write_bytes(build_installer_archive())
    except OSError as error:
        _fail([f"{path}: {error.strerror}"])


@main.command()
@click.option("--options", "path", type=click.Path(path_type=Path), help="YAML or JSON; the defaults if not given.")
@click.option(
    "--output", type=click.Choice(["json", "update", "env", "wanted", "options"]), default="json", show_default=True
)
@click.option("--package", "directory", type=click.Path(path_type=Path), help="Other package files than the own ones.")
def render(*, path: Path | None, output: str, directory: Path | None) -> None:
    """Print what Cosmos would send to Marathon for an options file, without a cluster.

    As json: the app. As update: what changes of an app that Cosmos made, its labels left to it. As env: the scheduler's
    environment. As wanted: what the installer takes in CALICO_DCOS_WANTED. As options: the options in JSON, which
    `dcos package install` wants, all defaults filled in.
    """
    from .config import build_wanted  # noqa: PLC0415
    from .package.render import build_environment, build_update  # noqa: PLC0415

    rendered = _render(path, directory)
    if output == "env":
        for name, value in build_environment(rendered.app).items():
            click.echo(f"{name}={value}")
        return
    documents = {"json": rendered.app, "update": build_update(rendered.app), "options": rendered.options}
    document = build_wanted(rendered.config) if output == "wanted" else documents[output]
    click.echo(json.dumps(document, indent=2))


@main.command()
@click.option("--options", "path", type=click.Path(path_type=Path), help="YAML or JSON; the defaults if not given.")
@click.option("--package", "directory", type=click.Path(path_type=Path), help="Other package files than the own ones.")
def check(*, path: Path | None, directory: Path | None) -> None:
    """Explain an options file: which steps will run, what may restart, where state goes."""
    from .package.explain import explain  # noqa: PLC0415

    for line in explain(_render(path, directory).config):
        click.echo(line)


@main.command("package-build")
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path))
@click.option("--image", default="", help="The scheduler's image, if not the one that resource.json names.")
def package_build(directory: Path, image: str) -> None:
    """Write a local Universe with this package into DIRECTORY: a JSON file, and a zip for older DC/OS."""
    from .package.files import PackageError, find_directory, load_package  # noqa: PLC0415
    from .package.stub import build_stub, name_image  # noqa: PLC0415

    try:
        package = load_package(find_directory())
        stub = build_stub(name_image(package, image) if image else package)
        directory.mkdir(parents=True, exist_ok=True)
        (directory / f"{stub.name}.json").write_text(f"{json.dumps(stub.repository, indent=2)}\n", encoding="utf-8")
        (directory / f"{stub.name}.zip").write_bytes(stub.archive)
    except PackageError as error:
        _fail([str(error)])
    except OSError as error:
        _fail([f"{error.filename}: {error.strerror}"])
    click.echo(f"{directory / stub.name}.json and .zip")


@main.command()
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path))
@click.argument("urls", nargs=-1, required=True)
def bundle(directory: Path, urls: tuple[str, ...]) -> None:
    """Fetch downloads into DIRECTORY, for an image that carries them; "2.6" stands for all of that Calico.

    "release" stands for those of the release that is the default.
    """
    from .bundle import BundleError, write_bundle  # noqa: PLC0415
    from .config.release import DEFAULT, RELEASES, list_downloads  # noqa: PLC0415

    names = {"release": DEFAULT.name, **{name: name for name in RELEASES}}
    chosen = [url for word in urls for url in (list_downloads(names[word]) if word in names else (word,))]
    try:
        for entry in write_bundle(directory, chosen):
            click.echo(f"{entry.artifact.sha256}  {entry.url}")
    except BundleError as error:
        _fail([str(error)])
    except OSError as error:
        _fail([f"{error.filename}: {error.strerror}"])


@main.command()
def health() -> None:
    """Ask the scheduler of this container or machine whether it works; ends with 1 if not."""
    from .config import ConfigError, read_config  # noqa: PLC0415
    from .probe import probe_health  # noqa: PLC0415

    try:
        trouble = probe_health(read_config(os.environ).port)
    except ConfigError as error:
        _fail(error.faults)
    if trouble:
        click.echo(trouble, err=True)
        sys.exit(1)


def _render(path: Path | None, directory: Path | None) -> Rendered:
    from .package.files import PackageError, find_directory, load_package  # noqa: PLC0415
    from .package.options import load_options  # noqa: PLC0415
    from .package.render import RenderError, render  # noqa: PLC0415

    try:
        return render(load_package(directory or find_directory()), load_options(path) if path else {})
    except PackageError as error:
        _fail([str(error)])
    except RenderError as error:
        _fail(error.faults)


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


def _fail(faults: list[str]) -> NoReturn:
    for fault in faults:
        click.echo(f"calico-dcos: {fault}", err=True)
    sys.exit(2)


if __name__ == "__main__":
    main()
