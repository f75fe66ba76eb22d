"""Starts the archive of this program: its modules are one text, which takes a third less room than many.

In a task, what was compiled is kept beside the archive: a service's health check runs every few seconds, and half of
its time went into compiling.
"""

import importlib
import importlib.util
import marshal
import os
import sys
import zlib
from importlib.machinery import ModuleSpec
from typing import Any, Dict, Optional, Sequence

# Beside this module, as __main__.py, in the archive. Its first line has the words that would take most room, each of
# which is one byte in the rest: the path of each module and its source, one after the other.
TEXT_NAME = "modules"
SEPARATOR = "\0"
CODES = range(0x80, 0x100)


class Modules:
    """Finds and loads the modules of a text.

    It is no subclass of importlib.abc's: importing that takes longer than all that is done here.
    """

    def __init__(self, archive: str, text: str) -> None:
        self._archive = archive
        parts = text.split(SEPARATOR)
        self._sources = dict(zip(parts[::2], parts[1::2]))
        # By what it was made of and by whom: neither another archive's nor another Python's is taken.
        sum_ = zlib.crc32(text.encode("utf-8"), zlib.crc32(importlib.util.MAGIC_NUMBER))
        self._cache = "{}.{:08x}".format(archive, sum_)
        self._compiled = _read(self._cache)
        self._is_new = False

    def find_spec(self, name: str, path: Optional[Sequence[Any]] = None, target: Any = None) -> Optional[ModuleSpec]:
        """Find a module of the text; None for all others."""
        del path
        del target
        place = self._find_place(name)
        if place is None:
            return None
        origin = os.path.join(self._archive, place)
        is_package = place.endswith("/__init__.py")
        return ModuleSpec(name, self, origin=origin, is_package=is_package)  # type: ignore[arg-type]

    def create_module(self, spec: ModuleSpec) -> None:
        """Leave making a module to Python."""

    def exec_module(self, module: Any) -> None:
        """Run a module."""
        name = module.__name__
        if name in self._compiled:
            code = marshal.loads(self._compiled[name])  # noqa: S302  (whoever can write it can write the archive)
        else:
            code = compile(self.get_source(name), module.__spec__.origin, "exec", dont_inherit=True)
            self._compiled[name] = marshal.dumps(code)
            self._is_new = True
        exec(code, module.__dict__)  # noqa: S102

    def get_source(self, name: str) -> str:
        """Return the source of a module; a traceback shows its lines by this."""
        return self._sources[str(self._find_place(name))]

    def save(self) -> None:
        """Keep what was compiled for the next run, if that is possible."""
        if not self._is_new or "MESOS_SANDBOX" not in os.environ:
            return
        new = "{}.{}".format(self._cache, os.getpid())
        try:
            with open(new, "wb") as file:
                marshal.dump(self._compiled, file)
            os.rename(new, self._cache)
        except OSError:
            # A sandbox that is full or read-only: the next run compiles again.
            pass

    def _find_place(self, name: str) -> Optional[str]:
        base = name.replace(".", "/")
        return next((place for place in (base + ".py", base + "/__init__.py") if place in self._sources), None)


def _read(path: str) -> Dict[str, bytes]:
    try:
        with open(path, "rb") as file:
            return dict(marshal.load(file))  # noqa: S302
    except (OSError, EOFError, ValueError, TypeError):
        return {}


def main() -> int:
    """Run the program that is packed beside this module, and return its exit status."""
    content = __loader__.get_data(TEXT_NAME)  # type: ignore[name-defined]
    words, _, text = content.decode("latin-1").partition("\n")
    modules = Modules(sys.argv[0], text.translate(dict(zip(CODES, words.split()))))
    sys.meta_path.insert(0, modules)
    try:
        return int(importlib.import_module("installer.__main__").main())
    finally:
        modules.save()


if __name__ == "__main__":
    sys.exit(main())
