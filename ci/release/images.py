"""Puts images into a registry, and says by which digest each is to be had."""

import argparse
import json
import subprocess
import sys


def output(*command: str) -> str:
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout.strip()


def push(archive: str, registry: str, tag: str) -> str:
    """Push what `nix build .#<service>-image` made; a line NAME=IMAGE@DIGEST."""
    loaded = output("docker", "load", "--input", archive).rpartition(" ")[2]  # shop/users:0.1.0
    name = loaded.partition("/")[2].partition(":")[0]
    image = f"{registry}/{name}"
    output("docker", "tag", loaded, f"{image}:{tag}")
    output("docker", "push", "--quiet", f"{image}:{tag}")
    digests = output(
        "docker", "inspect", "--format", "{{join .RepoDigests `\n`}}", f"{image}:{tag}"
    )
    (pushed,) = (found for found in digests.splitlines() if found.startswith(f"{image}@"))
    return f"{name}={pushed}"


def join(lines: list[str], tag: str) -> str:
    """One image for every architecture, of the lines of one service; its line."""
    names, images = zip(*(line.split("=", 1) for line in lines), strict=True)
    (name,), (image,) = set(names), {each.partition("@")[0] for each in images}
    output("docker", "buildx", "imagetools", "create", "--tag", f"{image}:{tag}", *images)
    inspect = ["docker", "buildx", "imagetools", "inspect", "--format", "{{json .Manifest}}"]
    return f"{name}={image}@{json.loads(output(*inspect, f'{image}:{tag}'))['digest']}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    one = commands.add_parser("push", help="an image for one architecture; prints its line")
    one.add_argument("archive", help="what nix build .#<service>-image made")
    one.add_argument("registry", help="where to, before the name of the service")
    one.add_argument("tag", help="as 0.2.0-amd64")
    all_of_it = commands.add_parser(
        "join", help="of such lines on standard input, one for all architectures; prints its line"
    )
    all_of_it.add_argument("tag", help="as 0.2.0")
    options = parser.parse_args()
    if options.command == "push":
        print(push(options.archive, options.registry, options.tag))
    else:
        print(join(sys.stdin.read().split(), options.tag))
    return 0


if __name__ == "__main__":
    sys.exit(main())
