"""constraints.txt: the versions that checks run with can be installed where the package can."""

import tomllib
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).parents[2]


def pins() -> list[Requirement]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


def test_every_pin_accepts_the_oldest_python_of_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    (oldest,) = SpecifierSet(project["requires-python"])
    installed = {d.name.lower().replace("_", "-"): d for d in metadata.distributions()}
    found = 0
    too_new = []
    for pin in pins():
        distribution = installed.get(pin.name.lower().replace("_", "-"))
        if distribution is None or not pin.specifier.contains(distribution.version):
            continue  # of an extra that is not here, or another version
        found += 1
        python = distribution.metadata.get("Requires-Python") or ""
        if not SpecifierSet(python).contains(f"{oldest.version}.0"):
            too_new.append(f"{pin} needs Python {python}")
    assert found > 50
    assert not too_new, too_new
