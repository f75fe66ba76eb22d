"""What one setting is: the entry of the table, from which variable, package option and documentation follow."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .kinds import Kind, format_value

PREFIX = "CALICO_DCOS_"


@dataclass(frozen=True, slots=True)
class Known:
    """What is known when a default is worked out: all variables, and the settings before this one."""

    environment: Mapping[str, str]
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Derived:
    """A default that follows from something else.

    Attributes:
        text: what it follows from, for people.
        compute: the default, or None where the setting has to be given.
    """

    text: str
    compute: Callable[[Known], Any]


@dataclass(frozen=True, slots=True)
class Setting:
    """One entry of the table.

    Attributes:
        name: of the field of Config.
        section: of the package's options.
        key: of the option in its section.
        help: one sentence or more, for operators.
        vault_key: of the option that names a secret of DC/OS Enterprise with the value; "" for what is none.
        package_default: what the package has as the option's default; None where it is the setting's own.
        resource: where the package's resource.json says what to take if the option is not given, or "".
    """

    name: str
    kind: Kind
    default: Any
    section: str
    key: str
    help: str
    is_secret: bool
    vault_key: str
    package_default: Any
    resource: str

    @property
    def variable(self) -> str:
        """Its environment variable."""
        return f"{PREFIX}{self.name.upper()}"

    @property
    def option(self) -> str:
        """Its package option, as people write it."""
        return f"{self.section}.{self.key}"

    @property
    def packaged_variable(self) -> str:
        """The variable in which the package says what it brings itself; "" for none.

        Only a default that is worked out can weigh it: what the package brings is for one release, and another may be
        chosen. Where the default is fixed, the package's own stands in for an option that is not given.
        """
        return f"{PREFIX}PACKAGED_{self.name.upper()}" if self.resource and isinstance(self.default, Derived) else ""

    @property
    def default_text(self) -> str:
        """Its default, for people."""
        return self.default.text if isinstance(self.default, Derived) else format_value(self.default)


@dataclass(frozen=True, slots=True)
class Entry:
    """What a field of a section carries until its name is known."""

    kind: Kind
    default: Any
    option: str
    help: str
    is_secret: bool
    vault_key: str
    package_default: Any
    resource: str


def setting(  # noqa: PLR0913 - an entry of the table has many columns
    kind: Kind,
    default: Any,
    option: str,
    help_text: str,
    *,
    is_secret: bool = False,
    vault_key: str = "",
    package_default: Any = None,
    resource: str = "",
) -> Any:
    """Declare a setting as a field of its section.

    Args:
        kind: what it takes.
        default: a value, or how it is derived.
        option: "Section.key" of the package.
        help_text: what it means, and its unit.
        is_secret: its value appears in no message, no log and no listing; the package has a second option for it, with
            the path of a secret of DC/OS Enterprise that holds the value.
        vault_key: the key of that second option, if not the first one's with "-secret" behind it.
        package_default: the option's default where it cannot be the setting's: where that one is derived.
        resource: a dotted name in the package's resource.json that stands in for an option that is not given.
    """
    entry = Entry(kind, default, option, help_text, is_secret, vault_key, package_default, resource)
    return field(metadata={"entry": entry}, repr=not is_secret)


def build_setting(name: str, entry: Entry) -> Setting:
    """Complete an entry with its field's name."""
    section, _, key = entry.option.rpartition(".")
    return Setting(
        name=name,
        kind=entry.kind,
        default=entry.default,
        section=section,
        key=key,
        help=entry.help,
        is_secret=entry.is_secret,
        vault_key=entry.vault_key or (f"{key}-secret" if entry.is_secret else ""),
        package_default=entry.package_default,
        resource=entry.resource,
    )
