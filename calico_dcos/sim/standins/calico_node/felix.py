"""Felix: dies where the kernel's loose reverse path filter is not allowed, writes its chains, reports if told to."""

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from calico_dcos.sim.standins.calico_node.etcd import Etcd, EtcdAwayError
from calico_dcos.sim.standins.calico_node.ground import Ground
from calico_dcos.sim.standins.calico_node.health import serve_health
from calico_dcos.sim.standins.calico_node.settings import Settings

REPORT_TTL_S = 90
HEALTH_PORT = 9099

_LOOSE = 2
_POLL_S = 0.5
_REFRESH_S = 10
_FATAL = (
    "{} [FATAL][{}] int_dataplane.go 606: Kernel's RPF check is set to 'loose'.  This would allow endpoints to spoof "
    "their IP address.  Calico requires net.ipv4.conf.all.rp_filter to be set to 0 or 1. If you require loose RPF and "
    "you are not concerned about spoofing, this check can be disabled by setting the IgnoreLooseRPF configuration "
    "parameter to 'true'."
)


@dataclass(slots=True)
class Felix:
    """One run of Felix.

    Attributes:
        name: the node's name.
        pid: its process id, for its log.
        is_ended: whether it is to end now.
    """

    settings: Settings
    ground: Ground
    etcd: Etcd
    name: str
    pid: int
    say: Callable[[str], None]
    is_ended: Callable[[], bool]

    def run(self) -> None:
        """Run until it is ended, or dies."""
        if self.ground.read_rp_filter() == _LOOSE and not self.settings.is_on_for_felix("IgnoreLooseRPF"):
            stamp = time.strftime("%Y-%m-%d %H:%M:%S.", time.gmtime()) + f"{int(time.time() % 1 * 1000):03}"
            self.say(_FATAL.format(stamp, self.pid))
            return
        started_s = time.monotonic()
        while self._read("/calico/v1/Ready") != "true":
            if self._is_ended_after(_POLL_S):
                return
        with self._serve_health():
            self._work(started_s)

    def _work(self, started_s: float) -> None:
        interval_s = self._read_interval()
        has_reported = False
        next_report_s = next_refresh_s = time.monotonic()
        while True:
            now_s = time.monotonic()
            if now_s >= next_refresh_s:
                self.ground.write_chains()
                next_refresh_s = now_s + _REFRESH_S
            with contextlib.suppress(EtcdAwayError):  # all stays as it is
                self.ground.follow_workloads(self.etcd, self.name)
            if interval_s and now_s >= next_report_s:
                self._report(now_s - started_s, is_first=not has_reported)
                has_reported = True
                next_report_s = now_s + interval_s
            if self._is_ended_after(_POLL_S):
                return

    def _is_ended_after(self, seconds: float) -> bool:
        time.sleep(seconds)
        return self.is_ended()

    def _read(self, key: str) -> str | None:
        try:
            return self.etcd.read(key)
        except EtcdAwayError:
            return None

    def _read_interval(self) -> float:
        """Read how often to report, in seconds; 0 for never. The environment wins over etcd."""
        default = "30"
        for text in (
            self.settings.read_felix("ReportingIntervalSecs"),
            self._read(f"/calico/v1/host/{self.name}/config/ReportingIntervalSecs"),
            self._read("/calico/v1/config/ReportingIntervalSecs"),
            default,
        ):
            if text:
                with contextlib.suppress(ValueError):
                    return float(text)
        return float(default)

    def _report(self, uptime_s: float, *, is_first: bool) -> None:
        key = f"/calico/felix/v1/host/{self.name}"
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        report = {"time": stamp, "uptime": round(uptime_s, 9), "first_update": is_first}
        value = json.dumps(report, separators=(",", ":"))
        with contextlib.suppress(EtcdAwayError):  # the next report may get through
            self.etcd.write(f"{key}/status", value, ttl_s=REPORT_TTL_S)
            self.etcd.write(f"{key}/last_reported_status", value)

    @contextlib.contextmanager
    def _serve_health(self) -> Iterator[None]:
        if not (self.settings.release.has_health_endpoint and self.settings.is_on_for_felix("HealthEnabled")):
            yield
            return
        port = int(self.settings.read_felix("HealthPort") or HEALTH_PORT)
        with serve_health((self.ground.resolve("localhost"), port)):
            yield
