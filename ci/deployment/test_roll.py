"""compose/roll.py replaces one container after the other, and stops at one that is not well."""

from __future__ import annotations

import sys

import pytest
import roll


class Engine:
    """Answers as docker does, of one service; every new container has the health it is told."""

    def __init__(self, *health: str) -> None:
        self.health = list(health)
        self.containers = ["old-1", "old-2"]
        self.said: list[tuple[str, str]] = []

    def __call__(self, *words: str) -> str:
        match words:
            case ("compose", "ps", *_):
                return "\n".join(self.containers)
            case (
                "compose",
                *_,
                "up",
                "--detach",
                "--no-deps",
                "--no-recreate",
                "--no-build",
                _,
                _,
                _,
            ):
                self.containers.append(f"new-{len(self.said)}")
            case ("inspect", *_):
                return f"{self.health[0]} 0" if len(self.health) == 1 else f"{self.health.pop(0)} 0"
            case ("stop" | "rm" as verb, name):
                self.said.append((verb, name))
                if verb == "rm":
                    self.containers.remove(name)
            case _:
                raise AssertionError(words)
        return ""


def rolled(monkeypatch: pytest.MonkeyPatch, engine: Engine) -> int:
    monkeypatch.setattr(roll, "docker", engine)
    monkeypatch.setattr(roll.time, "sleep", lambda _: None)
    monkeypatch.setattr(sys, "argv", ["roll.py", "orders"])
    return roll.main()


def test_each_old_one_goes_when_a_new_one_is_well(monkeypatch):
    engine = Engine("starting", "healthy")
    assert rolled(monkeypatch, engine) == 0
    assert [name for verb, name in engine.said if verb == "rm"] == ["old-1", "old-2"]
    assert len(engine.containers) == 2 and not {"old-1", "old-2"} & {*engine.containers}


def test_one_that_is_not_well_goes_again_and_the_others_stay(monkeypatch, capsys):
    engine = Engine("unhealthy")
    assert rolled(monkeypatch, engine) == 1
    assert engine.containers == ["old-1", "old-2"]
    assert "not healthy" in capsys.readouterr().out


def test_of_what_has_the_one_port_there_cannot_be_two(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["roll.py", "gateway"])
    with pytest.raises(SystemExit) as refused:
        roll.main()
    assert refused.value.code == 2
