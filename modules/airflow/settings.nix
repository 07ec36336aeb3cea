{
  config,
  lib,
  pkgs,
  ...
}:

let
  inherit (lib) mkDefault mkOption types;

  cfg = config.services.airflow;

  # DAGs that a deploy brings lie behind a path that stays: it need not restart what
  # doesn't hold them in memory.
  deployed = lib.hasPrefix "${builtins.storeDir}/" "${cfg.dagsFolder}";

  scalar = types.oneOf [
    types.bool
    types.int
    types.float
    types.str
  ];

  # Airflow reads the file with Python's configparser, to which "%" is special.
  render =
    value:
    if lib.isBool value then
      if value then "True" else "False"
    else if lib.isList value then
      lib.concatMapStringsSep "," render value
    else if lib.isString value then
      lib.replaceStrings [ "%" "\n" ] [ "%%" "\n  " ] value
    else
      builtins.toJSON value;
in
{
  options.services.airflow = {
    settings = mkOption {
      type = types.attrsOf (types.attrsOf (types.nullOr (types.either scalar (types.listOf scalar))));
      default = { };
      example = {
        core.parallelism = 16;
        core.dags_are_paused_at_creation = false;
        scheduler.task_instance_heartbeat_timeout = 120;
      };
      description = ''
        Settings as `<section>.<key>`, which become airflow.cfg; see
        [Airflow's reference](https://airflow.apache.org/docs/apache-airflow/stable/configurations-ref.html).
        Values are written so that Airflow reads them as they stand here (a `%` is
        escaped); lists are joined with commas, and `null` leaves a default of this
        module out. The file is in the Nix store, which every user can read: give
        secrets by the options that take a file.
      '';
    };

    configFile = mkOption {
      type = types.package;
      readOnly = true;
      description = "The airflow.cfg that {option}`services.airflow.settings` becomes.";
    };
  };

  config = lib.mkIf cfg.enable {
    services.airflow = {
      configFile = pkgs.writeText "airflow.cfg" (
        lib.generators.toINI {
          mkKeyValue = key: value: "${key} = ${render value}";
        } (lib.mapAttrs (_: lib.filterAttrs (_: value: value != null)) cfg.settings)
      );

      settings = {
        core = {
          auth_manager = mkDefault "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager";
          dags_folder = mkDefault (if deployed then "/etc/airflow/dags" else toString cfg.dagsFolder);
          execution_api_server_url = mkDefault cfg.executionApiUrl;
          executor = mkDefault "CeleryExecutor";
          load_examples = mkDefault false;
        };
        api = {
          # Nobody would have to log in to read them.
          enable_swagger_ui = mkDefault false;
          base_url = mkDefault "http://${
            if cfg.mainHost == null then "localhost" else cfg.mainHost
          }:${toString cfg.webserver.port}";
          host = mkDefault cfg.webserver.host;
          port = mkDefault cfg.webserver.port;
        };
        # The default second between tasks is most of the run time of a short DAG.
        scheduler.scheduler_idle_sleep_time = mkDefault 0.1;
        # A finished task holds its slot until the next heartbeat.
        workers.min_heartbeat_interval = mkDefault 1;
        # In the journal, beside the files that the page shows.
        celery.task_logs_to_stdout = mkDefault true;
        # Above the longest task plus the drain, or Redis hands a task out twice.
        celery_broker_transport_options.visibility_timeout = mkDefault 86400;
        logging = {
          base_log_folder = mkDefault "/var/log/airflow";
          colored_console_log = mkDefault false;
          dag_processor_child_process_log_directory = mkDefault "/var/log/airflow/dag_processor";
          dag_processor_log_target = mkDefault "stdout";
        };
      };
    };

    environment.etc = lib.mkIf deployed { "airflow/dags".source = cfg.dagsFolder; };

    systemd.tmpfiles.settings.airflow = lib.mkIf (cfg.dagsFolder == "/var/lib/airflow-dags") {
      ${cfg.dagsFolder}.d = {
        user = "root";
        group = "root";
        mode = "0755";
      };
    };
  };
}
