# A second scheduler and triggerer: the first may be away for an upgrade, or for good.
# It has what the main host has of secrets, so its key is one of "main" in recipients.json.
# Deploy the main host first.
{
  imports = [ ./servers.nix ];

  networking.hostName = "scheduler2";
  # The triggerer's logs, for the page.
  networking.firewall.interfaces.wg0.allowedTCPPorts = [ 8794 ];

  services.airflow = {
    dagProcessor.enable = false;
    executionApiUrl = "http://main:8080/execution/";
    redis.host = "main";
    webserver.enable = false;
  };
}
