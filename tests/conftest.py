"""What all tests share: how hypothesis searches."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

# What was seen on one machine is what another one sees; only the nightly search looks for what is new.
# How long it takes to make an example says something of the machine, and nothing of the program.
_PATIENT = [HealthCheck.too_slow]
settings.register_profile("usual", derandomize=True, deadline=None, suppress_health_check=_PATIENT)
settings.register_profile("thorough", parent=settings.get_profile("usual"), max_examples=500)
settings.register_profile(
    "nightly",
    derandomize=False,
    deadline=None,
    suppress_health_check=_PATIENT,
    max_examples=10_000,
    print_blob=True,
)
settings.load_profile(os.environ.get("CALICO_DCOS_HYPOTHESIS", "usual"))
