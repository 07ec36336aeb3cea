# Old rows are deleted from the database from time to time.
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
in
{
  options.services.airflow.databaseCleanup = {
    enable = lib.mkEnableOption "the regular deletion of old rows (runs, task instances, logs) from the database";
    startAt = helpers.mkStartAt "weekly" "delete old rows";
    retentionDays = mkOption {
      type = types.ints.positive;
      default = 90;
      description = "Age in days from which rows are deleted.";
    };
  };

  config = lib.mkIf (cfg.enable && helpers.hasServer && cfg.databaseCleanup.enable) {
    systemd.services.airflow-database-cleanup = helpers.mkJob "airflow-database-cleanup" {
      description = "Airflow: delete rows older than ${toString cfg.databaseCleanup.retentionDays} days";
      role = "cleanup";
      inherit (cfg.databaseCleanup) startAt;
      serviceConfig = helpers.offlineIfLocal // {
        ExecStart = toString (
          pkgs.writeShellScript "airflow-database-cleanup" ''
            set -euo pipefail
            exec ${helpers.airflow} db clean --yes --skip-archive --error-on-cleanup-failure \
              --clean-before-timestamp "$(${pkgs.coreutils}/bin/date --utc --iso-8601=seconds \
                --date ${lib.escapeShellArg "${toString cfg.databaseCleanup.retentionDays} days ago"})"
          ''
        );
      };
    };

    systemd.timers.airflow-database-cleanup.timerConfig.Persistent = true;
  };
}
