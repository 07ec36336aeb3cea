# The pipeline on one host, for somebody who operates it.
self: {
  machine.imports = [
    self.nixosModules.default
    ./hosts/pipeline.nix
    ./support
    ./support/vm.nix
  ];
}
