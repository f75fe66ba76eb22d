"""Puts a scheduler together out of its parts, and says in one line what keeps it from starting."""

from __future__ import annotations

import hashlib
import hmac
import logging
import os
import secrets
import signal
import socket
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

from .artifacts import map_artifacts, publish_installer
from .blockers import Asker, Objectors
from .bundle import BundleError, load_bundle, replace_downloads
from .buses import BusWatch
from .config import Config, build_policy, build_wanted, list_shown_settings, pin_downloads
from .logs import set_up_logs
from .mailbox import Mailbox
from .mesos.driver import MesosDriver
from .mesos.master import MasterError, build_login, check_master
from .mesos.own_name import OwnName, derive_name, put_host
from .mesos.roster import RosterPoller
from .mesos.tasks import TaskTemplate
from .mesos.translate import FrameworkSettings
from .notices import Notifier
from .redaction import hide_secrets, join_host_port
from .scheduler import Scheduler, StoreError
from .store.urls import open_store
from .threads import watch_threads
from .troubles import Troubles
from .web.application import build_application
from .web.connections import raise_open_files
from .web.inbox import Inbox
from .web.metrics import Meter
from .web.offers import OfferBook
from .web.operator import Hands
from .web.server import WebServer
from .web.walk import Photographer, Walk

log = logging.getLogger(__name__)

MASTER_TIMEOUT_S = 15.0


class StartError(Exception):
    """The scheduler cannot start; its text names the setting and the remedy."""


def run_scheduler(config: Config) -> str:
    """Run a scheduler until it ends.

    Returns:
        Why it ended: the name of the signal, or what the master said.

    Raises:
        StartError: it cannot start, or lost its store; nothing was changed on any agent.
    """
    set_up_logs(config.log_level, config.log_format)
    with ExitStack() as stack:
        try:
            return _run(config, stack)
        except StoreError as error:
            raise StartError(f"CALICO_DCOS_STATE_STORE: {error}") from error


def _run(config: Config, stack: ExitStack) -> str:
    raise_open_files()
    queue, troubles = Mailbox(), Troubles()
    store = open_store(config.state_store, troubles)
    stack.callback(store.close)
    wanted = build_wanted(config)
    policy = build_policy(config, wanted)
    offers, meter = OfferBook(), Meter()
    observers = [offers.observe, meter.observe, BusWatch(troubles).observe]
    if config.webhook_url:
        notifier = Notifier(url=config.webhook_url, service=config.framework_name, troubles=troubles)
        notifier.start()
        stack.callback(notifier.stop)
        observers.append(notifier.observe)
    scheduler = Scheduler(policy=policy, store=store, queue=queue, observers=observers, troubles=troubles)
    watch_threads(scheduler.stop)
    issue_token = TokenIssuer(scheduler)
    try:
        bundle = load_bundle()
    except BundleError as error:
        raise StartError(f"the image is broken: {error}") from error
    installer = publish_installer(Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="calico-dcos-"))))
    application = build_application(
        service=config.framework_name,
        walk=Walk(
            read_revision=lambda: scheduler.state.revision,
            read_snapshot=Photographer(
                read_state=lambda: scheduler.state,
                read_troubles=troubles.list_all,
                read_clock=scheduler.read_clock,
            ),
            check_health=lambda: scheduler.describe_silence() or troubles.find_stopping(),
            read_troubles=troubles.list_all,
        ),
        inbox=Inbox(
            issue_token=issue_token,
            knows_task=lambda task_id: scheduler.state.find_ref(task_id) is not None,
            mailbox=queue,
        ),
        hands=Hands(
            submit=scheduler.submit,
            find_trouble=lambda: scheduler.trouble,
            read_audit=lambda: (scheduler.state.audit, scheduler.state.audit_count),
            token=config.operator_token,
        ),
        artifacts=map_artifacts([installer, *(entry.artifact for entry in bundle)]),
        offers=offers,
        meter=meter,
        settings=list_shown_settings(config),
    )
    web = WebServer(application=application, address=config.bind_address, port=config.port, troubles=troubles)
    _start_web(web, config)
    stack.callback(web.stop)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda received, _frame: scheduler.stop(signal.Signals(received).name))
    # From here on there is a page: a standby says on it that it waits, and Marathon sees that it is healthy.
    if not scheduler.take_store(f"{socket.gethostname()} pid {os.getpid()}"):
        return scheduler.exit_reason or ""
    _check_master(config)
    base_url = find_base_url(config, web.port)
    page_url = f"http://{config.status_dns}:{web.port}" if config.status_dns else base_url
    log.info("status page: %s/", page_url)
    roster = RosterPoller(
        master=config.master,
        interval_s=config.roster_interval_s,
        post=queue.put_newest,
        is_urgent=lambda: scheduler.state.is_subscribed and not scheduler.state.has_roster,
        troubles=troubles,
        login=build_login(config.principal, config.secret),
    )
    roster.start()
    stack.callback(roster.stop)
    if policy.pace.has_blocker:
        asker = Asker(
            objectors=Objectors(
                url=config.restart_blocker_url,
                prometheus=config.restart_blocker_prometheus,
                query=config.restart_blocker_query,
            ),
            is_wanted=lambda: bool(scheduler.state.unsettled),
            post=queue.put_newest,
            troubles=troubles,
        )
        asker.start()
        stack.callback(asker.stop)
    driver = MesosDriver(
        master=config.master,
        framework=FrameworkSettings(
            name=config.framework_name,
            role=config.role,
            principal=config.principal,
            failover_timeout_s=config.failover_timeout_s,
            webui_url=page_url,
        ),
        secret=config.secret,
        troubles=troubles,
        template=TaskTemplate(
            installer_url=config.installer_url or f"{base_url}/{installer.url_path}",
            installer_sha256=installer.sha256,
            report_base_url=f"{base_url}/v1/reports",
            read_wanted=lambda: replace_downloads(pin_downloads(wanted, scheduler.state.pins), bundle, base_url),
            issue_token=issue_token,
            rename=_choose_renaming(config, base_url, stack),
            agent_login=config.agent_login,
        ),
        post=queue.put,
    )
    return scheduler.run(driver)


def _choose_renaming(config: Config, base_url: str, stack: ExitStack) -> Callable[[str], str]:
    """Choose the name by which agents fetch: Mesos' fetcher goes by their HTTP proxy; reports go by none."""
    if config.installer_url:
        return str
    if config.advertised_name:
        return lambda url: put_host(url, config.advertised_name)
    if os.environ.get("CALICO_DCOS_ADVERTISED_ADDRESS"):
        return str
    name = derive_name(os.environ.get("MARATHON_APP_ID", ""))
    own = OwnName(name=name, address=urlsplit(base_url).hostname or "")
    own.start()
    stack.callback(own.stop)
    return own.rename


def _check_master(config: Config) -> None:
    try:
        check_master(config.master, timeout_s=MASTER_TIMEOUT_S)
    except MasterError as error:
        raise StartError(f"CALICO_DCOS_MASTER={hide_secrets(config.master)}: {error}") from error


def _start_web(web: WebServer, config: Config) -> None:
    try:
        web.start()
    except OSError as error:
        fault = f"cannot listen on {config.bind_address}:{config.port} ({error.strerror})"
        raise StartError(f"CALICO_DCOS_PORT={config.port}: {fault}; choose another port or address") from error


class TokenIssuer:
    """Derives each task's report token from the stored secret, so that no token has to be stored."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler

    def __call__(self, task_id: str) -> str:
        """The token that a task's reports carry."""
        # A standby has not read the secret yet: no token is right.
        secret = self._scheduler.state.secret or secrets.token_hex(32)
        return hmac.new(secret.encode(), task_id.encode(), hashlib.sha256).hexdigest()


def find_base_url(config: Config, port: int) -> str:
    """Where agents reach this scheduler."""
    return f"http://{join_host_port(config.advertised_address or find_own_address(config.master), port)}"


def find_own_address(master: str) -> str:
    """Find the address of this machine that faces the master: where agents will reach us, too."""
    parts = urlsplit(master if "://" in master else f"//{master}")
    first = parts.netloc.rpartition("@")[2].split(",")[0]
    host, _, port = first.partition(":")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            # Sends nothing: it only makes the kernel choose a route.
            probe.connect((host, int(port or 5050)))
        except OSError as error:
            raise StartError(
                f"CALICO_DCOS_ADVERTISED_ADDRESS is not set, and no route leads to {first} ({error}): set it"
            ) from error
        address: str = probe.getsockname()[0]
        return address
