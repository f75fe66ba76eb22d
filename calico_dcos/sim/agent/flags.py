"""The flags that an agent tells at /state: those of Mesos 1.12 with their defaults, and what it was started with."""

from __future__ import annotations

from collections.abc import Mapping

DEFAULTS: Mapping[str, str] = {
    "appc_simple_discovery_uri_prefix": "http://",
    "appc_store_dir": "/var/cache/mesos/store/appc",
    "authenticate_http_readonly": "false",
    "authenticate_http_readwrite": "false",
    "authenticatee": "crammd5",
    "authentication_backoff_factor": "1secs",
    "authentication_timeout_max": "1mins",
    "authentication_timeout_min": "5secs",
    "authorizer": "local",
    "cgroups_cpu_enable_pids_and_tids_count": "false",
    "cgroups_destroy_timeout": "1mins",
    "cgroups_enable_cfs": "false",
    "cgroups_limit_swap": "false",
    "cgroups_root": "mesos",
    "container_disk_watch_interval": "15secs",
    "containerizers": "mesos",
    "disallow_sharing_agent_ipc_namespace": "false",
    "disallow_sharing_agent_pid_namespace": "false",
    "disk_watch_interval": "1mins",
    "docker": "docker",
    "docker_ignore_runtime": "false",
    "docker_kill_orphans": "true",
    "docker_registry": "https://registry-1.docker.io",
    "docker_remove_delay": "6hrs",
    "docker_socket": "/var/run/docker.sock",
    "docker_stop_timeout": "0ns",
    "docker_store_dir": "/var/cache/mesos/store/docker",
    "docker_volume_checkpoint_dir": "/var/run/mesos/isolators/docker/volume",
    "docker_volume_chown": "false",
    "enforce_container_disk_quota": "false",
    "executor_registration_timeout": "1mins",
    "executor_shutdown_grace_period": "5secs",
    "fetcher_cache_dir": "/var/cache/mesos/fetch",
    "fetcher_cache_size": "2GB",
    "fetcher_stall_timeout": "1mins",
    "frameworks_home": "",
    "gc_delay": "1weeks",
    "gc_disk_headroom": "0.1",
    "gc_non_executor_container_sandboxes": "false",
    "help": "false",
    "hostname_lookup": "true",
    "http_command_executor": "false",
    "http_executor_domain_sockets": "false",
    "http_heartbeat_interval": "30secs",
    "initialize_driver_logging": "true",
    "launcher_dir": "/usr/libexec/mesos",
    "logbufsecs": "0",
    "logging_level": "INFO",
    "max_completed_executors_per_framework": "150",
    "memory_profiling": "false",
    "network_cni_metrics": "true",
    "network_cni_root_dir_persist": "false",
    "oversubscribed_resources_interval": "15secs",
    "perf_duration": "10secs",
    "perf_interval": "1mins",
    "qos_correction_interval_min": "0ns",
    "quiet": "false",
    "recover": "reconnect",
    "revocable_cpu_low_priority": "true",
    "sandbox_directory": "/mnt/mesos/sandbox",
    "strict": "true",
    "switch_user": "true",
    "systemd_enable_support": "false",
    "systemd_runtime_directory": "/run/systemd/system",
    "version": "false",
    "zk_session_timeout": "10secs",
}

_UNITS = ((3600 * 24 * 7, "weeks"), (3600 * 24, "days"), (3600, "hrs"), (60, "mins"), (1, "secs"))


def duration(seconds: float) -> str:
    """A duration as Mesos prints it: the largest unit that leaves no fraction."""
    for size, unit in _UNITS:
        if seconds >= size and seconds % size == 0:
            return f"{int(seconds // size)}{unit}"
    return f"{seconds * 1000:g}ms" if seconds else "0ns"
