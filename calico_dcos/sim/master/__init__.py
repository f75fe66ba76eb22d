"""A simulated Mesos master: the v1 scheduler and operator APIs as a real master of the chosen version speaks them.

    python -m calico_dcos.sim.master --ip 127.0.0.1 --port 5050 --mesos-version 1.12.0 --work-dir DIR

`state` is what the master knows; `calls`, `subscriptions`, `launches`, `updates`, `reconciliation`, `agents` and
`allocator` decide: they change the state and queue what is to be sent; `server` carries it over HTTP and keeps time.

Agents and the master exchange JSON messages over a channel (`sim.wire`) that the agent opens at /sim/agent. It sends
REGISTER (agent), REREGISTER (agent_id, agent, tasks, frameworks), UPDATE (framework_id, status, latest_state) and
PONG. The master sends REGISTERED or REREGISTERED (agent_id, ping_timeout_s, master_hostname), PING,
LAUNCH (framework, task), KILL (framework_id, task_id, kill_policy), ACKNOWLEDGE (framework_id, task_id, uuid),
RECONCILE (framework_id, task_ids, state), SHUTDOWN_FRAMEWORK (framework_id) and SHUTDOWN (message).
"""
