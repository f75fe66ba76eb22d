"""The program in a container of a real Docker: `start` makes the services that runit then runs, each a process."""

import os
import re
import socket
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from calico_dcos.sim.standins.calico_node.bird_config import build_config
from calico_dcos.sim.standins.calico_node.etcd import Etcd, EtcdAwayError
from calico_dcos.sim.standins.calico_node.felix import Felix
from calico_dcos.sim.standins.calico_node.ipam import name_blocks
from calico_dcos.sim.standins.calico_node.peers import BGP
from calico_dcos.sim.standins.calico_node.real_ground import RealGround
from calico_dcos.sim.standins.calico_node.settings import Settings, build_settings
from calico_dcos.sim.standins.calico_node.startup import POOLS, Node, StartupError, start_node

IMAGE_FILE = Path("/etc/stand-in-image")
"""Holds the reference of the image, which a container cannot know."""

_SERVICES = Path("/etc/service/enabled")
_LOGS = "/var/log/calico"
_CONFIG = Path("/etc/calico/confd/config")
_CONTROL = "/var/run/calico/bird.ctl"
_POLL_S = 1.0
_BIRD_TIMEOUT_S = 10
_LAST_LINE = r"(0003|0004|0018|8\d{3}|9\d{3}) "  # reconfigured, in progress, or refused
_OWN_PROGRAM = """\
#!/bin/bash
exec 2>&1
exec -a "{shown}" /usr/bin/python3 <<< "from {module} import main; main(['{name}'])"
"""
_PROGRAM = "#!/bin/bash\nexec 2>&1\nexec {}\n"
_BIRD = "{0} -R -s /var/run/calico/{0}.ctl -d -c /etc/calico/confd/config/{0}.cfg"
_CONFD = (
    "confd -confdir=/etc/calico/confd -interval=5 -watch --log-level=debug {} -client-key={} -client-cert={} "
    "-client-ca-keys={}"
)


def main(arguments: Sequence[str]) -> None:
    """Run the part of the program that is named: start, felix, confd or libnetwork."""
    image = IMAGE_FILE.read_text(encoding="utf-8").strip()
    settings = build_settings(os.environ, image, socket.gethostname())
    ground = RealGround()
    etcd = Etcd(settings.endpoints, ground.resolve, settings.tls)
    match list(arguments):
        case ["start"]:
            _start(settings, ground, etcd)
        case ["felix"]:
            name = settings.read_felix("FelixHostname") or settings.name
            Felix(settings, ground, etcd, name, os.getpid(), _say, lambda: False).run()
        case ["confd"]:
            _follow_peers(etcd, Node(settings.name, settings.get("IP")))
        case ["libnetwork"]:
            from calico_dcos.sim.standins.calico_node.docker_driver import DockerDriver  # noqa: PLC0415 - slow
            from calico_dcos.sim.standins.calico_node.libnetwork import DIRECTORY, serve  # noqa: PLC0415 - as well

            Path(DIRECTORY).mkdir(parents=True, exist_ok=True)
            serve(Path(DIRECTORY), DockerDriver(etcd, settings.name).build_acts())
        case other:
            sys.exit(f"the stand-in of calico/node has no part {other}")


def _say(line: str) -> None:
    print(line, flush=True)


def _start(settings: Settings, ground: RealGround, etcd: Etcd) -> None:
    try:
        node = start_node(settings, ground, etcd, _say)
    except StartupError:
        sys.exit(1)
    if settings.has_felix:
        _enable(settings, "felix", _build_own("felix", "calico-felix"))
    if settings.routes:
        _enable_routers(settings, etcd, node)
    elif settings.get("CALICO_NETWORKING_BACKEND") == "none":
        _say("CALICO_NETWORKING_BACKEND is none - no BGP daemon running")
    if settings.is_on("CALICO_LIBNETWORK_ENABLED"):
        _say("CALICO_LIBNETWORK_ENABLED is true - start libnetwork service")
        _enable(settings, "libnetwork", _build_own("libnetwork", "libnetwork-plugin"))
    _say("Calico node started successfully")
    _SERVICES.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "IP": node.address, "HOSTNAME": node.name, "NODENAME": node.name}
    os.execve("/sbin/runsvdir", ["/sbin/runsvdir", "-P", str(_SERVICES)], environment)  # noqa: S606 - as the image does


def _enable_routers(settings: Settings, etcd: Etcd, node: Node) -> None:
    urls = " ".join(f"-node={url}" for url in settings.endpoints.split(","))
    authority, certificate, key = settings.tls
    _CONFIG.mkdir(parents=True, exist_ok=True)
    (_CONFIG / "bird.cfg").write_text(build_config(_read_bgp(etcd, node), node), encoding="utf-8")
    (_CONFIG / "bird6.cfg").write_text(f"router id {node.address};\nprotocol device {{ }}\n", encoding="utf-8")
    for name in ("bird", "bird6"):
        _enable(settings, name, _PROGRAM.format(_BIRD.format(name)), "-tt ")
    _enable(settings, "confd", _build_own("confd", _CONFD.format(urls, key, certificate, authority)))


def _build_own(name: str, shown: str) -> str:
    return _OWN_PROGRAM.format(name=name, shown=shown, module=__spec__.name)


def _enable(settings: Settings, name: str, script: str, stamps: str = "") -> None:
    _write_script(_SERVICES / name / "run", script)
    if settings.logs_to_files:
        Path(_LOGS, name).mkdir(parents=True, exist_ok=True)
        _write_script(_SERVICES / name / "log/run", f"#!/bin/bash\nexec svlogd {stamps}{_LOGS}/{name}\n")


def _write_script(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)


def _read_bgp(etcd: Etcd, node: Node) -> dict[str, str]:
    return {**etcd.read_tree(BGP), **etcd.read_tree(POOLS), **etcd.read_tree(name_blocks(node.name))}


def _follow_peers(etcd: Etcd, node: Node) -> None:
    path = _CONFIG / "bird.cfg"
    while True:
        time.sleep(_POLL_S)
        try:
            config = build_config(_read_bgp(etcd, node), node)
        except EtcdAwayError as error:
            _say(str(error))
            continue
        if config != path.read_text(encoding="utf-8"):
            path.write_text(config, encoding="utf-8")
            _reload_bird(_say)


def _reload_bird(say: Callable[[str], None]) -> None:
    with socket.socket(socket.AF_UNIX) as control:
        control.settimeout(_BIRD_TIMEOUT_S)
        try:
            control.connect(_CONTROL)
            control.sendall(b"configure\n")
            with control.makefile(encoding="utf-8", errors="replace") as lines:
                for line in lines:  # to the end: BIRD does not carry out the command of one who has gone
                    say(line.rstrip())
                    if re.match(_LAST_LINE, line):
                        return
        except OSError as error:  # BIRD reads the file when it starts
            say(f"BIRD is not told: {error}")


if __name__ == "__main__":
    main(sys.argv[1:])
