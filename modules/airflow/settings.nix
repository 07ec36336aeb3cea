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
          auth_manager = mkDefault "airflow_auth_manager.PasswordBoundFabAuthManager";
          # How soon a task that was lost with its worker is run again; 300 s by default.
          default_task_retry_delay = mkDefault 15;
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
          # A worker's server of logs starts when it is asked; by default it has 5 s for that.
          log_fetch_timeout_sec = mkDefault 30;
          port = mkDefault cfg.webserver.port;
        };
        api_auth = {
          # Seconds for which tokens are still good afterwards. By default (10 s) a task whose worker
          # could not reach the web server loses a try: its token is for as long as it may be queued.
          jwt_leeway = mkDefault 900;
          # Seconds, an hour with those: whoever has a token can have a new one until then, and
          # sessions renew theirs.
          jwt_expiration_time = mkDefault 2700;
        };
        fab = {
          # Seconds for which a user may still act who was deactivated, or deleted.
          cache_ttl = mkDefault 5;
          # Minutes without activity, and from the login on.
          session_lifetime_minutes = mkDefault 720;
          session_max_lifetime_minutes = mkDefault 10080;
        };
        scheduler = {
          # Seconds between tasks, which are most of the run time of a short DAG. 1 by default; 0.1 is
          # no faster than this, and takes twice the CPU when there is nothing to do.
          scheduler_idle_sleep_time = mkDefault 0.5;
          # A running task reports every second. By default one that lost its worker is missed
          # after 300 s.
          task_instance_heartbeat_timeout = mkDefault 30;
          task_instance_heartbeat_timeout_detection_interval = mkDefault 5;
          # After a power failure the old scheduler counts as alive for 30 s; by default the
          # next look for what it left is 300 s after the first.
          orphaned_tasks_check_interval = mkDefault 10;
        };
        workers = {
          # A finished task holds its slot until the next heartbeat.
          min_heartbeat_interval = mkDefault 1;
          # A task that can't report tries for 12 minutes, 1 to 15 s apart, before that costs it
          # a try; by default for 30 s.
          execution_api_retries = mkDefault 90;
          execution_api_retry_wait_max = mkDefault 15;
        };
        celery = {
          # A restart of Redis while a task is handed to it: by default (1 s) the task is taken
          # for sent, and missed after 10 minutes.
          operation_timeout = mkDefault 20;
          # Without Redis a task waits to be sent; by default it fails at the third try, in seconds.
          task_publish_max_retries = mkDefault 100000;
          # Tasks are handed to Redis in milliseconds, without processes to do it side by side.
          sync_parallelism = mkDefault 1;
          # In the journal, beside the files that the page shows.
          task_logs_to_stdout = mkDefault true;
        };
        # Above the longest task plus the drain, or Redis hands a task out twice.
        celery_broker_transport_options.visibility_timeout = mkDefault 86400;
        # A worker whose connection to Redis is dead, though nobody told it, makes another after
        # twice as many seconds; by default after 51.
        celery_broker_transport_options.health_check_interval = mkDefault 10;
        # A process of 50 MB beside every worker, for DAGs that come from git.
        dag_processor.stale_bundle_cleanup_interval = lib.mkIf (lib.all (bundle: bundle.git == null) (
          lib.attrValues cfg.dagBundles
        )) (mkDefault 0);
        # A table of all files every 30 s; the page has the errors.
        dag_processor.print_stats_interval = mkDefault 0;
        logging = {
          base_log_folder = mkDefault "/var/log/airflow";
          colored_console_log = mkDefault false;
          dag_processor_child_process_log_directory = mkDefault "/var/log/airflow/dag_processor";
          dag_processor_log_target = mkDefault "stdout";
          # The journal has the time; by the level and the brackets it knows a record's priority.
          log_format = mkDefault "%(levelname)s [%(name)s] %(message)s";
          logging_config_class = mkDefault "airflow_logging.LOGGING_CONFIG";
          # What is said of each DAG file whenever it is read.
          namespace_levels = mkDefault (
            lib.concatStringsSep " " [
              "airflow.dag_processing.dagbag=WARNING"
              "airflow.models.dag=WARNING"
              "airflow.serialization.definitions.dag=WARNING"
            ]
          );
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
