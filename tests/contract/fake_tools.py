"""The tools of the installer's stand-in host, as texts: what they would change of its daemons is in its state file."""

IP_TOOL = r"""#!/bin/sh
case "$*" in
*route*) echo '10.77.0.1 dev eth0 src 10.77.0.11 uid 0 \    cache ' ;;
*)
    echo '1: lo    inet 127.0.0.1/8 scope host lo\       valid_lft forever'
    echo '2: eth0    inet 10.77.0.11/24 brd 10.77.0.255 scope global eth0\       valid_lft forever'
    ;;
esac
"""
SYSTEMCTL = r'''#!{python}
"""systemctl of a stand-in host: it does to the state file what the real one's effect would be."""
import fcntl, json, os, sys
root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
path = root + "/fake/state.json"
lock = open(path + ".lock", "w")
fcntl.flock(lock, fcntl.LOCK_EX)
state = json.load(open(path))
args = sys.argv[1:]
state["calls"].append(args)
status = 0
if args[0] == "show":
    unit = state["units"].get(args[-1], {{"LoadState": "not-found", "ActiveState": "inactive", "MainPID": "0"}})
    print("\n".join(key + "=" + str(value) for key, value in unit.items()))
if args[0] == "kill" and state["units"][args[-1]]["MainPID"] == "0":
    print("Failed to kill unit " + args[-1] + ": No main process to kill")
    status = 1
elif args[0] == "kill":
    try:
        file = json.load(open(root + "/etc/docker/daemon.json"))
        if "cluster-advertise" in file and not state["reload_is_ignored"]:
            state["info"]["ClusterStore"] = file.get("cluster-store", "")
    except ValueError:
        state["journal"].append("unable to configure the Docker daemon with file")
    state.update(state["after_reload"])
docker = state["units"].get("docker.service", {{}})
if args[0] == "show" and args[-1] == "docker.service" and docker.get("ActiveState") == "activating":
    state["docker_is_slow_for"] -= 1
    docker["ActiveState"] = "activating" if state["docker_is_slow_for"] > 0 else "active"
if args[0] == "show-environment":
    print("\n".join(state["manager_environment"]))
is_down = state["units"].get("docker.service", {{}}).get("ActiveState") in ("inactive", "failed")
if args == ["restart", "docker.service"] or (args == ["start", "docker.service"] and is_down):
    unit = state["units"][args[1]]
    try:
        file = json.load(open(root + "/etc/docker/daemon.json"))
    except OSError:
        file = {{}}
    if file.get("cluster-store") in state["stores_that_break_docker"]:
        unit["ActiveState"], unit["MainPID"], status = "failed", "0", 1
        state["journal"].append("dockerd: fatal: no such store")
    else:
        unit["ActiveState"], unit["MainPID"] = "active", state["docker_pid"]
        unit["ExecMainStartTimestampMonotonic"] = str(int(unit["ExecMainStartTimestampMonotonic"]) + 1)
        if state["docker_is_slow_for"]:
            unit["ActiveState"] = "activating"
        state["info"]["ClusterStore"] = file.get("cluster-store", "")
elif args[0] == "restart" and not state["agent_is_stuck"]:
    state["agent"]["start_time"] += 1000000
if os.path.exists(path + ".die"):
    sys.exit(9)
json.dump(state, open(path + ".new", "w"))
os.rename(path + ".new", path)
sys.exit(status)
'''
JOURNALCTL = r"""#!{python}
import json, os
root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
print("\n".join(json.load(open(root + "/fake/state.json"))["journal"]))
"""
DOCKER = r'''#!{python}
"""docker of a stand-in host: run, rm, start and pull."""
import fcntl, json, os, sys
root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
path = root + "/fake/state.json"
lock = open(path + ".lock", "w")
fcntl.flock(lock, fcntl.LOCK_EX)
state = json.load(open(path))
args = sys.argv[1:]
state["calls"].append(["docker"] + args)
if args[0] == "rm":
    state["containers"].pop(args[-1], None)
if args[0] == "pull":
    state["images"].append(args[-1])
if args[0] == "run":
    pairs = list(zip(args, args[1:]))
    env = [value for key, value in pairs if key == "-e"]
    labels = dict(value.split("=", 1) for key, value in pairs if key == "--label")
    name = args[args.index("--name") + 1]
    state["containers"][name] = {{
        "Name": "/" + name, "RestartCount": 0, "Config": {{"Image": args[-1], "Env": env, "Labels": labels}},
        "HostConfig": {{"NetworkMode": "host", "Privileged": True, "RestartPolicy": {{"Name": "always"}}}},
        "State": {{"Running": True, "Restarting": False, "Status": "running", "Pid": 4242,
                   "StartedAt": state["container_start"]}}}}
if args[0] == "start":
    state["containers"][args[-1]]["State"].update(Running=True, Status="running")
json.dump(state, open(path + ".new", "w"))
os.rename(path + ".new", path)
'''
PLUGIN = '#!/bin/sh\necho \'{"cniVersion": "0.3.1", "supportedVersions": ["0.1.0", "0.2.0", "0.3.1"]}\'\n'
