# The target, the migration and the units that work on the database.
{
  config,
  lib,
  pkgs,
  ...
}:

let
  cfg = config.services.airflow;
  helpers = import ./lib.nix { inherit config lib pkgs; };
  inherit (helpers) airflow daemon daemonConfig;

  migrate = pkgs.writeText "migrate.py" (builtins.readFile ./migrate.py);

  # Stopping or restarting the migration stops or restarts these, in order: so on an
  # upgrade they all stop, the database is migrated, and they start.
  afterMigration = {
    after = [ "airflow-migrate.service" ] ++ helpers.databaseUnit ++ helpers.redisUnit;
    requires = [ "airflow-migrate.service" ];
    wants = helpers.redisUnit;
  };

  barrier = helpers.overridable (
    helpers.hardening
    // {
      Type = "oneshot";
      User = if helpers.hasServer then "airflow" else "airflow-worker";
      PrivateNetwork = true;
      RestrictAddressFamilies = [ "AF_UNIX" ];
    }
  );

  waitForStops = pkgs.writeShellScript "airflow-wait-for-stops" ''
    stopping() {
      while read -r _ unit type _; do
        [[ $type == stop && $unit != airflow-stopped.service ]] && return
      done < <(${lib.getExe' pkgs.systemd "systemctl"} list-jobs --plain --no-legend 'airflow-*' 'etl-*')
      return 1
    }
    while stopping; do ${lib.getExe' pkgs.coreutils "sleep"} 0.1; done
  '';

  # A process that forks closes, in its child, what lies in its pool of connections: now and
  # then in the middle of a query of its own.
  forks.AIRFLOW__DATABASE__SQL_ALCHEMY_POOL_ENABLED = "False";

  mkDaemon =
    role: unit:
    helpers.mkService "airflow-${role}" (
      lib.recursiveUpdate (
        daemon
        // afterMigration
        // {
          inherit role;
          connections = true;
        }
      ) unit
    );
in
{
  config = lib.mkIf cfg.enable (
    lib.mkMerge [
      {
        # A target's own order is that of its services, so that it is up when they are; but
        # then it is down before they are, too. These two are in that order instead.
        systemd.targets.airflow = {
          description = "Airflow";
          wantedBy = [ "multi-user.target" ];
          wants = [
            "airflow-started.service"
            "airflow-stopped.service"
          ];
          after = [ "airflow-started.service" ];
          before = [ "shutdown.target" ];
          conflicts = [ "shutdown.target" ];
          unitConfig.DefaultDependencies = false;
        };

        systemd.services = {
          airflow-started = {
            description = "Airflow: wait for all that is started with airflow.target";
            # It is nothing between two starts, so that no stop waits for it.
            serviceConfig = barrier // {
              ExecStart = lib.getExe' pkgs.coreutils "true";
            };
          };

          airflow-stopped = {
            description = "Airflow: wait for all that is stopped with airflow.target";
            after = [ "airflow.target" ];
            partOf = [ "airflow.target" ];
            serviceConfig = barrier // {
              RemainAfterExit = true;
              ExecStart = lib.getExe' pkgs.coreutils "true";
              ExecStop = toString waitForStops;
              # As long as the workers have to drain.
              TimeoutStopSec = "infinity";
            };
          };
        };
      }

      (lib.mkIf helpers.hasServer {
        users.users.airflow = {
          isSystemUser = true;
          group = "airflow";
          home = "/var/lib/airflow";
          description = "Airflow's web server, scheduler, DAG processor and triggerer";
        };
        users.groups.airflow = { };

        systemd.services.airflow-migrate = helpers.mkService "airflow-migrate" {
          description = "Airflow: create or upgrade the database's tables";
          role = "migrate";
          after = helpers.databaseUnit;
          # Not required: what stops and starts MySQL is no reason to stop Airflow.
          wants = helpers.databaseUnit;
          wantedBy = [ "airflow.target" ];
          serviceConfig =
            helpers.oneshotConfig
            // helpers.offlineIfLocal
            // {
              ExecStart = lib.concatStringsSep " " (
                [ "${helpers.python} ${migrate}" ]
                ++ lib.optional cfg.backup.enable cfg.backup.jobs.airflow.command
              );
              # There is none yet when it is enabled while the host runs.
              ReadWritePaths = lib.optional cfg.backup.enable "-${cfg.backup.directory}";
            };
        };
      })

      (lib.mkIf cfg.webserver.enable {
        systemd.services.airflow-webserver = mkDaemon "webserver" {
          description = "Airflow: web page, REST API and execution API";
          aliases = [ "airflow-api-server.service" ];
          serviceConfig = daemonConfig // {
            ExecStart = "${airflow} api-server" + lib.optionalString cfg.nginx.enable " --proxy-headers";
          };
        };

        networking.firewall.allowedTCPPorts = lib.mkIf (
          cfg.openFirewall
          && !cfg.nginx.enable
          && !lib.elem cfg.webserver.host [
            "127.0.0.1"
            "::1"
            "localhost"
          ]
        ) [ cfg.webserver.port ];
      })

      (lib.mkIf cfg.scheduler.enable {
        systemd.services.airflow-scheduler = mkDaemon "scheduler" {
          description = "Airflow: scheduler";
          serviceConfig =
            daemonConfig
            // helpers.without "Adopting or resetting orphaned tasks"
            // {
              ExecStart = "${airflow} scheduler";
            };
        };
      })

      (lib.mkIf cfg.dagProcessor.enable {
        systemd.services.airflow-dag-processor = mkDaemon "dag-processor" {
          description = "Airflow: reader of the DAG files";
          restartTriggers = [ cfg.dagsFolder ];
          environment = forks;
          serviceConfig = daemonConfig // {
            ExecStart = "${airflow} dag-processor";
            # What ends the readers of files with it (psutil) reads /proc/stat.
            ProcSubset = "all";
          };
        };
      })

      (lib.mkIf cfg.triggerer.enable {
        systemd.services.airflow-triggerer = mkDaemon "triggerer" {
          description = "Airflow: triggerer of deferred tasks";
          environment = forks;
          serviceConfig =
            daemonConfig
            // helpers.without "(triggers|watchers) currently running"
            // {
              # The web server of the same host reads what it logs from the same files.
              ExecStart = "${airflow} triggerer" + lib.optionalString cfg.webserver.enable " --skip-serve-logs";
              # What it ends with when it has been asked a second time.
              SuccessExitStatus = 70;
            };
        };
      })
    ]
  );
}
