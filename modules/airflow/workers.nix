# Celery workers, which run the tasks. They have a user of their own, that can reach
# neither the database nor a secret of the other units: what a task needs of Airflow it
# asks the web server for, with a token of its own.
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

  # Every worker has a folder of logs in common with the others of its host.
  logs.AIRFLOW__LOGGING__BASE_LOG_FOLDER = "/var/log/airflow-worker";
  logPort = cfg.settings.logging.worker_log_server_port or 8793;

  drain = pkgs.writeText "drain.py" (builtins.readFile ./drain.py);
  drainable = pkgs.writeText "airflow-drain.json" (
    builtins.toJSON (lib.mapAttrs (name: _: "${helpers.workerUnit name}.service") helpers.workers)
  );

  watch = pkgs.writeText "worker-watch.py" (builtins.readFile ./worker_watch.py);
  watched = pkgs.writeText "airflow-worker-watch.json" (
    builtins.toJSON {
      broker_url = cfg.settings.celery.broker_url or null;
      workers = lib.mapAttrsToList (name: worker: {
        inherit name;
        inherit (worker) queues;
        unit = "${helpers.workerUnit name}.service";
      }) helpers.workers;
    }
  );

  mkWorker =
    name: worker:
    let
      unit = helpers.workerUnit name;
    in
    lib.nameValuePair unit (
      helpers.mkService unit (
        helpers.daemon
        // {
          description = "Airflow: Celery worker ${name}";
          role = "worker";
          user = "airflow-worker";
          # Stopped before the web server (stopping is the reverse of starting), so
          # that the tasks that it waits for can report how they ended. It doesn't
          # require a thing: neither Redis nor a migration stops a running task.
          after = helpers.redisUnit ++ lib.optional cfg.webserver.enable "airflow-webserver.service";
          wants = helpers.redisUnit;
          # For Airflow's BashOperator.
          path = [ pkgs.bash ];
          environment = logs // {
            AIRFLOW__DATABASE__SQL_ALCHEMY_CONN = helpers.noDatabase;
          };
          serviceConfig = helpers.daemonConfig // {
            ExecStart = lib.concatStringsSep " " [
              helpers.airflow
              "celery worker"
              # By this name it refuses to be a second one.
              "--celery-hostname %H-${name}"
              "--concurrency ${toString worker.concurrency}"
              "--queues ${lib.concatStringsSep "," worker.queues}"
              "--pid %t/${unit}/pid"
              "--skip-serve-logs"
            ];
            # A task is supervised by its parent process, which must see it.
            ProtectProc = "default";
            # Draining: the worker's main process alone is told, takes no more tasks
            # and waits for the ones it has.
            KillMode = "mixed";
            KillSignal = "SIGTERM";
            TimeoutStopSec = worker.drainTimeout;
          };
        }
      )
    );
in
{
  options.services.airflow.workers = mkOption {
    type = types.attrsOf (
      types.submodule {
        options = {
          enable = mkOption {
            type = types.bool;
            default = true;
            description = "Whether to run this worker.";
          };

          concurrency = mkOption {
            type = types.int;
            default = 4;
            example = 16;
            description = "How many tasks it runs at a time. Each takes about 150 MB while it runs, before what it does itself.";
          };

          queues = mkOption {
            type = types.listOf types.str;
            default = [ "default" ];
            example = [
              "default"
              "large"
            ];
            description = "Queues that it takes tasks from (a task's `queue`).";
          };

          drainTimeout = mkOption {
            type = types.ints.positive;
            default = 3600;
            description = ''
              Seconds that a stop waits for running tasks: set it above the longest
              task. A deploy that changes the worker waits as long, and so does a
              shutdown of the host.
            '';
          };
        };
      }
    );
    example = {
      default.concurrency = 8;
      large = {
        concurrency = 1;
        queues = [ "large" ];
      };
    };
    description = ''
      Celery workers of this host, by name. The worker `default` is there unless it is
      disabled and is the unit `airflow-worker`; another is `airflow-worker-NAME`.
    '';
  };

  config = lib.mkMerge [
    { services.airflow.workers.default = { }; }

    (lib.mkIf (cfg.enable && helpers.hasWorkers) {
      users.users.airflow-worker = {
        isSystemUser = true;
        group = "airflow-worker";
        home = "/var/lib/airflow-worker";
        description = "Airflow's workers";
      };
      users.groups.airflow-worker = { };

      systemd.services = lib.mapAttrs' mkWorker helpers.workers // {
        airflow-worker-watch = helpers.mkService "airflow-worker-watch" (
          helpers.daemon
          // {
            description = "Airflow: restart workers that take no tasks";
            role = "worker-watch";
            user = "airflow-worker";
            after = helpers.redisUnit;
            serviceConfig = helpers.daemonConfig // {
              ExecStart = "${helpers.python} ${watch} ${watched}";
              # It sees the workers and their processes, and tells them to end.
              ProtectProc = "default";
              ProcSubset = "all";
            };
          }
        );

        # What the web server shows of a task's log, it fetches here. Airflow's worker has a
        # server of them of its own, which is a fourth of its memory; this one is there while
        # somebody looks, and while the worker isn't.
        airflow-worker-logs = helpers.mkService "airflow-worker-logs" {
          description = "Airflow: server of the logs of tasks";
          role = "worker-logs";
          user = "airflow-worker";
          environment = logs;
          serviceConfig = {
            Type = "exec";
            # After an hour it ends, and starts again when somebody looks again.
            ExecStart = lib.concatStringsSep " " [
              "${lib.getExe' pkgs.coreutils "timeout"} 1h"
              "${helpers.python} -m uvicorn --fd 3 --no-access-log"
              "--factory airflow.utils.serve_logs.log_server:get_app"
            ];
            SuccessExitStatus = "124 143";
            PrivatePIDs = false;
          };
        };
      };

      systemd.sockets.airflow-worker-logs = {
        description = "Airflow: logs of tasks";
        wantedBy = [ "airflow.target" ];
        partOf = [ "airflow.target" ];
        listenStreams = [ (toString logPort) ];
      };

      environment.systemPackages = [
        (pkgs.writeShellScriptBin "airflow-drain" ''
          exec ${helpers.interpreter} ${drain} ${drainable} "$@"
        '')
      ];

      networking.firewall.allowedTCPPorts = lib.mkIf cfg.openFirewall [ logPort ];
    })
  ];
}
