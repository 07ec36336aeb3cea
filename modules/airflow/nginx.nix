# The proxy in front of the web server.
{ config, lib, ... }:

let
  inherit (lib) mkDefault mkOption types;

  cfg = config.services.airflow;
  scheme = if cfg.nginx.enableACME then "https" else "http";
  upstream =
    if
      lib.elem cfg.webserver.host [
        "0.0.0.0"
        "::"
      ]
    then
      "127.0.0.1"
    else
      cfg.webserver.host;

  # Nobody has to log in to read these: what tasks call (with tokens of their own), and
  # the descriptions of the APIs.
  workersPassBy = !lib.hasPrefix "${cfg.settings.api.base_url}/" "${toString cfg.executionApiUrl}";
  internal = lib.optional workersPassBy "execution/" ++ [ "(auth/)?(docs|redoc|openapi\\.json)" ];
in
{
  options.services.airflow.nginx = {
    enable = lib.mkEnableOption "an nginx proxy in front of Airflow's web server";

    hostName = mkOption {
      type = types.nullOr types.str;
      default = null;
      example = "airflow.example.org";
      description = "Name under which users reach Airflow.";
    };

    enableACME = mkOption {
      type = types.bool;
      default = false;
      description = ''
        Whether to get a certificate by ACME and to redirect all to HTTPS. For
        another certificate set `sslCertificate` and `forceSSL` of
        {option}`services.nginx.virtualHosts`, and
        {option}`services.airflow.settings` `api.base_url` to the HTTPS address.
      '';
    };
  };

  config = lib.mkIf (cfg.enable && cfg.webserver.enable && cfg.nginx.enable) {
    services.airflow.settings = {
      # Above the module's default and below what a user sets.
      api.base_url = lib.mkOverride 900 "${scheme}://${toString cfg.nginx.hostName}";
      fab = {
        cookie_secure = mkDefault cfg.nginx.enableACME;
        enable_proxy_fix = mkDefault true;
      };
    };

    services.nginx = {
      enable = true;
      virtualHosts = lib.mkIf (cfg.nginx.hostName != null) {
        ${cfg.nginx.hostName} = {
          enableACME = cfg.nginx.enableACME;
          forceSSL = mkDefault cfg.nginx.enableACME;
          locations = {
            "/" = {
              proxyPass = "http://${upstream}:${toString cfg.webserver.port}";
              proxyWebsockets = true;
              recommendedProxySettings = true;
              # Logs of running tasks arrive line by line.
              extraConfig = ''
                proxy_buffering off;
              '';
            };
            "~ ^/(${lib.concatStringsSep "|" internal})".extraConfig = ''
              return 404;
            '';
          };
        };
      };
    };

    networking.firewall.allowedTCPPorts = lib.mkIf cfg.openFirewall (
      [ 80 ] ++ lib.optional cfg.nginx.enableACME 443
    );
  };
}
