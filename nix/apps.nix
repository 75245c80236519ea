# Edit here: what `nix run .#up` starts: the shop and its stores as processes, without containers.
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

  url = name: "http://127.0.0.1:${toString services.${name}.port}";
  jwks = "${url "users"}/.well-known/jwks.json";
  answers = port: {
    exec.command = "${lib.getExe pkgs.bash} -c ': < /dev/tcp/127.0.0.1/${toString port}'";
    period_seconds = 1;
    failure_threshold = 60;
  };
  healthy = lib.flip lib.genAttrs (_: {
    condition = "process_healthy";
  });
  store = port: {
    readiness_probe = answers port;
    availability.restart = "always";
  };
  list = lib.mapAttrsToList (name: value: "${name}=${value}");

  told = {
    users = { };
    products.JWKS_URL = jwks;
    orders = {
      JWKS_URL = jwks;
      PRODUCTS_URL = url "products";
    };
    notifications.JWKS_URL = jwks;
  };
  environment =
    name:
    told.${name}
    // {
      MONGO_URL = "mongodb://127.0.0.1:27017/${name}";
      BROKER_URL = "amqp://127.0.0.1:5672//";
      CACHE_URL = "redis://127.0.0.1:6379/0";
    };
  web = name: more: {
    command = "${services.${name}.package}/bin/gunicorn -c ${services.${name}.package}/etc/gunicorn.conf.py '${services.${name}.project.name}.app:create_app()'";
    environment = list ({ BIND = "127.0.0.1:${toString services.${name}.port}"; } // more);
    readiness_probe = answers services.${name}.port;
    availability.restart = "always";
    shutdown.timeout_seconds = 35; # what a process of ours has begun may take 30
  };
  both = name: {
    "${name}-web" = web name (environment name) // {
      depends_on = healthy [ "mongo" "rabbitmq" "redis" ];
    };
    "${name}-worker" = {
      command = "${lib.getExe services.${name}.package} worker";
      environment = list (environment name);
      depends_on = healthy [ "mongo" "rabbitmq" "redis" ];
      availability.restart = "always";
      shutdown.timeout_seconds = 35;
    };
  };

  processes = {
    mongo = store 27017 // {
      command = "mkdir -p $SHOP/mongo && exec ${mongodb-ce}/bin/mongod --dbpath $SHOP/mongo --bind_ip 127.0.0.1";
    };
    rabbitmq = store 5672 // {
      command = "mkdir -p $SHOP/rabbitmq && exec ${pkgs.rabbitmq-server}/bin/rabbitmq-server";
      environment = [
        "HOME=$SHOP/rabbitmq"
        "RABBITMQ_MNESIA_BASE=$SHOP/rabbitmq"
        "RABBITMQ_LOG_BASE=$SHOP/rabbitmq"
        "RABBITMQ_ENABLED_PLUGINS_FILE=${pkgs.writeText "plugins" "[]."}"
        "RABBITMQ_NODENAME=shop@localhost"
        "RABBITMQ_NODE_IP_ADDRESS=127.0.0.1"
        "ERL_EPMD_ADDRESS=127.0.0.1"
      ];
    };
    redis = store 6379 // {
      command = "exec ${pkgs.valkey}/bin/valkey-server --bind 127.0.0.1 --save '' --maxmemory 128mb --maxmemory-policy allkeys-lru";
    };
    gateway-web =
      web "api-gateway" {
        USERS_URL = url "users";
        PRODUCTS_URL = url "products";
        ORDERS_URL = url "orders";
        NOTIFICATIONS_URL = url "notifications";
        JWKS_URL = jwks;
        CACHE_URL = "redis://127.0.0.1:6379/0";
        CONTRACTS_DIR = "${../contracts}";
      }
      // {
        depends_on = healthy (map (name: "${name}-web") (lib.attrNames told));
      };
    # Once: the password stays in a file that only its owner reads.
    admin = {
      command = ''
        umask 077
        test -e $SHOP/admin-password || head -c 15 /dev/urandom | base64 > $SHOP/admin-password
        ${lib.getExe services.users.package} admin create --email admin@shop.example --password-file $SHOP/admin-password
      '';
      environment = list (environment "users");
      depends_on = healthy [ "users-web" ];
    };
  }
  // lib.concatMapAttrs (name: _: both name) told;

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
          pkgs.coreutils
          pkgs.process-compose
        ];
        text = ''
          export SHOP="''${SHOP:-$PWD/.run/nix}"
          mkdir -p "$SHOP"
          echo "The shop will be at http://127.0.0.1:8080/docs; its data, and admin-password, in $SHOP."
          exec process-compose up --config ${stack} "$@"
        '';
      }
    );
    meta.description = "The whole shop as processes, with MongoDB, RabbitMQ and Valkey";
  };
}
