# A worker host: it has no credential of Airflow's database. Two of them are alike.
{
  imports = [ ./common.nix ];

  # The logs of tasks, for the page.
  networking.firewall.interfaces.wg0.allowedTCPPorts = [ 8793 ];

  services.airflow = {
    mainHost = "main";
    workers.default.concurrency = 8;
  };
}
