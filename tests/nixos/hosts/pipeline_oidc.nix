# The page, to which people log in at a server of OpenID Connect.
{
  imports = [ ./pipeline.nix ];

  services.airflow.webserver.oidc = {
    issuer = "http://localhost:9400";
    clientSecretFile = "/etc/credentials/oidc-client-secret";
    roles = {
      airflow-admins = [ "Admin" ];
      sales = [ "AccountManager" ];
    };
  };
}
