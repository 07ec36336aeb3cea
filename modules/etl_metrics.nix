# What the warehouse knows of the days' loads, as metrics beside Airflow's.
{
  config,
  lib,
  pkgs,
  ...
}:

let
  inherit (lib) mkIf;

  cfg = config.services.etl;
  airflow = config.services.airflow;
  helpers = import ./airflow/lib.nix { inherit config lib pkgs; };

  user = "etl-metrics";
  program = pkgs.writeText "etl_metrics.py" (builtins.readFile ./etl_metrics.py);
  hasWarehouse = cfg.warehouse.createLocally || cfg.warehouse.urlFile != null;
in
{
  # Of all hosts, the one with the web server tells.
  config =
    mkIf (cfg.enable && airflow.metrics.enable && airflow.webserver.enable && hasWarehouse)
      {
        users.users.${user} = {
          isSystemUser = true;
          group = user;
          home = "/var/lib/${user}";
          description = "Reader of the warehouse, for metrics";
        };
        users.groups.${user} = { };

        services.mysql.ensureUsers = mkIf cfg.warehouse.createLocally [
          {
            name = user;
            ensurePermissions."warehouse.*" = "SELECT";
          }
        ];

        services.airflow.metrics = {
          alertRules.etl = pkgs.writeText "etl-alerts.yaml" (builtins.readFile ./etl_alerts.yaml);
          dashboards.etl = pkgs.writeText "etl-dashboard.json" (builtins.readFile ./etl_dashboard.json);
        };

        services.airflow.secrets.warehouse-url.roles = mkIf (cfg.warehouse.urlFile != null) [ user ];

        systemd.services.etl-metrics = helpers.mkService user {
          description = "etl: metrics of the days' loads";
          role = user;
          inherit user;
          after = [ "etl-migrate.service" ];
          # Its tables have to be there.
          requires = [ "etl-migrate.service" ];
          environment = {
            PYTHONPATH = "${airflow.metrics.folder}:${airflow.health.folder}";
          }
          // lib.optionalAttrs cfg.warehouse.createLocally {
            ETL_WAREHOUSE_URL = "mysql+mysqldb://${user}@localhost/warehouse?unix_socket=/run/mysqld/mysqld.sock&charset=utf8mb4";
          };
          serviceConfig = helpers.quiet // {
            Type = "oneshot";
            TimeoutStartSec = "5min";
            ExecStart = "${helpers.python} ${program} ${toString airflow.metrics.statsdPort}";
          };
        };

        systemd.timers.etl-metrics = {
          wantedBy = [ "airflow.target" ];
          partOf = [ "airflow.target" ];
          timerConfig = {
            OnActiveSec = "1s";
            OnUnitActiveSec = "2min";
            AccuracySec = "1s";
          };
        };
      };
}
