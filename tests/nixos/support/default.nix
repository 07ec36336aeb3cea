# What every machine of the tests has besides the host that is tested.
{
  config,
  lib,
  pkgs,
  ...
}:

let
  python = (pkgs.callPackage ../../../modules/packages/python.nix { group = "tests"; }).withPackages (ps: [
    ps.aiosmtpd
    ps.flask
    ps.flask-cors
    ps.idpyoidc
    ps.moto
  ]);
in
{
  system.activationScripts.credentials = "${pkgs.runtimeShell} ${./credentials.sh} /etc/credentials";

  environment.systemPackages = [
    pkgs.curl
    pkgs.netcat
  ];

  # An S3 API, in memory, with the bucket that the pipeline reads.
  systemd.services.s3 = {
    description = "S3 API";
    wantedBy = [ "multi-user.target" ];
    before = [ "airflow-scheduler.service" ];
    serviceConfig = {
      DynamicUser = true;
      ExecStart = "${lib.getExe' python "moto_server"} -H 0.0.0.0 -p 5000";
      ExecStartPost = lib.concatStringsSep " " [
        "${lib.getExe pkgs.curl} --silent --show-error --fail"
        "--retry 60 --retry-delay 1 --retry-connrefused --request PUT http://127.0.0.1:5000/events"
      ];
    };
  };

  # A server of OpenID Connect, for the tests that start it.
  systemd.services.oidc = {
    description = "Server of OpenID Connect";
    serviceConfig = {
      DynamicUser = true;
      LoadCredential = "secret:/etc/credentials/oidc-client-secret";
      ExecStart = "${lib.getExe' python "python"} ${./oidc_server.py} 9400 airflow %d/secret http://localhost/auth/oauth-authorized/oidc";
    };
  };

  # A mail server that prints what it gets.
  systemd.services.mail = {
    description = "Mail server";
    wantedBy = [ "multi-user.target" ];
    serviceConfig = {
      DynamicUser = true;
      Environment = "PYTHONUNBUFFERED=1";
      ExecStart = "${lib.getExe' python "python"} -m aiosmtpd -n -l 127.0.0.1:2525";
    };
  };
}
