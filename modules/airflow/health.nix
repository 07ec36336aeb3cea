# How everything of this host is: the command airflow-health, which the alarm asks too.
{
  config,
  lib,
  pkgs,
  ...
}:

let
  inherit (lib) mkOption types;

  cfg = config.services.airflow;
  helpers = import ./lib.nix { inherit config lib pkgs; };

  address = if cfg.webserver.host == "0.0.0.0" then "127.0.0.1" else cfg.webserver.host;

  settings = {
    # What Airflow wants is asked of systemd.
    units =
      helpers.databaseUnit
      ++ helpers.redisUnit
      ++ map (name: "${name}.service") helpers.timedJobs;
    timers = map (name: "${name}.timer") helpers.timedJobs;
    page =
      if cfg.webserver.enable then
        "http://${address}:${toString cfg.webserver.port}/api/v2/monitor/health"
      else
        null;
    database = cfg.database.name;
    client = if helpers.hasServer then helpers.mysqlClient { } else null;
    broker = if cfg.scheduler.enable then cfg.settings.celery.broker_url or "by a credential" else null;
    workers = lib.mapAttrsToList (name: worker: {
      inherit name;
      inherit (worker) queues;
    }) helpers.workers;
    workers_elsewhere = cfg.health.workersElsewhere;
    inherit (cfg.health) dags;
    folders = [
      "/var/lib/airflow"
      "/var/lib/airflow-worker"
      "/var/lib/mysql"
      "/var/lib/redis-airflow"
      "/var/log/airflow"
      "/var/log/airflow-worker"
      "/tmp"
    ]
    ++ lib.mapAttrsToList (_: job: job.directory) cfg.backup.jobs;
    certificate =
      if cfg.nginx.enable && (config.services.nginx.virtualHosts.${cfg.nginx.hostName}.forceSSL or false) then
        cfg.nginx.hostName
      else
        null;
  };
in
{
  options.services.airflow.health = {
    dags = mkOption {
      type = types.listOf types.str;
      default = [ ];
      example = [ "daily_etls" ];
      description = "DAGs of which `airflow-health` says the last day that is done.";
    };
    workersElsewhere = mkOption {
      type = types.listOf (types.strMatching "[A-Za-z0-9.-]+-[A-Za-z0-9_-]+");
      default = [ ];
      example = [ "worker1-default" ];
      description = ''
        Workers of other hosts, as HOST-WORKER, that `airflow-health` misses when they
        don't answer. Without being named here, a worker elsewhere is shown for as long
        as it answers.
      '';
    };
    folder = mkOption {
      internal = true;
      type = types.package;
      default = pkgs.writeTextDir "health.py" (builtins.readFile ./health.py);
      description = "Where the program is.";
    };
    settingsFile = mkOption {
      internal = true;
      type = types.package;
      default = pkgs.writeText "airflow-health.json" (builtins.toJSON settings);
      description = "What there is to look at.";
    };
  };

  config = lib.mkIf cfg.enable {
    environment.systemPackages = [
      (helpers.mkCommand {
        name = "airflow-health";
        user = if helpers.hasServer then "airflow" else "airflow-worker";
        role = "alarm";
        program = "${helpers.interpreter} ${cfg.health.folder}/health.py ${cfg.health.settingsFile}";
      })
    ];
  };
}
