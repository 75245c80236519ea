# Edit here: how `nix run .#up` starts the shop and its stores as processes, without containers.
{
  lib,
  nixpkgs,
  pkgs,
  services,
}:
let
  # MongoDB's licence is not a free one; nothing but this stack on one's own machine has it.
  inherit
    (import nixpkgs {
      inherit (pkgs.stdenv.hostPlatform) system;
      config.allowUnfreePredicate = package: lib.getName package == "mongodb-ce";
    })
    mongodb-ce
    ;

  told = lib.importTOML ./processes.toml;
  withWorker = lib.filterAttrs (_: variables: variables ? BROKER_URL) told;
  environment =
    name:
    lib.mapAttrsToList (
      variable: value:
      "${variable}=${lib.replaceStrings [ "{contracts}" ] [ "${../contracts}" ] value}"
    ) told.${name};

  healthy = lib.flip lib.genAttrs (_: {
    condition = "process_healthy";
  });
  probe = {
    period_seconds = 1;
    timeout_seconds = 5;
    failure_threshold = 60;
  };
  comesBack.availability.restart = "always";
  ours = comesBack // {
    shutdown.timeout_seconds = 35; # what a process of ours has begun may take 30
  };

  store = port: {
    readiness_probe = probe // {
      exec.command = "${lib.getExe pkgs.bash} -c ': < /dev/tcp/127.0.0.1/${toString port}'";
    };
  };
  stores = {
    mongo = store 27017 // {
      command = ''mkdir -p "$SHOP/mongo" && exec ${mongodb-ce}/bin/mongod --dbpath "$SHOP/mongo" --bind_ip 127.0.0.1'';
    };
    rabbitmq = store 5672 // {
      command = ''mkdir -p "$SHOP/rabbitmq" && exec ${pkgs.rabbitmq-server}/bin/rabbitmq-server'';
      environment = [
        "HOME=$SHOP/rabbitmq"
        "RABBITMQ_MNESIA_BASE=$SHOP/rabbitmq"
        "RABBITMQ_LOG_BASE=$SHOP/rabbitmq"
        "RABBITMQ_ENABLED_PLUGINS_FILE=${pkgs.writeText "plugins" "[]."}"
        # Nothing of a RabbitMQ that this machine may have, and nothing but loopback.
        "RABBITMQ_CONFIG_FILE=$SHOP/rabbitmq/none"
        "RABBITMQ_CONF_ENV_FILE=$SHOP/rabbitmq/none"
        "RABBITMQ_NODENAME=shop@localhost"
        "RABBITMQ_NODE_IP_ADDRESS=127.0.0.1"
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=-kernel inet_dist_use_interface {127,0,0,1}"
        "ERL_EPMD_ADDRESS=127.0.0.1"
      ];
    };
    redis = store 6379 // {
      command = "exec ${pkgs.valkey}/bin/valkey-server --bind 127.0.0.1 --save '' --maxmemory 128mb --maxmemory-policy allkeys-lru";
    };
  };

  web =
    name:
    let
      inherit (services.${name}) package port project;
    in
    ours
    // {
      command = "exec ${package}/bin/gunicorn -c ${package}/etc/gunicorn.conf.py '${project.name}.app:create_app()'";
      environment = environment name ++ [
        "BIND=127.0.0.1:${toString port}"
        "METRICS_BIND=127.0.0.1:${toString (port + 100)}" # as `make up` has it
      ];
      readiness_probe = probe // {
        http_get = {
          host = "127.0.0.1";
          path = "/health/live";
          port = toString port;
        };
      };
      depends_on = healthy (
        if withWorker ? ${name} then
          lib.attrNames stores
        else
          map (other: "${other}-web") (lib.attrNames withWorker)
      );
    };
  worker =
    name:
    ours
    // {
      command = "exec ${lib.getExe services.${name}.package} worker";
      environment = environment name ++ [
        "METRICS_BIND=127.0.0.1:${toString (services.${name}.port + 110)}"
      ];
      depends_on = healthy (lib.attrNames stores);
    };

  processes =
    lib.mapAttrs (_: found: comesBack // found) stores
    // lib.mapAttrs' (name: _: lib.nameValuePair "${services.${name}.project.name}-web" (web name)) told
    // lib.mapAttrs' (name: _: lib.nameValuePair "${name}-worker" (worker name)) withWorker
    // {
      # Once: the password stays in a file that only its owner reads.
      admin = {
        command = ''
          umask 077
          test -e "$SHOP/admin-password" || head -c 15 /dev/urandom | base64 > "$SHOP/admin-password"
          exec ${lib.getExe services.users.package} admin create --email admin@shop.example --password-file "$SHOP/admin-password"
        '';
        environment = environment "users";
        depends_on = healthy [ "users-web" ];
      };
    };

  stack = (pkgs.formats.yaml { }).generate "shop.yaml" {
    version = "0.5";
    inherit processes;
  };
in
{
  up = {
    type = "app";
    program = lib.getExe (
      pkgs.writeShellApplication {
        name = "shop-up";
        runtimeInputs = [
          pkgs.bash
          pkgs.coreutils
          pkgs.process-compose
        ];
        # By itself process-compose listens on 8080, which is the gateway's, and reads any .env.
        text = ''
          export SHOP="''${SHOP:-$PWD/.run/nix}"
          mkdir -p "$SHOP"
          echo "The shop will be at http://127.0.0.1:8080/docs; its data, and admin-password, in $SHOP."
          exec process-compose up --use-uds --disable-dotenv --log-file "$SHOP/process-compose.log" \
            --config ${stack} "$@"
        '';
      }
    );
    meta.description = "The whole shop as processes, with MongoDB, RabbitMQ and Valkey";
  };
}
