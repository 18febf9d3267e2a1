"""The environment a job gets: what it needs to compute and to find models, and no credentials."""

import os
import re
import sysconfig
from collections.abc import Mapping
from pathlib import Path

from specs.roots import package_root

_ALLOWED = frozenset(
    {
        "PATH",
        "HOME",
        "USER",
        "LOGNAME",
        "LANG",
        "TZ",
        "TMPDIR",
        "VIRTUAL_ENV",
        "LD_LIBRARY_PATH",
        "DYLD_LIBRARY_PATH",
        "TOKENIZERS_PARALLELISM",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "REQUESTS_CA_BUNDLE",
    }
)
_PROXIES = frozenset({"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"})
_ALLOWED_PREFIXES = (
    "LC_",
    "XDG_",
    "HF_",
    "CUDA_",
    "NVIDIA_",
    "NCCL_",
    "OMP_",
    "MKL_",
    "OPENBLAS_",
    "PYTORCH_",
    "TORCH_",
    "MLFLOW_",
)
# a proxy, a tracking server or a hub mirror may be written with a name and a password
_CREDENTIALS_IN_ADDRESS = re.compile(r"://[^/\s]*@")
_SECRET_ENDINGS = ("_KEY", "_KEY_ID", "_TOKEN", "_SECRET", "_PASSWORD", "_CREDENTIALS", "_USERNAME")


def job_environment(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the variables a job is started with.

    A token in the environment is left out even under an allowed prefix: a gated model is found through the hub's own
    login file.

    Args:
        environment: the variables to choose from; those of this process when left out.
    """
    given = os.environ if environment is None else environment
    chosen = {name: value for name, value in given.items() if _allowed(name, value)}
    # A folder named like one of ours in the directory a job starts in must not be imported.
    chosen["PYTHONSAFEPATH"] = "1"
    chosen["PYTHONUNBUFFERED"] = "1"
    root = package_root()
    if root not in {Path(path).resolve() for path in (sysconfig.get_path("purelib"), sysconfig.get_path("platlib"))}:
        chosen["PYTHONPATH"] = str(root)
    return chosen


def _allowed(name: str, value: str) -> bool:
    if name.upper().endswith(_SECRET_ENDINGS):
        return False
    if _CREDENTIALS_IN_ADDRESS.search(value) or (name in _PROXIES and "@" in value):
        return False
    return name in _ALLOWED or name in _PROXIES or name.startswith(_ALLOWED_PREFIXES)
