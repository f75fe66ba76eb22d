"""The note of a calico-node of somebody else's that was replaced: what is kept of it, and how to bring it back.

It holds the whole body that makes the old container again, secrets included, and only root may read it.
"""

import json
import re
from typing import Any, Dict, NamedTuple, Optional, Union
from urllib.parse import quote

from .files import NEW_PRIVATE_FILE, FileError, read_file, write_file
from .host import STATE_DIR, Host
from .unknown import Unknown

NOTE_FILE = STATE_DIR + "/adopted.json"
# What the note is called once everything of ours is removed.
KEPT_FILE = STATE_DIR + "/replaced-calico-node.json"
# The parts of Docker's description of a container that its creation takes beside its configuration.
HOST_PART = "HostConfig"

# container: its name. unit: the unit of systemd that started it, and was switched off; "" for none.
Adopted = NamedTuple(
    "Adopted", [("container", str), ("name", str), ("address", str), ("as_number", str), ("unit", str)]
)


def read_adopted(host: Host) -> Union[Adopted, None, Unknown]:
    """Read the note; None where there is none."""
    try:
        content = read_file(host.path(NOTE_FILE))
        return None if content is None else parse_note(json.loads(content.decode("utf-8")))
    except (FileError, ValueError, KeyError, TypeError) as error:
        return Unknown("{} is not understood: {}".format(NOTE_FILE, error))


def parse_note(note: Any) -> Adopted:
    """Read what is kept; KeyError or TypeError if it is malformed."""
    return Adopted(**{field: str(note[field]) for field in Adopted._fields})


def save_note(host: Host, adopted: Adopted, body: Dict[str, Any]) -> None:
    """Note what is replaced, before it is; FileError if that is not possible."""
    note = dict(adopted._asdict(), create=body, how_to_bring_it_back=describe_way_back(adopted, NOTE_FILE))
    content = json.dumps(note, indent=2, sort_keys=True).encode("utf-8") + b"\n"
    write_file(host, host.path(NOTE_FILE), content, NEW_PRIVATE_FILE)


def build_create_body(answer: Any) -> Dict[str, Any]:
    """Build the body that makes a container again, out of Docker's description of it."""
    body = dict(answer["Config"])
    body[HOST_PART] = answer.get(HOST_PART) or {}
    # Its id: Docker takes it for a name that the host has already.
    if re.match(r"[0-9a-f]{12}$", str(body.get("Hostname", ""))):
        del body["Hostname"]
    return body


def describe_way_back(adopted: Adopted, path: str) -> str:
    """Say how the old container comes back, once ours is gone."""
    if adopted.unit:
        return "docker rm -f calico-node; systemctl enable --now {}".format(adopted.unit)
    create = (
        'python3 -c \'import json; print(json.dumps(json.load(open("{path}"))["create"]))\' | '
        "curl --unix-socket /var/run/docker.sock -H 'Content-Type: application/json' --data @- "
        "'http://docker/containers/create?name={name}'"
    ).format(path=path, name=quote(adopted.container, safe=""))
    return "docker rm -f calico-node; {}; docker start {}".format(create, adopted.container)


def find_note(host: Host) -> Optional[Adopted]:
    """Find the note that can be read."""
    note = read_adopted(host)
    return note if isinstance(note, Adopted) else None
