# Redis carries the tasks to the workers and their results back.
{
  config,
  lib,
  pkgs,
  ...
}:

let
  inherit (lib) mkDefault mkOption types;

  cfg = config.services.airflow;
  redis = cfg.redis;
  helpers = import ./lib.nix { inherit config lib pkgs; };

  host = if redis.createLocally then "127.0.0.1" else toString redis.host;
  address = database: "@${host}:${toString redis.port}/${database}";

  url =
    database:
    if helpers.usesSocket then
      "redis+socket:///run/redis-airflow/redis.sock?virtual_host=${database}"
    else
      "redis://${host}:${toString redis.port}/${database}";
in
{
  options.services.airflow.redis = {
    createLocally = mkOption {
      type = types.bool;
      default = cfg.mainHost == null && redis.host == null;
      defaultText = lib.literalExpression "mainHost == null && redis.host == null";
      description = ''
        Whether to run a Redis server for Airflow on this host. The units reach it by
        its socket, which nobody else can open.
      '';
    };

    bind = mkOption {
      type = types.nullOr types.str;
      default = null;
      example = "10.0.0.1";
      description = ''
        Address of this host at which workers on other hosts reach its Redis; needs
        {option}`services.airflow.redis.passwordFile`. Redis doesn't encrypt: this is
        for a private network. When null, it listens on no network at all.
      '';
    };

    host = mkOption {
      type = types.nullOr types.str;
      default = cfg.mainHost;
      defaultText = lib.literalExpression "config.services.airflow.mainHost";
      example = "redis.internal.example.org";
      description = "Host of the Redis server, when that is another one.";
    };

    port = mkOption {
      type = types.port;
      default = 6379;
      description = "TCP port of a Redis server that is reached by the network.";
    };

    passwordFile = mkOption {
      type = types.nullOr helpers.pathOutsideStore;
      default = null;
      example = "/run/agenix/airflow-redis-password";
      description = "File with the password of a Redis server that is reached by the network.";
    };
  };

  config = lib.mkIf cfg.enable (
    lib.mkMerge [
      (lib.mkIf (redis.passwordFile == null) {
        services.airflow.settings.celery = {
          broker_url = mkDefault (url "0");
          # Not the database: workers have none.
          result_backend = mkDefault (url "1");
        };
      })

      (lib.mkIf (redis.passwordFile != null) {
        services.airflow.secrets.redis-password = {
          option = "services.airflow.redis.passwordFile";
          path = redis.passwordFile;
          roles = [
            "alarm"
            "cli"
            "scheduler"
            "worker"
            "worker-watch"
          ];
          environment = {
            AIRFLOW__CELERY__BROKER_URL_CMD = "${helpers.credential} redis-password redis://: ${address "0"}";
            AIRFLOW__CELERY__RESULT_BACKEND_CMD = "${helpers.credential} redis-password redis://: ${address "1"}";
          };
        };
      })

      (lib.mkIf redis.createLocally {
        services.redis.servers.airflow = {
          enable = true;
          # A queued task survives a restart of Redis, or of the host.
          appendOnly = mkDefault true;
          bind = mkDefault (if redis.bind == null then null else "127.0.0.1 ${redis.bind}");
          port = mkDefault (if redis.bind == null then 0 else redis.port);
          requirePassFile = mkDefault redis.passwordFile;
        };

        systemd.services.redis-airflow = helpers.serverKeptUp;

        users.users = lib.mkIf helpers.usesSocket {
          airflow = lib.mkIf helpers.hasServer { extraGroups = [ "redis-airflow" ]; };
          airflow-worker = lib.mkIf helpers.hasWorkers { extraGroups = [ "redis-airflow" ]; };
        };

        networking.firewall.allowedTCPPorts = lib.mkIf (cfg.openFirewall && redis.bind != null) [
          redis.port
        ];
      })
    ]
  );
}
