# Edit here: what an image holds beside the service, and how it starts: `nix build .#<service>-image`.
{
  lib,
  pkgs,
  services,
  ...
}:
lib.mapAttrs' (
  name: service:
  let
    inherit (service) package project;
    port = toString service.port;
  in
  lib.nameValuePair "${name}-image" (
    pkgs.dockerTools.buildLayeredImage {
      name = "shop/${project.name}";
      tag = project.version;
      extraCommands = "mkdir -m 1777 tmp";
      config = {
        Cmd = [
          "gunicorn"
          "-c"
          "${package}/etc/gunicorn.conf.py"
          "${project.name}.app:create_app()"
        ];
        Env = [
          "PATH=${package}/bin"
          "HOME=/tmp"
          "PYTHONUNBUFFERED=1"
          "BIND=0.0.0.0:${port}"
          "METRICS_BIND=0.0.0.0:9100"
        ];
        ExposedPorts."${port}/tcp" = { };
        ExposedPorts."9100/tcp" = { };
        User = "10001:10001";
        WorkingDir = "/tmp";
        # As in the Dockerfile, in nanoseconds: compose waits for it.
        Healthcheck = {
          Test = [
            "CMD"
            "python"
            "-c"
            "from urllib.request import urlopen; urlopen('http://127.0.0.1:${port}/health/live', timeout=3)"
          ];
          Interval = 15000000000;
          Timeout = 10000000000;
          StartPeriod = 60000000000;
          StartInterval = 2000000000;
        };
        Labels = {
          "org.opencontainers.image.title" = project.name;
          "org.opencontainers.image.description" = project.description;
          "org.opencontainers.image.version" = project.version;
          "org.opencontainers.image.licenses" = project.license;
        };
      };
    }
  )
) services
