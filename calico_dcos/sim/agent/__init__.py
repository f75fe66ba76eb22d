"""A simulated Mesos agent that really runs tasks; standard library only, so that it also runs inside bare hosts.

    python -m calico_dcos.sim.agent --master 127.0.0.1:5050 --hostname H --ip IP --port 5051 --work-dir DIR
        --resources 'cpus:2;mem:1024;disk:1000;ports:[31000-32000]'

`agent` follows the master and, after a restart, brings back what `checkpoint` kept; `book` has its tasks and what
happened to them; `executors` and `containers` start executors, each of which is a process of its own (`executor`)
that outlives the agent.

An executor opens a channel (`sim.wire`) to its agent at /sim/executor. It sends REGISTER (framework_id, task_id,
container_id, unacknowledged) and UPDATE (status); the agent sends ACKNOWLEDGE (uuid) and KILL (grace_s). What agents
and the master say to each other is told in `sim.master`.

In the work directory: `meta/slaves/latest` and what is checkpointed under it, sandboxes under `slaves/`, and
`deeds.jsonl`, a line for each thing that happened to a task: {"t": s, "event": "launched" | "killed" | "ended" |
"agent started", "task_id", "name", ...}.
"""
