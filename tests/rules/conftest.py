"""What the rule tables share: the default catalog on an empty store, which must add up after."""

from __future__ import annotations

import pytest

from quotasvc.catalog import DEFAULT_CATALOG, load_catalog
from quotasvc.domain.catalog import Catalog
from quotasvc.store.executor import Executor
from tests.rules.story import Story
from tests.support.clock import Clock


@pytest.fixture(scope="session")
def policy() -> Catalog:
    """The catalog with the platform's own numbers."""
    return load_catalog(DEFAULT_CATALOG)


@pytest.fixture
def story(executor: Executor, clock: Clock, policy: Catalog, conserved: list[Catalog]) -> Story:
    """Rows come to life here."""
    conserved.append(policy)
    return Story(executor, clock, policy)
