"""What the DC/OS SDK tells of a service's stored state and of its configuration."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

from .board import Feed
from .endpoint import Endpoint
from .feed_endpoint import FeedEndpoint
from .sdk_views import build_configuration_id, build_properties

TARGET = "target"


class FrameworkId(FeedEndpoint):
    """`/v1/state/frameworkId`: Mesos' id of the framework, in a list; 404 before the first subscription."""

    def get(self) -> None:
        """Answer the id."""
        framework_id = self._feed.read().snapshot.framework_id
        if framework_id:
            self.answer_json([framework_id])
        else:
            self.answer_error(HTTPStatus.NOT_FOUND, "Mesos has not given the framework an id yet")


class Properties(FeedEndpoint):
    """`/v1/state/properties`: the names of the properties."""

    def get(self) -> None:
        """Answer the names."""
        self.answer_json(list(build_properties(self._feed.read().snapshot)))


class Property(FeedEndpoint):
    """`/v1/state/properties/<name>`: a property."""

    def get(self, name: str) -> None:
        """Answer its value."""
        properties = build_properties(self._feed.read().snapshot)
        if name in properties:
            self.answer_json(properties[name])
        else:
            self.answer_text(f"Property {name} not found", HTTPStatus.NOT_FOUND)


class StoredFiles(Endpoint):
    """`/v1/state/files`: this service keeps no files for others."""

    def get(self) -> None:
        """Answer that there are none."""
        self.answer_json([])


class Configurations(FeedEndpoint):
    """`/v1/configurations` and `/v1/configurations/targetId`: the id of the wanted configuration, in a list."""

    def get(self) -> None:
        """Answer the id."""
        self.answer_json([build_configuration_id(self._feed.read().snapshot)])


class Configuration(Endpoint):
    """`/v1/configurations/<id>`, and `target` for the id of the wanted one: the effective settings."""

    def initialize(self, *, feed: Feed, settings: Mapping[str, str]) -> None:
        """Take what the endpoint needs."""
        self._feed = feed
        self._settings = settings

    def get(self, name: str) -> None:
        """Answer the settings, without secrets."""
        wanted = build_configuration_id(self._feed.read().snapshot)
        if name in (TARGET, wanted):
            self.answer_json({"id": wanted, "settings": dict(self._settings)})
        else:
            self.answer_text(f"Configuration {name} not found", HTTPStatus.NOT_FOUND)
