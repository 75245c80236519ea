{
  description = "shop: independent Flask services that sell things";

  inputs.nixpkgs.url = "github:nixos/nixpkgs/nixos-unstable";

  outputs = { nixpkgs, ... }: import ./nix { inherit nixpkgs; };
}
