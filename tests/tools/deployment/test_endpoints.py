from tools.deployment.endpoints import endpoints, servers


def test_endpoints_are_the_servers_that_answer_now(project) -> None:
    project.serving_run("r2", "http://127.0.0.1:2/v1")
    project.serving_run("r10", "http://127.0.0.1:10/v1")
    project.serving_run("r11", None)
    project.serving_run("r3", "http://127.0.0.1:3/v1")
    project.backend.states["r3"] = "finished"
    (project.layout.runs_dir / "notes").mkdir()
    (project.layout.runs_dir / "r12").mkdir()
    found = endpoints(project.layout, project.backend)
    assert [(endpoint.run_id, endpoint.url) for endpoint in found] == [
        ("r10", "http://127.0.0.1:10/v1"),
        ("r2", "http://127.0.0.1:2/v1"),
    ]
    assert found[0].models == ("seedling", "bank@1")
    assert [server.run_id for server in servers(project.layout, project.backend)] == ["r2", "r3", "r10", "r11"]


def test_endpoints_are_none_when_the_project_has_no_runs(project) -> None:
    assert endpoints(project.layout, project.backend) == ()
