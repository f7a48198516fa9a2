"""``sealmatch attack``: with all defences on nothing is recovered; without its defence, something.

The second is the positive control of the first: it shows that each attack is a real one, that each
figure of the threat model is measured by something that can fail.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from gateway.inspection.leaks.findings import LeakReport
from gateway.inspection.leaks.search import LeakSearch
from gateway.lab.attack.deployment import Site, prepare
from tests.support.leaks import of_other_tests
from tests.support.settings import inherited
from tests.support.warm import starts_of, warm_starts


@pytest.fixture(scope="module", autouse=True)
def lifted_caps(request: pytest.FixtureRequest) -> Iterator[None]:
    """Caps are a defence: here they stay."""
    with inherited(caps=True), starts_of(request):
        yield


@pytest.fixture(scope="module", autouse=True)
def own_files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A thief who searches temporary files finds other tests' there, and waits for their locks."""
    everywhere, root = LeakSearch.temporary_files, tmp_path_factory.getbasetemp() / "any" / "root"

    def own(self: LeakSearch, newer_than: float, without: Sequence[Path] = ()) -> LeakReport:
        return everywhere(self, newer_than, [*without, *of_other_tests(root)])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LeakSearch, "temporary_files", own)
        yield


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Keys and enrolments, made once. They outlive each module, and so would patched settings."""
    with inherited(caps=True), warm_starts():
        return prepare(tmp_path_factory.mktemp("attacks") / "prepared")


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory, prepared: Path) -> Iterator[Site]:
    """With all defences on; attackers share deployments, as in the command."""
    with Site(tmp_path_factory.mktemp("guarded"), prepared) as made:
        yield made


@pytest.fixture
def weakened(tmp_path: Path, prepared: Path) -> Iterator[Site]:
    """Servers of one test's own."""
    with Site(tmp_path, prepared) as made:
        yield made
