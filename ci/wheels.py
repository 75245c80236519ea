"""Which wheel each platform installs: reads locks, chooses wheels, checks wheels.json."""

import re
from dataclasses import dataclass, field
from pathlib import Path

from packaging.markers import Marker, default_environment
from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.utils import canonicalize_name, parse_wheel_filename

PYTHON = (3, 13)  # what the images and Nix use
GLIBC = 36  # 2.36 is Debian 12's: the oldest system the images and Nix builds have to run on
PLATFORMS = {"x86_64-linux": "x86_64", "aarch64-linux": "aarch64"}

Wheel = dict[str, str]  # name, version, file, sha256


@dataclass(frozen=True)
class Pin:
    """One line of a lock: a version, the marker under which it is installed, and its hashes."""

    name: str
    version: str
    marker: str = ""
    hashes: list[str] = field(default_factory=list)


def read_lock(path: Path) -> list[Pin]:
    """The pins of a pip lock; an absent lock has none."""
    pins: list[Pin] = []
    for line in path.read_text().splitlines() if path.exists() else []:
        if match := re.match(r"([\w.-]+)(?:\[[\w,-]+\])?==([^\s;]+)(?:\s*;\s*(.*?))?\s*\\?$", line):
            name, version, marker = match.groups()
            pins.append(Pin(canonicalize_name(name), version, marker or ""))
        elif match := re.match(r"\s+--hash=sha256:([0-9a-f]{64})", line):
            pins[-1].hashes.append(match[1])
        elif line.strip() and not line.startswith("#"):
            raise SystemExit(f"{path}: not a line of a hashed lock: {line}")
    return pins


def applies(pin: Pin, platform: str) -> bool:
    """Whether a pin is installed on this platform's Linux with our Python."""
    version = ".".join(map(str, PYTHON))
    machine = {
        "implementation_name": "cpython",
        "implementation_version": f"{version}.5",
        "os_name": "posix",
        "platform_machine": PLATFORMS[platform],
        "platform_python_implementation": "CPython",
        "platform_system": "Linux",
        "python_full_version": f"{version}.5",
        "python_version": version,
        "sys_platform": "linux",
    }
    return not pin.marker or Marker(pin.marker).evaluate({**default_environment(), **machine})


def platform_tags(platform: str) -> list[Tag]:
    """Every tag the platform accepts, the best first: newest manylinux before older ones."""
    machine = PLATFORMS[platform]
    legacy = {17: ["manylinux2014"], 12: ["manylinux2010"], 5: ["manylinux1"]}
    names: list[str] = []
    for minor in range(GLIBC, 4 if machine == "x86_64" else 16, -1):
        names += [f"{tag}_{machine}" for tag in [f"manylinux_2_{minor}", *legacy.get(minor, [])]]
    names.append(f"linux_{machine}")
    interpreter = "cp" + "".join(map(str, PYTHON))
    return [
        *cpython_tags(PYTHON, abis=[interpreter], platforms=names),
        *compatible_tags(PYTHON, interpreter=interpreter, platforms=names),
    ]


def rank(file: str, tags: list[Tag]) -> int | None:
    """How well a wheel fits: 0 is best, None is not at all."""
    wheel_tags = parse_wheel_filename(file)[3]
    return min((index for index, tag in enumerate(tags) if tag in wheel_tags), default=None)


def choose(pin: Pin, files: dict[str, str], platform: str) -> Wheel:
    """The best wheel of a pin; files maps sha256 to file name."""
    tags = platform_tags(platform)
    wheels = [(files[sha], sha) for sha in pin.hashes if files.get(sha, "").endswith(".whl")]
    fitting = [(rank(file, tags), file, sha) for file, sha in wheels]
    best = min((entry for entry in fitting if entry[0] is not None), default=None)
    if best is None:
        raise SystemExit(f"{pin.name} {pin.version} has no wheel for {platform}")
    return {"name": pin.name, "version": pin.version, "file": best[1], "sha256": best[2]}


def group(pins: list[Pin], files: dict[str, str]) -> dict[str, list[Wheel]]:
    """Wheels by platform; those that all platforms share are under `any`."""
    chosen = {
        platform: [choose(pin, files, platform) for pin in pins if applies(pin, platform)]
        for platform in PLATFORMS
    }
    first, *others = chosen.values()
    shared = [wheel for wheel in first if all(wheel in other for other in others)]
    own = {name: [wheel for wheel in ws if wheel not in shared] for name, ws in chosen.items()}
    return {"any": shared, **own}


def only_in_test(run: list[Pin], test: list[Pin]) -> list[Pin]:
    """What the tests add to what runs here; a pin of another system's does not count."""
    running = [pin for pin in run if any(applies(pin, platform) for platform in PLATFORMS)]
    known = {(pin.name, pin.version) for pin in running}
    return [pin for pin in test if (pin.name, pin.version) not in known]


def faults(name: str, pins: list[Pin], listed: dict[str, list[Wheel]]) -> list[str]:
    """Where one group of wheels.json and its lock differ, as sentences; needs no network."""
    found: list[str] = []
    for platform in PLATFORMS:
        tags = platform_tags(platform)
        wheels = {
            wheel["name"]: wheel for wheel in listed.get("any", []) + listed.get(platform, [])
        }
        wanted = {pin.name: pin for pin in pins if applies(pin, platform)}
        for missing in wanted.keys() - wheels.keys():
            found.append(f"{name}: {missing} has no wheel for {platform}")
        for extra in wheels.keys() - wanted.keys():
            found.append(f"{name}: {extra} for {platform} is not in the lock")
        for key in wanted.keys() & wheels.keys():
            wheel, pin = wheels[key], wanted[key]
            project, version, _, _ = parse_wheel_filename(wheel["file"])
            if (project, str(version)) != (pin.name, pin.version):
                found.append(f"{name}: {wheel['file']} is not {pin.name} {pin.version}")
            if wheel["sha256"] not in pin.hashes:
                found.append(f"{name}: the hash of {wheel['file']} is not in the lock")
            if rank(wheel["file"], tags) is None:
                found.append(f"{name}: {wheel['file']} does not run on {platform}")
    return found
