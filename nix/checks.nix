# Edit here: what `nix flake check` proves of each service.
{
  lib,
  pkgs,
  services,
  ...
}:
lib.mapAttrs (
  name: service:
  pkgs.stdenv.mkDerivation {
    name = "${name}-tests";
    src = lib.fileset.toSource {
      root = ../.;
      fileset = lib.fileset.unions [
        service.folder
        ../contracts
      ];
    };
    nativeBuildInputs = [ service.testing ];
    buildPhase = ''
      ${lib.getExe service.package} --help
      cd ${service.path}
      ruff check --no-cache .
      ruff format --no-cache --check .
      PYTHONPATH=src lint-imports --no-cache
      rm -r src # the tests are of the installed package
      HOME=$TMPDIR pytest -p no:cacheprovider
    '';
    installPhase = "touch $out";
  }
) services
