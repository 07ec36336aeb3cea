# The pipeline daily_etls on top of services.airflow: its DAG, its jobs and its warehouse.
{
  config,
  lib,
  pkgs,
  ...
}:

let
  inherit (lib)
    mkDefault
    mkIf
    mkOption
    types
    ;

  cfg = config.services.etl;
  airflow = config.services.airflow;
  helpers = import ./airflow/lib.nix { inherit config lib pkgs; };

  hasWarehouse = cfg.warehouse.createLocally || cfg.warehouse.urlFile != null;
  localUrl =
    user:
    "mysql+mysqldb://${user}@localhost/warehouse?unix_socket=/run/mysqld/mysqld.sock&charset=utf8mb4";
  # The OS user of a process is its user of a local warehouse too.
  localWarehouse =
    user: lib.optionalAttrs cfg.warehouse.createLocally { ETL_WAREHOUSE_URL = localUrl user; };

  isBackedUp = cfg.warehouse.createLocally && airflow.backup.enable && helpers.hasServer;
  etl = lib.getExe' airflow.finalPackage "etl";
  etlOfUnit = "${helpers.python} -m etl.cli";
  # One program that becomes the other: systemd takes only a main process's exit code for a
  # reason not to try again.
  migrate =
    if isBackedUp then
      toString (
        pkgs.writeShellScript "etl-migrate" ''
          set -euo pipefail
          pending=$(${etlOfUnit} migrate --pending)
          if [[ -n $pending ]]; then
            echo "backing up the warehouse before its tables are changed: $pending"
            ${airflow.backup.jobs.etl.command}
          fi
          exec ${etlOfUnit} migrate
        ''
      )
    else
      "${etlOfUnit} migrate";

  workerUnits = map helpers.workerUnit (lib.attrNames helpers.workers);
in
{
  imports = [
    ./etl_metrics.nix
    ./etl_page.nix
  ];

  options.services.etl = {
    enable = lib.mkEnableOption ''
      the pipeline daily_etls: every day, events from S3 into a warehouse, and
      statistics per organization from it. It runs on {option}`services.airflow`, and
      must be enabled on every host of it'';

    runner = mkOption {
      type = types.enum [
        "local"
        "lambda"
      ];
      default = "local";
      description = ''
        Where the two jobs run: `local` in the Celery worker, `lambda` as the AWS
        Lambda functions `etl-load-events` and `etl-organization-stats`.
      '';
    };

    startDate = mkOption {
      type = types.strMatching "[0-9]{4}-[0-9]{2}-[0-9]{2}";
      example = "2016-02-21";
      description = "The first day to load (UTC), as YYYY-MM-DD.";
    };

    alertEmails = mkOption {
      type = types.listOf types.str;
      default = [ ];
      example = [ "data-team@example.org" ];
      description = ''
        Who gets a mail when a task has failed for good, when its day is done again,
        and when a day's events are late. It is sent as
        {option}`services.airflow.smtp` says.
      '';
    };

    weeklyEmails = mkOption {
      type = types.listOf types.str;
      default = [ ];
      example = [ "account-managers@example.org" ];
      description = ''
        Who gets a mail every Monday at 06:00 UTC with the organizations that need a
        call and the reasons, by the newest statistics. With nobody there is no DAG
        `weekly_mail`, and with the runner `lambda` neither: the warehouse is out of
        its workers' reach.
      '';
    };

    lateAfter = mkOption {
      type = types.strMatching "[0-9]{1,6}(s|min|h|d)";
      default = "12h";
      example = "36h";
      description = ''
        How long after a day's end (midnight, UTC) its events are late: a number and its
        unit, `s`, `min`, `h` or `d`. The day is complete when the next day has its first
        object; without one, a mail tells of it once, and waiting goes on. Where days are
        caught up, the time counts from when the day before is done.
      '';
    };

    s3 = {
      bucket = mkOption {
        type = types.str;
        example = "acme-events";
        description = "Bucket that holds the events.";
      };

      prefix = mkOption {
        type = types.str;
        default = "";
        example = "events";
        description = "Prefix under which the days lie, as `PREFIX/YYYY/MM/DD/`; nothing for the bucket's root.";
      };

      region = mkOption {
        type = types.str;
        default = "us-east-1";
        description = "AWS region of the bucket and of the Lambda functions.";
      };

      endpointUrl = mkOption {
        type = types.nullOr types.str;
        default = null;
        example = "http://minio.internal.example.org:9000";
        description = "Address of an S3 API other than AWS's.";
      };

      credentialsFile = mkOption {
        type = types.nullOr helpers.pathOutsideStore;
        default = null;
        example = "/run/agenix/etl-aws";
        description = ''
          AWS keys as a shared credentials file (`[default]`, `aws_access_key_id`,
          `aws_secret_access_key`). Not needed on a host with an instance role.
        '';
      };
    };

    lambda.endpointUrl = mkOption {
      type = types.nullOr types.str;
      default = null;
      example = "http://lambda.internal.example.org:9001";
      description = "Address of a Lambda API other than AWS's.";
    };

    warehouse = {
      createLocally = mkOption {
        type = types.bool;
        default = cfg.runner == "local" && cfg.warehouse.urlFile == null && airflow.mainHost == null;
        defaultText = lib.literalExpression ''runner == "local" && warehouse.urlFile == null && services.airflow.mainHost == null'';
        description = ''
          Whether to make the warehouse on this host, as the MySQL database
          `warehouse`. The workers read and write its rows; its tables belong to the
          user `etl`, and Airflow's other units cannot reach it.
        '';
      };

      backupDirectory = mkOption {
        type = helpers.pathOutsideStore;
        default = "/var/backup/etl";
        description = ''
          Folder of the backups of a warehouse of this host,
          `warehouse-YYYYMMDDTHHMMSSZ.sql.zst`, which are made with those of Airflow if
          {option}`services.airflow.backup.enable` says so. A warehouse elsewhere is
          backed up where it is.
        '';
      };

      urlFile = mkOption {
        type = types.nullOr helpers.pathOutsideStore;
        default = null;
        example = "/run/agenix/etl-warehouse-url";
        description = ''
          File with the address of a warehouse elsewhere, as an SQLAlchemy URL:
          `mysql+mysqldb://USER:PASSWORD@HOST/DATABASE`.
        '';
      };

      bufferPoolSize = mkOption {
        type = types.strMatching "[0-9]+[MG]";
        default = "1G";
        example = "4G";
        description = ''
          How much memory MySQL may take for the tables of a warehouse on this host,
          and of Airflow's database with it, `innodb_buffer_pool_size`. Loads slow down
          when the indexes that they write to outgrow it. MySQL's own default is 128M.
        '';
      };
    };
  };

  config = mkIf cfg.enable (
    lib.mkMerge [
      {
        assertions = [
          {
            assertion = airflow.enable;
            message = "services.etl runs on Airflow; set services.airflow.enable = true.";
          }
          {
            assertion = !(cfg.warehouse.createLocally && cfg.warehouse.urlFile != null);
            message = "services.etl.warehouse: createLocally makes the warehouse on this host, and urlFile names another one; set one of them.";
          }
          {
            assertion = cfg.runner == "local" && helpers.hasWorkers -> hasWarehouse;
            message = "services.etl.warehouse: the jobs run in this host's workers and have no warehouse; set urlFile, or createLocally = true.";
          }
        ];

        warnings =
          lib.optional
            (
              # Workers ask the main host for connections.
              helpers.hasServer
              && cfg.alertEmails ++ cfg.weeklyEmails != [ ]
              && !airflow.smtp.enable
              && !(airflow.connections ? smtp_default)
            )
            "services.etl.alertEmails and weeklyEmails: no mail will be sent; set services.airflow.smtp.enable = true, or services.airflow.connections.smtp_default.";

        services.airflow = {
          dagsFolder = mkDefault (pkgs.callPackage ./packages/dags.nix { });
          extraPythonPackages = ps: [
            (ps.callPackage ./packages/etl.nix { })
            # Sensors that wait without a worker need it.
            ps.aiobotocore
          ];

          # Whoever hears of failed tasks hears of failing hosts.
          alarm.emails = mkDefault cfg.alertEmails;

          health.dags = [ "daily_etls" ];

          # A queued task that Redis has lost is queued again within a minute, for as long as
          # there is no worker to take it. Only few are ever queued: the DAG has at most 4.
          settings.scheduler = {
            num_stuck_in_queued_retries = mkDefault 10000;
            task_queued_timeout = mkDefault 45;
            task_queued_timeout_check_interval = mkDefault 10;
          };

          # Seconds. A DAG file that has changed is read at once all the same, and by default each is
          # read every 30 s: two thirds of what the DAG processor takes when there is nothing to do.
          settings.dag_processor.min_file_process_interval = mkDefault 300;

          # Once for all tasks, in the process that they are forked from, and not for each of them.
          settings.celery.extra_celery_config = mkDefault (builtins.toJSON { imports = [ "etl.preload" ]; });

          # The DAG is there because the configuration says so.
          settings.core.dags_are_paused_at_creation = mkDefault false;

          # To units, "%" begins a specifier; these values are what they say.
          environment = lib.mapAttrs (_: lib.replaceStrings [ "%" ] [ "%%" ]) (
            {
              AWS_DEFAULT_REGION = cfg.s3.region;
              ETL_ALERT_EMAILS = lib.concatStringsSep "," cfg.alertEmails;
              ETL_LATE_AFTER = cfg.lateAfter;
              ETL_RUNNER = cfg.runner;
              ETL_S3_BUCKET = cfg.s3.bucket;
              ETL_S3_PREFIX = cfg.s3.prefix;
              ETL_START_DATE = cfg.startDate;
            }
            // lib.optionalAttrs (cfg.weeklyEmails != [ ]) {
              ETL_WEEKLY_EMAILS = lib.concatStringsSep "," cfg.weeklyEmails;
            }
            // lib.optionalAttrs (cfg.s3.endpointUrl != null) {
              AWS_ENDPOINT_URL_S3 = cfg.s3.endpointUrl;
            }
            // lib.optionalAttrs (cfg.lambda.endpointUrl != null) {
              AWS_ENDPOINT_URL_LAMBDA = cfg.lambda.endpointUrl;
            }
          );

          secrets = {
            aws = mkIf (cfg.s3.credentialsFile != null) {
              option = "services.etl.s3.credentialsFile";
              path = cfg.s3.credentialsFile;
              roles = [
                "etl"
                "triggerer"
                "worker"
              ];
              multiline = true;
              environment.AWS_SHARED_CREDENTIALS_FILE = "%d/aws";
            };

            warehouse-url = mkIf (cfg.warehouse.urlFile != null) {
              option = "services.etl.warehouse.urlFile";
              path = cfg.warehouse.urlFile;
              roles = [
                "etl"
                "etl-migrate"
                "worker"
              ];
              environment.ETL_WAREHOUSE_URL_FILE = "%d/warehouse-url";
            };
          };
        };
      }

      (mkIf airflow.scheduler.enable {
        # It notes on each run which day it is for.
        systemd.services.airflow-scheduler.environment.AIRFLOW__CORE__PLUGINS_FOLDER = mkDefault (
          toString (pkgs.callPackage ./packages/plugins.nix { })
        );
      })

      (mkIf hasWarehouse {
        users.users.etl = {
          isSystemUser = true;
          group = "etl";
          home = "/var/lib/etl";
          description = "Owner of the warehouse's tables";
        };
        users.groups.etl = { };

        environment.systemPackages = [
          (helpers.mkCommand {
            name = "etl";
            user = "etl";
            role = "etl";
            program = etl;
            environment = localWarehouse "etl";
          })
        ];

        systemd.services = {
          etl-migrate = helpers.mkService "etl-migrate" {
            description = "etl: create or upgrade the warehouse's tables";
            role = "etl-migrate";
            user = "etl";
            after = lib.optional cfg.warehouse.createLocally "mysql.service";
            wants = lib.optional cfg.warehouse.createLocally "mysql.service";
            wantedBy = [ "airflow.target" ];
            environment = localWarehouse "etl";
            serviceConfig =
              helpers.oneshotConfig
              // lib.optionalAttrs cfg.warehouse.createLocally helpers.offline
              // {
                ExecStart = migrate;
                ReadWritePaths = lib.optional isBackedUp "-${cfg.warehouse.backupDirectory}";
              };
          };

          # Nothing is scheduled, and no task runs, before the tables are there.
          airflow-scheduler = mkIf airflow.scheduler.enable { after = [ "etl-migrate.service" ]; };
        }
        // lib.genAttrs workerUnits (_: {
          after = [ "etl-migrate.service" ];
          requires = [ "etl-migrate.service" ];
          environment = localWarehouse "airflow-worker";
        });
      })

      (mkIf isBackedUp {
        services.airflow.backup.jobs.etl = {
          database = "warehouse";
          directory = cfg.warehouse.backupDirectory;
          user = "etl";
          isLocal = true;
          migration = "etl-migrate.service";
          # So that it has all that Airflow's own backup says is done.
          after = [ "airflow-backup.service" ];
        };
      })

      (mkIf cfg.warehouse.createLocally {
        assertions = [ helpers.mysqlRefusal ];

        boot.kernel.sysctl = mkIf (!airflow.database.createLocally) helpers.noticeLostPeers;

        systemd.services = {
          etl-migrate.serviceConfig.ExecStartPre = [ (toString helpers.refuseOpenMysql) ];
          mysql = helpers.serverKeptUp;
        };

        services.mysql = {
          enable = true;
          package = mkIf (!airflow.database.createLocally) (mkDefault pkgs.mysql84);
          settings.mysqld = {
            # A line of 64 MiB fits in, whatever of it is escaped.
            max_allowed_packet = mkDefault "1G";
            innodb_buffer_pool_size = mkDefault cfg.warehouse.bufferPoolSize;
            # A day's load fits in, so that it doesn't wait for pages to be written.
            innodb_redo_log_capacity = mkDefault "1G";
          };
          ensureDatabases = [ "warehouse" ];
          ensureUsers = [
            {
              name = "etl";
              ensurePermissions."warehouse.*" = "ALL PRIVILEGES";
            }
            {
              name = "airflow-worker";
              ensurePermissions."warehouse.*" = "SELECT, INSERT, UPDATE, DELETE";
            }
          ];
        };
      })
    ]
  );
}
