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
  systems = [
    "x86_64-linux"
    "aarch64-linux"
  ];

  # What every kind of output is made from, on one system.
  on =
    system:
    let
      pkgs = nixpkgs.legacyPackages.${system};
    in
    {
      inherit lib pkgs;
      services = lib.mapAttrs (_: import ./service.nix { inherit lib pkgs; }) services;
    };
  each = make: lib.genAttrs systems (system: make (on system));
in
{
  packages = each (args: import ./packages.nix args // import ./images.nix args);
  devShells = each (import ./shells.nix);
  checks = each (import ./checks.nix);
}
