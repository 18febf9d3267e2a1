"""Where the four folders of Tailor lie.

Their names are generic, so a stranger's `tools` package must not be taken for ours. Nothing is imported to find out:
importing the wrong package would already run it.
"""

import importlib.util
from pathlib import Path

from specs.errors import TailorError

_FOLDERS = ("agent", "tools", "trainer", "specs")


def package_root() -> Path:
    """Return the folder that holds `specs` and its three siblings."""
    return Path(__file__).resolve().parent.parent


def seedling_dir() -> Path:
    """Return the folder of the embedded base model's weights."""
    return package_root() / "trainer" / "seedling" / "weights"


def check_roots() -> None:
    """Make sure that all four packages come from one folder.

    Raises:
        TailorError: one of them is missing or found somewhere else, as when a folder of that name stands in the
            directory the program was started in.
    """
    root = package_root()
    for name in _FOLDERS:
        found = _folder(name)
        if found is None:
            raise TailorError(
                f"The package {name!r} is not installed beside {root / 'specs'}.",
                "Install again: `python -m pip install --force-reinstall model-tailor`.",
            )
        if found != root / name:
            raise TailorError(
                f"The package {name!r} is taken from {found}, not from {root / name}.",
                f"Start Tailor from another folder, or rename {found}: it has the name of one of Tailor's packages.",
            )


def _folder(name: str) -> Path | None:
    try:
        found = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return None
    if found is None:
        return None
    if found.origin is not None:
        return Path(found.origin).resolve().parent
    places = list(found.submodule_search_locations or ())
    return Path(places[0]).resolve() if places else None
