# What the database needs from time to time: old rows deleted, and a copy elsewhere.
{
  config,
  lib,
  pkgs,
  ...
}:

let
  inherit (lib) mkOption types;

  cfg = config.services.airflow;
  db = cfg.database;
  helpers = import ./lib.nix { inherit config lib pkgs; };

  startAt =
    default: what:
    mkOption {
      type = types.str;
      inherit default;
      example = "Sun 04:00";
      description = "When to ${what}, as a systemd calendar event (systemd.time(7)).";
    };

  # Not with the daemons: they are started by their timers.
  mkJob =
    name: job:
    helpers.mkService name (
      {
        after = [ "airflow-migrate.service" ];
        requires = [ "airflow-migrate.service" ];
        inherit (job) startAt;
      }
      // job
      // {
        serviceConfig = {
          Type = "oneshot";
          TimeoutStartSec = "6h";
        }
        // helpers.offlineIfLocal
        // job.serviceConfig;
      }
    );

  mysql = if db.createLocally then config.services.mysql.package else pkgs.mysql84;
  connect =
    if db.createLocally then
      "socket=/run/mysqld/mysqld.sock"
    else
      "host=${toString db.host}\nport=${toString db.port}";
in
{
  options.services.airflow = {
    databaseCleanup = {
      enable = lib.mkEnableOption "the regular deletion of old rows (runs, task instances, logs) from the database";
      startAt = startAt "weekly" "delete old rows";
      retentionDays = mkOption {
        type = types.ints.positive;
        default = 90;
        description = "Age in days from which rows are deleted.";
      };
    };

    backup = {
      enable = lib.mkEnableOption "regular backups of Airflow's database";
      startAt = startAt "daily" "make a backup";
      directory = mkOption {
        type = helpers.pathOutsideStore;
        default = "/var/backup/airflow";
        description = ''
          Folder of the backups, `airflow-YYYYMMDDTHHMMSSZ.sql.gz`. To restore one,
          stop `airflow.target`, feed it to `mysql`, and start the target. The Fernet
          key isn't in it, and without the key its connections can't be read: keep
          {option}`services.airflow.credentials.fernetKeyFile` elsewhere too.
        '';
      };
      retentionDays = mkOption {
        type = types.ints.positive;
        default = 14;
        description = "Age in days from which backups are deleted.";
      };
    };
  };

  config = lib.mkIf (cfg.enable && helpers.hasServer) {
    systemd.services = {
      airflow-database-cleanup = lib.mkIf cfg.databaseCleanup.enable (
        mkJob "airflow-database-cleanup" {
          description = "Airflow: delete rows older than ${toString cfg.databaseCleanup.retentionDays} days";
          role = "cleanup";
          inherit (cfg.databaseCleanup) startAt;
          serviceConfig.ExecStart = toString (
            pkgs.writeShellScript "airflow-database-cleanup" ''
              set -euo pipefail
              exec ${helpers.airflow} db clean --yes --skip-archive --error-on-cleanup-failure \
                --clean-before-timestamp "$(${pkgs.coreutils}/bin/date --utc --iso-8601=seconds \
                  --date ${lib.escapeShellArg "${toString cfg.databaseCleanup.retentionDays} days ago"})"
            ''
          );
        }
      );

      airflow-backup = lib.mkIf cfg.backup.enable (
        mkJob "airflow-backup" {
          description = "Airflow: back up the database";
          role = "backup";
          inherit (cfg.backup) startAt;
          serviceConfig = {
            ReadWritePaths = [ cfg.backup.directory ];
            ExecStart = toString (
              pkgs.writeShellScript "airflow-backup" ''
                set -euo pipefail
                export PATH=${
                  lib.makeBinPath [
                    pkgs.coreutils
                    pkgs.findutils
                    pkgs.gzip
                    mysql
                  ]
                }
                {
                  printf '[client]\nuser=%s\n${connect}\n' ${lib.escapeShellArg db.user}
                  ${lib.optionalString (db.passwordFile != null) ''
                    password=$(${helpers.credential} database-password)
                    password=''${password//\\/\\\\}
                    printf 'password="%s"\n' "''${password//\"/\\\"}"
                  ''}
                } > "$RUNTIME_DIRECTORY/my.cnf"

                cd ${lib.escapeShellArg cfg.backup.directory}
                backup=airflow-$(date --utc +%Y%m%dT%H%M%SZ).sql.gz
                # On a full disk, half a backup would be in the way of everything else.
                trap 'rm -f -- "$backup.partial"' EXIT
                mysqldump --defaults-extra-file="$RUNTIME_DIRECTORY/my.cnf" --single-transaction \
                  --no-tablespaces --set-gtid-purged=OFF ${lib.escapeShellArg db.name} |
                  gzip > "$backup.partial"
                mv -- "$backup.partial" "$backup"
                find . -maxdepth 1 -name 'airflow-*.sql.gz*' -mtime +${
                  toString (cfg.backup.retentionDays - 1)
                } -delete
              ''
            );
          };
        }
      );
    };

    systemd.tmpfiles.settings.airflow = lib.mkIf cfg.backup.enable {
      ${cfg.backup.directory}.d = {
        user = "airflow";
        group = "airflow";
        mode = "0700";
      };
    };

    systemd.timers = {
      airflow-database-cleanup = lib.mkIf cfg.databaseCleanup.enable {
        timerConfig.Persistent = true;
      };
      airflow-backup = lib.mkIf cfg.backup.enable { timerConfig.Persistent = true; };
    };
  };
}
