# Three hosts: "main" schedules and serves, "worker" runs the tasks and nothing else, and so does "spare".
self: {
  main.imports = [
    self.nixosModules.default
    ./hosts/pipeline_main.nix
    ./support
    ./support/vm.nix
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
