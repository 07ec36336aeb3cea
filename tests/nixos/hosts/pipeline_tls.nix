# The page by HTTPS.
{
  imports = [ ./pipeline.nix ];

  services.airflow.nginx.enableACME = true;

  # Nobody gives these machines a certificate: nginx has the one that it starts with.
  security.acme = {
    acceptTerms = true;
    defaults.email = "operations@example.org";
  };
}
