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
        Who gets a mail when something of what `airflow-health` looks at has been unwell
        for {option}`services.airflow.alarm.afterSeconds`, and one when all is well again:
        units and their jobs, the web server's report of Airflow's parts, tasks that wait
        in queues, workers that take none, full disks, and a certificate that ends.
        It is sent as {option}`services.airflow.smtp` says; without that, or with an
        empty list, nobody is told.
      '';
    };

    afterSeconds = mkOption {
      type = types.ints.unsigned;
      default = 300;
      description = ''
        Seconds that it may be unwell before the mail: a restart or a short outage,
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
      environment.PYTHONPATH = toString cfg.health.folder;
      serviceConfig = helpers.quiet // {
        Type = "oneshot";
        StateDirectory = "airflow-alarm";
        TimeoutStartSec = "5min";
        ExecStart = "${helpers.python} ${program} ${settings} ${cfg.health.settingsFile}";
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
