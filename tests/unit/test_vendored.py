"""Other people's code in the tree is what its makers published."""

import hashlib
from pathlib import Path

import pytest

from tests.support.docs import ROOT

pytestmark = pytest.mark.unit

FOLDERS = (ROOT / "bookbot_web" / "static" / "vendor", ROOT / "tests" / "browser" / "vendor")


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.relative_to(ROOT).as_posix())
def test_every_vendored_script_has_its_hash(folder: Path) -> None:
    listed = dict(reversed(line.split()) for line in (folder / "SHA256SUMS").read_text(encoding="utf-8").splitlines())
    found = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.glob("*.js")}
    assert found == listed
