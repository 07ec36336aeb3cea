# The page on organizations, in Airflow's web server: its plugin, its role, and its user of the warehouse.
{
  config,
  lib,
  pkgs,
  ...
}:

let
  inherit (lib) mkIf mkOption types;

  cfg = config.services.etl;
  airflow = config.services.airflow;
  helpers = import ./airflow/lib.nix { inherit config lib pkgs; };

  user = "statistics-reader";
  isLocal = cfg.page.warehouseUrlFile == null;

  # What the page reads: not the events themselves.
  tables = [
    "day_load"
    "day_load_rows"
    "etl_schema_version"
    "malformed_line"
    "organization"
    "organization_health"
    "organization_statistic"
    "organization_statistic_total"
    "organization_user"
  ];

  # MySQL's users are users of the system by default, and the system's user is the same for all of
  # Airflow's server units: so this one has a password, which is the web server's alone.
  ensureReader = pkgs.writeShellScript "etl-ensure-statistics-reader" ''
    set -euo pipefail
    [[ $(< "$CREDENTIALS_DIRECTORY/${user}") =~ password=([0-9a-f]{64})$ ]] || {
      echo "<3>${airflow.secrets.${user}.path} is damaged: remove it, and the host makes another one" >&2
      exit 78
    }
    ${config.services.mysql.package}/bin/mysql --no-defaults --socket /run/mysqld/mysqld.sock warehouse <<SQL
    CREATE USER IF NOT EXISTS '${user}'@'localhost';
    ALTER USER '${user}'@'localhost' IDENTIFIED BY "''${BASH_REMATCH[1]}";
    ${lib.concatMapStrings (table: ''
      GRANT SELECT ON ${table} TO '${user}'@'localhost';
    '') tables}SQL
  '';
in
{
  options.services.etl.page = {
    enable = mkOption {
      type = types.bool;
      default = cfg.warehouse.createLocally || cfg.page.warehouseUrlFile != null;
      defaultText = lib.literalExpression "warehouse.createLocally || page.warehouseUrlFile != null";
      description = ''
        Whether Airflow's web server has the page on organizations, for users with the
        role `AccountManager`, which sees it and nothing of the DAGs, and for
        administrators.
      '';
    };

    warehouseUrlFile = mkOption {
      type = types.nullOr helpers.pathOutsideStore;
      default = null;
      example = "/run/agenix/etl-statistics-reader-url";
      description = ''
        File with the address of a warehouse elsewhere, as an SQLAlchemy URL like that
        of {option}`services.etl.warehouse.urlFile`, with a user who can only read.
        When null, the page reads the warehouse of this host, as the MySQL user
        `statistics-reader`, whose password the host makes.
      '';
    };
  };

  config = mkIf (cfg.enable && cfg.page.enable && airflow.webserver.enable) {
    assertions = [
      {
        assertion = isLocal -> cfg.warehouse.createLocally;
        message = "services.etl.page: the warehouse is on another host; set warehouseUrlFile.";
      }
    ];

    services.airflow = {
      generatedSecrets = mkIf isLocal {
        # As MySQL's clients read it, so that no address holds it.
        ${user} =
          "printf '[client]\\npassword=%s\\n' "
          + ''"$(head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \n')"'';
      };

      secrets.${user} = {
        option = "services.etl.page.warehouseUrlFile";
        path = if isLocal then "/var/lib/airflow/secrets/${user}" else cfg.page.warehouseUrlFile;
        roles = [ "webserver" ] ++ lib.optional isLocal user;
        multiline = isLocal;
        environment =
          if isLocal then
            {
              ETL_WAREHOUSE_URL = "mysql+mysqldb://${user}@localhost/warehouse?unix_socket=/run/mysqld/mysqld.sock&charset=utf8mb4&read_default_file=%d/${user}";
            }
          else
            { ETL_WAREHOUSE_URL_FILE = "%d/${user}"; };
      };

      roles.AccountManager = [
        "can_read on Organizations"
        # The navigation asks for them.
        "can_read on Plugins"
        "can_read on Website"
        "can_read on My Password"
        "can_edit on My Password"
        "can_read on My Profile"
      ];
    };

    systemd.services = {
      airflow-webserver.environment.AIRFLOW__CORE__PLUGINS_FOLDER = lib.mkDefault (
        toString (pkgs.callPackage ./packages/plugins.nix { })
      );

      etl-statistics-reader = mkIf isLocal (
        helpers.mkService "etl-statistics-reader" {
          description = "etl: the user of the warehouse that only reads, for the page";
          role = user;
          user = "root";
          after = [
            "etl-migrate.service"
            "mysql.service"
          ];
          wants = [ "mysql.service" ];
          # Its tables have to be there.
          requires = [ "etl-migrate.service" ];
          wantedBy = [ "airflow.target" ];
          serviceConfig =
            helpers.oneshotConfig
            // helpers.offline
            // {
              # It keeps nothing.
              StateDirectory = "etl-statistics-reader";
              LogsDirectory = null;
              WorkingDirectory = "/";
              ExecStart = toString ensureReader;
            };
        }
      );
    };
  };
}
