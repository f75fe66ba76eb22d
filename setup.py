"""Package metadata; the tools' settings are in pyproject.toml."""

from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent

setup(
    name="calico-dcos",
    version="0.1.0",
    description="A Mesos framework that installs Calico networking on every agent of a DC/OS or Mesos cluster",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.11",
    packages=find_packages(include=["calico_dcos", "calico_dcos.*"]),
    include_package_data=True,
    package_data={"calico_dcos": ["web/static/*", "package/schemas/*", "py.typed"]},
    data_files=[
        ("share/calico-dcos/universe", [str(path.relative_to(HERE)) for path in (HERE / "universe").iterdir()])
    ],
    install_requires=[
        # Typed, strict conversion of stored records (docs/decisions/0004).
        "cattrs>=23.2",
        "click>=8.1",
        "dnspython>=2.6",
        # etcd3 0.12 carries generated code that newer protobuf runtimes refuse to import.
        "etcd3==0.12.0",
        "protobuf>=3.20.3,<3.21",
        # Ours, in third_party/http-parser: the original no longer compiles (docs/decisions/0002).
        "http-parser",
        "grpcio>=1.50",
        # A persistent map: a snapshot costs nothing, a change costs in proportion to the change.
        "immutables>=0.20",
        "jsonschema>=4.20",
        "kazoo>=2.10",
        "prometheus-client>=0.20",
        "pymesos==0.3.15",
        "pystache>=0.6.5",
        "pyyaml>=6.0",
        "requests>=2.31",
        "rich>=13.7",
        # Time zones for restart windows, on machines that have none.
        "tzdata>=2023.3",
        "tornado>=6.4",
    ],
    extras_require={
        "dev": [
            # Carries axe-core, which judges the page's accessibility.
            "axe-core-python>=0.1",
            "hypothesis>=6.100",
            "import-linter>=2.0",
            "mypy>=1.10",
            # The last series that parses Python 3.5 grammar: the gate of the installer.
            "parso>=0.7,<0.8",
            "pytest>=8.0",
            "pytest-timeout>=2.3",
            "ruff>=0.5",
            # Holds the API against its OpenAPI document.
            "schemathesis>=4.0",
            # Drives Debian's Chromium in the tests of the page.
            "selenium>=4.20",
            "types-PyYAML",
            "types-jsonschema",
            "types-requests",
            "vermin>=1.6",
        ],
    },
    entry_points={"console_scripts": ["calico-dcos = calico_dcos.__main__:main"]},
)
