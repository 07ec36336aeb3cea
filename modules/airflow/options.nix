{
  config,
  lib,
  pkgs,
  ...
}:

let
  inherit (lib)
    literalExpression
    mkEnableOption
    mkOption
    types
    ;

  cfg = config.services.airflow;
  isMain = cfg.mainHost == null;

  mkRole =
    what:
    mkOption {
      type = types.bool;
      default = isMain;
      defaultText = literalExpression "config.services.airflow.mainHost == null";
      description = "Whether this host runs ${what}.";
    };
in
{
  options.services.airflow = {
    enable = mkEnableOption ''
      Apache Airflow. On its own this is a complete host: web server, scheduler,
      DAG processor, triggerer and one Celery worker, with a MySQL and a Redis
      server that only they can reach. Workers on further hosts are made with
      {option}`services.airflow.mainHost`'';

    package = mkOption {
      type = types.package;
      default = pkgs.callPackage ../packages/airflow.nix { };
      defaultText = literalExpression "inputs.airflow.packages.\${system}.airflow";
      example = literalExpression ''
        inputs.airflow.packages.''${system}.airflow.override { wheels = ./wheels.json; }
      '';
      description = ''
        The Airflow to run, the same on every host. The default is all of the project's
        lock, and its `wheels` the list that `make lock` writes of one.

        Any other package will do that has a set of Python packages, `pythonPackages`,
        with `aiomysql`, `mysqlclient`, `redis`, for metrics `statsd`, and an
        `apache-airflow` that brings the celery, fab and mysql providers along.
      '';
    };

    extraPythonPackages = mkOption {
      type = types.functionTo (types.listOf types.package);
      default = _: [ ];
      defaultText = literalExpression "ps: [ ]";
      example = literalExpression "ps: [ ps.pandas ]";
      description = ''
        Python packages that the DAGs import, from the Python set of
        {option}`services.airflow.package`.
      '';
    };

    finalPackage = mkOption {
      type = types.package;
      readOnly = true;
      description = "The Python environment that the units run.";
    };

    mainHost = mkOption {
      type = types.nullOr types.str;
      default = null;
      example = "airflow.internal.example.org";
      description = ''
        Name or address of the host that has Airflow's web server and Redis, when
        that is another host. Setting it makes this one a worker host: it runs
        nothing but {option}`services.airflow.workers`, makes no database and no
        Redis, and needs no database credential.
      '';
    };

    executionApiUrl = mkOption {
      type = types.nullOr types.str;
      default =
        if !isMain then
          "http://${cfg.mainHost}:${toString cfg.webserver.port}/execution/"
        else if cfg.webserver.enable then
          "http://127.0.0.1:${toString cfg.webserver.port}/execution/"
        else
          null;
      defaultText = literalExpression ''"http://''${mainHost or 127.0.0.1}:''${port}/execution/"'';
      example = "https://airflow.example.org/execution/";
      description = ''
        Where tasks reach the execution API of the web server. The default is plain
        HTTP to the main host's port, for a private network; over any other, give
        the address of its nginx with `https`.
      '';
    };

    dagsFolder = mkOption {
      type = types.either types.path types.package;
      default = "/var/lib/airflow-dags";
      example = literalExpression "./dags";
      description = ''
        Folder of the DAG files; the same on every host. Give a path of the
        configuration (such as `./dags`), and a deploy brings it to the store and to
        `/etc/airflow/dags`: the DAG processor reads it at once, tasks that start from
        then on use it, and no running task is disturbed. The default is an empty
        folder to put files into by hand.
      '';
    };

    environment = mkOption {
      type = types.attrsOf types.str;
      default = { };
      example = {
        TZ = "UTC";
      };
      description = ''
        Environment of every Airflow unit and of the `airflow` command. It can be
        read by every user of the host: no secrets here, see
        {option}`services.airflow.extraCredentials`.
      '';
    };

    execPaths = mkOption {
      type = types.listOf types.str;
      default = [ builtins.storeDir ];
      defaultText = literalExpression "[ builtins.storeDir ]";
      example = [
        "/nix/store"
        "/run/wrappers/bin"
      ];
      description = ''
        Paths from which the units may run programs; from no other. The rest of what
        the units are denied is loosened unit by unit, with a plain value:
        `systemd.services.airflow-worker.serviceConfig.MemoryDenyWriteExecute = false;`
      '';
    };

    webserver = {
      enable = mkRole "the web server (page, REST API and execution API)";

      host = mkOption {
        type = types.str;
        default = "127.0.0.1";
        example = "0.0.0.0";
        description = ''
          Address to listen on. Worker hosts that don't go through nginx need one
          that they can reach.
        '';
      };

      port = mkOption {
        type = types.port;
        default = 8080;
        description = "TCP port to listen on.";
      };
    };

    scheduler.enable = mkRole "the scheduler";
    dagProcessor.enable = mkRole "the DAG processor, which reads the DAG files";
    triggerer.enable = mkRole "the triggerer, which waits for deferred tasks";

    openFirewall = mkOption {
      type = types.bool;
      default = false;
      description = ''
        Whether to open the ports that other hosts need: HTTP and HTTPS with nginx,
        otherwise the web server's port (if it listens beyond this host); Redis's
        port if {option}`services.airflow.redis.bind` is set; and on a host with
        workers the port from which the web server fetches their logs.
      '';
    };
  };

  config = lib.mkIf cfg.enable {
    services.airflow.finalPackage = cfg.package.pythonPackages.python.withPackages (
      ps:
      [
        ps.apache-airflow
        ps.aiomysql
        ps.mysqlclient
        ps.redis
      ]
      ++ cfg.extraPythonPackages ps
    );
  };
}
