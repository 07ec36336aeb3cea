# The logs of tasks: for how long, how many, and whether in S3 too.
{
  config,
  lib,
  pkgs,
  ...
}:

let
  inherit (lib) mkDefault mkOption types;

  cfg = config.services.airflow;
  helpers = import ./lib.nix { inherit config lib pkgs; };

  users =
    lib.optional helpers.hasServer "airflow" ++ lib.optional helpers.hasWorkers "airflow-worker";
  folder = user: "/var/log/${user}";

  program = pkgs.writeText "task-logs.py" (builtins.readFile ./task_logs.py);
in
{
  options.services.airflow.taskLogs = {
    retentionDays = mkOption {
      type = types.ints.positive;
      default = 30;
      description = ''
        Age in days at which this host deletes a log file of a task, a trigger or the
        reading of a DAG file, in {file}`/var/log/airflow` and
        {file}`/var/log/airflow-worker`, by systemd-tmpfiles. A file's age counts from when
        it was last written.
      '';
    };

    maxSize = mkOption {
      type = types.nullOr (types.strMatching "[0-9]+[MGT]");
      default = "10G";
      example = "500M";
      description = ''
        How much the log files of either folder may take, in powers of 1024: every hour the
        oldest are deleted while they take more. Airflow itself has no limit of one log.
        With null there is none.
      '';
    };

    remote = {
      url = mkOption {
        type = types.nullOr (types.strMatching "s3://.+");
        default = null;
        example = "s3://acme-airflow/task-logs";
        description = ''
          Where the log of each try is copied to when it ends, the same on every host. The
          page then shows it from there, also when its worker's host is gone, and the host's
          own file is emptied. How long it is kept there is for the bucket to say.
        '';
      };

      connection = mkOption {
        type = types.nullOr types.str;
        default = null;
        example = "task_logs";
        description = ''
          One of {option}`services.airflow.connections` of the main host, for the bucket:
          `aws://KEY:SECRET@/?region_name=eu-west-1`, with
          `&endpoint_url=https%3A%2F%2Fs3.example.org` for an S3 API other than AWS's. Workers
          ask the web server for it. With null, units take the AWS settings of their
          environment, or the host's instance role.
        '';
      };
    };
  };

  config = lib.mkIf cfg.enable {
    services.airflow.settings.logging = lib.mkIf (cfg.taskLogs.remote.url != null) {
      remote_logging = mkDefault true;
      remote_base_log_folder = mkDefault cfg.taskLogs.remote.url;
      remote_log_conn_id = mkDefault (
        if cfg.taskLogs.remote.connection == null then "" else cfg.taskLogs.remote.connection
      );
    };

    assertions = [
      {
        assertion =
          cfg.mainHost != null
          || cfg.taskLogs.remote.connection == null
          || cfg.connections ? ${cfg.taskLogs.remote.connection};
        message = "services.airflow.taskLogs.remote.connection: services.airflow.connections has no ${toString cfg.taskLogs.remote.connection}.";
      }
    ];

    systemd.tmpfiles.settings.airflow = lib.genAttrs (map folder users) (_: {
      e.age = "mM:${toString cfg.taskLogs.retentionDays}d";
    });

    systemd.services = lib.mkIf (cfg.taskLogs.maxSize != null) (
      lib.listToAttrs (
        map (
          user:
          lib.nameValuePair "${user}-log-size" (
            helpers.mkService "${user}-log-size" {
              description = "Airflow: keep ${folder user} below ${cfg.taskLogs.maxSize}";
              role = "log-size";
              inherit user;
              startAt = "hourly";
              serviceConfig =
                helpers.offline
                // helpers.quiet
                // {
                  Type = "oneshot";
                  ExecStart = "${helpers.python} ${program} ${folder user} ${cfg.taskLogs.maxSize}";
                };
            }
          )
        ) users
      )
    );
  };
}
