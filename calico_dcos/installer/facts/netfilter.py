"""Facts: the tables of iptables that the kernel goes through for packets that it forwards: there are two families.

What one family accepts, the other may still drop. Both are listed without naming a table: naming one would load it.
"""

import re
import shlex
from typing import Iterable, List, NamedTuple, Optional, Tuple, Union

from ..host import Host, ToolError
from ..program import filter_program
from ..unknown import Unknown

LEGACY, NFT = "legacy", "nf_tables"
TIMEOUT_S = 5
LINES_MAX = 5000
LINE_MAX_BYTES = 1024
OUTPUT_MAX_BYTES = 64 << 20
# Felix up to 2.0 names its chain after itself, from 2.1 on after Calico.
CALICO_CHAINS = ("cali-FORWARD", "felix-FORWARD")
# What an operator may have accepted in the way that Docker leaves to operators.
READ_CHAINS = ("FORWARD", "DOCKER-USER")
ACCEPT, DROPPING = "ACCEPT", ("DROP", "REJECT")
TO_CALICO, FROM_CALICO = ("-o", "cali+"), ("-i", "cali+")
# A kernel without nftables.
NO_NFT = ("Protocol not supported", "Operation not supported")

# policy: of the chain FORWARD; None where this family has no table filter.
# calico: the chain of Calico's to which FORWARD jumps; None where packets get to none.
# verdict: what becomes of a packet that no rule with a condition takes: ACCEPT, DROP or REJECT; None without a table.
# accepts_calico: whether rules of an operator's let packets of Calico's containers pass, whatever the verdict is.
Family = NamedTuple(
    "Family",
    [
        ("policy", Optional[str]),
        ("calico", Optional[str]),
        ("has_docker", bool),
        ("verdict", Optional[str]),
        ("accepts_calico", bool),
    ],
)
# iptables: the family that the host's command, and so Docker, writes to. nft: None where the host has none of it.
Netfilter = NamedTuple(
    "Netfilter",
    [
        ("iptables", Union[str, Unknown]),
        ("legacy", Union[Family, Unknown]),
        ("nft", Union[Family, None, Unknown]),
    ],
)


def read_netfilter(host: Host) -> Netfilter:
    """Read both families; older hosts have the legacy one alone, and one command for it."""
    iptables = read_backend(host)
    return Netfilter(iptables, read_legacy(host, iptables), read_nft(host, iptables))


def read_backend(host: Host) -> Union[str, Unknown]:
    """Find out which family the command iptables writes to."""
    try:
        return parse_backend(host.run(["iptables", "--version"], TIMEOUT_S).output)
    except ToolError as error:
        return Unknown(str(error))


def parse_backend(output: str) -> Union[str, Unknown]:
    """Read ``iptables v1.8.9 (nf_tables)``; before 1.8 there was but one family, and it was not named."""
    match = re.search(r"iptables v\d[\w.]*(?: \((\w+)\))?", output)
    if match is None:
        return Unknown("iptables --version is not understood: {!r}".format(output[:200]))
    return NFT if match.group(1) == NFT else LEGACY


def read_legacy(host: Host, iptables: Union[str, Unknown]) -> Union[Family, Unknown]:
    """Read the legacy family."""
    names = ["iptables-legacy-save"] + ["iptables-save"] * (iptables == LEGACY)
    name = _find_first(host, names)
    return Unknown("the host has no {}".format(" and no ".join(names))) if name is None else list_family(host, name)


def read_nft(host: Host, iptables: Union[str, Unknown]) -> Union[Family, None, Unknown]:
    """Read the family of nftables; None where the host has no command for it, or its kernel none."""
    name = _find_first(host, ["iptables-nft-save"] + ["iptables-save"] * (iptables == NFT))
    if name is None:
        return None
    family = list_family(host, name)
    is_missing = isinstance(family, Unknown) and any(words in family.reason for words in NO_NFT)
    return None if is_missing else family


def _find_first(host: Host, names: List[str]) -> Optional[str]:
    for name in names:
        try:
            host.find_tool(name)
        except ToolError:
            continue
        return name
    return None


def list_family(host: Host, tool: str) -> Union[Family, Unknown]:
    """List one family; of the output of a host with very many rules, only what counts is kept."""
    try:
        status, lines = filter_program([host.find_tool(tool)], host.build_tool_environment(), TIMEOUT_S, keep_lines)
    except ToolError as error:
        return Unknown(str(error))
    if lines is None:
        return Unknown("{} lists too much: more than {} lines of FORWARD".format(tool, LINES_MAX))
    if status != 0:
        return Unknown("{} ended with status {}: {}".format(tool, status, " ".join(lines)[:300]))
    return parse_family(lines)


def keep_lines(output: Iterable[bytes]) -> Optional[List[str]]:
    """Keep the lines that count; None where they are too many."""
    kept = []  # type: List[str]
    left_bytes = OUTPUT_MAX_BYTES
    for line in output:
        left_bytes -= len(line)
        if left_bytes < 0 or len(kept) > LINES_MAX:
            return None
        text = line[:LINE_MAX_BYTES].decode("utf-8", "replace").strip()
        is_rule = text.startswith("-A ") and text.split()[1:2] not in [[chain] for chain in READ_CHAINS]
        is_chain = text.startswith(":") and not text.startswith((":FORWARD ", ":DOCKER"))
        if text and not (is_rule or is_chain or text.startswith("#")):
            kept.append(text)
    return kept


def parse_family(lines: Iterable[str]) -> Family:
    """Read the table filter out of what ``iptables-save`` prints."""
    family = Family(None, None, has_docker=False, verdict=None, accepts_calico=False)
    rules = []  # type: List[List[str]]
    is_filter = False
    for line in lines:
        if line.startswith("*"):
            is_filter = line == "*filter"
        elif is_filter and line.startswith(":FORWARD "):
            family = family._replace(policy=line.split()[1])
        elif is_filter and line.startswith((":DOCKER ", ":DOCKER-")):
            family = family._replace(has_docker=True)
        elif is_filter and line.startswith("-A "):
            rules.append(split_rule(line))
    forward = [rule[2:] for rule in rules if rule[1] == "FORWARD"]
    return family._replace(
        calico=find_calico(forward),
        verdict=find_verdict(forward) or family.policy,
        accepts_calico=accepts_calico([rule[2:] for rule in rules]),
    )


def split_rule(line: str) -> List[str]:
    """Split a rule into its words, its comment left out."""
    try:
        words = shlex.split(line)
    except ValueError:
        words = line.split()  # cut off
    while "--comment" in words:
        index = words.index("--comment")
        begin = index - 2 if words[max(index - 2, 0) : index] == ["-m", "comment"] else index
        del words[begin : index + 2]
    return words


def parse_rule(rule: List[str]) -> Tuple[List[str], str]:
    """Part a rule into its conditions and its target."""
    if "-j" not in rule[:-1]:
        return rule, ""
    index = rule.index("-j")
    return rule[:index], rule[index + 1]


def find_calico(forward: List[List[str]]) -> Optional[str]:
    """Find Calico's chain among the rules of FORWARD: those before it must not take every packet."""
    for conditions, target in map(parse_rule, forward):
        if target in CALICO_CHAINS and not conditions:
            return target
        if target in (ACCEPT, *DROPPING) and not conditions:
            return None
    return None


def find_verdict(forward: List[List[str]]) -> Optional[str]:
    """Find the first rule of FORWARD that takes every packet; None where the policy decides."""
    verdicts = [target for conditions, target in map(parse_rule, forward) if not conditions]
    return next((target for target in verdicts if target in (ACCEPT, *DROPPING)), None)


def accepts_calico(rules: List[List[str]]) -> bool:
    """Whether rules accept packets from and to Calico's interfaces, or from and to one network of containers."""
    accepted = {tuple(conditions) for conditions, target in map(parse_rule, rules) if target == ACCEPT}
    networks = [words[1] for words in accepted if words[:1] == ("-s",) and len(words) == 2]  # noqa: PLR2004
    return {TO_CALICO, FROM_CALICO} <= accepted or any(("-d", network) in accepted for network in networks)
