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

  program = pkgs.writeText "cleanup.py" (builtins.readFile ./cleanup.py);
in
{
  options.services.airflow.databaseCleanup = {
    enable = lib.mkEnableOption "the regular deletion of old rows (runs, task instances, logs) from the database";
    startAt = helpers.mkStartAt "weekly" "delete old rows";
    retentionDays = mkOption {
      type = types.ints.positive;
      default = 90;
      description = ''
        Age in days from which rows are deleted. What MySQL would refuse to delete stays
        until it is no longer referred to: a DAG with a task instance that never started.
        It takes an hour at most, and goes on at its next time.
      '';
    };
  };

  config = lib.mkIf (cfg.enable && helpers.hasServer && cfg.databaseCleanup.enable) {
    systemd.services.airflow-database-cleanup = helpers.mkJob "airflow-database-cleanup" {
      description = "Airflow: delete rows older than ${toString cfg.databaseCleanup.retentionDays} days";
      role = "cleanup";
      inherit (cfg.databaseCleanup) startAt;
      serviceConfig = helpers.offlineIfLocal // {
        TimeoutStartSec = "1h";
        ExecStart = "${helpers.python} ${program} ${toString cfg.databaseCleanup.retentionDays}";
      };
    };

    systemd.timers.airflow-database-cleanup.timerConfig.Persistent = true;
  };
}
