"""A distribution that answers to the name http-parser for pymesos; see README.md beside it."""

# ruff: noqa: INP001 - a setup script belongs to no package
from setuptools import setup

setup(
    name="http-parser",
    version="0.9.0+calico.1",
    description="The part of http-parser's interface that pymesos calls, over httptools",
    license="Apache-2.0",
    python_requires=">=3.11",
    packages=["http_parser"],
    install_requires=["httptools>=0.6"],
)
