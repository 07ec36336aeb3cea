# Three hosts: "main" schedules and serves, "worker" runs the tasks and nothing else, and so does "spare".
self: {
  main.imports = [
    self.nixosModules.default
    ./hosts/pipeline_main.nix
    ./support
    ./support/vm.nix
    # It has the DAGs' repository.
    (
      { pkgs, ... }:
      {
        environment.systemPackages = [ pkgs.git ];
        services.openssh.enable = true;
      }
    )
  ];
  spare.imports = [
    self.nixosModules.default
    ./hosts/pipeline_worker.nix
    ./support
    ./support/vm.nix
  ];
  worker.imports = [
    self.nixosModules.default
    ./hosts/pipeline_worker.nix
    ./support
    ./support/vm.nix
  ];
}
