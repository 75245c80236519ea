# Edit here: what `nix develop .#<service>` offers, in the root of a checkout or the service's folder.
{
  lib,
  pkgs,
  services,
  ...
}:
let
  # On Linux exactly the wheels of the lock; elsewhere pip brings those of the same lock for its system.
  environment =
    service:
    if pkgs.stdenv.hostPlatform.isLinux then
      {
        packages = [ service.testing ];
        shellHook = "";
      }
    else
      {
        packages = [ pkgs.python313 ];
        shellHook = ''
          test -d .venv || python -m venv .venv
          .venv/bin/pip install --quiet --require-hashes -r requirements-test.lock
          .venv/bin/pip install --quiet --no-deps --no-build-isolation --editable .
          export PATH=$PWD/.venv/bin:$PATH
        '';
      };
in
lib.mapAttrs (
  _: service:
  pkgs.mkShell {
    packages = (environment service).packages ++ [ pkgs.gnumake ];
    # The sources go before the installed copy of the service: what you edit is what runs.
    shellHook = ''
      test ! -d ${service.path}/src || cd ${service.path}
      test -d src || echo "here are no sources: start this in the checkout's root" >&2
      export PYTHONPATH=$PWD/src
    ''
    + (environment service).shellHook;
  }
) services
// {
  # For `make up` and `make test`, which install what they need from the same locks.
  default = pkgs.mkShell {
    packages = [
      pkgs.python313
      pkgs.gnumake
    ];
  };
}
