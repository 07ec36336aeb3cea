# Metrics for Prometheus: Airflow's own, what airflow-health finds, and those of MySQL and Redis.
{
  config,
  lib,
  pkgs,
  ...
}:

let
  inherit (lib)
    literalExpression
    mapAttrs'
    mkDefault
    mkEnableOption
    mkIf
    mkMerge
    mkOption
    nameValuePair
    types
    ;

  cfg = config.services.airflow;
  metrics = cfg.metrics;
  helpers = import ./lib.nix { inherit config lib pkgs; };

  program = pkgs.writeTextDir "metrics.py" (builtins.readFile ./metrics.py);

  target =
    name:
    let
      exporter = config.services.prometheus.exporters.${name};
      address = if exporter.listenAddress == "0.0.0.0" then "127.0.0.1" else exporter.listenAddress;
    in
    lib.optional exporter.enable "${address}:${toString exporter.port}";

  # The exporter wants to know whose password it is.
  redisPassword = pkgs.writeShellScript "airflow-redis-exporter-password" ''
    set -euo pipefail
    ${lib.getExe pkgs.jq} --raw-input --slurp '{"unix:///run/redis-airflow/redis.sock": rtrimstr("\n")}' \
      "$CREDENTIALS_DIRECTORY/redis-password" > "$RUNTIME_DIRECTORY/passwords.json"
  '';

  mapping = pkgs.writeText "airflow-statsd-mapping.yaml" (builtins.readFile ./statsd-mapping.yaml);
in
{
  options.services.airflow.metrics = {
    enable = mkEnableOption ''
      metrics for Prometheus: Airflow's own through NixOS's StatsD exporter
      ({option}`services.prometheus.exporters.statsd`), and once a minute what
      `airflow-health` finds. Every host of Airflow has its own'';

    listenAddress = mkOption {
      type = types.str;
      default = "127.0.0.1";
      example = "10.0.0.1";
      description = ''
        Address at which Prometheus reads the exporters. They ask nobody for a password,
        and no firewall is opened: give the address of a private network, and open
        {option}`services.prometheus.exporters.statsd.port` (9102) and those of `mysqld`
        (9104) and `redis` (9121) to the Prometheus server alone.
      '';
    };

    statsdPort = mkOption {
      type = types.port;
      default = 9125;
      description = "UDP port of 127.0.0.1 to which metrics are sent.";
    };

    mysqld.enable = mkOption {
      type = types.bool;
      default = cfg.database.createLocally;
      defaultText = literalExpression "config.services.airflow.database.createLocally";
      description = ''
        Whether to have the metrics of this host's MySQL, too. The exporter is a MySQL
        user of its own, `mysqld-exporter`, who may see the server's counters and
        settings, and no table and no query of anybody.
      '';
    };

    redis.enable = mkOption {
      type = types.bool;
      default = cfg.redis.createLocally;
      defaultText = literalExpression "config.services.airflow.redis.createLocally";
      description = "Whether to have the metrics of this host's Redis, too.";
    };

    prometheus.enable = mkEnableOption ''
      a Prometheus server on this host ({option}`services.prometheus`) that reads this
      host's exporters and has the alert rules. It listens at 127.0.0.1'';

    alertRules = mkOption {
      type = types.attrsOf types.path;
      description = ''
        Files of example alert rules for Prometheus, by name. They are in
        `/etc/airflow/metrics`, too, as `NAME-alerts.yaml`.
      '';
    };

    dashboards = mkOption {
      type = types.attrsOf types.path;
      example = literalExpression "{ ours = ./dashboard.json; }";
      description = ''
        Files of dashboards for Grafana, by name. They are in `/etc/airflow/metrics`, too,
        as `NAME-dashboard.json`, from where a Grafana of this host has them by
        `services.grafana.provision.dashboards.settings.providers = [ { name = "Airflow"; options.path = "/etc/airflow/metrics"; } ];`.
      '';
    };

    folder = mkOption {
      internal = true;
      type = types.package;
      default = program;
      description = "Where the program is.";
    };
  };

  config = mkIf (cfg.enable && metrics.enable) (
    mkMerge [
      {
        services.airflow = {
          metrics = {
            alertRules.airflow = pkgs.writeText "airflow-alerts.yaml" (builtins.readFile ./alerts.yaml);
            dashboards.airflow = pkgs.writeText "airflow-dashboard.json" (builtins.readFile ./dashboard.json);
          };

          extraPythonPackages = ps: [ ps.statsd ];

          settings.metrics = {
            statsd_on = mkDefault true;
            statsd_host = mkDefault "127.0.0.1";
            statsd_port = mkDefault metrics.statsdPort;
            # Labels as tags, which the exporter understands; without it, names hold them, and
            # whoever has a dot in a DAG's name can't tell which part is what.
            statsd_influxdb_enabled = mkDefault true;
            legacy_names_on = mkDefault false;
          };
        };

        environment.etc =
          mapAttrs' (
            name: file: nameValuePair "airflow/metrics/${name}-alerts.yaml" { source = file; }
          ) metrics.alertRules
          // mapAttrs' (
            name: file: nameValuePair "airflow/metrics/${name}-dashboard.json" { source = file; }
          ) metrics.dashboards;

        services.prometheus.exporters.statsd = {
          enable = true;
          listenAddress = mkDefault metrics.listenAddress;
          extraFlags = [
            "--statsd.listen-udp=127.0.0.1:${toString metrics.statsdPort}"
            "--statsd.listen-tcp="
            "--statsd.mapping-config=${mapping}"
          ];
        };

        systemd.services.airflow-metrics = helpers.mkService "airflow-metrics" {
          description = "Airflow: metrics of what airflow-health finds";
          role = "alarm";
          user = if helpers.hasServer then "airflow" else "airflow-worker";
          environment.PYTHONPATH = "${metrics.folder}:${cfg.health.folder}";
          serviceConfig = helpers.quiet // {
            Type = "oneshot";
            TimeoutStartSec = "5min";
            ExecStart = lib.concatStringsSep " " [
              "${helpers.python} ${metrics.folder}/metrics.py"
              "${toString metrics.statsdPort} ${cfg.health.settingsFile}"
            ];
          };
        };

        systemd.timers.airflow-metrics = {
          wantedBy = [ "airflow.target" ];
          partOf = [ "airflow.target" ];
          timerConfig = {
            OnActiveSec = "1s";
            OnUnitActiveSec = "1min";
            AccuracySec = "1s";
          };
        };
      }

      (mkIf metrics.prometheus.enable {
        services.prometheus = {
          enable = true;
          listenAddress = mkDefault "127.0.0.1";
          ruleFiles = lib.attrValues metrics.alertRules;
          scrapeConfigs = [
            {
              job_name = "airflow";
              static_configs = [ { targets = lib.concatMap target [ "statsd" "mysqld" "redis" ]; } ];
            }
          ];
        };
      })

      (mkIf metrics.mysqld.enable {
        services.prometheus.exporters.mysqld = {
          enable = true;
          listenAddress = mkDefault metrics.listenAddress;
          configFile = mkDefault (
            toString (
              pkgs.writeText "airflow-mysqld-exporter.cnf" ''
                [client]
                user = mysqld-exporter
                socket = /run/mysqld/mysqld.sock
              ''
            )
          );
          # They take privileges that show more than counters.
          extraFlags = map (name: "--no-collect.${name}") [
            "info_schema.innodb_cmp"
            "info_schema.innodb_cmpmem"
            "slave_status"
          ];
        };

        # A user of the system is one of MySQL, and this one has no other right.
        services.mysql.ensureUsers = [
          {
            name = "mysqld-exporter";
            ensurePermissions."*.*" = "USAGE";
          }
        ];
        users.users.mysqld-exporter = {
          isSystemUser = true;
          group = "mysqld-exporter";
          description = "Prometheus' exporter of MySQL";
        };
        users.groups.mysqld-exporter = { };
      })

      (mkIf metrics.redis.enable {
        services.prometheus.exporters.redis = {
          enable = true;
          listenAddress = mkDefault metrics.listenAddress;
          extraFlags = [
            "-redis.addr=unix:///run/redis-airflow/redis.sock"
          ]
          ++ lib.optional (
            cfg.redis.passwordFile != null
          ) "-redis.password-file=%t/prometheus-redis-exporter/passwords.json";
        };

        systemd.services.prometheus-redis-exporter.serviceConfig = {
          # Who may open the socket.
          SupplementaryGroups = [ "redis-airflow" ];
        }
        // lib.optionalAttrs (cfg.redis.passwordFile != null) {
          LoadCredential = "redis-password:${cfg.redis.passwordFile}";
          RuntimeDirectory = "prometheus-redis-exporter";
          ExecStartPre = toString redisPassword;
        };
      })
    ]
  );
}
