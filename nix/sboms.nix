# Edit here: what the bill of materials of a service says: `nix build .#<service>-sbom`.
{
  lib,
  pkgs,
  services,
  ...
}:
lib.mapAttrs' (
  name: service:
  let
    inherit (service) project wheels;
    component = wheel: {
      type = "library";
      bom-ref = "pkg:pypi/${wheel.name}@${wheel.version}";
      inherit (wheel) name version;
      purl = "pkg:pypi/${wheel.name}@${wheel.version}";
      hashes = [
        {
          alg = "SHA-256";
          content = wheel.sha256;
        }
      ];
    };
    # CycloneDX, with no time and no serial number: the same wheels are the same file.
    sbom = {
      bomFormat = "CycloneDX";
      specVersion = "1.6";
      version = 1;
      metadata.component = {
        type = "application";
        bom-ref = project.name;
        inherit (project) name version description;
        licenses = [ { license.id = project.license; } ];
      };
      components = map component wheels;
      dependencies = [
        {
          ref = project.name;
          dependsOn = map (wheel: (component wheel).bom-ref) wheels;
        }
      ];
    };
  in
  lib.nameValuePair "${name}-sbom" (pkgs.writeText "${name}.cdx.json" (builtins.toJSON sbom))
) services
