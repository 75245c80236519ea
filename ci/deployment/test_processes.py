"""Both ways to run the shop as processes are compose.yaml on one's own machine."""

from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import arrows
import cluster
import nix_stack
import pytest
import stack
from place import PORTS, variables

from e2e import repository
from e2e.repository import SERVICES

Told = dict[str, dict[str, str]]


def told_by_make_up(run: Path) -> Told:
    """Each process of supervisord.conf, and what it is told."""
    values = {f"ENV_{name}": value for name, value in variables(run, PORTS).items()}
    conf = stack.read_conf()
    programs = [name for name in conf.sections() if name.endswith(("-web", "-worker"))]
    grouped = f"{conf.get('group:services', 'programs')},{conf.get('group:gateway', 'programs')}"
    names = [name.removeprefix("program:") for name in programs]
    assert sorted(names) == sorted(name.strip() for name in grouped.split(","))
    return {
        name.removesuffix("-web"): {
            variable: value % values
            for variable, value in repository.told_by_the_runner(name).items()
        }
        for name in names
    }


def told_by_nix(_: Path) -> Told:
    return nix_stack.told()


@pytest.fixture(params=[told_by_make_up, told_by_nix])
def told(request: pytest.FixtureRequest, tmp_path: Path) -> Told:
    read: Callable[[Path], Told] = request.param
    return read(tmp_path)


def test_they_run_the_processes_of_compose(told: Told) -> None:
    assert sorted(told) == sorted(cluster.processes())


def test_they_listen_where_they_are_looked_for(told: Told) -> None:
    for process, its in told.items():
        listens = f"127.0.0.1:{PORTS[process]}" if process in SERVICES else None
        assert its.get("BIND") == listens, process
        program = f"{process}-web" if process in SERVICES else process
        assert its["METRICS_BIND"] == f"127.0.0.1:{PORTS[f'{program}-metrics']}", process
    assert nix_stack.ports() == {name: PORTS[name] for name in SERVICES}
    assert nix_stack.stores() == {name: int(port) for name, port in arrows.LISTEN.items()}


def test_they_are_told_what_their_containers_are(told: Told) -> None:
    for process, its in told.items():
        there = cluster.compose()[process]["environment"]
        known = repository.settings(process.removesuffix("-worker"))
        required = {name for name, must in known.items() if must}
        names = {name.removesuffix("_FILE") for name in there}
        told_in_the_image = repository.OF_GUNICORN | repository.OF_THE_IMAGE
        assert required <= set(its) - told_in_the_image <= names, process
        for name, value in there.items():
            url = urlsplit(str(value))
            if url.hostname in cluster.compose():
                here = value.replace(f"//{url.hostname}:", "//127.0.0.1:")
                assert its[name] == here, (process, name)


def test_each_has_its_own_database_and_finds_the_stores(told: Told) -> None:
    for process, its in told.items():
        service = process.removesuffix("-worker")
        urls = {name: urlsplit(its.get(name, "")) for name in ("MONGO_URL", "CACHE_URL")}
        if urls["MONGO_URL"].scheme:
            assert urls["MONGO_URL"].path == f"/{service}", process
            assert its["BROKER_URL"] == told["users"]["BROKER_URL"], process
        assert its["CACHE_URL"] == told["users"]["CACHE_URL"], process
    of_nix = nix_stack.told()["users"]
    for name, store in arrows.STORE_OF.items():
        url = urlsplit(of_nix[name.removesuffix("_FILE")])
        assert (url.hostname, url.port) == ("127.0.0.1", nix_stack.stores()[store]), name


def test_they_have_as_long_to_stop_as_their_containers() -> None:
    given = {cluster.compose()[name]["stop_grace_period"] for name in cluster.processes()}
    assert given == {f"{seconds}s" for seconds in nix_stack.seconds_to_stop()}
    for name in cluster.processes():
        program = f"{name}-web" if name in SERVICES else name
        assert given == {f"{stack.read_conf().get(f'program:{program}', 'stopwaitsecs')}s"}, name
