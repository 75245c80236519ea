# Edit here: what `nix build .#<service>` makes.
{ lib, services, ... }: lib.mapAttrs (_: service: service.package) services
