"""Starts the archive of this program: its modules are one text, which takes a third less room than many."""

import importlib
import json
import sys
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from typing import Any, Dict, List, Optional, Sequence

# Beside this module, as __main__.py, in the archive: the name of each module, whether it is a package, and its source.
TEXT_NAME = "modules.json"


class Modules(MetaPathFinder, Loader):
    """Finds and loads the modules of a text."""

    def __init__(self, archive: str, modules: Dict[str, List[Any]]) -> None:
        self._archive = archive
        self._modules = modules

    def find_spec(self, name: str, path: Optional[Sequence[Any]] = None, target: Any = None) -> Optional[ModuleSpec]:
        """Find a module of the text; None for all others."""
        del path
        del target
        if name not in self._modules:
            return None
        return ModuleSpec(name, self, origin=self._archive, is_package=self._modules[name][0])

    def exec_module(self, module: Any) -> None:
        """Run a module."""
        name = module.__name__
        place = "{}/{}.py".format(self._archive, name.replace(".", "/"))
        exec(compile(self.get_source(name), place, "exec", dont_inherit=True), module.__dict__)  # noqa: S102

    def get_source(self, name: str) -> str:
        """Return the source of a module; a traceback shows its lines by this."""
        return str(self._modules[name][1])


def main() -> int:
    """Run the program that is packed beside this module, and return its exit status."""
    content = __loader__.get_data(TEXT_NAME)  # type: ignore[name-defined]
    sys.meta_path.insert(0, Modules(sys.argv[0], json.loads(content.decode("utf-8"))))
    return int(importlib.import_module("installer.__main__").main())


if __name__ == "__main__":
    sys.exit(main())
