# Two hosts: one with everything but a worker, one with nothing else.
self: {
  main.imports = [
    self.nixosModules.default
    ./hosts/pipeline_main.nix
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
