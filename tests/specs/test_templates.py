"""Every template loads; those of methods that are not built yet are refused with a sentence when planned."""

from collections.abc import Callable
from pathlib import Path

import pytest

from specs.edit import SCHEMA_LINE
from specs.errors import PlanRefused
from specs.facts import Facts
from specs.load import load_spec
from specs.resolve import resolve
from specs.roots import package_root

_TEMPLATES = sorted((package_root() / "specs" / "templates").glob("*.yaml"))


def test_templates_exist() -> None:
    assert {path.stem for path in _TEMPLATES} >= {"classify", "chat", "lora-hub", "cpt", "dpo", "rlvr", "rlaif"}


@pytest.mark.parametrize("path", _TEMPLATES, ids=lambda path: path.stem)
def test_template_loads_without_an_accepted_licence(path: Path) -> None:
    loaded = load_spec(path)
    assert not loaded.spec.model.license_accepted
    assert loaded.text.startswith(SCHEMA_LINE)
    assert all(source.rights for source in loaded.spec.data.sources)


@pytest.mark.parametrize("path", _TEMPLATES, ids=lambda path: path.stem)
def test_template_is_planned_or_refused_by_method(path: Path, make_facts: Callable[..., Facts]) -> None:
    spec = load_spec(path).spec
    spec = spec.model_copy(update={"model": spec.model.model_copy(update={"license_accepted": True})})
    methods = [stage.method for stage in spec.train]
    if methods == ["sft"]:
        assert resolve(spec, "", make_facts()).step("train")
    else:
        with pytest.raises(PlanRefused, match="this version"):
            resolve(spec, "", make_facts())
