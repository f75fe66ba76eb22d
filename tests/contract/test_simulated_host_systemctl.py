"""A simulated host's systemctl and journalctl answer as systemd's do, and its units behave as systemd's."""

import re
import time
from collections.abc import Callable, Iterator

import pytest

from calico_dcos.sim.host import Host, HostPlan, make_host

UNIT = """\
[Unit]
StartLimitBurst={burst}
StartLimitInterval=60s
[Service]
Environment=COLOUR=blue
ExecStart=/bin/sh -c "{script}"
{more}
[Install]
WantedBy=multi-user.target
"""
StartHost = Callable[[str], Host]
SLEEP = "echo hello; exec sleep 1000"


def build_unit(script: str = SLEEP, more: str = "", burst: int = 3) -> str:
    return UNIT.format(script=script, more=more, burst=burst)


def show(host: Host, unit: str) -> dict[str, str]:
    lines = host.run("systemctl", "show", unit).stdout.splitlines()
    return {key: value for key, _, value in (line.partition("=") for line in lines)}


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def start_host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartHost]:
    hosts: list[Host] = []

    def start(unit: str) -> Host:
        plan = HostPlan(name="host", units={"a.service": unit}, has_docker=False)
        host = make_host(tmp_path_factory.mktemp("h"), plan)
        hosts.append(host)
        host.start()
        host.wait_until_booted()
        wait_until(lambda: show(host, "a")["ActiveState"] == "active")
        return host

    yield start
    for host in hosts:
        host.stop()


def test_show_prints_what_was_asked_in_systemds_order(start_host: StartHost) -> None:
    host = start_host(build_unit())
    shown = host.run("systemctl", "show", "-p", "SubState,MainPID", "--property=ActiveState", "a.service")
    pid = show(host, "a")["MainPID"]
    assert shown.stdout == f"MainPID={pid}\nActiveState=active\nSubState=running\n"
    assert host.run("systemctl", "show", "--value", "-p", "MainPID", "a").stdout == f"{pid}\n"


def test_show_tells_times_and_command_in_systemds_form(start_host: StartHost) -> None:
    host = start_host(build_unit("exec sleep 1000"))
    unit = show(host, "a")
    time_form = r"\w{3} \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC"
    assert re.fullmatch(time_form, unit["ActiveEnterTimestamp"])
    assert re.fullmatch(r"\d+", unit["ExecMainStartTimestampMonotonic"])
    command = r"path=/bin/sh ; argv\[\]=/bin/sh -c exec sleep 1000 ; ignore_errors=no"
    times = rf"start_time=\[{time_form}\] ; stop_time=\[n/a\]"
    assert re.fullmatch(
        rf"\{{ {command} ; {times} ; pid={unit['MainPID']} ; code=\(null\) ; status=0/0 \}}", unit["ExecStart"]
    )
    assert (unit["FragmentPath"], unit["LoadState"]) == ("/etc/systemd/system/a.service", "loaded")
    assert unit["Environment"] == "COLOUR=blue"


def test_a_unit_without_a_file_is_no_error_to_show_and_one_to_start(start_host: StartHost) -> None:
    host = start_host(build_unit())
    unit = host.run("systemctl", "show", "-p", "LoadState,ActiveState,MainPID", "nope")
    assert (unit.returncode, unit.stdout) == (0, "MainPID=0\nLoadState=not-found\nActiveState=inactive\n")
    started = host.run("systemctl", "start", "nope")
    assert (started.returncode, started.stderr) == (5, "Failed to start nope.service: Unit nope.service not found.\n")
    active = host.run("systemctl", "is-active", "nope")
    assert (active.returncode, active.stdout) == (3, "inactive\n")
    text = host.run("systemctl", "cat", "nope")
    assert (text.returncode, text.stderr) == (1, "No files found for nope.service.\n")


def test_cat_prints_the_file_below_its_path(start_host: StartHost) -> None:
    host = start_host(build_unit())
    assert host.run("systemctl", "cat", "a").stdout == f"# /etc/systemd/system/a.service\n{build_unit()}"


def test_a_restart_replaces_the_process_and_is_recorded_once(start_host: StartHost) -> None:
    host = start_host(build_unit())
    before = show(host, "a")
    assert host.run("systemctl", "restart", "a").returncode == 0
    after = show(host, "a")
    assert after["MainPID"] != before["MainPID"]
    assert int(after["ExecMainStartTimestampMonotonic"]) > int(before["ExecMainStartTimestampMonotonic"])
    deeds = [(deed.tool, deed.argv, deed.effect) for deed in host.read_deeds()]
    assert deeds == [
        ("systemd", (), "booted a.service"),
        ("systemctl", ("systemctl", "restart", "a"), "restarted a.service"),
    ]
    assert host.count_restarts("a.service") == 1


def test_a_third_restart_within_the_interval_is_refused_until_reset_failed(start_host: StartHost) -> None:
    host = start_host(build_unit())
    assert [host.run("systemctl", "restart", "a").returncode for _ in range(2)] == [0, 0]
    refused = host.run("systemctl", "restart", "a")
    assert refused.returncode == 1
    assert "failed because start of the service was attempted too often" in refused.stderr
    unit = show(host, "a")
    assert (unit["ActiveState"], unit["Result"], unit["MainPID"]) == ("failed", "start-limit-hit", "0")
    assert host.run("systemctl", "reset-failed", "a").returncode == 0
    assert host.run("systemctl", "restart", "a").returncode == 0
    assert host.run("systemctl", "is-active", "a").stdout == "active\n"


def test_a_unit_that_dies_is_started_again_after_its_delay(start_host: StartHost) -> None:
    host = start_host(build_unit(more="Restart=always\nRestartSec=200ms"))
    pid = show(host, "a")["MainPID"]
    host.run("systemctl", "kill", "-s", "KILL", "--kill-who=main", "a")
    wait_until(lambda: show(host, "a")["ActiveState"] == "active" and show(host, "a")["MainPID"] != pid)
    assert show(host, "a")["NRestarts"] == "1"
    assert host.count_restarts("a.service") == 0


def test_a_unit_that_is_stopped_stays_down(start_host: StartHost) -> None:
    host = start_host(build_unit(more="Restart=always\nRestartSec=10ms"))
    host.run("systemctl", "stop", "a")
    time.sleep(0.1)
    assert host.run("systemctl", "is-active", "a").stdout == "inactive\n"


def test_a_process_that_ignores_sigterm_is_killed_after_the_units_time(start_host: StartHost) -> None:
    host = start_host(build_unit("trap '' TERM; while :; do sleep 1; done", more="TimeoutStopSec=200ms"))
    assert host.run("systemctl", "stop", "a").returncode == 0
    assert show(host, "a")["MainPID"] == "0"


def test_reload_sends_the_units_signal_or_does_not_apply(start_host: StartHost) -> None:
    script = "trap 'echo reloaded' HUP; echo ready; while :; do sleep 0.02; done"
    host = start_host(build_unit(script, more="ExecReload=/bin/kill -s HUP $MAINPID"))
    wait_until(lambda: "ready" in host.run("journalctl", "-u", "a").stdout)
    assert host.run("systemctl", "reload", "a").returncode == 0
    wait_until(lambda: "reloaded" in host.run("journalctl", "-u", "a").stdout)
    assert host.run("systemctl", "kill", "-s", "HUP", "--kill-who=main", "a").returncode == 0
    assert [deed.effect for deed in host.read_deeds()][-2:] == ["reloaded a.service"] * 2
    other = start_host(build_unit())
    refused = other.run("systemctl", "reload", "a")
    assert (refused.returncode, refused.stderr) == (
        3,
        "Failed to reload a.service: Job type reload is not applicable for unit a.service.\n",
    )


def test_no_block_returns_before_the_job_is_done(start_host: StartHost) -> None:
    host = start_host(build_unit("trap '' TERM; while :; do sleep 1; done", more="TimeoutStopSec=500ms"))
    assert host.run("systemctl", "--no-block", "restart", "a").returncode == 0
    assert show(host, "a")["ActiveState"] == "deactivating"
    wait_until(lambda: show(host, "a")["ActiveState"] == "active")


def test_journalctl_prints_the_last_lines_since_a_time(start_host: StartHost) -> None:
    host = start_host(build_unit())
    wait_until(lambda: "hello" in host.run("journalctl", "-u", "a.service").stdout)
    lines = host.run("journalctl", "-u", "a", "-n", "1", "--no-pager", "-o", "short-iso").stdout
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+0000 host \w+\[\d+\]: .*\n", lines)
    assert host.run("journalctl", "-u", "a", "--since", f"@{int(time.time()) + 60}").stdout == "-- No entries --\n"


def test_a_host_that_is_off_has_no_systemd(start_host: StartHost) -> None:
    host = start_host(build_unit())
    host.stop()
    asked = host.run("systemctl", "is-active", "a")
    assert asked.returncode == 1
    assert "System has not been booted with systemd" in asked.stderr
