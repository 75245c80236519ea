# Edit here: what `nix develop .#<service>` offers. Start it in the root of the checkout.
{
  lib,
  pkgs,
  services,
}:
lib.mapAttrs (
  _: service:
  pkgs.mkShell {
    packages = [
      service.testing
      pkgs.gnumake
    ];
    # The sources go before the installed copy of the service: what you edit is what runs.
    shellHook = ''
      export PYTHONPATH=$PWD/${service.path}/src
      cd ${service.path}
    '';
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
