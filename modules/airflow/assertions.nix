# Mistakes that only the whole configuration shows.
{
  config,
  lib,
  pkgs,
  ...
}:

let
  cfg = config.services.airflow;
  db = cfg.database;
  helpers = import ./lib.nix { inherit config lib pkgs; };

  workerHost = helpers.hasWorkers && !helpers.hasServer;
  drain = lib.foldl' lib.max 0 (lib.mapAttrsToList (_: worker: worker.drainTimeout) helpers.workers);
  visibility = cfg.settings.celery_broker_transport_options.visibility_timeout;
in
{
  config = lib.mkIf cfg.enable {
    assertions = [
      {
        assertion = helpers.hasServer || helpers.hasWorkers;
        message = "services.airflow: this host runs nothing; enable a worker, or unset services.airflow.mainHost.";
      }
      {
        assertion =
          db.createLocally -> !lib.hasPrefix "mariadb" (lib.getName config.services.mysql.package);
        message = "services.airflow: services.mysql.package is MariaDB, on which Airflow's scheduler crashes; set it to pkgs.mysql84, or use a MySQL server on another host (services.airflow.database.host).";
      }
      {
        assertion = !(db.createLocally && db.host != null);
        message = "services.airflow.database: createLocally makes the database on this host, and host names another one; set one of them.";
      }
      {
        assertion = db.createLocally -> db.passwordFile == null;
        message = "services.airflow.database: a local database (createLocally) is reached by its socket and has no password; unset passwordFile.";
      }
      {
        assertion = db.createLocally && helpers.hasServer -> db.user == "airflow";
        message = "services.airflow.database: a local database (createLocally) knows its user by the OS user; leave user at \"airflow\".";
      }
      {
        assertion = db.createLocally -> builtins.match "[A-Za-z][A-Za-z0-9_]*" db.name != null;
        message = "services.airflow.database.name: ${db.name} cannot be a database on this host; letters, digits and underscores can, after a letter.";
      }
      {
        assertion = helpers.hasServer && !db.createLocally -> db.host != null;
        message = "services.airflow.database: this host runs Airflow's server units; set host, or createLocally = true.";
      }
      {
        assertion = !(cfg.redis.createLocally && cfg.redis.host != null);
        message = "services.airflow.redis: createLocally makes Redis on this host, and host names another one; set one of them (workers elsewhere reach this one by redis.bind).";
      }
      {
        assertion = cfg.redis.createLocally || cfg.redis.host != null;
        message = "services.airflow: without a broker no task gets to a worker; set mainHost, redis.host, or redis.createLocally = true.";
      }
      {
        assertion = cfg.redis.createLocally -> (cfg.redis.bind == null) == (cfg.redis.passwordFile == null);
        message = "services.airflow.redis: a local Redis that listens on the network (bind) needs passwordFile, and one on its socket takes none; set both or neither.";
      }
      {
        assertion = helpers.hasWorkers -> cfg.executionApiUrl != null;
        message = "services.airflow: the workers have no execution API to report to; set mainHost or executionApiUrl.";
      }
      {
        assertion = workerHost -> cfg.credentials.apiSecretKeyFile != null;
        message = "services.airflow.credentials.apiSecretKeyFile: a worker host needs the same key as the main host; give both the same file.";
      }
      {
        assertion = cfg.nginx.enable -> cfg.nginx.hostName != null;
        message = "services.airflow.nginx.hostName: set the name under which users reach Airflow.";
      }
      {
        assertion = cfg.nginx.enable -> cfg.webserver.enable;
        message = "services.airflow.nginx: there is no web server on this host to put nginx in front of.";
      }
      {
        assertion = !lib.isInt visibility || drain < visibility;
        message = "services.airflow.workers: a drainTimeout of ${toString drain} s is above settings.celery_broker_transport_options.visibility_timeout (${toString visibility} s), so Redis would hand a task out again while it still runs; raise that too.";
      }
    ]
    ++ lib.concatLists (
      lib.mapAttrsToList (name: worker: [
        {
          assertion = worker.concurrency >= 1;
          message = "services.airflow.workers.${name}.concurrency is ${toString worker.concurrency}; a worker runs at least 1 task at a time.";
        }
        {
          assertion = worker.queues != [ ];
          message = "services.airflow.workers.${name}.queues is empty; name a queue, or set enable = false.";
        }
        {
          assertion = builtins.match "[A-Za-z0-9_-]+" name != null;
          message = "services.airflow.workers: ${name} cannot be part of a unit's name; letters, digits, hyphens and underscores can.";
        }
      ]) helpers.workers
    );
  };
}
