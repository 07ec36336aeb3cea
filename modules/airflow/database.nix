# Airflow's own database: MySQL, by its socket on this host or by the network.
{
  config,
  lib,
  pkgs,
  ...
}:

let
  inherit (lib) mkDefault mkOption types;

  cfg = config.services.airflow;
  db = cfg.database;
  helpers = import ./lib.nix { inherit config lib pkgs; };

  needed = helpers.hasServer;
  remote = "@${toString db.host}:${toString db.port}/${db.name}?charset=utf8mb4";
in
{
  options.services.airflow.database = {
    createLocally = mkOption {
      type = types.bool;
      default = cfg.mainHost == null && db.host == null;
      defaultText = lib.literalExpression "mainHost == null && database.host == null";
      description = ''
        Whether to run a MySQL server on this host and make the database in it. The
        units reach it by its socket, as the OS user that they are: there is no
        password.
      '';
    };

    host = mkOption {
      type = types.nullOr types.str;
      default = null;
      example = "db.internal.example.org";
      description = "Host of the MySQL server, when that is another one.";
    };

    port = mkOption {
      type = types.port;
      default = 3306;
      description = "TCP port of a MySQL server on another host.";
    };

    name = mkOption {
      type = types.str;
      default = "airflow";
      description = "Name of the database. It must be in utf8mb4, MySQL's default.";
    };

    user = mkOption {
      type = types.str;
      default = "airflow";
      description = "User of the database.";
    };

    passwordFile = mkOption {
      type = types.nullOr helpers.pathOutsideStore;
      default = null;
      example = "/run/agenix/airflow-database-password";
      description = "File with the user's password, for a server on another host.";
    };
  };

  config = lib.mkIf cfg.enable (
    lib.mkMerge [
      {
        # Who is not told better has no database, and learns so at once: a name that
        # doesn't resolve would take many seconds.
        services.airflow.settings.database.sql_alchemy_conn = mkDefault (
          if !needed || (db.host != null && db.passwordFile != null) then
            helpers.noDatabase
          else if db.createLocally then
            "mysql+mysqldb://${db.user}@localhost/${db.name}?unix_socket=/run/mysqld/mysqld.sock&charset=utf8mb4"
          else
            "mysql+mysqldb://${db.user}${remote}"
        );
      }

      (lib.mkIf (needed && db.passwordFile != null) {
        services.airflow.secrets.database-password = {
          option = "services.airflow.database.passwordFile";
          path = db.passwordFile;
          roles = [
            "admin"
            "airflow-backup"
            "alarm"
            "cleanup"
            "cli"
            "dag-processor"
            "migrate"
            "scheduler"
            "triggerer"
            "webserver"
          ];
          environment.AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_CMD = "${helpers.credential} database-password mysql+mysqldb://${db.user}: ${remote}";
        };
      })

      (lib.mkIf db.createLocally {
        assertions = [ helpers.mysqlRefusal ];

        boot.kernel.sysctl = helpers.noticeLostPeers;

        systemd.services = {
          airflow-migrate = lib.mkIf helpers.hasServer {
            serviceConfig.ExecStartPre = [ (toString helpers.refuseOpenMysql) ];
          };
          mysql = helpers.serverKeptUp;
        };

        services.mysql = {
          enable = true;
          package = mkDefault pkgs.mysql84;
          ensureDatabases = [ db.name ];
          ensureUsers = [
            {
              name = db.user;
              ensurePermissions."${db.name}.*" = "ALL PRIVILEGES";
            }
          ];
          settings.mysqld = {
            character-set-server = mkDefault "utf8mb4";
            # Reached by its socket only.
            mysqlx = mkDefault "OFF";
            # Some 200 MB, for statistics that Airflow doesn't look at.
            performance_schema = mkDefault "OFF";
            skip-networking = mkDefault true;
          };
        };
      })
    ]
  );
}
