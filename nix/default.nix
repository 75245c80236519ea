# Edit here: which services there are, and on which systems they are built.
{ nixpkgs }:
let
  inherit (nixpkgs) lib;

  services = {
    users = { folder = ../users; port = 8001; };
    products = { folder = ../products; port = 8002; };
    orders = { folder = ../orders; port = 8003; };
    notifications = { folder = ../notifications; port = 8004; };
    api-gateway = { folder = ../api-gateway; port = 8080; };
  };
  linux = [
    "x86_64-linux"
    "aarch64-linux"
  ];
  systems = linux ++ [ "aarch64-darwin" ]; # of the shells and the formatter

  # What every kind of output is made from, on one system.
  on =
    system:
    let
      pkgs = nixpkgs.legacyPackages.${system};
    in
    {
      inherit lib nixpkgs pkgs;
      services = lib.mapAttrs (_: import ./service.nix { inherit lib pkgs; }) services;
    };
  each = systems: make: lib.genAttrs systems (system: make (on system));
in
{
  packages = each linux (
    args: import ./packages.nix args // import ./images.nix args // import ./sboms.nix args
  );
  apps = each linux (import ./apps.nix);
  devShells = each systems (import ./shells.nix);
  checks = each linux (import ./checks.nix);
  formatter = each systems ({ pkgs, ... }: pkgs.nixfmt-tree);
}
