# A mail when units stay unwell, and one when they are well again.
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

  program = pkgs.writeText "alarm.py" (builtins.readFile ./alarm.py);
  settings = pkgs.writeText "airflow-alarm.json" (
    builtins.toJSON {
      inherit (cfg.smtp)
        encryption
        from
        host
        port
        user
        ;
      after = cfg.alarm.afterSeconds;
      to = cfg.alarm.emails;
      # What Airflow wants is asked of systemd.
      units =
        helpers.databaseUnit
        ++ helpers.redisUnit
        ++ lib.optionals helpers.hasServer (
          map (name: "${name}-backup.service") (lib.attrNames cfg.backup.jobs)
          ++ lib.optional cfg.databaseCleanup.enable "airflow-database-cleanup.service"
        );
      health =
        if cfg.webserver.enable then
          "http://${address}:${toString cfg.webserver.port}/api/v2/monitor/health"
        else
          null;
    }
  );
in
{
  options.services.airflow.alarm = {
    emails = mkOption {
      type = types.listOf types.str;
      default = [ ];
      example = [ "operators@example.org" ];
      description = ''
        Who gets a mail when units of this host have been unwell for
        {option}`services.airflow.alarm.afterSeconds`, a failed backup or cleanup of the
        database among them, and one when all are well again.
        It is sent as {option}`services.airflow.smtp` says; without that, or with an
        empty list, nobody is told.
      '';
    };

    afterSeconds = mkOption {
      type = types.ints.unsigned;
      default = 300;
      description = ''
        Seconds that units may be unwell before the mail: a restart or a short outage,
        after which everything comes back by itself, is none. It is looked at once a
        minute, while `airflow.target` is not stopped.
      '';
    };
  };

  config = lib.mkIf (cfg.enable && cfg.smtp.enable && cfg.alarm.emails != [ ]) {
    systemd.services.airflow-alarm = helpers.mkService "airflow-alarm" {
      description = "Airflow: tell of units that stay unwell";
      role = "alarm";
      user = if helpers.hasServer then "airflow" else "airflow-worker";
      serviceConfig = {
        Type = "oneshot";
        StateDirectory = "airflow-alarm";
        TimeoutStartSec = "5min";
        ExecStart = "${lib.getExe' cfg.finalPackage "python"} ${program} ${settings}";
      };
    };

    systemd.timers.airflow-alarm = {
      wantedBy = [ "airflow.target" ];
      partOf = [ "airflow.target" ];
      timerConfig = {
        OnActiveSec = "1min";
        OnUnitActiveSec = "1min";
        AccuracySec = "1s";
      };
    };
  };
}
