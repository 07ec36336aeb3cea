# The development machine: everything on one virtual machine, with an S3 API and sample
# data, and Airflow's page on the developer's port 8080 (login admin, password airflow).
#
# On its console (root, no password):
#   journalctl -u 'airflow-*' -f       what happens
#   systemctl restart airflow-worker   any unit alone
#   reset-airflow                      Airflow's database as on the first day
{
  config,
  lib,
  modulesPath,
  pkgs,
  ...
}:

let
  s3Port = 5000;
  bucket = "events";
  days = 5;
  url = "http://127.0.0.1:${toString s3Port}";

  python = (pkgs.callPackage ./packages/python.nix { group = "tests"; }).withPackages (ps: [
    ps.flask
    ps.flask-cors
    ps.moto
  ]);
in
{
  imports = [
    (modulesPath + "/virtualisation/qemu-vm.nix")
    ./airflow
    ./etl.nix
  ];

  virtualisation = {
    cores = 2;
    diskSize = 8192;
    forwardPorts = [
      {
        from = "host";
        host.port = 8080;
        guest.port = config.services.airflow.webserver.port;
      }
    ];
    graphics = false;
    memorySize = 6144;
  };

  networking.hostName = "airflow-vm";
  system.stateVersion = "26.05";
  services.getty.autologinUser = "root";

  # In the clear, for it guards nothing.
  environment.etc."airflow-vm/password".text = "airflow";

  services.airflow = {
    enable = true;
    admin.passwordFile = "/etc/airflow-vm/password";
    openFirewall = true;
    webserver.host = "0.0.0.0";
    environment = {
      AWS_ACCESS_KEY_ID = "vm";
      AWS_SECRET_ACCESS_KEY = "vm";
    };
    settings = {
      # Changes in a DAG file put there by hand show within seconds.
      dag_processor.min_file_process_interval = 5;
      dag_processor.refresh_interval = 5;
    };
  };

  services.etl = {
    enable = true;
    s3 = {
      inherit bucket;
      prefix = "events";
      endpointUrl = url;
    };
    startDate = "2016-02-21";
  };

  systemd.services = {
    s3 = {
      description = "S3 API with sample data, in memory";
      wantedBy = [ "multi-user.target" ];
      serviceConfig = {
        DynamicUser = true;
        ExecStart = "${lib.getExe' python "moto_server"} -H 127.0.0.1 -p ${toString s3Port}";
        Restart = "on-failure";
      };
    };

    # Again whenever the S3 API, and so what it held, is new.
    sample-data = {
      description = "Sample events, organizations and members";
      wantedBy = [ "multi-user.target" ];
      after = [
        "etl-migrate.service"
        "s3.service"
      ];
      requires = [ "etl-migrate.service" ];
      bindsTo = [ "s3.service" ];
      path = [
        config.services.airflow.finalPackage
        pkgs.curl
      ];
      environment = config.services.airflow.environment // {
        inherit (config.systemd.services.etl-migrate.environment) ETL_WAREHOUSE_URL;
      };
      script = ''
        curl --silent --show-error --fail --retry 60 --retry-delay 1 --retry-connrefused \
          --request PUT ${url}/${bucket} > /dev/null
        etl sample-data --days ${toString (days + 1)} --start ${config.services.etl.startDate}
      '';
      serviceConfig = {
        Type = "oneshot";
        RemainAfterExit = true;
        User = "etl";
      };
    };
  };

  environment.systemPackages = [
    (pkgs.writeShellScriptBin "reset-airflow" ''
      set -e
      systemctl stop airflow.target
      airflow db reset --yes
      systemctl start airflow.target
    '')
  ];
}
