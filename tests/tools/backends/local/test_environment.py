from specs.roots import package_root
from tools.backends.local.environment import job_environment


def test_job_gets_what_it_computes_with():
    given = {"PATH": "/bin", "HOME": "/home", "HF_HOME": "/h", "CUDA_VISIBLE_DEVICES": "0", "LC_ALL": "C", "OMP_X": "1"}
    assert given.items() <= job_environment(given).items()


def test_job_gets_no_secret_and_nothing_unasked():
    given = {
        "AWS_ACCESS_KEY_ID": "",
        "AWS_SESSION_TOKEN": "",
        "AWS_PROFILE": "",
        "ANTHROPIC_API_KEY": "",
        "HF_TOKEN": "",
        "HF_API_KEY": "",
        "MLFLOW_TRACKING_PASSWORD": "",
        "MLFLOW_TRACKING_USERNAME": "",
        "CUDA_SECRET": "",
        "GITHUB_TOKEN": "",
        "PYTHONPATH": "/elsewhere",
        "PYTHONSTARTUP": "/elsewhere",
        "LD_PRELOAD": "",
        "KILL_AT": "submitted",
        "https_proxy": "http://name:word@proxy",
        "http_proxy": "name:word@proxy",
        "MLFLOW_TRACKING_URI": "https://name:word@tracking",
        "HF_ENDPOINT": "https://name:word@mirror",
    }
    assert job_environment(given).keys().isdisjoint(given.keys() - {"PYTHONPATH"})


def test_job_gets_a_proxy_without_a_password():
    assert job_environment({"https_proxy": "http://proxy:1"})["https_proxy"] == "http://proxy:1"


def test_job_finds_our_packages_and_none_of_the_same_name():
    made = job_environment({"PYTHONPATH": "/elsewhere"})
    assert made["PYTHONPATH"] == str(package_root())
    assert made["PYTHONSAFEPATH"] == "1"
