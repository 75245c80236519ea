"""What the compose files let people set is told, and what it gives each container is bounded."""

import json
import re
from pathlib import Path

import cluster
import make_secrets
import pytest
import yaml

from e2e.repository import ROOT, folder

TEXT = (ROOT / "compose/compose.yaml").read_text()
CONTAINERS = yaml.safe_load(TEXT)["services"]
EXAMPLE = (ROOT / "compose/.env.example").read_text()


def test_the_example_names_each_variable_with_its_default_and_a_sentence() -> None:
    text = "".join(path.read_text() for path in (ROOT / "compose").glob("*.yaml"))
    used = dict(re.findall(r"(?<!\$)\$\{(\w+):?-([^}]*)\}", text))
    assert used.keys() == set(re.findall(r"(?<!\$)\$\{?(\w+)", text)), "each has a default"
    paragraphs = EXAMPLE.strip().split("\n\n")[1:]
    told = dict(paragraph.splitlines()[-1].split("=", 1) for paragraph in paragraphs)
    assert told == used
    for paragraph in paragraphs:
        *sentences, _ = paragraph.splitlines()
        assert sentences and all(re.fullmatch(r"# [A-Z].*\.", line) for line in sentences)


def test_passwords_are_made_once_and_those_that_are_there_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(make_secrets, "FOLDER", tmp_path)
    make_secrets.main()
    before = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert before.keys() == make_secrets.make().keys()
    (tmp_path / "erlang_cookie").unlink()  # as in a folder of before there was a cluster
    make_secrets.main()
    after = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert {name for name in before if after[name] != before[name]} == {"erlang_cookie"}
    make_secrets.main()  # which is no failure
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == after
    assert "is left as it is" in capsys.readouterr().out


def test_every_container_has_a_bound_and_no_rights() -> None:
    for name, said in CONTAINERS.items():
        assert re.fullmatch(r"\d+[mg]", said["mem_limit"]), name
        assert said["read_only"] is True, name
        assert said["cap_drop"] == ["ALL"] and "cap_add" not in said, name
        assert said["security_opt"] == ["no-new-privileges:true"], name
        assert not {"privileged", "network_mode", "pid"} & set(said), name


def test_only_this_machine_reaches_a_port_and_only_the_gateway_has_one_by_default() -> None:
    published = {name: said["ports"] for name, said in CONTAINERS.items() if "ports" in said}
    assert [name for name in published if "profiles" not in CONTAINERS[name]] == ["gateway"]
    assert all(port.startswith("127.0.0.1:") for ports in published.values() for port in ports)
    for name, said in CONTAINERS.items():
        assert ("outside" in said["networks"]) == (name in published), name


def test_sources_stand_in_for_every_image_that_is_ours() -> None:
    dev = yaml.safe_load((ROOT / "compose/compose.dev.yaml").read_text())["services"]
    assert list(dev) == cluster.processes()
    for name, said in dev.items():
        service = name.removesuffix("-worker")
        assert f"../{folder(service).name}/src:/src:ro" in said["volumes"], name
        assert (ROOT / "compose" / said["volumes"][0].split(":")[0]).is_file(), name
        if name == service:
            image = (folder(service) / "Dockerfile").read_text()
            assert f"\nCMD {json.dumps(said['command'])}\n" in image, name
